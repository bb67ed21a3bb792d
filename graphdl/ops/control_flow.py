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


def _infer_switch(*types: TensorType, regions: tuple[Graph, ...]) -> Types:
    """Operands: the number of a region, then captures. C1: the number is a 0-d integer. C3: every
    region takes the captures. C4: all regions return the same types."""
    number, captures = types[0], types[1:]
    if number.rank or not number.dtype.is_integer:
        raise ShapeError(f"switch (C1): the index must be a 0-d integer, got {number}")
    for region in regions:
        require_parameters("switch", region, captures)
    results = [tuple(tensor.type for tensor in region.outputs) for region in regions]
    if any(each != results[0] for each in results):
        raise ShapeError(f"switch (C4): the branches return {results}")
    return results[0]


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
switch = Op(
    "switch",
    OpKind.REGION,
    _infer_switch,
    None,
    "what the region of that number returns; outside of the range the first or the last one's",
)

OPS: tuple[Op, ...] = (scan, switch)
"""Every control-flow op."""

WITH_BODIES: frozenset[Op] = frozenset(OPS)
"""The ops whose regions are compiled as bodies of their own."""
