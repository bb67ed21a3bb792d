"""Loops against Python loops over NumPy arrays, natively and in the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import graphdl as gd
from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.parser import parse
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.ops.table import OPS
from tests.plugins.compare import assert_close

Array = NDArray[Any]
RNG = np.random.default_rng(7)
WEIGHT = RNG.standard_normal((3, 3)).astype(np.float32)


def run_all(inputs: Sequence[Tensor], outputs: Sequence[Tensor], *arrays: Array) -> list[Array]:
    """The native results, equal to the interpreter's and unchanged by printing and parsing."""
    graph = Graph(tuple(inputs), tuple(outputs))
    verify(graph)
    printed = text(graph, with_comments=False)
    if "storage=" not in printed:
        assert text(parse(printed, OPS), with_comments=False) == printed
    with gd.configure(verify=True):
        native = gd.function(list(inputs), list(outputs))(*arrays)
        wanted = gd.function(list(inputs), list(outputs), target="reference")(*arrays)
    for one, other in zip(native, wanted, strict=True):
        assert_close(one, other, rtol=1e-5, atol=1e-6)
    found: list[Array] = native
    return found


def recur(carry: Array, x: Array) -> Array:
    """One step of a small recurrent cell."""
    result: Array = np.tanh(carry @ WEIGHT + x)
    return result


@pytest.mark.parametrize("length", [0, 1, 5])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_a_python_loop(length: int, reverse: bool) -> None:
    x = gd.placeholder("x", ("steps", 3))
    weight = gd.variable(WEIGHT)
    last, ys = gd.scan(
        lambda carry, row: (gd.tanh(carry @ weight + row), carry * 2.0),
        gd.zeros(3), x, reverse=reverse,
    )  # fmt: skip
    data = RNG.standard_normal((length, 3)).astype(np.float32)
    carry, rows = np.zeros(3, np.float32), np.zeros((length, 3), np.float32)
    for step in reversed(range(length)) if reverse else range(length):
        rows[step] = carry * 2
        carry = recur(carry, data[step])
    found = run_all([x], [last, ys], data)
    assert_close(found[0], carry)
    assert_close(found[1], rows)


def test_nested_carries_results_and_none() -> None:
    first, results = gd.scan(
        lambda c, _: ({"a": c["b"], "b": c["a"] + c["b"]}, [c["a"], None, (c["b"],)]),
        {"a": 0.0, "b": 1.0}, length=8,
    )  # fmt: skip
    assert results[1] is None
    found = run_all([], [first["a"], first["b"], results[0], results[2][0]])
    assert [float(each) for each in found[:2]] == [21, 34]
    assert found[2].tolist() == [0, 1, 1, 2, 3, 5, 8, 13]
    assert found[3].tolist() == [1, 1, 2, 3, 5, 8, 13, 21]


