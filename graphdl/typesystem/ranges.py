"""What follows about integer expressions from the ranges of their symbols.

`ranges` maps a symbol to its lowest and highest value, both inclusive, as Sizes that may mention
other symbols: `{i: (0, n - 1), j: (0, i)}`; None stands for "unbounded". A symbol without a range
is a named size: at least 0. Every range is taken to be non-empty, so `i: (0, n - 1)` also says that
n is at least 1, and every divisor to be non-zero: use the answers only where the symbols are in
scope and the expressions are evaluated.

Proofs eliminate symbols one by one: a polynomial that grows with a symbol is least at the symbol's
lowest value. A floor division x//d gives way to its linear bounds (x - d + 1)/d and x/d, which
decide integer inequalities. A proof that takes too many steps says "unknown".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

from graphdl.typesystem.expression import (
    Atom,
    Comparison,
    FloorDivide,
    Maximum,
    Minimum,
    Modulo,
    Monomial,
    Size,
    Symbol,
    add,
    floor_divide,
    free_symbols,
    from_terms,
    maximum,
    minimum,
    multiply,
    substitute,
    subtract,
    terms_of,
)

Bound = Size | None
Range = tuple[Bound, Bound]
Ranges = Mapping[Symbol, Range]

MAXIMUM_STEPS = 120
"""Expressions that one proof may look at."""

MAXIMUM_REMEMBERED = 4096
"""Results of proofs that one set of ranges keeps."""


def prove(comparison: Comparison, ranges: Ranges) -> bool | None:
    """True or False when the comparison always has that truth value, None when unknown."""
    facts = facts_about(ranges, comparison.left, comparison.right)
    return facts.truth(comparison)


def bounds(value: Size, ranges: Ranges) -> Range:
    """(lowest, highest) of `value`, inclusive, over all symbols with a range; None if unknown.

    The bounds mention only symbols without a range. They may be loose where `value` mentions one
    symbol in several divisions, remainders or extremes.
    """
    facts = facts_about(ranges, value)
    return facts.extent(value, -1), facts.extent(value, 1)


def is_polynomial(value: Size) -> bool:
    """Whether `value` has no division, remainder, minimum or maximum."""
    return all(isinstance(atom, Symbol) for _, atoms in terms_of(value)[0] for atom in atoms)


def facts_about(ranges: Ranges, *values: Size) -> Facts:
    """What the ranges say, and that the divisors in `values` are not zero."""
    facts = _facts(tuple(ranges.items()))
    divisors = [divisor for value in values for divisor in _symbolic_divisors(value)]
    return Facts(ranges, divisors) if divisors else facts


@lru_cache(256)
def _facts(items: tuple[tuple[Symbol, Range], ...]) -> Facts:
    return Facts(dict(items), ())


def _symbolic_divisors(value: Size) -> Iterator[Size]:
    for _, atoms in terms_of(value)[0]:
        for atom in atoms:
            match atom:
                case FloorDivide(numerator, divisor) | Modulo(numerator, divisor):
                    if not isinstance(divisor, int):
                        yield divisor
                    yield from _symbolic_divisors(numerator)
                    yield from _symbolic_divisors(divisor)
                case Minimum(terms) | Maximum(terms):
                    for term in terms:
                        yield from _symbolic_divisors(term)


class _OutOfStepsError(Exception):
    """A proof became too long."""


class Facts:
    """Ranges, the lower bounds of sizes that follow from them, and what was proved already."""

    def __init__(self, ranges: Ranges, nonzero: Iterable[Size]) -> None:
        self.ranges = ranges
        self._least: dict[Symbol, int] = {}
        self._proved: dict[Size, bool] = {}
        self._steps = 0
        for low, high in ranges.values():
            if low is not None and high is not None:
                self._learn(subtract(high, low))
        for divisor in nonzero:
            self._learn(subtract(divisor, 1))

    def _learn(self, value: Size) -> None:
        """Note what value >= 0 says of sizes: c*a*b - k >= 0 makes a and b at least 1."""
        terms, constant = terms_of(value)
        if len(terms) != 1 or terms[0][0] < 0 or constant >= 0:
            return
        coefficient, atoms = terms[0]
        least = -(constant // coefficient) if len(atoms) == 1 else 1
        symbols = [atom for atom in atoms if isinstance(atom, Symbol) and atom not in self.ranges]
        if len(symbols) == len(atoms):
            for symbol in symbols:
                self._least[symbol] = max(self._least.get(symbol, 0), least)

    def range_of(self, symbol: Symbol) -> Range:
        """(lowest, highest) of one symbol; a named size has no highest."""
        known = self.ranges.get(symbol)
        return (self._least.get(symbol, 0), None) if known is None else known

    def truth(self, comparison: Comparison) -> bool | None:
        """The truth value of a comparison, None when unknown."""
        difference = subtract(comparison.right, comparison.left)
        match comparison.relation:
            case "<":
                return self._either(subtract(difference, 1), multiply(-1, difference))
            case "<=":
                return self._either(difference, subtract(multiply(-1, difference), 1))
            case "==":
                return self._is_zero(difference)
            case "!=":
                is_equal = self._is_zero(difference)
                return None if is_equal is None else not is_equal

    def _either(self, value: Size, opposite: Size) -> bool | None:
        if self.is_nonnegative(value):
            return True
        return False if self.is_nonnegative(opposite) else None

    def _is_zero(self, value: Size) -> bool | None:
        negated = multiply(-1, value)
        if value == 0 or (self.is_nonnegative(value) and self.is_nonnegative(negated)):
            return True
        if self.is_nonnegative(subtract(value, 1)) or self.is_nonnegative(subtract(negated, 1)):
            return False
        return None

    def is_nonnegative(self, value: Size) -> bool:
        """Whether value >= 0 can be proved."""
        self._start()
        try:
            return self._prove(value)
        except _OutOfStepsError:
            return False

    def small_quotient(self, numerator: Size, divisor: Size) -> int | None:
        """0 or -1 when that is provably numerator // divisor, and the divisor is positive."""
        self._start()
        try:
            return self._small_quotient(numerator, divisor)
        except _OutOfStepsError:
            return None

    def extent(self, value: Size, direction: int) -> Bound:
        """The greatest (direction 1) or least (-1) value over the ranged symbols."""
        self._start()
        try:
            return self._extent(value, direction)
        except _OutOfStepsError:
            return None

    def _start(self) -> None:
        self._steps = 0
        if len(self._proved) > MAXIMUM_REMEMBERED:
            self._proved.clear()

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAXIMUM_STEPS:
            raise _OutOfStepsError

    # Proofs ---------------------------------------------------------------------------------------

    def _prove(self, value: Size) -> bool:
        if isinstance(value, int):
            return value >= 0
        known = self._proved.get(value)
        if known is None:
            self._step()
            compound = _outermost(value, _is_compound)
            if compound is None:
                known = self._prove_polynomial(value)
            else:
                known = self._prove_compound(value, compound)
            self._proved[value] = known
        return known

    def _prove_polynomial(self, value: Size) -> bool:
        symbol = self._next_symbol(free_symbols(value))
        powers = _powers(value, symbol)
        low, high = self.range_of(symbol)
        is_linear = powers.keys() <= {0, 1}
        rising = (power for degree, power in powers.items() if degree)
        if low is not None and (is_linear or self._prove(low)) and all(map(self._prove, rising)):
            return self._prove(substitute(value, {symbol: low}))
        if high is not None and is_linear and self._prove(multiply(-1, powers[1])):
            return self._prove(substitute(value, {symbol: high}))
        return False

    def _next_symbol(self, symbols: Iterable[Symbol]) -> Symbol:
        """One that no range of the others leads to; symbols with a range first."""
        candidates = sorted(symbols, key=lambda symbol: (symbol not in self.ranges, symbol.name))
        for symbol in candidates:
            others = (other for other in candidates if other != symbol)
            if symbol not in self._reached(others):
                return symbol
        return candidates[0]

    def _reached(self, symbols: Iterable[Symbol]) -> set[Symbol]:
        """The symbols in the ranges of `symbols`, in the ranges of those, and so on."""
        found: set[Symbol] = set()
        waiting = list(symbols)
        while waiting:
            for bound in self.ranges.get(waiting.pop(), ()):
                new = free_symbols(bound or 0) - found
                found |= new
                waiting.extend(new)
        return found

    def _prove_compound(self, value: Size, atom: Atom) -> bool:
        powers = _powers(value, atom)
        if not powers.keys() <= {0, 1}:
            return False
        rest, factor = powers.get(0, 0), powers[1]
        match atom:
            case Minimum(terms):
                return self._prove_extreme(rest, factor, terms, -1)
            case Maximum(terms):
                return self._prove_extreme(rest, factor, terms, 1)
            case FloorDivide(numerator, int() as divisor) if self._prove_scaled(
                rest, factor, numerator, divisor
            ):
                return True
        if self._prove(factor):
            candidates = self._atom_bounds(atom, -1)
        elif self._prove(multiply(-1, factor)):
            candidates = self._atom_bounds(atom, 1)
        else:
            return False
        return any(self._prove(add(rest, multiply(factor, bound))) for bound in candidates)

    def _prove_scaled(self, rest: Size, factor: Size, numerator: Size, divisor: int) -> bool:
        """rest + factor*(numerator//divisor) >= 0, multiplied by the divisor.

        divisor*(x//divisor) lies between x - divisor + 1 and x; an integer above -1 is at least 0.
        """
        if divisor <= 0 or not isinstance(factor, int):
            return False
        slack = divisor - 1 if factor > 0 else 0
        scaled = multiply(factor, subtract(numerator, slack))
        return self._prove(add(add(scaled, multiply(divisor, rest)), divisor - 1))

    def _prove_extreme(
        self, rest: Size, factor: Size, terms: tuple[Size, ...], bounding_sign: int
    ) -> bool:
        """rest + factor*extreme >= 0: an extreme is one of its terms, and no term is beyond it."""
        cases = [add(rest, multiply(factor, term)) for term in terms]
        if self._prove(multiply(bounding_sign, factor)) and any(map(self._prove, cases)):
            return True
        return all(map(self._prove, cases))

    def _small_quotient(self, numerator: Size, divisor: Size) -> int | None:
        if not self._prove(subtract(divisor, 1)):
            return None
        for quotient, rest in ((0, numerator), (-1, add(numerator, divisor))):
            if self._prove(rest) and self._prove(subtract(subtract(divisor, rest), 1)):
                return quotient
        return None

    # Bounds ---------------------------------------------------------------------------------------

    def _extent(self, value: Size, direction: int) -> Bound:
        while True:
            atom = self._next_atom(value)
            if atom is None:
                return value
            self._step()
            bound = self._without(value, atom, direction)
            if bound is None:
                return None
            value = bound

    def _next_atom(self, value: Size) -> Atom | None:
        """What to eliminate next: a compound over ranged symbols, else a ranged symbol."""
        compound = _outermost(value, self._is_ranged_compound)
        if compound is not None:
            return compound
        ranged = {a for _, atoms in terms_of(value)[0] for a in atoms if isinstance(a, Symbol)}
        ranged &= self.ranges.keys()
        return self._next_symbol(ranged) if ranged else None

    def _is_ranged_compound(self, atom: Atom) -> bool:
        return _is_compound(atom) and not self.ranges.keys().isdisjoint(free_symbols(atom))

    def _without(self, value: Size, atom: Atom, direction: int) -> Bound:
        """`value` with the atom replaced by the bound that makes `value` extreme."""
        powers = _powers(value, atom)
        if not powers.keys() <= {0, 1}:
            return None
        for sign in (1, -1):
            if self._prove(multiply(sign, powers[1])):
                bound = next(self._atom_bounds(atom, sign * direction), None)
                return None if bound is None else add(powers.get(0, 0), multiply(powers[1], bound))
        return None

    def _atom_bounds(self, atom: Atom, direction: int) -> Iterator[Size]:
        """Upper (direction 1) or lower (-1) bounds of an atom, the best first."""
        match atom:
            case Symbol():
                bound = self.range_of(atom)[direction > 0]
                if bound is not None:
                    yield bound
            case Minimum(terms) | Maximum(terms):
                yield from self._extreme_bounds(atom, terms, direction)
            case Modulo(numerator, divisor):
                yield from self._remainder_bounds(numerator, divisor, direction)
            case FloorDivide(numerator, divisor):
                if self._prove(subtract(divisor, 1)):
                    extent = self._extent(numerator, direction)
                    if extent is not None:
                        yield self._quotient(extent, divisor)

    def _extreme_bounds(
        self, atom: Atom, terms: tuple[Size, ...], direction: int
    ) -> Iterator[Size]:
        ends = [self._extent(term, direction) for term in terms]
        known = [end for end in ends if end is not None]
        is_one_enough = (direction > 0) == isinstance(atom, Minimum)
        if known and (len(known) == len(ends) or is_one_enough):
            yield minimum(*known) if isinstance(atom, Minimum) else maximum(*known)

    def _remainder_bounds(self, numerator: Size, divisor: Size, direction: int) -> Iterator[Size]:
        if not self._prove(subtract(divisor, 1)):
            return
        if self._small_quotient(numerator, divisor) == 0:
            yield numerator
        elif direction < 0:
            yield 0
        else:
            yield subtract(divisor, 1)
            if self._prove(numerator):
                yield numerator

    def _quotient(self, value: Size, divisor: Size) -> Size:
        """value // divisor, where a rest that is surely smaller than the divisor is dropped."""
        quotient = floor_divide(value, divisor)
        for coefficient, atoms in terms_of(quotient)[0]:
            if len(atoms) == 1 and isinstance(atoms[0], FloorDivide):
                known = self._small_quotient(atoms[0].numerator, atoms[0].divisor)
                if known is not None:
                    quotient = add(quotient, multiply(coefficient, subtract(known, atoms[0])))
        return quotient


def _is_compound(atom: Atom) -> bool:
    return not isinstance(atom, Symbol)


def _outermost(value: Size, is_wanted: Callable[[Atom], bool]) -> Atom | None:
    """A wanted factor of a term of `value` that is nested in no other such factor."""
    wanted = [atom for _, atoms in terms_of(value)[0] for atom in atoms if is_wanted(atom)]
    return max(wanted, key=lambda atom: len(str(atom)), default=None)


def _powers(value: Size, atom: Atom) -> dict[int, Size]:
    """`value` as a polynomial in `atom`: degree to coefficient."""
    terms, constant = terms_of(value)
    parts: dict[int, dict[Monomial, int]] = {0: {(): constant}}
    for coefficient, atoms in terms:
        left = tuple(other for other in atoms if other != atom)
        parts.setdefault(len(atoms) - len(left), {(): 0})[left] = coefficient
    return {degree: from_terms(part, part.pop(())) for degree, part in parts.items()}
