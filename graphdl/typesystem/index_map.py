"""Affine-and-beyond index maps: where an element of a result comes from."""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.typesystem.expression import Comparison, Size, Symbol, substitute


@dataclass(frozen=True, slots=True)
class IndexMap:
    """`(d0, d1) -> (d1, 2*d0+1) where d0 < n`: result index to operand index.

    `conditions` say for which result indices the operand is read at all; elsewhere the result is
    the padding value.
    """

    symbols: tuple[Symbol, ...]
    results: tuple[Size, ...]
    conditions: tuple[Comparison, ...] = ()

    def apply(self, index: tuple[Size, ...]) -> tuple[tuple[Size, ...], tuple[Comparison, ...]]:
        """The operand index and the conditions at one (symbolic) result index."""
        replacements = dict(zip(self.symbols, index, strict=True))
        results = tuple(substitute(result, replacements) for result in self.results)
        conditions = tuple(
            Comparison(
                substitute(condition.left, replacements),
                condition.relation,
                substitute(condition.right, replacements),
            )
            for condition in self.conditions
        )
        return results, conditions

    def __str__(self) -> str:
        text = f"({', '.join(map(str, self.symbols))}) -> ({', '.join(map(str, self.results))})"
        if self.conditions:
            text += f" where {' and '.join(map(str, self.conditions))}"
        return text


def axis_symbols(rank: int) -> tuple[Symbol, ...]:
    """The symbols d0, d1, … that an IndexMap of this rank ranges over."""
    return tuple(Symbol(f"d{axis}") for axis in range(rank))
