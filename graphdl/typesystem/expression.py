"""Integer expressions: one algebra for tensor sizes and for loop indices.

Grammar (an int stands wherever an Expression does)

    Size       ::= int | Expression
    Expression ::= Atom | Sum
    Atom       ::= Symbol(name) | FloorDivide(Size, Size) | Modulo(Size, Size)
                 | Minimum(Size, ...) | Maximum(Size, ...)
    Sum        ::= constant + coefficient * Atom * ... * Atom + ...

Every Expression is in normal form, so that structural equality is algebraic equality for
polynomials, and a constant is always a plain int. Division and remainder round to minus infinity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Literal


class Expression:
    """Base of all integer expressions; carries the operators."""

    __slots__ = ()

    def __add__(self, other: Size) -> Size:
        return add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Size) -> Size:
        return add(self, multiply(-1, other))

    def __rsub__(self, other: Size) -> Size:
        return add(other, multiply(-1, self))

    def __mul__(self, other: Size) -> Size:
        return multiply(self, other)

    __rmul__ = __mul__

    def __neg__(self) -> Size:
        return multiply(-1, self)

    def __floordiv__(self, other: Size) -> Size:
        return floor_divide(self, other)

    def __rfloordiv__(self, other: Size) -> Size:
        return floor_divide(other, self)

    def __mod__(self, other: Size) -> Size:
        return modulo(self, other)

    def __rmod__(self, other: Size) -> Size:
        return modulo(other, self)


Size = int | Expression


@dataclass(frozen=True, slots=True)
class Symbol(Expression):
    """A named size ("batch") or a loop variable ("i0")."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class FloorDivide(Expression):
    """floor(numerator / divisor)."""

    numerator: Size
    divisor: Size

    def __str__(self) -> str:
        return f"{_parenthesized(self.numerator)}//{_parenthesized(self.divisor)}"


@dataclass(frozen=True, slots=True)
class Modulo(Expression):
    """numerator - divisor * floor(numerator / divisor)."""

    numerator: Size
    divisor: Size

    def __str__(self) -> str:
        return f"{_parenthesized(self.numerator)}%{_parenthesized(self.divisor)}"


@dataclass(frozen=True, slots=True)
class Minimum(Expression):
    """The smallest of its terms."""

    terms: tuple[Size, ...]

    def __str__(self) -> str:
        return f"min({', '.join(map(str, self.terms))})"


@dataclass(frozen=True, slots=True)
class Maximum(Expression):
    """The largest of its terms."""

    terms: tuple[Size, ...]

    def __str__(self) -> str:
        return f"max({', '.join(map(str, self.terms))})"


Atom = Symbol | FloorDivide | Modulo | Minimum | Maximum
Monomial = tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Sum(Expression):
    """constant + sum of coefficient * product(atoms); terms are sorted and non-zero."""

    terms: tuple[tuple[int, Monomial], ...]
    constant: int

    def __str__(self) -> str:
        parts = [_term_text(coefficient, atoms) for coefficient, atoms in self.terms]
        if self.constant:
            parts.append(str(self.constant))
        return "+".join(parts).replace("+-", "-")


def _parenthesized(value: Size) -> str:
    return str(value) if isinstance(value, int | Symbol) else f"({value})"


def _term_text(coefficient: int, atoms: Monomial) -> str:
    product = "*".join(
        f"({atom})" if isinstance(atom, FloorDivide | Modulo) else str(atom) for atom in atoms
    )
    if coefficient == 1:
        return product
    return f"-{product}" if coefficient == -1 else f"{coefficient}*{product}"


def _terms_of(value: Size) -> tuple[Iterable[tuple[int, Monomial]], int]:
    if isinstance(value, int):
        return (), value
    if isinstance(value, Sum):
        return value.terms, value.constant
    assert isinstance(value, Symbol | FloorDivide | Modulo | Minimum | Maximum)
    return ((1, (value,)),), 0


