"""The array inside a `constant` node, made hashable."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphdl.typesystem.dtype import DType, as_dtype


class ConstantValue:
    """A read-only array that compares and hashes by dtype, shape and bits.

    Bits, not numbers: -0.0 differs from 0.0, and a NaN equals itself.
    """

    __slots__ = ("_hash", "array")
    array: np.ndarray[Any, Any]

    def __init__(self, array: Any) -> None:
        owned = np.array(array, order="C", copy=True)
        owned.flags.writeable = False
        self.array = owned
        self._hash: int | None = None

    @property
    def dtype(self) -> DType:
        """The element type."""
        return as_dtype(self.array.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes, all known."""
        shape: tuple[int, ...] = self.array.shape
        return shape

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.array.dtype.name, self.array.shape, self.array.tobytes()))
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, ConstantValue)
            and self.array.dtype == other.array.dtype
            and self.array.shape == other.array.shape
            and self.array.tobytes() == other.array.tobytes()
        )

    def __repr__(self) -> str:
        return f"ConstantValue({self.dtype}{list(self.shape)})"
