"""Integer expressions as LLVM i64 values, each part computed in the outermost frame that can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphdl.backends.cpu.generate_code import Code
from graphdl.typesystem.expression import (
    FloorDivide,
    Maximum,
    Minimum,
    Modulo,
    Size,
    Sum,
    Symbol,
    add,
    free_symbols,
    multiply,
    product,
    substitute,
)


@dataclass(frozen=True, slots=True)
class Counter:
    """A loop's counter, and the multiples of it that the loop keeps: (name, start, step)."""

    start: str
    step: int
    inductions: list[tuple[str, str, str]] = field(default_factory=list)


class Indices:
    """Emits index expressions. A source symbol is renamed at each binding, so that equal
    expressions are equal values wherever both are visible."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.names: dict[Symbol, Size] = {}
        self.texts: dict[Symbol, str] = {}
        self.depths: dict[Symbol, int] = {}
        self.vectors: dict[Symbol, str] = {}
        self.lowest: dict[Symbol, int | None] = {}
        self.vector: Symbol | None = None
        self.lanes = 0
        self.counters: dict[Symbol, Counter] = {}
        self._plans: dict[Size, tuple[tuple[Symbol, ...], dict[tuple[Size, ...], Size]]] = {}
        self._splits: dict[tuple[Size, Symbol], tuple[Size | None, Size]] = {}
        self._depth_of: dict[Size, int] = {}
        self._varying: dict[tuple[Size, Symbol], bool] = {}

    # Binding --------------------------------------------------------------------------------------

    def bind(
        self, symbol: Symbol, text: str, *, lowest: int | None, depth: int | None = None
    ) -> Symbol:
        """Let `symbol` stand for an LLVM value from here on, which is at least `lowest`."""
        unique = Symbol(f"{symbol.name}@{self.code.fresh()}")
        self.texts[unique] = text
        self.depths[unique] = self.code.depth if depth is None else depth
        self.lowest[unique] = lowest
        self.rename(symbol, unique)
        return unique

    def rename(self, symbol: Symbol, value: Size) -> None:
        """Let `symbol` stand for `value` (a unique symbol or a number)."""
        self.names[symbol] = value

    def open_vector(self, symbol: Symbol, start: int, lanes: int) -> None:
        """Let `symbol` run over `lanes` lanes from `start`."""
        self.vector, self.lanes = Symbol(f"lane@{lanes}"), lanes
        self.depths[self.vector] = 0
        self.rename(symbol, self.vector + start)

    def close_vector(self) -> None:
        """Go back to scalars."""
        self.vector, self.lanes = None, 0

    def bind_lanes(self, symbol: Symbol, text: str) -> None:
        """Let `symbol` stand for a vector of i64, one number per lane."""
        unique = Symbol(f"{symbol.name}@{self.code.fresh()}")
        self.vectors[unique] = text
        self.depths[unique] = self.code.depth
        self.rename(symbol, unique)

    def resolve(self, value: Size) -> Size:
        """`value` over unique symbols."""
        if isinstance(value, int):
            return value
        plan = self._plans.get(value)
        if plan is None:
            plan = self._plans[value] = (tuple(free_symbols(value)), {})
        symbols, results = plan
        now = tuple([self.names.get(symbol, symbol) for symbol in symbols])
        found = results.get(now)
        if found is None:
            found = results[now] = substitute(value, dict(zip(symbols, now, strict=True)))
        return found

    # Facts ----------------------------------------------------------------------------------------

    def depth(self, value: Size) -> int:
        """The outermost frame in which `value` (resolved) can be computed."""
        if isinstance(value, int):
            return 0
        if isinstance(value, Symbol):
            return self.depths[value]
        found = self._depth_of.get(value)
        if found is None:
            found = max((self.depths[symbol] for symbol in free_symbols(value)), default=0)
            self._depth_of[value] = found
        return found

    def is_natural(self, value: Size) -> bool:
        """Whether `value` (resolved) is certainly >= 0."""
        bound = self.lower_bound(value)
        return bound is not None and bound >= 0

    def lower_bound(self, value: Size) -> int | None:
        """A number that `value` (resolved) never lies under; None when none is known."""
        match value:
            case int():
                return value
            case Symbol():
                return 0 if value == self.vector else self.lowest.get(value)
            case Sum():
                return self._lowest_sum(value)
            case FloorDivide(left, right):
                return 0 if self.is_natural(left) and self.is_natural(right) else None
            case Modulo(_, right):
                return 0 if self.is_natural(right) else None
            case Minimum(terms):
                bounds = [self.lower_bound(term) for term in terms]
                known = [bound for bound in bounds if bound is not None]
                return min(known) if len(known) == len(bounds) else None
            case Maximum(terms):
                bounds = [self.lower_bound(term) for term in terms]
                return max((bound for bound in bounds if bound is not None), default=None)
        return None

    def _lowest_sum(self, value: Sum) -> int | None:
        total = value.constant
        for coefficient, atoms in value.terms:
            lowest = coefficient
            for atom in atoms:
                bound = self.lower_bound(atom)
                if bound is None or bound < 0:
                    return None
                lowest *= bound
            if coefficient < 0:
                return None
            total += lowest
        return total

    def varies(self, value: Size) -> bool:
        """Whether `value` (resolved) differs between lanes."""
        if self.vector is None or isinstance(value, int):
            return False
        found = self._varying.get((value, self.vector))
        if found is None:
            found = any(s == self.vector or s in self.vectors for s in free_symbols(value))
            self._varying[value, self.vector] = found
        return found

    def split(self, value: Size) -> tuple[Size | None, Size]:
        """(stride, rest) with value == stride * lane + rest; stride None if it is not so."""
        lane = self.vector
        if lane is None or isinstance(value, int):
            return 0, value
        found = self._splits.get((value, lane))
        if found is None:
            found = self._splits[value, lane] = self._split(value, lane)
        return found

    def _split(self, value: Size, lane: Symbol) -> tuple[Size | None, Size]:
        if not self.varies(value):
            return 0, value
        if value == lane:
            return 1, 0
        if not isinstance(value, Sum):
            return None, value
        stride: Size = 0
        rest: Size = value.constant
        for coefficient, atoms in value.terms:
            others = [atom for atom in atoms if atom != lane]
            if any(self.varies(atom) for atom in others) or len(atoms) - len(others) > 1:
                return None, value
            if len(others) < len(atoms):
                stride = add(stride, multiply(coefficient, product(others)))
            else:
                rest = add(rest, multiply(coefficient, product(atoms)))
        return stride, rest

    # Scalars --------------------------------------------------------------------------------------

    def scalar(self, value: Size) -> str:
        """`value` (resolved, equal in all lanes) as an i64."""
        if isinstance(value, int):
            return str(value)
        if isinstance(value, Symbol):
            return self.texts[value]
        depth = self.depth(value)
        found = self.code.find(value, depth)
        if found is not None:
            return found
        home = self.code.home(depth)
        return self.code.remember(value, home, self._compute(value, home))

    def _compute(self, value: Size, depth: int) -> str:
        match value:
            case Sum():
                return self._sum(value, depth)
            case FloorDivide(left, right):
                return self._divide(left, right, depth, "div")
            case Modulo(left, right):
                return self._divide(left, right, depth, "rem")
            case Minimum(terms):
                return self._extreme("llvm.smin.i64", terms, depth)
            case Maximum(terms):
                return self._extreme("llvm.smax.i64", terms, depth)
        raise AssertionError(f"not an index: {value!r}")

    def _extreme(self, function: str, terms: tuple[Size, ...], depth: int) -> str:
        result = self.scalar(terms[0])
        for term in terms[1:]:
            pair = [("i64", result), ("i64", self.scalar(term))]
            result = self.code.emit(self.code.call("i64", function, pair), depth)
        return result

    def outer_part(self, value: Sum) -> tuple[Size, list[tuple[int, Size]]]:
        """The part of a sum that lies outside its innermost loop, and the terms that do not."""
        depth = self.depth(value)
        outer: Size = 0
        inner: list[tuple[int, Size]] = []
        for coefficient, atoms in value.terms:
            term = product(atoms)
            if self.depth(term) < depth:
                outer = add(outer, multiply(coefficient, term))
            else:
                inner.append((coefficient, term))
        return outer, inner

    def _sum(self, value: Sum, depth: int) -> str:
        if len(value.terms) == 1 and value.constant == 0:
            ((coefficient, atoms),) = value.terms
            return self._term(coefficient, atoms, depth)
        outer, inner = self.outer_part(value)
        parts = [self.scalar(multiply(*term)) for term in inner]
        if outer != 0:
            parts.insert(0, self.scalar(outer))
        if value.constant:
            parts.append(str(value.constant))
        result = parts[0]
        for part in parts[1:]:
            result = self.code.emit(f"add nsw i64 {result}, {part}", depth)
        return result

    def _term(self, coefficient: int, atoms: Sequence[Size], depth: int) -> str:
        innermost = max(map(self.depth, atoms))
        outer = product(atom for atom in atoms if self.depth(atom) < innermost)
        factors = [atom for atom in atoms if self.depth(atom) >= innermost]
        result = self.scalar(multiply(coefficient, outer)) if outer != 1 else ""
        if result and len(factors) == 1 and isinstance(factors[0], Symbol):
            counter = self.counters.get(factors[0])
            if counter is not None:
                return self._induction(counter, innermost, result)
        for atom in factors:
            text = self.scalar(atom)
            result = self.code.emit(f"mul nsw i64 {result}, {text}", depth) if result else text
        if outer == 1 and coefficient != 1:
            result = self.code.emit(f"mul nsw i64 {result}, {coefficient}", depth)
        return result

    def _induction(self, counter: Counter, depth: int, scale: str) -> str:
        """counter * scale as a number that grows from one iteration to the next."""
        code, outside = self.code, depth - 1
        start, step = "0", scale
        if counter.start != "0":
            start = code.emit(f"mul nsw i64 {counter.start}, {scale}", outside)
        if counter.step != 1:
            step = code.emit(f"mul nsw i64 {scale}, {counter.step}", outside)
        name = f"%g{code.fresh()}"
        counter.inductions.append((name, start, step))
        return name

    def _divide(self, left: Size, right: Size, depth: int, operation: str) -> str:
        """Floor division or remainder. The divisor 0, of a loop that never runs, gives anything."""
        code, above = self.code, self.scalar(left)
        if isinstance(right, int) and right > 0 and right & (right - 1) == 0:
            if operation == "rem":
                return code.emit(f"and i64 {above}, {right - 1}", depth)
            return code.emit(f"ashr i64 {above}, {right.bit_length() - 1}", depth)
        below = self.scalar(right)
        least = self.lower_bound(right)
        if least is None or least < 1:
            is_zero = code.emit(f"icmp eq i64 {below}, 0", depth)
            below = code.emit(f"select i1 {is_zero}, i64 1, i64 {below}", depth)
        if self.is_natural(left) and self.is_natural(right):
            return code.emit(f"u{operation} i64 {above}, {below}", depth)
        return floor_division(code, "i64", above, below, operation, depth)


def floor_division(
    code: Code, type_: str, above: str, below: str, operation: str, depth: int
) -> str:
    """Signed quotient rounded to minus infinity ("div"), or the remainder with the divisor's sign
    ("rem"), from LLVM's truncating instructions. The divisor must not be zero."""
    mask = type_.replace("i64", "i1") if "x" in type_ else "i1"
    for bits in ("i8", "i16", "i32"):
        mask = mask.replace(bits, "i1")
    zero = "zeroinitializer" if "x" in type_ else "0"
    rest = code.emit(f"srem {type_} {above}, {below}", depth)
    signs = code.emit(f"xor {type_} {rest}, {below}", depth)
    differ = code.emit(f"icmp slt {type_} {signs}, {zero}", depth)
    inexact = code.emit(f"icmp ne {type_} {rest}, {zero}", depth)
    adjust = code.emit(f"and {mask} {differ}, {inexact}", depth)
    if operation == "rem":
        added = code.emit(f"add {type_} {rest}, {below}", depth)
        return code.emit(f"select {mask} {adjust}, {type_} {added}, {type_} {rest}", depth)
    quotient = code.emit(f"sdiv {type_} {above}, {below}", depth)
    borrow = code.emit(f"sext {mask} {adjust} to {type_}", depth)
    return code.emit(f"add {type_} {quotient}, {borrow}", depth)
