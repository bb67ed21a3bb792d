"""Size expressions as LLVM text: 64-bit integer arithmetic, each expression computed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

from graphdl.typesystem.expression import (
    Comparison,
    FloorDivide,
    Maximum,
    Minimum,
    Modulo,
    Size,
    Sum,
    Symbol,
)

DECLARATIONS = (
    "declare i64 @llvm.smin.i64(i64, i64)",
    "declare i64 @llvm.smax.i64(i64, i64)",
)

_PREDICATES = {"<": "slt", "<=": "sle", "==": "eq", "!=": "ne"}


class SizeWriter:
    """Appends instructions to `lines` and returns operands (`%name` or a literal).

    `known` gives the operands of symbols; computed expressions are added to it.
    """

    def __init__(
        self, lines: list[str], fresh: Callable[[], str], known: Mapping[Size, str]
    ) -> None:
        self.lines = lines
        self.fresh = fresh
        self.known: dict[Size, str] = dict(known)

    def within(self, known: Mapping[Size, str]) -> SizeWriter:
        """A writer for a nested scope, which also knows `known`."""
        return SizeWriter(self.lines, self.fresh, {**self.known, **known})

    def write(self, size: Size) -> str:
        """The operand that holds `size`. Raises KeyError for an unknown symbol."""
        if isinstance(size, int):
            return str(size)
        found = self.known.get(size)
        if found is None:
            found = self.known[size] = self._compute(size)
        return found

    def compare(self, comparison: Comparison) -> str:
        """The operand (i1) that holds the comparison."""
        left, right = self.write(comparison.left), self.write(comparison.right)
        return self.add(f"icmp {_PREDICATES[comparison.relation]} i64 {left}, {right}")

    def add(self, instruction: str) -> str:
        """Append one instruction under a fresh name."""
        name = self.fresh()
        self.lines.append(f"  {name} = {instruction}")
        return name

    def _compute(self, size: Size) -> str:
        match size:
            case Symbol(name):
                raise KeyError(f"size {name} is not known here")
            case FloorDivide(numerator, divisor):
                return self._floor_divide(self.write(numerator), self.write(divisor))
            case Modulo(numerator, divisor):
                top, bottom = self.write(numerator), self.write(divisor)
                quotient = self.write(FloorDivide(numerator, divisor))
                return self.add(f"sub i64 {top}, {self.add(f'mul i64 {quotient}, {bottom}')}")
            case Minimum(terms):
                return self._extreme("smin", terms)
            case Maximum(terms):
                return self._extreme("smax", terms)
            case Sum(terms, constant):
                products = [self._term(coefficient, atoms) for coefficient, atoms in terms]
                return self._chain("add", [*products, *([str(constant)] if constant else [])])
        raise AssertionError(f"not a size: {size!r}")

    def _term(self, coefficient: int, atoms: tuple[Size, ...]) -> str:
        factors = [self.write(atom) for atom in atoms]
        return self._chain("mul", [*factors, *([str(coefficient)] if coefficient != 1 else [])])

    def _chain(self, operation: str, operands: list[str]) -> str:
        return reduce(lambda left, right: self.add(f"{operation} i64 {left}, {right}"), operands)

    def _extreme(self, name: str, terms: tuple[Size, ...]) -> str:
        operands = [self.write(term) for term in terms]
        return reduce(
            lambda left, right: self.add(f"call i64 @llvm.{name}.i64(i64 {left}, i64 {right})"),
            operands,
        )

    def _floor_divide(self, top: str, bottom: str) -> str:
        if bottom.isdigit() and int(bottom) & (int(bottom) - 1) == 0:
            return self.add(f"ashr i64 {top}, {int(bottom).bit_length() - 1}")
        quotient = self.add(f"sdiv i64 {top}, {bottom}")
        rest = self.add(f"srem i64 {top}, {bottom}")
        inexact = self.add(f"icmp ne i64 {rest}, 0")
        signs = self.add(f"xor i64 {rest}, {bottom}")
        differ = self.add(f"icmp slt i64 {signs}, 0")
        correction = self.add(f"zext i1 {self.add(f'and i1 {inexact}, {differ}')} to i64")
        return self.add(f"sub i64 {quotient}, {correction}")
