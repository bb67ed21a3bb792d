"""Named sizes: what they are in one call, found from the shapes of the inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from graphdl.errors import ShapeError
from graphdl.typesystem.expression import (
    Expression,
    Size,
    Sum,
    Symbol,
    free_symbols,
    substitute,
)
from graphdl.typesystem.tensor_type import TensorType


def bind_sizes(
    types: Sequence[TensorType],
    shapes: Sequence[tuple[int, ...]],
    names: Sequence[str],
    descriptions: Sequence[str] | None = None,
) -> dict[Symbol, int]:
    """The value of every named size in `types`, given the shapes of the arrays.

    A bare name takes the size it meets; an expression with one unknown name left is solved when it
    is linear; everything is checked. `descriptions` (one line per input, see `describe`) go into
    messages. Raises ShapeError for a wrong rank or size, for a name with two sizes, and for a name
    that the inputs do not determine.
    """
    if descriptions is None:
        pairs = zip(types, names, strict=True)
        descriptions = [f'{type_}  "{name}"' for type_, name in pairs]
    binder = _Binder(tuple(names), tuple(descriptions))
    for position, (type_, shape) in enumerate(zip(types, shapes, strict=True)):
        binder.check_rank(position, type_, shape)
    axes = [
        _Axis(position, axis, wanted, given)
        for position, (type_, shape) in enumerate(zip(types, shapes, strict=True))
        for axis, (wanted, given) in enumerate(zip(type_.shape, shape, strict=True))
    ]
    binder.bind(axes)
    return {symbol: value for symbol, (value, _) in binder.bound.items()}


@dataclass(frozen=True, slots=True)
class _Axis:
    position: int
    axis: int
    wanted: Size
    given: int


@dataclass(slots=True)
class _Binder:
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    bound: dict[Symbol, tuple[int, _Axis]] = field(default_factory=dict)

    def check_rank(self, position: int, type_: TensorType, shape: tuple[int, ...]) -> None:
        if len(shape) != type_.rank:
            raise ShapeError(
                f'"{self.names[position]}" needs {_axes(type_.rank)}, got shape {list(shape)}',
                details=(self.descriptions[position],),
            )

    def bind(self, axes: list[_Axis]) -> None:
        for axis in axes:
            if isinstance(axis.wanted, Symbol):
                self.bound.setdefault(axis.wanted, (axis.given, axis))
        unsolved = [axis for axis in axes if isinstance(axis.wanted, Expression)]
        while any([self.solve(axis) for axis in unsolved]):
            pass
        for axis in axes:
            self.check(axis)

    def solve(self, axis: _Axis) -> bool:
        """Bind the last unknown name of coefficient*name + constant; whether that was possible."""
        match substitute(axis.wanted, {symbol: pair[0] for symbol, pair in self.bound.items()}):
            case Symbol() as symbol:
                self.bound[symbol] = (axis.given, axis)
                return True
            case Sum(terms=((coefficient, (Symbol() as symbol,)),), constant=constant):
                value, rest = divmod(axis.given - constant, coefficient)
                if rest or value < 0:
                    self.refuse(axis)
                self.bound[symbol] = (value, axis)
                return True
        return False

    def check(self, axis: _Axis) -> None:
        size = substitute(axis.wanted, {symbol: pair[0] for symbol, pair in self.bound.items()})
        if size == axis.given:
            return
        if isinstance(size, Expression):
            unknown = ", ".join(sorted(symbol.name for symbol in free_symbols(size)))
            raise ShapeError(
                f"the inputs do not determine {unknown}: {axis.wanted} is {axis.given}",
                details=(self.descriptions[axis.position],),
                hint=f"give an input that has {unknown} itself as a size",
            )
        self.refuse(axis)

    def refuse(self, axis: _Axis) -> None:
        here = f'"{self.names[axis.position]}" axis {axis.axis} is {axis.given}'
        others = list(self.sources(axis))
        if isinstance(axis.wanted, int):
            raise ShapeError(
                f"{here}, needs {axis.wanted}", details=(self.descriptions[axis.position],)
            )
        if not others:
            raise ShapeError(
                f"{here}, which {axis.wanted} cannot be",
                details=(self.descriptions[axis.position],),
            )
        said = ", ".join(
            f'"{self.names[other.position]}" axis {other.axis} is {other.given}'
            + (f" = {other.wanted}" if other.wanted != axis.wanted else "")
            for other in others
        )
        positions = dict.fromkeys([*(other.position for other in others), axis.position])
        raise ShapeError(
            f"two sizes for {axis.wanted}: {said}, {here}",
            details=tuple(self.descriptions[position] for position in positions),
        )

    def sources(self, axis: _Axis) -> Iterator[_Axis]:
        """The axes that fixed the names in this one."""
        for symbol in sorted(free_symbols(axis.wanted), key=str):
            if symbol in self.bound:
                yield self.bound[symbol][1]


def _axes(rank: int) -> str:
    return "1 axis" if rank == 1 else f"{rank} axes"
