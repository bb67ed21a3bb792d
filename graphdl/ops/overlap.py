"""What windows cut out, put back: the sum over overlaps, made of movements and one reduction."""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.graph.nodes import Tensor
from graphdl.ops.arguments import filled
from graphdl.ops.movement import pad, reshape, reverse, slice_, transpose
from graphdl.ops.reduction import reduce_sum
from graphdl.ops.windows import count_axis, diagonal, size_axes, windows
from graphdl.typesystem.expression import maximum
from graphdl.typesystem.tensor_type import Shape

Axes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WindowForm:
    """The operand's shape and the attributes of a windows node."""

    shape: Shape
    axes: Axes
    sizes: Axes
    strides: Axes
    dilations: Axes

    @property
    def are_apart(self) -> bool:
        """Whether windows neither overlap nor leave gaps."""
        each = zip(self.sizes, self.strides, self.dilations, strict=True)
        return all(size == stride and 1 in (size, gap) for size, stride, gap in each)


def add_overlaps(g: Tensor, form: WindowForm) -> Tensor:
    """At each element of `form.shape`, the sum of `g` over its places in windows."""
    if form.are_apart:
        return _join(g, form)
    if all(size == 1 for size in form.sizes):
        return _spread(g, form)
    count = len(form.axes)
    inside = size_axes(form.axes)
    slid = slide(reverse(g, axes=inside), form.axes, form)
    # The new axes inside windows come before the old ones: element e of both is one place.
    for number in reversed(range(count)):
        slid = diagonal(slid, first=inside[number], second=inside[number] + count)
    result: Tensor = reduce_sum(slid, axes=inside)
    return result


def _join(g: Tensor, form: WindowForm) -> Tensor:
    """Windows side by side: their elements in the operand's order, zeros behind the last."""
    rank = len(form.shape)
    order: list[int] = []
    inside = dict(zip(form.axes, size_axes(form.axes), strict=True))
    for axis in range(rank):
        order.append(count_axis(axis, form.axes))
        if axis in inside:
            order.append(inside[axis])
    covered = list(form.shape)
    for axis, size in zip(form.axes, form.sizes, strict=True):
        covered[axis] = g.shape[axis] * size
    flat = reshape(transpose(g, permutation=tuple(order)), shape=tuple(covered))
    return extend(flat, (0,) * rank, form.shape)


def _spread(g: Tensor, form: WindowForm) -> Tensor:
    """Windows of one element: zeros between them."""
    rank = len(form.shape)
    shape = tuple(g.shape[count_axis(axis, form.axes)] for axis in range(rank))
    spread: Tensor = reshape(g, shape=shape)
    for axis, stride in zip(form.axes, form.strides, strict=True):
        spread = dilate(spread, axis, stride)
    return extend(spread, (0,) * rank, form.shape)


def extend(x: Tensor, low: Axes, shape: Shape) -> Tensor:
    """`x` behind `low` zeros on each axis, followed by zeros, or cut off, to fill `shape`."""
    behind = [
        size - start - length for size, start, length in zip(shape, low, x.shape, strict=True)
    ]
    high = tuple(maximum(0, number) for number in behind)
    if any(low) or any(number != 0 for number in high):
        x = pad(x, filled(0, x.dtype), low=low, high=high)
    if x.shape == shape:
        return x
    cut: Tensor = slice_(x, starts=(0,) * x.ndim, stops=shape, steps=(1,) * x.ndim)
    return cut


def dilate(x: Tensor, axis: int, step: int) -> Tensor:
    """`step - 1` zeros behind every element along `axis`."""
    if step == 1:
        return x
    before, size, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    single = reshape(x, shape=(*before, size, 1, *after))
    none = (0,) * single.ndim
    gaps = (*none[: axis + 1], step - 1, *none[axis + 2 :])
    padded = pad(single, filled(0, x.dtype), low=none, high=gaps)
    result: Tensor = reshape(padded, shape=(*before, size * step, *after))
    return result


def slide(g: Tensor, places: Axes, form: WindowForm) -> Tensor:
    """Windows of `g`, whose axes `places` count the windows of `form`: at element h and offset k'
    stands the g of the window that holds h as its element (size - 1 - k'), or 0."""
    shape = list(g.shape)
    low = [0] * g.ndim
    each = zip(places, form.axes, form.sizes, form.strides, form.dilations, strict=True)
    for place, axis, size, stride, gap in each:
        g = dilate(g, place, stride)
        low[place] = (size - 1) * gap
        shape[place] = form.shape[axis] + low[place]
    padded = extend(g, tuple(low), tuple(shape))
    result: Tensor = windows(
        padded,
        axes=places,
        sizes=form.sizes,
        strides=(1,) * len(places),
        dilations=form.dilations,
    )
    return result
