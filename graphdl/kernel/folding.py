"""The orders in which accumulators add, for the interpreter: exactly as `nodes` defines them.

A fold's state is one array per value, of shape (owners, partials): LANES partials when the order
is INTERLEAVED, one when it is ASCENDING. argmax and argmin keep the best value and its index; the
first NaN wins, then the smallest index among equals, so their result does not depend on the order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.kernel.nodes import LANES, Accumulator, Order
from graphdl.typesystem.arithmetic import BINARY
from graphdl.typesystem.dtype import DType, Kind

Array = NDArray[Any]
State = tuple[Array, ...]


def reducer_identity(reducer: str, dtype: DType) -> bool | int | float:
    """What a partial starts from: x folded with it is x."""
    match reducer:
        case "add" | "bitwise_or":
            return False if dtype.is_bool else 0.0 if dtype.is_floating else 0
        case "multiply":
            return 1.0 if dtype.is_floating else 1
        case "bitwise_and":
            return _all_ones(dtype)
        case "maximum" | "argmax":
            return _extreme(dtype, highest=False)
        case "minimum" | "argmin":
            return _extreme(dtype, highest=True)
    raise AssertionError(f"no reducer {reducer!r}")


def _all_ones(dtype: DType) -> bool | int:
    if dtype.is_bool:
        return True
    return -1 if dtype.kind is Kind.INT else 2**dtype.bits - 1


def _extreme(dtype: DType, highest: bool) -> bool | int | float:
    if dtype.is_floating:
        return np.inf if highest else -np.inf
    if dtype.is_bool:
        return highest
    limits = np.iinfo(dtype.numpy)
    return int(limits.max if highest else limits.min)


def start_fold(accumulator: Accumulator, owners: int) -> State:
    """The partials before the first point."""
    partials = LANES if accumulator.order is Order.INTERLEAVED else 1
    dtype = accumulator.values[0].dtype
    first = np.full(
        (owners, partials), reducer_identity(accumulator.reducer, dtype), dtype=dtype.numpy
    )
    if len(accumulator.values) == 1:
        return (first,)
    index = accumulator.values[1].dtype.numpy
    return first, np.full((owners, partials), np.iinfo(index).max, dtype=index)


def fold_points(accumulator: Accumulator, state: State, values: list[Array]) -> State:
    """The partials after more points, given as (owners, points) arrays in ascending order. Calls
    before the last must bring a multiple of LANES points."""
    partials = state[0].shape[1]
    count = values[0].shape[1]
    for begin in range(0, count, partials):
        end = min(count, begin + partials)
        width = end - begin
        head = tuple(array[:, :width] for array in state)
        points = tuple(array[:, begin:end] for array in values)
        joined = join(accumulator.reducer, head, points)
        state = tuple(
            np.concatenate([new, old[:, width:]], axis=1)
            for new, old in zip(joined, state, strict=True)
        )
    return state


def finish_fold(reducer: str, state: State) -> State:
    """One value per owner: the halving tree over the partials, 32+32, 16+16, ... 1."""
    while (width := state[0].shape[1]) > 1:
        left = tuple(array[:, : width // 2] for array in state)
        right = tuple(array[:, width // 2 :] for array in state)
        state = join(reducer, left, right)
    return tuple(array[:, 0] for array in state)


def join(reducer: str, left: State, right: State) -> State:
    """Fold two states elementwise, `left` being the first operand."""
    if reducer in ("argmax", "argmin"):
        return _better(reducer, left, right)
    return (BINARY[reducer](left[0], right[0]),)


def _better(reducer: str, left: State, right: State) -> State:
    (left_value, left_index), (right_value, right_index) = left, right
    wins = right_value > left_value if reducer == "argmax" else right_value < left_value
    left_nan, right_nan = left_value != left_value, right_value != right_value
    is_tie = (left_value == right_value) | (left_nan & right_nan)
    wins = np.where(left_nan, False, wins | right_nan) | (is_tie & (right_index < left_index))
    return np.where(wins, right_value, left_value), np.where(wins, right_index, left_index)
