"""The orders in which accumulators add."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.kernel.folding import finish_fold, fold_points, reducer_identity, start_fold
from graphdl.kernel.nodes import Accumulator, Order, Variable
from graphdl.typesystem.arithmetic import BINARY
from graphdl.typesystem.dtype import ALL, DType, float32


def accumulator(reducer: str, dtype: DType, order: Order) -> Accumulator:
    return Accumulator(("s",), reducer, (Variable("x", dtype),), order)


BITS = [("bitwise_and", dtype) for dtype in ALL if not dtype.is_floating]
BITS += [("bitwise_or", dtype) for dtype in ALL if not dtype.is_floating]
SUMS = [(reducer, dtype) for reducer in ("add", "multiply") for dtype in ALL if not dtype.is_bool]
EXTREMES = [(reducer, dtype) for reducer in ("maximum", "minimum") for dtype in ALL]


@pytest.mark.parametrize(("reducer", "dtype"), [*BITS, *SUMS, *EXTREMES], ids=str)
def test_folding_with_the_identity_changes_nothing(reducer: str, dtype: DType) -> None:
    identity = np.array([reducer_identity(reducer, dtype)]).astype(dtype.numpy)
    values = np.array([0, 1, 1, 0]).astype(dtype.numpy)
    np.testing.assert_array_equal(BINARY[reducer](identity, values), values)
    np.testing.assert_array_equal(BINARY[reducer](values, identity), values)


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("cut", [64, 128, 448])
def test_points_may_come_in_parts(order: Order, cut: int) -> None:
    x = np.random.default_rng(0).standard_normal((3, 500)).astype(np.float32)
    each = accumulator("add", float32, order)
    whole = fold_points(each, start_fold(each, 3), [x])
    part = fold_points(each, start_fold(each, 3), [x[:, :cut]])
    part = fold_points(each, part, [x[:, cut:]])
    np.testing.assert_array_equal(finish_fold("add", whole), finish_fold("add", part))


def test_ascending_is_one_sum_after_the_other() -> None:
    x = np.array([[1e8, 1, -1e8, 1]], np.float32)
    each = accumulator("add", float32, Order.ASCENDING)
    assert finish_fold("add", fold_points(each, start_fold(each, 1), [x]))[0] == 1


def test_a_sum_of_minus_zeros_is_plus_zero() -> None:
    each = accumulator("add", float32, Order.INTERLEAVED)
    (result,) = finish_fold("add", fold_points(each, start_fold(each, 1), [np.array([[-0.0]])]))
    assert not np.signbit(result[0])


def test_nothing_folds_to_the_identity() -> None:
    for order in Order:
        each = accumulator("maximum", float32, order)
        assert finish_fold("maximum", start_fold(each, 2))[0].tolist() == [-np.inf] * 2
