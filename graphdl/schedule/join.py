"""Whether a node may be computed in a group: form, indices, order; and what joining entails."""

from __future__ import annotations

from graphdl.graph.nodes import Node, Tensor
from graphdl.graph.op import OpKind
from graphdl.ops.movement import broadcast_in_dim, transpose
from graphdl.schedule.accesses import Index, operand_accesses
from graphdl.schedule.boundary import pull, store
from graphdl.schedule.costs import CHEAP, is_pointwise, node_cost
from graphdl.schedule.drafts import Draft
from graphdl.schedule.fusion_state import MAXIMUM_MEMBERS, MAXIMUM_READS, FusionState
from graphdl.schedule.groups import Domain, GroupKind, RefusalReason

SERIAL_LIMIT = 1 << 14
"""Elements up to which a fold of everything and what follows may share one task."""


def join_pointwise(state: FusionState, number: int, draft: Draft) -> RefusalReason | None:
    """Put a pointwise node into a group, or say why not."""
    node = state.nodes[number]
    index = _place(state, node, draft)
    reason = _refuse_form(state, node, draft, index)
    if reason is not None or index is None:
        return reason or RefusalReason.SHAPE
    outside: list[int] = []
    for operand, place in operand_accesses(node, index):
        below = state.marks.at(operand)
        if below < 0 or state.source[below]:
            continue
        if state.home[below] != draft.number:
            outside.append(below)
        elif state.index[below] != place and not _can_compute(state, below, place, draft, index):
            return RefusalReason.INDEX
    mask = state.mask(outside)
    if mask >> draft.number & 1 or state.drafts.would_cycle(draft, mask):
        return _cycle_reason(state, outside)
    commit(state, number, draft, index, outside)
    return None


def _cycle_reason(state: FusionState, outside: list[int]) -> RefusalReason:
    kinds = (state.nodes[below].op.kind for below in outside)
    is_barrier = any(kind in (OpKind.REGION, OpKind.EFFECT) for kind in kinds)
    return RefusalReason.BARRIER if is_barrier else RefusalReason.CYCLE


def _place(state: FusionState, node: Node, draft: Draft) -> Index | None:
    """The loops' index of a node's elements; a contraction also writes axes in another order."""
    if draft.kind is GroupKind.CONTRACTION:
        for operand in node.operands:
            below = state.marks.at(operand)
            if below < 0 or state.home[below] != draft.number:
                continue
            if node.op is transpose:
                return tuple(state.index[below][a] for a in node.attributes["permutation"])
            if node.op.kind is OpKind.ELEMENTWISE:
                return state.index[below]
    return draft.domain.index_of(node.result_types[0].shape)


def _refuse_form(
    state: FusionState, node: Node, draft: Draft, index: Index | None
) -> RefusalReason | None:
    """What this kind of group cannot take, whatever the indices."""
    if draft.kind is GroupKind.SCATTER:
        return RefusalReason.INCOMPLETE
    if index is None:
        return RefusalReason.SHAPE
    if len(draft.reads) >= MAXIMUM_READS or len(draft.members) >= MAXIMUM_MEMBERS:
        return RefusalReason.TOO_LARGE
    if draft.kind is GroupKind.RANDOM and _reads_arrays(state, node, draft):
        return RefusalReason.RANDOM_BLOCK
    if not draft.domain.swept or draft.kind is GroupKind.SCAN:
        return None
    if draft.domain.is_kept_level(index):
        return None
    if draft.kind is GroupKind.COLUMN:
        return RefusalReason.SECOND_SWEEP
    return RefusalReason.WHOLE_SUM if _is_large_whole(draft.domain) else None


def _reads_arrays(state: FusionState, node: Node, draft: Draft) -> bool:
    """Whether a node reads anything but this random group and single numbers."""
    for operand in node.operands:
        below = state.marks.at(operand)
        is_own = below >= 0 and state.home[below] == draft.number
        if not is_own and operand.ndim and not _is_spread_number(state, operand):
            return True
    return False


def _is_spread_number(state: FusionState, tensor: Tensor) -> bool:
    """Whether a tensor is one number in every place, not read from memory as an array."""
    while tensor.ndim:
        below = state.marks.at(tensor)
        if below < 0 or state.stored[below] or state.home[below] >= 0:
            return False
        if tensor.node.op is not broadcast_in_dim:
            return False
        tensor = tensor.node.operands[0]
    return True


