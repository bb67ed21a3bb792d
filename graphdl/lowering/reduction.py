"""Folds: several sweeps over one row in one nest, or one sweep over columns.

A row's sweeps run in turn: each folds what earlier ones made possible, and elements that leave the
row are written in the first sweep that knows them. A dear value that two sweeps need is kept in a
THREAD buffer of one row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from graphdl.graph.nodes import Node, Tensor
from graphdl.kernel.nodes import (
    Access,
    Accumulator,
    Allocate,
    Axis,
    Buffer,
    IndexValue,
    Order,
    Space,
    Statement,
    Store,
    Sweep,
    Variable,
)
from graphdl.lowering.elementwise import narrow, widen
from graphdl.lowering.emitter import Emitter, Index
from graphdl.lowering.loops import parallel_nest, store_outputs
from graphdl.schedule.costs import DEAR, is_pointwise, node_cost
from graphdl.schedule.groups import GroupKind
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import Symbol

_TWO_NAMES = ("argmax", "argmin")


def lower_folds(emitter: Emitter) -> tuple[Statement, ...]:
    """PARALLEL over the kept axes; sweeps; what each row or column gives."""
    return _Folds(emitter).lower()


@dataclass(slots=True)
class _SweepPlan:
    """What one sweep folds, writes and keeps."""

    anchors: list[Node] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    kept: list[Node] = field(default_factory=list)


class _Folds:
    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self.group = emitter.group
        self.domain = emitter.group.domain
        index = self.domain.index
        self.swept = [axis for axis in self.domain.swept if index[axis] != 0]
        self.anchors = {id(node) for node in self.group.anchors}
        self.stages = self._find_stages()
        self.sweeps = self._plan_sweeps()

    def _find_stages(self) -> dict[int, int]:
        """node id -> the number of sweeps that must have run before its value can be had."""
        stages: dict[int, int] = {}
        for node in self.group.nodes:
            stage = max((stages.get(id(operand.node), 0) for operand in node.operands), default=0)
            stages[id(node)] = stage + 1 if id(node) in self.anchors else stage
        return stages

    def _plan_sweeps(self) -> list[_SweepPlan]:
        count = max(self.stages[id(node)] for node in self.group.anchors)
        wide = [output for output in self.group.outputs if not self._is_kept_level(output)]
        count = max([count, *(self.stages[id(output.node)] + 1 for output in wide)])
        sweeps = [_SweepPlan() for _ in range(count)]
        for node in self.group.anchors:
            sweeps[self.stages[id(node)] - 1].anchors.append(node)
        for output in wide:
            sweeps[self.stages[id(output.node)]].outputs.append(output)
        if len(sweeps) > 1 and self.swept:
            self._plan_kept(sweeps)
        return sweeps

    def _result_index(self, node: Node) -> Index:
        return tuple(self.domain.index[axis] for axis in self.domain.kept)

    def _is_kept_level(self, tensor: Tensor) -> bool:
        if id(tensor.node) in self.anchors:
            return True
        return self.domain.is_kept_level(self.emitter.places[tensor.key])

    def _plan_kept(self, sweeps: list[_SweepPlan]) -> None:
        """Find values that an earlier sweep computes and a later one would compute again."""
        made: dict[int, _SweepPlan] = {}
        kept: set[int] = set()
        for sweep in sweeps:
            now: set[int] = set()
            stack = [node.operands[0].node for node in sweep.anchors]
            stack += [output.node for output in sweep.outputs]
            while stack:
                node = stack.pop()
                if id(node) in now or id(node) in kept or not self._is_element(node):
                    continue
                earlier = made.get(id(node))
                if earlier is not None and self._cost(node, kept) >= DEAR:
                    kept.add(id(node))
                    earlier.kept.append(node)
                    continue
                now.add(id(node))
                stack.extend(operand.node for operand in node.operands)
            for number in now:
                made.setdefault(number, sweep)

    def _is_element(self, node: Node) -> bool:
        """Whether this group computes the node once for each element."""
        if id(node) not in self.emitter.own or not is_pointwise(node):
            return False
        index = self.domain.index_of(node.result_types[0].shape)
        return index is not None and not self.domain.is_kept_level(index)

    def _cost(self, node: Node, kept: set[int]) -> int:
        total, stack = 0, [node]
        while stack and total < DEAR:
            current = stack.pop()
            if not self._is_element(current) or (current is not node and id(current) in kept):
                continue
            total += node_cost(current)
            stack.extend(operand.node for operand in current.operands)
        return total

    # Emission -------------------------------------------------------------------------------------

    def lower(self) -> tuple[Statement, ...]:
        emitter = self.emitter
        kept = [self.domain.index[axis] for axis in self.domain.kept]
        emitter.bind_symbols([symbol for symbol in kept if isinstance(symbol, Symbol)])
        for sweep in self.sweeps:
            self._sweep(sweep)
        narrow_outputs = [output for output in self.group.outputs if self._is_kept_level(output)]
        self._store_kept_level(narrow_outputs)
        return parallel_nest(emitter, self.domain.kept)

    def _store_kept_level(self, outputs: list[Tensor]) -> None:
        store_outputs(self.emitter, outputs)

    def _axes(self) -> tuple[Axis, ...]:
        index, shape = self.domain.index, self.domain.shape
        axes = tuple(
            Axis(symbol, shape[axis])
            for axis in self.swept
            if isinstance(symbol := index[axis], Symbol)
        )
        return axes or (Axis(Symbol("one"), 1),)

    def _sweep(self, plan: _SweepPlan) -> None:
        emitter = self.emitter
        axes = self._axes()
        buffers = [self._allocate(node) for node in plan.kept]
        folds: list[tuple[Node, Accumulator]] = []
        with emitter.inner_scope([axis.symbol for axis in axes]) as inside:
            for node, buffer in zip(plan.kept, buffers, strict=True):
                self._keep(node, buffer)
            for node in plan.anchors:
                folds.append((node, self._accumulator(node)))
            if plan.outputs:
                store_outputs(emitter, plan.outputs)
        accumulators = tuple(accumulator for _, accumulator in folds)
        emitter.scope.statements.append(Sweep(axes, tuple(inside.statements), accumulators))
        for node, buffer in zip(plan.kept, buffers, strict=True):
            emitter.staged[Tensor(node).key] = buffer.name
        for node, accumulator in folds:
            self._bind(node, accumulator)

    def _allocate(self, node: Node) -> Buffer:
        shape = tuple(self.domain.shape[axis] for axis in self.swept)
        name = self.emitter.name("t")
        buffer = Buffer(name, node.result_types[0].dtype, shape, Space.THREAD, Access.UPDATE)
        self.emitter.scope.statements.append(Allocate(buffer))
        return buffer

    def _keep(self, node: Node, buffer: Buffer) -> None:
        emitter = self.emitter
        index = self.domain.index_of(node.result_types[0].shape)
        assert index is not None
        value = emitter.let(emitter.value(Tensor(node), index))
        emitter.know(Tensor(node), index, value)
        place = tuple(self.domain.index[axis] for axis in self.swept)
        emitter.scope.statements.append(Store(buffer.name, place, value))

    def _accumulator(self, node: Node) -> Accumulator:
        emitter = self.emitter
        value = widen(emitter.value(node.operands[0], self.domain.index))
        reducer = node.op.reducer
        assert reducer is not None
        order = Order.INTERLEAVED if self.group.kind is GroupKind.ROW else Order.ASCENDING
        if reducer in _TWO_NAMES:
            place = IndexValue(self.domain.index[self.domain.swept[0]], int64)
            names = (emitter.name("m"), emitter.name("a"))
            return Accumulator(names, reducer, (value, place), order)
        return Accumulator((emitter.name("s"),), reducer, (value,), order)

    def _bind(self, node: Node, accumulator: Accumulator) -> None:
        name, value = accumulator.names[-1], accumulator.values[-1]
        result = narrow(Variable(name, value.dtype), node.result_types[0].dtype)
        emitter = self.emitter
        emitter.know(Tensor(node), self._result_index(node), emitter.let(result))
