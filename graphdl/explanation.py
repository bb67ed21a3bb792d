"""What `Function.explain()` says: kernels, the user's lines, what fused, what did not and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from graphdl.compiler import Compilation
from graphdl.errors import aligned
from graphdl.graph.describe import name_of
from graphdl.graph.nodes import Node
from graphdl.graph.op import OpKind
from graphdl.lowering.assemble import LoweredSchedule
from graphdl.passes.pipeline import PassRecord
from graphdl.program.nodes import Branch, Copy, Launch, Loop, Statement, Swap
from graphdl.schedule.costs import is_pointwise, node_cost
from graphdl.schedule.groups import Group
from graphdl.schedule.order import Order
from graphdl.source_location import SourceLocation
from graphdl.typesystem.expression import Size, product

HIDDEN = (OpKind.LEAF, OpKind.MOVEMENT)
"""Ops that cost nothing in a kernel; they are not listed."""


@dataclass(frozen=True, slots=True)
class KernelRow:
    """One launch: `ops` with their counts, `bytes` moved and `flops` as expressions of sizes."""

    number: int
    kernel: str
    kind: str
    ops: tuple[tuple[str, int], ...]
    lines: tuple[SourceLocation, ...]
    results: tuple[str, ...]
    bytes: Size
    flops: Size
    is_backward: bool


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """Two ops that touch each other and do not share a kernel, and why."""

    producer: str
    consumer: str
    producer_line: SourceLocation | None
    consumer_line: SourceLocation | None
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A table of what a compiled function does. `str()` writes it; the fields are the data."""

    name: str
    node_counts: tuple[int, int]
    kernels: tuple[KernelRow, ...]
    distinct_kernels: int
    refusals: tuple[RefusalRow, ...]
    copies: tuple[str, ...]
    updates: tuple[str, ...]
    arena_bytes: Size
    passes: tuple[PassRecord, ...]
    seconds: dict[str, float]

    @property
    def flops(self) -> Size:
        """Floating-point operations of one call."""
        return _total(row.flops for row in self.kernels)

    @property
    def bytes(self) -> Size:
        """Bytes that kernels read and write in one call."""
        return _total(row.bytes for row in self.kernels)

    def _head(self, before: int, after: int) -> str:
        launches = f"{len(self.kernels)} launches of {self.distinct_kernels} kernels"
        return f"{self.name}: {before} nodes, {after} after the passes, {launches}"

    def __str__(self) -> str:
        before, after = self.node_counts
        lines = [
            self._head(before, after),
            *_kernel_lines(self.kernels),
            f"arena {self.arena_bytes} bytes; {self.bytes} bytes moved; {self.flops} flops",
        ]
        lines += _section("updates", self.updates)
        lines += _section("not fused", _refusal_lines(self.refusals))
        lines += _section("copies", self.copies)
        lines += _section("passes", _pass_lines(self.passes))
        times = ", ".join(f"{name} {1e3 * spent:.1f} ms" for name, spent in self.seconds.items())
        return "\n".join(
            [*lines, f"compiled in {1e3 * sum(self.seconds.values()):.1f} ms: {times}"]
        )


def explain(compilation: Compilation) -> Explanation:
    """Collect the table from what the pipeline kept."""
    order, program = compilation.order, compilation.program
    rows = list(_kernel_rows(order, compilation.lowered, program.statements, 1))
    copies = [_copy_line(each) for each in program.statements if isinstance(each, Copy | Swap)]
    updates = [
        f"{name_of(update.variable.node)}: {update.variable.type}"
        for update in compilation.graph.updates
    ]
    return Explanation(
        program.name,
        (len(compilation.graph.nodes()), len(compilation.optimized.nodes())),
        tuple(rows),
        len(program.kernels),
        _refusal_rows(compilation),
        tuple(copies),
        tuple(updates),
        program.arena_bytes,
        compilation.records,
        dict(compilation.seconds),
    )