def _from_terms(terms: dict[Monomial, int], constant: int) -> Size:
    kept = [(coefficient, atoms) for atoms, coefficient in terms.items() if coefficient]
    if not kept:
        return constant
    if len(kept) == 1 and constant == 0 and kept[0][0] == 1 and len(kept[0][1]) == 1:
        return kept[0][1][0]
    if len(kept) > 1:
        kept.sort(key=lambda term: [str(atom) for atom in term[1]])
    return Sum(tuple(kept), constant)


def add(left: Size, right: Size) -> Size:
    """left + right."""
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if left == 0:
        return right
    if right == 0:
        return left
    left_terms, left_constant = _terms_of(left)
    right_terms, right_constant = _terms_of(right)
    terms = {atoms: coefficient for coefficient, atoms in left_terms}
    for coefficient, atoms in right_terms:
        terms[atoms] = terms.get(atoms, 0) + coefficient
    return _from_terms(terms, left_constant + right_constant)


def multiply(left: Size, right: Size) -> Size:
    """left * right, multiplied out."""
    if isinstance(left, int) and isinstance(right, int):
        return left * right
    if left == 1:
        return right
    if right == 1:
        return left
    left_terms, left_constant = _terms_of(left)
    right_terms, right_constant = _terms_of(right)
    terms: dict[Monomial, int] = {}
    left_all = [*left_terms, (left_constant, ())]
    right_all = [*right_terms, (right_constant, ())]
    for left_coefficient, left_atoms in left_all:
        for right_coefficient, right_atoms in right_all:
            atoms = tuple(sorted(left_atoms + right_atoms, key=str))
            terms[atoms] = terms.get(atoms, 0) + left_coefficient * right_coefficient
    constant = terms.pop((), 0)
    return _from_terms(terms, constant)


def floor_divide(numerator: Size, divisor: Size) -> Size:
    """floor(numerator / divisor); exact multiples of a divisor are divided out."""
    if isinstance(numerator, int) and isinstance(divisor, int):
        return numerator // divisor
    if divisor == 1 or numerator == 0:
        return numerator
    whole, rest = _split_multiples(numerator, divisor)
    if rest == 0:
        return whole
    return add(whole, _divide_rest(rest, divisor))


def _divide_rest(rest: Size, divisor: Size) -> Size:
    if isinstance(rest, int) and isinstance(divisor, int):
        return rest // divisor
    if isinstance(rest, FloorDivide) and isinstance(rest.divisor, int) and isinstance(divisor, int):
        return floor_divide(rest.numerator, rest.divisor * divisor)
    return FloorDivide(rest, divisor)


def modulo(numerator: Size, divisor: Size) -> Size:
    """numerator mod divisor, with the divisor's sign."""
    if isinstance(numerator, int) and isinstance(divisor, int):
        return numerator % divisor
    if divisor == 1 or numerator == 0:
        return 0
    _, rest = _split_multiples(numerator, divisor)
    if isinstance(rest, int) and isinstance(divisor, int):
        return rest % divisor
    return 0 if rest == 0 else Modulo(rest, divisor)


