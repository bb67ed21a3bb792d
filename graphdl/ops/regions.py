"""Ops with sub-graphs, and the barrier that keeps a region apart.

Whatever a region uses from outside is an explicit operand; inside it is a `parameter` leaf.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from graphdl.errors import ArgumentError, InternalError
from graphdl.graph.nodes import Graph
from graphdl.graph.op import Op, OpKind
from graphdl.typesystem.tensor_type import TensorType

Types = tuple[TensorType, ...]


def _require_parameters(op: str, region: Graph, wanted: Types) -> None:
    given = tuple(tensor.type for tensor in region.inputs)
    if given != wanted:
        raise InternalError(f"{op} (C2): region takes {given}, operands are {wanted}")


def _infer_remat(*types: TensorType, regions: tuple[Graph, ...]) -> Types:
    """C1: one region. C2: its inputs have the operands' types. Results: its outputs."""
    (region,) = regions
    _require_parameters("remat", region, types)
    return tuple(tensor.type for tensor in region.outputs)


def _infer_custom_gradient(
    *types: TensorType, regions: tuple[Graph, ...], arguments: tuple[int, ...], captures: int
) -> Types:
    """C1: two regions. C2: forward takes the operands. C3: backward takes the operands and the
    cotangents of forward's outputs, and gives cotangents of the operands at `arguments`. The last
    `captures` operands are what the user's function reads from outside."""
    forward, backward = regions
    _require_parameters("custom_gradient", forward, types)
    results = tuple(tensor.type for tensor in forward.outputs)
    _require_parameters("custom_gradient", backward, types + results)
    given = tuple(tensor.type for tensor in backward.outputs)
    wanted = tuple(types[position] for position in arguments)
    if given != wanted:
        raise ArgumentError(
            f"custom_gradient (C3): backward must return one gradient per input, of the input's "
            f"type: wanted {', '.join(map(str, wanted))}; got {', '.join(map(str, given))}"
        )
    return results


def _infer_barrier(*types: TensorType) -> Types:
    return types


def _barrier(*arrays: NDArray[Any]) -> Any:
    return arrays[0] if len(arrays) == 1 else arrays


remat = Op(
    "remat",
    OpKind.REGION,
    _infer_remat,
    None,
    "the region's outputs; its intermediate values are computed again for the gradient",
)
custom_gradient = Op(
    "custom_gradient",
    OpKind.REGION,
    _infer_custom_gradient,
    None,
    "the forward region's outputs, differentiated by the backward region",
)
optimization_barrier = Op(
    "optimization_barrier",
    OpKind.REGION,
    _infer_barrier,
    _barrier,
    "its operands; no pass moves or merges across it",
)

OPS: tuple[Op, ...] = (remat, custom_gradient, optimization_barrier)
"""Every region op."""
