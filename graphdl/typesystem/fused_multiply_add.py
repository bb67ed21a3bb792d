"""a * b + c rounded once, on NumPy arrays, without a hardware instruction.

float32 goes through float64 rounded to odd; float64 through the error-free transformations of
Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding
to odd" (2008), with exact fractions where those could overflow or underflow.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_SPLITTER = 134217729.0  # 2**27 + 1
_SAFE_LARGE = 2.0**480
_SAFE_SMALL = 2.0**-480


def fused_multiply_add(a: Array, b: Array, c: Array) -> Array:
    """a * b + c of float32 or float64 arrays of one dtype, rounded once to nearest even."""
    if a.dtype == np.float32:
        product = a.astype(np.float64) * b.astype(np.float64)  # 48 bits: exact
        return sum_to_odd(product, c.astype(np.float64)).astype(np.float32)
    return _fused_float64(a, b, c)


def sum_to_odd(left: Array, right: Array) -> Array:
    """left + right of float64 arrays, rounded to odd: a later rounding to at most 51 bits then
    gives what one rounding of the exact sum would."""
    total, error = _two_sum(left, right)
    return _to_odd(total, error)


def _two_sum(left: Array, right: Array) -> tuple[Array, Array]:
    total = left + right
    virtual = total - left
    return total, (left - (total - virtual)) + (right - virtual)


def _to_odd(total: Array, error: Array) -> Array:
    """The odd neighbour of `total` on the side of `error`, unless the sum is exact or odd."""
    bits = np.asarray(total).view(np.int64)
    outward = (error > 0) == (total > 0)
    inexact = (error != 0) & (bits & 1 == 0) & np.isfinite(total) & np.isfinite(error)
    moved = bits + np.where(inexact, np.where(outward, 1, -1), 0)
    return np.asarray(moved).view(np.float64)


def _two_product(left: Array, right: Array) -> tuple[Array, Array]:
    product = left * right
    left_high, left_low = _split(left)
    right_high, right_low = _split(right)
    error = left_high * right_high - product
    error = error + left_high * right_low + left_low * right_high + left_low * right_low
    return product, error


def _split(value: Array) -> tuple[Array, Array]:
    scaled = _SPLITTER * value
    high = scaled - (scaled - value)
    return high, value - high


def _is_safe(value: Array) -> Array:
    magnitude = np.abs(value)
    return np.asarray((magnitude < _SAFE_LARGE) & (magnitude > _SAFE_SMALL))


def _fused_float64(a: Array, b: Array, c: Array) -> Array:
    a, b, c = np.broadcast_arrays(a, b, c)
    product, product_error = _two_product(a, b)
    high, low = _two_sum(c, product_error)
    top, rest = _two_sum(product, high)
    tail, tail_error = _two_sum(rest, low)
    result = np.asarray(top + _to_odd(tail, tail_error))
    safe = _is_safe(a) & _is_safe(b) & (_is_safe(c) | (c == 0)) & _is_safe(product)
    finite_product = np.isfinite(a) & np.isfinite(b)
    is_plain = ~finite_product | ~np.isfinite(c) | (a == 0) | (b == 0)
    plain = np.where(finite_product & ~np.isfinite(c), c, np.asarray(a * b + c))
    result = np.where(is_plain, plain, result)
    return _correct(result, a, b, c, np.flatnonzero(~safe & ~is_plain))


def _correct(result: Array, a: Array, b: Array, c: Array, places: Array) -> Array:
    """`result` with the elements at flat `places` computed exactly."""
    if not places.size:
        return np.asarray(result)
    flat, flat_a, flat_b, flat_c = (np.ravel(array) for array in (result, a, b, c))
    flat = flat.copy()
    for place in places:
        flat[place] = _fused_scalar(
            float(flat_a[place]), float(flat_b[place]), float(flat_c[place])
        )
    return flat.reshape(result.shape)


def _fused_scalar(a: float, b: float, c: float) -> float:
    """One finite a * b + c with a and b not zero, through exact fractions."""
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        return 0.0
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf
