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

from graphdl.graph.nodes import Graph, Node, Tensor
from graphdl.graph.op import OpKind
from graphdl.ops.effect import OPS as EFFECTS
from graphdl.ops.leaves import size as size_op
from graphdl.ops.movement import broadcast_in_dim, reshape
from graphdl.ops.random import random_bits
from graphdl.schedule.accesses import Index, operand_accesses
from graphdl.schedule.collect import collect
from graphdl.schedule.costs import CHEAP, is_pointwise, node_cost
from graphdl.schedule.drafts import Draft, Drafts
from graphdl.schedule.groups import Domain, GroupKind, Refusal, RefusalReason, Schedule
from graphdl.schedule.mark import Marks, contraction_source, mark

MAXIMUM_READS = 24
"""Arrays that one kernel reads at most."""

SERIAL_LIMIT = 1 << 14
"""Elements up to which a fold of everything and what follows may share one task."""

_PREFERENCE = {
    GroupKind.CONTRACTION: 5,
    GroupKind.ROW: 4,
    GroupKind.COLUMN: 3,
    GroupKind.SCAN: 2,
    GroupKind.ELEMENTWISE: 1,
}


def fuse(graph: Graph) -> Schedule:
    """Divide the nodes of an optimised graph (no regions but barriers) into groups."""
    fuser = _Fuser(mark(graph))
    fuser.run()
    return collect(graph, fuser.marks, fuser.drafts, fuser.home, fuser.stored, fuser.refusals)


