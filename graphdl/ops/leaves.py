"""Leaves: nodes without operands that bring values into a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.graph.constant_value import ConstantValue
from graphdl.graph.op import Op, OpKind
from graphdl.typesystem.dtype import DType, bool_, int64
from graphdl.typesystem.expression import Size
from graphdl.typesystem.tensor_type import Shape, TensorType


def _infer_placeholder(
    *, name: str, dtype: DType, shape: Shape, default: ConstantValue | None = None
) -> tuple[TensorType, ...]:
    return (TensorType(dtype, shape),)


def _infer_variable(
    *, storage: Any, name: str, dtype: DType, shape: Shape, trainable: bool = True
) -> tuple[TensorType, ...]:
    return (TensorType(dtype, shape),)


def _infer_constant(*, value: ConstantValue) -> tuple[TensorType, ...]:
    return (TensorType(value.dtype, value.shape),)


def _infer_parameter(*, position: int, dtype: DType, shape: Shape) -> tuple[TensorType, ...]:
    return (TensorType(dtype, shape),)


def _infer_is_training() -> tuple[TensorType, ...]:
    return (TensorType(bool_, ()),)


def _infer_size(*, value: Size, dtype: DType = int64) -> tuple[TensorType, ...]:
    return (TensorType(dtype, ()),)


def _constant_array(*, value: ConstantValue) -> NDArray[Any]:
    return value.array


def _size_array(*, value: int, dtype: DType = int64) -> NDArray[Any]:
    return np.asarray(value).astype(dtype.numpy)


placeholder = Op(
    "placeholder", OpKind.LEAF, _infer_placeholder, None, "an input, known when called"
)
variable = Op(
    "variable", OpKind.LEAF, _infer_variable, None, "persistent state, as a call finds it"
)
constant = Op("constant", OpKind.LEAF, _infer_constant, _constant_array, "a literal array")
parameter = Op("parameter", OpKind.LEAF, _infer_parameter, None, "an input of a region")
is_training = Op(
    "is_training",
    OpKind.LEAF,
    _infer_is_training,
    None,
    "whether the function is compiled for training",
    is_differentiable=False,
)
size = Op(
    "size",
    OpKind.LEAF,
    _infer_size,
    _size_array,
    "a size or an expression of sizes as a number",
    is_differentiable=False,
)

OPS: tuple[Op, ...] = (placeholder, variable, constant, parameter, is_training, size)
"""Every leaf."""
