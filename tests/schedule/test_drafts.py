"""The order of drafts stays transitively closed, and cycles are seen before they are made."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graphdl.schedule.drafts import Drafts
from graphdl.schedule.groups import Domain, GroupKind


def make(count: int) -> Drafts:
    drafts = Drafts()
    for _ in range(count):
        drafts.start(GroupKind.ELEMENTWISE, Domain(()))
    return drafts


def test_what_follows_a_draft_follows_what_it_is_given() -> None:
    drafts = make(3)
    drafts.run_after(drafts[1], 0b001)
    drafts.run_after(drafts[2], 0b010)
    assert drafts[2].before == 0b011
    assert drafts[2].direct == 0b010
    assert drafts.would_cycle(drafts[0], 0b100)
    assert not drafts.would_cycle(drafts[2], 0b001)


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=40))
def test_the_closure_is_the_transitive_closure(pairs: list[tuple[int, int]]) -> None:
    drafts = make(8)
    edges: set[tuple[int, int]] = set()
    for after, before in pairs:
        if after == before or drafts.would_cycle(drafts[after], 1 << before):
            continue
        drafts.run_after(drafts[after], 1 << before)
        edges.add((after, before))
    for number in range(8):
        reached, stack = set(), [number]
        while stack:
            current = stack.pop()
            for after, before in edges:
                if after == current and before not in reached:
                    reached.add(before)
                    stack.append(before)
        assert number not in reached
        assert drafts[number].before == sum(1 << each for each in reached)
