"""Elementwise primitives against mpmath, Python integers and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import pytest
import torch

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.op import Op
from graphdl.ops.table import OPS
from graphdl.typesystem.dtype import DType, as_dtype, bfloat16, bool_, float32, int32, uint8
from graphdl.typesystem.tensor_type import TensorType
from tests.plugins.cases import CASES, Case, cases_of
from tests.plugins.compare import assert_same_bits, assert_same_numbers

Array = np.ndarray[Any, Any]

MATHEMATICS: dict[str, Callable[..., Any]] = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "asin": mpmath.asin,
    "acos": mpmath.acos,
    "atan": mpmath.atan,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "tanh": mpmath.tanh,
    "erf": mpmath.erf,
    "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
    "atan2": mpmath.atan2,
    "power": lambda x, y: x**y,
}


def reference(case: Case) -> Array:
    assert case.op.reference is not None
    result: Array = case.op.reference(*case.arrays, **case.attributes)
    return result


FORMATS = {
    "float16": (11, -13),
    "bfloat16": (8, -125),
    "float32": (24, -125),
    "float64": (53, -1021),
}
"""Digits, and the smallest normal exponent as frexp counts it."""


def ulp_error(result: Array, exact: list[Any]) -> float:
    """The largest distance from the exact values, in units of the last place of the result."""
    digits, smallest = FORMATS[result.dtype.name]
    worst = 0.0
    for got, wanted in zip(result.astype(np.float64).ravel(), exact, strict=True):
        if np.isinf(got) and abs(wanted) > mpmath.mpf(2) ** (-smallest + 2):
            continue
        exponent = max(int(mpmath.frexp(wanted)[1]), smallest)
        last_place = mpmath.mpf(2) ** (exponent - digits)
        worst = max(worst, abs(float((mpmath.mpf(float(got)) - wanted) / last_place)))
    return worst


def is_inside(name: str, array: Array) -> bool:
    """Whether the mathematical function is finite at every element."""
    if not np.isfinite(array).all() or not array.size:
        return False
    return bool((array > 0).all()) if name in ("power", "log", "rsqrt") else True


@pytest.mark.parametrize("name", MATHEMATICS)
def test_transcendental_functions_are_the_mathematical_ones(name: str) -> None:
    with mpmath.workdps(40):
        for case in cases_of(name):
            arrays = [array.astype(np.float64).ravel() for array in case.arrays]
            is_integer = as_dtype(case.arrays[0].dtype).is_integer
            if is_integer or not all(is_inside(name, array) for array in arrays):
                continue
            rows = zip(*arrays, strict=True)
            exact = [MATHEMATICS[name](*map(mpmath.mpf, map(float, row))) for row in rows]
            limit = 4 if case.arrays[0].dtype == np.float64 else 0.51
            assert ulp_error(reference(case), exact) < limit, str(case)


TORCH: dict[str, Callable[..., Any]] = {
    "negative": torch.neg,
    "abs": torch.abs,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "trunc": torch.trunc,
    "sqrt": torch.sqrt,
    "is_finite": torch.isfinite,
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "equal": torch.eq,
    "not_equal": torch.ne,
    "less": torch.lt,
    "less_equal": torch.le,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "exp": torch.exp,
    "log": torch.log,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "logistic": torch.sigmoid,
}


@pytest.mark.parametrize("name", TORCH)
def test_special_values_are_those_of_pytorch(name: str) -> None:
    for case in cases_of(name):
        if case.arrays[0].dtype not in (np.float32, np.float64):
            continue
        with np.errstate(all="ignore"):
            wanted = TORCH[name](*map(torch.from_numpy, case.arrays)).numpy()
        np.testing.assert_allclose(reference(case), wanted, rtol=4e-7, err_msg=str(case))


def whole_power(x: int, y: int, bits: int) -> int:
    """x to the y modulo 2**bits; a negative power truncated to a whole number."""
    if y >= 0:
        return pow(x, y, 2**bits)
    return {1: 1, -1: -1 if y % 2 else 1}.get(x, 0)


INTEGERS: dict[str, Callable[..., int]] = {
    "negative": lambda x, bits: -x,
    "abs": lambda x, bits: abs(x),
    "bitwise_not": lambda x, bits: ~x,
    "add": lambda x, y, bits: x + y,
    "subtract": lambda x, y, bits: x - y,
    "multiply": lambda x, y, bits: x * y,
    "floor_divide": lambda x, y, bits: x // y if y else 0,
    "remainder": lambda x, y, bits: x % y if y else 0,
    "power": lambda x, y, bits: whole_power(x, y, bits),
    "bitwise_and": lambda x, y, bits: x & y,
    "bitwise_or": lambda x, y, bits: x | y,
    "bitwise_xor": lambda x, y, bits: x ^ y,
    "shift_left": lambda x, y, bits: x << y if 0 <= y < bits else 0,
    "shift_right_logical": lambda x, y, bits: (x % 2**bits) >> y if 0 <= y < bits else 0,
    "shift_right_arithmetic": lambda x, y, bits: x >> (y if 0 <= y < bits else bits),
    "multiply_high": lambda x, y, bits: (x * y) >> 32,
    "maximum": lambda x, y, bits: max(x, y),
    "minimum": lambda x, y, bits: min(x, y),
}


def wrapped(value: int, dtype: DType) -> int:
    """A whole number cut to the bits of an integer dtype."""
    low = value % 2**dtype.bits
    return (
        low - 2**dtype.bits if dtype.kind.value == "int" and low >= 2 ** (dtype.bits - 1) else low
    )


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_wrap_as_whole_numbers_do(name: str) -> None:
    for case in cases_of(name):
        dtype = as_dtype(case.arrays[0].dtype)
        if not dtype.is_integer:
            continue
        rows = zip(*(array.ravel().tolist() for array in case.arrays), strict=True)
        wanted = [wrapped(INTEGERS[name](*row, bits=dtype.bits), dtype) for row in rows]
        assert reference(case).ravel().tolist() == wanted, str(case)


def test_integer_powers_wrap_and_negative_exponents_truncate() -> None:
    power = OPS["power"].reference
    assert power is not None
    x = np.array([2, -1, -1, 1, 0, 3, 7, -2], np.int32)
    y = np.array([-1, -3, -2, -9, -1, 40, 0, 31], np.int32)
    wanted = [0, -1, 1, 1, 0, wrapped(3**40, int32), 1, wrapped((-2) ** 31, int32)]
    assert power(x, y).tolist() == wanted


@pytest.mark.parametrize("name", ["exp", "add", "multiply", "rsqrt"])
def test_16_bit_floats_compute_in_float32_and_round_once(name: str) -> None:
    for case in cases_of(name):
        if case.arrays[0].dtype.itemsize != 2 or as_dtype(case.arrays[0].dtype).is_integer:
            continue
        wide = replace(case, arrays=tuple(a.astype(np.float32) for a in case.arrays))
        with np.errstate(over="ignore"):
            wanted = reference(wide).astype(case.arrays[0].dtype)
        assert_same_bits(reference(case), wanted, case)


def test_float_to_integer_saturates_and_nan_is_zero() -> None:
    values = np.array([1e30, -1e30, np.nan, np.inf, -np.inf, 2.9, -2.9, 127.5, -128.9], np.float32)
    convert = OPS["convert"].reference
    assert convert is not None
    assert convert(values, dtype=as_dtype("int8")).tolist() == [
        127,
        -128,
        0,
        127,
        -128,
        2,
        -2,
        127,
        -128,
    ]
    assert convert(values[:7], dtype=as_dtype("int64")).tolist() == [
        2**63 - 1, -(2**63), 0, 2**63 - 1, -(2**63), 2, -2,
    ]  # fmt: skip
    assert convert(values[:7], dtype=as_dtype("uint64")).tolist() == [
        2**64 - 1, 0, 0, 2**64 - 1, 0, 2, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("case", cases_of("convert"), ids=str)
def test_convert_is_numpys_where_nothing_is_lost(case: Case) -> None:
    target: DType = case.attributes["dtype"]
    (array,) = case.arrays
    source = as_dtype(array.dtype)
    if source.is_floating and not target.is_floating and not target.is_bool:
        limits = np.iinfo(target.numpy)
        wide = array.astype(np.float64)
        inside = (wide > float(limits.min)) & (wide < float(limits.max))
        array = array[inside & np.isfinite(wide)]
        wanted = np.trunc(array.astype(np.float64)).astype(target.numpy)
    elif target == bfloat16 and source.bits > 16:
        wanted = array.astype(np.float32).astype(target.numpy)
    else:
        with np.errstate(all="ignore"):
            wanted = array.astype(
                np.float32 if target.bits == 16 and target.is_floating else target.numpy
            )
            wanted = wanted.astype(target.numpy)
    assert case.op.reference is not None
    assert_same_bits(case.op.reference(array, dtype=target), wanted)


def test_signed_zeros_and_halves() -> None:
    minus, plus = np.float32(-0.0), np.float32(0.0)

    def bits(name: str, *values: Any) -> list[bool]:
        operation = OPS[name].reference
        assert operation is not None
        return np.signbit(operation(*(np.array(value, np.float32) for value in values))).tolist()

    assert bits("maximum", [minus, plus], [plus, minus]) == [False, False]
    assert bits("minimum", [minus, plus], [plus, minus]) == [True, True]
    assert bits("sign", [minus, plus]) == [True, False]
    rounded = OPS["round"].reference
    assert rounded is not None
    assert rounded(np.array([0.5, 1.5, 2.5, -0.5], np.float32)).tolist() == [0, 2, 2, 0]


def test_type_rules_refuse_by_their_constraints() -> None:
    add, exp, select = OPS["add"].infer, OPS["exp"].infer, OPS["select"].infer
    x = TensorType(float32, (3,))
    with pytest.raises(DTypeError, match=r"add \(C1\): needs a number, got bool"):
        add(TensorType(bool_, (3,)), TensorType(bool_, (3,)))
    with pytest.raises(DTypeError, match=r"add \(C2\)"):
        add(x, TensorType(int32, (3,)))
    with pytest.raises(ShapeError, match=r"add \(C3\)"):
        add(x, TensorType(float32, (4,)))
    with pytest.raises(ArgumentError, match="add: needs 2 operands"):
        add(x)
    with pytest.raises(DTypeError, match=r"exp \(C1\): needs a floating dtype, got int32"):
        exp(TensorType(int32, (3,)))
    with pytest.raises(DTypeError, match=r"select \(C1\)"):
        select(x, x, x)
    with pytest.raises(DTypeError, match=r"bitcast \(C1\)"):
        OPS["bitcast"].infer(x, dtype=uint8)


def test_traits_hold() -> None:
    for case in CASES:
        op = case.op
        if op.kind.value != "elementwise" or len(case.arrays) != 2 or case.arrays[0].size == 0:
            continue
        x, y = case.arrays
        if op.commutative:
            assert_same_bits(reference(case), reference(replace(case, arrays=(y, x))), case)
        if op.identity is not None:
            neutral = np.full_like(x, op.identity)
            assert_same_numbers(reference(replace(case, arrays=(x, neutral))), x, case)
        if op.annihilator is not None and np.isfinite(x.astype(np.float64)).all():
            none = np.full_like(x, op.annihilator)
            assert (reference(replace(case, arrays=(x, none))) == op.annihilator).all()


def test_a_wrong_reference_is_caught() -> None:
    """The mathematical oracle notices an exp that is one part in 10**6 off."""
    case = next(case for case in cases_of("exp") if case.arrays[0].shape == (7,))
    wrong: Op = replace(case.op, reference=lambda x: np.exp(x) * np.float32(1 + 1e-6))
    exact = [mpmath.exp(float(x)) for x in case.arrays[0]]
    assert ulp_error(reference(replace(case, op=wrong)), exact) > 1
