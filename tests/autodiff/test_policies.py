"""Gradient policies and custom_jvp."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphdl as gd
from graphdl.graph.nodes import Tensor
from tests.plugins.steps import value_of

DATA = np.array([0.5, -1.5])


def _x() -> Tensor:
    return gd.placeholder("x", (2,), "float64")


def test_policies_keep_values_and_change_derivatives() -> None:
    x = _x()
    k = gd.placeholder("k", (), "float64")
    feed = {x: DATA, k: np.array(0.5)}
    for policy, wanted in (
        (lambda t: gd.scale_gradient(t, 0.25), [0.75, -1.0]),
        (lambda t: gd.scale_gradient(t, k), [1.5, -2.0]),
        (gd.reverse_gradient, [-3.0, 4.0]),
        (lambda t: gd.reverse_gradient(t, 2.0), [-6.0, 8.0]),
        (lambda t: gd.clip_gradient(t, -1.0, 2.0), [2.0, -1.0]),
    ):
        y = policy(x)
        np.testing.assert_array_equal(value_of(y, feed), DATA)
        slope = gd.vjp(y, x, gd.constant([3.0, -4.0], dtype="float64"))
        np.testing.assert_allclose(value_of(slope, feed), wanted)


def test_policies_forward() -> None:
    x = _x()
    ones = np.ones(2)
    scaled = gd.jvp(gd.scale_gradient(x, 0.25), x, ones)
    np.testing.assert_allclose(value_of(scaled, {x: DATA}), [0.25, 0.25])
    clipped = gd.jvp(gd.clip_gradient(x * x, -0.1, 0.1), x, ones)
    np.testing.assert_allclose(value_of(clipped, {x: DATA}), 2 * DATA)


def test_policies_under_vmap() -> None:
    x = gd.placeholder("x", ("n", 2), "float64")
    slopes = gd.vmap(lambda t: gd.grad(gd.sum(gd.clip_gradient(t, -1.0, 1.0) ** 2), t))(x)
    data = np.array([[0.1, 3.0], [-4.0, 0.2]])
    np.testing.assert_allclose(value_of(slopes, {x: data}), np.clip(2 * data, -1, 1))


def test_wrong_policies_are_told() -> None:
    with pytest.raises(gd.ArgumentError, match="low 1 is above high -1"):
        gd.clip_gradient(_x(), 1, -1)
    with pytest.raises(gd.GradientError, match="scale_gradient: x is int64"):
        gd.scale_gradient(gd.placeholder("n", (), "int64"), 2.0)


@gd.custom_jvp
def _product(a: Tensor, b: Tensor, n: Tensor) -> Any:
    def push(ta: Tensor, tb: Tensor, tn: None) -> Any:
        assert tn is None
        return ta * b + a * tb * 10.0, None

    return (a * b, gd.astype(n, "float64") * a), push


def test_custom_jvp_in_both_modes_and_again() -> None:
    a, b = _x(), gd.placeholder("b", (2,), "float64")
    n = gd.placeholder("n", (), "int64")
    feed = {a: DATA, b: np.array([3.0, 4.0]), n: np.array(2)}
    product, other = _product(a, b, n)
    moved = gd.jvp(product, [a, b], [np.array([1.0, 0.0]), np.array([0.0, 1.0])])
    np.testing.assert_allclose(value_of(moved, feed), [3.0, -15.0])
    np.testing.assert_allclose(value_of(other, feed), 2 * DATA)
    slopes = gd.grad(gd.sum(product), [a, b])
    np.testing.assert_allclose(value_of(slopes[0], feed), feed[b])
    np.testing.assert_allclose(value_of(slopes[1], feed), 10 * DATA)
    mixed = gd.grad(gd.sum(slopes[1]), a)
    np.testing.assert_allclose(value_of(mixed, feed), [10, 10])
    twice = gd.jvp(moved, a, np.ones(2))
    np.testing.assert_allclose(value_of(twice, feed), [0, 10])


def test_custom_jvp_under_vmap_and_remat() -> None:
    x = gd.placeholder("x", ("n", 2), "float64")
    cube = gd.custom_jvp(lambda t: (t * t * t, lambda u: u * t * 5.0))
    slopes = gd.vmap(lambda t: gd.grad(gd.sum(gd.remat(cube)(t)), t))(x)
    np.testing.assert_allclose(value_of(slopes, {x: DATA[None]}), 5 * DATA[None])


def test_wrong_functions_are_told() -> None:
    x = _x()
    with pytest.raises(gd.ArgumentError, match=r"must return \(result, push\)"):
        gd.custom_jvp(lambda t: t)(x)
    with pytest.raises(gd.ArgumentError, match="returned 2 tangents for 1"):
        gd.custom_jvp(lambda t: (t, lambda u: (u, u)))(x)
    with pytest.raises(gd.ShapeError, match="must have its tensor's type"):
        gd.custom_jvp(lambda t: (t, gd.sum))(x)
    with pytest.raises(gd.GradientError, match="not linear in the tangents"):
        gd.custom_jvp(lambda t: (t, lambda u: u * u))(x)
