"""Reshaping, reordering, repeating and joining. Fused into the kernels that read the result."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import movement as raw
from graphdl.ops.arguments import (
    Operand,
    as_tensor,
    broadcast,
    operand_lines,
    promote_operands,
    with_dtype,
)
from graphdl.typesystem.broadcasting import broadcast_shapes, can_broadcast_to
from graphdl.typesystem.expression import Expression, Size, modulo, product
from graphdl.typesystem.promotion import weak_type
from graphdl.typesystem.shape import (
    as_size,
    canonical_axes,
    canonical_axis,
    canonical_permutation,
    parse_shape,
)
from graphdl.typesystem.tensor_type import Shape

T = TypeVar("T")


def reshape(x: Operand, shape: object) -> Tensor:
    """The elements in row-major order under other sizes; one of them may be -1.

    With named sizes, what cannot be decided now (is 2*batch even divisible by 4?) is checked at
    the call. Raises ShapeError when the element counts differ.

    >>> x = gd.placeholder("x", ("batch", 8, 8))
    >>> gd.reshape(x, (x.shape[0], -1)).shape
    (batch, 64)
    """
    tensor = as_tensor(x, "reshape")
    sizes = _wanted_shape(tensor, shape)
    if sizes == tensor.shape:
        return tensor
    result: Tensor = raw.reshape(tensor, shape=sizes)
    return result


def _wanted_shape(x: Tensor, shape: object) -> Shape:
    given = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    unknown = [place for place, size in enumerate(given) if _is_minus_one(size)]
    if len(unknown) > 1:
        raise ShapeError(f"reshape: more than one -1 in {shape!r}", details=operand_lines(x=x))
    if not unknown:
        return parse_shape(given, op="reshape")
    place = unknown[0]
    before = parse_shape(given[:place], op="reshape")
    after = parse_shape(given[place + 1 :], op="reshape")
    return (*before, _missing_size(x, product(before + after), shape), *after)


def _is_minus_one(size: object) -> bool:
    return not isinstance(size, str | Expression | Tensor) and size == -1


def _missing_size(x: Tensor, known: Size, shape: object) -> Size:
    """The size that -1 stands for."""
    count = x.type.element_count
    if known == 0:
        raise ShapeError(
            f"reshape: -1 in {shape!r} could be anything: the other sizes multiply to 0",
            details=operand_lines(x=x),
        )
    if isinstance(count, int) and isinstance(known, int) and count % known:
        raise ShapeError(
            f"reshape: {count} elements do not divide into {shape!r}", details=operand_lines(x=x)
        )
    return count // known


def permute_dims(x: Operand, axes: Sequence[int]) -> Tensor:
    """Axes in another order: result axis a is axis axes[a] of `x`.

    >>> gd.permute_dims(gd.ones((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    tensor = as_tensor(x, "permute_dims")
    permutation = _located(tensor, lambda: canonical_permutation(axes, tensor.ndim))
    if permutation == tuple(range(tensor.ndim)):
        return tensor
    result: Tensor = raw.transpose(tensor, permutation=permutation)
    return result


def _located(x: Tensor, action: Callable[[], T]) -> T:
    """`action()`, its ArgumentError told with the line that made `x`."""
    try:
        return action()
    except ArgumentError as error:
        lines = operand_lines(x=x)
        raise ArgumentError(error.message, details=lines, hint=error.hint) from None


def matrix_transpose(x: Operand) -> Tensor:
    """The last two axes swapped.

    >>> gd.matrix_transpose([[1, 2], [3, 4]]).eval().tolist()
    [[1, 3], [2, 4]]
    """
    tensor = as_tensor(x, "matrix_transpose")
    if tensor.ndim < 2:
        raise ShapeError(
            f"matrix_transpose: needs a matrix or a batch of them, got {tensor.type}",
            details=operand_lines(x=tensor),
        )
    last = tensor.ndim - 1
    return permute_dims(tensor, (*range(last - 1), last, last - 1))


def transpose_matrix(x: Tensor) -> Tensor:
    """What `x.T` means: a matrix transposed; vectors and numbers as they are."""
    if x.ndim > 2:
        raise ShapeError(
            f"T: {x.ndim} axes could be reordered in many ways",
            details=operand_lines(x=x),
            hint="write x.mT for a batch of matrices, or gd.permute_dims(x, axes)",
        )
    return matrix_transpose(x) if x.ndim == 2 else x


def swapaxes(x: Operand, first: int, second: int) -> Tensor:
    """Two axes exchanged.

    >>> gd.swapaxes(gd.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    tensor = as_tensor(x, "swapaxes")
    left = _axis(tensor, first, "swapaxes")
    right = _axis(tensor, second, "swapaxes")
    order = list(range(tensor.ndim))
    order[left], order[right] = right, left
    return permute_dims(tensor, order)


def moveaxis(x: Operand, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Axes `source` moved to the places `destination`; the others keep their order.

    >>> gd.moveaxis(gd.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    tensor = as_tensor(x, "moveaxis")
    sources = _axis_list(tensor, source, "moveaxis")
    places = _axis_list(tensor, destination, "moveaxis")
    if len(sources) != len(places):
        raise ArgumentError("moveaxis: source and destination name different numbers of axes")
    order = [axis for axis in range(tensor.ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return permute_dims(tensor, order)


def _axis(x: Tensor, axis: object, op: str) -> int:
    return _located(x, lambda: canonical_axis(axis, x.ndim, op=op))


def _axis_list(x: Tensor, axes: int | Sequence[int], op: str) -> tuple[int, ...]:
    given = axes if isinstance(axes, Sequence) else (axes,)
    return tuple(_axis(x, axis, op) for axis in given)


def broadcast_to(x: Operand, shape: object) -> Tensor:
    """The tensor repeated along new axes and axes of size 1. A named size never broadcasts.

    >>> gd.broadcast_to([1, 2], (2, 2)).eval().tolist()
    [[1, 2], [1, 2]]
    """
    tensor = as_tensor(x, "broadcast_to")
    sizes = parse_shape(shape, op="broadcast_to")
    if not can_broadcast_to(tensor.shape, sizes):
        wanted = ", ".join(map(str, sizes))
        raise ShapeError(
            f"broadcast_to: {tensor.type} does not fit [{wanted}]", details=operand_lines(x=tensor)
        )
    return broadcast(tensor, sizes)


def broadcast_arrays(*tensors: Operand) -> list[Tensor]:
    """The tensors repeated to the shape that they agree on.

    >>> [x.shape for x in gd.broadcast_arrays(gd.ones((3, 1)), gd.ones(4))]
    [(3, 4), (3, 4)]
    """
    given = [as_tensor(tensor, "broadcast_arrays") for tensor in tensors]
    lines = operand_lines(**{f"operand {place}": x for place, x in enumerate(given)})
    shape = broadcast_shapes(*(x.shape for x in given), op="broadcast_arrays", details=lines)
    return [broadcast(x, shape) for x in given]


def expand_dims(x: Operand, axis: int | tuple[int, ...] = 0) -> Tensor:
    """New axes of size 1 at the places `axis` of the result.

    >>> gd.expand_dims(gd.ones((2, 3)), 1).shape
    (2, 1, 3)
    """
    tensor = as_tensor(x, "expand_dims")
    count = len(axis) if isinstance(axis, tuple | list) else 1
    rank = tensor.ndim + count
    axes = _located(tensor, lambda: canonical_axes(axis, rank, op="expand_dims"))
    sizes = iter(tensor.shape)
    return reshape(tensor, tuple(1 if place in axes else next(sizes) for place in range(rank)))


def squeeze(x: Operand, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Without the axes of size 1 that `axis` names; all of them when None.

    >>> gd.squeeze(gd.ones((2, 1, 3))).shape
    (2, 3)
    """
    tensor = as_tensor(x, "squeeze")
    if axis is None:
        axes = tuple(place for place, size in enumerate(tensor.shape) if size == 1)
    else:
        axes = _located(tensor, lambda: canonical_axes(axis, tensor.ndim, op="squeeze"))
    for place in axes:
        if tensor.shape[place] != 1:
            raise ShapeError(
                f"squeeze: axis {place} has size {tensor.shape[place]}, not 1",
                details=operand_lines(x=tensor),
            )
    return reshape(tensor, tuple(s for place, s in enumerate(tensor.shape) if place not in axes))


def flatten(x: Operand) -> Tensor:
    """All elements on one axis.

    >>> gd.flatten([[1, 2], [3, 4]]).eval().tolist()
    [1, 2, 3, 4]
    """
    return reshape(x, (-1,)) if as_tensor(x).type.element_count != 0 else reshape(x, (0,))


def flip(x: Operand, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """The elements in opposite order along axes; along all when None.

    >>> gd.flip([1, 2, 3]).eval().tolist()
    [3, 2, 1]
    """
    tensor = as_tensor(x, "flip")
    axes = _located(tensor, lambda: canonical_axes(axis, tensor.ndim, op="flip"))
    result: Tensor = raw.reverse(tensor, axes=axes) if axes else tensor
    return result


def roll(
    x: Operand, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None
) -> Tensor:
    """The elements moved `shift` places along an axis, round the end; all as one axis when None.

    >>> gd.roll([1, 2, 3], 1).eval().tolist()
    [3, 1, 2]
    """
    tensor = as_tensor(x, "roll")
    if axis is None:
        return reshape(_roll_axis(flatten(tensor), _whole(shift), 0), tensor.shape)
    axes = _axis_list(tensor, axis, "roll")
    shifts = shift if isinstance(shift, tuple | list) else (shift,) * len(axes)
    if len(shifts) != len(axes):
        raise ArgumentError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
    for place, distance in zip(axes, shifts, strict=True):
        tensor = _roll_axis(tensor, _whole(distance), place)
    return tensor


def _whole(value: object) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentError(f"roll: the shift {value!r} is not a whole number")
    return operator.index(value)


def _roll_axis(x: Tensor, shift: int, axis: int) -> Tensor:
    size = x.shape[axis]
    if size == 0 or shift == 0:
        return x
    distance = modulo(shift, size)
    if distance == 0:
        return x
    cut = size - distance
    return concat([slice_axis(x, axis, cut, size), slice_axis(x, axis, 0, cut)], axis=axis)


def slice_axis(x: Tensor, axis: int, start: Size, stop: Size, step: int = 1) -> Tensor:
    """start:stop:step of one axis, step > 0."""
    if start == 0 and stop == x.shape[axis] and step == 1:
        return x
    starts = tuple(start if place == axis else 0 for place in range(x.ndim))
    stops = tuple(stop if place == axis else size for place, size in enumerate(x.shape))
    steps = tuple(step if place == axis else 1 for place in range(x.ndim))
    result: Tensor = raw.slice_(x, starts=starts, stops=stops, steps=steps)
    return result


def pad(x: Operand, widths: object, *, value: Operand = 0) -> Tensor:
    """Copies of a 0-d value before and after each axis: `gd.pad(x, ((0, 0), (1, 2)))`.

    `widths` is one number for all sides, one pair for all axes, or a pair per axis.

    >>> gd.pad([1, 2], (1, 2)).eval().tolist()
    [0, 1, 2, 0, 0]
    """
    tensor = as_tensor(x, "pad")
    pairs = pad_pairs(tensor, widths)
    if all(pair == (0, 0) for pair in pairs):
        return tensor
    number = value if weak_type(value) is not None else as_tensor(value, "pad")
    filler = with_dtype(number, tensor.dtype, "pad")
    low, high = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
    result: Tensor = raw.pad(tensor, filler, low=low, high=high)
    return result


def pad_pairs(x: Tensor, widths: object) -> list[tuple[Size, Size]]:
    """The widths before and after each axis, however they were written."""
    if isinstance(widths, int | Expression):
        width = as_size(widths, op="pad")
        return [(width, width)] * x.ndim
    entries = list(widths) if isinstance(widths, Iterable) else []
    if len(entries) == 2 and all(isinstance(entry, int | Expression) for entry in entries):
        entries = [tuple(entries)] * x.ndim
    if len(entries) != x.ndim or any(not _is_pair(entry) for entry in entries):
        raise ArgumentError(
            f"pad: {widths!r} is not a pair of widths for each of {x.ndim} axes",
            details=operand_lines(x=x),
        )
    return [(as_size(low, op="pad"), as_size(high, op="pad")) for low, high in entries]


def _is_pair(entry: object) -> bool:
    return isinstance(entry, tuple | list) and len(entry) == 2


def _promote_list(op: str, tensors: Sequence[Operand]) -> tuple[Tensor, ...]:
    if not isinstance(tensors, list | tuple) or not tensors:
        raise ArgumentError(f"{op}: needs a list of tensors, at least one")
    names = tuple(f"operand {place}" for place in range(len(tensors)))
    if len(tensors) == 1:
        return (as_tensor(tensors[0], op),)
    return promote_operands(op, *tensors, names=names)


def concat(tensors: Sequence[Operand], *, axis: int | None = 0) -> Tensor:
    """Tensors one after the other along an existing axis; flattened first when axis is None.

    >>> gd.concat([[1, 2], [3]]).eval().tolist()
    [1, 2, 3]
    """
    operands = _promote_list("concat", tensors)
    if axis is None:
        operands, axis = tuple(flatten(x) for x in operands), 0
    along = _axis(operands[0], axis, "concat")
    if len(operands) == 1:
        return operands[0]
    _require_fit("concat", operands, along)
    result: Tensor = raw.concatenate(*operands, axis=along)
    return result


def _require_fit(op: str, operands: Sequence[Tensor], axis: int | None) -> None:
    first = operands[0]
    for place, other in enumerate(operands[1:], 1):
        sizes = zip(first.shape, other.shape, strict=False)
        wrong = [a for a, (left, right) in enumerate(sizes) if left != right and a != axis]
        if first.ndim == other.ndim and not wrong:
            continue
        what = "ranks" if first.ndim != other.ndim else f"sizes of axis {wrong[0]}"
        lines = operand_lines(**{"operand 0": first, f"operand {place}": other})
        raise ShapeError(
            f"{op}: {what} differ between operand 0 and operand {place}", details=lines
        )


def stack(tensors: Sequence[Operand], *, axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis.

    >>> gd.stack([[1, 2], [3, 4]], axis=1).eval().tolist()
    [[1, 3], [2, 4]]
    """
    operands = _promote_list("stack", tensors)
    _require_fit("stack", operands, None)
    rank = operands[0].ndim + 1
    along = _located(operands[0], lambda: canonical_axis(axis, rank, op="stack"))
    return concat([expand_dims(x, along) for x in operands], axis=along)


def unstack(x: Operand, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis of known size, without that axis.

    >>> [x.eval().tolist() for x in gd.unstack([[1, 2], [3, 4]])]
    [[1, 2], [3, 4]]
    """
    tensor = as_tensor(x, "unstack")
    along = _axis(tensor, axis, "unstack")
    count = tensor.shape[along]
    if not isinstance(count, int):
        raise ShapeError(
            f"unstack: axis {along} has the named size {count}, so the number of slices is unknown",
            details=operand_lines(x=tensor),
        )
    parts = (slice_axis(tensor, along, start, start + 1) for start in range(count))
    return tuple(squeeze(part, along) for part in parts)


def split(x: Operand, sections: int | Sequence[int], *, axis: int = 0) -> list[Tensor]:
    """Parts along an axis: `sections` equal parts, or cuts at the given indices, as in NumPy.

    >>> [x.eval().tolist() for x in gd.split([1, 2, 3, 4, 5], [2, 4])]
    [[1, 2], [3, 4], [5]]
    """
    tensor = as_tensor(x, "split")
    along = _axis(tensor, axis, "split")
    size = tensor.shape[along]
    cuts = _cuts(tensor, sections, size, along)
    bounds = zip([0, *cuts], [*cuts, size], strict=True)
    return [slice_axis(tensor, along, start, stop) for start, stop in bounds]


def _cuts(x: Tensor, sections: int | Sequence[int], size: Size, axis: int) -> list[Size]:
    if not isinstance(sections, int):
        return [as_size(cut, op="split") for cut in sections]
    if sections < 1:
        raise ArgumentError(f"split: {sections} parts")
    part = size // sections
    if part * sections != size:
        raise ShapeError(
            f"split: axis {axis} of size {size} has no {sections} equal parts",
            details=operand_lines(x=x),
            hint="give the indices to cut at: gd.split(x, [2, 5])",
        )
    return [part * number for number in range(1, sections)]


def repeat(x: Operand, count: int, *, axis: int | None = None) -> Tensor:
    """Each element `count` times in a row along an axis; flattened first when axis is None.

    >>> gd.repeat([1, 2], 2).eval().tolist()
    [1, 1, 2, 2]
    """
    tensor = as_tensor(x, "repeat")
    if axis is None:
        tensor, axis = flatten(tensor), 0
    along = _axis(tensor, axis, "repeat")
    times = as_size(count, op="repeat")
    shape = (*tensor.shape[: along + 1], times, *tensor.shape[along + 1 :])
    dimensions = tuple(place for place in range(len(shape)) if place != along + 1)
    copies = raw.broadcast_in_dim(tensor, shape=shape, broadcast_dimensions=dimensions)
    merged = (*shape[:along], shape[along] * times, *shape[along + 2 :])
    return reshape(copies, merged)


def tile(x: Operand, repetitions: int | Sequence[int]) -> Tensor:
    """The whole tensor repeated along each axis; missing repetitions are 1.

    >>> gd.tile([1, 2], 2).eval().tolist()
    [1, 2, 1, 2]
    """
    tensor = as_tensor(x, "tile")
    given = repetitions if isinstance(repetitions, tuple | list) else (repetitions,)
    times = parse_shape(tuple(given), op="tile")
    rank = max(len(times), tensor.ndim)
    sizes = (1,) * (rank - tensor.ndim) + tensor.shape
    times = (1,) * (rank - len(times)) + times
    shape = tuple(part for pair in zip(times, sizes, strict=True) for part in pair)
    dimensions = tuple(2 * place + 1 for place in range(rank))
    copies = raw.broadcast_in_dim(
        reshape(tensor, sizes), shape=shape, broadcast_dimensions=dimensions
    )
    return reshape(copies, tuple(a * b for a, b in zip(times, sizes, strict=True)))
