"""dot_general against loops in ascending k, and PyTorch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.ops.table import OPS
from graphdl.typesystem.arithmetic import widen
from graphdl.typesystem.dtype import float32, int32
from graphdl.typesystem.expression import Symbol
from graphdl.typesystem.tensor_type import TensorType
from tests.plugins.cases import Case, cases_of, numbers

CASES = cases_of("dot_general")


def letters(case: Case) -> str:
    """The case in einsum's notation."""
    lhs, rhs = case.arrays
    at = case.attributes
    left = [chr(ord("a") + axis) for axis in range(lhs.ndim)]
    right = [chr(ord("m") + axis) for axis in range(rhs.ndim)]
    pairs = [*zip(at["lhs_contract"], at["rhs_contract"], strict=True)]
    pairs += [*zip(at["lhs_batch"], at["rhs_batch"], strict=True)]
    for one, other in pairs:
        right[other] = left[one]
    batch = [left[axis] for axis in at["lhs_batch"]]
    free = [
        letter
        for axes, skipped in (
            (left, at["lhs_contract"] + at["lhs_batch"]),
            (right, at["rhs_contract"] + at["rhs_batch"]),
        )
        for axis, letter in enumerate(axes)
        if axis not in skipped
    ]
    return f"{''.join(left)},{''.join(right)}->{''.join(batch + free)}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_are_those_of_einsum(case: Case) -> None:
    assert case.op.reference is not None
    result = case.op.reference(*case.arrays, **case.attributes)
    wide = [torch.from_numpy(widen(array).astype(np.float64)) for array in case.arrays]
    if case.arrays[0].dtype.kind in "iu":
        wanted = np.einsum(letters(case), *case.arrays)
        np.testing.assert_array_equal(result, wanted)
        return
    wanted = torch.einsum(letters(case), *wide).numpy()
    tolerance = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-5, "float64": 1e-13}
    atol = tolerance[result.dtype.name]
    np.testing.assert_allclose(result.astype(np.float64), wanted, rtol=atol, atol=4 * atol)
    assert result.dtype == case.arrays[0].dtype


def test_products_are_added_in_ascending_order() -> None:
    x, y = numbers(float32, (2, 50)), numbers(float32, (50, 3), seed=1)
    result = product(x, y)
    for row in range(2):
        for column in range(3):
            total = np.float32(0)
            for k in range(50):
                total = np.float32(total + np.float32(x[row, k] * y[k, column]))
            assert result[row, column] == total


def product(x: Any, y: Any) -> Any:
    reference = OPS["dot_general"].reference
    assert reference is not None
    return reference(x, y, lhs_contract=(1,), rhs_contract=(0,), lhs_batch=(), rhs_batch=())


def test_an_empty_contraction_is_zero() -> None:
    assert not product(np.ones((3, 0), np.float32), np.ones((0, 4), np.float32)).any()


def test_type_rule_refuses_by_its_constraints() -> None:
    infer = OPS["dot_general"].infer
    batch = Symbol("batch")
    x, y = TensorType(float32, (batch, 784)), TensorType(float32, (512, 10))
    plain: dict[str, Any] = {"lhs_contract": (1,), "rhs_contract": (0,)}
    with pytest.raises(
        ShapeError, match=r"\(C6\): contracted sizes differ: lhs axis 1 is 784, rhs"
    ):
        infer(x, y, **plain)
    with pytest.raises(DTypeError, match=r"\(C2\)"):
        infer(x, TensorType(int32, (784, 10)), **plain)
    with pytest.raises(ArgumentError, match=r"\(C3\)"):
        infer(x, y, lhs_contract=(1,), rhs_contract=())
    with pytest.raises(ArgumentError, match=r"\(C4\)"):
        infer(x, y, lhs_contract=(2,), rhs_contract=(0,))
    with pytest.raises(ShapeError, match=r"\(C5\): batch sizes differ"):
        infer(x, x, lhs_contract=(), rhs_contract=(), lhs_batch=(0,), rhs_batch=(1,))
    (result,) = infer(x, TensorType(float32, (784, 10)), **plain)
    assert result == TensorType(float32, (batch, 10))


def test_a_wrong_order_is_caught() -> None:
    """A descending sum of the same products has other bits."""
    x, y = numbers(float32, (8, 300)), numbers(float32, (300, 8), seed=1)
    wrong = replace(OPS["dot_general"], reference=lambda a, b, **_: product(a[:, ::-1], b[::-1]))
    assert wrong.reference is not None
    assert not np.array_equal(wrong.reference(x, y), product(x, y))
