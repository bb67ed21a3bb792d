"""A Program as LLVM text: one native function that makes one call, and one that prepares it.

    i64 run(ptr pointers, ptr sizes, ptr arena, i64 threads)

runs the statements in order. `pointers` holds the addresses of inputs, outputs, variables and
constants, then that of the callback; `sizes` the named sizes; `arena` the program's arena, followed
by the threads' workspaces, 64-byte aligned. Returns 0, or the number of the statement that failed
(counted from 1 in the order of `number_statements`): a Check whose condition is not all true, or a
callback that did not return 0. Print and HostCall go through

    i64 callback(i64 statement, ptr views, ptr sizes)

with the addresses of the statement's views.

    i64 prepare(ptr sizes, ptr derived)

checks the guards and fills `derived` (see `Derived`). Returns 0, or the number of the first guard
that fails.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from graphdl.backends.cpu.pool import PARALLEL_FOR, declare_parallel_for
from graphdl.backends.cpu.size_text import DECLARATIONS, SizeWriter
from graphdl.backends.cpu.tiled import THREADS, TiledKernel
from graphdl.errors import InternalError
from graphdl.program.nodes import (
    Branch,
    Check,
    Copy,
    HostCall,
    Launch,
    Loop,
    Print,
    Program,
    Statement,
    Storage,
    Swap,
    View,
)
from graphdl.typesystem.expression import Size, Symbol, maximum, substitute

RUN = "graphdl_run"
PREPARE = "graphdl_prepare"

GRAIN = 5_000_000
"""Picoseconds of work that one chunk of a parallel loop should hold at least."""

LARGE_TASK = 4 * GRAIN
"""Picoseconds from which on a single task is worth waking a thread for."""

ALIGNMENT = 64

_CALL_THREADS = Symbol("threads of the call")  # no user can name a size so


@dataclass(frozen=True, slots=True)
class Derived:
    """What `prepare` computes, in this order: arena bytes (rounded up to 64), workspace bytes of
    one thread, estimated picoseconds of the call, then `dimensions`."""

    dimensions: tuple[Size, ...]

    @property
    def count(self) -> int:
        """How many numbers `prepare` writes."""
        return 3 + len(self.dimensions)


def number_statements(program: Program) -> tuple[Statement, ...]:
    """All statements, bodies after their owner; `run` returns positions in this, from 1."""
    return tuple(_flatten(program.statements))


def _flatten(statements: Iterable[Statement]) -> Iterator[Statement]:
    for statement in statements:
        yield statement
        match statement:
            case Loop(_, _, body):
                yield from _flatten(body)
            case Branch(_, bodies):
                for body in bodies:
                    yield from _flatten(body)


def write_driver(
    program: Program, tiled: Mapping[str, TiledKernel], dimensions: Iterable[Size]
) -> tuple[str, Derived]:
    """The LLVM module with `run` and `prepare`. `tiled` gives each launched kernel's functions;
    `dimensions` are sizes that the caller wants computed at entry."""
    derived = Derived(tuple(dimensions))
    run = _RunWriter(program, tiled).write()
    prepare = _write_prepare(program, tiled, derived)
    symbols = sorted({tiled[launch.kernel].symbol for launch in _launches(program)})
    kernels = [f"declare void @{symbol}(ptr, ptr, i64, i64, ptr)" for symbol in symbols]
    parts = (run, prepare, _SWAP, *kernels, declare_parallel_for(), *DECLARATIONS, *_LIBRARY)
    return "\n".join(parts) + "\n", derived


def _launches(program: Program) -> list[Launch]:
    return [each for each in _flatten(program.statements) if isinstance(each, Launch)]


def _round_up(size: Size) -> Size:
    return (size + (ALIGNMENT - 1)) // ALIGNMENT * ALIGNMENT


@dataclass(frozen=True, slots=True)
class _LaunchSizes:
    """A kernel's expressions in the program's sizes."""

    count: Size
    cost: Size
    workspace: Size


def _launch_sizes(program: Program, launch: Launch, tiled: TiledKernel) -> _LaunchSizes:
    symbols = program.kernels[launch.kernel].sizes
    values: dict[Symbol, Size] = dict(zip(symbols, launch.sizes, strict=True))
    values[THREADS] = _CALL_THREADS
    count, cost, workspace = (
        substitute(each, values) for each in (tiled.count, tiled.cost, tiled.workspace)
    )
    return _LaunchSizes(count, cost, _round_up(workspace))


# prepare ------------------------------------------------------------------------------------------


def _write_prepare(program: Program, tiled: Mapping[str, TiledKernel], derived: Derived) -> str:
    lines: list[str] = [f"define i64 @{PREPARE}(ptr %sizes, ptr %derived) {{", "entry:"]
    names = (f"%v{number}" for number in itertools.count())
    writer = SizeWriter(lines, lambda: next(names), {})
    _load_sizes(program, writer)
    for number, guard in enumerate(program.guards, 1):
        holds = writer.compare(guard.condition)
        lines.append(f"  br i1 {holds}, label %pass{number}, label %fail{number}")
        lines += [f"fail{number}:", f"  ret i64 {number}", f"pass{number}:"]
    loops = _loop_replacements(program)
    launched = [_launch_sizes(program, each, tiled[each.kernel]) for each in _launches(program)]
    workspaces = {substitute(each.workspace, loops) for each in launched}
    numbers = [
        writer.write(_round_up(program.arena_bytes)),
        writer.write(maximum(0, *workspaces)),
        _write_cost(program, tiled, writer),
        *map(writer.write, derived.dimensions),
    ]
    for position, number_text in enumerate(numbers):
        address = writer.add(f"getelementptr i64, ptr %derived, i64 {position}")
        lines.append(f"  store i64 {number_text}, ptr {address}")
    lines += ["  ret i64 0", "}"]
    return "\n".join(lines)


def _loop_replacements(program: Program) -> dict[Symbol, Size]:
    """Loop symbols stand at their first value when sizes are computed before the loops run, and
    work is counted for one thread."""
    loops = [each for each in _flatten(program.statements) if isinstance(each, Loop)]
    return {_CALL_THREADS: 1, **{each.symbol: 0 for each in loops}}


def _write_cost(program: Program, tiled: Mapping[str, TiledKernel], writer: SizeWriter) -> str:
    loops = _loop_replacements(program)
    times: dict[Size, int] = {}
    for launch, turns in _repeated(program.statements, 1):
        sizes = _launch_sizes(program, launch, tiled[launch.kernel])
        cost = substitute(sizes.count * sizes.cost * turns, loops)
        times[cost] = times.get(cost, 0) + 1
    total = "0"
    constant = sum(cost * number for cost, number in times.items() if isinstance(cost, int))
    for cost, number in times.items():
        if not isinstance(cost, int):
            part = writer.add(f"mul i64 {writer.write(cost)}, {number}")
            total = writer.add(f"add i64 {total}, {part}")
    return writer.add(f"add i64 {total}, {constant}")


def _repeated(statements: Iterable[Statement], turns: Size) -> Iterator[tuple[Launch, Size]]:
    """Every launch, and how often it runs; of the bodies of a branch, each counts."""
    for statement in statements:
        match statement:
            case Launch():
                yield statement, turns
            case Loop(_, count, body):
                yield from _repeated(body, turns * count)
            case Branch(_, bodies):
                for body in bodies:
                    yield from _repeated(body, turns)


def _load_sizes(program: Program, writer: SizeWriter) -> None:
    for position, symbol in enumerate(program.sizes):
        address = writer.add(f"getelementptr i64, ptr %sizes, i64 {position}")
        writer.known[symbol] = writer.add(f"load i64, ptr {address}")


# run ----------------------------------------------------------------------------------------------


class _RunWriter:
    """Writes `run`. Values computed at entry are known everywhere; inside a Loop or Branch a
    nested SizeWriter keeps what only that body may use."""

    def __init__(self, program: Program, tiled: Mapping[str, TiledKernel]) -> None:
        self.program = program
        self.tiled = tiled
        self.lines: list[str] = []
        self.names = (f"%v{number}" for number in itertools.count())
        self.labels = itertools.count()
        self.numbers = itertools.count(1)
        self.block = "entry"
        self.writer = SizeWriter(self.lines, lambda: next(self.names), {})
        self.bases: dict[int, str] = {}

    def write(self) -> str:
        """The text of the function."""
        flat = number_statements(self.program)
        views = max((len(_views(each)) for each in flat), default=0)
        sizes = max((len(each.sizes) for each in flat if isinstance(each, Launch)), default=0)
        self.lines += [
            f"define i64 @{RUN}(ptr %pointers, ptr %sizes, ptr %arena, i64 %threads) {{",
            "entry:",
            f"  %views = alloca [{max(views, 1)} x ptr], align 16",
            f"  %kernel_sizes = alloca [{sizes + 1} x i64], align 16",
        ]
        self.writer.known[_CALL_THREADS] = "%threads"
        _load_sizes(self.program, self.writer)
        self._compute_entry_values(flat)
        self.body(self.program.statements)
        self.lines += ["  ret i64 0", "}"]
        return "\n".join(self.lines)

    def _compute_entry_values(self, flat: tuple[Statement, ...]) -> None:
        """Load the base addresses and the end of the arena once, where they dominate everything."""
        used = {self._slot(view) for each in flat for view in _views(each)}
        if any(isinstance(each, Print | HostCall) for each in flat):
            used.add(self._callback_slot)
        for slot in sorted(used - {-1}):
            address = self.writer.add(f"getelementptr ptr, ptr %pointers, i64 {slot}")
            self.bases[slot] = self.writer.add(f"load ptr, ptr {address}")
        end = self.writer.write(_round_up(self.program.arena_bytes))
        self.workspace = self.writer.add(f"getelementptr i8, ptr %arena, i64 {end}")

    @property
    def _callback_slot(self) -> int:
        program = self.program
        slots = (program.inputs, program.outputs, program.variables, program.constants)
        return sum(map(len, slots))

    def _slot(self, view: View) -> int:
        """Where `pointers` holds the view's base; -1 for the arena."""
        program = self.program
        before: dict[Storage, int] = {Storage.ARENA: -1 - view.position, Storage.INPUT: 0}
        before[Storage.OUTPUT] = len(program.inputs)
        before[Storage.VARIABLE] = before[Storage.OUTPUT] + len(program.outputs)
        before[Storage.CONSTANT] = before[Storage.VARIABLE] + len(program.variables)
        return before[view.storage] + view.position

    def body(self, statements: Iterable[Statement]) -> None:
        """Write statements one after the other."""
        for statement in statements:
            self._statement(statement, next(self.numbers))

    def _statement(self, statement: Statement, number: int) -> None:
        match statement:
            case Launch():
                self._launch(statement)
            case Copy(source, target):
                count = self.writer.write(target.type.byte_count)
                addresses = f"ptr {self._address(target)}, ptr {self._address(source)}"
                self.line(f"call void @llvm.memcpy.p0.p0.i64({addresses}, i64 {count}, i1 false)")
            case Swap(first, second):
                count = self.writer.write(first.type.byte_count)
                addresses = f"ptr {self._address(first)}, ptr {self._address(second)}"
                self.line(f"call void @graphdl_swap({addresses}, i64 {count})")
            case Check(condition, _):
                self._check(condition, number)
            case Print() | HostCall():
                self._callback(statement, number)
            case Branch(condition, bodies):
                self._branch(condition, bodies)
            case Loop(symbol, count_size, body):
                self._loop(symbol, count_size, body)
            case _:
                raise InternalError(f"the CPU driver does not know {type(statement).__name__}")

    def line(self, instruction: str) -> None:
        """Append one instruction without a result."""
        self.lines.append(f"  {instruction}")

    def _address(self, view: View) -> str:
        slot = self._slot(view)
        base = "%arena" if slot < 0 else self.bases[slot]
        if view.offset == 0:
            return base
        return self.writer.add(
            f"getelementptr i8, ptr {base}, i64 {self.writer.write(view.offset)}"
        )

    def _store_views(self, views: Iterable[View]) -> None:
        for position, view in enumerate(views):
            address = self._address(view)
            slot = self.writer.add(f"getelementptr ptr, ptr %views, i64 {position}")
            self.line(f"store ptr {address}, ptr {slot}")

    def _launch(self, launch: Launch) -> None:
        tiled = self.tiled[launch.kernel]
        sizes = _launch_sizes(self.program, launch, tiled)
        self._store_views(launch.views)
        for position, size in enumerate((*launch.sizes, _CALL_THREADS)):
            operand = self.writer.write(size)
            slot = self.writer.add(f"getelementptr i64, ptr %kernel_sizes, i64 {position}")
            self.line(f"store i64 {operand}, ptr {slot}")
        count = self.writer.write(sizes.count)
        total = sizes.count * sizes.cost
        arguments = "ptr %views, ptr %kernel_sizes"
        if isinstance(total, int) and total <= 2 * GRAIN:
            self.line(
                f"call void @{tiled.symbol}({arguments}, i64 0, i64 {count}, ptr {self.workspace})"
            )
            return
        stride, grain = self.writer.write(sizes.workspace), self._grain(sizes.cost)
        self.line(
            f"call void @{PARALLEL_FOR}(ptr @{tiled.symbol}, {arguments}, ptr {self.workspace}, "
            f"i64 {stride}, i64 {count}, i64 {grain}, i64 %threads)"
        )

    def _grain(self, cost: Size) -> str:
        """Tasks that one chunk should hold at least; 0 when one task is much more than enough, so
        that the pool does not take few tasks for little work."""
        if isinstance(cost, int):
            return str(max(GRAIN // max(cost, 1), min(1, LARGE_TASK // max(cost, 1))))
        positive = self.writer.write(maximum(cost, 1))
        share = self.writer.add(f"udiv i64 {GRAIN}, {positive}")
        is_few = self.writer.add(f"udiv i64 {LARGE_TASK}, {positive}")
        least = self.writer.add(f"call i64 @llvm.smin.i64(i64 {is_few}, i64 1)")
        return self.writer.add(f"call i64 @llvm.smax.i64(i64 {share}, i64 {least})")

    def _check(self, condition: View, number: int) -> None:
        count = self.writer.write(condition.type.byte_count)
        found = self.writer.add(
            f"call ptr @memchr(ptr {self._address(condition)}, i32 0, i64 {count})"
        )
        self._fail_unless(self.writer.add(f"icmp eq ptr {found}, null"), number)

    def _fail_unless(self, holds: str, number: int) -> None:
        label = next(self.labels)
        self.line(f"br i1 {holds}, label %pass{label}, label %fail{label}")
        self.lines += [f"fail{label}:", f"  ret i64 {number}"]
        self._start_block(f"pass{label}")

    def _start_block(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.block = label

    def _callback(self, statement: Print | HostCall, number: int) -> None:
        self._store_views(_views(statement))
        function = self.bases[self._callback_slot]
        code = self.writer.add(f"call i64 {function}(i64 {number}, ptr %views, ptr %sizes)")
        self._fail_unless(self.writer.add(f"icmp eq i64 {code}, 0"), number)

    def _branch(self, condition: View, bodies: tuple[tuple[Statement, ...], ...]) -> None:
        bits = condition.type.dtype.bits
        value = self.writer.add(f"load i{bits}, ptr {self._address(condition)}, align 1")
        label = next(self.labels)
        cases = " ".join(
            f"i{bits} {position}, label %case{label}_{position}" for position in range(len(bodies))
        )
        self.line(f"switch i{bits} {value}, label %case{label}_{len(bodies) - 1} [ {cases} ]")
        outside = self.writer
        for position, body in enumerate(bodies):
            self._start_block(f"case{label}_{position}")
            self.writer = outside.within({})
            self.body(body)
            self.line(f"br label %joined{label}")
        self.writer = outside
        self._start_block(f"joined{label}")

    def _loop(self, symbol: Symbol, count_size: Size, body: tuple[Statement, ...]) -> None:
        count, label = self.writer.write(count_size), next(self.labels)
        before = self.block
        index, following = f"%index{label}", f"%following{label}"
        self.line(f"br label %loop{label}")
        self._start_block(f"loop{label}")
        position = len(self.lines)
        self.line(f"%more{label} = icmp slt i64 {index}, {count}")
        self.line(f"br i1 %more{label}, label %body{label}, label %done{label}")
        self._start_block(f"body{label}")
        outside, self.writer = self.writer, self.writer.within({symbol: index})
        self.body(body)
        self.writer = outside
        self.line(f"{following} = add i64 {index}, 1")
        self.line(f"br label %loop{label}")
        phi = f"  {index} = phi i64 [ 0, %{before} ], [ {following}, %{self.block} ]"
        self.lines.insert(position, phi)
        self._start_block(f"done{label}")


def _views(statement: Statement) -> tuple[View, ...]:
    """The views whose addresses the statement needs."""
    match statement:
        case Launch(_, views):
            return views
        case Copy(source, target):
            return (source, target)
        case Swap(first, second):
            return (first, second)
        case Check(condition, _):
            return (condition,)
        case Print(value):
            return (value,)
        case Branch(condition, _):
            return (condition,)
        case HostCall(_, views, outputs):
            return (*views, *outputs)
    return ()


_SWAP = """
define internal void @graphdl_swap(ptr %first, ptr %second, i64 %count) {
entry:
  %kept = alloca [4096 x i8], align 64
  br label %loop
loop:
  %done = phi i64 [ 0, %entry ], [ %next, %part ]
  %more = icmp slt i64 %done, %count
  br i1 %more, label %part, label %finish
part:
  %left = sub i64 %count, %done
  %size = call i64 @llvm.smin.i64(i64 %left, i64 4096)
  %here = getelementptr i8, ptr %first, i64 %done
  %there = getelementptr i8, ptr %second, i64 %done
  call void @llvm.memcpy.p0.p0.i64(ptr %kept, ptr %here, i64 %size, i1 false)
  call void @llvm.memcpy.p0.p0.i64(ptr %here, ptr %there, i64 %size, i1 false)
  call void @llvm.memcpy.p0.p0.i64(ptr %there, ptr %kept, i64 %size, i1 false)
  %next = add i64 %done, 4096
  br label %loop
finish:
  ret void
}
"""

_LIBRARY = (
    "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
    "declare ptr @memchr(ptr, i32, i64)",
)