def _split_multiples(value: Size, divisor: Size) -> tuple[Size, Size]:
    """(whole, rest) with value == whole * divisor + rest, both in normal form."""
    terms, constant = _terms_of(value)
    whole: Size = 0
    rest: Size = constant
    if isinstance(divisor, int):
        whole, rest = constant // divisor, constant % divisor
        for coefficient, atoms in terms:
            term = _from_terms({atoms: 1}, 0)
            whole = add(whole, multiply(coefficient // divisor, term))
            rest = add(rest, multiply(coefficient % divisor, term))
        return whole, rest
    divisor_terms, divisor_constant = _terms_of(divisor)
    divisor_terms = tuple(divisor_terms)
    if len(divisor_terms) != 1 or divisor_constant:
        return (1, 0) if value == divisor else (0, value)
    unit, divisor_atoms = divisor_terms[0]
    for coefficient, atoms in terms:
        left = _without(atoms, divisor_atoms)
        if left is not None and coefficient % unit == 0:
            whole = add(
                whole, _from_terms({left: coefficient // unit}, 0) if left else coefficient // unit
            )
        else:
            rest = add(rest, _from_terms({atoms: coefficient}, 0))
    return whole, rest


def _without(atoms: Monomial, removed: Monomial) -> Monomial | None:
    left = list(atoms)
    for atom in removed:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def minimum(*values: Size) -> Size:
    """The smallest of the values."""
    return _extreme(values, min, Minimum)


def maximum(*values: Size) -> Size:
    """The largest of the values."""
    return _extreme(values, max, Maximum)


def _extreme(values: tuple[Size, ...], pick: object, make: type[Minimum] | type[Maximum]) -> Size:
    flat: list[Size] = []
    for value in values:
        flat.extend(value.terms if isinstance(value, make) else (value,))
    numbers = [value for value in flat if isinstance(value, int)]
    others = sorted({value for value in flat if not isinstance(value, int)}, key=str)
    if not others:
        return pick(numbers)  # type: ignore[operator,no-any-return]
    terms: list[Size] = list(others)
    if numbers:
        terms.append(pick(numbers))  # type: ignore[operator]
    return terms[0] if len(terms) == 1 else make(tuple(terms))


def product(sizes: Iterable[Size]) -> Size:
    """The product of the sizes; 1 for none."""
    return reduce(multiply, sizes, 1)


def substitute(value: Size, replacements: Mapping[Symbol, Size]) -> Size:
    """`value` with each symbol replaced, in normal form again."""
    match value:
        case int():
            return value
        case Symbol():
            return replacements.get(value, value)
        case FloorDivide(numerator, divisor):
            return floor_divide(
                substitute(numerator, replacements), substitute(divisor, replacements)
            )
        case Modulo(numerator, divisor):
            return modulo(substitute(numerator, replacements), substitute(divisor, replacements))
        case Minimum(terms):
            return minimum(*(substitute(term, replacements) for term in terms))
        case Maximum(terms):
            return maximum(*(substitute(term, replacements) for term in terms))
        case Sum(terms, constant):
            total: Size = constant
            for coefficient, atoms in terms:
                factors = (substitute(atom, replacements) for atom in atoms)
                total = add(total, multiply(coefficient, product(factors)))
            return total
    raise AssertionError(f"not an integer expression: {value!r}")


def evaluate(value: Size, values: Mapping[Symbol, int]) -> int:
    """The number that `value` stands for. Raises KeyError for an unbound symbol."""
    result = substitute(value, values)  # type: ignore[arg-type]
    if not isinstance(result, int):
        raise KeyError(next(iter(free_symbols(result))))
    return result


def free_symbols(value: Size) -> frozenset[Symbol]:
    """The symbols that `value` mentions."""
    match value:
        case int():
            return frozenset()
        case Symbol():
            return frozenset((value,))
        case FloorDivide(left, right) | Modulo(left, right):
            return free_symbols(left) | free_symbols(right)
        case Minimum(terms) | Maximum(terms):
            return frozenset().union(*map(free_symbols, terms))
        case Sum(terms, _):
            return frozenset().union(*(free_symbols(a) for _, atoms in terms for a in atoms))
    raise AssertionError(f"not an integer expression: {value!r}")


Relation = Literal["<", "<=", "==", "!="]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A condition between two sizes: a guard on named sizes, or a mask on indices."""

    left: Size
    relation: Relation
    right: Size

    def __str__(self) -> str:
        return f"{self.left} {self.relation} {self.right}"

    def holds(self, values: Mapping[Symbol, int]) -> bool:
        """Whether the condition is true for these values of its symbols."""
        left, right = evaluate(self.left, values), evaluate(self.right, values)
        match self.relation:
            case "<":
                return left < right
            case "<=":
                return left <= right
            case "==":
                return left == right
            case "!=":
                return left != right
