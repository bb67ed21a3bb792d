"""Element types: the closed set of numbers that graphdl computes with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import ml_dtypes
import numpy as np

from graphdl.errors import DTypeError


class Kind(Enum):
    """The arithmetic family of a dtype, in promotion order."""

    BOOL = "bool"
    UINT = "uint"
    INT = "int"
    FLOAT = "float"


@dataclass(frozen=True, slots=True, eq=False)
class DType:
    """An element type. `bits` is the storage width; booleans take one byte.

    There is one object of each, compared by identity.
    """

    name: str
    kind: Kind
    bits: int

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.bits // 8

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype with the same layout (ml_dtypes for bfloat16)."""
        return _NUMPY[self.name]

    @property
    def is_floating(self) -> bool:
        """Whether elements are floating-point numbers."""
        return self.kind is Kind.FLOAT

    @property
    def is_integer(self) -> bool:
        """Whether elements are signed or unsigned integers."""
        return self.kind is Kind.INT or self.kind is Kind.UINT

    @property
    def is_bool(self) -> bool:
        """Whether elements are true or false."""
        return self.kind is Kind.BOOL

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name


bool_ = DType("bool", Kind.BOOL, 8)
int8 = DType("int8", Kind.INT, 8)
int16 = DType("int16", Kind.INT, 16)
int32 = DType("int32", Kind.INT, 32)
int64 = DType("int64", Kind.INT, 64)
uint8 = DType("uint8", Kind.UINT, 8)
uint16 = DType("uint16", Kind.UINT, 16)
uint32 = DType("uint32", Kind.UINT, 32)
uint64 = DType("uint64", Kind.UINT, 64)
float16 = DType("float16", Kind.FLOAT, 16)
bfloat16 = DType("bfloat16", Kind.FLOAT, 16)
float32 = DType("float32", Kind.FLOAT, 32)
float64 = DType("float64", Kind.FLOAT, 64)

ALL = (
    bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
    float16, bfloat16, float32, float64,
)  # fmt: skip

_NUMPY: dict[str, np.dtype[Any]] = {
    dtype.name: np.dtype(ml_dtypes.bfloat16 if dtype.name == "bfloat16" else dtype.name)
    for dtype in ALL
}
_BY_NAME = {dtype.name: dtype for dtype in ALL}
_BY_NUMPY = {_NUMPY[dtype.name]: dtype for dtype in ALL}


def as_dtype(value: object) -> DType:
    """The DType named by a string, a NumPy dtype or scalar type, a DType, or a Python type.

    `float` means float32 and `int` int64. Raises DTypeError for anything else.
    """
    if isinstance(value, DType):
        return value
    if isinstance(value, str):
        found = _BY_NAME.get(value)
    elif value is float:
        found = float32
    else:
        found = _from_numpy(value)
    if found is None:
        names = ", ".join(dtype.name for dtype in ALL)
        raise DTypeError(f"unknown dtype {value!r}", hint=f"use one of {names}")
    return found


def _from_numpy(value: object) -> DType | None:
    if value is None:  # NumPy takes None for float64
        return None
    try:
        return _BY_NUMPY.get(np.dtype(value))  # type: ignore[call-overload]
    except TypeError:
        return None
