"""Structured control flow: ops whose regions run once per step or not at all.

Whatever a region uses from outside is an explicit operand; inside it is a `parameter` leaf.
"""

from __future__ import annotations

from graphdl.errors import InternalError, ShapeError
from graphdl.graph.nodes import Graph
from graphdl.graph.op import Op, OpKind
from graphdl.typesystem.expression import Size
from graphdl.typesystem.tensor_type import TensorType

Types = tuple[TensorType, ...]


def _infer_scan(
    *types: TensorType,
    regions: tuple[Graph, ...],
    carries: int,
    sequences: int,
    length: Size,
    reverse: bool,
    remat: bool,
) -> Types:
    """Operands: first the carries, then the sequences, then captures. C1: one region. C2: sequences
    have `length` as their first size. C3: the region takes the carries, one slice of each sequence,
    the captures. C4: it returns the carries, of the same types, then one slice of each result."""
    (region,) = regions
    states, sliced = types[:carries], types[carries : carries + sequences]
    for type_ in sliced:
        if type_.rank == 0 or type_.shape[0] != length:
            raise ShapeError(f"scan (C2): {length} steps over a sequence of type {type_}")
    slices = tuple(TensorType(type_.dtype, type_.shape[1:]) for type_ in sliced)
    require_parameters("scan", region, (*states, *slices, *types[carries + sequences :]))
    returned = tuple(tensor.type for tensor in region.outputs)
    if returned[:carries] != states:
        raise ShapeError(f"scan (C4): carries {states} become {returned[:carries]}")
    stacked = (TensorType(type_.dtype, (length, *type_.shape)) for type_ in returned[carries:])
    return (*states, *stacked)


def require_parameters(op: str, region: Graph, wanted: Types) -> None:
    """Raise InternalError unless the region takes operands of these types."""
    given = tuple(tensor.type for tensor in region.inputs)
    if given != wanted:
        raise InternalError(f"{op} (C3): region takes {given}, operands are {wanted}")


scan = Op(
    "scan",
    OpKind.REGION,
    _infer_scan,
    None,
    "the last carries of a loop over slices along axis 0, then each step's results, stacked",
)

OPS: tuple[Op, ...] = (scan,)
"""Every control-flow op."""

LOOPS: frozenset[Op] = frozenset((scan,))
"""The ops whose region is compiled as a body of its own."""
