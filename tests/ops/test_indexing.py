"""Gather and scatter against NumPy with clamped indices, and scatter's order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.ops.table import OPS
from graphdl.typesystem.arithmetic import widen
from graphdl.typesystem.dtype import bool_, float32, int8, int64
from graphdl.typesystem.tensor_type import TensorType
from tests.plugins.cases import Case, cases_of
from tests.plugins.compare import assert_same_bits

Array = np.ndarray[Any, Any]


def computed(case: Case) -> Array:
    assert case.op.reference is not None
    result: Array = case.op.reference(*case.arrays, **case.attributes)
    return result


def by_hand(case: Case) -> Array:
    """Element by element, from the definition."""
    axis = case.attributes["axis"]
    array, indices = case.arrays[:2]
    places = np.minimum(np.maximum(indices, 0), max(array.shape[axis] - 1, 0))
    elementwise = case.op.name.endswith("elements")
    is_scatter = case.op.name.startswith("scatter")
    shape = (
        indices.shape
        if elementwise
        else (*array.shape[:axis], *indices.shape, *array.shape[axis + 1 :])
    )
    result = widen(array).copy() if is_scatter else np.empty(shape, array.dtype)
    for index in np.ndindex(*shape):
        if elementwise:
            at = (*index[:axis], int(places[index]), *index[axis + 1 :])
        else:
            inner = index[axis : axis + indices.ndim]
            at = (*index[:axis], int(places[inner]), *index[axis + indices.ndim :])
        if is_scatter:
            with np.errstate(over="ignore"):
                result[at] += widen(case.arrays[2])[index]
        else:
            result[index] = array[at]
    return result.astype(array.dtype)


@pytest.mark.parametrize(
    "case",
    cases_of("gather", "gather_elements", "scatter_add", "scatter_add_elements"),
    ids=str,
)
def test_values_follow_the_definition(case: Case) -> None:
    assert_same_bits(computed(case), by_hand(case))


def test_scatter_in_another_order_is_caught() -> None:
    """Updates added backwards have other bits."""
    x = np.zeros((1,), np.float32)
    updates = np.random.default_rng(0).normal(size=100).astype(np.float32)
    case = Case(OPS["scatter_add"], (x, np.zeros(100, np.int64), updates), {"axis": 0})
    assert_same_bits(computed(case), by_hand(case))
    backwards = replace(case, arrays=(x, case.arrays[1], updates[::-1].copy()))
    assert computed(backwards) != by_hand(case)


def test_type_rules_refuse_by_their_constraints() -> None:
    x, i = TensorType(float32, (3, 4)), TensorType(int64, (2,))
    refusals: list[tuple[str, type[Exception], str, tuple[TensorType, ...], int]] = [
        ("gather", DTypeError, "C1", (x, TensorType(int8, (2,))), 0),
        ("gather", ArgumentError, "C2", (x, i), 2),
        ("gather", ShapeError, "C3", (TensorType(float32, (0, 4)), i), 0),
        ("gather_elements", ShapeError, "C4", (x, i), 0),
        ("gather_elements", ShapeError, "C4", (x, TensorType(int64, (3, 5))), 0),
        ("scatter_add", DTypeError, "C4", (TensorType(bool_, (3,)), i, TensorType(bool_, (2,))), 0),
        ("scatter_add", DTypeError, "C4", (x, i, TensorType(int8, (2, 4))), 0),
        ("scatter_add", ShapeError, "C5", (x, i, TensorType(float32, (2, 3))), 0),
    ]
    for name, kind, constraint, types, axis in refusals:
        with pytest.raises(kind, match=rf"\({constraint}\)"):
            OPS[name].infer(*types, axis=axis)
