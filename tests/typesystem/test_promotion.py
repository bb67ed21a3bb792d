"""Promotion against NumPy (integers) and PyTorch (mixes and weak scalars)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from graphdl.errors import DTypeError
from graphdl.typesystem import promotion
from graphdl.typesystem.dtype import (
    ALL,
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int32,
    int64,
    uint8,
    uint64,
)
from graphdl.typesystem.expression import Symbol
from graphdl.typesystem.promotion import promote, result_dtype, weak_type

PAIRS = list(itertools.product(ALL, ALL))
TORCH = {str(dtype): getattr(torch, str(dtype)) for dtype in ALL}
UNSIGNED_IN_TORCH = {"uint16", "uint32", "uint64"}


def is_refused(left: DType, right: DType) -> bool:
    return {left.name, right.name} >= {"uint64"} and {left.kind.value, right.kind.value} == {
        "uint",
        "int",
    }


@pytest.mark.parametrize(("left", "right"), [p for p in PAIRS if not is_refused(*p)])
def test_pairs(left: DType, right: DType) -> None:
    found = promote(left, right)
    assert found is promote(right, left)
    if not (left.is_floating or right.is_floating):
        assert found.numpy == np.promote_types(left.numpy, right.numpy)
    elif not {left.name, right.name} & UNSIGNED_IN_TORCH:
        assert TORCH[found.name] == torch.promote_types(TORCH[left.name], TORCH[right.name])
    else:
        assert found is (left if left.is_floating else right)


@pytest.mark.parametrize(("left", "right"), [p for p in PAIRS if is_refused(*p)])
def test_refused_pairs(left: DType, right: DType) -> None:
    with pytest.raises(DTypeError, match="no common integer dtype"):
        promote(left, right)
    assert promote(left, right, float32) is float32


def test_several_dtypes_promote_in_any_order() -> None:
    for order in itertools.permutations([bool_, uint8, int8, int32]):
        assert promote(*order) is int32
    for order in itertools.permutations([int64, float16, bfloat16]):
        assert promote(*order) is float32
    with pytest.raises(ValueError, match="at least one"):
        promote()


WEAK = (True, 2, 2.5)


@pytest.mark.parametrize("dtype", [d for d in ALL if d.name not in UNSIGNED_IN_TORCH])
@pytest.mark.parametrize("scalar", WEAK)
def test_python_scalars_are_weak(dtype: DType, scalar: Any) -> None:
    expected = torch.result_type(torch.zeros(2, dtype=TORCH[dtype.name]), scalar)
    assert TORCH[result_dtype(dtype, scalar).name] == expected
    assert result_dtype(scalar, dtype) is result_dtype(type(scalar), dtype)


def test_weak_operands_alone() -> None:
    assert result_dtype(True) is bool_
    assert result_dtype(1, False) is int64
    assert result_dtype(1, 2.0) is float32
    assert result_dtype(float, int) is float32


def test_sizes_are_weak_integers() -> None:
    batch = Symbol("batch")
    assert result_dtype(float16, batch) is float16
    assert result_dtype(int8, 2 * batch + 1) is int8
    assert result_dtype(batch) is int64
    assert weak_type(batch) is int


def test_numpy_scalars_are_strong_except_float64() -> None:
    assert result_dtype(float16, np.float32(2)) is float32
    assert result_dtype(int8, np.int64(2)) is int64
    assert result_dtype(float32, np.float64(2)) is float32
    assert result_dtype(bool_, np.bool_(True)) is bool_
    assert result_dtype(np.dtype("float64"), 1) is float64


def test_operands_without_a_dtype() -> None:
    with pytest.raises(DTypeError, match="complex"):
        result_dtype(float32, 1j)
    with pytest.raises(DTypeError, match="unknown dtype"):
        result_dtype("text")
    with pytest.raises(ValueError, match="at least one"):
        result_dtype()


def test_planted_fault_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letting the narrower width win is caught by the table."""
    monkeypatch.setattr(promotion, "_wider", lambda left, right: min(left, right, key=_bits))
    promotion._promote_two.cache_clear()
    try:
        with pytest.raises(AssertionError):
            test_pairs(uint8, uint64)
    finally:
        promotion._promote_two.cache_clear()


def _bits(dtype: DType) -> int:
    return dtype.bits
