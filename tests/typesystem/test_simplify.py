"""Range-aware simplification against every point of small ranges."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphdl.typesystem import simplify as simplify_module
from graphdl.typesystem.expression import Size, maximum, minimum
from graphdl.typesystem.ranges import Ranges
from graphdl.typesystem.simplify import simplify
from tests.typesystem.test_ranges import (
    NESTS,
    M,
    N,
    X,
    Y,
    Z,
    expressions,
    values_at_points,
)


def assert_simplifies(value: Size, ranges: Ranges) -> Size:
    simplified = simplify(value, ranges)
    for before, after in values_at_points(ranges, value, simplified):
        assert before == after
    return simplified


@given(expressions(), st.sampled_from(NESTS))
@settings(max_examples=150, deadline=None)
def test_values_stay(value: Size, ranges: Ranges) -> None:
    simplified = assert_simplifies(value, ranges)
    assert simplify(simplified, ranges) == simplified


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((4 * X + Y) // 4, X),
        ((4 * X + Y) % 4, Y),
        (X % N, X),
        (X // N, 0),
        ((X * M + Z) // M, X),
        ((X * M + Z) % M, Z),
        ((X * M + Z) // M * M + (X * M + Z) % M, X * M + Z),
        ((X * M + Z) % (4 * M), (X % 4) * M + Z),
        ((X * M + Z) // (4 * M), X // 4),
        ((4 * X + Y) // 8, X // 2),
        ((4 * X + Y) % 8, 4 * (X % 2) + Y),
        (4 * (X // 4) + X % 4, X),
        (12 * (X // 12) + 4 * ((X // 4) % 3) + X % 4, X),
        ((N * M - 1 - X * M - Z) // M, N - 1 - X),
        ((3 - Y) // 4, 0),
        (minimum(X, N), X),
        (maximum(Y, 3), 3),
        (minimum(Y, 5, X + N), minimum(Y, X + N)),
        ((4 * X + 2 * Y + 1) % 2, 1),
        (X // 4, X // 4),
    ],
)
def test_simplify(value: Size, expected: Size) -> None:
    assert assert_simplifies(value, NESTS[0]) == expected


def test_nothing_to_do_gives_the_same_object() -> None:
    value = 4 * X + Y
    assert simplify(value, NESTS[0]) is value
    assert simplify(3, {}) == 3


def test_planted_fault_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking every rest for smaller than the factor is found by enumeration."""

    def careless(value: Size, factor: Size) -> tuple[Size, Size]:
        return X, Y + 1

    monkeypatch.setattr(simplify_module, "_split", careless)
    with pytest.raises(AssertionError):
        assert_simplifies((4 * X + Y + Z) % 8, {X: (0, N - 1), Y: (0, 2), Z: (0, 3)})
