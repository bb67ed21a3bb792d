"""The order of the groups: producers first, each variable's old value kept until its last reader is
done, checks before the first write, and little memory alive at once.

A group whose result becomes a variable's new value writes the variable in place when the order
allows it; otherwise the value is stored apart and copied at the end.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from graphdl.graph.nodes import Graph, Tensor, Update
from graphdl.ops.effect import check
from graphdl.ops.leaves import variable
from graphdl.schedule.collect import memory_of
from graphdl.schedule.drafts import Drafts
from graphdl.schedule.groups import Domain, Group, GroupKind, Schedule
from graphdl.typesystem.expression import Size, evaluate, free_symbols

TYPICAL_SIZE = 64
"""What a named size counts as when memory is weighed."""

URGENT = 1 << 62
"""More than any memory."""

Key = tuple[int, int]


class CopyReason(Enum):
    """Why a value is copied rather than written where it belongs."""

    INPUT = "the value is an input, a constant or a variable"
    OLD_VALUE = "a group that must run later still reads the old value"
    OLD_VALUE_MOVES = "the old value becomes another variable's new value"
    ELSEWHERE = "the kernel reads the variable at other places than it writes"
    SHARED = "one value has several places"
    CHECKS = "a check or print that may fail runs later"
    SCATTER = "the operand of a scatter is still needed"
    BODY = "a loop or branch writes it while it may still read the variable"
    CARRY = "a loop starts from it"


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """Groups in the order of execution.

    `in_place`: key of a stored tensor -> the variable whose memory it is written to.
    `copied`: the other updates, with the reason.
    """

    schedule: Schedule
    groups: tuple[Group, ...]
    in_place: Mapping[Key, Tensor]
    copied: tuple[tuple[Update, CopyReason], ...]

    def memory_of(self, tensor: Tensor) -> Tensor:
        """The stored tensor or leaf whose memory holds `tensor`."""
        return memory_of(tensor, self.schedule.cut, self.schedule.makers)[0]


def storage_of(tensor: Tensor) -> Any:
    """The variable's storage when the tensor is a variable as the call finds it, else None."""
    node = tensor.node
    return node.attributes["storage"] if node.op is variable else None


def has_effects(group: Group) -> bool:
    """Whether the group prints or checks, in a body perhaps."""
    if group.kind.has_bodies:
        return any(map(_region_has_effects, group.nodes[0].regions))
    return group.kind is GroupKind.HOST


def _region_has_effects(region: Graph) -> bool:
    return any(
        node.op.has_effect or any(map(_region_has_effects, node.regions)) for node in region.nodes()
    )


def order(schedule: Schedule) -> Order:
    """Choose the order and which updates are written in place."""
    orderer = _Orderer(schedule)
    orderer.keep_effects_in_build_order()
    orderer.place_updates()
    return Order(schedule, orderer.run(), orderer.in_place, tuple(orderer.copied))


