"""Checks and type rules that several op families share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.op import TypeRule
from graphdl.typesystem.dtype import DType, bool_
from graphdl.typesystem.tensor_type import TensorType

Accepts = Callable[[DType], bool]


def is_floating(dtype: DType) -> bool:
    """float16, bfloat16, float32, float64."""
    return dtype.is_floating


def is_integer(dtype: DType) -> bool:
    """Signed and unsigned integers."""
    return dtype.is_integer


def is_number(dtype: DType) -> bool:
    """Everything but bool."""
    return not dtype.is_bool


def is_integer_or_bool(dtype: DType) -> bool:
    """What bit operations work on."""
    return not dtype.is_floating


def is_anything(dtype: DType) -> bool:
    """Every dtype."""
    return True


_DESCRIPTIONS: dict[Accepts, str] = {
    is_floating: "a floating dtype",
    is_integer: "an integer dtype",
    is_number: "a number",
    is_integer_or_bool: "an integer dtype or bool",
    is_anything: "any dtype",
}


def require_dtype(op: str, accepts: Accepts, dtype: DType, constraint: str = "C1") -> None:
    """Raise DTypeError unless `accepts(dtype)`."""
    if not accepts(dtype):
        raise DTypeError(f"{op} ({constraint}): needs {_DESCRIPTIONS[accepts]}, got {dtype}")


def require_axis(op: str, axis: int, rank: int, constraint: str) -> None:
    """Raise ArgumentError unless 0 <= axis < rank."""
    if not 0 <= axis < rank:
        raise ArgumentError(f"{op} ({constraint}): axis {axis} of a {rank}-d operand")


def require_axes(op: str, axes: Iterable[int], rank: int, constraint: str) -> None:
    """Raise ArgumentError unless the axes are distinct and in range."""
    axes = tuple(axes)
    for axis in axes:
        require_axis(op, axis, rank, constraint)
    if len(set(axes)) != len(axes):
        raise ArgumentError(f"{op} ({constraint}): an axis is named twice in {axes}")


def require_same(op: str, types: tuple[TensorType, ...], first_constraint: int = 2) -> None:
    """Raise unless all operands have one dtype and one shape."""
    first = types[0]
    for other in types[1:]:
        if other.dtype != first.dtype:
            raise DTypeError(
                f"{op} (C{first_constraint}): dtypes differ: {first.dtype} and {other.dtype}"
            )
        if other.shape != first.shape:
            raise ShapeError(
                f"{op} (C{first_constraint + 1}): operand shapes differ: {first} and {other}"
            )


def elementwise_rule(op: str, accepts: Accepts, arity: int, result: DType | None) -> TypeRule:
    """Operands of one accepted dtype and one shape give that shape.

    C1: the dtype is accepted. C2: equal dtypes. C3: equal shapes. The result dtype is the
    operands', or `result` where that is given.
    """

    def infer(*types: TensorType, **attributes: Any) -> tuple[TensorType, ...]:
        require_arity(op, types, arity)
        require_dtype(op, accepts, types[0].dtype)
        require_same(op, types)
        return (TensorType(result or types[0].dtype, types[0].shape),)

    return infer


def require_arity(op: str, types: tuple[TensorType, ...], arity: int) -> None:
    """Raise ArgumentError unless there are `arity` operands."""
    if len(types) != arity:
        raise ArgumentError(f"{op}: needs {arity} operands, got {len(types)}")


def require_bool(op: str, dtype: DType, constraint: str) -> None:
    """Raise DTypeError unless `dtype` is bool."""
    if dtype != bool_:
        raise DTypeError(f"{op} ({constraint}): the condition must be bool, got {dtype}")
