"""Definitions that NumPy shares, on hard values; the rest is checked op by op in tests/ops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.typesystem.arithmetic import BINARY, UNARY, bitcast, convert
from graphdl.typesystem.dtype import bfloat16, bool_, float16, float32, float64, int8, int32
from tests.plugins.cases import pairs, special
from tests.plugins.compare import assert_same_bits


def hard_pairs(dtype: Any) -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    scale = 10.0 ** generator.uniform(-4, 4, (2, 2000))
    left, right = generator.normal(size=(2, 2000)) * scale
    specials = pairs(special(dtype))
    tenths = np.arange(-40, 41) * 0.1
    return (
        np.concatenate([left, specials[0], tenths, [-1e-30, 6e5]]).astype(dtype.numpy),
        np.concatenate([right, specials[1], np.full(81, 0.1), [1, 0.1]]).astype(dtype.numpy),
    )


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize(
    ("name", "oracle"), [("remainder", np.remainder), ("floor_divide", np.floor_divide)]
)
def test_float_division_is_numpys(name: str, oracle: Any, dtype: Any) -> None:
    x, y = hard_pairs(dtype)
    with np.errstate(all="ignore"):
        wanted = oracle(x, y)
    assert_same_bits(BINARY[name](x, y), wanted)


def test_a_quotient_rounded_up_is_caught() -> None:
    """floor(x / y) alone errs where the quotient rounds up to a whole number."""
    x, y = hard_pairs(float32)
    with np.errstate(all="ignore"):
        naive = np.floor(x / y)
    assert (naive != BINARY["floor_divide"](x, y)).sum() > (np.isnan(naive)).sum()


def test_conversions_round_by_way_of_float32() -> None:
    value = np.array([1 + 2.0**-11 + 2.0**-40])
    assert convert(value, float16)[0] == 1
    assert convert(np.array([257]), bfloat16)[0] == 256
    assert convert(np.array([300, -1]), int8).tolist() == [44, -1]
    assert convert(np.array([0.0, -0.0, np.nan, 0.1]), bool_).tolist() == [False, False, True, True]


def test_bitcasts_keep_bits_and_shape() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert bitcast(x.T, int32).shape == (3, 2)
    np.testing.assert_array_equal(bitcast(bitcast(x.T, int32), float32), x.T)


@pytest.mark.parametrize("name", sorted({**UNARY, **BINARY}))
def test_0d_arrays_give_0d_arrays(name: str) -> None:
    table = UNARY if name in UNARY else BINARY
    dtype = np.uint32 if name.startswith(("bitwise", "shift", "multiply_high")) else np.float32
    one = np.asarray(dtype(1))
    result = table[name](*(one,) * (1 if name in UNARY else 2))
    assert isinstance(result, np.ndarray)
    assert result.shape == ()
