"""Proofs and bounds against every point of small ranges."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphdl.typesystem import ranges as ranges_module
from graphdl.typesystem.expression import (
    Comparison,
    Relation,
    Size,
    Symbol,
    add,
    evaluate,
    floor_divide,
    free_symbols,
    maximum,
    minimum,
    modulo,
    multiply,
    subtract,
)
from graphdl.typesystem.ranges import Ranges, bounds, prove

X, Y, Z, N, M = map(Symbol, "ijknm")

NESTS: tuple[Ranges, ...] = (
    {X: (0, N - 1), Y: (0, 3), Z: (0, M - 1)},
    {X: (0, N - 1), Y: (0, X), Z: (X, N + 2)},
    {X: (0, (N + 3) // 4 - 1), Y: (0, minimum(4, N - 4 * X) - 1), Z: (-2, 2)},
    {X: (0, N * M - 1), Y: (0, 7), Z: (0, 1)},
    {X: (1, N), Y: (M, 2 * M), Z: (None, None)},
)


def points(ranges: Ranges) -> Iterator[dict[Symbol, int]]:
    """Every assignment within the ranges, for sizes up to 4; unbounded is -3 to 3."""
    for n, m in itertools.product(range(5), range(5)):
        yield from _extend({N: n, M: m}, list(ranges.items()))


def _extend(values: dict[Symbol, int], left: list[Any]) -> Iterator[dict[Symbol, int]]:
    if not left:
        yield values
        return
    (symbol, (low, high)), *others = left
    first = -3 if low is None else evaluate(low, values)
    last = 3 if high is None else evaluate(high, values)
    for value in range(first, last + 1):
        yield from _extend({**values, symbol: value}, others)


def expressions() -> st.SearchStrategy[Size]:
    divisors = st.sampled_from([2, 3, 4, 8, N, M, N * M, 4 * M, M + 1])
    leaves: st.SearchStrategy[Size] = st.one_of(
        st.integers(-3, 5),
        st.sampled_from([X, Y, Z, N, M, 4 * X + Y, X * M + Z, X * N + Y, 8 * X + 2 * Y + 1, X - Y]),
    )

    def extend(inner: st.SearchStrategy[Size]) -> st.SearchStrategy[Size]:
        return st.one_of(
            st.builds(add, inner, inner),
            st.builds(subtract, inner, inner),
            st.builds(multiply, inner, st.sampled_from([2, 4, -1, N, M])),
            st.builds(floor_divide, inner, divisors),
            st.builds(modulo, inner, divisors),
            st.builds(minimum, inner, inner),
            st.builds(maximum, inner, inner),
        )

    return st.recursive(leaves, extend, max_leaves=5)


def values_at_points(ranges: Ranges, *sizes: Size) -> Iterator[tuple[int, ...]]:
    """The values of `sizes` at every point where all of them are defined."""
    for point in points(ranges):
        try:
            yield tuple(evaluate(size, point) for size in sizes)
        except ZeroDivisionError:
            continue


def assert_proof_is_right(comparison: Comparison, ranges: Ranges) -> bool | None:
    answer = prove(comparison, ranges)
    if answer is not None:
        for left, right in values_at_points(ranges, comparison.left, comparison.right):
            assert Comparison(left, comparison.relation, right).holds({}) is answer
    return answer


RELATIONS: tuple[Relation, ...] = ("<", "<=", "==", "!=")


@given(expressions(), st.sampled_from(RELATIONS), expressions(), st.sampled_from(NESTS))
@settings(max_examples=150, deadline=None)
def test_proofs_hold_at_every_point(
    left: Size, relation: Relation, right: Size, ranges: Ranges
) -> None:
    assert_proof_is_right(Comparison(left, relation, right), ranges)


@given(expressions(), st.sampled_from(NESTS))
@settings(max_examples=100, deadline=None)
def test_bounds_enclose_every_point(value: Size, ranges: Ranges) -> None:
    low, high = bounds(value, ranges)
    for bound in (low, high):
        assert bound is None or not free_symbols(bound) & ranges.keys()
    for number, lowest, highest in values_at_points(
        ranges, value, value if low is None else low, value if high is None else high
    ):
        assert lowest <= number <= highest


@pytest.mark.parametrize(
    ("comparison", "nest", "answer"),
    [
        (Comparison(X, "<", N), 0, True),
        (Comparison(X * M + Z, "<", N * M), 0, True),
        (Comparison(X, "<", N - 1), 0, None),
        (Comparison(X, "==", N), 0, False),
        (Comparison(4 * (X // 4), "<=", X), 0, True),
        (Comparison(N, "<=", 4 * ((N + 3) // 4)), 0, True),
        (Comparison(X // 2, "<", N), 0, True),
        (Comparison((4 * X + Y) // 4, "==", X), 0, True),
        (Comparison(0, "<", N), 0, True),
        (Comparison(Y, "<=", X), 1, True),
        (Comparison(Y, "<", N), 1, True),
        (Comparison(Y, "<=", Z), 1, True),
        (Comparison(4 * X + Y, "<", N), 2, True),
        (Comparison(X // M, "<", N), 3, True),
        (Comparison(X % M, "<", M), 3, True),
        (Comparison(Z, "<", 0), 4, None),
        (Comparison(Y // M, "<=", 2), 4, True),
    ],
)
def test_prove(comparison: Comparison, nest: int, answer: bool | None) -> None:
    assert assert_proof_is_right(comparison, NESTS[nest]) is answer


def test_tiles_without_a_tail_stay_inside() -> None:
    tile, lane = Symbol("tile"), Symbol("lane")
    inside = Comparison(8 * tile + lane, "<", N)
    assert prove(inside, {tile: (0, N // 8 - 1), lane: (0, 7)}) is True
    assert prove(inside, {tile: (0, (N + 7) // 8 - 1), lane: (0, 7)}) is None


@pytest.mark.parametrize(
    ("value", "nest", "expected"),
    [
        (X * M + Z, 0, (0, N * M - 1)),
        (N - X, 0, (1, N)),
        (Y % 4, 0, (0, 3)),
        (Y // 2, 0, (0, 1)),
        (X + Y, 1, (0, 2 * N - 2)),
        (Z, 4, (None, None)),
        (7, 0, (7, 7)),
        (N, 0, (N, N)),
    ],
)
def test_bounds(value: Size, nest: int, expected: tuple[Any, Any]) -> None:
    assert bounds(value, NESTS[nest]) == expected


def test_divisors_are_not_remembered_as_positive() -> None:
    """x // M says that M is not zero there, not everywhere."""
    assert prove(Comparison(0, "<=", Z // M), {Z: (0, 5)}) is True
    assert prove(Comparison(0, "<", M), {Z: (0, 5)}) is None


def test_long_proofs_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges_module, "MAXIMUM_STEPS", 1)
    ranges_module._facts.cache_clear()
    assert prove(Comparison(X * M + Z, "<", N * M), NESTS[0]) is None
    ranges_module._facts.cache_clear()


def test_planted_fault_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exclusive upper ends where inclusive ones are meant are found by enumeration."""
    right = ranges_module.Facts.range_of

    def exclusive(self: ranges_module.Facts, symbol: Symbol) -> tuple[Any, Any]:
        low, high = right(self, symbol)
        return low, None if high is None else high - 1

    monkeypatch.setattr(ranges_module.Facts, "range_of", exclusive)
    ranges_module._facts.cache_clear()
    try:
        with pytest.raises(AssertionError):
            assert_proof_is_right(Comparison(X, "<", N - 1), NESTS[0])
    finally:
        ranges_module._facts.cache_clear()
