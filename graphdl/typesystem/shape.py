"""Shapes and axes as users write them, turned into what the IR holds."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from graphdl.errors import ArgumentError, ShapeError
from graphdl.typesystem.expression import (
    Expression,
    Size,
    Symbol,
    add,
    floor_divide,
    free_symbols,
    maximum,
    minimum,
    modulo,
    multiply,
)
from graphdl.typesystem.tensor_type import Shape

_GRAMMAR = 'use a whole number, a name, or names with + - * // % min max, such as "2*batch+1"'
_NAME_IT = 'name the size, such as "batch"'

_BINARY: dict[type[ast.operator], Callable[[Size, Size], Size]] = {
    ast.Add: add,
    ast.Sub: lambda left, right: add(left, multiply(-1, right)),
    ast.Mult: multiply,
    ast.FloorDiv: floor_divide,
    ast.Mod: modulo,
}
_EXTREMES: dict[str, Callable[..., Size]] = {"min": minimum, "max": maximum}


def parse_shape(shape: object, *, op: str = "shape") -> Shape:
    """The shape that a user wrote: `("batch", 64, "2*batch+1")`.

    Each size is an int, the text of a size, or an Expression; a single one stands for a shape of
    rank 1. Raises ShapeError for anything else and for negative sizes.
    """
    if isinstance(shape, str | Expression) or _as_int(shape) is not None:
        shape = (shape,)
    if not isinstance(shape, Iterable):
        raise ShapeError(f"{op}: {shape!r} is not a shape", hint=_GRAMMAR)
    return tuple(as_size(size, op=op) for size in shape)


def as_size(size: object, *, op: str = "shape") -> Size:
    """The size that a user wrote as an int, a text or an Expression. Raises ShapeError."""
    parsed: Size | None
    if isinstance(size, str):
        parsed = parse_size(size)
    elif isinstance(size, Expression):
        parsed = size
    else:
        parsed = _as_int(size)
        if parsed is None:
            raise ShapeError(
                f"{op}: {size!r} is not a size", hint=_NAME_IT if size is None else _GRAMMAR
            )
    if isinstance(parsed, int) and parsed < 0:
        raise ShapeError(
            f"{op}: size {parsed} is negative", hint=_NAME_IT if parsed == -1 else None
        )
    return parsed


def _as_int(value: object) -> int | None:
    """The whole number that `value` is; None for a bool and for anything else."""
    if isinstance(value, bool | str):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


@lru_cache(maxsize=4096)
def parse_size(text: str) -> Size:
    """The expression that `text` writes; `parse_size(str(size)) == size`. Raises ShapeError."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ShapeError(f"{text!r} is not a size", hint=_GRAMMAR) from None
    return _size_of(tree, text)


def _size_of(tree: ast.expr, text: str) -> Size:
    match tree:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return value
        case ast.Name(id=name):
            return Symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return multiply(-1, _size_of(operand, text))
        case ast.BinOp(left=left, op=symbol, right=right) if type(symbol) in _BINARY:
            divisor = _size_of(right, text)
            if divisor == 0 and isinstance(symbol, ast.FloorDiv | ast.Mod):
                raise ShapeError(f"{text!r} divides by zero")
            return _BINARY[type(symbol)](_size_of(left, text), divisor)
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=[_, *_] as terms, keywords=[]):
            return _EXTREMES[name](*(_size_of(term, text) for term in terms))
    raise ShapeError(f"{ast.unparse(tree)!r} in {text!r} is not a size", hint=_GRAMMAR)


def canonical_axis(axis: object, rank: int, *, op: str = "axis", name: str = "axis") -> int:
    """`axis` counted from the front: -1 is rank - 1.

    Raises ArgumentError when it is no whole number or outside [-rank, rank).
    """
    number = _as_int(axis)
    if number is None:
        raise ArgumentError(f"{op}: {name} {axis!r} is not a whole number")
    if -rank <= number < rank:
        return number % rank
    if rank == 0:
        raise ArgumentError(f"{op}: {name} {number} of a 0-d tensor, which has no axes")
    raise ArgumentError(
        f"{op}: {name} {number} is out of range for a {rank}-d tensor",
        hint=f"use {-rank} to {rank - 1}",
    )


def canonical_axes(
    axes: object, rank: int, *, op: str = "axis", name: str = "axis"
) -> tuple[int, ...]:
    """`axes` (an int, several, or None for all) counted from the front, sorted.

    Raises ArgumentError for an axis out of range or named twice.
    """
    if axes is None:
        return tuple(range(rank))
    return tuple(sorted(_distinct_axes(axes, rank, op, name)))


def canonical_permutation(axes: object, rank: int, *, op: str = "permute_dims") -> tuple[int, ...]:
    """`axes` counted from the front, in the order given; each axis must be named once."""
    result = _distinct_axes(axes, rank, op, "axis")
    if len(result) != rank:
        raise ArgumentError(f"{op}: {len(result)} axes for a {rank}-d tensor: name each axis once")
    return result


def _distinct_axes(axes: object, rank: int, op: str, name: str) -> tuple[int, ...]:
    given: Sequence[object] = tuple(axes) if isinstance(axes, Iterable) else (axes,)
    result = tuple(canonical_axis(axis, rank, op=op, name=name) for axis in given)
    for position, axis in enumerate(result):
        if axis in result[:position]:
            raise ArgumentError(f"{op}: {name} {axis} is named twice in {axes!r}")
    return result


def shape_symbols(shape: Shape) -> tuple[Symbol, ...]:
    """The named sizes that a shape mentions, in order of first mention."""
    found: dict[Symbol, None] = {}
    for size in shape:
        found.update(dict.fromkeys(sorted(free_symbols(size), key=str)))
    return tuple(found)
