"""Every derivative rule: importing this module loads the family files."""

from __future__ import annotations

from graphdl.autodiff import (
    contraction,
    cumulative,
    effect,
    elementwise,
    indexing,
    movement,
    reduction,
    regions,
    windows,
)
from graphdl.autodiff.rules import RULES

FAMILIES = (
    elementwise, reduction, cumulative, contraction, movement, indexing, effect, regions, windows,
)  # fmt: skip
"""The files that hold derivative rules."""

__all__ = ["FAMILIES", "RULES"]
