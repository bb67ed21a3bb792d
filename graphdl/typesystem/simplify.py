"""Simplification of integer expressions whose symbols have known ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from graphdl.typesystem.expression import (
    Atom,
    FloorDivide,
    Maximum,
    Minimum,
    Modulo,
    Monomial,
    Size,
    Symbol,
    add,
    common_factor,
    floor_divide,
    from_terms,
    maximum,
    minimum,
    modulo,
    monomial,
    multiply,
    split_multiples,
    subtract,
    terms_of,
)
from graphdl.typesystem.ranges import Facts, Ranges, facts_about, is_polynomial


def simplify(value: Size, ranges: Ranges) -> Size:
    """An equal expression without the divisions and extremes that the ranges decide.

    `(4*i + j)//4` is i and `(4*i + j) % 4` is j for 0 <= j < 4; `4*(i//4) + i%4` is i; `i % n` is i
    for 0 <= i < n; `min(i, n)` is i for i <= n. `ranges` is as in ranges.py. Gives `value` itself
    when there is nothing to decide; simplifying twice changes nothing more.
    """
    if is_polynomial(value):
        return value
    return _Simplifier(facts_about(ranges, value)).visit(value)


@dataclass(frozen=True, slots=True)
class _Simplifier:
    """Rebuilds an expression from the inside out."""

    facts: Facts

    def visit(self, value: Size) -> Size:
        terms, total = terms_of(value)
        result: Size = total
        for coefficient, atoms in terms:
            term: Size = coefficient
            for atom in atoms:
                term = multiply(term, self._visit_atom(atom))
            result = add(result, term)
        return _joined(result)

    def _visit_atom(self, atom: Atom) -> Size:
        match atom:
            case Symbol():
                return atom
            case FloorDivide(numerator, divisor):
                return self._decided(floor_divide(self.visit(numerator), self.visit(divisor)))
            case Modulo(numerator, divisor):
                return self._decided(modulo(self.visit(numerator), self.visit(divisor)))
            case Minimum(terms):
                return self._extreme([self.visit(term) for term in terms], minimum, 1)
            case Maximum(terms):
                return self._extreme([self.visit(term) for term in terms], maximum, -1)

    def _decided(self, value: Size) -> Size:
        """`value` with its outermost divisions and remainders decided, where that is possible."""
        terms, constant = terms_of(value)
        result: Size = constant
        for coefficient, atoms in terms:
            term: Size = coefficient
            for atom in atoms:
                term = multiply(term, self._decide(atom))
            result = add(result, term)
        return result

    def _decide(self, atom: Atom) -> Size:
        if not isinstance(atom, FloorDivide | Modulo):
            return atom
        numerator, divisor = atom.numerator, atom.divisor
        is_quotient = isinstance(atom, FloorDivide)
        quotient = self.facts.small_quotient(numerator, divisor)
        if quotient is not None:
            return quotient if is_quotient else subtract(numerator, multiply(quotient, divisor))
        for factor, multiples, rest in self._splits(numerator, divisor):
            inner, _ = split_multiples(divisor, factor)
            if is_quotient:
                return self._decided(floor_divide(multiples, inner))
            return add(multiply(factor, self._decided(modulo(multiples, inner))), rest)
        return atom

    def _splits(self, numerator: Size, divisor: Size) -> Iterator[tuple[Size, Size, Size]]:
        """(g, a, r) with numerator == g*a + r, 0 <= r < g, and g dividing the divisor."""
        if not self.facts.is_nonnegative(divisor):
            return
        factors = {
            common_factor(monomial(coefficient, atoms), divisor): None
            for coefficient, atoms in terms_of(numerator)[0]
        }
        for factor in factors:
            multiples, rest = _split(numerator, factor)
            if factor != 1 and self.facts.small_quotient(rest, factor) == 0:
                yield factor, multiples, rest

    def _extreme(self, terms: Sequence[Size], join: Callable[..., Size], direction: int) -> Size:
        """The extreme of the terms that no other term makes superfluous."""
        kept = list(terms)
        for term in terms:
            others = [other for other in kept if other is not term]
            if any(
                self.facts.is_nonnegative(multiply(direction, subtract(term, other)))
                for other in others
            ):
                kept = others
        return join(*kept)


def _split(value: Size, factor: Size) -> tuple[Size, Size]:
    """(a, r) with value == factor*a + r, where r takes the terms that are no exact multiples."""
    terms, constant = terms_of(value)
    divisible: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for coefficient, atoms in terms:
        is_multiple = split_multiples(monomial(coefficient, atoms), factor)[1] == 0
        (divisible if is_multiple else rest)[atoms] = coefficient
    multiples, left = split_multiples(from_terms(divisible, constant), factor)
    return multiples, add(left, from_terms(rest, 0))


def _joined(value: Size) -> Size:
    """`value` with n*(x//n) + x%n joined to x as often as possible."""
    terms, _ = terms_of(value)
    for coefficient, atoms in terms:
        for position, atom in enumerate(atoms):
            if isinstance(atom, Modulo):
                quotient = floor_divide(atom.numerator, atom.divisor)
                whole = subtract(atom.numerator, multiply(atom.divisor, quotient))
                others = monomial(coefficient, atoms[:position] + atoms[position + 1 :])
                candidate = add(value, multiply(others, subtract(whole, atom)))
                if len(terms_of(candidate)[0]) < len(terms):
                    return _joined(candidate)
    return value
