"""Linear and bilinear maps with a bias, as PyTorch writes them."""

from __future__ import annotations

from graphdl.graph.nodes import Tensor
from graphdl.ops.arguments import Operand, as_tensor
from graphdl.ops.functions.contraction import matmul
from graphdl.ops.functions.einsum import einsum
from graphdl.ops.functions.elementwise import add
from graphdl.ops.functions.movement import matrix_transpose


def linear(x: Operand, weight: Operand, bias: Operand = None) -> Tensor:
    """x weightᵀ + bias: x is (…, in), weight (out, in) or (in), bias (out).

    Raises ShapeError where the sizes do not fit.

    >>> gd.linear([[1, 2]], [[1, 1], [0, 3]], [10, 20]).eval().tolist()
    [[13, 26]]
    """
    factor = as_tensor(weight, "linear")
    product = matmul(x, matrix_transpose(factor) if factor.ndim > 1 else factor)
    return product if bias is None else add(product, bias)


def bilinear(x: Operand, y: Operand, weight: Operand, bias: Operand = None) -> Tensor:
    """x[i] weight[o, i, j] y[j] summed over i and j: x is (…, i), y (…, j), the result (…, o).

    Raises ShapeError where the sizes do not fit.

    >>> gd.bilinear([1, 2], [3, 4], [[[1, 0], [0, 1]]]).eval().tolist()
    [11]
    """
    half = einsum("...i,oij->...oj", x, weight)
    product = einsum("...oj,...j->...o", half, y)
    return product if bias is None else add(product, bias)
