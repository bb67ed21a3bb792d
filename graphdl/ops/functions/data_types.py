"""What dtypes can hold and become: the array API's data type functions and its description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from graphdl.errors import ArgumentError, DTypeError
from graphdl.graph.nodes import Tensor
from graphdl.typesystem.dtype import ALL, DType, Kind, as_dtype
from graphdl.typesystem.dtype import float32 as default_float
from graphdl.typesystem.dtype import int64 as default_int
from graphdl.typesystem.promotion import promote, result_dtype, weak_type


@dataclass(frozen=True, slots=True)
class FloatLimits:
    """Machine limits of a floating dtype: width in bits, the gap behind 1, the extremes."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True, slots=True)
class IntegerLimits:
    """Machine limits of an integer dtype: width in bits and the extremes."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(dtype: object) -> FloatLimits:
    """Machine limits of a floating dtype, given by name or by a tensor. Raises DTypeError.

    >>> gd.finfo("float32").eps
    1.1920928955078125e-07
    """
    kind = _dtype(dtype)
    if not kind.is_floating:
        raise DTypeError(f"finfo: {kind} is not a floating dtype", hint="use gd.iinfo")
    limits = ml_dtypes.finfo(kind.numpy)
    lowest, highest = float(limits.min), float(limits.max)
    tiny = float(limits.smallest_normal)
    return FloatLimits(kind.bits, float(limits.eps), highest, lowest, tiny, kind)


def iinfo(dtype: object) -> IntegerLimits:
    """Machine limits of an integer dtype, given by name or by a tensor. Raises DTypeError.

    >>> gd.iinfo("int8").max
    127
    """
    kind = _dtype(dtype)
    if not kind.is_integer:
        raise DTypeError(f"iinfo: {kind} is not an integer dtype", hint="use gd.finfo")
    limits = np.iinfo(kind.numpy)
    return IntegerLimits(kind.bits, int(limits.max), int(limits.min), kind)


def _dtype(value: object) -> DType:
    return value.dtype if isinstance(value, Tensor) else as_dtype(value)


_KINDS: dict[str, frozenset[Kind]] = {
    "bool": frozenset({Kind.BOOL}),
    "signed integer": frozenset({Kind.INT}),
    "unsigned integer": frozenset({Kind.UINT}),
    "integral": frozenset({Kind.INT, Kind.UINT}),
    "real floating": frozenset({Kind.FLOAT}),
    "complex floating": frozenset(),
    "numeric": frozenset({Kind.INT, Kind.UINT, Kind.FLOAT}),
}


def isdtype(dtype: object, kind: object) -> bool:
    """Whether a dtype is of a kind: a dtype, one of the array API's words, or a tuple of them.

    >>> gd.isdtype("int8", ("integral", "real floating"))
    True
    """
    given = as_dtype(dtype)
    if isinstance(kind, tuple):
        return any(isdtype(given, one) for one in kind)
    if isinstance(kind, str) and kind in _KINDS:
        return given.kind in _KINDS[kind]
    try:
        return given == as_dtype(kind)
    except DTypeError:
        names = ", ".join(_KINDS)
        raise ArgumentError(f"isdtype: unknown kind {kind!r}", hint=f"use one of {names}") from None


def can_cast(source: object, target: object) -> bool:
    """Whether promotion turns a dtype (or a tensor's) into another without another step.

    >>> gd.can_cast("int8", "int32"), gd.can_cast("int32", "int8")
    (True, False)
    """
    left, right = _dtype(source), _dtype(target)
    try:
        return promote(left, right) == right
    except DTypeError:
        return False


def result_type(*operands: object) -> DType:
    """The dtype of a result of tensors, dtypes and Python scalars, which are weak.

    Raises DTypeError for a mix without a dtype and ArgumentError for nothing.

    >>> gd.result_type("int8", "float16"), gd.result_type("float16", 2.0)
    (float16, float16)
    """
    if not operands:
        raise ArgumentError("result_type: needs at least one tensor or dtype")
    return result_dtype(*(_operand(operand) for operand in operands))


def _operand(value: object) -> object:
    is_weak = value in (bool, int, float) if isinstance(value, type) else weak_type(value)
    return value if is_weak is not None and is_weak is not False else _dtype(value)


class NamespaceInfo:
    """The array API's inspection object: devices, dtypes and what is possible."""

    def capabilities(self) -> dict[str, Any]:
        """No masks of unknown size and no shapes that depend on data; any rank."""
        return {
            "boolean indexing": False,
            "data-dependent shapes": False,
            "max dimensions": None,
        }

    def default_device(self) -> str:
        """Where functions run unless a target is given."""
        return "cpu"

    def default_dtypes(self, *, device: object = None) -> dict[str, DType]:
        """The dtypes of Python numbers and of indices."""
        return {
            "real floating": default_float,
            "integral": default_int,
            "indexing": default_int,
        }

    def devices(self) -> list[str]:
        """The devices that tensors may be on."""
        return ["cpu"]

    def dtypes(self, *, device: object = None, kind: object = None) -> dict[str, DType]:
        """The dtypes by name, of a kind where one is given."""
        return {dtype.name: dtype for dtype in ALL if kind is None or isdtype(dtype, kind)}


def __array_namespace_info__() -> NamespaceInfo:
    """The array API's inspection object.

    >>> gd.__array_namespace_info__().default_device()
    'cpu'
    """
    return NamespaceInfo()
