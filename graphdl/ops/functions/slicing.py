"""What `x[key]` means: basic slicing as in NumPy, and integer tensors on any axes."""

from __future__ import annotations

from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise, movement
from graphdl.ops import indexing as raw
from graphdl.ops.arguments import (
    broadcast,
    broadcast_operands,
    cast,
    filled,
    literal,
    operand_lines,
    size_tensor,
)
from graphdl.ops.functions.indexing import as_indices, whole_number
from graphdl.ops.functions.movement import permute_dims, reshape
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import Expression, Size, product

Part = int | Expression | slice | Tensor | None


@dataclass(frozen=True, slots=True)
class _Advanced:
    """Index tensors on axes of a sliced tensor."""

    axes: tuple[int, ...]
    indices: tuple[Tensor, ...]
    is_adjacent: bool


def index_tensor(x: Tensor, key: object) -> Tensor:
    """`x[key]`.

    On an axis of a named size, bounds must lie inside it (checked at the call) instead of being cut
    off; on a known size they are cut off as in NumPy. Raises ArgumentError and ShapeError.
    """
    parts = _expand(x, key if isinstance(key, tuple) else (key,))
    if any(isinstance(part, Tensor) for part in parts):
        return _index_advanced(x, parts)
    return _index_basic(x, parts)


def _expand(x: Tensor, key: tuple[object, ...]) -> list[Part]:
    """One part per axis (and None per new axis): the ellipsis written out, missing axes added."""
    used = sum(1 for part in key if part is not None and not isinstance(part, EllipsisType))
    dots = [place for place, part in enumerate(key) if isinstance(part, EllipsisType)]
    if used > x.ndim:
        raise ShapeError(f"getitem: {used} indices for a {x.ndim}-d tensor", details=_lines(x))
    if len(dots) > 1:
        raise ArgumentError("getitem: more than one ...", details=_lines(x))
    place = dots[0] if dots else len(key)
    everything: list[Part] = [slice(None)] * (x.ndim - used)
    before = [_part(x, part) for part in key[:place]]
    after = [_part(x, part) for part in key[place + 1 :]]
    return [*before, *everything, *after]


def _lines(x: Tensor) -> tuple[str, ...]:
    return operand_lines(x=x)


def _part(x: Tensor, part: object) -> Part:
    if part is None or isinstance(part, slice | Expression):
        return part
    if isinstance(part, Tensor):
        return _index_part(x, part)
    if isinstance(part, bool | np.bool_):
        raise _mask_error(x)
    if isinstance(part, list | np.ndarray):
        array = np.asarray(part)
        if array.dtype == np.bool_:
            raise _mask_error(x)
        if array.dtype.kind not in "iu" and array.size:
            raise DTypeError(f"getitem: indices must be integers, got {array.dtype}")
        return literal(array.astype(np.int64))
    return whole_number(part, "getitem", "index")


def _mask_error(x: Tensor) -> ArgumentError:
    return ArgumentError(
        "getitem: a bool index chooses a number of elements that is known only when called",
        details=_lines(x),
        hint="keep the shape: gd.where(mask, x, 0), or multiply by the mask",
    )


def _index_part(x: Tensor, part: Tensor) -> Tensor:
    if part.dtype.is_bool:
        raise _mask_error(x)
    return part


# Basic --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is kept of one axis: start:stop forwards, then every step-th, from the end if < 0."""

    start: Size
    stop: Size
    step: int
    is_kept: bool


def _index_basic(x: Tensor, parts: list[Part]) -> Tensor:
    """One slice, one reversal and one reshape at most."""
    along = [part for part in parts if part is not None]
    cuts = [_cut(x, axis, part) for axis, part in enumerate(along)]
    result = _slice_all(x, [(cut.start, cut.stop, max(cut.step, 1)) for cut in cuts])
    backward = tuple(axis for axis, cut in enumerate(cuts) if cut.step < 0)
    if backward:
        result = movement.reverse(result, axes=backward)
        steps = [-cut.step if cut.step < 0 else 1 for cut in cuts]
        result = _slice_all(
            result, [(0, size, step) for size, step in zip(result.shape, steps, strict=True)]
        )
    kept = iter([size for size, cut in zip(result.shape, cuts, strict=True) if cut.is_kept])
    shape = tuple(
        1 if part is None else next(kept)
        for part in parts
        if part is None or isinstance(part, slice)
    )
    return reshape(result, shape)


def _slice_all(x: Tensor, bounds: list[tuple[Size, Size, int]]) -> Tensor:
    if all(bound == (0, size, 1) for bound, size in zip(bounds, x.shape, strict=True)):
        return x
    starts, stops, steps = zip(*bounds, strict=True)
    result: Tensor = movement.slice_(x, starts=starts, stops=stops, steps=steps)
    return result


