"""gd.linalg: the array API's linear algebra names that exist so far."""

from __future__ import annotations

from graphdl.errors import hides_internal_frames
from graphdl.ops.functions import contraction, linalg, movement

diagonal = hides_internal_frames(linalg.diagonal)
matmul = hides_internal_frames(contraction.matmul)
norm = hides_internal_frames(linalg.norm)
matrix_power = hides_internal_frames(linalg.matrix_power)
matrix_norm = hides_internal_frames(linalg.matrix_norm)
cross = hides_internal_frames(linalg.cross)
matrix_transpose = hides_internal_frames(movement.matrix_transpose)
outer = hides_internal_frames(contraction.outer)
tensordot = hides_internal_frames(contraction.tensordot)
trace = hides_internal_frames(linalg.trace)
vecdot = hides_internal_frames(contraction.vecdot)
vector_norm = hides_internal_frames(linalg.vector_norm)

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_transpose",
    "norm",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
