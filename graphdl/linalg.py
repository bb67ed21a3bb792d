"""gd.linalg: the array API's linear algebra names that exist so far."""

from __future__ import annotations

from graphdl.ops.functions.contraction import matmul, outer, tensordot, vecdot
from graphdl.ops.functions.linalg import diagonal, trace, vector_norm
from graphdl.ops.functions.movement import matrix_transpose

__all__ = [
    "diagonal",
    "matmul",
    "matrix_transpose",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
