"""Promotion, broadcasting and meaning of elementwise functions, against NumPy and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.ops.functions import elementwise as gd
from graphdl.ops.functions import logic
from graphdl.ops.functions.creation import placeholder
from graphdl.typesystem.dtype import ALL, as_dtype
from tests.plugins.cases import numbers
from tests.plugins.compare import assert_close, assert_same_numbers
from tests.plugins.evaluate import run, run_both

FLOAT = numbers(as_dtype("float32"), (3, 5))
SMALL = np.random.default_rng(0).uniform(0.1, 0.9, (3, 5)).astype(np.float32)
WHOLE = np.random.default_rng(1).integers(-9, 9, (3, 5)).astype(np.int32)

UNARY = [
    "abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "exp", "exp2", "expm1", "floor",
    "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2", "logical_not", "negative",
    "positive", "reciprocal", "round", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh",
    "trunc",
]  # fmt: skip
NUMPY_NAMES = {
    "acos": "arccos", "asin": "arcsin", "atan": "arctan", "atan2": "arctan2", "pow": "power",
    "bitwise_left_shift": "left_shift", "bitwise_right_shift": "right_shift",
}  # fmt: skip


def find(name: str) -> Any:
    """The function of this name, whichever file holds it."""
    return getattr(gd, name, None) or getattr(logic, name)


@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_are_numpys(name: str) -> None:
    function, oracle = find(name), getattr(np, NUMPY_NAMES.get(name, name))
    assert_close(run_both(function, SMALL), oracle(SMALL), rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "add",
        "subtract",
        "multiply",
        "divide",
        "floor_divide",
        "remainder",
        "pow",
        "maximum",
        "minimum",
        "atan2",
        "equal",
        "not_equal",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "logical_and",
        "logical_or",
        "logical_xor",
    ],
)
def test_binary_functions_are_numpys(name: str) -> None:
    function, oracle = find(name), getattr(np, NUMPY_NAMES.get(name, name))
    assert_close(
        run_both(function, SMALL, SMALL[::-1].copy()), oracle(SMALL, SMALL[::-1]), rtol=1e-6
    )
    if name not in ("pow", "atan2"):
        other = np.where(WHOLE[::-1] == 0, 1, WHOLE[::-1]).astype(np.int32)
        assert_close(run_both(function, WHOLE, other), oracle(WHOLE, other))


@pytest.mark.parametrize(
    "name",
    ["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"],
)
def test_bit_functions_are_numpys(name: str) -> None:
    function, oracle = find(name), getattr(np, NUMPY_NAMES.get(name, name))
    amount = np.abs(WHOLE)
    np.testing.assert_array_equal(run_both(function, WHOLE, amount), oracle(WHOLE, amount))
    np.testing.assert_array_equal(run(logic.bitwise_invert, WHOLE), ~WHOLE)


PAIRS = [(one, other) for one in ALL for other in ALL]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=str)
def test_dtypes_promote_as_the_array_api_says(one: Any, other: Any) -> None:
    x, y = placeholder("x", (2,), one), placeholder("y", (2,), other)
    if {one.name, other.name} in (
        {"uint64", "int8"},
        {"uint64", "int16"},
        {"uint64", "int32"},
        {"uint64", "int64"},
    ):
        with pytest.raises(DTypeError, match="no common integer dtype"):
            gd.maximum(x, y)
        return
    if one.is_bool and other.is_bool:
        with pytest.raises(DTypeError, match="both operands are bool"):
            gd.add(x, y)
        return
    result = gd.maximum(x, y).dtype
    assert gd.maximum(y, x).dtype == result
    if one.is_floating == other.is_floating and "bfloat16" not in (one.name, other.name):
        assert result.numpy == np.result_type(one.numpy, other.numpy)
    elif one.is_floating != other.is_floating:
        assert result == (one if one.is_floating else other)


@pytest.mark.parametrize(
    ("dtype", "scalar", "wanted"),
    [
        ("float16", 2.0, "float16"),
        ("bfloat16", 2, "bfloat16"),
        ("int8", 2, "int8"),
        ("int8", 2.5, "float32"),
        ("bool", 2, "int64"),
        ("bool", True, "bool"),
        ("float64", np.float64(2), "float64"),
        ("float32", np.float64(2), "float32"),
        ("float16", np.float32(2), "float32"),
        ("uint8", np.int16(2), "int16"),
    ],
)
def test_python_scalars_are_weak(dtype: str, scalar: Any, wanted: str) -> None:
    x = placeholder("x", (2,), dtype)
    assert logic.equal(x, scalar).shape == (2,)
    result = gd.where(True, x, scalar)
    assert result.dtype == as_dtype(wanted)
    assert gd.where(True, scalar, x).dtype == as_dtype(wanted)


def test_a_scalar_must_fit_the_dtype() -> None:
    x = placeholder("x", (2,), "uint8")
    with pytest.raises(ArgumentError, match="add: 300 does not fit uint8"):
        gd.add(x, 300)
    with pytest.raises(ArgumentError, match="add: -1 does not fit uint8"):
        gd.add(x, -1)


def test_float64_data_becomes_float32_beside_float32() -> None:
    data = np.linspace(0, 1, 2)
    assert gd.add(placeholder("x", (2,)), data).dtype == as_dtype("float32")
    assert gd.add(placeholder("x", (2,), "float64"), data).dtype == as_dtype("float64")


def test_sizes_stand_for_numbers() -> None:
    result = run(lambda x: gd.divide(x, x.shape[0]), np.ones((4, 2), np.float32), named=True)
    assert_same_numbers(result, np.full((4, 2), 0.25, np.float32))
    both = run(lambda x: gd.add(x.shape[0], x), np.ones((4,), np.int32), named=True)
    assert_same_numbers(both, np.full((4,), 5, np.int32))
    with pytest.raises(ArgumentError, match=r"clip: the bound 0\.5 is a float, x is int32"):
        gd.clip(placeholder("n", (2,), "int32"), 0.5, 1)


def test_shapes_broadcast() -> None:
    for left, right in (
        ((3, 1), (5,)),
        ((), (3, 5)),
        ((2, 1, 5), (3, 1)),
        ((0, 3), (1, 3)),
        ((1,), (1, 1)),
    ):
        x, y = np.ones(left, np.float32), np.full(right, 2, np.float32)
        assert_same_numbers(run_both(gd.add, x, y), x + y)


def test_a_named_size_never_broadcasts() -> None:
    x, y = placeholder("x", ("batch", 3)), placeholder("y", ("time", 3))
    with pytest.raises(
        ShapeError, match="add: sizes differ: lhs axis 0 is batch, rhs axis 0 is time"
    ):
        gd.add(x, y)


def test_errors_name_the_operands_and_the_line() -> None:
    x, y = placeholder("x", (2, 3)), placeholder("y", (4,))
    with pytest.raises(ShapeError) as caught:
        gd.multiply(x, y)
    text = str(caught.value)
    assert "multiply: sizes differ: lhs axis 1 is 3, rhs axis 0 is 4" in text
    assert 'lhs  float32[2, 3]  placeholder "x"  test_elementwise.py:' in text
    assert "gd.multiply(x, y)" in text


def test_where_wants_a_bool() -> None:
    x = placeholder("x", (2,))
    with pytest.raises(DTypeError, match="where: the condition must be bool, got float32"):
        gd.where(x, x, x)
    result = run_both(lambda c, a, b: gd.where(c, a, b), SMALL > 0.5, SMALL, SMALL[:1])
    assert_same_numbers(result, np.where(SMALL > 0.5, SMALL, SMALL[:1]))


def test_clip_keeps_the_dtype_and_nan() -> None:
    x = np.array([-2, 0.5, 7, np.nan], np.float32)
    assert_same_numbers(run(lambda t: gd.clip(t, 0, 1), x), np.clip(x, 0, 1))
    assert_same_numbers(run(lambda t: gd.clip(t, max=1), x), np.clip(x, None, 1))
    assert_same_numbers(run(lambda t: gd.clip(t, -3, 3), WHOLE), np.clip(WHOLE, -3, 3))


def test_integers_round_to_themselves_and_compute_in_float32() -> None:
    assert_same_numbers(run(gd.floor, WHOLE), WHOLE)
    assert_close(run(gd.exp, WHOLE), np.exp(WHOLE.astype(np.float32)))
    assert_close(run(gd.divide, WHOLE, WHOLE * 0 + 2), WHOLE / 2)


def test_tests_of_numbers() -> None:
    x = np.array([np.inf, -np.inf, np.nan, 1.0], np.float32)
    for name in ("isinf", "isnan", "isfinite"):
        np.testing.assert_array_equal(run(find(name), x), getattr(np, name)(x))
        np.testing.assert_array_equal(run(find(name), WHOLE), getattr(np, name)(WHOLE))


def test_bitcast_reads_the_bits() -> None:
    np.testing.assert_array_equal(
        run(lambda x: gd.bitcast(x, "uint32"), FLOAT), FLOAT.view(np.uint32)
    )


@pytest.mark.parametrize("exponent", [1, 2, 3, 4, -2, 0, 0.5, 2.0, -1.5])
def test_powers(exponent: float) -> None:
    assert_close(run(lambda x: gd.pow(x, exponent), SMALL), torch.from_numpy(SMALL) ** exponent)


@pytest.mark.parametrize("bad", [None, "text", [1, [2, 3]], 1j, object()])
def test_what_is_no_operand(bad: Any) -> None:
    with pytest.raises((DTypeError, ArgumentError), match=r"add"):
        gd.add(placeholder("x", (2,)), bad)
