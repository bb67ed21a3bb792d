"""The state of the fusion walk: what is known of each node, and of the groups so far."""

from __future__ import annotations

from graphdl.graph.nodes import Node
from graphdl.schedule.accesses import Index
from graphdl.schedule.drafts import Draft, Drafts
from graphdl.schedule.groups import Domain, Refusal
from graphdl.schedule.mark import Marks

MAXIMUM_READS = 24
"""Arrays that one kernel reads at most."""

MAXIMUM_MEMBERS = 400
"""Nodes that one kernel computes at most."""


class FusionState:
    """Per node: its group (`home`, -1 for none) and its index in the group's loops; whether it is
    a `source` (a leaf) or `stored`; what it costs to compute again, what that reads, which groups
    must run before; how many of its readers are in its own group.

    `readers`: (node, loops) -> the groups that read the node in these loops.
    """

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

    def mask(self, numbers: list[int]) -> int:
        """The groups that must have run before these nodes can be read or computed."""
        mask = 0
        for number in numbers:
            mask |= self.before[number]
            if self.home[number] >= 0:
                mask |= 1 << self.home[number]
        return mask

    def direct_reads(self, node: Node) -> frozenset[int]:
        """What computing a node reads from memory, as node positions."""
        found: set[int] = set()
        for operand in node.operands:
            below = self.marks.at(operand)
            if below < 0 or self.source[below] or self.stored[below] or self.home[below] >= 0:
                found.add(below)
            elif len(self.reads[below]) <= MAXIMUM_READS:
                found |= self.reads[below]
        return frozenset(found)

    def note_reads(self, draft: Draft, number: int) -> None:
        """Remember what a new member reads from memory."""
        for below in self.direct_reads(self.nodes[number]):
            is_outside = below < 0 or self.home[below] != draft.number
            if is_outside and below not in draft.reads:
                draft.reads.add(below)
                self.readers.setdefault((below, draft.domain), []).append(draft.number)
