"""Matrix products and their relatives: labels on axes, one dot_general, one transpose."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import contraction, movement, reduction
from graphdl.ops.arguments import Operand, operand_lines, promote_operands
from graphdl.ops.functions.movement import permute_dims
from graphdl.typesystem.shape import canonical_axis

Label = str | int
Labels = tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A tensor with a name for each axis; equal names mean equal indices."""

    tensor: Tensor
    labels: Labels


def contract(lhs: Labelled, rhs: Labelled, wanted: Labels) -> Labelled:
    """The product of two labelled tensors, summed over labels that are not wanted.

    Labels of both operands that are wanted become batch axes. The result's axes are in the order of
    dot_general; `order_axes` puts them into another.
    """
    lhs, rhs = sum_unwanted(lhs, (*rhs.labels, *wanted)), sum_unwanted(rhs, (*lhs.labels, *wanted))
    shared = [label for label in lhs.labels if label in rhs.labels]
    batch = [label for label in shared if label in wanted]
    contracted = [label for label in shared if label not in wanted]
    product: Tensor = contraction.dot_general(
        lhs.tensor,
        rhs.tensor,
        lhs_contract=tuple(lhs.labels.index(label) for label in contracted),
        rhs_contract=tuple(rhs.labels.index(label) for label in contracted),
        lhs_batch=tuple(lhs.labels.index(label) for label in batch),
        rhs_batch=tuple(rhs.labels.index(label) for label in batch),
    )
    free = [label for label in (*lhs.labels, *rhs.labels) if label not in shared]
    return Labelled(product, (*batch, *free))


def sum_unwanted(operand: Labelled, wanted: Labels) -> Labelled:
    """The operand summed over its labels that are not wanted."""
    axes = tuple(axis for axis, label in enumerate(operand.labels) if label not in wanted)
    if not axes:
        return operand
    kept = tuple(label for label in operand.labels if label in wanted)
    return Labelled(reduction.reduce_sum(operand.tensor, axes=axes), kept)


def order_axes(operand: Labelled, labels: Labels) -> Tensor:
    """The operand with its axes in the order of `labels`."""
    return permute_dims(operand.tensor, [operand.labels.index(label) for label in labels])


def _numbers(op: str, x: Operand, y: Operand) -> tuple[Tensor, ...]:
    left, right = promote_operands(op, x, y)
    if left.dtype.is_bool:
        lines = operand_lines(lhs=left, rhs=right)
        raise DTypeError(f"{op}: both operands are bool", details=lines)
    return left, right


def matmul(x: Operand, y: Operand) -> Tensor:
    """The matrix product over the last two axes; leading axes are broadcast.

    A 1-d operand is a row on the left and a column on the right, and its axis disappears.

    >>> gd.matmul([[1, 2], [3, 4]], [5, 6]).eval().tolist()
    [17, 39]
    """
    lhs, rhs = _numbers("matmul", x, y)
    _require_matrices(lhs, rhs)
    left, right = _matmul_labels(lhs, rhs)
    _require_equal_sizes("matmul", lhs, rhs, lhs.ndim - 1, max(rhs.ndim - 2, 0))
    lhs_part, rhs_part = _drop_repeated(Labelled(lhs, left), Labelled(rhs, right))
    wanted = _matmul_result(left, right)
    return order_axes(contract(lhs_part, rhs_part, wanted), wanted)


def _require_matrices(lhs: Tensor, rhs: Tensor) -> None:
    for role, operand in (("lhs", lhs), ("rhs", rhs)):
        if operand.ndim == 0:
            lines = operand_lines(lhs=lhs, rhs=rhs)
            raise ShapeError(
                f"matmul: the {role} has no axes", details=lines, hint="multiply by numbers with *"
            )


def _matmul_labels(lhs: Tensor, rhs: Tensor) -> tuple[Labels, Labels]:
    """Batch axes are numbered from the end, -3 outwards; rows, inner and columns by letter."""
    left: Labels = ("row", "inner") if lhs.ndim > 1 else ("inner",)
    right: Labels = ("inner", "column") if rhs.ndim > 1 else ("inner",)
    left_batch = tuple(range(-lhs.ndim, -2)) if lhs.ndim > 2 else ()
    right_batch = tuple(range(-rhs.ndim, -2)) if rhs.ndim > 2 else ()
    return left_batch + left, right_batch + right


def _matmul_result(left: Labels, right: Labels) -> Labels:
    batch = sorted({label for label in (*left, *right) if isinstance(label, int)})
    rest: Labels = tuple(label for label in ("row", "column") if label in (*left, *right))
    return (*batch, *rest)


def _require_equal_sizes(op: str, lhs: Tensor, rhs: Tensor, left: int, right: int) -> None:
    if lhs.shape[left] != rhs.shape[right]:
        raise ShapeError(
            f"{op}: contracted sizes differ: lhs axis {left} is {lhs.shape[left]}, "
            f"rhs axis {right} is {rhs.shape[right]}",
            details=operand_lines(lhs=lhs, rhs=rhs),
        )


