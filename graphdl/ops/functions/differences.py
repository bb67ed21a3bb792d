"""Differences along an axis, and sums that undo them."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import Operand, as_floating, as_tensor, operand_lines, promote_operands
from graphdl.ops.functions.elementwise import divide, multiply
from graphdl.ops.functions.logic import not_equal
from graphdl.ops.functions.movement import broadcast_to as broadcast_shape
from graphdl.ops.functions.movement import concat, flatten, reshape, slice_axis
from graphdl.ops.functions.reduction import located_axis
from graphdl.ops.functions.reduction import sum as sum_of
from graphdl.typesystem.expression import Size


def diff(
    x: Operand, *, axis: int = -1, n: int = 1, prepend: Operand = None, append: Operand = None
) -> Tensor:
    """Each element less the one before it along an axis, `n` times over.

    `prepend` and `append` are joined to x first; a 0-d one stands for one slice. Bools give whether
    neighbours differ. An axis of a named size must have `n` elements. Raises
    ArgumentError for a negative n and ShapeError for 0-d.

    >>> gd.diff([1, 4, 9, 16]).eval().tolist()
    [3, 5, 7]
    >>> gd.diff([1, 4, 9, 16], n=2).eval().tolist()
    [2, 2]
    """
    tensor = as_tensor(x, "diff")
    if n < 0:
        raise ArgumentError(f"diff: n must not be negative, got {n}")
    if tensor.ndim == 0:
        raise ShapeError("diff: needs an axis, got 0-d", details=operand_lines(x=tensor))
    along = located_axis("diff", tensor, axis)
    tensor = _joined(tensor, along, prepend, append)
    for _ in range(n):
        tensor = _difference(tensor, along)
    return tensor


def _joined(x: Tensor, axis: int, prepend: Operand, append: Operand) -> Tensor:
    if prepend is None and append is None:
        return x
    given = [part for part in (prepend, x, append) if part is not None]
    names = tuple(f"operand {place}" for place in range(len(given)))
    parts = promote_operands("diff", *given, names=names)
    slab = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    return concat([broadcast_shape(p, slab) if p.ndim == 0 else p for p in parts], axis=axis)


def _difference(x: Tensor, axis: int) -> Tensor:
    size = x.shape[axis]
    if size == 0:
        return x
    later, earlier = slice_axis(x, axis, 1, size), slice_axis(x, axis, 0, size - 1)
    if x.dtype.is_bool:
        return not_equal(later, earlier)
    result: Tensor = raw.subtract(later, earlier)
    return result


def ediff1d(x: Operand, *, to_end: Operand = None, to_begin: Operand = None) -> Tensor:
    """Differences of neighbours of the flattened tensor, with 1-d numbers before and behind.

    >>> gd.ediff1d([1, 2, 4], to_begin=[0]).eval().tolist()
    [0, 1, 2]
    """
    parts = [diff(flatten(x))]
    if to_begin is not None:
        parts.insert(0, flatten(to_begin))
    if to_end is not None:
        parts.append(flatten(to_end))
    return concat(parts)


def gradient(
    x: Operand,
    *spacing: Operand,
    axis: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> Tensor | list[Tensor]:
    """Central differences inside and one-sided ones at the ends, along each axis.

    `spacing` is a distance for all axes or one per axis (0-d), or the coordinates along each axis
    (1-d). `edge_order` 1 or 2 is the order of the differences at the ends. One axis gives a tensor,
    several a list. Raises ShapeError where an axis is shorter than edge_order + 1. After Fornberg,
    "Generation of Finite Difference Formulas" (1988).

    >>> gd.gradient([1.0, 4.0, 9.0, 16.0]).eval().tolist()
    [3.0, 4.0, 6.0, 7.0]
    """
    tensor = as_floating(x, "gradient")
    if edge_order not in (1, 2):
        raise ArgumentError(f"gradient: edge_order must be 1 or 2, got {edge_order!r}")
    axes = _gradient_axes(tensor, axis)
    if len(spacing) not in (0, 1, len(axes)):
        raise ArgumentError(f"gradient: {len(spacing)} spacings for {len(axes)} axes")
    steps = list(spacing) or [1.0]
    steps = steps * len(axes) if len(steps) == 1 else steps
    found = [
        _slope(tensor, along, step, edge_order) for along, step in zip(axes, steps, strict=True)
    ]
    is_single = tensor.ndim == 1 if axis is None else isinstance(axis, int)
    return found[0] if is_single else found


def _gradient_axes(x: Tensor, axis: int | Sequence[int] | None) -> list[int]:
    if axis is None:
        return list(range(x.ndim))
    return [located_axis("gradient", x, a) for a in ([axis] if isinstance(axis, int) else axis)]


def _slope(x: Tensor, axis: int, spacing: Operand, edge_order: int) -> Tensor:
    size = x.shape[axis]
    if isinstance(size, int) and size < edge_order + 1:
        raise ShapeError(
            f"gradient: axis {axis} needs {edge_order + 1} elements, has {size}",
            details=operand_lines(x=x),
        )
    gaps = _gaps(x, axis, spacing)
    secants = divide(_difference(x, axis), gaps)
    count = size - 1
    first, last = slice_axis(secants, axis, 0, 1), slice_axis(secants, axis, count - 1, count)
    if size == 2:
        return concat([first, last], axis=axis)
    before, after = slice_axis(secants, axis, 0, count - 1), slice_axis(secants, axis, 1, count)
    left, right = slice_axis(gaps, axis, 0, count - 1), slice_axis(gaps, axis, 1, count)
    weighted = raw.add(raw.multiply(right, before), raw.multiply(left, after))
    inside = divide(weighted, raw.add(left, right))
    if edge_order == 2:
        inner = size - 2
        first = _extrapolated(first, slice_axis(inside, axis, 0, 1))
        last = _extrapolated(last, slice_axis(inside, axis, inner - 1, inner))
    return concat([first, inside, last], axis=axis)


def _extrapolated(secant: Tensor, inside: Tensor) -> Tensor:
    """The slope at the end of a parabola whose mean slope is `secant` and other end `inside`."""
    result: Tensor = raw.subtract(multiply(secant, 2.0), inside)
    return result


def _gaps(x: Tensor, axis: int, spacing: Operand) -> Tensor:
    """The distances between neighbours, in the shape of their differences."""
    step = as_floating(spacing, "gradient")
    step, _ = promote_operands("gradient", step, x, names=("spacing", "x"))
    shape = (*x.shape[:axis], x.shape[axis] - 1, *x.shape[axis + 1 :])
    if step.ndim == 0:
        return broadcast_shape(raw.convert(step, dtype=x.dtype), shape)
    if step.ndim != 1 or step.shape[0] != x.shape[axis]:
        raise ShapeError(
            f"gradient: coordinates along axis {axis} must be 1-d of size {x.shape[axis]}",
            details=operand_lines(spacing=step, x=x),
        )
    gaps = raw.convert(_difference(step, 0), dtype=x.dtype)
    return broadcast_shape(along_axis(gaps, axis, x.ndim), shape)


def along_axis(x: Tensor, axis: int, rank: int) -> Tensor:
    """A 1-d tensor as one of `rank` axes, along `axis`."""
    shape: list[Size] = [1] * rank
    shape[axis] = x.shape[0]
    return reshape(x, tuple(shape))


def trapezoid(y: Operand, x: Operand = None, *, dx: Operand = 1.0, axis: int = -1) -> Tensor:
    """The integral of y over an axis by the trapezoidal rule, at coordinates `x` or steps `dx`.

    `x` is 1-d along the axis, or of y's shape.

    >>> gd.trapezoid([1.0, 2.0, 3.0]).eval().item()
    4.0
    """
    heights = as_floating(y, "trapezoid")
    along = located_axis("trapezoid", heights, axis)
    size = heights.shape[along]
    later = slice_axis(heights, along, 1, size)
    middle = multiply(raw.add(later, slice_axis(heights, along, 0, size - 1)), 0.5)
    if x is None:
        return sum_of(multiply(middle, dx), axis=along)
    places = as_floating(x, "trapezoid")
    if places.ndim == 1:
        gaps = along_axis(diff(places), along, heights.ndim)
    else:
        gaps = diff(places, axis=along)
    return sum_of(multiply(middle, gaps), axis=along)
