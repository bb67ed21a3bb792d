"""Reductions against plain loops in the order that graphdl promises."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, ShapeError
from graphdl.ops.table import OPS
from graphdl.typesystem.arithmetic import widen
from graphdl.typesystem.dtype import float32
from graphdl.typesystem.expression import Symbol
from graphdl.typesystem.tensor_type import TensorType
from tests.plugins.cases import Case, cases_of, numbers
from tests.plugins.compare import assert_same_bits, assert_same_numbers

Array = np.ndarray[Any, Any]


def computed(case: Case) -> Array:
    assert case.op.reference is not None
    result: Array = case.op.reference(*case.arrays, **case.attributes)
    return result


def folded_by_hand(points: Array, is_interleaved: bool, name: str) -> Any:
    """One reduction, number by number: 64 partials and a halving tree, or one accumulator."""
    dtype = points.dtype.type
    start = dtype(0 if name == "reduce_sum" else 1)

    def combine(left: Any, right: Any) -> Any:
        with np.errstate(all="ignore"):
            return dtype(left + right) if name == "reduce_sum" else dtype(left * right)

    partials = [start] * (64 if is_interleaved else 1)
    for number, point in enumerate(points):
        lane = number % len(partials)
        partials[lane] = combine(partials[lane], point)
    while len(partials) > 1:
        half = len(partials) // 2
        partials = [combine(partials[lane], partials[lane + half]) for lane in range(half)]
    return partials[0]


def by_hand(case: Case) -> Array:
    (array,) = case.arrays
    axes = case.attributes["axes"]
    kept = tuple(axis for axis in range(array.ndim) if axis not in axes)
    shape = tuple(array.shape[axis] for axis in kept)
    rows = widen(array).transpose(kept + axes).reshape(math.prod(shape), -1 if array.size else 0)
    is_interleaved = array.ndim - 1 in axes
    sums = [folded_by_hand(row, is_interleaved, case.op.name) for row in rows]
    return np.array(sums, rows.dtype).reshape(shape).astype(array.dtype)


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_prod"])
def test_sums_and_products_follow_the_promised_order(name: str) -> None:
    for case in cases_of(name):
        if case.attributes["axes"]:
            assert_same_bits(computed(case), by_hand(case), case)
        else:
            np.testing.assert_array_equal(computed(case), case.arrays[0])


def test_the_order_matters_and_is_not_numpys() -> None:
    x = numbers(float32, (1, 1000), low=-1, high=1)
    case = Case(OPS["reduce_sum"], (x,), {"axes": (1,)})
    assert computed(case) != np.add.accumulate(x[0])[-1]
    column = Case(OPS["reduce_sum"], (x.T.copy(),), {"axes": (0,)})
    assert computed(column) == np.add.accumulate(x[0])[-1]


def test_a_wrong_order_is_caught() -> None:
    """A pairwise sum, NumPy's own, is not what the loops say."""
    wrong = replace(OPS["reduce_sum"], reference=lambda x, axes: np.sum(x, axis=axes))
    cases = [replace(case, op=wrong) for case in cases_of("reduce_sum")]
    cases = [case for case in cases if case.arrays[0].shape == (200,)]
    assert any(not np.array_equal(computed(case), by_hand(case)) for case in cases)


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("reduce_max", np.max),
        ("reduce_min", np.min),
        ("reduce_and", np.bitwise_and.reduce),
        ("reduce_or", np.bitwise_or.reduce),
    ],
)
def test_order_free_reductions_are_numpys(name: str, oracle: Any) -> None:
    for case in cases_of(name):
        (array,) = case.arrays
        axes = case.attributes["axes"]
        with np.errstate(invalid="ignore"):
            wanted = oracle(array, axis=axes) if axes else array
        assert_same_numbers(computed(case), wanted, case)


def test_extremes_order_signed_zeros() -> None:
    x = np.array([[-0.0, 0.0], [0.0, -0.0], [-0.0, -0.0], [0.0, 0.0]], np.float32)
    largest = computed(Case(OPS["reduce_max"], (x,), {"axes": (1,)}))
    smallest = computed(Case(OPS["reduce_min"], (x,), {"axes": (1,)}))
    assert np.signbit(largest).tolist() == [False, False, True, False]
    assert np.signbit(smallest).tolist() == [True, True, True, False]


@pytest.mark.parametrize(("name", "oracle"), [("argmax", np.argmax), ("argmin", np.argmin)])
def test_arguments_are_the_first(name: str, oracle: Any) -> None:
    for case in cases_of(name):
        (array,) = case.arrays
        wanted = oracle(widen(array), axis=case.attributes["axis"])
        np.testing.assert_array_equal(computed(case), wanted, err_msg=str(case))
        assert computed(case).dtype == np.int64


def test_type_rules_refuse_by_their_constraints() -> None:
    x = TensorType(float32, (3, 0))
    with pytest.raises(ArgumentError, match=r"reduce_sum \(C2\): axis 2 of a 2-d operand"):
        OPS["reduce_sum"].infer(x, axes=(2,))
    with pytest.raises(ArgumentError, match="named twice"):
        OPS["reduce_sum"].infer(x, axes=(1, 1))
    with pytest.raises(ShapeError, match=r"reduce_max \(C3\): nothing to choose from"):
        OPS["reduce_max"].infer(x, axes=(1,))
    with pytest.raises(ShapeError, match=r"argmax \(C3\)"):
        OPS["argmax"].infer(x, axis=1)


def test_a_named_size_must_not_be_empty() -> None:
    guards = OPS["reduce_max"].guards
    assert guards is not None
    (guard,) = guards(TensorType(float32, (Symbol("batch"), 4)), axes=(0, 1))
    assert str(guard.condition) == "4*batch != 0"
    assert guards(TensorType(float32, (Symbol("batch"), 4)), axes=(1,)) == ()