def _cut(x: Tensor, axis: int, part: Part) -> _Cut:
    if not isinstance(part, slice):
        assert isinstance(part, int | Expression)
        start = _place(x, axis, part)
        return _Cut(start, start + 1, 1, is_kept=False)
    step = 1 if part.step is None else whole_number(part.step, "getitem", "step")
    if step == 0:
        raise ArgumentError("getitem: a slice step is 0", details=_lines(x))
    size = x.shape[axis]
    is_known = isinstance(size, int) and not _has_expression(part)
    start, stop = _known_bounds(part, size, step) if is_known else _named_bounds(part, size, step)
    return _Cut(*((start, stop) if step > 0 else (stop + 1, start + 1)), step, is_kept=True)


def _place(x: Tensor, axis: int, index: int | Expression) -> Size:
    size = x.shape[axis]
    if isinstance(index, int) and isinstance(size, int) and not -size <= index < size:
        raise ArgumentError(
            f"getitem: index {index} is outside axis {axis} of size {size}", details=_lines(x)
        )
    return index + size if isinstance(index, int) and index < 0 else index


def _has_expression(part: slice) -> bool:
    return isinstance(part.start, Expression) or isinstance(part.stop, Expression)


def _known_bounds(part: slice, size: Size, step: int) -> tuple[Size, Size]:
    """Cut off as in NumPy; an empty slice starts where it stops."""
    assert isinstance(size, int)
    start, stop, _ = slice(_bound(part.start), _bound(part.stop), step).indices(size)
    return (start, max(start, stop)) if step > 0 else (start, min(start, stop))


def _bound(value: object) -> int | None:
    return None if value is None else whole_number(value, "getitem", "slice bound")


def _named_bounds(part: slice, size: Size, step: int) -> tuple[Size, Size]:
    first: Size = 0 if step > 0 else size - 1
    last: Size = size if step > 0 else -1
    start = first if part.start is None else _from_end(part.start, size)
    stop = last if part.stop is None else _from_end(part.stop, size)
    return start, stop


def _from_end(bound: object, size: Size) -> Size:
    if isinstance(bound, Expression):
        return bound
    number = whole_number(bound, "getitem", "slice bound")
    return number + size if number < 0 else number


# Advanced -----------------------------------------------------------------------------------------


def _index_advanced(x: Tensor, parts: list[Part]) -> Tensor:
    """Slices and new axes first; then one gather at the axes with index tensors.

    As in NumPy, ints beside index tensors count as 0-d ones, and the axes of the indices come where
    the first one stood, or first when a slice stands between them.
    """
    kept = [slice(None) if isinstance(part, int | Expression | Tensor) else part for part in parts]
    sliced = _index_basic(x, list(kept))
    places = [place for place, part in enumerate(parts) if _is_index(part)]
    indices = tuple(_as_index(sliced, place, parts[place]) for place in places)
    indices = broadcast_operands(
        "getitem", *indices, names=[f"index {n}" for n in range(len(indices))]
    )
    is_adjacent = places == list(range(places[0], places[-1] + 1))
    return _gather(sliced, _Advanced(tuple(places), indices, is_adjacent))


def _is_index(part: Part) -> bool:
    return isinstance(part, int | Expression | Tensor)


def _as_index(x: Tensor, axis: int, part: Any) -> Tensor:
    size = x.shape[axis]
    if isinstance(part, Tensor):
        return cast(as_indices(part, size, "getitem"), int64)
    return size_tensor(_place(x, axis, part))


def _gather(x: Tensor, chosen: _Advanced) -> Tensor:
    first, count = chosen.axes[0], len(chosen.axes)
    if count == 1:
        result: Tensor = raw.gather(x, chosen.indices[0], axis=first)
        return result
    others = [axis for axis in range(x.ndim) if axis not in chosen.axes]
    front = sum(1 for axis in others if axis < first) if chosen.is_adjacent else 0
    moved = permute_dims(x, [*others[:front], *chosen.axes, *others[front:]])
    sizes = [x.shape[axis] for axis in chosen.axes]
    shape = (*moved.shape[:front], product(sizes), *moved.shape[front + count :])
    result = raw.gather(reshape(moved, shape), _linear(chosen.indices, sizes), axis=front)
    return result


def _linear(indices: tuple[Tensor, ...], sizes: list[Size]) -> Tensor:
    """The row-major number of clamped indices."""
    number: Tensor | None = None
    for index, size in zip(indices, sizes, strict=True):
        last = broadcast(size_tensor(size - 1), index.shape)
        inside = elementwise.minimum(index, last)
        inside = elementwise.maximum(inside, filled(0, int64, index.shape))
        if number is None:
            number = inside
            continue
        scale = broadcast(size_tensor(size), index.shape)
        number = elementwise.add(elementwise.multiply(number, scale), inside)
    assert number is not None
    return number
