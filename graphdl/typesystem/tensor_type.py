"""The static type of a tensor: its dtype and its shape."""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import Size, product

Shape = tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class TensorType:
    """`float32[batch, 64]`: element type and sizes, row-major."""

    dtype: DType
    shape: Shape

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def element_count(self) -> Size:
        """The product of the sizes."""
        return product(self.shape)

    @property
    def byte_count(self) -> Size:
        """Bytes of a dense array of this type."""
        return self.element_count * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"
