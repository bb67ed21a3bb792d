"""Merge and drop reshapes, transposes, broadcasts, slices, reversals and paddings.

Why: movement costs nothing inside a kernel, but it stands between patterns, keeps equal values
apart, and every index map that is not there is one less to compose.
Requires: nothing. Ensures: the same bits. A guard goes with its node, so guards are collected from
the graph as it was before this pass.

    %0: float32[n, 4] = transpose(x, permutation=(1, 0))
    %1: float32[4, n] = transpose(%0, permutation=(1, 0))      ->    %2: float32[4, n] = exp(x)
    %2: float32[4, n] = exp(%1)
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.graph.nodes import Graph, Tensor
from graphdl.ops.contraction import dot_general, free_axes
from graphdl.ops.movement import (
    broadcast_in_dim,
    concatenate,
    pad,
    reshape,
    reverse,
    slice_,
    stop_gradient,
    transpose,
)
from graphdl.ops.windows import windows
from graphdl.rewrite.driver import rewrite, rule
from graphdl.rewrite.pattern import attribute_variables, node_of, variables
from graphdl.typesystem.expression import Size
from graphdl.typesystem.tensor_type import Shape

Axes = tuple[int, ...]

x, y, value = variables("x", "y", "value")
inner, outer, inner_low, inner_high = attribute_variables(
    "inner", "outer", "inner_low", "inner_high"
)
low, high, starts, stops, steps = attribute_variables("low", "high", "starts", "stops", "steps")


def cancel_movement(graph: Graph) -> Graph:
    """`graph` with movements merged, and `stop_gradient` removed: derivatives are taken by now."""
    return rewrite(graph, RULES)


@rule(stop_gradient(x))
def drop_stop_gradient(x: Tensor) -> Tensor:
    """stop_gradient has done its work."""
    return x


# reshape, transpose, reverse ----------------------------------------------------------------------


@rule(reshape(x), broadcast_in_dim(x))
def drop_same_shape(x: Tensor, root: Tensor) -> Tensor | None:
    """A reshape or broadcast to the shape that x has is x."""
    return x if x.shape == root.shape else None


@rule(reshape(reshape(x)))
def merge_reshapes(x: Tensor, root: Tensor) -> Tensor:
    """reshape(reshape(x)) is one reshape."""
    result: Tensor = reshape(x, shape=root.shape)
    return result


@rule(transpose(x, permutation=outer))
def drop_identity_transpose(x: Tensor, outer: Axes) -> Tensor | None:
    """A transpose that leaves all axes in order is x."""
    return x if outer == tuple(range(len(outer))) else None


@rule(transpose(transpose(x, permutation=inner), permutation=outer))
def merge_transposes(x: Tensor, inner: Axes, outer: Axes) -> Tensor:
    """transpose(transpose(x)) is one transpose with the composed permutation."""
    result: Tensor = transpose(x, permutation=tuple(inner[axis] for axis in outer))
    return result


@rule(reverse(x, axes=outer))
def drop_idle_reverse(x: Tensor, outer: Axes) -> Tensor | None:
    """Reversing no axis, or an axis of size 1, changes nothing."""
    left = tuple(axis for axis in outer if x.shape[axis] != 1)
    if not left:
        return x
    return None if left == outer else reverse(x, axes=left)


@rule(reverse(reverse(x, axes=inner), axes=outer))
def merge_reverses(x: Tensor, inner: Axes, outer: Axes) -> Tensor:
    """Axes that are reversed twice are not reversed."""
    result: Tensor = reverse(x, axes=tuple(sorted(set(inner) ^ set(outer))))
    return result


# broadcast ----------------------------------------------------------------------------------------


@rule(broadcast_in_dim(broadcast_in_dim(x, broadcast_dimensions=inner), broadcast_dimensions=outer))
def merge_broadcasts(x: Tensor, inner: Axes, outer: Axes, root: Tensor) -> Tensor:
    """broadcast(broadcast(x)) is one broadcast."""
    return _spread(x, root, tuple(outer[axis] for axis in inner))


def _spread(x: Tensor, like: Tensor, dimensions: Axes) -> Tensor:
    result: Tensor = broadcast_in_dim(x, shape=like.shape, broadcast_dimensions=dimensions)
    return result


@rule(broadcast_in_dim(reshape(x), broadcast_dimensions=outer))
def broadcast_past_new_axes(x: Tensor, outer: Axes, root: Tensor) -> Tensor | None:
    """A reshape that only inserts axes of size 1 before a broadcast goes into the broadcast."""
    places = _inserted_ones(x.shape, root.node.operands[0].shape)
    return None if places is None else _spread(x, root, tuple(outer[axis] for axis in places))


def _inserted_ones(before: Shape, after: Shape) -> Axes | None:
    """Where the axes of `before` are in `after`, when all others have size 1."""
    places: list[int] = []
    for axis, size in enumerate(after):
        if len(places) < len(before) and size == before[len(places)]:
            places.append(axis)
        elif size != 1:
            return None
    return tuple(places) if len(places) == len(before) else None


@rule(transpose(broadcast_in_dim(x, broadcast_dimensions=inner), permutation=outer))
def broadcast_transposed(x: Tensor, inner: Axes, outer: Axes, root: Tensor) -> Tensor | None:
    """A transposed broadcast is a broadcast to other axes, where x keeps its order."""
    dimensions = tuple(outer.index(axis) for axis in inner)
    return _spread(x, root, dimensions) if dimensions == tuple(sorted(dimensions)) else None


@rule(slice_(broadcast_in_dim(x, broadcast_dimensions=inner)))
def broadcast_less(x: Tensor, inner: Axes, root: Tensor) -> Tensor | None:
    """A slice of repeated axes is a shorter broadcast."""
    wide = root.node.operands[0].shape
    for axis, bound in enumerate(_bounds(root)):
        is_whole = bound == (0, wide[axis], 1)
        is_repeated = axis not in inner or x.shape[inner.index(axis)] == 1
        if not is_whole and (not is_repeated or root.shape[axis] == 0):
            return None
    return _spread(x, root, inner)


# slice, pad, concatenate --------------------------------------------------------------------------


@rule(slice_(x, starts=starts, stops=stops, steps=steps))
def drop_whole_slice(x: Tensor, starts: Shape, stops: Shape, steps: Axes) -> Tensor | None:
    """A slice of everything is x."""
    is_whole = stops == x.shape and not any(starts) and all(step == 1 for step in steps)
    return x if is_whole else None


@rule(slice_(node_of(slice_, "part")))
def merge_slices(part: Tensor, root: Tensor) -> Tensor | None:
    """slice(slice(x)) is one slice, on axes where sizes or a step of 1 make the bounds plain."""
    bounds = [
        _merged_bounds(inner_bound, outer_bound)
        for inner_bound, outer_bound in zip(_bounds(part), _bounds(root), strict=True)
    ]
    if None in bounds:
        return None
    new_starts, new_stops, new_steps = zip(*(b for b in bounds if b is not None), strict=True)
    x = part.node.operands[0]
    result: Tensor = slice_(x, starts=new_starts, stops=new_stops, steps=new_steps)
    return result


Bound = tuple[Size, Size, int]


def _bounds(sliced: Tensor) -> Sequence[Bound]:
    attributes = sliced.node.attributes
    return tuple(zip(attributes["starts"], attributes["stops"], attributes["steps"], strict=True))


def _merged_bounds(first: Bound, second: Bound) -> Bound | None:
    start, _, step = first
    if step == 1:
        return (start + second[0], start + second[1], second[2])
    if not isinstance(start, int) or not all(isinstance(size, int) for size in second):
        return None
    chosen = range(*(size for size in second if isinstance(size, int)))
    if not chosen:
        return (start, start, 1)
    new_start, new_step = start + chosen[0] * step, step * second[2]
    return (new_start, new_start + (len(chosen) - 1) * new_step + 1, new_step)


@rule(pad(x, value, low=low, high=high))
def drop_empty_pad(x: Tensor, low: Shape, high: Shape) -> Tensor | None:
    """Padding by nothing is x."""
    return None if any(low) or any(high) else x


@rule(pad(pad(x, value, low=inner_low, high=inner_high), value, low=low, high=high))
def merge_pads(
    x: Tensor, value: Tensor, inner_low: Shape, inner_high: Shape, low: Shape, high: Shape
) -> Tensor:
    """Padding twice with the same value is padding once."""
    result: Tensor = pad(x, value, low=_added(inner_low, low), high=_added(inner_high, high))
    return result


def _added(left: Shape, right: Shape) -> Shape:
    return tuple(a + b for a, b in zip(left, right, strict=True))


@rule(slice_(pad(x, value, low=low), starts=low, stops=stops, steps=steps))
def drop_cut_padding(
    x: Tensor, low: Shape, stops: Shape, steps: Axes, root: Tensor
) -> Tensor | None:
    """A slice that cuts off exactly what was padded is x."""
    is_inside = stops == _added(low, x.shape) and all(step == 1 for step in steps)
    return x if is_inside and root.shape == x.shape else None


@rule(concatenate(x))
def drop_single_concatenate(x: Tensor) -> Tensor:
    """One operand is joined to nothing."""
    return x


@rule(slice_(node_of(concatenate, "joined")))
def slice_one_part(joined: Tensor, root: Tensor) -> Tensor | None:
    """A slice that lies in one operand of a concatenation is a slice of that operand."""
    axis: int = joined.node.attributes["axis"]
    start, stop, _ = _bounds(root)[axis]
    offset: Size = 0
    for part in joined.node.operands:
        end = offset + part.shape[axis]
        if _is_between(offset, start, stop, end):
            return _slice_at(part, root, axis, offset)
        offset = end
    return None


def _is_between(offset: Size, start: Size, stop: Size, end: Size) -> bool:
    """Whether offset <= start and stop <= end, for all sizes; an empty slice lies nowhere."""
    gaps = (start - offset, end - stop)
    return start != stop and all(isinstance(gap, int) and gap >= 0 for gap in gaps)


def _slice_at(part: Tensor, root: Tensor, axis: int, offset: Size) -> Tensor:
    moved = [
        (start - offset, stop - offset, step) if number == axis else (start, stop, step)
        for number, (start, stop, step) in enumerate(_bounds(root))
    ]
    new_starts, new_stops, new_steps = zip(*moved, strict=True)
    result: Tensor = slice_(part, starts=new_starts, stops=new_stops, steps=new_steps)
    return result


# Contractions -------------------------------------------------------------------------------------


@rule(dot_general(transpose(x, permutation=inner), y))
def contract_transposed_left(x: Tensor, y: Tensor, inner: Axes, root: Tensor) -> Tensor | None:
    """A contraction reads a transposed left operand by its own axes."""
    attributes = dict(root.node.attributes)
    return _contract(root, x, y, inner, "lhs", attributes)


@rule(dot_general(x, transpose(y, permutation=inner)))
def contract_transposed_right(x: Tensor, y: Tensor, inner: Axes, root: Tensor) -> Tensor | None:
    """A contraction reads a transposed right operand by its own axes.

    Not one over windows, which reads the other operand in the order of the sum or not at all fast.
    """
    if x.node.op is windows:
        return None
    attributes = dict(root.node.attributes)
    return _contract(root, x, y, inner, "rhs", attributes)


def _contract(
    root: Tensor, x: Tensor, y: Tensor, permutation: Axes, side: str, attributes: dict[str, Axes]
) -> Tensor | None:
    """The contraction on axes before the transpose; None where free axes would change order."""
    contract, batch = attributes[f"{side}_contract"], attributes.get(f"{side}_batch", ())
    free = free_axes(len(permutation), contract, batch)
    moved = [permutation[axis] for axis in free]
    if moved != sorted(moved):
        return None
    attributes[f"{side}_contract"] = tuple(permutation[axis] for axis in contract)
    attributes[f"{side}_batch"] = tuple(permutation[axis] for axis in batch)
    result: Tensor = dot_general(x, y, **attributes)
    return result


@rule(transpose(dot_general(x, y), permutation=outer))
def swap_operands(x: Tensor, y: Tensor, outer: Axes, root: Tensor) -> Tensor | None:
    """A transpose that exchanges the free axes of both operands exchanges the operands."""
    product = root.node.operands[0].node.attributes
    lhs_batch, rhs_batch = product.get("lhs_batch", ()), product.get("rhs_batch", ())
    batch = len(lhs_batch)
    left = x.ndim - batch - len(product["lhs_contract"])
    wanted = (*range(batch), *range(batch + left, len(outer)), *range(batch, batch + left))
    if outer != wanted or left == 0 or batch + left == len(outer):
        return None
    result: Tensor = dot_general(
        y,
        x,
        lhs_contract=product["rhs_contract"],
        rhs_contract=product["lhs_contract"],
        lhs_batch=rhs_batch,
        rhs_batch=lhs_batch,
    )
    return result


RULES = (
    drop_stop_gradient,
    drop_same_shape,
    merge_reshapes,
    drop_identity_transpose,
    merge_transposes,
    drop_idle_reverse,
    merge_reverses,
    merge_broadcasts,
    broadcast_past_new_axes,
    broadcast_transposed,
    broadcast_less,
    drop_whole_slice,
    merge_slices,
    drop_empty_pad,
    merge_pads,
    drop_cut_padding,
    drop_single_concatenate,
    slice_one_part,
    contract_transposed_left,
    contract_transposed_right,
    swap_operands,
)
"""Tried in this order at every node."""
