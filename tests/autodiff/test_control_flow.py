"""Gradients of loops against those of the same steps written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import graphdl as gd
from graphdl.graph.nodes import Tensor
from graphdl.ops import control_flow as ops
from graphdl.passes.pipeline import optimize
from tests.plugins.compare import assert_close

Array = NDArray[Any]
RNG = np.random.default_rng(3)
SIZE = 3


def placeholders(steps: int) -> list[Tensor]:
    """x, w, b, start."""
    shapes = {"x": (steps, SIZE), "w": (SIZE, SIZE), "b": (SIZE,), "start": (SIZE,)}
    return [gd.placeholder(name, shape, dtype="float64") for name, shape in shapes.items()]


def arrays(inputs: list[Tensor]) -> list[Array]:
    return [RNG.standard_normal([int(str(size)) for size in each.shape]) for each in inputs]


def cell(w: Tensor, b: Tensor) -> Any:
    """A gated step with two carries and two results."""

    def step(carry: tuple[Tensor, Tensor], x: Tensor) -> Any:
        state, total = carry
        gate = gd.sigmoid(state @ w + x * b)
        after = gd.tanh(gate * state + (1 - gate) * x) + 0.1 * gd.log(1 + gd.exp(state))
        return (after, total * 0.5 + gd.sum(after * state)), (after * total, gate)

    return step


def written_out(step: Any, carry: Any, x: Tensor, steps: int, reverse: bool) -> Any:
    ys: list[Any] = [None] * steps
    for number in reversed(range(steps)) if reverse else range(steps):
        carry, ys[number] = step(carry, x[number])
    return carry, tuple(gd.stack([y[i] for y in ys]) for i in range(2))


def cost(result: Any) -> Tensor:
    (state, total), (first, second) = result
    value: Tensor = gd.sum(gd.sin(state)) + total + gd.sum(gd.cos(first)) + gd.sum(second[0] ** 2)
    return value


@pytest.mark.parametrize("steps", [1, 6])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("remat", [None, True])
def test_first_and_second_derivatives(steps: int, reverse: bool, remat: bool | None) -> None:
    inputs = placeholders(steps)
    x, w, b, start = inputs
    step, begin = cell(w, b), (start, gd.sum(start))
    loop = gd.scan(step, begin, x, reverse=reverse, remat=remat)
    plain = written_out(step, begin, x, steps, reverse)
    found: list[Tensor] = []
    for result in (loop, plain):
        gradients = gd.grad(cost(result), inputs)
        size: Tensor = sum((gd.sum(g * g) for g in gradients), start=gd.zeros((), "float64"))
        found += [*gradients, *gd.grad(size, inputs)]
    data = arrays(inputs)
    for target in ("cpu", "reference"):
        values = gd.function(inputs, found, target=target)(*data)
        for one, other in zip(values[:8], values[8:], strict=True):
            assert_close(one, other, rtol=1e-11, atol=1e-11)


def test_the_gradient_of_a_loop_without_steps() -> None:
    x = gd.placeholder("x", ("n",), dtype="float64")
    start = gd.placeholder("start", (), dtype="float64")
    last, _ = gd.scan(lambda c, v: (c * v, None), start, x)
    gradient = gd.function([x, start], gd.grad(last, [x, start]))
    for length in (0, 4):
        data = RNG.standard_normal(length)
        by_x, by_start = gradient(data, np.float64(2))
        assert_close(by_start, np.prod(data))
        assert_close(by_x, 2 * np.array([np.prod(np.delete(data, i)) for i in range(length)]))


def test_nested_loops() -> None:
    x = gd.placeholder("x", (3, 4), dtype="float64")
    w = gd.placeholder("w", (), dtype="float64")

    def outer(carry: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        carry, before = gd.scan(lambda c, v: (gd.sin(c * w) + v, c * v), carry, row)
        return carry, gd.sum(before * carry)

    def plain(carry: Tensor) -> Tensor:
        total: Tensor = gd.zeros((), "float64")
        for row in range(3):
            before = []
            for column in range(4):
                before.append(carry * x[row, column])
                carry = gd.sin(carry * w) + x[row, column]
            total = total + gd.sum(gd.stack(before) * carry)
        return total

    loop = gd.sum(gd.scan(outer, gd.ones((), "float64"), x)[1])
    both = [gd.grad(value, [x, w]) for value in (loop, plain(gd.ones((), "float64")))]
    values = gd.function([x, w], both)(RNG.standard_normal((3, 4)), np.float64(0.7))
    for one, other in zip(*values, strict=True):
        assert_close(one, other, rtol=1e-11, atol=1e-11)


def test_integer_carries_and_sequences_have_no_cotangent() -> None:
    x = gd.placeholder("x", (5,), dtype="float64")
    indices = gd.constant([4, 2, 0])

    def step(carry: Any, index: Tensor) -> Any:
        total, count = carry
        return (total + x[index] * x[index], count + 1), count

    (total, count), _ = gd.scan(step, (gd.zeros((), "float64"), 0), indices)
    gradient, steps = gd.function([x], [gd.grad(total, x), count])(np.arange(5.0))
    assert gradient.tolist() == [0, 0, 4, 0, 8]
    assert steps == 3


def test_only_what_the_gradient_reads_is_kept() -> None:
    x, w, _, start = placeholders(6)
    last, _ = gd.scan(lambda c, v: (gd.tanh(c @ w + v), None), start, x)
    function = gd.function([x, w, start], [gd.sum(last), *gd.grad(gd.sum(last), [w, start])])
    optimized, _ = optimize(function.graph)
    loops = [node for node in optimized.nodes() if node.op is ops.scan]
    assert len(loops) == 2  # the forward loop runs once
    forward = loops[0]
    assert len(forward.result_types) - forward.attributes["carries"] == 2  # states, and tanh


def test_gradients_reach_a_dropout_mask_that_is_drawn_in_the_loop() -> None:
    x = gd.placeholder("x", (64, 8), dtype="float64")

    def step(carry: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        kept = gd.where(gd.random.uniform((8,)) < 0.5, row, 0.0)
        return carry, kept

    _, ys = gd.scan(step, 0.0, x)
    value, gradient = gd.function([x], [ys, gd.grad(gd.sum(ys), x)])(np.ones((64, 8)))
    assert np.array_equal(value, gradient)
    assert 0.3 < value.mean() < 0.7


def test_branches_to_the_second_order() -> None:
    x = gd.placeholder("x", (SIZE,), dtype="float64")
    w = gd.placeholder("w", (SIZE, SIZE), dtype="float64")
    index = gd.placeholder("index", (), dtype="int32")
    branches: list[Any] = [
        lambda t: (gd.sin(t @ w), 1.0),
        lambda t: (t, gd.sum(t**2)),
        lambda t: (gd.exp(t), gd.sum(w) * t[0]),
    ]

    def derivatives(result: tuple[Tensor, Any]) -> list[Tensor]:
        cost = gd.sum(result[0]) * result[1]
        first = gd.grad(cost, [x, w], disconnected="zero")
        return [cost, *first, gd.grad(gd.sum(first[0] ** 2), x)]

    chosen = gd.function([x, w, index], derivatives(gd.switch(index, branches, x * 2.0)))
    data = {x: RNG.standard_normal(SIZE), w: RNG.standard_normal((SIZE, SIZE))}
    for number, branch in enumerate(branches):
        plain = [each.eval(data) for each in derivatives(branch(x * 2.0))]
        found = chosen(data[x], data[w], np.int32(number))
        for one, other in zip(found, plain, strict=True):
            assert_close(one, other, rtol=1e-11, atol=1e-11)


def test_a_branch_inside_a_loop() -> None:
    x = gd.placeholder("x", (6,), dtype="float64")
    last, _ = gd.scan(
        lambda c, v: (gd.cond(v > 0.0, lambda: c * v, lambda: gd.sin(c) + v), None),
        gd.ones((), "float64"), x,
    )  # fmt: skip
    plain = gd.ones((), "float64")
    for step in range(6):
        v = x[step]
        plain = gd.where(v > 0.0, plain * v, gd.sin(plain) + v)
    data = RNG.standard_normal(6)
    found, wanted = gd.function([x], [gd.grad(last, x), gd.grad(plain, x)])(data)
    assert_close(found, wanted, rtol=1e-11, atol=1e-11)
