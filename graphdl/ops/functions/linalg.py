"""Diagonals, norms and products of vectors and matrices."""

from __future__ import annotations

from math import inf

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import (
    Operand,
    as_floating,
    as_tensor,
    broadcast_operands,
    operand_lines,
    promote_operands,
)
from graphdl.ops.functions import elementwise, logic
from graphdl.ops.functions.contraction import matmul, tensordot
from graphdl.ops.functions.creation import eye
from graphdl.ops.functions.einsum import einsum
from graphdl.ops.functions.indexing import whole_number
from graphdl.ops.functions.movement import (
    broadcast_to,
    concat,
    expand_dims,
    flatten,
    moveaxis,
    reshape,
    slice_axis,
    squeeze,
)
from graphdl.ops.functions.reduction import Axis, located_axis, root_of_sum
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


def trace(x: Operand, *, offset: int = 0, dtype: object = None) -> Tensor:
    """The sum of the diagonal of each matrix, in a dtype as in `sum`.

    >>> gd.linalg.trace([[1, 2], [3, 4]]).eval().item()
    5
    """
    return sum_of(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def vector_norm(x: Operand, *, axis: Axis = None, ord: float = 2, keepdims: bool = False) -> Tensor:
    """The p-norm over axes (all when None): sum(|x|**ord) ** (1/ord), with ord 0, 1, 2, inf, ….

    The derivative of a 2-norm that is 0 is 0. Integers count as float32.

    >>> gd.linalg.vector_norm([3.0, 4.0]).eval().item()
    5.0
    """
    size = elementwise.abs(as_floating(x, "vector_norm"))
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
        return root_of_sum(sum_of(raw.multiply(size, size), axis=axis, keepdims=keepdims))
    return elementwise.pow(
        sum_of(elementwise.pow(size, ord), axis=axis, keepdims=keepdims), 1 / ord
    )


def matrix_norm(x: Operand, *, ord: float | str = "fro", keepdims: bool = False) -> Tensor:
    """The norm of each matrix: "fro" (root of the sum of squares), 1 and -1 (the largest and the
    smallest sum of a column), inf and -inf (of a row).

    Integers count as float32. Raises ShapeError below 2-d and ArgumentError for another `ord`.

    >>> gd.linalg.matrix_norm([[3.0, 0.0], [0.0, 4.0]]).eval().item()
    5.0
    """
    tensor = as_floating(x, "matrix_norm")
    if tensor.ndim < 2:
        raise ShapeError(
            f"matrix_norm: needs a matrix, got {tensor.type}", details=operand_lines(x=tensor)
        )
    if ord == "fro":
        return vector_norm(tensor, axis=(-2, -1), keepdims=keepdims)
    if isinstance(ord, str) or ord not in (1, -1, inf, -inf):
        raise ArgumentError(
            f"matrix_norm: unknown ord {ord!r}", hint='use "fro", 1, -1, inf or -inf'
        )
    summed = -2 if ord in (1, -1) else -1
    sums = sum_of(elementwise.abs(tensor), axis=summed, keepdims=True)
    choose = max_of if ord > 0 else min_of
    result = choose(sums, axis=-3 - summed, keepdims=True)
    return result if keepdims else squeeze(result, (-2, -1))


def norm(
    x: Operand, *, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False
) -> Tensor:
    """NumPy's norm: of vectors along an int axis, of matrices along two; of all elements when axis
    and ord are None.

    Raises ArgumentError for an `ord` that the kind of norm does not have.

    >>> gd.linalg.norm([[3.0, 4.0]], axis=1).eval().tolist()
    [5.0]
    """
    tensor = as_floating(x, "norm")
    if axis is None and ord is None:
        return vector_norm(tensor, keepdims=keepdims)
    if axis is None:
        axis = tuple(range(tensor.ndim))
    given = (axis,) if isinstance(axis, int) else axis
    axes = tuple(located_axis("norm", tensor, each) for each in given)
    if len(axes) == 2:
        result = matrix_norm(moveaxis(tensor, axes, (-2, -1)), ord="fro" if ord is None else ord)
        return expand_dims(result, tuple(sorted(axes))) if keepdims else result
    if isinstance(ord, str) or len(axes) != 1:
        raise ArgumentError(f"norm: ord {ord!r} over {len(axes)} axes is not a norm")
    return vector_norm(tensor, axis=axes[0], ord=2 if ord is None else ord, keepdims=keepdims)


def cross(x: Operand, y: Operand, *, axis: int = -1) -> Tensor:
    """The cross product of 3-vectors along an axis; other axes are broadcast.

    Raises ShapeError for another size than 3.

    >>> gd.linalg.cross([1, 0, 0], [0, 1, 0]).eval().tolist()
    [0, 0, 1]
    """
    left, right = broadcast_operands("cross", *promote_operands("cross", x, y))
    along = located_axis("cross", left, axis)
    if left.shape[along] != 3:
        raise ShapeError(
            f"cross: axis {along} must have size 3", details=operand_lines(lhs=left, rhs=right)
        )
    return elementwise.subtract(
        raw.multiply(_turned(left, along, 1), _turned(right, along, 2)),
        raw.multiply(_turned(left, along, 2), _turned(right, along, 1)),
    )


def _turned(x: Tensor, axis: int, shift: int) -> Tensor:
    """Components `shift` further on."""
    first = slice_axis(x, axis, shift, 3)
    return concat([first, slice_axis(x, axis, 0, shift)], axis=axis)


def kron(x: Operand, y: Operand) -> Tensor:
    """The Kronecker product: each element of x times all of y, sizes multiplied axis by axis.

    >>> gd.kron([1, 10], [1, 2, 3]).eval().tolist()
    [1, 2, 3, 10, 20, 30]
    """
    left, right = promote_operands("kron", x, y)
    rank = max(left.ndim, right.ndim)
    left, right = (reshape(each, (1,) * (rank - each.ndim) + each.shape) for each in (left, right))
    spread = expand_dims(left, tuple(range(1, 2 * rank, 2)))
    blocks = expand_dims(right, tuple(range(0, 2 * rank, 2)))
    shape = tuple(a * b for a, b in zip(left.shape, right.shape, strict=True))
    return reshape(elementwise.multiply(spread, blocks), shape)


def inner(x: Operand, y: Operand) -> Tensor:
    """Products summed over the last axis of both; a number multiplies.

    >>> gd.inner([1, 2], [3, 4]).eval().item()
    11
    """
    left, right = promote_operands("inner", x, y)
    if left.ndim == 0 or right.ndim == 0:
        return elementwise.multiply(left, right)
    return tensordot(left, right, axes=([left.ndim - 1], [right.ndim - 1]))


def dot(x: Operand, y: Operand) -> Tensor:
    """NumPy's dot: the last axis of x with the last but one of y; a number multiplies.

    >>> gd.dot([[1, 2], [3, 4]], [5, 6]).eval().tolist()
    [17, 39]
    """
    left, right = promote_operands("dot", x, y)
    if left.ndim == 0 or right.ndim == 0:
        return elementwise.multiply(left, right)
    return tensordot(left, right, axes=([left.ndim - 1], [max(right.ndim - 2, 0)]))


def vdot(x: Operand, y: Operand) -> Tensor:
    """The sum of products of all elements, of equal number: 0-d.

    >>> gd.vdot([[1, 2]], [[3, 4]]).eval().item()
    11
    """
    return dot(flatten(x), flatten(y))


def matrix_power(x: Operand, n: int) -> Tensor:
    """Square matrices multiplied n times, by repeated squaring; the identity for n = 0.

    Raises ArgumentError for a negative n and ShapeError for other than square matrices.

    >>> gd.linalg.matrix_power([[1, 1], [0, 1]], 5).eval().tolist()
    [[1, 5], [0, 1]]
    """
    tensor = as_tensor(x, "matrix_power")
    if whole_number(n, "matrix_power", "power") < 0:
        raise ArgumentError(f"matrix_power: the power must not be negative, got {n!r}")
    if tensor.ndim < 2 or tensor.shape[-1] != tensor.shape[-2]:
        raise ShapeError(
            f"matrix_power: needs square matrices, got {tensor.type}",
            details=operand_lines(x=tensor),
        )
    if n == 0:
        return broadcast_to(eye(tensor.shape[-1], dtype=tensor.dtype), tensor.shape)
    half = matrix_power(tensor, n // 2) if n > 1 else None
    if half is None:
        return tensor
    square = matmul(half, half)
    return matmul(square, tensor) if n % 2 else square
