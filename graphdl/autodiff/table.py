"""Every rule: importing this module loads the family files."""

from __future__ import annotations

from graphdl.autodiff import (
    contraction,
    control_flow,
    creation,
    cumulative,
    effect,
    elementwise,
    indexing,
    movement,
    reduction,
    regions,
    windows,
)
from graphdl.autodiff.rules import BATCH_RULES, JVP_RULES, RULES

FAMILIES = (
    elementwise, reduction, cumulative, contraction, movement, indexing, creation, effect, regions,
    control_flow, windows,
)  # fmt: skip
"""The files that hold rules."""

__all__ = ["BATCH_RULES", "FAMILIES", "JVP_RULES", "RULES"]
