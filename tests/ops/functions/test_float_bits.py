"""Signs, exponents and neighbours against NumPy, in every floating dtype."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from graphdl.autodiff.reverse import grad
from graphdl.errors import DTypeError
from graphdl.ops.functions import float_bits as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_same_bits, assert_same_numbers
from tests.plugins.evaluate import run, run_both
from tests.plugins.native import assert_native

DTYPES = [np.float16, np.float32, np.float64]
VALUES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    1.5,
    -6.25,
    1e-7,
    3e4,
    np.inf,
    -np.inf,
    np.nan,
    6e-8,
    -1e-40,
    5e-324,
]


def pairs(dtype: Any) -> tuple[Any, Any]:
    values = np.array(VALUES).astype(dtype)
    x, y = np.meshgrid(values, values)
    return x.ravel(), y.ravel()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["copysign", "nextafter"])
def test_pairs_are_numpys(name: str, dtype: Any) -> None:
    x, y = pairs(dtype)
    is_same = assert_same_numbers if dtype == np.float16 else assert_same_bits  # NumPy's zeros
    is_same(run_both(getattr(gd, name), x, y), getattr(np, name)(x, y), name)


@pytest.mark.parametrize("dtype", [*DTYPES, ml_dtypes.bfloat16, np.int8, np.uint8])
def test_signs_are_numpys(dtype: Any) -> None:
    x = np.array([0.0, 1.0, 3.0]).astype(dtype) if dtype == np.uint8 else np.array(VALUES[:6])
    x = x.astype(dtype)
    np.testing.assert_array_equal(run_both(gd.signbit, x), np.signbit(x.astype(np.float64)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_mantissas_and_exponents_are_numpys(dtype: Any) -> None:
    x = np.array(VALUES).astype(dtype)
    for found, wanted in zip(run_both(gd.frexp, x), np.frexp(x), strict=True):
        assert_same_numbers(found, np.where(np.isfinite(x), wanted, found))
        assert found.dtype == wanted.dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_of_two_are_numpys(dtype: Any) -> None:
    x, _ = pairs(dtype)
    n = np.resize(
        np.array([0, 1, -1, 10, -9, 300, -400, 2000, -2200, 2**31 - 1], np.int32), x.shape
    )
    with np.errstate(all="ignore"):
        wanted = np.ldexp(x, n)
    found = run_both(gd.ldexp, x, n)
    exact = (np.abs(wanted) >= np.finfo(dtype).tiny) | (wanted == 0) | ~np.isfinite(wanted)
    assert_same_numbers(found[exact], wanted[exact])
    np.testing.assert_allclose(found[~exact], wanted[~exact], rtol=1, atol=1e-320)


def test_numbers_replace_nan_and_infinities() -> None:
    x = np.array(VALUES, np.float32)
    assert_same_numbers(run_both(gd.nan_to_num, x), np.nan_to_num(x))
    given: dict[str, Any] = {"nan": 2.0, "posinf": 7.0, "neginf": -7.0}
    found = run(lambda t: gd.nan_to_num(t, **given), x)
    assert_same_numbers(found, np.nan_to_num(x, **given))
    assert run(gd.nan_to_num, np.array([3])).tolist() == [3]


def test_derivatives() -> None:
    x, y, n = np.array([3.0, -2.0]), np.array([-1.0, -1.0]), np.array([2, -1])

    def slopes(t: Any, u: Any, k: Any) -> Any:
        return [
            grad(sum_of(gd.copysign(t, u)), t),
            grad(sum_of(gd.ldexp(t, k)), t),
            grad(sum_of(gd.frexp(t)[0]), t),
            grad(sum_of(gd.nan_to_num(t)), t),
        ]

    found = run(slopes, x, y, n)
    assert [each.tolist() for each in found] == [[-1, 1], [4, 0.5], [0.25, 0.25], [1, 1]]


def test_errors_and_empty_shapes() -> None:
    with pytest.raises(DTypeError, match="ldexp: the exponent must be an integer, got float32"):
        gd.ldexp(placeholder("x", (2,)), placeholder("n", (2,)))
    with pytest.raises(DTypeError, match="signbit: got bool"):
        gd.signbit(placeholder("x", (2,), "bool"))
    assert run(gd.copysign, np.zeros((0,)), np.zeros((1,))).shape == (0,)


@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled_code_is_the_interpreters(dtype: Any) -> None:
    x, y = pairs(dtype)
    n = np.resize(np.array([1, -3, 5], np.int32), x.shape)

    def everything(t: Any, u: Any, k: Any) -> Any:
        return [gd.copysign(t, u), gd.nextafter(t, u), gd.ldexp(t, k), *gd.frexp(t), gd.signbit(t),
                gd.nan_to_num(t, posinf=1.0, neginf=2.0)]  # fmt: skip

    assert_native(everything, x, y, n, rtol=0, atol=0)
