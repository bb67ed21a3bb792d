"""Scans: running sums, products, extremes and log-sum-exp along an axis, ascending, in one order.

The running value starts from the identity and takes one element after the other, from the end when
`reverse`. float16 and bfloat16 run in float32; each element is rounded once as it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.graph.op import Op, OpKind
from graphdl.ops.type_rules import Accepts, is_floating, is_number, require_axis, require_dtype
from graphdl.typesystem.arithmetic import BINARY, UNARY, widen
from graphdl.typesystem.tensor_type import TensorType

Array = NDArray[Any]
Combine = Callable[[Array, Array], Array]


def _rule(name: str, accepts: Accepts) -> Callable[..., tuple[TensorType, ...]]:
    def infer(operand: TensorType, *, axis: int, reverse: bool = False) -> tuple[TensorType, ...]:
        """C1: the dtype is accepted. C2: the axis is in range."""
        require_dtype(name, accepts, operand.dtype)
        require_axis(name, axis, operand.rank, "C2")
        return (operand,)

    return infer


def _scan(combine: Combine, start: Callable[[np.dtype[Any]], Any]) -> Callable[..., Array]:
    """The reference: one element after the other."""

    def reference(array: Array, *, axis: int, reverse: bool = False) -> Array:
        steps = np.moveaxis(widen(array), axis, 0)
        result = np.empty_like(steps)
        running = np.full(steps.shape[1:], start(steps.dtype), steps.dtype)
        places = range(steps.shape[0])
        with np.errstate(all="ignore"):
            for place in reversed(places) if reverse else places:
                running = combine(running, steps[place])
                result[place] = running
        return np.ascontiguousarray(np.moveaxis(result, 0, axis)).astype(array.dtype)

    return reference


def _lowest(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _highest(dtype: np.dtype[Any]) -> Any:
    return np.inf if dtype.kind == "f" else np.iinfo(dtype).max


def _log_add_exp(before: Array, x: Array) -> Array:
    """log(exp(before) + exp(x)) as the larger plus log1p(exp(-distance)); equal infinities have
    the distance 0."""
    distance = np.where(before == x, before.dtype.type(0), np.abs(before - x))
    return BINARY["maximum"](before, x) + UNARY["log1p"](UNARY["exp"](-distance))


cumulative_sum = Op(
    "cumulative_sum",
    OpKind.CUMULATIVE,
    _rule("cumulative_sum", is_number),
    _scan(BINARY["add"], lambda _: 0),
    "running sums along an axis, ascending from +0, from the end when reverse",
    identity=0,
    reducer="add",
)
cumulative_prod = Op(
    "cumulative_prod",
    OpKind.CUMULATIVE,
    _rule("cumulative_prod", is_number),
    _scan(BINARY["multiply"], lambda _: 1),
    "running products along an axis, from the end when reverse; integers wrap",
    identity=1,
    reducer="multiply",
)
cumulative_max = Op(
    "cumulative_max",
    OpKind.CUMULATIVE,
    _rule("cumulative_max", is_number),
    _scan(BINARY["maximum"], _lowest),
    "the largest element so far along an axis, from the end when reverse; NaN spreads",
    reducer="maximum",
)
cumulative_min = Op(
    "cumulative_min",
    OpKind.CUMULATIVE,
    _rule("cumulative_min", is_number),
    _scan(BINARY["minimum"], _highest),
    "the smallest element so far along an axis, from the end when reverse; NaN spreads",
    reducer="minimum",
)
cumulative_logsumexp = Op(
    "cumulative_logsumexp",
    OpKind.CUMULATIVE,
    _rule("cumulative_logsumexp", is_floating),
    _scan(_log_add_exp, _lowest),
    "running log(sum(exp(x))) along an axis, from the end when reverse, without overflow",
    reducer="logaddexp",
    is_transcendental=True,
)

OPS: tuple[Op, ...] = (
    cumulative_sum, cumulative_prod, cumulative_max, cumulative_min, cumulative_logsumexp,
)  # fmt: skip
"""Every scan."""
