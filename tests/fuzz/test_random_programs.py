"""Random programs: interpreter, passes, Program interpreter and native code agree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.fuzz.checks import check_case
from tests.fuzz.random_cases import Case, cases


@settings(max_examples=200)
@given(cases())
def test_random_programs_agree(case: Case) -> None:
    check_case(case)


@pytest.mark.nightly
@settings(max_examples=2000, derandomize=False)
@given(cases(most_steps=20))
def test_many_random_programs_agree(case: Case) -> None:
    check_case(case)
