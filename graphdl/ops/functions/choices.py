"""Choosing among several tensors or functions, and places in a tensor as one number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import (
    Operand,
    as_tensor,
    broadcast_operands,
    cast,
    number_like,
    operand_lines,
    promote_operands,
    size_tensor,
)
from graphdl.ops.functions.elementwise import where
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import Size
from graphdl.typesystem.shape import parse_shape


def select(
    conditions: Sequence[Operand], choices: Sequence[Operand], default: Operand = 0
) -> Tensor:
    """The choice of the first condition that holds, else `default`; all broadcast.

    Conditions are bools. Raises ArgumentError unless there is one choice for each condition.

    >>> x = gd.constant([1, 2, 3])
    >>> gd.select([x < 2, x < 3], [10, 20], 0).eval().tolist()
    [10, 20, 0]
    """
    if len(conditions) != len(choices) or not conditions:
        raise ArgumentError(
            f"select: needs one choice for each condition, got {len(choices)} for {len(conditions)}"
        )
    names = tuple(f"choice {place}" for place in range(len(choices)))
    *parts, result = promote_operands("select", *choices, default, names=(*names, "default"))
    for condition, choice in zip(reversed(list(conditions)), reversed(parts), strict=True):
        result = where(condition, choice, result)
    return result


def piecewise(
    x: Operand,
    conditions: Sequence[Operand],
    functions: Sequence[Callable[[Tensor], Operand] | Operand],
) -> Tensor:
    """functions[k](x) where conditions[k] holds, the last that does; 0, or one more function, else.

    A function is a number, or is called with all of x. The dtype is x's. Raises ArgumentError for
    another number of functions.

    >>> x = gd.constant([-2.0, 3.0])
    >>> gd.piecewise(x, [x < 0, x >= 0], [lambda t: -t, lambda t: t * t]).eval().tolist()
    [2.0, 9.0]
    """
    tensor = as_tensor(x, "piecewise")
    rest = list(functions)
    if len(rest) not in (len(conditions), len(conditions) + 1):
        raise ArgumentError(
            f"piecewise: {len(rest)} functions for {len(conditions)} conditions",
            hint="give one for each, and maybe one for everywhere else",
        )
    result = number_like(0, tensor)
    if len(rest) > len(conditions):
        result = _piece(rest.pop(), tensor)
    for condition, function in zip(conditions, rest, strict=True):
        result = where(condition, _piece(function, tensor), result)
    return result


def _piece(function: object, x: Tensor) -> Tensor:
    value = function(x) if callable(function) else function
    result, _ = broadcast_operands(
        "piecewise", cast(as_tensor(value, "piecewise"), x.dtype), x, names=("piece", "x")
    )
    return result


def unravel_index(index: Operand, shape: object) -> tuple[Tensor, ...]:
    """The place along each axis of `shape` of a row-major number: int64, one per axis.

    The number is not checked. Raises DTypeError for other than integers.

    >>> [place.eval().tolist() for place in gd.unravel_index([5, 2], (2, 3))]
    [[1, 0], [2, 2]]
    """
    rest = _whole("unravel_index", index)
    places: list[Tensor] = []
    sizes = parse_shape(shape, op="unravel_index")
    for size in reversed(sizes):
        count = _count(size, rest)
        places.append(raw.remainder(rest, count))
        rest = raw.floor_divide(rest, count)
    return tuple(reversed(places))


def ravel_multi_index(indices: Sequence[Operand], shape: object, *, mode: str = "clip") -> Tensor:
    """The row-major number of a place given along each axis of `shape`: int64.

    A place outside is brought to the nearest inside ("clip") or counted round ("wrap"). Raises
    ShapeError unless there is one index tensor for each axis.

    >>> gd.ravel_multi_index([[1, 0], [2, 2]], (2, 3)).eval().tolist()
    [5, 2]
    """
    sizes = parse_shape(shape, op="ravel_multi_index")
    if mode not in ("clip", "wrap"):
        raise ArgumentError(f'ravel_multi_index: mode {mode!r} is not "clip" or "wrap"')
    if len(indices) != len(sizes) or not sizes:
        raise ShapeError(f"ravel_multi_index: {len(indices)} indices for {len(sizes)} axes")
    given = [_whole("ravel_multi_index", index) for index in indices]
    names = tuple(f"index {place}" for place in range(len(given)))
    places = broadcast_operands("ravel_multi_index", *given, names=names)
    total = number_like(0, places[0])
    for place, size in zip(places, sizes, strict=True):
        total = raw.add(raw.multiply(total, _count(size, place)), _inside(place, size, mode))
    return total


def _whole(name: str, index: Operand) -> Tensor:
    tensor = as_tensor(index, name)
    if not tensor.dtype.is_integer:
        raise DTypeError(
            f"{name}: indices must be integers, got {tensor.dtype}",
            details=operand_lines(index=tensor),
        )
    return cast(tensor, int64)


def _count(size: Size, like: Tensor) -> Tensor:
    count, _ = broadcast_operands("index", size_tensor(size), like)
    return count


def _inside(place: Tensor, size: Size, mode: str) -> Tensor:
    count = _count(size, place)
    if mode == "wrap":
        wrapped: Tensor = raw.remainder(place, count)
        return wrapped
    last = raw.subtract(count, number_like(1, place))
    result: Tensor = raw.maximum(raw.minimum(place, last), number_like(0, place))
    return result
