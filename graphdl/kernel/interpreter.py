"""Kernels in NumPy: what both forms of the loop IR mean, slowly but for certain.

All iterations of PARALLEL and VECTOR loops and all points of a Sweep run together, statement by
statement; SERIAL and UNROLL loops run in turn. Folds add in exactly the order that the Accumulator
says. Reported as InternalError: an access outside a buffer, two parallel iterations that
write one element, an unbound name. What Allocate makes is full of NaN or garbage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import InternalError
from graphdl.kernel.evaluator import (
    Index,
    evaluate,
    evaluate_comparisons,
    evaluate_index,
)
from graphdl.kernel.folding import finish_fold, fold_points, start_fold
from graphdl.kernel.nodes import (
    LANES,
    Accumulator,
    Allocate,
    Axis,
    Buffer,
    CallFunction,
    Fold,
    If,
    Kernel,
    Let,
    Load,
    Loop,
    LoopKind,
    Order,
    Statement,
    Store,
    Sweep,
    Value,
)
from graphdl.kernel.printer import statement_text
from graphdl.typesystem.expression import Size, Symbol

Array = NDArray[Any]

_POINTS_AT_ONCE = 1 << 18
"""How many points of a Sweep are evaluated together, to bound memory."""


def interpret(
    kernel: Kernel,
    arrays: Sequence[Array],
    sizes: Sequence[int],
    functions: Mapping[str, Kernel] | None = None,
) -> None:
    """Run `kernel` on one C-contiguous array per argument buffer, changing the written ones in
    place, with one int per size symbol. `functions` are the kernels that CallFunction names; the
    lengths of their flat buffers are bound here. Raises InternalError when the kernel is wrong."""
    symbols: dict[Symbol, Index] = dict(zip(kernel.sizes, map(int, sizes), strict=True))
    storages = {}
    for buffer, array in zip(kernel.buffers, arrays, strict=True):
        shape = _shape(buffer, symbols)
        if array.shape != shape or array.dtype != buffer.dtype.numpy:
            raise InternalError(f"{buffer} was given {array.dtype}{list(array.shape)}")
        storages[buffer.name] = _Storage(array, None)
    with np.errstate(all="ignore"):
        _run(kernel.body, _Scope(1, symbols, {}, storages, functions or {}))


@dataclass(frozen=True, slots=True)
class _Storage:
    """A buffer's elements. A THREAD or REGISTER buffer has a leading axis of owners and, for each
    point that runs now, the `owner` it belongs to."""

    array: Array
    owner: Array | None

    def take(self, chosen: Array) -> _Storage:
        """The same elements, for the points numbered in `chosen`."""
        return self if self.owner is None else _Storage(self.array, self.owner[chosen])


@dataclass(slots=True)
class _Scope:
    """The points that run together and what is bound for them."""

    points: int
    symbols: dict[Symbol, Index]
    names: dict[str, Array]
    storages: dict[str, _Storage]
    functions: Mapping[str, Kernel]

    def inner(self) -> _Scope:
        """The same points with bindings of their own."""
        parts = (dict(self.symbols), dict(self.names), dict(self.storages))
        return _Scope(self.points, *parts, self.functions)

    def take(self, chosen: Array) -> _Scope:
        """The points numbered in `chosen`, which may repeat."""
        symbols = {s: v if isinstance(v, int) else v[chosen] for s, v in self.symbols.items()}
        names = {n: v if v.ndim == 0 else v[chosen] for n, v in self.names.items()}
        storages = {name: storage.take(chosen) for name, storage in self.storages.items()}
        return _Scope(len(chosen), symbols, names, storages, self.functions)

    def bind(self, name: str, value: Array) -> None:
        """Bind a name; int64 names are symbols too."""
        self.names[name] = value
        if value.dtype == np.int64:
            self.symbols[Symbol(name)] = int(value) if value.ndim == 0 else value

    def value(self, value: Value) -> Array:
        """`value` at every point, or once for all."""
        return evaluate(value, self.names, self.symbols, lambda load: _load(load, self))

    def every(self, index: Size) -> Array:
        """`index` as one int64 per point."""
        return np.broadcast_to(evaluate_index(index, self.symbols), (self.points,))


def _shape(buffer: Buffer, symbols: dict[Symbol, Index]) -> tuple[int, ...]:
    sizes = [evaluate_index(size, symbols) for size in buffer.shape]
    if not all(isinstance(size, int) for size in sizes):
        raise InternalError(f"the shape of {buffer} differs between parallel iterations")
    return tuple(int(size) for size in sizes)


# Statements ---------------------------------------------------------------------------------------


def _run(body: tuple[Statement, ...], scope: _Scope) -> None:
    for statement in body:
        if scope.points == 0:
            return
        try:
            _step(statement, scope)
        except _Fault as fault:
            raise InternalError(f"{fault} in `{statement_text(statement).strip()}`") from None


class _Fault(Exception):
    """What went wrong, before the statement is known."""


def _step(statement: Statement, scope: _Scope) -> None:
    match statement:
        case Let(name, value):
            scope.bind(name, scope.value(value))
        case Store():
            _store(statement, scope)
        case Loop():
            _loop(statement, scope)
        case Sweep():
            _sweep(statement, scope)
        case If(condition, body, otherwise):
            holds = np.broadcast_to(evaluate_comparisons(condition, scope.symbols), (scope.points,))
            _run(body, scope.take(np.flatnonzero(holds)))
            _run(otherwise, scope.take(np.flatnonzero(~holds)))
        case Allocate(buffer):
            scope.storages[buffer.name] = _garbage(buffer, scope)
        case Fold(name, reducer, buffer):
            scope.bind(name, _join(reducer, scope.storages[buffer]))
        case CallFunction():
            _call(statement, scope)


def _call(call: CallFunction, scope: _Scope) -> None:
    """Run the function once for each point, in turn."""
    function = scope.functions.get(call.name)
    if function is None:
        raise InternalError(f"the interpreter has no function {call.name}")
    sizes = [scope.every(argument) for argument in call.arguments]
    offsets = [scope.every(offset) for _, offset in call.views]
    for point in range(scope.points):
        views = []
        for (name, _), offset in zip(call.views, offsets, strict=True):
            storage = scope.storages[name]
            owned = storage.array if storage.owner is None else storage.array[storage.owner[point]]
            if offset[point] < 0:
                raise _Fault(f"a view of {name} starts at element {offset[point]}")
            views.append(owned.reshape(-1)[int(offset[point]) :])
        lengths = [Symbol(str(buffer.shape[0])) for buffer in function.buffers if buffer.shape]
        full = replace(function, sizes=(*function.sizes, *lengths))
        numbers = [int(size[point]) for size in sizes] + [len(view) for view in views]
        interpret(full, views, numbers, scope.functions)


def _garbage(buffer: Buffer, scope: _Scope) -> _Storage:
    shape = (scope.points, *_shape(buffer, scope.symbols))
    if buffer.dtype.is_floating:
        array = np.full(shape, np.nan, dtype=buffer.dtype.numpy)
    elif buffer.dtype.is_bool:
        array = np.ones(shape, dtype=np.bool_)
    else:
        array = np.full(shape, 0x5A, dtype=np.uint8).astype(buffer.dtype.numpy)
    return _Storage(array, np.arange(scope.points))


def _join(reducer: str, storage: _Storage) -> Array:
    assert storage.owner is not None
    return finish_fold(reducer, (storage.array[storage.owner],))[0]


def _loop(loop: Loop, scope: _Scope) -> None:
    start = evaluate_index(loop.start, scope.symbols)
    stop = evaluate_index(loop.stop, scope.symbols)
    if loop.kind in (LoopKind.PARALLEL, LoopKind.VECTOR):
        for inner in _together(loop, start, stop, scope):
            _run(loop.body, inner)
    else:
        _in_turn(loop, start, stop, scope)


def _together(loop: Loop, start: Index, stop: Index, scope: _Scope) -> Iterator[_Scope]:
    """The scopes of all iterations, at most `_POINTS_AT_ONCE` points each."""
    counts = np.maximum(0, -((start - np.asarray(stop)) // loop.step))
    counts = np.broadcast_to(counts, (scope.points,))
    first = np.broadcast_to(start, (scope.points,))
    ends = np.cumsum(counts)
    total = int(ends[-1])
    for begin in range(0, total, _POINTS_AT_ONCE):
        number = np.arange(begin, min(total, begin + _POINTS_AT_ONCE))
        outer = np.searchsorted(ends, number, side="right")
        inner = scope.take(outer)
        rank = number - (ends[outer] - counts[outer])
        inner.symbols[loop.symbol] = first[outer] + rank * loop.step
        yield inner


def _in_turn(loop: Loop, start: Index, stop: Index, scope: _Scope) -> None:
    for carry in loop.carried:
        initial = scope.value(carry.initial)
        scope.bind(carry.name, np.broadcast_to(initial, (scope.points,)).copy())
    if isinstance(start, int) and isinstance(stop, int):
        for now in range(start, stop, loop.step):
            inner = scope.inner()
            inner.symbols[loop.symbol] = now
            _iterate(loop, inner, scope, np.arange(scope.points))
        return
    first = np.broadcast_to(start, (scope.points,))
    last = np.broadcast_to(stop, (scope.points,))
    now_at = first.copy()
    while (chosen := np.flatnonzero(now_at < last)).size:
        inner = scope.take(chosen)
        inner.symbols[loop.symbol] = now_at[chosen]
        _iterate(loop, inner, scope, chosen)
        now_at = now_at + loop.step


def _iterate(loop: Loop, inner: _Scope, scope: _Scope, chosen: Array) -> None:
    _run(loop.body, inner)
    following = [(carry.name, inner.value(carry.next)) for carry in loop.carried]
    for name, value in following:
        updated = scope.names[name].copy()
        updated[chosen] = value
        scope.bind(name, updated)


# Sweeps -------------------------------------------------------------------------------------------


def _sweep(sweep: Sweep, scope: _Scope) -> None:
    extents = [evaluate_index(axis.extent, scope.symbols) for axis in sweep.axes]
    if all(isinstance(extent, int) for extent in extents):
        results = _uniform_sweep(sweep, [max(0, int(extent)) for extent in extents], scope)
    else:
        parts = []
        for point in range(scope.points):
            one = scope.take(np.array([point]))
            sizes = [int(np.broadcast_to(extent, scope.points)[point]) for extent in extents]
            parts.append(_uniform_sweep(sweep, [max(0, size) for size in sizes], one))
        results = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for name, value in results.items():
        scope.bind(name, value)


def _uniform_sweep(sweep: Sweep, extents: list[int], scope: _Scope) -> dict[str, Array]:
    """The folded names, in chunks of owners so that each owner's points fit at once."""
    count = int(np.prod(extents))
    owners = max(1, _POINTS_AT_ONCE // max(1, count))
    parts = []
    for begin in range(0, scope.points, owners):
        chunk = scope
        if owners < scope.points:
            chunk = scope.take(np.arange(begin, min(scope.points, begin + owners)))
        parts.append(_sweep_chunk(sweep, extents, count, chunk))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _sweep_chunk(sweep: Sweep, extents: list[int], count: int, scope: _Scope) -> dict[str, Array]:
    states = [start_fold(accumulator, scope.points) for accumulator in sweep.accumulators]
    for begin in range(0, count, _POINTS_AT_ONCE):
        number = np.arange(begin, min(count, begin + _POINTS_AT_ONCE))
        inner = scope.take(np.repeat(np.arange(scope.points), len(number)))
        for symbol, index in _positions(sweep.axes, extents, number):
            inner.symbols[symbol] = np.tile(index, scope.points)
        _run(sweep.body, inner)
        for position, accumulator in enumerate(sweep.accumulators):
            values = [
                np.broadcast_to(inner.value(value), (inner.points,)).reshape(scope.points, -1)
                for value in accumulator.values
            ]
            states[position] = fold_points(accumulator, states[position], values)
    return dict(_folded(sweep.accumulators, states))


def _positions(
    axes: tuple[Axis, ...], extents: list[int], number: Array
) -> Iterator[tuple[Symbol, Array]]:
    for axis, index in zip(axes, np.unravel_index(number, extents), strict=True):
        yield axis.symbol, index


def _folded(
    accumulators: tuple[Accumulator, ...], states: list[tuple[Array, ...]]
) -> Iterator[tuple[str, Array]]:
    for accumulator, state in zip(accumulators, states, strict=True):
        if accumulator.order is Order.INTERLEAVED and state[0].shape[1] != LANES:
            raise InternalError("an interleaved fold has the wrong number of partials")
        yield from zip(accumulator.names, finish_fold(accumulator.reducer, state), strict=True)


# Memory -------------------------------------------------------------------------------------------


def _place(
    storage: _Storage, index: tuple[Size, ...], mask: bool | Array, scope: _Scope
) -> tuple[Array, Array]:
    """The points where `mask` holds and the flat element that each of them touches."""
    points = np.flatnonzero(np.broadcast_to(mask, (scope.points,)))
    shape = storage.array.shape if storage.owner is None else storage.array.shape[1:]
    if len(index) != len(shape):
        raise _Fault(f"{len(index)} indices for a buffer of rank {len(shape)}")
    flat: Array = np.zeros(len(points), dtype=np.int64)
    if storage.owner is not None:
        flat = storage.owner[points]
    for size, extent in zip(index, shape, strict=True):
        position = scope.every(size)[points]
        if position.size and (position.min() < 0 or position.max() >= extent):
            wrong = position[(position < 0) | (position >= extent)][0]
            raise _Fault(f"index {size} is {wrong}, outside 0..{extent - 1},")
        flat = flat * extent + position
    return points, flat


def _load(load: Load, scope: _Scope) -> Array:
    storage = scope.storages.get(load.buffer)
    if storage is None:
        raise _Fault(f"there is no buffer {load.buffer}")
    mask = evaluate_comparisons(load.mask, scope.symbols)
    points, flat = _place(storage, load.index, mask, scope)
    result = np.zeros(scope.points, dtype=storage.array.dtype)
    result[points] = storage.array.reshape(-1)[flat]
    return result


def _store(store: Store, scope: _Scope) -> None:
    storage = scope.storages.get(store.buffer)
    if storage is None:
        raise _Fault(f"there is no buffer {store.buffer}")
    mask = evaluate_comparisons(store.mask, scope.symbols)
    points, flat = _place(storage, store.index, mask, scope)
    if len(np.unique(flat)) != len(flat):
        raise _Fault("two parallel iterations write one element")
    value = np.broadcast_to(scope.value(store.value), (scope.points,))
    storage.array.reshape(-1)[flat] = value[points]