def _drop_repeated(lhs: Labelled, rhs: Labelled) -> tuple[Labelled, Labelled]:
    """Without batch axes of size 1 that the other operand has at full size.

    Raises ShapeError for batch sizes that do not agree.
    """
    for label in [label for label in lhs.labels if isinstance(label, int) and label in rhs.labels]:
        left = lhs.tensor.shape[lhs.labels.index(label)]
        right = rhs.tensor.shape[rhs.labels.index(label)]
        if left == right:
            continue
        if 1 not in (left, right):
            raise ShapeError(
                f"matmul: batch sizes differ: lhs axis {lhs.labels.index(label)} is {left}, "
                f"rhs axis {rhs.labels.index(label)} is {right}",
                details=operand_lines(lhs=lhs.tensor, rhs=rhs.tensor),
            )
        lhs, rhs = (_drop(lhs, label), rhs) if left == 1 else (lhs, _drop(rhs, label))
    return lhs, rhs


def _drop(operand: Labelled, label: Label) -> Labelled:
    axis = operand.labels.index(label)
    shape = operand.tensor.shape
    smaller = movement.reshape(operand.tensor, shape=shape[:axis] + shape[axis + 1 :])
    return Labelled(smaller, operand.labels[:axis] + operand.labels[axis + 1 :])


def dot_general(
    lhs: Operand,
    rhs: Operand,
    *,
    lhs_contract: Sequence[int],
    rhs_contract: Sequence[int],
    lhs_batch: Sequence[int] = (),
    rhs_batch: Sequence[int] = (),
) -> Tensor:
    """Sums of products over contracted axes; result axes are batch, lhs free, rhs free.

    >>> x, y = gd.ones((2, 3)), gd.ones((3, 4))
    >>> gd.dot_general(x, y, lhs_contract=[1], rhs_contract=[0]).shape
    (2, 4)
    """
    left, right = _numbers("dot_general", lhs, rhs)
    product: Tensor = contraction.dot_general(
        left,
        right,
        lhs_contract=_axes(left, lhs_contract),
        rhs_contract=_axes(right, rhs_contract),
        lhs_batch=_axes(left, lhs_batch),
        rhs_batch=_axes(right, rhs_batch),
    )
    return product


def _axes(x: Tensor, axes: Sequence[int], op: str = "dot_general") -> tuple[int, ...]:
    return tuple(canonical_axis(axis, x.ndim, op=op) for axis in axes)


def tensordot(
    x: Operand, y: Operand, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Tensor:
    """Products summed over axes: the last `axes` of x with the first of y, or two lists of axes.

    >>> gd.tensordot(gd.ones((2, 3)), gd.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    lhs, rhs = _numbers("tensordot", x, y)
    if isinstance(axes, int):
        if not 0 <= axes <= min(lhs.ndim, rhs.ndim):
            lines = operand_lines(lhs=lhs, rhs=rhs)
            raise ArgumentError(f"tensordot: axes={axes} is more than both have", details=lines)
        left, right = tuple(range(lhs.ndim - axes, lhs.ndim)), tuple(range(axes))
    else:
        left, right = (_axis_list(x, one) for x, one in zip((lhs, rhs), axes, strict=True))
    if len(left) != len(right):
        raise ArgumentError(f"tensordot: {len(left)} axes of x for {len(right)} of y")
    for one, other in zip(left, right, strict=True):
        _require_equal_sizes("tensordot", lhs, rhs, one, other)
    product: Tensor = contraction.dot_general(
        lhs, rhs, lhs_contract=left, rhs_contract=right, lhs_batch=(), rhs_batch=()
    )
    return product


def _axis_list(x: Tensor, axes: Sequence[int] | int) -> tuple[int, ...]:
    given = axes if isinstance(axes, Sequence) else (operator.index(axes),)
    return _axes(x, given, "tensordot")


def vecdot(x: Operand, y: Operand, *, axis: int = -1) -> Tensor:
    """Products summed over one axis; the other axes are broadcast.

    >>> gd.vecdot([[1, 2], [3, 4]], [5, 6]).eval().tolist()
    [17, 39]
    """
    lhs, rhs = _numbers("vecdot", x, y)
    left = canonical_axis(axis, lhs.ndim, op="vecdot")
    right = canonical_axis(axis, rhs.ndim, op="vecdot")
    _require_equal_sizes("vecdot", lhs, rhs, left, right)
    row = permute_dims(lhs, [*(a for a in range(lhs.ndim) if a != left), left])
    column = permute_dims(rhs, [*(a for a in range(rhs.ndim) if a != right), right])
    row = movement.reshape(row, shape=(*row.shape[:-1], 1, row.shape[-1]))
    column = movement.reshape(column, shape=(*column.shape, 1))
    product = matmul(row, column)
    result: Tensor = movement.reshape(product, shape=product.shape[:-2])
    return result


def outer(x: Operand, y: Operand) -> Tensor:
    """The products of all elements of two vectors: a matrix.

    >>> gd.outer([1, 2], [3, 4]).eval().tolist()
    [[3, 4], [6, 8]]
    """
    lhs, rhs = _numbers("outer", x, y)
    if lhs.ndim != 1 or rhs.ndim != 1:
        raise ShapeError(
            "outer: both operands must be 1-d", details=operand_lines(lhs=lhs, rhs=rhs)
        )
    return order_axes(
        contract(Labelled(lhs, ("i",)), Labelled(rhs, ("j",)), ("i", "j")), ("i", "j")
    )
