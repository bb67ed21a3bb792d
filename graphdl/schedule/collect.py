"""From the walk's state to groups: what each kernel evaluates, reads and stores."""

from __future__ import annotations

import heapq
from collections.abc import Collection

from graphdl.graph.nodes import Graph, Node, Tensor
from graphdl.graph.op import OpKind
from graphdl.ops.control_flow import WITH_BODIES
from graphdl.ops.leaves import constant
from graphdl.ops.movement import reshape
from graphdl.schedule.costs import is_pointwise
from graphdl.schedule.drafts import Draft
from graphdl.schedule.fusion_state import FusionState
from graphdl.schedule.groups import Group, Refusal, RefusalReason, Schedule


def is_literal(tensor: Tensor) -> bool:
    """Whether a tensor is a single number that kernels write out in place."""
    return tensor.node.op is constant and tensor.node.attributes["value"].array.size == 1


def collect(graph: Graph, state: FusionState) -> Schedule:
    """The Schedule that the walk decided on. Drafts that nobody needs are left out."""
    collector = _Collector(state)
    found = [group for draft in state.drafts.all if (group := collector.group(draft)) is not None]
    ordered = _order(found, state.marks.cut)
    makers = {
        output.key: position for position, group in enumerate(ordered) for output in group.outputs
    }
    kept = tuple(refusal for refusal in state.refusals if _is_worth_telling(refusal, state))
    return Schedule(graph, ordered, kept, makers, frozenset(state.marks.cut))


def _is_worth_telling(refusal: Refusal, state: FusionState) -> bool:
    """Whether something crosses the boundary: what is computed again does not, and a single number
    that meets an array is nothing to tell."""
    producer = refusal.producer
    is_view = producer.op.kind in (OpKind.EFFECT, OpKind.REGION)
    is_stored = is_view or state.stored[state.marks.position[id(producer)]]
    is_number = refusal.reason is RefusalReason.SHAPE and not producer.result_types[0].rank
    return is_stored and not is_number


class _Collector:
    def __init__(self, state: FusionState) -> None:
        self.state = state
        self.marks = state.marks
        self.home = state.home
        self.stored = state.stored

    def group(self, draft: Draft) -> Group | None:
        """The finished group; None when nothing of it is stored."""
        nodes = self.marks.nodes
        if not draft.kind.is_kernel:
            node = nodes[draft.members[0]]
            inputs = tuple({operand.key: operand for operand in node.operands}.values())
            results = node.results if draft.kind.has_bodies else ()
            places = tuple(() for _ in results)
            return Group(
                draft.number, draft.kind, draft.domain, (node,), (node,), inputs, results, places
            )
        outputs = [number for number in draft.members if self.stored[number]]
        if not outputs:
            return None
        inside, inputs = self._walk(draft, outputs)
        members = tuple(nodes[number] for number in sorted(inside))
        return Group(
            draft.number,
            draft.kind,
            draft.domain,
            tuple(node for node in members if not is_pointwise(node) and _has_loops(node)),
            members,
            inputs,
            tuple(nodes[number].results[0] for number in sorted(outputs)),
            tuple(self.state.index[number] for number in sorted(outputs)),
        )

    def _walk(self, draft: Draft, outputs: list[int]) -> tuple[set[int], tuple[Tensor, ...]]:
        inside: set[int] = set()
        inputs: dict[tuple[int, int], Tensor] = {}
        stack = list(reversed(outputs))
        while stack:
            number = stack.pop()
            if number in inside:
                continue
            inside.add(number)
            node = self.marks.nodes[number]
            for position, operand in enumerate(node.operands):
                below = self.marks.at(operand)
                if self._is_read(below, draft.number):
                    is_target = node.op.kind is OpKind.SCATTER and position == 0
                    if is_target or not is_literal(operand):
                        inputs.setdefault(operand.key, operand)
                else:
                    stack.append(below)
        return inside, tuple(inputs.values())

    def _is_read(self, below: int, draft: int) -> bool:
        if below < 0:
            return True
        node = self.marks.nodes[below]
        if node.op.kind is OpKind.LEAF and node.op.name != "size":
            return True
        return self.stored[below] and self.home[below] != draft


def _has_loops(node: Node) -> bool:
    return node.op.kind is not OpKind.LEAF


def _order(groups: list[Group], cut: Collection[tuple[int, int]]) -> tuple[Group, ...]:
    """Producers first; otherwise in the order in which the groups were started."""
    makers = {output.key: group.number for group in groups for output in group.outputs}
    followers: dict[int, list[int]] = {group.number: [] for group in groups}
    waiting: dict[int, int] = {}
    for group in groups:
        needed = {
            makers[base.key]
            for tensor in group.inputs
            for base in memory_of(tensor, cut, makers)
            if base.key in makers
        } - {group.number}
        waiting[group.number] = len(needed)
        for number in needed:
            followers[number].append(group.number)
    by_number = {group.number: group for group in groups}
    ready = [number for number, count in waiting.items() if not count]
    heapq.heapify(ready)
    result: list[Group] = []
    while ready:
        number = heapq.heappop(ready)
        result.append(by_number[number])
        for follower in followers[number]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, follower)
    assert len(result) == len(groups), "groups wait for each other"
    return tuple(result)


def memory_of(
    tensor: Tensor, cut: Collection[tuple[int, int]], makers: Collection[tuple[int, int]]
) -> list[Tensor]:
    """The tensor whose memory holds these elements, then those that barriers in between wait for.

    Reshapes, effects and barriers are views of their operands.
    """
    waits: list[Tensor] = []
    while tensor.key not in cut and tensor.key not in makers:
        node = tensor.node
        if node.op is reshape:
            tensor = node.operands[0]
            continue
        if node.op.kind not in (OpKind.EFFECT, OpKind.REGION) or node.op in WITH_BODIES:
            break
        for operand in node.operands:
            waits.extend(memory_of(operand, cut, makers))
        tensor = node.operands[tensor.index if node.op.kind is OpKind.REGION else 0]
    return [tensor, *waits]