def _can_compute(state: FusionState, number: int, place: Index, draft: Draft, level: Index) -> bool:
    """Whether a member can be had at another index than its own: its folds not, all else yes,
    where that is once per row or cheap."""
    if state.cost[number] > CHEAP and not (
        draft.domain.swept and draft.domain.is_kept_level(level)
    ):
        return False
    stack = [(number, place)]
    for _ in range(64):
        if not stack:
            return True
        number, place = stack.pop()
        node = state.nodes[number]
        if not is_pointwise(node):
            return False
        for operand, below_place in operand_accesses(node, place):
            below = state.marks.at(operand)
            is_inside = below >= 0 and state.home[below] == draft.number
            if is_inside and state.index[below] != below_place:
                stack.append((below, below_place))
    return False


def commit(state: FusionState, number: int, draft: Draft, index: Index, outside: list[int]) -> None:
    """Make a node a member: what it reads from outside is stored or computed again here."""
    node = state.nodes[number]
    state.home[number] = draft.number
    state.index[number] = index
    draft.members.append(number)
    cost = node_cost(node)
    for below in dict.fromkeys(map(state.marks.at, node.operands)):
        if below < 0 or state.home[below] != draft.number:
            continue
        state.uses_inside[below] += 1
        if is_pointwise(state.nodes[below]):
            cost += state.cost[below]
    for below in outside:
        pull(state, below)
        cost += state.cost[below] if state.home[below] < 0 else 0
    state.cost[number] = cost
    state.drafts.run_after(draft, state.mask(outside))
    state.note_reads(draft, number)


def place_anchor(state: FusionState, number: int, draft: Draft) -> None:
    """Put a fold, contraction, scan or scatter into a group whose loops are made for it."""
    node = state.nodes[number]
    below = [state.marks.at(operand) for operand in node.operands]
    outside = [
        each
        for each in dict.fromkeys(below)
        if each >= 0 and not state.source[each] and state.home[each] != draft.number
    ]
    index = draft.domain.index_of(node.result_types[0].shape)
    if draft.kind is GroupKind.SCAN:
        index = draft.domain.index
    if draft.kind is GroupKind.SCATTER:
        index = ()
    assert index is not None
    commit(state, number, draft, index, outside)
    if state.marks.wanted[number]:
        store(state, number)


def join_fold(state: FusionState, number: int, draft: Draft) -> bool:
    """Fold in a group that already sweeps over the same elements."""
    node = state.nodes[number]
    axes = node.attributes.get("axes")
    swept = tuple(axes) if axes is not None else (node.attributes["axis"],)
    domain = Domain(node.operands[0].shape, swept)
    if not _can_sweep(state, draft, domain):
        return False
    below = state.marks.at(node.operands[0])
    is_inside = below >= 0 and state.home[below] == draft.number
    if is_inside and (draft.kind is GroupKind.COLUMN or state.index[below] != domain.index):
        return False
    outside = [] if is_inside or below < 0 or state.source[below] else [below]
    mask = state.mask(outside)
    if not is_inside and not accepts_beside(state, draft, mask):
        return False
    if draft.kind is GroupKind.ELEMENTWISE:
        draft.kind, draft.domain = GroupKind.ROW, domain
        for read in sorted(draft.reads):
            state.readers.setdefault((read, domain), []).append(draft.number)
    place_anchor(state, number, draft)
    return True


def _can_sweep(state: FusionState, draft: Draft, domain: Domain) -> bool:
    if draft.kind in (GroupKind.ROW, GroupKind.COLUMN):
        return draft.domain == domain
    return (
        draft.kind is GroupKind.ELEMENTWISE
        and draft.domain.shape == domain.shape
        and len(domain.shape) - 1 in domain.swept
        and bool(domain.kept)
    )


def accepts_beside(state: FusionState, draft: Draft, before: int) -> bool:
    """Whether a group can take in a node that reads none of its values, only what it reads."""
    own = 1 << draft.number
    return (
        len(draft.reads) < MAXIMUM_READS
        and len(draft.members) < MAXIMUM_MEMBERS
        and not before & own
        and not state.drafts.would_cycle(draft, before)
    )


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
