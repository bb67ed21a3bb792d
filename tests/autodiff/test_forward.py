"""jvp: structures, orders, regions, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphdl as gd
from graphdl.graph.nodes import Graph, Tensor, topological_order
from graphdl.graph.verifier import verify
from tests.plugins.steps import value_of

DATA = np.array([0.5, -1.5])


def _x(name: str = "x") -> Tensor:
    return gd.placeholder(name, (2,), "float64")


def test_structures_and_data() -> None:
    x, y = _x(), _x("y")
    outputs = {"a": x * y, "b": [gd.sum(x), gd.exp(y)]}
    wrt, tangents = {"x": x, "y": (y,)}, {"x": np.array([1.0, 2.0]), "y": (None,)}
    moved = gd.jvp(outputs, wrt, tangents, disconnected="none")
    assert moved["b"][1] is None
    feed = {x: DATA, y: np.array([3.0, 4.0])}
    assert value_of(moved["a"], feed).tolist() == [3, 8]
    assert value_of(moved["b"][0], feed) == 3
    zero = gd.jvp(outputs, wrt, tangents, disconnected="zero")
    assert value_of(zero["b"][1], feed).tolist() == [0, 0]


def test_any_order_and_mixed_with_reverse() -> None:
    x = _x()
    y = gd.sin(x)
    ones = np.ones(2)
    for wanted in (np.cos(DATA), -np.sin(DATA), -np.cos(DATA)):
        y = gd.jvp(y, x, ones)
        np.testing.assert_allclose(value_of(y, {x: DATA}), wanted, rtol=1e-12)
    over = gd.grad(gd.sum(gd.jvp(x * x * x, x, ones)), x)
    np.testing.assert_allclose(value_of(over, {x: DATA}), 6 * DATA)


def test_remat_stays_a_region() -> None:
    x = _x()
    y = gd.remat(lambda t: {"a": gd.exp(gd.sin(t)), "n": gd.argmax(t)})(x)["a"]
    moved = gd.jvp(y, x, np.ones(2))
    assert "remat" in [node.op.name for node in topological_order([moved])]
    verify(Graph((x,), (moved,)))
    np.testing.assert_allclose(value_of(moved, {x: DATA}), np.exp(np.sin(DATA)) * np.cos(DATA))
    again = gd.grad(gd.sum(moved), x)
    plain = gd.grad(gd.sum(gd.jvp(gd.exp(gd.sin(x)), x, np.ones(2))), x)
    np.testing.assert_allclose(value_of(again, {x: DATA}), value_of(plain, {x: DATA}))


def test_custom_gradient_is_transposed() -> None:
    x = _x()

    @gd.custom_gradient
    def odd(t: Tensor) -> Any:
        return t * t, lambda g: gd.sum(g) * 10.0 * t

    moved = gd.jvp(odd(x), x, np.array([1.0, 2.0]))
    np.testing.assert_allclose(value_of(moved, {x: DATA}), [10 * DATA @ [1, 2]] * 2)
    w = gd.variable(np.ones(2), dtype="float64")
    y = gd.custom_gradient(lambda t: (t * w, lambda g: g * w))(x)
    with pytest.raises(gd.GradientError, match="make it an argument"):
        gd.jvp(y, w, np.ones(2))


def test_stable_at_awkward_points() -> None:
    x = _x()
    ones = np.ones(2)
    safe = gd.where(x > 0, gd.log(x), 0.0)
    np.testing.assert_allclose(value_of(gd.jvp(safe, x, ones), {x: np.array([0.0, 2.0])}), [0, 0.5])
    loss = gd.log(gd.softmax(x))
    slope = value_of(gd.jvp(loss, x, np.array([1.0, 0.0])), {x: np.array([0.0, 2000.0])})
    np.testing.assert_allclose(slope, [1, 0])


@pytest.mark.parametrize("reverse", [False, True])
def test_through_a_scan(reverse: bool) -> None:
    xs = gd.placeholder("xs", ("steps", 2), "float64")
    w, start = _x("w"), _x("start")

    def step(carry: Any, x: Tensor) -> Any:
        h, count, still = carry
        new = gd.tanh(h * w + x)
        return (new, count + 1, still), (new * x, count)

    carry = (start, gd.zeros((), dtype="int64"), gd.ones((2,), dtype="float64"))
    last, (products, _) = gd.scan(step, carry, xs, reverse=reverse)
    feed = {xs: np.linspace(-1, 1, 6).reshape(3, 2), w: DATA, start: np.array([0.1, 0.2])}
    outputs, wrt = [last[0], products], [xs, w, start]
    gd.gradient_check(outputs, wrt, feed, order=2)
    moved = gd.jvp(outputs, wrt, wrt)
    verify(Graph(tuple(feed), tuple(moved)))
    assert "scan" in [node.op.name for node in topological_order(moved)]
    only_w = gd.jvp(last[0], w, np.ones(2))
    (slope,) = [gd.grad(gd.sum(last[0]), w)]
    np.testing.assert_allclose(value_of(only_w, feed), value_of(slope, feed), rtol=1e-10)
    compiled = gd.function(list(feed), moved)(*feed.values())
    for one, other in zip(compiled, moved, strict=True):
        np.testing.assert_allclose(one, value_of(other, feed), rtol=1e-10)


def test_stop_gradient_and_integers() -> None:
    x = _x()
    found = gd.jvp(x * gd.stop_gradient(x) + gd.floor(x), x, np.ones(2))
    np.testing.assert_allclose(value_of(found, {x: DATA}), DATA)


def test_errors() -> None:
    x, y = _x(), _x("y")
    with pytest.raises(gd.GradientError, match="does not depend on wrt"):
        gd.jvp(x, y, np.ones(2))
    with pytest.raises(gd.ShapeError, match=r"must have its tensor's type float64\[2\]"):
        gd.jvp(x, x, np.ones(3))
    with pytest.raises(gd.ArgumentError, match="2 tangents for 1"):
        gd.jvp(x, x, [np.ones(2), np.ones(2)])
    with pytest.raises(gd.GradientError, match="jvp: output is int64"):
        gd.jvp(gd.argmax(x), x, np.ones(2))
    with pytest.raises(gd.ArgumentError, match="disconnected='no'"):
        gd.jvp(x, x, np.ones(2), disconnected="no")  # type: ignore[arg-type]
    with pytest.raises(gd.ArgumentError, match="must be a tensor"):
        gd.jvp(3.0, x, np.ones(2))
