"""Integer expressions: one algebra for tensor sizes and for loop indices.

Grammar (an int stands wherever an Expression does)

    Size       ::= int | Expression
    Expression ::= Atom | Sum
    Atom       ::= Symbol(name) | FloorDivide(Size, Size) | Modulo(Size, Size)
                 | Minimum(Size, ...) | Maximum(Size, ...)
    Sum        ::= constant + coefficient * Atom * ... * Atom + ...

Every Expression is in normal form, so that structural equality is algebraic equality for
polynomials, and a constant is always a plain int. Division and remainder round to minus infinity;
a divisor is never zero where an expression is evaluated. Build expressions with the operators and
the functions of this module, never with the classes of compound nodes. `ranges.py` simplifies
further where the ranges of the symbols are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

_CACHE_SIZE = 1 << 13


def _no_number(name: str, left: object, right: object) -> Any:
    return NotImplemented


class Expression:
    """Base of all integer expressions; carries the operators, equality and cached texts."""

    __slots__ = ("_hash", "_text")
    __array_ufunc__ = None  # NumPy scalars leave arithmetic with sizes to this class
    beside_number: ClassVar[Callable[[str, object, object], Any]] = _no_number
    """What a size and a float make: a tensor, once ops/operators.py has installed how."""
    _hash: int
    _text: str

    def _key(self) -> tuple[object, ...]:
        raise NotImplementedError

    def _write(self) -> str:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if self.__class__ is not other.__class__:
            return NotImplemented
        assert isinstance(other, Expression)
        return hash(self) == hash(other) and self._key() == other._key()

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            value = hash((self.__class__.__name__, self._key()))
            object.__setattr__(self, "_hash", value)
            return value

    def __str__(self) -> str:
        try:
            return self._text
        except AttributeError:
            text = self._write()
            object.__setattr__(self, "_text", text)
            return text

    def __repr__(self) -> str:
        return str(self)

    def __add__(self, other: Size) -> Size:
        return _apply(add, self, other)

    def __radd__(self, other: Size) -> Size:
        return _apply(add, other, self)

    def __sub__(self, other: Size) -> Size:
        return _apply(subtract, self, other)

    def __rsub__(self, other: Size) -> Size:
        return _apply(subtract, other, self)

    def __mul__(self, other: Size) -> Size:
        return _apply(multiply, self, other)

    def __rmul__(self, other: Size) -> Size:
        return _apply(multiply, other, self)

    def __neg__(self) -> Size:
        return multiply(-1, self)

    def __floordiv__(self, other: Size) -> Size:
        return _apply(floor_divide, self, other)

    def __rfloordiv__(self, other: Size) -> Size:
        return _apply(floor_divide, other, self)

    def __mod__(self, other: Size) -> Size:
        return _apply(modulo, self, other)

    def __rmod__(self, other: Size) -> Size:
        return _apply(modulo, other, self)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int) and other >= 0:
            return product((self,) * other)
        return _apply_number("pow", self, other)

    def __rpow__(self, other: Any) -> Any:
        return _apply_number("pow", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _apply_number("divide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _apply_number("divide", other, self)


Size = int | Expression


def _apply(function: Callable[[Size, Size], Size], left: object, right: object) -> Size:
    """function(left, right), where NumPy integers count as ints; leaves the rest to `right`."""
    if isinstance(left, Expression) and isinstance(right, Expression | int):
        return function(left, right)
    left, right = _plain(left), _plain(right)
    if isinstance(left, int | Expression) and isinstance(right, int | Expression):
        return function(left, right)
    return _apply_number(_NUMBER_NAMES.get(function.__name__, function.__name__), left, right)  # type: ignore[no-any-return]


_NUMBER_NAMES = {"modulo": "remainder"}


def _apply_number(name: str, left: object, right: object) -> Any:
    """An operator between a size and a number that is no size; leaves the rest to `right`."""
    if isinstance(left, Expression | Real) and isinstance(right, Expression | Real):
        return Expression.beside_number(name, left, right)
    return NotImplemented


def _plain(value: object) -> object:
    is_foreign = not isinstance(value, int | Expression) and isinstance(value, Integral)
    return int(value) if is_foreign else value  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Symbol(Expression):
    """A named size ("batch") or a loop variable ("i0")."""

    name: str

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Symbol) and self.name == other.name)

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FloorDivide(Expression):
    """floor(numerator / divisor)."""

    numerator: Size
    divisor: Size

    def _key(self) -> tuple[object, ...]:
        return (self.numerator, self.divisor)

    def _write(self) -> str:
        return f"{_parenthesized(self.numerator)}//{_parenthesized(self.divisor)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Modulo(Expression):
    """numerator - divisor * floor(numerator / divisor)."""

    numerator: Size
    divisor: Size

    def _key(self) -> tuple[object, ...]:
        return (self.numerator, self.divisor)

    def _write(self) -> str:
        return f"{_parenthesized(self.numerator)}%{_parenthesized(self.divisor)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Minimum(Expression):
    """The smallest of its terms."""

    terms: tuple[Size, ...]

    def _key(self) -> tuple[object, ...]:
        return self.terms

    def _write(self) -> str:
        return f"min({', '.join(map(str, self.terms))})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Maximum(Expression):
    """The largest of its terms."""

    terms: tuple[Size, ...]

    def _key(self) -> tuple[object, ...]:
        return self.terms

    def _write(self) -> str:
        return f"max({', '.join(map(str, self.terms))})"


Atom = Symbol | FloorDivide | Modulo | Minimum | Maximum
Monomial = tuple[Atom, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sum(Expression):
    """constant + sum of coefficient * product(atoms); terms are sorted and non-zero."""

    terms: tuple[tuple[int, Monomial], ...]
    constant: int

    def _key(self) -> tuple[object, ...]:
        return (self.terms, self.constant)

    def _write(self) -> str:
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


# Sums and products --------------------------------------------------------------------------------


def terms_of(value: Size) -> tuple[tuple[tuple[int, Monomial], ...], int]:
    """((coefficient, atoms), …) and the constant, of any size."""
    if isinstance(value, Sum):
        return value.terms, value.constant
    if isinstance(value, int):
        return (), value
    assert isinstance(value, Symbol | FloorDivide | Modulo | Minimum | Maximum)
    return ((1, (value,)),), 0


def from_terms(terms: Mapping[Monomial, int], constant: int) -> Size:
    """The size in normal form; each monomial must be sorted."""
    kept = [(coefficient, atoms) for atoms, coefficient in terms.items() if coefficient]
    if not kept:
        return constant
    if len(kept) > 1:
        kept.sort(key=_term_order)
    elif constant == 0 and kept[0][0] == 1 and len(kept[0][1]) == 1:
        return kept[0][1][0]
    return Sum(tuple(kept), constant)


def _term_order(term: tuple[int, Monomial]) -> list[str]:
    return [str(atom) for atom in term[1]]


def add(left: Size, right: Size) -> Size:
    """left + right."""
    if left.__class__ is int and right.__class__ is int:
        return left + right
    return _add(left, right)


@lru_cache(_CACHE_SIZE)
def _add(left: Size, right: Size) -> Size:
    if isinstance(left, int) and left == 0:
        return right
    if isinstance(right, int) and right == 0:
        return left
    left_terms, left_constant = terms_of(left)
    right_terms, right_constant = terms_of(right)
    constant = left_constant + right_constant
    terms = {atoms: coefficient for coefficient, atoms in left_terms}
    for coefficient, atoms in right_terms:
        terms[atoms] = terms.get(atoms, 0) + coefficient
    return from_terms(terms, constant)


def subtract(left: Size, right: Size) -> Size:
    """left - right."""
    return add(left, multiply(-1, right))


def multiply(left: Size, right: Size) -> Size:
    """left * right, multiplied out."""
    if left.__class__ is int and right.__class__ is int:
        return left * right
    return _multiply(left, right)


@lru_cache(_CACHE_SIZE)
def _multiply(left: Size, right: Size) -> Size:
    if isinstance(left, int) and left == 1:
        return right
    if isinstance(right, int) and right == 1:
        return left
    left_terms, left_constant = terms_of(left)
    right_terms, right_constant = terms_of(right)
    terms: dict[Monomial, int] = {}
    for left_coefficient, left_atoms in left_terms:
        for right_coefficient, right_atoms in right_terms:
            atoms = tuple(sorted(left_atoms + right_atoms, key=str))
            terms[atoms] = terms.get(atoms, 0) + left_coefficient * right_coefficient
    for factor, others in ((right_constant, left_terms), (left_constant, right_terms)):
        if factor:
            for coefficient, atoms in others:
                terms[atoms] = terms.get(atoms, 0) + coefficient * factor
    return from_terms(terms, left_constant * right_constant)


def product(sizes: Iterable[Size]) -> Size:
    """The product of the sizes; 1 for none."""
    result: Size = 1
    for size in sizes:
        result = multiply(result, size)
    return result


# Division -----------------------------------------------------------------------------------------


def floor_divide(numerator: Size, divisor: Size) -> Size:
    """floor(numerator / divisor); multiples of the divisor and common factors are divided out.

    Raises ZeroDivisionError for the literal divisor 0.
    """
    if numerator.__class__ is int and divisor.__class__ is int:
        return numerator // divisor
    return _floor_divide(numerator, divisor)


@lru_cache(_CACHE_SIZE)
def _floor_divide(numerator: Size, divisor: Size) -> Size:
    if divisor == 0:
        raise ZeroDivisionError(f"{numerator} // 0")
    whole, rest = split_multiples(numerator, divisor)
    reduced, reduced_divisor, _, _ = _cancel(rest, divisor)
    return add(whole, _quotient(reduced, reduced_divisor))


def _quotient(rest: Size, divisor: Size) -> Size:
    """floor(rest / divisor) for a rest without multiples of the divisor."""
    if rest == 0 or divisor == 1:
        return rest
    if isinstance(divisor, int):
        if isinstance(rest, int):
            return rest // divisor
        nested = _nested_quotient(rest, divisor) if divisor > 0 else None
        if nested is not None:
            return nested
    if isinstance(rest, Modulo) and rest.divisor == divisor:
        return 0
    return FloorDivide(rest, divisor)


def _nested_quotient(rest: Size, divisor: int) -> Size | None:
    """(x//a + c)//b is (x + c*a)//(a*b), and (x % (a*b))//b is (x//b) % a, for positive ints."""
    terms, constant = terms_of(rest)
    if len(terms) != 1 or terms[0][0] != 1 or len(terms[0][1]) != 1:
        return None
    match terms[0][1][0]:
        case FloorDivide(numerator, int() as inner) if inner > 0:
            return floor_divide(add(numerator, constant * inner), inner * divisor)
        case Modulo(numerator, int() as inner) if (
            constant == 0 and inner > 0 and inner % divisor == 0
        ):
            return modulo(floor_divide(numerator, divisor), inner // divisor)
    return None


def modulo(numerator: Size, divisor: Size) -> Size:
    """numerator mod divisor, with the divisor's sign.

    Raises ZeroDivisionError for the literal divisor 0.
    """
    if numerator.__class__ is int and divisor.__class__ is int:
        return numerator % divisor
    return _modulo(numerator, divisor)


@lru_cache(_CACHE_SIZE)
def _modulo(numerator: Size, divisor: Size) -> Size:
    if divisor == 0:
        raise ZeroDivisionError(f"{numerator} % 0")
    _, rest = split_multiples(numerator, divisor)
    reduced, reduced_divisor, factor, remainder = _cancel(rest, divisor)
    return add(multiply(factor, _remainder(reduced, reduced_divisor)), remainder)


def _remainder(rest: Size, divisor: Size) -> Size:
    """rest mod divisor for a rest without multiples of the divisor."""
    if rest == 0 or divisor == 1:
        return 0
    if isinstance(rest, int) and isinstance(divisor, int):
        return rest % divisor
    if isinstance(rest, Modulo):
        if rest.divisor == divisor:
            return rest
        if (
            isinstance(divisor, int)
            and isinstance(rest.divisor, int)
            and rest.divisor % divisor == 0
        ):
            return modulo(rest.numerator, divisor)
    return Modulo(rest, divisor)


def split_multiples(value: Size, divisor: Size) -> tuple[Size, Size]:
    """(whole, rest) with value == whole * divisor + rest, found term by term.

    An int divisor leaves coefficients smaller than itself and a constant in [0, divisor).
    """
    if isinstance(divisor, int):
        return _split_constant(value, divisor)
    (unit, lead), *_ = terms_of(divisor)[0]
    terms, constant = terms_of(value)
    left_over = {atoms: coefficient for coefficient, atoms in terms}
    left_over[()] = constant
    whole: Size = 0
    for coefficient, atoms in terms:
        left = _without(atoms, lead)
        if left is not None and coefficient % unit == 0:
            quotient = monomial(coefficient // unit, left)
            if _take_terms(left_over, multiply(quotient, divisor)):
                whole = add(whole, quotient)
    constant = left_over.pop(())
    return whole, from_terms(left_over, constant)


def _split_constant(value: Size, divisor: int) -> tuple[Size, Size]:
    terms, constant = terms_of(value)
    whole: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for coefficient, atoms in terms:
        sign = 1 if coefficient > 0 else -1
        left = sign * (abs(coefficient) % abs(divisor))
        rest[atoms] = left
        whole[atoms] = (coefficient - left) // divisor
    return from_terms(whole, constant // divisor), from_terms(rest, constant % divisor)


def monomial(coefficient: int, atoms: Monomial) -> Size:
    """coefficient * atoms, which must be sorted."""
    return from_terms({atoms: coefficient}, 0) if atoms else coefficient


def _take_terms(left_over: dict[Monomial, int], value: Size) -> bool:
    """Subtract `value` if that removes all of its terms; the constant is the monomial ()."""
    terms, constant = terms_of(value)
    removed = {atoms: coefficient for coefficient, atoms in terms}
    if constant:
        removed[()] = constant
    if any(left_over.get(atoms, 0) != coefficient for atoms, coefficient in removed.items()):
        return False
    left_over.update(dict.fromkeys(removed, 0))
    return True


def _without(atoms: Monomial, removed: Monomial) -> Monomial | None:
    left = list(atoms)
    for atom in removed:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def _cancel(value: Size, divisor: Size) -> tuple[Size, Size, Size, int]:
    """(v, d, g, r) with value == g*v + r, divisor == g*d and floor(value/divisor) == floor(v/d).

    0 <= r < g, and r is 0 unless the divisor is a positive int.
    """
    atoms, content = _common_factor(value, divisor)
    if content == 1 and not atoms:
        return value, divisor, 1, 0
    remainder = terms_of(value)[1] % content
    reduced = _divided(subtract(value, remainder), atoms, content)
    return reduced, _divided(divisor, atoms, content), monomial(content, atoms), remainder


def common_factor(value: Size, divisor: Size) -> Size:
    """The number times atoms that divides every term of both; 1 when they share nothing."""
    atoms, content = _common_factor(value, divisor)
    return monomial(gcd(content, terms_of(value)[1]), atoms)


def _common_factor(value: Size, divisor: Size) -> tuple[Monomial, int]:
    """The atoms and the number that divide both; a positive int divisor ignores the constant."""
    terms, constant = terms_of(value)
    divisor_terms, divisor_constant = terms_of(divisor)
    content = gcd(divisor_constant, *(term[0] for term in (*terms, *divisor_terms)))
    if not isinstance(divisor, int) or divisor < 0:
        content = gcd(content, constant)
    if not terms or constant or divisor_constant or len(divisor_terms) != 1:
        return (), content
    atoms = divisor_terms[0][1]
    for _, others in terms:
        atoms = _shared(atoms, others)
    return atoms, content


def _shared(left: Monomial, right: Monomial) -> Monomial:
    rest = list(right)
    shared = []
    for atom in left:
        if atom in rest:
            rest.remove(atom)
            shared.append(atom)
    return tuple(shared)


def _divided(value: Size, atoms: Monomial, content: int) -> Size:
    """value / (content * atoms), which must be exact."""
    terms, constant = terms_of(value)
    quotients: dict[Monomial, int] = {}
    for coefficient, monomial in terms:
        left = _without(monomial, atoms)
        assert left is not None
        if left:
            quotients[left] = coefficient // content
        else:
            constant += coefficient
    return from_terms(quotients, constant // content)


# Extremes, substitution, evaluation ---------------------------------------------------------------


def minimum(*values: Size) -> Size:
    """The smallest of the values."""
    return _extreme(values, min, Minimum)


def maximum(*values: Size) -> Size:
    """The largest of the values."""
    return _extreme(values, max, Maximum)


def _extreme(
    values: tuple[Size, ...], pick: Callable[[list[int]], int], make: type[Minimum] | type[Maximum]
) -> Size:
    flat: list[Size] = []
    for value in values:
        flat.extend(value.terms if isinstance(value, make) else (value,))
    numbers = [value for value in flat if isinstance(value, int)]
    terms: list[Size] = sorted({value for value in flat if not isinstance(value, int)}, key=str)
    if not terms:
        return pick(numbers)
    if numbers:
        terms.append(pick(numbers))
    return terms[0] if len(terms) == 1 else make(tuple(terms))


def substitute(value: Size, replacements: Mapping[Symbol, Size]) -> Size:
    """`value` with each symbol replaced, all at once, in normal form again."""
    if isinstance(value, int):
        return value
    used = tuple((name, replacements[name]) for name in free_symbols(value) if name in replacements)
    return _substitute(value, used) if used else value


@lru_cache(_CACHE_SIZE)
def _substitute(value: Expression, used: tuple[tuple[Symbol, Size], ...]) -> Size:
    replacements = dict(used)
    match value:
        case Symbol():
            return replacements[value]
        case Sum():
            return _substitute_sum(value, replacements)
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
    raise AssertionError(f"not an integer expression: {value!r}")


def _substitute_sum(value: Sum, replacements: Mapping[Symbol, Size]) -> Size:
    result: Size = value.constant
    for coefficient, atoms in value.terms:
        term: Size = coefficient
        for atom in atoms:
            term = multiply(term, substitute(atom, replacements))
        result = add(result, term)
    return result


def evaluate(value: Size, values: Mapping[Symbol, int]) -> int:
    """The number that `value` stands for. Raises KeyError for an unbound symbol."""
    if isinstance(value, int):
        return value
    if isinstance(value, Symbol):
        return values[value]
    match value:
        case Sum(terms, constant):
            for coefficient, atoms in terms:
                for atom in atoms:
                    coefficient *= evaluate(atom, values)
                constant += coefficient
            return constant
        case FloorDivide(numerator, divisor):
            return evaluate(numerator, values) // evaluate(divisor, values)
        case Modulo(numerator, divisor):
            return evaluate(numerator, values) % evaluate(divisor, values)
        case Minimum(terms):
            return min(evaluate(term, values) for term in terms)
        case Maximum(terms):
            return max(evaluate(term, values) for term in terms)
    raise AssertionError(f"not an integer expression: {value!r}")


def free_symbols(value: Size) -> frozenset[Symbol]:
    """The symbols that `value` mentions."""
    return frozenset() if isinstance(value, int) else _free_symbols(value)


@lru_cache(_CACHE_SIZE)
def _free_symbols(value: Expression) -> frozenset[Symbol]:
    match value:
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