def test_a_scan_inside_a_scan() -> None:
    x = gd.placeholder("x", ("rows", 4))

    def inner(carry: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        return carry * 0.5 + value, carry

    def outer(carry: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        carry, before = gd.scan(inner, carry, row, reverse=True)
        return carry, gd.sum(before) + carry

    last, ys = gd.scan(outer, 1.0, x)
    data = RNG.standard_normal((3, 4)).astype(np.float32)
    carry, rows = 1.0, []
    for row in data:
        before = []
        for value in row[::-1]:
            before.append(carry)
            carry = carry * 0.5 + value
        rows.append(sum(before) + carry)
    found = run_all([x], [last, ys], data)
    assert_close(found[0], np.float32(carry))
    assert_close(found[1], np.array(rows, np.float32))


@pytest.mark.parametrize("unroll", [2, 3, 7, 100])
@pytest.mark.parametrize("reverse", [False, True])
def test_unrolling_changes_nothing(unroll: int, reverse: bool) -> None:
    x = gd.placeholder("x", (2, 7))

    def step(carry: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        return carry * 0.5 + column, carry * column

    plain = gd.scan(step, gd.ones(2), x, axis=1, reverse=reverse)
    written_out = gd.scan(step, gd.ones(2), x, axis=1, reverse=reverse, unroll=unroll)
    data = RNG.standard_normal((2, 7)).astype(np.float32)
    found = run_all([x], [*plain, *written_out], data)
    assert_close(found[2], found[0])
    assert_close(found[3], found[1])


def test_slices_along_another_axis_and_map() -> None:
    x = gd.placeholder("x", (2, "n"))
    data = RNG.standard_normal((2, 5)).astype(np.float32)
    (found,) = run_all([x], [gd.map(lambda column: column - gd.max(column), x, axis=1)], data)
    assert_close(found, data - data.max(0))


def test_fori_loop_counts() -> None:
    x = gd.placeholder("x", ("n",))
    total = gd.fori_loop(2, x.shape[0], lambda i, t: t + gd.astype(i, "float32") * x[0], 0.0)
    for length in (6, 2):
        (found,) = run_all([x], [total], np.full(length, 2, np.float32))
        assert found == 2 * sum(range(2, length))


def test_captured_variables_and_updates() -> None:
    state = gd.variable(np.array([1.0, 2.0]), name="state")
    last, _ = gd.scan(lambda carry, _: (carry + state, None), state, length=3)
    step = gd.function([], last, updates={state: last})
    assert step().tolist() == [4, 8]
    assert state.numpy().tolist() == [4, 8]
    assert step().tolist() == [16, 32]


def test_draws_differ_from_step_to_step_and_from_call_to_call() -> None:
    gd.random.seed(3)
    _, draws = gd.scan(lambda carry, _: (carry, gd.random.uniform((4,))), (), length=5)
    function = gd.function([], draws)
    first, second = function(), function()
    assert len(np.unique(np.concatenate([first, second]))) == 40
    gd.random.seed(3)
    assert np.array_equal(gd.function([], draws, target="reference")(), first)


def test_prints_happen_in_the_order_of_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    def step(carry: Tensor, x: Tensor) -> tuple[Tensor, None]:
        return gd.print(gd.print(carry, "a") + x, "b"), None

    x = gd.placeholder("x", (2,))
    last, _ = gd.scan(step, 0.0, x)
    wanted = [("a", 0.0), ("b", 1.0), ("a", 1.0), ("b", 3.0)]
    for outputs, target in ((last, "reference"), (gd.grad(last * last, x), "cpu")):
        gd.function([x], [last, outputs], target=target)(np.array([1, 2], np.float32))
        lines = capsys.readouterr().out.splitlines()
        assert [(line[0], float(line[1:])) for line in lines] == wanted


def test_a_check_in_a_loop_stops_before_anything_is_written() -> None:
    state = gd.variable(np.zeros(()), name="state")
    x = gd.placeholder("x", ("n",))
    last, _ = gd.scan(lambda c, v: (gd.check(c + v, c < 3.0, "small"), None), 0.0, x)
    function = gd.function([x], last, updates={state: last})
    with pytest.raises(gd.NumericsError, match="small"):
        function(np.ones(6, np.float32))
    assert state.numpy() == 0
    assert function(np.ones(3, np.float32)) == 3


WRONG: dict[str, tuple[type[Exception], str, Callable[[Tensor], Any]]] = {
    "shape": (
        gd.ShapeError, r"starts as float32\[3\] and becomes float32\[\]",
        lambda x: gd.scan(lambda c, r: (gd.sum(c), None), gd.zeros(3), x),
    ),
    "dtype": (
        gd.DTypeError, "starts as int64",
        lambda x: gd.scan(lambda c, r: (gd.sum(r), None), 0, x),
    ),
    "structure": (
        gd.ArgumentError, "another structure",
        lambda x: gd.scan(lambda c, r: ((c, c), None), 0.0, x),
    ),
    "pair": (gd.ArgumentError, r"must return \(carry, y\)", lambda x: gd.scan(gd.add, 0.0, x)),
    "length": (
        gd.ShapeError, "5 steps, another has 4",
        lambda x: gd.scan(lambda c, r: (c, None), 0.0, (gd.ones(4), gd.ones(5))),
    ),
    "no length": (
        gd.ArgumentError, "length= must say", lambda x: gd.scan(lambda c, r: (c, None), 0.0),
    ),
    "0-d": (
        gd.ShapeError, "has no slices",
        lambda x: gd.scan(lambda c, r: (c, None), 0.0, gd.ones(())),
    ),
    "unroll": (
        gd.ArgumentError, "unroll",
        lambda x: gd.scan(lambda c, r: (c, None), 0.0, x, unroll=0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_loops_are_errors(name: str) -> None:
    kind, message, build = WRONG[name]
    with pytest.raises(kind, match=message):
        build(gd.placeholder("x", ("steps", 3)))


def test_a_moving_statistic_inside_a_loop_is_an_error() -> None:
    layer = gd.nn.BatchNormalization()
    layer(gd.ones((4, 3)))
    with pytest.raises(gd.ArgumentError, match="depends on the function's arguments"):
        gd.scan(lambda c, x: (c, layer(x)), 0.0, gd.ones((5, 4, 3)))


def test_the_number_of_steps_does_not_change_the_program() -> None:
    def build(steps: int) -> gd.Function:
        x = gd.placeholder("x", (steps, 3))
        _, ys = gd.scan(lambda c, r: ((h := gd.tanh(c + r)), h), gd.zeros(3), x)
        return gd.function([x], gd.grad(gd.sum(ys), x))

    short, long = build(16), build(256)
    assert len(short.stages["program"].splitlines()) == len(long.stages["program"].splitlines())


# Branches -----------------------------------------------------------------------------------------


def test_switch_runs_the_branch_of_the_index() -> None:
    x = gd.placeholder("x", (3,))
    index = gd.placeholder("index", (), dtype="int32")
    weight = gd.variable(WEIGHT, name="weight")
    branches = [
        lambda t: {"a": t @ weight, "b": 1.0},
        lambda t: {"a": t, "b": gd.sum(x)},
        lambda t: {"a": gd.zeros(3), "b": gd.scan(lambda c, v: (c * v, None), 2.0, t)[0]},
    ]
    result = gd.switch(index, branches, x * 2.0)
    data = RNG.standard_normal(3).astype(np.float32)
    wanted = [(2 * data @ WEIGHT, 1.0), (2 * data, data.sum()), (np.zeros(3), 16 * data.prod())]
    for number, chosen in ((0, 0), (1, 1), (2, 2), (7, 2), (-3, 0)):
        found = run_all([x, index], [result["a"], result["b"]], data, np.array(number, np.int32))
        assert_close(found[0], wanted[chosen][0])
        assert_close(found[1], np.float32(wanted[chosen][1]))


def test_only_the_chosen_branch_runs(capsys: pytest.CaptureFixture[str]) -> None:
    x = gd.placeholder("x", ())
    result = gd.cond(x > 0.0, lambda: gd.print(x, "yes"), lambda: gd.print(-x, "no"))
    for target in ("cpu", "reference"):
        function = gd.function([x], result, target=target)
        assert function(np.float32(2)) == 2
        assert capsys.readouterr().out.startswith("yes")
        assert function(np.float32(-3)) == 3
        assert capsys.readouterr().out.startswith("no")


def test_a_branch_inside_a_loop() -> None:
    x = gd.placeholder("x", ("n",))
    last, _ = gd.scan(lambda c, v: (gd.cond(v > 0.0, lambda: c + v, lambda: c * 2.0), None), 1.0, x)
    (found,) = run_all([x], [last], np.array([1, -1, 2, -5], np.float32))
    assert found == ((1 + 1) * 2 + 2) * 2


@pytest.mark.parametrize(
    ("kind", "message", "build"),
    [
        (gd.DTypeError, "0-d bool", lambda x: gd.cond(x > 0.0, lambda: x, lambda: x)),
        (gd.DTypeError, "0-d integer", lambda x: gd.switch(x, [lambda: x])),
        (gd.ArgumentError, "no branches", lambda x: gd.switch(0, [])),
        (gd.ShapeError, "one branch returns", lambda x: gd.switch(0, [lambda: x, lambda: x[0]])),
        (gd.ArgumentError, "structures", lambda x: gd.switch(0, [lambda: x, lambda: (x, x)])),
    ],
)  # fmt: skip
def test_wrong_branches_are_errors(
    kind: type[Exception], message: str, build: Callable[[Tensor], Any]
) -> None:
    with pytest.raises(kind, match=message):
        build(gd.placeholder("x", (3,)))
