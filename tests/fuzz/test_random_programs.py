"""Random programs: interpreter, passes, Program interpreter and native code agree.

Every program is compiled for the full vector width and, in turn, for one of the narrower ones, and
run with one and with two threads, between which even small loops are shared out.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from graphdl.backends.cpu import driver
from graphdl.backends.cpu.target import CpuTarget, executable_targets
from tests.fuzz.checks import check_case
from tests.fuzz.random_cases import Case, cases
from tests.fuzz.runs import own_target

Targets = tuple[CpuTarget, ...]


@pytest.fixture(scope="module")
def targets() -> Iterator[Targets]:
    """The host at every width, with loops cut into the smallest tasks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "GRAIN", 1)
        patch.setattr(driver, "LARGE_TASK", 4)
        yield tuple(own_target(target, 1) for target in executable_targets())


def check_at_two_widths(case: Case, targets: Targets) -> None:
    """The full width, and a narrower one that depends on the case."""
    full, *narrow = targets
    others = narrow[case.seed % len(narrow) :][:1] if narrow else []
    check_case(case, (full, *others))


@settings(max_examples=200)
@given(case=cases())
def test_random_programs_agree(case: Case, targets: Targets) -> None:
    check_at_two_widths(case, targets)


@pytest.mark.nightly
@settings(max_examples=2000, derandomize=False)
@given(case=cases(most_steps=25))
def test_many_random_programs_agree(case: Case, targets: Targets) -> None:
    check_case(case, targets)
