"""gd.function: what it takes, returns, updates, refuses, and says about itself."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphdl as gd

TARGETS = ["cpu", "reference"]
X = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """Native code and the interpreter."""
    return str(request.param)


def x_and_y() -> tuple[gd.Tensor, gd.Tensor]:
    return gd.placeholder("x", ("n", 3)), gd.placeholder("y", ("n",))


# Calls --------------------------------------------------------------------------------------------


def test_arguments_by_position_and_by_name(target: str) -> None:
    x, y = x_and_y()
    f = gd.function([x, y], gd.sum(x, axis=1) * y, target=target)
    weights = np.array([1, 2, 3, 4], np.float32)
    expected = X.sum(1) * weights
    for result in (f(X, weights), f(X, y=weights), f(y=weights, x=X)):
        np.testing.assert_array_equal(result, expected)


def test_a_dict_of_inputs_is_called_by_keyword(target: str) -> None:
    x, _ = x_and_y()
    f = gd.function({"image": x}, x * 2, target=target)
    np.testing.assert_array_equal(f(image=X), X * 2)
    with pytest.raises(gd.ArgumentError, match="by keyword"):
        f(X)


@dataclass
class Losses:
    """A dataclass of tensors."""

    total: Any
    parts: Any


class Pair(NamedTuple):
    """A named tuple of tensors."""

    first: Any
    second: Any


def test_outputs_come_back_in_their_structure(target: str) -> None:
    x, _ = x_and_y()
    total = gd.sum(x)
    f = gd.function([x], {"a": [x + 1, (total,)], "b": Pair(total, x)}, target=target)
    result = f(X)
    assert list(result) == ["a", "b"]
    assert isinstance(result["a"][1], tuple)
    assert isinstance(result["b"], Pair)
    assert result["b"].first == X.sum()
    assert isinstance(gd.function([x], [total], target=target)(X), list)
    assert len(gd.function([x], (total,), target=target)(X)) == 1
    assert gd.function([x], Losses(total, [x]), target=target)(X)["total"] == X.sum()


def test_numbers_and_constants_are_outputs_too(target: str) -> None:
    x, _ = x_and_y()
    f = gd.function([x], [3.0, gd.constant([1, 2]), x.shape[0], gd.zeros(("n",))], target=target)
    number, constant, size, zeros = f(X)
    assert number == 3.0
    assert constant.tolist() == [1, 2]
    assert size == 4
    assert zeros.shape == (4,)


def test_any_batch_size_without_recompilation(target: str) -> None:
    x, _ = x_and_y()
    f = gd.function([x], gd.softmax(x), target=target)
    for count in (1, 0, 7, 64):
        assert f(np.ones((count, 3), np.float32)).shape == (count, 3)


def test_data_is_converted_where_nothing_is_lost(target: str) -> None:
    x, _ = x_and_y()
    f = gd.function([x], x + 0, target=target)
    wide = X.astype(np.float64)
    for data in (
        wide,
        X.astype(np.int32),
        X.tolist(),
        wide[:, ::-1][:, ::-1],
        np.asfortranarray(X),
    ):
        result = f(data)
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, X)
    scalar = gd.placeholder("s", ())
    assert gd.function([scalar], scalar * 2, target=target)(3) == 6.0


@pytest.mark.parametrize(
    ("dtype", "data", "error", "match"),
    [
        ("int32", np.array([0.5]), gd.DTypeError, "is int32, got float64"),
        ("float32", np.array([1j]), gd.DTypeError, "got complex128"),
        ("uint8", np.array([300]), gd.ArgumentError, "cannot hold 300"),
        ("int8", np.array([-129]), gd.ArgumentError, "cannot hold -129"),
        ("bool", np.array([1.0]), gd.DTypeError, "is bool"),
        ("float32", np.array(["a"]), gd.DTypeError, "got <U1"),
        ("float32", np.ones((2, 2)), gd.ShapeError, "needs 1 axis, got shape"),
        ("float32", 3.0, gd.ShapeError, "needs 1 axis"),
        ("float32", gd.placeholder("z", ("n",)), gd.ArgumentError, "symbolic tensor"),
    ],
)
def test_data_that_does_not_fit(
    target: str, dtype: str, data: object, error: type[Exception], match: str
) -> None:
    x = gd.placeholder("x", ("n",), dtype)
    f = gd.function([x], x, target=target)
    with pytest.raises(error, match=match):
        f(data)


@pytest.mark.parametrize(
    ("args", "kwargs", "match"),
    [
        ((X,), {}, 'missing input "y"'),
        ((X, X, X), {}, "3 arguments for 2 inputs"),
        ((X,), {"z": X}, 'no input "z"'),
        ((X, X[:, 0]), {"y": X}, "given twice"),
    ],
)
def test_wrong_arguments(target: str, args: Any, kwargs: Any, match: str) -> None:
    x, y = x_and_y()
    f = gd.function([x, y], x * y[:, None], target=target)
    with pytest.raises(gd.ArgumentError, match=match):
        f(*args, **kwargs)


def test_sizes_that_contradict_each_other(target: str) -> None:
    x, y = x_and_y()
    f = gd.function([x, y], x * y[:, None], target=target)
    with pytest.raises(gd.ShapeError, match='two sizes for n: "x" axis 0 is 4, "y" axis 0 is 5'):
        f(X, np.ones(5))


def test_a_guard_is_checked_at_the_call(target: str) -> None:
    x = gd.placeholder("x", ("n",))
    f = gd.function([x], gd.reshape(x, (2, -1)), target=target)
    assert f(np.ones(6)).shape == (2, 3)
    with pytest.raises(gd.ShapeError, match="element counts differ"):
        f(np.ones(5))
    with pytest.raises(gd.ShapeError, match="nothing to choose from"):
        gd.function([x], gd.max(x), target=target)(np.ones(0))


def test_labels_out_of_range_name_the_value(target: str) -> None:
    label = gd.placeholder("label", ("n",), "int32")
    table = gd.constant(np.arange(8.0).reshape(4, 2))
    f = gd.function([label], gd.take(table, label, axis=0), target=target)
    np.testing.assert_array_equal(f(np.array([3, -1]))[0], [6.0, 7.0])
    with pytest.raises(gd.ArgumentError, match=r'"label" holds 7, outside \[0, 4\)') as caught:
        f(np.array([0, 7]))
    assert "test_function.py" in str(caught.value)


def test_an_index_error_leaves_every_variable_alone(target: str) -> None:
    label = gd.placeholder("label", ("n",), "int64")
    table = gd.variable(np.zeros((4, 2)))
    count = gd.variable(0.0)
    new = gd.scatter_add(table, label, gd.ones(("n", 2)))
    step = gd.function([label], updates={table: new, count: count + 1}, target=target)
    with pytest.raises(gd.ArgumentError):
        step(np.array([1, 9]))
    assert table.numpy().sum() == count.numpy() == 0
    step(np.array([1, 1]))
    assert table.numpy()[1].tolist() == [2.0, 2.0]


def test_outputs_are_fresh(target: str) -> None:
    x, _ = x_and_y()
    w = gd.variable(np.ones(3))
    f = gd.function([x], [x, w, x], target=target)
    first, second, third = f(X)
    arrays = [X, w.storage.array, first, second, third]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_a_default_stands_for_a_missing_input(target: str) -> None:
    x, _ = x_and_y()
    scale = gd.placeholder("scale", (), default=2.0)
    np.testing.assert_array_equal(gd.function([x], x * scale, target=target)(X), X * 2)
    f = gd.function([x, scale], x * scale, target=target)
    np.testing.assert_array_equal(f(X, 3), X * 3)


def test_the_graph_is_cut_at_the_inputs(target: str) -> None:
    x, _ = x_and_y()
    hidden = gd.exp(x)
    f = gd.function([hidden], hidden * 2, target=target)
    np.testing.assert_array_equal(f(X), X * 2)
    w = gd.variable(np.ones(3))
    np.testing.assert_array_equal(gd.function([w], w * 2, target=target)(X[1]), X[1] * 2)


def test_fixed_sizes(target: str) -> None:
    x, _ = x_and_y()
    f = gd.function([x], x * 2, dims={"n": 4}, target=target)
    np.testing.assert_array_equal(f(X), X * 2)
    with pytest.raises(gd.ShapeError, match="axis 0 is 2, needs 4"):
        f(X[:2])
    with pytest.raises(gd.ArgumentError, match='dims names "m"; the inputs have n'):
        gd.function([x], x, dims={"m": 4})
    with pytest.raises(gd.ArgumentError, match="the size -1"):
        gd.function([x], x, dims={"n": -1})


def test_names_that_kernels_use_are_free_for_sizes(target: str) -> None:
    x = gd.placeholder("x", ("d0", "n1"))
    f = gd.function([x], x[::-1] + gd.sum(x, axis=1, keepdims=True), target=target)
    np.testing.assert_array_equal(f(X), X[::-1] + X.sum(1, keepdims=True))
    assert f.inspect(X)[x].shape == (4, 3)


# What gd.function refuses -------------------------------------------------------------------------


def test_refusals() -> None:
    x, y = x_and_y()
    w = gd.variable(np.ones(3), name="w")
    wrong: list[tuple[type[Exception], str, Any]] = [
        (gd.ArgumentError, '"y" is needed but is not an input', lambda: gd.function([x], y)),
        (gd.ArgumentError, '"x" is an input twice', lambda: gd.function([x, x], x)),
        (gd.ArgumentError, 'depends on the input "y"', lambda: gd.function([x, y], x)),
        (gd.ArgumentError, "an input must be a tensor", lambda: gd.function([3], x)),
        (gd.ArgumentError, "must be tensors", lambda: gd.function(3, x)),
        (gd.TargetError, "no target 'tpu'", lambda: gd.function([x], x, target="tpu")),
        (gd.TargetError, '"cuda"', lambda: gd.function([x], x, target="cuda")),
        (gd.ArgumentError, "numerics", lambda: gd.function([x], x, numerics="slow")),
        (gd.ArgumentError, "hints", lambda: gd.function([x], x, hints=3)),
        (gd.ShapeError, "no input has the size k", lambda: gd.function([x], [x, gd.zeros(("k",))])),
        (gd.ArgumentError, "only variables", lambda: gd.function([x], updates={x: x})),
        (gd.ArgumentError, "must be dicts", lambda: gd.function([x], x, updates=[3])),
        (gd.ShapeError, "float32[4], not float32[3]", lambda: update(w, gd.zeros((4,)))),
        (gd.DTypeError, "is int64", lambda: update(w, gd.zeros((3,), "int64"))),
    ]
    for error, match, build in wrong:
        with pytest.raises(error) as caught:
            build()
        assert match in str(caught.value)
        assert len(str(caught.value).splitlines()) <= 15


def update(variable: Any, value: Any) -> gd.Function:
    return gd.function([], updates={variable: value})


def test_two_new_values_name_both_lines() -> None:
    w = gd.variable(np.ones(3), name="w")
    with pytest.raises(gd.ArgumentError) as caught:
        gd.function([], updates=[{w: w + 1}, {w: w * 2}])
    text = str(caught.value)
    assert 'variable "w" gets two new values' in text
    assert text.count("test_function.py") >= 3


def test_two_inputs_of_one_name() -> None:
    first, second = gd.placeholder("x", (2,)), gd.placeholder("x", (2,))
    with pytest.raises(gd.ArgumentError, match='two inputs are called "x"'):
        gd.function([first, second], first + second)
    f = gd.function({"a": first, "b": second}, first - second)
    assert f(a=[3, 3], b=[1, 2]).tolist() == [2.0, 1.0]


# State --------------------------------------------------------------------------------------------


def test_all_variables_change_together(target: str) -> None:
    a, b, c = (
        gd.variable(np.full(2, value), name=name)
        for name, value in zip("abc", (1.0, 2.0, 3.0), strict=True)
    )
    f = gd.function([], [a, a + b], updates={a: b, b: a, c: a + b + c}, target=target)
    old, total = f()
    assert old.tolist() == [1.0, 1.0]
    assert total.tolist() == [3.0, 3.0]
    assert [each.numpy()[0] for each in (a, b, c)] == [2.0, 1.0, 6.0]


def test_training_is_on_when_there_are_updates(target: str) -> None:
    flag = gd.is_training()
    w = gd.variable(0.0)
    value = gd.where(flag, w + 1, w - 1)
    assert gd.function([], value, target=target)() == -1
    assert gd.function([], value, training=True, target=target)() == 1
    assert gd.function([], value, updates={w: w}, target=target)() == 1


def test_a_generator_advances_once_per_call(target: str) -> None:
    generator = gd.random.Generator(3)
    first = gd.random.uniform((4,), key=generator)
    second = gd.random.uniform((4,), key=generator)
    f = gd.function([], [first, second], target=target)
    a, b = f()
    c, _ = f()
    assert len({a.tobytes(), b.tobytes(), c.tobytes()}) == 3
    assert generator.position.numpy() == 2
    assert [variable.name for variable in f.updates] == ["random_position"]


def test_dropout_that_is_off_does_not_advance_the_generator(target: str) -> None:
    x, _ = x_and_y()
    dropped = gd.nn.Dropout(0.5)(x)
    f = gd.function([x], dropped, target=target)
    np.testing.assert_array_equal(f(X), X)
    assert f.updates == {}
    assert len(gd.function([x], dropped, training=True, target=target).updates) == 1


def test_repeated_state_writes_chain_in_build_order(target: str) -> None:
    from graphdl.graph.nodes import StateWrite, build_node
    from graphdl.ops.elementwise import negative

    state = gd.variable(np.float32(2.0), name="state")
    x = gd.placeholder("x", ())

    def writing(value: Any) -> gd.Tensor:
        write = StateWrite(state, value)
        return build_node(negative, (x,), writes=(write,)).results[0]

    first = writing(state + x)
    second = writing(state * 10)
    f = gd.function([x], second + first, target=target)
    assert f(3.0) == -6.0
    assert state.numpy() == 50.0


def test_a_write_and_an_update_of_one_variable_are_two_values() -> None:
    generator = gd.random.Generator(3)
    drawn = gd.random.uniform((4,), key=generator)
    with pytest.raises(gd.ArgumentError, match="two new values"):
        gd.function([], drawn, updates={generator.position: generator.position})


def test_python_numbers_are_new_values(target: str) -> None:
    w = gd.variable(np.ones(3))
    gd.function([], updates={w: 0}, target=target)()
    assert w.numpy().tolist() == [0.0, 0.0, 0.0]


def test_calls_from_many_threads_do_not_lose_updates(target: str) -> None:
    count = gd.variable(np.zeros(1000))
    step = gd.function([], updates={count: count + 1}, target=target)
    threads = [threading.Thread(target=lambda: [step() for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(count.numpy().tolist()) == {80.0}


# Checks and prints --------------------------------------------------------------------------------


def test_a_failed_check_names_the_line_and_changes_nothing(target: str) -> None:
    x, _ = x_and_y()
    w = gd.variable(0.0)
    checked = gd.check(x, gd.all(x >= 0), "not negative")
    f = gd.function([x], updates={w: w + gd.sum(checked)}, target=target)
    f(X)
    assert w.numpy() == X.sum()
    with pytest.raises(gd.NumericsError, match="check failed: not negative"):
        f(-X)
    assert w.numpy() == X.sum()


def test_prints_come_in_build_order(target: str, capfd: pytest.CaptureFixture[str]) -> None:
    x, _ = x_and_y()
    first = gd.print(gd.sum(x), "sum is ")
    second = gd.print(gd.max(x), "max is ")
    gd.function([x], [second, first], target=target)(X)
    assert [line.split()[0] for line in capfd.readouterr().out.splitlines()] == ["sum", "max"]


def test_check_numerics_names_the_first_bad_node() -> None:
    x, _ = x_and_y()
    y = gd.log(x)
    loss = gd.sum(gd.exp(y) * 2)
    f = gd.function([x], loss, check_numerics=True)
    assert f(X + 1) == pytest.approx(2 * (X + 1).sum(), rel=1e-6)
    with pytest.raises(gd.NumericsError, match="log is NaN or infinite") as caught:
        f(-X - 1)
    assert caught.value.location is not None
    assert "gd.log(x)" in caught.value.location.text
    with pytest.raises(gd.NumericsError, match='placeholder "x" is NaN'):
        f(X * np.nan)


def test_check_numerics_names_the_forward_node_of_a_gradient() -> None:
    x = gd.placeholder("x", ("n",))
    gradient = gd.grad(gd.sum(gd.sqrt(x)), x)
    f = gd.function([x], gradient, check_numerics=True)
    with pytest.raises(gd.NumericsError, match="in the gradient of sqrt"):
        f(np.zeros(3))


def test_a_bad_value_updates_nothing_under_check_numerics() -> None:
    x = gd.placeholder("x", ())
    w, count = gd.variable(1.0), gd.variable(0.0)
    f = gd.function([x], updates={w: w / x, count: count + 1}, check_numerics=True)
    f(2.0)
    with pytest.raises(gd.NumericsError):
        f(0.0)
    assert w.numpy() == 0.5
    assert count.numpy() == 1


# Looking inside -----------------------------------------------------------------------------------


def step() -> tuple[gd.Function, Any]:
    image = gd.placeholder("image", ("batch", 8))
    label = gd.placeholder("label", ("batch",), "int64")
    model = gd.nn.Sequential([gd.nn.Dense(16, activation="relu"), gd.nn.Dense(4)])
    logits = model(image)
    loss = gd.nn.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)
    updates = gd.optim.Adam(1e-2).minimize(loss, model.parameters())
    return gd.function([image, label], loss, updates=updates, name="train"), logits


def test_stages() -> None:
    train, _ = step()
    assert list(train.stages)[:4] == ["graph", "optimized", "program", "kernels"]
    assert train.stages["graph"].startswith("graph train(image, label):")
    assert "launch contraction" in train.stages["program"]
    assert "sweep" in train.stages["kernels"]
    assert "define" in train.stages["llvm"]
    assert "@triton.jit" in train.stages["triton"]
    with pytest.raises(gd.ArgumentError, match="no stage is called"):
        train.stages["wasm"]


def test_explain_shows_kernels_lines_and_refusals() -> None:
    train, _ = step()
    found = train.explain()
    text = str(found)
    assert found.distinct_kernels <= len(found.kernels)
    assert "test_function.py" in text
    assert "a contraction reads its operands many times" in text
    assert any(row.is_backward for row in found.kernels)
    assert "batch" in str(found.flops)
    assert "updates:" in text


def test_memory_is_known_before_the_first_call() -> None:
    train, _ = step()
    numbers = train.memory.for_sizes(batch=32)
    assert numbers["inputs"] == 32 * 8 * 4 + 32 * 8
    assert numbers["total"] == sum(v for k, v in numbers.items() if k != "total")
    with pytest.raises(gd.ArgumentError, match="batch"):
        train.memory.for_sizes()


def test_inspect_finds_values_and_the_first_bad_node() -> None:
    x, _ = x_and_y()
    hidden = gd.named(gd.log(x), "hidden")
    w = gd.variable(0.0)
    f = gd.function([x], gd.sum(hidden), updates={w: w + 1})
    good = f.inspect(X + 1)
    np.testing.assert_allclose(good["hidden"], np.log(X + 1), rtol=1e-6)
    np.testing.assert_array_equal(good[x], X + 1)
    assert good.first_bad is None
    assert w.numpy() == 0
    bad = f.inspect(X)
    assert bad.first_bad is not None
    assert bad.first_bad.is_same(hidden)
    assert sum(bad.nan_counts.values()) == 2
    with pytest.raises(gd.ArgumentError, match="nothing is called"):
        bad["other"]


def test_profile_times_every_launch() -> None:
    train, _ = step()
    before = [variable.numpy() for variable in train.updates]
    found = train.profile(np.ones((4, 8)), np.zeros(4, np.int64))
    assert len(found.rows) == len(train.explain().kernels)
    assert all(row.seconds > 0 for row in found.rows)
    assert "batch = 4" in str(found)
    for variable, old in zip(train.updates, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)


def test_training_learns_and_native_code_agrees_with_the_interpreter() -> None:
    rng = np.random.default_rng(0)
    images = rng.standard_normal((64, 8)).astype(np.float32)
    labels = images[:, :4].argmax(1)
    losses = {}
    for target in TARGETS:
        gd.random.seed(0)
        image = gd.placeholder("image", ("batch", 8))
        label = gd.placeholder("label", ("batch",), "int64")
        model = gd.nn.Sequential([gd.nn.Dense(16, activation="relu"), gd.nn.Dense(4)])
        loss = gd.nn.losses.sparse_categorical_crossentropy(label, model(image), from_logits=True)
        updates = gd.optim.Adam(1e-2).minimize(loss, model.parameters())
        train = gd.function([image, label], loss, updates=updates, target=target)
        losses[target] = [float(train(images, labels)) for _ in range(30)]
    assert losses["cpu"][-1] < losses["cpu"][0] / 2
    np.testing.assert_allclose(losses["cpu"], losses["reference"], rtol=1e-4)
