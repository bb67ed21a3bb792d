"""vmap against Python loops: gradients, nesting, regions, random draws, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphdl as gd
from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.verifier import verify
from tests.plugins.steps import value_of

Array = np.ndarray[Any, Any]
X = np.random.default_rng(0).uniform(0.2, 1.5, (3, 4))
W = np.random.default_rng(1).uniform(-1, 1, (4, 2))


def _x() -> Tensor:
    return gd.placeholder("x", ("batch", 4), "float64")


def _loop(function: Any, rows: Array) -> Array:
    """The function of each row alone, stacked."""
    row = gd.placeholder("row", rows.shape[1:], "float64")
    return np.stack([value_of(function(row), {row: one}) for one in rows])


def test_gradients_per_example() -> None:
    w = gd.variable(W, dtype="float64")

    def slopes(row: Tensor) -> Tensor:
        hidden = gd.tanh(row @ w)
        return gd.grad(gd.logsumexp(hidden) * gd.max(hidden), w)

    x = _x()
    found = gd.vmap(slopes)(x)
    assert found.shape == (*x.shape[:1], 4, 2)
    np.testing.assert_allclose(value_of(found, {x: X}), _loop(slopes, X), rtol=1e-12)
    total = gd.grad(gd.sum(gd.vmap(lambda r: gd.sum(gd.tanh(r @ w)))(x)), w)
    whole = gd.grad(gd.sum(gd.tanh(x @ w)), w)
    np.testing.assert_allclose(value_of(total, {x: X}), value_of(whole, {x: X}), rtol=1e-12)


def test_nested_over_different_axes() -> None:
    x, y = _x(), gd.placeholder("y", ("m", 4), "float64")
    pairwise = gd.vmap(gd.vmap(lambda a, b: gd.sum(a * b), (None, 0)), (0, None))(x, y)
    np.testing.assert_allclose(value_of(pairwise, {x: X, y: X[:2]}), X @ X[:2].T)
    z = gd.placeholder("z", (2, 3, 4), "float64")
    data = np.arange(24.0).reshape(2, 3, 4)
    found = gd.vmap(lambda m: gd.cumulative_sum(m, axis=0), in_axes=-1, out_axes=1)(z)
    wanted = np.moveaxis(np.cumsum(data, axis=0), -1, 1)
    np.testing.assert_allclose(value_of(found, {z: data}), wanted)


def test_inside_a_gradient() -> None:
    x = _x()
    cost = gd.sum(gd.vmap(lambda row: gd.sum(row) * gd.sin(row))(x))
    by_hand = gd.sum(gd.sum(x, axis=1, keepdims=True) * gd.sin(x))
    for _ in range(2):
        cost, by_hand = gd.sum(gd.grad(cost, x) ** 2), gd.sum(gd.grad(by_hand, x) ** 2)
        np.testing.assert_allclose(value_of(cost, {x: X}), value_of(by_hand, {x: X}), rtol=1e-10)


def test_structures_and_axes() -> None:
    x, y = _x(), gd.placeholder("y", (4, "batch"), "float64")

    def f(pair: dict[str, Tensor], scale: float, *, bias: Tensor) -> Any:
        return {"sum": pair["a"] + pair["b"] * scale + bias, "same": gd.ones((2,))}

    mapped = gd.vmap(f, in_axes=({"a": 0, "b": 1}, None), out_axes={"sum": 1, "same": None})
    found = mapped({"a": x, "b": y}, 2.0, bias=x)
    assert found["sum"].shape == (4, *x.shape[:1])
    assert found["same"].shape == (2,)
    np.testing.assert_allclose(value_of(found["sum"], {x: X, y: X.T}), X.T * 4)
    repeated = gd.vmap(lambda row: gd.ones((2,)))(x)
    assert repeated.shape == (*x.shape[:1], 2)


def test_regions() -> None:
    @gd.custom_gradient
    def cube(t: Tensor, s: Tensor) -> Any:
        return t * t * t * s, lambda g: (g * 3.0 * t * t * s, g * 7.0 * t)

    w = gd.variable(np.array([1.0, 2.0, 3.0, 4.0]), dtype="float64")

    def f(row: Tensor) -> Tensor:
        y = gd.remat(lambda t: cube(gd.exp(t) * w, w))(row)
        return gd.concat([cube(y, row), gd.grad(gd.sum(y), w)])

    x = _x()
    found = gd.vmap(f)(x)
    verify(Graph((x,), (found,)))
    np.testing.assert_allclose(value_of(found, {x: X}), _loop(f, X), rtol=1e-12)
    slope = gd.grad(gd.sum(found), [x, w])
    verify(Graph((x,), tuple(slope)))
    for made, single in zip(slope, (_sum_gradient(f, w, 0), _sum_gradient(f, w, 1)), strict=True):
        np.testing.assert_allclose(value_of(made, {x: X}), single, rtol=1e-10)


def _sum_gradient(f: Any, w: Tensor, which: int) -> Array:
    row = gd.placeholder("row", (4,), "float64")
    slope = gd.grad(gd.sum(f(row)), [row, w])[which]
    found = np.stack([value_of(slope, {row: one}) for one in X])
    return found.sum(axis=0) if which else found


def test_each_example_has_its_own_draws() -> None:
    x = _x()
    generator = gd.random.Generator(3)
    outside = gd.random.uniform((4,), dtype="float64", key=generator)

    def noisy(row: Tensor) -> list[Tensor]:
        noise = gd.random.uniform((4,), dtype="float64", key=generator)
        return [noise, outside * 1.0, row]

    own, same, _ = gd.vmap(noisy)(x)
    assert len(np.unique(value_of(own, {x: X}))) == 12
    assert own.node.op.name != "random_bits"
    drawn = value_of(same, {x: X})
    assert (drawn == drawn[0]).all()
    written = [n for n in gd.Graph((x,), (own,)).nodes() if n.writes]
    assert [write.variable for n in written for write in n.writes] == [generator.position]


def test_a_gradient_computed_again_sees_the_draws_of_the_forward_pass() -> None:
    x = _x()

    def dropped(row: Tensor) -> list[Tensor]:
        y = gd.remat(lambda t: gd.exp(t) * gd.random.bernoulli((4,), dtype="float64"))(row)
        return [y, gd.grad(gd.sum(y), row)]

    forward, slope = gd.vmap(dropped)(x)
    kept, found = value_of(forward, {x: X}), value_of(slope, {x: X})
    np.testing.assert_allclose(kept, found)
    assert not (kept[0] == 0).tolist() == (kept[1] == 0).tolist() == (kept[2] == 0).tolist()


@pytest.mark.parametrize("in_axes", [(0, None), (None, 0), (0, 0)])
def test_a_gradient_of_a_scan(in_axes: Any) -> None:
    xs_type, h_type = ((5, 2), (2,))
    w = gd.variable(np.array([0.5, -0.3]), dtype="float64")

    def slopes(xs: Tensor, h: Tensor) -> Any:
        def step(carry: Any, x: Tensor) -> Any:
            h, total, n = carry
            new = gd.tanh(h * w + x)
            return (new, total + gd.sum(new), n + 1), new * gd.astype(n, "float64")

        start = (h, gd.zeros((), dtype="float64"), gd.zeros((), dtype="int64"))
        (_, total, _), ys = gd.scan(step, start, xs)
        return [ys, *gd.grad(total * gd.sum(ys), [xs, h, w])]

    generator = np.random.default_rng(0)
    data = [
        generator.normal(size=shape if axis is None else (3, *shape))
        for shape, axis in zip((xs_type, h_type), in_axes, strict=True)
    ]
    inputs = [gd.placeholder(f"x{i}", array.shape, "float64") for i, array in enumerate(data)]
    found = gd.vmap(slopes, in_axes)(*inputs)
    verify(Graph(tuple(inputs), tuple(found)))
    single = [gd.placeholder("xs", xs_type, "float64"), gd.placeholder("h", h_type, "float64")]
    alone = slopes(*single)
    feed = dict(zip(inputs, data, strict=True))
    for number in range(3):
        given = [a if axis is None else a[number] for a, axis in zip(data, in_axes, strict=True)]
        one = dict(zip(single, given, strict=True))
        for whole, part in zip(found, alone, strict=True):
            wanted = value_of(part, one)
            np.testing.assert_allclose(value_of(whole, feed)[number], wanted, rtol=1e-11)


@pytest.mark.parametrize("index_axis", [None, 0])
def test_a_switch(index_axis: int | None) -> None:
    x = gd.placeholder("x", (3, 4), "float64")
    numbers = np.array([2, -1, 1]) if index_axis == 0 else np.array(1)
    index = gd.placeholder("index", numbers.shape, "int64")
    w = gd.variable(np.array([1.0, 2.0, 3.0, 4.0]), dtype="float64")

    def chosen(row: Tensor, number: Tensor) -> list[Tensor]:
        branches = [lambda t: t * w, lambda t: gd.exp(t), lambda t: gd.zeros_like(t) + w]
        y = gd.switch(number, branches, row)
        return [y, *gd.grad(gd.sum(y * y), [row, w]), gd.jvp(y, row, row)]

    found = gd.vmap(chosen, (0, index_axis))(x, index)
    verify(Graph((x, index), tuple(found)))
    row, number = gd.placeholder("row", (4,), "float64"), gd.placeholder("number", (), "int64")
    alone = chosen(row, number)
    for place in range(3):
        feed = {row: X[place], number: numbers[place] if index_axis == 0 else numbers}
        for whole, part in zip(found, alone, strict=True):
            values = value_of(whole, {x: X, index: numbers})
            np.testing.assert_allclose(values[place], value_of(part, feed), rtol=1e-12)


def test_draws_inside_a_scan() -> None:
    x = _x()

    def noisy(row: Tensor) -> Tensor:
        return gd.scan(lambda c, v: (c, gd.random.uniform((), dtype="float64") + v), (), row)[1]

    drawn = value_of(gd.vmap(noisy)(x), {x: np.zeros((3, 4))})
    assert len(np.unique(drawn)) == 12


def test_keys() -> None:
    x = gd.placeholder("keys", ("n", 2), "uint32")
    words = np.array([[1, 2], [7, 0]], np.uint32)
    found = value_of(gd.vmap(lambda k: gd.random.uniform((3, 3), key=k))(x), {x: words})
    wanted = gd.random.uniform((3, 3), key=gd.random.key(7)).eval()
    np.testing.assert_array_equal(found[1], wanted)
    y = _x()
    same = gd.vmap(lambda row: row + gd.random.uniform((4,), dtype="float64", key=gd.random.key(7)))
    drawn = value_of(same(y), {y: np.zeros((2, 4))})
    np.testing.assert_array_equal(drawn[0], drawn[1])


def test_compiled() -> None:
    x = gd.placeholder("x", ("batch", 4))
    w = gd.variable(W)
    slopes = gd.vmap(lambda row: gd.grad(gd.sum(gd.tanh(row @ w)), w))(x)
    data = X.astype(np.float32)
    np.testing.assert_allclose(
        gd.function([x], slopes)(data), value_of(slopes, {x: data}), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("in_axes", "message"),
    [
        (None, "no argument is mapped"),
        ((0, 0), "argument 0 has batch on axis 0, argument 1 has 4 on axis 0"),
        ((0, 2), "argument 1 has 2 axes, no axis 2 to map"),
        ((0,), "in_axes has 1 entries for 2 arguments"),
        (({"a": 0}, 0), "does not fit the structure"),
        (("0", 0), "does not fit the structure"),
    ],
)
def test_wrong_axes_are_told(in_axes: Any, message: str) -> None:
    x, y = _x(), gd.placeholder("y", (4, 4), "float64")
    with pytest.raises((gd.ShapeError, gd.ArgumentError), match=message):
        gd.vmap(lambda a, b: a * b, in_axes=in_axes)(x, y)


def test_wrong_results_are_told() -> None:
    x = _x()
    with pytest.raises(gd.ArgumentError, match="differs between examples"):
        gd.vmap(lambda row: row, out_axes=None)(x)
    with pytest.raises(gd.UserError, match="out_axes"):
        gd.vmap(lambda row: row, out_axes=2)(x)
    with pytest.raises(gd.ArgumentError, match=r"out_axes=.* does not fit"):
        gd.vmap(lambda row: row, out_axes=(0, 0))(x)
