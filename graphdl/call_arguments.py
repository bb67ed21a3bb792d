"""What a caller hands to a compiled function: converted, or refused with the placeholder's line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.describe import describe
from graphdl.graph.nodes import Tensor
from graphdl.graph.sizes import bind_sizes
from graphdl.program.nodes import GuardCheck
from graphdl.tracing import Signature
from graphdl.typesystem.arithmetic import convert
from graphdl.typesystem.dtype import DType, as_dtype
from graphdl.typesystem.expression import Symbol

Array = NDArray[Any]


def arrange(signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """Arguments in the order of the inputs. Raises ArgumentError for missing, unknown, repeated."""
    names = signature.names
    if args and signature.keyword_only:
        raise ArgumentError(
            "this function is called by keyword", hint=f"write f({names[0] if names else ''}=…)"
        )
    if len(args) > len(names):
        raise ArgumentError(f"{len(args)} arguments for {_count(names)}")
    values: dict[str, Any] = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names:
            raise ArgumentError(f'there is no input "{name}"', hint=f"inputs: {', '.join(names)}")
        if name in values:
            raise ArgumentError(f'input "{name}" is given twice')
        values[name] = value
    missing = [at for at, name in enumerate(names) if name not in values]
    if missing:
        lines = tuple(describe(signature.inputs[at]) for at in missing)
        given = ", ".join(f'"{names[at]}"' for at in missing)
        raise ArgumentError(f"missing input {given}", details=lines)
    return [values[name] for name in names]


def _count(names: Sequence[str]) -> str:
    return "1 input" if len(names) == 1 else f"{len(names)} inputs"


def convert_arguments(
    signature: Signature, tensors: Sequence[Tensor], arguments: Sequence[Any]
) -> list[Array]:
    """Dense arrays of the inputs' own dtypes; strided ones are copied.

    Raises DTypeError for data that would lose its kind, ArgumentError for integers out of range,
    ShapeError for a wrong rank or size.
    """
    arrays = [
        convert_argument(value, tensor.dtype, name, tensor)
        for value, tensor, name in zip(arguments, tensors, signature.names, strict=True)
    ]
    return arrays


def bind_call(
    signature: Signature,
    tensors: Sequence[Tensor],
    arrays: Sequence[Array],
    guards: Sequence[GuardCheck],
) -> dict[Symbol, int]:
    """The named sizes of one call. Raises ShapeError for sizes that do not fit, or a guard."""
    types = [tensor.type for tensor in tensors]
    lines = [describe(tensor) for tensor in signature.inputs]
    sizes = bind_sizes(types, [array.shape for array in arrays], signature.names, lines)
    for guard in guards:
        if not guard.condition.holds(sizes):
            known = ", ".join(f"{name} = {value}" for name, value in sizes.items())
            raise ShapeError(guard.message, details=(f"with {known}",), location=guard.location)
    return sizes


def convert_argument(value: Any, dtype: DType, name: str, tensor: Tensor) -> Array:
    """One argument as a dense array of `dtype`: what NumPy casts `same_kind`, integers checked."""
    array = _as_array(value, name, tensor)
    if array.dtype == dtype.numpy:
        return np.ascontiguousarray(array).reshape(array.shape)
    given = _dtype_of(array, name, tensor)
    is_number = isinstance(value, bool | int | float)
    if not _is_allowed(given, dtype, is_python_int=is_number and given.is_integer):
        hint = f'convert it: {name}.astype("{dtype}")' if not is_number else None
        raise DTypeError(
            f'"{name}" is {dtype}, got {given} data', details=(describe(tensor),), hint=hint
        )
    if given.is_integer and dtype.is_integer:
        _check_range(array, dtype, name, tensor)
    converted: Array = np.ascontiguousarray(convert(array, dtype)).reshape(array.shape)
    return converted


def _as_array(value: Any, name: str, tensor: Tensor) -> Array:
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, Tensor):
        raise ArgumentError(
            f'"{name}" needs data, got a symbolic tensor',
            details=(describe(tensor), describe(value)),
            hint="build the expression before gd.function, and call the function with arrays",
        )
    if hasattr(value, "__dlpack__") and not isinstance(value, np.generic):
        return np.from_dlpack(value)
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ArgumentError(
            f'"{name}" is not an array: {error}', details=(describe(tensor),)
        ) from None


def _dtype_of(array: Array, name: str, tensor: Tensor) -> DType:
    try:
        return as_dtype(array.dtype)
    except DTypeError:
        raise DTypeError(
            f'"{name}" is {tensor.dtype}, got {array.dtype} data', details=(describe(tensor),)
        ) from None


def _is_allowed(given: DType, wanted: DType, *, is_python_int: bool) -> bool:
    if given.is_bool or wanted.is_floating:
        return True
    if wanted.is_bool:
        return is_python_int
    return given.is_integer


def _check_range(array: Array, dtype: DType, name: str, tensor: Tensor) -> None:
    if not array.size:
        return
    limits = np.iinfo(dtype.numpy)
    low, high = int(array.min()), int(array.max())
    if low < limits.min or high > limits.max:
        worst = low if low < limits.min else high
        raise ArgumentError(
            f'"{name}" is {dtype}, which cannot hold {worst}', details=(describe(tensor),)
        )
