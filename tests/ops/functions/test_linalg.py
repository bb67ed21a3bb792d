"""Norms and products of vectors and matrices against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl import linalg as public
from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, ShapeError
from graphdl.ops.functions import linalg as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.gradients import check_gradient
from tests.plugins.native import assert_native

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 3, 4))
SQUARE = RANDOM.normal(size=(2, 3, 3))


@pytest.mark.parametrize("ord", [0, 1, 2, 3, -1, 0.5, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [0, -1, (0, 2), None], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_vector_norms_are_numpys(ord: Any, axis: Any, keepdims: bool) -> None:
    found = run_both(lambda x: gd.vector_norm(x, ord=ord, axis=axis, keepdims=keepdims), X)
    wanted = np.linalg.vector_norm(X, ord=ord, axis=axis, keepdims=keepdims)
    assert_close(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("ord", ["fro", 1, -1, np.inf, -np.inf])
@pytest.mark.parametrize("keepdims", [False, True])
def test_matrix_norms_are_numpys(ord: Any, keepdims: bool) -> None:
    found = run_both(lambda x: gd.matrix_norm(x, ord=ord, keepdims=keepdims), X)
    assert_close(found, np.linalg.matrix_norm(X, ord=ord, keepdims=keepdims), rtol=1e-12)
    for axis in ((0, 2), (2, 1)):
        found = run_both(lambda x, a=axis: gd.norm(x, ord=ord, axis=a, keepdims=keepdims), X)
        assert_close(found, np.linalg.norm(X, ord=ord, axis=axis, keepdims=keepdims), rtol=1e-12)


@pytest.mark.parametrize(
    ("ord", "axis"), [(None, None), (None, 1), (1, -1), (None, (0, 1))], ids=str
)
def test_norms_are_numpys(ord: Any, axis: Any) -> None:
    assert_close(run_both(lambda x: gd.norm(x, ord=ord, axis=axis), X),
                 np.linalg.norm(X, ord=ord, axis=axis))  # fmt: skip
    assert_close(run_both(lambda x: gd.norm(x, ord=1), X[0, 0]), np.linalg.norm(X[0, 0], 1))
    assert_close(run_both(lambda x: gd.norm(x, ord=np.inf), X[0]), np.linalg.norm(X[0], np.inf))


def test_cross_products_are_numpys() -> None:
    a, b = X[:, :, 0].copy(), X[:1, :, 1].copy()
    assert_close(run(gd.cross, a, b), np.linalg.cross(a, b))
    assert_close(run(lambda x, y: gd.cross(x, y, axis=1), X, X[::-1].copy()),
                 np.linalg.cross(X, X[::-1], axis=1))  # fmt: skip


FACTORS = [((3,), (4,)), ((2, 3), (4, 1)), ((3,), (2, 2)), ((2, 2), (0, 3)), ((), (3,))]


@pytest.mark.parametrize(("left", "right"), FACTORS, ids=str)
def test_kronecker_products_are_numpys(left: Any, right: Any) -> None:
    a, b = RANDOM.normal(size=left), RANDOM.normal(size=right)
    assert_close(run_both(gd.kron, a, b), np.kron(a, b))


@pytest.mark.parametrize(
    ("left", "right"),
    [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((), (2, 3)), ((2, 3), ())],
    ids=str,
)
def test_inner_products_are_numpys(left: Any, right: Any) -> None:
    a, b = RANDOM.normal(size=left), RANDOM.normal(size=right)
    assert_close(run_both(gd.inner, a, b), np.inner(a, b))
    turned = b.T.copy() if b.ndim == 2 else b
    assert_close(run_both(gd.dot, a, turned), np.dot(a, turned))
    if a.shape == b.shape:
        assert_close(run_both(gd.vdot, a, b), np.vdot(a, b))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 6, 7])
def test_powers_are_numpys(n: int) -> None:
    found = run_both(lambda x: gd.matrix_power(x, n), SQUARE)
    assert_close(found, np.linalg.matrix_power(SQUARE, n), rtol=1e-12)


def test_derivatives_equal_finite_differences() -> None:
    for order in (1, 2, 3, np.inf):
        check_gradient(lambda x, o=order: gd.vector_norm(x, ord=o, axis=1), X)
    check_gradient(lambda x: gd.matrix_norm(x, ord=1), X)
    check_gradient(gd.cross, X[:, :, 0].copy(), X[:, :, 1].copy())
    check_gradient(gd.kron, X[0], X[1, :2])
    check_gradient(lambda x: gd.matrix_power(x, 3), SQUARE)
    check_gradient(lambda x: gd.trace(x, offset=1), X)


def test_the_norm_of_zeros_has_the_derivative_zero() -> None:
    zeros = np.zeros((2, 3))
    assert (run(lambda x: grad(sum_of(gd.vector_norm(x, axis=1)), x), zeros) == 0).all()
    assert (run(lambda x: grad(gd.matrix_norm(x), x), zeros) == 0).all()


def test_errors() -> None:
    x = placeholder("x", (2, 3))
    with pytest.raises(ShapeError, match=r"cross: axis 1 must have size 3\n  lhs"):
        gd.cross(placeholder("y", (2, 4)), placeholder("z", (2, 4)))
    with pytest.raises(ArgumentError, match="matrix_norm: unknown ord 'nuc'"):
        public.matrix_norm(x, ord="nuc")
    with pytest.raises(ShapeError, match="matrix_norm: needs a matrix"):
        public.matrix_norm(placeholder("y", (2,)))
    with pytest.raises(ArgumentError, match="norm: ord 'fro' over 1 axes is not a norm"):
        gd.norm(x, ord="fro", axis=1)
    with pytest.raises(ShapeError, match="matrix_power: needs square matrices"):
        gd.matrix_power(x, 2)
    with pytest.raises(ArgumentError, match="matrix_power: the power must not be negative"):
        gd.matrix_power(x, -1)


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any, y: Any) -> Any:
        results = [gd.vector_norm(x, axis=1), gd.matrix_norm(x), gd.kron(x, x), gd.inner(x, x)]
        slopes = [grad(sum_of(result), x) for result in results]
        return [*results, *slopes, gd.matrix_power(y, 5), gd.trace(y)]

    assert_native(everything, X, SQUARE, rtol=1e-11)
    assert_native(lambda x: gd.cross(x[:, :3], x[:, :3] + 1, axis=1), X, rtol=1e-12)
