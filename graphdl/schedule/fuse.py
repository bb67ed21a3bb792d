"""Fusion: which nodes share a kernel.

One walk in topological order. A fold, contraction, scan or scatter starts a group; each pointwise
node joins the group of one of its operands when index propagation shows that the group has the
elements it needs at the moment it needs them, and when nothing outside would have to run in
between. A pointwise node without such a group stays free: it is computed inside whoever reads it,
unless it is wanted in memory or is dear and read more than once; then it starts a group of its own.
Values that cross a boundary are stored, or computed again where that is cheap.

The order between groups is a transitively closed bit mask, so each test for a cycle is one
operation on integers (Cooper, Harvey, Kennedy's dense sets, applied to the quotient graph).
"""

from __future__ import annotations

from graphdl.graph.nodes import Graph, Node
from graphdl.graph.op import OpKind
from graphdl.ops.control_flow import WITH_BODIES, scan
from graphdl.ops.leaves import size as size_op
from graphdl.ops.random import random_bits
from graphdl.schedule.boundary import pull, store
from graphdl.schedule.collect import collect
from graphdl.schedule.costs import CHEAP, is_pointwise, node_cost
from graphdl.schedule.drafts import Draft
from graphdl.schedule.fusion_state import MAXIMUM_MEMBERS, FusionState
from graphdl.schedule.groups import Domain, GroupKind, Refusal, RefusalReason, Schedule
from graphdl.schedule.join import accepts_beside, join_fold, join_pointwise, place_anchor
from graphdl.schedule.mark import contraction_source, mark

_PREFERENCE = {
    GroupKind.CONTRACTION: 5,
    GroupKind.ROW: 4,
    GroupKind.COLUMN: 3,
    GroupKind.SCAN: 2,
    GroupKind.ELEMENTWISE: 1,
}


def fuse(graph: Graph) -> Schedule:
    """Divide the nodes of an optimised graph (no regions but barriers and loops) into groups."""
    state = FusionState(mark(graph))
    _Walk(state).run()
    return collect(graph, state)