class _Fuser:
    """The walk's state: per node its group (`home`, -1 for none), its index in the group's loops,
    whether it is stored, what it costs to compute again, what it reads, what must run before, and how many of
    its readers are in its own group."""

    def __init__(self, marks: Marks) -> None:
        count = len(marks.nodes)
        self.marks = marks
        self.nodes = marks.nodes
        self.drafts = Drafts()
        self.home = [-1] * count
        self.stored = [False] * count
        self.source = [False] * count
        self.index: list[Index] = [()] * count
        self.cost = [0] * count
        self.reads: list[frozenset[int]] = [frozenset()] * count
        self.before = [0] * count
        self.uses_inside = [0] * count
        self.refusals: list[Refusal] = []
        self.readers: dict[tuple[int, Domain], list[int]] = {}
        self.scalars: list[int] = []

    def run(self) -> None:
        """Visit every node once."""
        for number, node in enumerate(self.nodes):
            self._visit(number, node)

    def _visit(self, number: int, node: Node) -> None:
        match node.op.kind:
            case OpKind.LEAF:
                self.source[number] = node.op is not size_op
                if node.op is size_op and self.marks.wanted[number]:
                    self._start_pointwise(number)
            case OpKind.EFFECT:
                self._host(number, node)
            case OpKind.REGION:
                self._barrier(number, node)
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

    # Pointwise nodes ------------------------------------------------------------------------------

    def _pointwise(self, number: int, node: Node) -> None:
        refused: list[tuple[int, RefusalReason]] = []
        for draft, operand in self._candidates(node):
            reason = self._join(number, draft)
            if reason is None:
                break
            refused.append((operand, reason))
        else:
            self._stay_free(number, node)
        for operand, reason in refused:
            self.refusals.append(Refusal(self.nodes[operand], node, reason))
        if self.marks.wanted[number]:
            self._store(number)

    def _candidates(self, node: Node) -> list[tuple[Draft, int]]:
        """The groups of the operands, the latest first."""
        found: dict[int, int] = {}
        for operand in node.operands:
            below = self.marks.at(operand)
            if below >= 0 and self.home[below] >= 0:
                found.setdefault(self.home[below], below)
        drafts = [(self.drafts[home], below) for home, below in found.items()]
        if len(drafts) > 1:
            drafts.sort(
                key=lambda pair: (
                    -sum(pair[0].before >> other.number & 1 for other, _ in drafts),
                    -_PREFERENCE.get(pair[0].kind, 0),
                    -pair[0].number,
                )
            )
        return drafts

    def _join(self, number: int, draft: Draft) -> RefusalReason | None:
        """Put a pointwise node into a group, or say why not."""
        node = self.nodes[number]
        index = draft.domain.index_of(node.result_types[0].shape)
        reason = self._refuse_form(node, draft, index)
        if reason is not None or index is None:
            return reason or RefusalReason.SHAPE
        outside: list[int] = []
        for operand, place in operand_accesses(node, index):
            below = self.marks.at(operand)
            if below < 0 or self.source[below]:
                continue
            if self.home[below] != draft.number:
                outside.append(below)
            elif self.index[below] != place and not self._can_compute(below, place, draft, index):
                return RefusalReason.INDEX
        mask = self._mask(outside)
        if mask >> draft.number & 1 or self.drafts.would_cycle(draft, mask):
            return self._cycle_reason(outside)
        self._commit(number, draft, index, outside)
        return None

    def _cycle_reason(self, outside: list[int]) -> RefusalReason:
        kinds = (self.nodes[below].op.kind for below in outside)
        is_barrier = any(kind in (OpKind.REGION, OpKind.EFFECT) for kind in kinds)
        return RefusalReason.BARRIER if is_barrier else RefusalReason.CYCLE

    def _refuse_form(
        self, node: Node, draft: Draft, index: Index | None
    ) -> RefusalReason | None:
        """What this kind of group cannot take, whatever the indices."""
        if draft.kind is GroupKind.SCATTER:
            return RefusalReason.INCOMPLETE
        if index is None:
            return RefusalReason.SHAPE
        if len(draft.reads) >= MAXIMUM_READS:
            return RefusalReason.TOO_MANY_BUFFERS
        if draft.kind is GroupKind.RANDOM and self._reads_arrays(node, draft):
            return RefusalReason.RANDOM_BLOCK
        if not draft.domain.swept or draft.kind is GroupKind.SCAN:
            return None
        if draft.domain.is_kept_level(index):
            return None
        if draft.kind is GroupKind.COLUMN:
            return RefusalReason.SECOND_SWEEP
        return RefusalReason.WHOLE_SUM if _is_large_whole(draft.domain) else None

    def _reads_arrays(self, node: Node, draft: Draft) -> bool:
        """Whether a node reads anything but this random group and single numbers."""
        for operand in node.operands:
            below = self.marks.at(operand)
            if below < 0:
                if operand.ndim:
                    return True
            elif self.home[below] == draft.number or not operand.ndim:
                continue
            elif self.source[below] or self.stored[below] or self.home[below] >= 0:
                return True
            elif not self._is_spread_number(operand):
                return True
        return False

    def _is_spread_number(self, tensor: Tensor) -> bool:
        """Whether every element of a free tensor is one and the same number."""
        while tensor.ndim:
            if self.marks.at(tensor) < 0 or tensor.node.op is not broadcast_in_dim:
                return False
            tensor = tensor.node.operands[0]
        return True

    def _can_compute(self, number: int, place: Index, draft: Draft, level: Index) -> bool:
        """Whether a member can be had at another index than its own: its folds not, all else yes,
        where that is once per row or cheap."""
        if self.cost[number] > CHEAP and not (
            draft.domain.swept and draft.domain.is_kept_level(level)
        ):
            return False
        stack = [(number, place)]
        for _ in range(64):
            if not stack:
                return True
            number, place = stack.pop()
            node = self.nodes[number]
            if not is_pointwise(node):
                return False
            for operand, below_place in operand_accesses(node, place):
                below = self.marks.at(operand)
                is_inside = below >= 0 and self.home[below] == draft.number
                if is_inside and self.index[below] != below_place:
                    stack.append((below, below_place))
        return False

    def _commit(self, number: int, draft: Draft, index: Index, outside: list[int]) -> None:
        """Make a node a member: what it reads from outside is stored or computed again here."""
        node = self.nodes[number]
        self.home[number] = draft.number
        self.index[number] = index
        draft.members.append(number)
        cost = node_cost(node)
        for below in dict.fromkeys(map(self.marks.at, node.operands)):
            if below < 0 or self.home[below] != draft.number:
                continue
            self.uses_inside[below] += 1
            if is_pointwise(self.nodes[below]):
                cost += self.cost[below]
        for below in outside:
            self._pull(below)
            cost += self.cost[below] if self.home[below] < 0 else 0
        self.cost[number] = cost
        self.drafts.run_after(draft, self._mask(outside))
        self._note_reads(draft, number)

    def _note_reads(self, draft: Draft, number: int) -> None:
        for below in self._direct_reads(self.nodes[number]):
            is_outside = below < 0 or self.home[below] != draft.number
            if is_outside and below not in draft.reads:
                draft.reads.add(below)
                self.readers.setdefault((below, draft.domain), []).append(draft.number)

    def _direct_reads(self, node: Node) -> frozenset[int]:
        """What computing a node reads from memory, as node positions."""
        found: set[int] = set()
        for operand in node.operands:
            below = self.marks.at(operand)
            if below < 0 or self.source[below] or self.stored[below] or self.home[below] >= 0:
                found.add(below)
            elif len(self.reads[below]) <= MAXIMUM_READS:
                found |= self.reads[below]
        return frozenset(found)

    def _mask(self, numbers: list[int]) -> int:
        """The groups that must have run before these nodes can be read or computed."""
        mask = 0
        for number in numbers:
            mask |= self.before[number]
            if self.home[number] >= 0:
                mask |= 1 << self.home[number]
        return mask

    # Free nodes -----------------------------------------------------------------------------------

    def _stay_free(self, number: int, node: Node) -> None:
        below = [self.marks.at(operand) for operand in node.operands]
        inner = [each for each in dict.fromkeys(below) if each >= 0 and not self.source[each]]
        cost = node_cost(node)
        for each in inner:
            self._pull(each)
            if not self.stored[each]:
                cost += self.cost[each]
        self.cost[number] = cost
        self.before[number] = self._mask(inner)
        self.reads[number] = self._direct_reads(node)
        if self._deserves_group(number, node):
            self._start_pointwise(number)

    def _deserves_group(self, number: int, node: Node) -> bool:
        if self.marks.wanted[number]:
            return True
        if node.op.kind is OpKind.MOVEMENT:
            return False
        if not node.result_types[0].rank:
            return self._is_worth_a_scalar(number)
        cost = self.cost[number]
        return cost > CHEAP and (self.marks.uses[number] > 1 or self.marks.alone[number])

    def _is_worth_a_scalar(self, number: int) -> bool:
        """Single numbers are computed once, apart, unless next to nothing."""
        if any(not self._is_number(read) for read in self.reads[number]):
            return self.cost[number] > CHEAP and self.marks.uses[number] > 1
        return self.cost[number] > 1

    def _is_number(self, number: int) -> bool:
        return not self.marks.rank(number)

    def _start_pointwise(self, number: int) -> None:
        """Give a free node a group: one that already reads the same over the same loops, or new."""
        domain = Domain(self.nodes[number].result_types[0].shape)
        for candidate in self._neighbours(number, domain):
            draft = self.drafts[candidate]
            if self._accepts_beside(draft, self.before[number]):
                self._adopt(number, draft)
                return
        draft = self.drafts.start(GroupKind.ELEMENTWISE, domain)
        if not domain.shape:
            self.scalars.append(draft.number)
        self._adopt(number, draft)

    def _neighbours(self, number: int, domain: Domain) -> list[int]:
        if not domain.shape:
            return self.scalars[-4:]
        found: list[int] = []
        for read in sorted(self.reads[number]):
            if self.marks.rank(read):
                found.extend(self.readers.get((read, domain), ())[-4:])
        return [each for each in dict.fromkeys(found) if self._is_elementwise(each)]

    def _is_elementwise(self, draft: int) -> bool:
        return self.drafts[draft].kind is GroupKind.ELEMENTWISE

    def _accepts_beside(self, draft: Draft, before: int) -> bool:
        own = 1 << draft.number
        return (
            len(draft.reads) < MAXIMUM_READS
            and not before & own
            and not self.drafts.would_cycle(draft, before)
        )

    def _adopt(self, number: int, draft: Draft) -> None:
        self.home[number] = draft.number
        self.index[number] = draft.domain.index
        draft.members.append(number)
        self.drafts.run_after(draft, self.before[number])
        for read in self.reads[number]:
            if read not in draft.reads:
                draft.reads.add(read)
                self.readers.setdefault((read, draft.domain), []).append(draft.number)
        if self.marks.wanted[number]:
            self._store(number)

    # Crossing a boundary --------------------------------------------------------------------------

    def _pull(self, number: int) -> None:
        """A group or a free node needs a value made elsewhere: store it, or store less and compute
        the rest again."""
        if self.home[number] < 0 or self.stored[number]:
            return
        cut = self._cut_below(number)
        if cut is None:
            self._store(number)
            return
        for below in cut:
            self._store(below)

    def _cut_below(self, number: int) -> set[int] | None:
        """Values to store instead of this one, from which it is cheap to compute; None for none.

        They are stored anyway, read by several, or smaller than what they give.
        """
        if self.marks.wanted[number] or not self.nodes[number].result_types[0].rank:
            return None
        cut: set[int] = set()
        wide: set[int] = set()
        cost = 0
        stack = [number]
        while stack:
            current = stack.pop()
            node = self.nodes[current]
            if not is_pointwise(node):
                return None
            cost += node_cost(node)
            if cost > CHEAP:
                return None
            for operand in node.operands:
                below = self.marks.at(operand)
                if self._must_go_deeper(below, number):
                    stack.append(below)
                    continue
                if below >= 0 and self.home[below] >= 0 and not self.stored[below]:
                    if not self._is_worth_storing(below, number):
                        return None
                    cut.add(below)
                if _width(operand) >= _width_of(self.nodes[number]):
                    wide.add(id(operand.node))
        return cut if len(wide) <= 2 else None

    def _must_go_deeper(self, below: int, top: int) -> bool:
        """Whether an operand is itself computed again: free, or pending and not worth storing."""
        if below < 0 or self.source[below] or self.stored[below]:
            return False
        if self.home[below] < 0:
            return True
        if self.marks.wanted[below] or not is_pointwise(self.nodes[below]):
            return False
        return not self._is_worth_storing(below, top)

    def _is_worth_storing(self, below: int, top: int) -> bool:
        """Whether a value is stored anyway, read by several, or smaller than what it gives."""
        is_narrow = _width_of(self.nodes[below]) < _width_of(self.nodes[top])
        is_read_outside = self.marks.uses[below] > self.uses_inside[below]
        return is_narrow or self.marks.wanted[below] or is_read_outside

    def _store(self, number: int) -> None:
        """Give a member memory; a reshape inside a group is a view of its operand."""
        node = self.nodes[number]
        while node.op is reshape:
            below = self.marks.at(node.operands[0])
            if below < 0 or self.home[below] != self.home[number]:
                break
            number, node = below, self.nodes[below]
        self.stored[number] = True

    # Folds, contractions, scans, scatters ---------------------------------------------------------

    def _anchor(self, number: int, kind: GroupKind, domain: Domain) -> Draft:
        """Start a group at a node that needs loops of its own."""
        draft = self.drafts.start(kind, domain)
        self._place_anchor(number, draft)
        return draft

    def _place_anchor(self, number: int, draft: Draft) -> None:
        node = self.nodes[number]
        below = [self.marks.at(operand) for operand in node.operands]
        outside = [
            each
            for each in dict.fromkeys(below)
            if each >= 0 and not self.source[each] and self.home[each] != draft.number
        ]
        index = draft.domain.index_of(node.result_types[0].shape)
        if draft.kind is GroupKind.SCAN:
            index = draft.domain.index
        if draft.kind is GroupKind.SCATTER:
            index = ()
        assert index is not None
        self._commit(number, draft, index, outside)
        if self.marks.wanted[number]:
            self._store(number)

    def _contraction(self, number: int, node: Node) -> None:
        for operand in node.operands:
            source = contraction_source(operand, self.marks.cut)
            below = self.marks.at(source)
            if below >= 0 and not self.source[below] and self.stored[below]:
                reason = RefusalReason.CONTRACTION_OPERAND
                if is_pointwise(self.nodes[below]):
                    self.refusals.append(Refusal(self.nodes[below], node, reason))
        self._anchor(number, GroupKind.CONTRACTION, Domain(node.result_types[0].shape))

    def _scatter(self, number: int, node: Node) -> None:
        draft = self._anchor(number, GroupKind.SCATTER, Domain(node.operands[2].shape))
        draft.is_shut = True

    def _reduction(self, number: int, node: Node) -> None:
        axes = node.attributes.get("axes")
        if axes is None:
            axes = (node.attributes["axis"],)
        shape = node.operands[0].shape
        is_row = len(shape) - 1 in axes or not axes
        domain = Domain(shape, tuple(axes))
        kind = GroupKind.ROW if is_row else GroupKind.COLUMN
        for draft in self._reduction_candidates(node, domain, kind):
            if self._join_fold(number, draft):
                return
        self._anchor(number, kind, domain)

    def _reduction_candidates(self, node: Node, domain: Domain, kind: GroupKind) -> list[Draft]:
        below = self.marks.at(node.operands[0])
        found: list[int] = []
        if below >= 0 and self.home[below] >= 0:
            found.append(self.home[below])
            self._refuse_fold(node, below, domain, kind)
        for read in sorted(self._direct_reads(node)):
            found.extend(self.readers.get((read, domain), ())[-4:])
        return [self.drafts[each] for each in dict.fromkeys(found)]

    def _refuse_fold(self, node: Node, below: int, domain: Domain, kind: GroupKind) -> None:
        draft = self.drafts[self.home[below]]
        if draft.kind is GroupKind.CONTRACTION:
            reason = RefusalReason.CONTRACTION_RESULT
        elif draft.kind is GroupKind.SCATTER:
            reason = RefusalReason.INCOMPLETE
        elif draft.kind is kind and draft.domain == domain:
            return
        else:
            reason = RefusalReason.OTHER_SWEEP
        self.refusals.append(Refusal(self.nodes[below], node, reason))

    def _join_fold(self, number: int, draft: Draft) -> bool:
        """Fold in a group that already sweeps over the same elements."""
        node = self.nodes[number]
        axes = node.attributes.get("axes")
        swept = tuple(axes) if axes is not None else (node.attributes["axis"],)
        domain = Domain(node.operands[0].shape, swept)
        if not self._can_sweep(draft, domain):
            return False
        below = self.marks.at(node.operands[0])
        is_inside = below >= 0 and self.home[below] == draft.number
        if is_inside and (
            draft.kind is GroupKind.COLUMN or self.index[below] != domain.index
        ):
            return False
        outside = [] if is_inside or below < 0 or self.source[below] else [below]
        mask = self._mask(outside)
        if not is_inside and not self._accepts_beside(draft, mask):
            return False
        if draft.kind is GroupKind.ELEMENTWISE:
            draft.kind, draft.domain = GroupKind.ROW, domain
            for read in sorted(draft.reads):
                self.readers.setdefault((read, domain), []).append(draft.number)
        self._place_anchor(number, draft)
        return True

    def _can_sweep(self, draft: Draft, domain: Domain) -> bool:
        if draft.kind in (GroupKind.ROW, GroupKind.COLUMN):
            return draft.domain == domain
        return (
            draft.kind is GroupKind.ELEMENTWISE
            and draft.domain.shape == domain.shape
            and len(domain.shape) - 1 in domain.swept
            and bool(domain.kept)
        )

    # Host -----------------------------------------------------------------------------------------

    def _host(self, number: int, node: Node) -> None:
        draft = self.drafts.start(GroupKind.HOST, Domain(()))
        draft.members.append(number)
        self._barrier(number, node)
        self.drafts.run_after(draft, self.before[number])
        self.before[number] |= 1 << draft.number
        assert node.op in EFFECTS

    def _barrier(self, number: int, node: Node) -> None:
        """A view of stored operands, readable once all of them are there."""
        below = [self.marks.at(operand) for operand in node.operands]
        self.before[number] = self._mask([each for each in below if each >= 0])
        self.stored[number] = True


def _is_large_whole(domain: Domain) -> bool:
    """Whether one fold covers everything (no parallel axis) and that is, or may be, much."""
    if any(size != 1 for size in domain.kept_shape):
        return False
    count = 1
    for size in domain.shape:
        if not isinstance(size, int):
            return True
        count *= size
    return count > SERIAL_LIMIT


def _width(tensor: Tensor) -> int:
    return sum(size != 1 for size in tensor.shape)


def _width_of(node: Node) -> int:
    return sum(size != 1 for size in node.result_types[0].shape)
