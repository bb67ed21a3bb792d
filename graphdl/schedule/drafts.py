"""Groups while they grow, and which of them must run before which."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphdl.schedule.groups import Domain, GroupKind


@dataclass(slots=True)
class Draft:
    """A growing group. `members` and `reads` are node positions; `before` is a bit mask of the
    drafts that must have run (their own bit excluded), `direct` those that it was told of."""

    number: int
    kind: GroupKind
    domain: Domain
    members: list[int] = field(default_factory=list)
    reads: set[int] = field(default_factory=set)
    before: int = 0
    direct: int = 0


class Drafts:
    """All drafts, with their order kept transitively closed."""

    def __init__(self) -> None:
        self.all: list[Draft] = []

    def __getitem__(self, number: int) -> Draft:
        return self.all[number]

    def start(self, kind: GroupKind, domain: Domain) -> Draft:
        """A new, empty draft."""
        draft = Draft(len(self.all), kind, domain)
        self.all.append(draft)
        return draft

    def closure(self, mask: int) -> int:
        """The drafts in `mask` and everything before them."""
        result = mask
        while mask:
            low = mask & -mask
            mask ^= low
            before = self.all[low.bit_length() - 1].before
            result |= before
            mask &= ~before
        return result

    def would_cycle(self, draft: Draft, mask: int) -> bool:
        """Whether some draft in `mask` (or before it) already needs `draft`."""
        return bool(self.closure(mask & ~(1 << draft.number)) >> draft.number & 1)

    def run_after(self, draft: Draft, mask: int) -> None:
        """Order `draft`, and all that follows it, after the drafts in `mask`."""
        own = 1 << draft.number
        draft.direct |= mask & ~own
        added = self.closure(mask & ~own) & ~own
        if not added & ~draft.before:
            return
        draft.before |= added
        for other in self.all:
            if other.before & own:
                other.before |= added