class _Walk:
    """Visits every node once, operands first."""

    def __init__(self, state: FusionState) -> None:
        self.state = state
        self.scalars: list[int] = []

    def run(self) -> None:
        """Visit every node once."""
        for number, node in enumerate(self.state.nodes):
            self._visit(number, node)

    def _visit(self, number: int, node: Node) -> None:
        match node.op.kind:
            case OpKind.LEAF:
                self.state.source[number] = node.op is not size_op
                if node.op is size_op and self.state.marks.wanted[number]:
                    self._start_pointwise(number)
            case OpKind.EFFECT | OpKind.REGION:
                self._region(number, node)
            case OpKind.REDUCTION:
                self._reduction(number, node)
            case OpKind.CONTRACTION:
                self._contraction(number, node)
            case OpKind.CUMULATIVE:
                axis = node.attributes["axis"]
                self._anchor(number, GroupKind.SCAN, Domain(node.operands[0].shape, (axis,)))
            case OpKind.SCATTER:
                self._scatter(number, node)
            case _ if node.op is random_bits:
                self._anchor(number, GroupKind.RANDOM, Domain(node.result_types[0].shape))
            case _:
                self._pointwise(number, node)

    def _pointwise(self, number: int, node: Node) -> None:
        refused: list[tuple[int, RefusalReason]] = []
        for draft, operand in self._candidates(node):
            reason = join_pointwise(self.state, number, draft)
            if reason is None:
                break
            refused.append((operand, reason))
        else:
            self._stay_free(number, node)
        for operand, reason in refused:
            self.state.refusals.append(Refusal(self.state.nodes[operand], node, reason))
        if self.state.marks.wanted[number]:
            store(self.state, number)

    def _candidates(self, node: Node) -> list[tuple[Draft, int]]:
        """The groups of the operands, the latest first."""
        found: dict[int, int] = {}
        for operand in node.operands:
            below = self.state.marks.at(operand)
            if below >= 0 and self.state.home[below] >= 0:
                found.setdefault(self.state.home[below], below)
        drafts = [(self.state.drafts[home], below) for home, below in found.items()]
        if len(drafts) > 1:
            drafts.sort(
                key=lambda pair: (
                    -sum(pair[0].before >> other.number & 1 for other, _ in drafts),
                    -_PREFERENCE.get(pair[0].kind, 0),
                    -pair[0].number,
                )
            )
        return drafts

    def _stay_free(self, number: int, node: Node) -> None:
        below = [self.state.marks.at(operand) for operand in node.operands]
        inner = [each for each in dict.fromkeys(below) if each >= 0 and not self.state.source[each]]
        cost = node_cost(node)
        for each in inner:
            pull(self.state, each)
            if not self.state.stored[each]:
                cost += self.state.cost[each]
        self.state.cost[number] = cost
        self.state.before[number] = self.state.mask(inner)
        self.state.reads[number] = self.state.direct_reads(node)
        if self._deserves_group(number, node):
            self._start_pointwise(number)

    def _deserves_group(self, number: int, node: Node) -> bool:
        if self.state.marks.wanted[number]:
            return True
        if node.op.kind is OpKind.MOVEMENT:
            return False
        if not node.result_types[0].rank:
            return self._is_worth_a_scalar(number)
        cost = self.state.cost[number]
        is_wanted = self.state.marks.uses[number] > 1 or self.state.marks.alone[number]
        return cost > MAXIMUM_MEMBERS or (cost > CHEAP and is_wanted)

    def _is_worth_a_scalar(self, number: int) -> bool:
        """Single numbers are computed once, apart, unless next to nothing."""
        if any(not self._is_number(read) for read in self.state.reads[number]):
            return self.state.cost[number] > CHEAP and self.state.marks.uses[number] > 1
        return self.state.cost[number] > 1

    def _is_number(self, number: int) -> bool:
        return not self.state.marks.rank(number)

    def _start_pointwise(self, number: int) -> None:
        """Give a free node a group: one that already reads the same over the same loops, or new."""
        domain = Domain(self.state.nodes[number].result_types[0].shape)
        for candidate in self._neighbours(number, domain):
            draft = self.state.drafts[candidate]
            if accepts_beside(self.state, draft, self.state.before[number]):
                self._adopt(number, draft)
                return
        draft = self.state.drafts.start(GroupKind.ELEMENTWISE, domain)
        if not domain.shape:
            self.scalars.append(draft.number)
        self._adopt(number, draft)

    def _neighbours(self, number: int, domain: Domain) -> list[int]:
        if not domain.shape:
            return self.scalars[-4:]
        found: list[int] = []
        for read in sorted(self.state.reads[number]):
            if self.state.marks.rank(read):
                found.extend(self.state.readers.get((read, domain), ())[-4:])
        return [each for each in dict.fromkeys(found) if self._is_elementwise(each)]

    def _is_elementwise(self, draft: int) -> bool:
        return self.state.drafts[draft].kind is GroupKind.ELEMENTWISE

    def _adopt(self, number: int, draft: Draft) -> None:
        self.state.home[number] = draft.number
        self.state.index[number] = draft.domain.index
        draft.members.append(number)
        self.state.drafts.run_after(draft, self.state.before[number])
        for read in self.state.reads[number]:
            if read not in draft.reads:
                draft.reads.add(read)
                self.state.readers.setdefault((read, draft.domain), []).append(draft.number)
        if self.state.marks.wanted[number]:
            store(self.state, number)

    def _anchor(self, number: int, kind: GroupKind, domain: Domain) -> Draft:
        """Start a group at a node that needs loops of its own."""
        draft = self.state.drafts.start(kind, domain)
        place_anchor(self.state, number, draft)
        return draft

    def _contraction(self, number: int, node: Node) -> None:
        for operand in node.operands:
            source = contraction_source(operand, self.state.marks.cut)
            below = self.state.marks.at(source)
            if below >= 0 and not self.state.source[below] and self.state.stored[below]:
                reason = RefusalReason.CONTRACTION_OPERAND
                if is_pointwise(self.state.nodes[below]):
                    self.state.refusals.append(Refusal(self.state.nodes[below], node, reason))
        self._anchor(number, GroupKind.CONTRACTION, Domain(node.result_types[0].shape))

    def _scatter(self, number: int, node: Node) -> None:
        self._anchor(number, GroupKind.SCATTER, Domain(node.operands[2].shape))

    def _reduction(self, number: int, node: Node) -> None:
        axes = node.attributes.get("axes")
        if axes is None:
            axes = (node.attributes["axis"],)
        shape = node.operands[0].shape
        is_row = len(shape) - 1 in axes or not axes
        domain = Domain(shape, tuple(axes))
        kind = GroupKind.ROW if is_row else GroupKind.COLUMN
        for draft in self._reduction_candidates(node, domain, kind):
            if join_fold(self.state, number, draft):
                return
        self._anchor(number, kind, domain)

    def _reduction_candidates(self, node: Node, domain: Domain, kind: GroupKind) -> list[Draft]:
        below = self.state.marks.at(node.operands[0])
        found: list[int] = []
        if below >= 0 and self.state.home[below] >= 0:
            found.append(self.state.home[below])
            self._refuse_fold(node, below, domain, kind)
        for read in sorted(self.state.direct_reads(node)):
            found.extend(self.state.readers.get((read, domain), ())[-4:])
        return [self.state.drafts[each] for each in dict.fromkeys(found)]

    def _refuse_fold(self, node: Node, below: int, domain: Domain, kind: GroupKind) -> None:
        draft = self.state.drafts[self.state.home[below]]
        if draft.kind is GroupKind.CONTRACTION:
            reason = RefusalReason.CONTRACTION_RESULT
        elif draft.kind is GroupKind.SCATTER:
            reason = RefusalReason.INCOMPLETE
        elif draft.kind is kind and draft.domain == domain:
            return
        else:
            reason = RefusalReason.OTHER_SWEEP
        self.state.refusals.append(Refusal(self.state.nodes[below], node, reason))

    def _region(self, number: int, node: Node) -> None:
        if node.op.has_effect:
            self._apart(number, node, GroupKind.HOST)
        elif node.op in WITH_BODIES:
            self._apart(number, node, GroupKind.LOOP if node.op is scan else GroupKind.BRANCH)
        else:
            self._barrier(number, node)

    def _apart(self, number: int, node: Node, kind: GroupKind) -> None:
        """A group that no other node joins."""
        draft = self.state.drafts.start(kind, Domain(()))
        draft.members.append(number)
        self._barrier(number, node)
        self.state.drafts.run_after(draft, self.state.before[number])
        self.state.before[number] |= 1 << draft.number

    def _barrier(self, number: int, node: Node) -> None:
        """A view of stored operands, readable once all of them are there."""
        below = [self.state.marks.at(operand) for operand in node.operands]
        self.state.before[number] = self.state.mask([each for each in below if each >= 0])
        self.state.stored[number] = True