def _kernel_rows(
    order: Order, lowered: LoweredSchedule, statements: Sequence[Statement], turns: Size
) -> Iterator[KernelRow]:
    """The launches of each group, those of a loop's body where the loop stands."""
    launches = (each for each in statements if isinstance(each, Launch))
    blocks = (each for each in statements if isinstance(each, Loop | Branch))
    for number, group in enumerate(order.groups):
        if group.kind.is_kernel:
            lines = lowered.kernels[number].kernel.lines
            yield _kernel_row(number, group, lines, next(launches), turns)
        elif group.kind.has_bodies:
            block = next(blocks)
            inside = (block.body,) if isinstance(block, Loop) else block.bodies
            times = turns * block.count if isinstance(block, Loop) else turns
            for body, each in zip(lowered.bodies[number], inside, strict=True):
                yield from _kernel_rows(body.order, body.lowered, each, times)


def _kernel_row(
    number: int, group: Group, lines: Sequence[SourceLocation], launch: Launch, turns: Size
) -> KernelRow:
    shown = [node for node in group.nodes if node.op.kind not in HIDDEN]
    counts = Counter(node.op.name for node in shown)
    moved = _total(tensor.type.byte_count for tensor in (*group.inputs, *group.outputs))
    return KernelRow(
        number,
        launch.kernel,
        group.kind.value if turns == 1 else f"{group.kind.value} x {turns}",
        tuple(counts.items()),
        tuple(sorted(set(lines), key=lambda line: (line.file, line.line))),
        tuple(f"{name_of(out.node) or out.node.op.name}: {out.type}" for out in group.outputs),
        moved * turns,
        _total(_flops(node) for node in group.nodes) * turns,
        any(node.origin is not None for node in group.nodes),
    )


def _flops(node: Node) -> Size:
    """Floating-point operations of one node; integer work and movement count nothing."""
    result = node.result_types[0]
    if node.op.kind is OpKind.CONTRACTION:
        lhs = node.operands[0]
        depth = product(lhs.shape[axis] for axis in node.attributes["lhs_contract"])
        return 2 * depth * result.element_count
    if node.op.kind in (OpKind.REDUCTION, OpKind.CUMULATIVE):
        return node.operands[0].type.element_count
    if is_pointwise(node) and node.op.kind is OpKind.ELEMENTWISE and result.dtype.is_floating:
        return node_cost(node) * result.element_count
    return 0


def _refusal_rows(compilation: Compilation) -> tuple[RefusalRow, ...]:
    rows: dict[RefusalRow, None] = {}
    for refusal in compilation.order.schedule.refusals:
        before, after = refusal.producer, refusal.consumer
        row = RefusalRow(
            before.op.name, after.op.name, before.location, after.location, refusal.reason.value
        )
        rows[row] = None
    return tuple(rows)


def _copy_line(statement: Copy | Swap) -> str:
    if isinstance(statement, Swap):
        return f"swap of {statement.first.type}: two variables exchange their values"
    place = f"{statement.target.storage.value} {statement.target.position}"
    return f"{statement.target.type} into {place}: {statement.reason}"


def _total(sizes: Iterable[Size]) -> Size:
    total: Size = 0
    for size in sizes:
        total = total + size
    return total


# Text ---------------------------------------------------------------------------------------------


def _kernel_lines(rows: Iterable[KernelRow]) -> list[str]:
    cells = [("#", "kind", "computes", "from lines", "bytes", "flops")]
    for row in rows:
        ops = " ".join(f"{name}×{count}" if count > 1 else name for name, count in row.ops)
        cells.append(
            (
                str(row.number),
                row.kind,
                _shortened(ops, 60),
                _shortened(" ".join(map(_short_line, row.lines)), 44),
                str(row.bytes),
                str(row.flops),
            )
        )
    return list(aligned(cells))


def _short_line(line: SourceLocation) -> str:
    return str(line)


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _refusal_lines(rows: Iterable[RefusalRow]) -> list[str]:
    return [
        f"{row.producer} ({row.producer_line}) | {row.consumer} ({row.consumer_line}): {row.reason}"
        for row in rows
    ]


def _pass_lines(records: Iterable[PassRecord]) -> list[str]:
    totals: dict[str, tuple[float, Counter[str]]] = {}
    for record in records:
        seconds, hits = totals.get(record.name, (0.0, Counter[str]()))
        totals[record.name] = (seconds + record.seconds, hits + Counter(record.hits))
    lines = []
    for name, (seconds, hits) in totals.items():
        found = ", ".join(f"{rule}×{count}" for rule, count in hits.most_common(6))
        lines.append(f"{name}: {1e3 * seconds:.1f} ms" + (f"; {found}" if found else ""))
    return lines


def _section(title: str, lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else []
