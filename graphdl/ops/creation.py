"""Creation: result[i] from i alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.graph.op import Guard, Op, OpKind
from graphdl.ops.movement import guard_sizes
from graphdl.ops.type_rules import is_number, require_axis, require_dtype
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.tensor_type import Shape, TensorType


def _infer_iota(*, shape: Shape, axis: int, dtype: DType) -> tuple[TensorType, ...]:
    """C1: a number. C2: the axis is in range."""
    require_dtype("iota", is_number, dtype)
    require_axis("iota", axis, len(shape), "C2")
    return (TensorType(dtype, shape),)


def _guard_iota(*, shape: Shape, axis: int, dtype: DType) -> tuple[Guard, ...]:
    return guard_sizes("iota", shape)


def _iota(*, shape: tuple[int, ...], axis: int, dtype: DType) -> NDArray[Any]:
    if dtype.is_floating and dtype.bits == 16:
        numbers = np.arange(shape[axis]).astype(np.float32).astype(dtype.numpy)
    else:
        numbers = np.arange(shape[axis]).astype(dtype.numpy)
    aligned = [1] * len(shape)
    aligned[axis] = shape[axis]
    return np.broadcast_to(numbers.reshape(aligned), shape).copy()


iota = Op(
    "iota",
    OpKind.CREATION,
    _infer_iota,
    _iota,
    "0, 1, 2, … along an axis, converted to the dtype",
    guards=_guard_iota,
    is_differentiable=False,
)

OPS: tuple[Op, ...] = (iota,)
"""Every creation op but random bits."""
