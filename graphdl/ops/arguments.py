"""What public functions do with their arguments before they build raw nodes.

Values become tensors, dtypes are promoted, shapes are broadcast, and whatever does not fit is told
at the user's line with the lines that made the operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import ArgumentError, DTypeError, ShapeError, aligned
from graphdl.graph.constant_value import ConstantValue
from graphdl.graph.describe import describe
from graphdl.graph.nodes import Tensor, build_node
from graphdl.ops import leaves
from graphdl.ops.elementwise import convert
from graphdl.ops.movement import broadcast_in_dim
from graphdl.typesystem import arithmetic
from graphdl.typesystem.broadcasting import broadcast_dimensions, broadcast_shapes
from graphdl.typesystem.dtype import DType, as_dtype, float32, float64, int64
from graphdl.typesystem.expression import Expression, Size
from graphdl.typesystem.promotion import promote, weak_type, with_weak
from graphdl.typesystem.tensor_type import Shape

Operand = Any
"""A Tensor, a size, a Python scalar, or data: NumPy arrays, lists, anything with __array__."""


def operand_lines(**operands: object) -> tuple[str, ...]:
    """One line per tensor: its role, type, what it is and where it was made."""
    tensors = {role: value for role, value in operands.items() if isinstance(value, Tensor)}
    if not tensors:
        return ()
    return aligned((role, *_columns(tensor)) for role, tensor in tensors.items())


def _columns(tensor: Tensor) -> tuple[str, str, str]:
    kind, _, rest = describe(tensor).partition("  ")
    what, _, line = rest.partition("   ")
    return kind, what, line


def literal(array: NDArray[Any]) -> Tensor:
    """A constant node holding `array` as it is."""
    return build_node(leaves.constant, (), {"value": ConstantValue(array)}).results[0]


def size_tensor(size: Size, dtype: DType = int64) -> Tensor:
    """A size as a 0-d tensor."""
    if isinstance(size, int):
        return literal(np.asarray(size).astype(dtype.numpy))
    return build_node(leaves.size, (), {"value": size, "dtype": dtype}).results[0]


def as_array(value: object, op: str = "constant") -> NDArray[Any]:
    """Data as a NumPy array of a dtype that graphdl has. Raises DTypeError, ArgumentError."""
    if isinstance(value, list | tuple) and _holds_tensor(value):
        raise ArgumentError(
            f"{op}: a list of tensors is not data", hint="join them with gd.stack or gd.concat"
        )
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ArgumentError(f"{op}: {_short(value)} is not an array: {error}") from None
    if array.dtype.kind not in "biufV" or array.dtype.names:
        raise DTypeError(f"{op}: {_short(value)} of dtype {array.dtype} is not numeric data")
    as_dtype(array.dtype)
    return array


def _holds_tensor(value: Sequence[object]) -> bool:
    return any(
        isinstance(item, Tensor | Expression)
        or (isinstance(item, list | tuple) and _holds_tensor(item))
        for item in value
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def constant_tensor(value: object, dtype: object = None, op: str = "constant") -> Tensor:
    """Data as a constant: float64 becomes float32 and Python scalars take their default dtype
    unless `dtype` is given."""
    if isinstance(value, Expression):
        return size_tensor(value, int64 if dtype is None else as_dtype(dtype))
    array = as_array(value, op)
    if dtype is not None:
        target = as_dtype(dtype)
        _require_in_range(array, target, op)
    else:
        target = float32 if array.dtype == np.float64 else as_dtype(array.dtype)
    return literal(arithmetic.convert(array, target))


def _require_in_range(array: NDArray[Any], target: DType, op: str) -> None:
    if not (target.is_integer and array.dtype.kind in "iu" and array.size):
        return
    limits = np.iinfo(target.numpy)
    low, high = int(array.min()), int(array.max())
    if low < limits.min or high > limits.max:
        worst = low if low < limits.min else high
        raise ArgumentError(f"{op}: {worst} does not fit {target}")


def as_tensor(value: Operand, op: str = "constant") -> Tensor:
    """The argument as a tensor."""
    return value if isinstance(value, Tensor) else constant_tensor(value, op=op)


def cast(tensor: Tensor, dtype: DType) -> Tensor:
    """The tensor as `dtype`; itself where it already is."""
    if tensor.dtype == dtype:
        return tensor
    result: Tensor = convert(tensor, dtype=dtype)
    return result


def broadcast(tensor: Tensor, shape: Shape) -> Tensor:
    """The tensor repeated to `shape`, which it is known to fit; itself where it already has it."""
    if tensor.shape == shape:
        return tensor
    dimensions = broadcast_dimensions(tensor.ndim, len(shape))
    result: Tensor = broadcast_in_dim(tensor, shape=shape, broadcast_dimensions=dimensions)
    return result


def filled(value: float | bool | int, dtype: DType, shape: Shape = ()) -> Tensor:
    """`shape` full of one number."""
    array = arithmetic.convert(np.asarray(value), dtype)
    return broadcast(literal(array), shape)


def promoted_dtype(op: str, operands: Sequence[Operand], names: Sequence[str]) -> DType:
    """The dtype that operands are computed in; Python scalars and sizes are weak."""
    strong = [as_dtype(operand.dtype) for operand in operands if _is_strong(operand)]
    families = [weak for weak in map(weak_type, operands) if weak is not None]
    family = float if float in families else int if int in families else bool
    try:
        dtype = (
            promote(*strong)
            if strong
            else {bool: as_dtype(bool), int: int64, float: float32}[family]
        )
    except DTypeError as error:
        lines = operand_lines(**dict(zip(names, operands, strict=True)))
        raise DTypeError(f"{op}: {error.message}", details=lines, hint=error.hint) from None
    return with_weak(dtype, family)


def _is_strong(operand: Operand) -> bool:
    return weak_type(operand) is None


def as_operand(value: Operand, op: str, keep_float64: bool) -> Operand:
    """Data as a constant tensor; tensors, Python scalars and sizes as they are.

    float64 data becomes float32 beside anything but float64 tensors.
    """
    if isinstance(value, Tensor) or weak_type(value) is not None:
        return value
    if value is None or isinstance(value, str | bytes):
        raise DTypeError(f"{op}: {_short(value)} is not a tensor or a number")
    return constant_tensor(value, float64 if keep_float64 and _is_float64(value) else None, op)


def _is_float64(value: object) -> bool:
    return np.asarray(value).dtype == np.float64 if not isinstance(value, list | tuple) else False


def with_dtype(operand: Operand, dtype: DType, op: str) -> Tensor:
    """An operand (see as_operand) as a tensor of `dtype`."""
    if isinstance(operand, Tensor):
        return cast(operand, dtype)
    if isinstance(operand, Expression):
        return size_tensor(operand, dtype)
    array = np.asarray(operand)
    _require_in_range(array, dtype, op)
    return literal(arithmetic.convert(array, dtype))


def promote_operands(
    op: str, *values: Operand, names: Sequence[str] = ("lhs", "rhs")
) -> tuple[Tensor, ...]:
    """The operands as tensors of one promoted dtype, shapes as they are."""
    has_float64 = any(isinstance(value, Tensor) and value.dtype == float64 for value in values)
    operands = [as_operand(value, op, has_float64) for value in values]
    dtype = promoted_dtype(op, operands, names)
    return tuple(with_dtype(operand, dtype, op) for operand in operands)


def broadcast_operands(
    op: str, *tensors: Tensor, names: Sequence[str] = ("lhs", "rhs")
) -> tuple[Tensor, ...]:
    """The tensors repeated to the shape that they agree on. Raises ShapeError with their lines."""
    first = tensors[0].shape
    if all(tensor.shape == first for tensor in tensors):
        return tensors
    shapes = [tensor.shape for tensor in tensors]
    try:
        shape = broadcast_shapes(*shapes, op=op, names=names)
    except ShapeError as error:
        lines = operand_lines(**dict(zip(names, tensors, strict=True)))
        raise ShapeError(error.message, details=lines, hint=error.hint) from None
    return tuple(broadcast(tensor, shape) for tensor in tensors)


def as_floating(value: Operand, op: str) -> Tensor:
    """The argument as a floating tensor: integers and bools are computed in float32."""
    tensor = as_tensor(value, op)
    return tensor if tensor.dtype.is_floating else cast(tensor, float32)


def floating_operands(
    op: str, *values: Operand, names: Sequence[str] = ("lhs", "rhs")
) -> tuple[Tensor, ...]:
    """The operands in one floating dtype and one shape; integers and bools count as float32."""
    tensors = promote_operands(op, *values, names=names)
    if not tensors[0].dtype.is_floating:
        tensors = tuple(cast(tensor, float32) for tensor in tensors)
    return broadcast_operands(op, *tensors, names=names)


def number_like(value: float, x: Tensor) -> Tensor:
    """One number in the dtype and shape of `x`."""
    return filled(value, x.dtype, x.shape)
