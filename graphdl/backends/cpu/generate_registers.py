"""REGISTER buffers as SSA values: every part of one is a name, joined by phis after branches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graphdl.backends.cpu.generate_arithmetic import Emitted
from graphdl.kernel.nodes import (
    Allocate,
    Binary,
    Bitcast,
    Buffer,
    CallFunction,
    Cast,
    Fma,
    Fold,
    If,
    Let,
    Load,
    Loop,
    LoopKind,
    Select,
    Space,
    Statement,
    Store,
    Unary,
    Value,
)
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import Size, Symbol, free_symbols, product, terms_of

Key = tuple[str, int]
"""A buffer's name and the first element of one of its parts."""


@dataclass(slots=True)
class Registers:
    """What each part of each register buffer holds now; `lanes` is the width of the parts."""

    lanes: dict[str, int]
    values: dict[Key, Emitted] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    allocated: set[str] = field(default_factory=set)
    _stored: dict[int, frozenset[str]] = field(default_factory=dict)

    def allocate(self, buffer: str) -> None:
        """Start a buffer afresh."""
        self.forget(buffer)
        self.allocated.add(buffer)

    def keep(self, outside: set[str]) -> None:
        """Leave a body: forget the buffers that were allocated inside it."""
        for buffer in self.allocated - outside:
            self.forget(buffer)
        self.allocated = set(outside)

    def forget(self, buffer: str) -> None:
        """Drop what a buffer holds."""
        for key in [key for key in self.values if key[0] == buffer]:
            del self.values[key]
        self.columns.pop(buffer, None)

    def store(self, buffer: str, first: int, value: Emitted) -> None:
        """Bind one part."""
        self.values[buffer, first] = value
        self.columns.pop(buffer, None)

    def load(self, buffer: str, first: int, dtype: DType) -> Emitted:
        """One part; poison where nothing was stored."""
        return self.values.get((buffer, first)) or Emitted("poison", dtype, self.lanes[buffer])

    def changing(self, body: Sequence[Statement]) -> list[Key]:
        """The parts bound now that `body` may bind again."""
        stored = self._stored_in(body)
        return [key for key in self.values if key[0] in stored]

    def _stored_in(self, body: Sequence[Statement]) -> frozenset[str]:
        found = self._stored.get(id(body))
        if found is None:
            found = self._stored[id(body)] = frozenset(
                access.buffer for access in _accesses(body, None, 0) if access.is_store
            )
        return found


def joined(type_: str, texts: Sequence[str], labels: Sequence[str]) -> str:
    """The text of a phi of values and the blocks that they come from."""
    pairs = zip(texts, labels, strict=True)
    return f"phi {type_} " + ", ".join(f"[{text}, %{label}]" for text, label in pairs)


def merge(
    first: Mapping[Key, Emitted], second: Mapping[Key, Emitted]
) -> Iterator[tuple[Key, Emitted, Emitted]]:
    """The parts that differ between two ways of reaching a block."""
    for key in {**first, **second}:
        left, right = first.get(key), second.get(key)
        known = left or right
        assert known is not None
        poison = Emitted("poison", known.dtype, known.lanes)
        if left != right:
            yield key, left or poison, right or poison


# Which buffers can be SSA values ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Access:
    buffer: str
    index: tuple[Size, ...]
    is_store: bool
    lane: Symbol | None
    lanes: int


def plan_registers(body: Sequence[Statement]) -> dict[str, int]:
    """The lanes of each REGISTER buffer that is always accessed in parts of one width (by columns
    too, if it is square). Other ones need memory."""
    buffers = {buffer.name: buffer for buffer in _allocated(body)}
    widths: dict[str, set[int | None]] = {name: set() for name in buffers}
    for access in _accesses(body, None, 0):
        if access.buffer in buffers:
            widths[access.buffer].add(_width(access, buffers[access.buffer]))
    plan: dict[str, int] = {}
    for name, found in widths.items():
        width = next(iter(found), 0)
        if len(found) <= 1 and width is not None:
            plan[name] = width
    return plan


def _allocated(body: Sequence[Statement]) -> Iterator[Buffer]:
    for statement in body:
        match statement:
            case Allocate(buffer) if buffer.space is Space.REGISTER:
                yield buffer
            case Loop():
                yield from _allocated(statement.body)
            case If():
                yield from _allocated(statement.body)
                yield from _allocated(statement.otherwise)


def _width(access: _Access, buffer: Buffer) -> int | None:
    """The lanes of the part that is accessed, None if it is not one part."""
    if access.lanes == -1:
        return None
    lane = access.lane
    varying = [
        position
        for position, index in enumerate(access.index)
        if lane is not None and lane in free_symbols(index)
    ]
    if not varying:
        return 0
    assert lane is not None
    terms, _ = terms_of(access.index[varying[0]])
    is_plain = len(varying) == 1 and (1, (lane,)) in terms
    is_plain &= sum(lane in atoms for _, atoms in terms) == 1
    if is_plain and varying[0] == len(buffer.shape) - 1:
        return access.lanes
    is_square = product(buffer.shape) == access.lanes * access.lanes
    return access.lanes if is_plain and is_square and not access.is_store else None


def _accesses(body: Sequence[Statement], lane: Symbol | None, lanes: int) -> Iterator[_Access]:
    for statement in body:
        match statement:
            case Let(_, value):
                yield from _loads(value, lane, lanes)
            case Store(buffer, index, value, _):
                yield _Access(buffer, index, True, lane, lanes)
                yield from _loads(value, lane, lanes)
            case Loop():
                yield from _loop_accesses(statement, lane, lanes)
            case If():
                yield from _accesses(statement.body, lane, lanes)
                yield from _accesses(statement.otherwise, lane, lanes)
            case CallFunction(_, _, views):
                for buffer, _ in views:
                    yield _Access(buffer, (), False, lane, -1)
            case Fold():
                pass


def _loop_accesses(loop: Loop, lane: Symbol | None, lanes: int) -> Iterator[_Access]:
    for carry in loop.carried:
        yield from _loads(carry.initial, lane, lanes)
        yield from _loads(carry.next, lane, lanes)
    if loop.kind is LoopKind.VECTOR and isinstance(loop.start, int) and isinstance(loop.stop, int):
        count = loop.stop - loop.start
        if count > 1:
            lane, lanes = loop.symbol, count
    yield from _accesses(loop.body, lane, lanes)


def _loads(value: Value, lane: Symbol | None, lanes: int) -> Iterator[_Access]:
    match value:
        case Load(buffer, index, _, _):
            yield _Access(buffer, index, False, lane, lanes)
        case Unary(_, operand) | Cast(operand, _) | Bitcast(operand, _):
            yield from _loads(operand, lane, lanes)
        case Binary(_, left, right):
            yield from _loads(left, lane, lanes)
            yield from _loads(right, lane, lanes)
        case Fma(first, second, third) | Select(first, second, third):
            for operand in (first, second, third):
                yield from _loads(operand, lane, lanes)
