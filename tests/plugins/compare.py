"""Comparisons of arrays that know bfloat16, NaN and signed zeros."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphdl.typesystem.arithmetic import widen

Array = np.ndarray[Any, Any]


def assert_same_numbers(actual: Array, wanted: Array, message: object = "") -> None:
    """Equal shape, dtype and numbers; NaN equals NaN, -0 equals 0."""
    actual, wanted = np.asarray(actual), np.asarray(wanted)
    assert actual.dtype == wanted.dtype, f"{message}: {actual.dtype} is not {wanted.dtype}"
    np.testing.assert_array_equal(widen(actual), widen(wanted), err_msg=str(message))


def assert_same_bits(actual: Array, wanted: Array, message: object = "") -> None:
    """Equal shape, dtype and bits; one NaN equals another."""
    assert_same_numbers(actual, wanted, message)
    if np.asarray(actual).dtype.kind in "fV":
        signs = [
            np.signbit(widen(np.asarray(x))) & (widen(np.asarray(x)) == 0) for x in (actual, wanted)
        ]
        np.testing.assert_array_equal(*signs, err_msg=f"signs of zeros: {message}")


def assert_close(actual: Array, wanted: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Equal shape, and numbers within a tolerance; dtypes may differ."""
    left, right = (widen(np.asarray(x)).astype(np.float64) for x in (actual, wanted))
    assert left.shape == right.shape, f"{left.shape} is not {right.shape}"
    np.testing.assert_allclose(left, right, rtol=rtol, atol=atol)