class _Orderer:
    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.groups = schedule.groups
        self.cut = schedule.cut
        self.in_place: dict[Key, Tensor] = {}
        self.copied: list[tuple[Update, CopyReason]] = []
        self.drafts = Drafts()
        self.bases: list[list[Tensor]] = []
        self.readers: dict[int, list[int]] = {}
        for position, group in enumerate(self.groups):
            self._add(position, group)
        self.urgent = self._find_input_checks()

    def _find_input_checks(self) -> int:
        """The checks whose value is an input, and what they need, as a mask."""
        mask = 0
        for number, group in enumerate(self.groups):
            is_check = group.kind is GroupKind.HOST and group.nodes[0].op is check
            if is_check and self._base(group.nodes[0].operands[0]).key in self.cut:
                mask |= 1 << number
        return self.drafts.closure(mask)

    def _add(self, position: int, group: Group) -> None:
        draft = self.drafts.start(group.kind, Domain(()))
        mask = 0
        bases: list[Tensor] = []
        for tensor in group.inputs:
            found = memory_of(tensor, self.cut, self.schedule.makers)
            bases.append(found[0])
            for base in found:
                maker = self.schedule.makers.get(base.key)
                if maker is not None:
                    mask |= 1 << maker
            storage = storage_of(found[0])
            if storage is not None:
                self.readers.setdefault(id(storage), []).append(position)
        self.bases.append(bases)
        self.drafts.run_after(draft, mask)

    def keep_effects_in_build_order(self) -> None:
        """Prints and checks run in the order in which they were built."""
        hosts = [number for number, group in enumerate(self.groups) if has_effects(group)]
        hosts.sort(key=lambda number: self.groups[number].nodes[0].serial)
        for before, after in itertools.pairwise(hosts):
            if not self.drafts.would_cycle(self.drafts[after], 1 << before):
                self.drafts.run_after(self.drafts[after], 1 << before)

    def place_updates(self) -> None:
        """Decide for each update whether its group can write the variable itself."""
        moved = {
            id(storage_of(base))
            for update in self.schedule.graph.updates
            if storage_of(base := self._base(update.value)) is not None
            and storage_of(base) is not storage_of(update.variable)
        }
        checks = 0
        for number, group in enumerate(self.groups):
            if has_effects(group):
                checks |= 1 << number
        for update in self.schedule.graph.updates:
            if storage_of(self._base(update.value)) is storage_of(update.variable):
                continue
            reason = self._place(update, moved, checks)
            if reason is not None:
                self.copied.append((update, reason))

    def _base(self, tensor: Tensor) -> Tensor:
        return memory_of(tensor, self.cut, self.schedule.makers)[0]

    def _place(self, update: Update, moved: set[int], checks: int) -> CopyReason | None:
        base = self._base(update.value)
        maker = self.schedule.makers.get(base.key)
        storage = storage_of(update.variable)
        if maker is None:
            return CopyReason.INPUT
        if base.key in self.in_place:
            return CopyReason.SHARED
        if id(storage) in moved:
            return CopyReason.OLD_VALUE_MOVES
        group = self.groups[maker]
        if group.kind.has_bodies:
            return CopyReason.BODY
        if group.kind is GroupKind.SCATTER and not self._scatters_into(group, storage):
            return CopyReason.SCATTER
        draft = self.drafts[maker]
        if self.drafts.would_cycle(draft, checks):
            return CopyReason.CHECKS
        readers = 0
        for number in self.readers.get(id(storage), ()):
            readers |= 1 << number
        readers &= ~(1 << maker)
        if self.drafts.would_cycle(draft, readers):
            return CopyReason.OLD_VALUE
        self.drafts.run_after(draft, readers | checks)
        self.in_place[base.key] = update.variable
        return None

    def _scatters_into(self, group: Group, storage: Any) -> bool:
        """Whether a scatter's operand is the variable itself, read nowhere else in the kernel."""
        anchor = group.anchors[0]
        if storage_of(self._base(anchor.operands[0])) is not storage:
            return False
        reads = [base for base in self.bases[self._position(group)] if storage_of(base) is storage]
        return len(reads) <= 1 and all(
            storage_of(self._base(operand)) is not storage for operand in anchor.operands[1:]
        )

    def _position(self, group: Group) -> int:
        return next(number for number, each in enumerate(self.groups) if each is group)

    def run(self) -> tuple[Group, ...]:
        """List scheduling: of the groups that may run, the one that frees the most memory."""
        count = len(self.groups)
        left: dict[Key, int] = {}
        for bases in self.bases:
            for base in bases:
                left[base.key] = left.get(base.key, 0) + 1
        waiting = [self.drafts[number].direct.bit_count() for number in range(count)]
        followers = self._followers()
        ready = [number for number in range(count) if not waiting[number]]
        result: list[Group] = []
        while ready:
            chosen = max(ready, key=lambda number: (self._gain(number, left), -number))
            ready.remove(chosen)
            result.append(self.groups[chosen])
            for base in self.bases[chosen]:
                left[base.key] -= 1
            for number in followers[chosen]:
                waiting[number] -= 1
                if not waiting[number]:
                    ready.append(number)
        assert len(result) == count, "groups wait for each other"
        return tuple(result)

    def _followers(self) -> list[list[int]]:
        followers: list[list[int]] = [[] for _ in self.groups]
        for number in range(len(self.groups)):
            mask = self.drafts[number].direct
            while mask:
                low = mask & -mask
                mask ^= low
                followers[low.bit_length() - 1].append(number)
        return followers

    def _gain(self, number: int, left: Mapping[Key, int]) -> int:
        """Bytes that the arena loses minus bytes that it gains when this group runs next; checks of
        inputs come before everything else."""
        if self.urgent >> number & 1:
            return URGENT
        gain = 0
        for base in self.bases[number]:
            if left[base.key] == 1 and base.key in self.schedule.makers:
                gain += weigh(base.type.byte_count)
        for output in self.groups[number].outputs:
            if output.key not in self.in_place:
                gain -= weigh(output.type.byte_count)
        return gain


@lru_cache(maxsize=4096)
def weigh(size: Size) -> int:
    """A size as a number, named sizes counted as TYPICAL_SIZE."""
    return evaluate(size, dict.fromkeys(free_symbols(size), TYPICAL_SIZE))
