"""Diagonals and norms."""

from __future__ import annotations

from math import inf

from graphdl.errors import ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import Operand, as_tensor, operand_lines
from graphdl.ops.functions import elementwise, logic
from graphdl.ops.functions.einsum import einsum
from graphdl.ops.functions.movement import slice_axis
from graphdl.ops.functions.reduction import Axis
from graphdl.ops.functions.reduction import max as max_of
from graphdl.ops.functions.reduction import min as min_of
from graphdl.ops.functions.reduction import sum as sum_of


def diagonal(x: Operand, *, offset: int = 0) -> Tensor:
    """The diagonal of each matrix, `offset` above the main one: the smaller size of the two axes.

    The part of the matrix from the diagonal's first element on must be square, or of known size.

    >>> gd.linalg.diagonal([[1, 2], [3, 4]]).eval().tolist()
    [1, 4]
    """
    tensor = as_tensor(x, "diagonal")
    if tensor.ndim < 2:
        raise ShapeError(
            f"diagonal: needs a matrix or a batch of them, got {tensor.type}",
            details=operand_lines(x=tensor),
        )
    row, column = tensor.ndim - 2, tensor.ndim - 1
    tensor = slice_axis(tensor, row, max(-offset, 0), tensor.shape[row])
    tensor = slice_axis(tensor, column, max(offset, 0), tensor.shape[column])
    rows, columns = tensor.shape[row], tensor.shape[column]
    if rows != columns:
        if not (isinstance(rows, int) and isinstance(columns, int)):
            raise ShapeError(
                "diagonal: sizes differ and are named", details=operand_lines(x=tensor)
            )
        size = min(rows, columns)
        tensor = slice_axis(slice_axis(tensor, row, 0, size), column, 0, size)
    return einsum("...ii->...i", tensor)


def trace(x: Operand, *, offset: int = 0) -> Tensor:
    """The sum of the diagonal of each matrix.

    >>> gd.linalg.trace([[1, 2], [3, 4]]).eval().item()
    5
    """
    return sum_of(diagonal(x, offset=offset), axis=-1)


def vector_norm(x: Operand, *, axis: Axis = None, ord: float = 2, keepdims: bool = False) -> Tensor:
    """The p-norm over axes (all when None): sum(|x|**ord) ** (1/ord), with ord 0, 1, 2, inf, ….

    The derivative of the 2-norm at 0 is infinite.

    >>> gd.linalg.vector_norm([3.0, 4.0]).eval().item()
    5.0
    """
    size = elementwise.abs(x)
    if ord == inf:
        return max_of(size, axis=axis, keepdims=keepdims)
    if ord == -inf:
        return min_of(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        hits = elementwise.astype(logic.not_equal(size, 0), size.dtype)
        return sum_of(hits, axis=axis, keepdims=keepdims)
    if ord == 1:
        return sum_of(size, axis=axis, keepdims=keepdims)
    if ord == 2:
        total = sum_of(raw.multiply(size, size), axis=axis, keepdims=keepdims)
        return elementwise.sqrt(total)
    return elementwise.pow(
        sum_of(elementwise.pow(size, ord), axis=axis, keepdims=keepdims), 1 / ord
    )
