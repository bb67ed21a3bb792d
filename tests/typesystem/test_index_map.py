"""Index maps applied to symbolic indices."""

from __future__ import annotations

import numpy as np

from graphdl.typesystem.expression import Comparison, Symbol, evaluate
from graphdl.typesystem.index_map import IndexMap, axis_symbols

X, Y, N = map(Symbol, "ijn")
D0, D1 = axis_symbols(2)


def test_results_and_conditions_are_substituted_at_once() -> None:
    swap = IndexMap((D0, D1), (D1, 2 * D0 + 1), (Comparison(D0, "<", N),))
    results, conditions = swap.apply((D1, X + Y))
    assert results == (X + Y, 2 * D1 + 1)
    assert conditions == (Comparison(D1, "<", N),)
    assert str(swap) == "(d0, d1) -> (d1, 2*d0+1) where d0 < n"


def test_a_map_reads_what_numpy_reads() -> None:
    array = np.arange(12).reshape(3, 4)
    flipped_transpose = IndexMap((D0, D1), (2 - D1, D0))
    expected = array[::-1].T
    for index, value in np.ndenumerate(expected):
        (row, column), _ = flipped_transpose.apply(index)
        assert array[evaluate(row, {}), evaluate(column, {})] == value
