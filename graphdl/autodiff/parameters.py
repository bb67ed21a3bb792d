"""Stand-ins: leaves that a region or a linear map is built over."""

from __future__ import annotations

from collections.abc import Iterable

from graphdl.graph.nodes import Tensor, build_node
from graphdl.ops import leaves
from graphdl.typesystem.tensor_type import TensorType


def parameters_of(types: Iterable[TensorType]) -> list[Tensor]:
    """A `parameter` leaf of each type."""
    return [
        build_node(
            leaves.parameter, (), {"position": i, "dtype": given.dtype, "shape": given.shape}
        ).results[0]
        for i, given in enumerate(types)
    ]
