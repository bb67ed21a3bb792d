"""Every primitive by name; the parser and the tests read it."""

from __future__ import annotations

from graphdl.graph.op import Op
from graphdl.ops import (
    contraction,
    control_flow,
    creation,
    cumulative,
    effect,
    elementwise,
    indexing,
    leaves,
    movement,
    random,
    reduction,
    regions,
    windows,
)

_FAMILIES = (
    leaves, elementwise, reduction, cumulative, contraction, movement, indexing, creation, random,
    effect, regions, control_flow, windows,
)  # fmt: skip

OPS: dict[str, Op] = {op.name: op for family in _FAMILIES for op in family.OPS}
"""name -> Op."""
