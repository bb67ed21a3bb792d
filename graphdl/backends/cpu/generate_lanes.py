"""Integer expressions that differ between the lanes of a vector, and conditions on indices."""

from __future__ import annotations

from collections.abc import Iterable

from graphdl.backends.cpu.generate_code import Code
from graphdl.backends.cpu.generate_indices import Indices, floor_division
from graphdl.typesystem.expression import (
    Comparison,
    FloorDivide,
    Maximum,
    Minimum,
    Modulo,
    Size,
    Sum,
    Symbol,
    add,
    multiply,
    product,
)


class LaneIndices(Indices):
    """Emits index expressions as vectors of i64, and comparisons as bits or vectors of bits."""

    # Lanes ----------------------------------------------------------------------------------------

    def iota(self, bits: int = 64) -> str:
        """The constant vector of lane numbers."""
        return f"<{', '.join(f'i{bits} {lane}' for lane in range(self.lanes))}>"

    def splat(self, type_: str, text: str, depth: int = -1) -> str:
        """A vector with one value in all lanes."""
        return splat(self.code, type_, self.lanes, text, depth)

    def vector_of(self, value: Size) -> str:
        """`value` (resolved) in each lane, as a vector of i64."""
        depth = self.depth(value)
        if not self.varies(value):
            return self.splat("i64", self.scalar(value), self.code.home(depth))
        key = ("lanes", value, self.lanes)
        found = self.code.find(key, depth)
        if found is not None:
            return found
        home = self.code.home(depth)
        return self.code.remember(key, home, self._compute_lanes(value, home))

    def _compute_lanes(self, value: Size, depth: int) -> str:
        match value:
            case Symbol():
                return self.iota() if value == self.vector else self.vectors[value]
            case Sum():
                return self._sum_lanes(value, depth)
            case FloorDivide(left, right):
                return self._divide_lanes(left, right, depth, "div")
            case Modulo(left, right):
                return self._divide_lanes(left, right, depth, "rem")
            case Minimum(terms) | Maximum(terms):
                name = "smin" if isinstance(value, Minimum) else "smax"
                type_, result = f"<{self.lanes} x i64>", self.vector_of(terms[0])
                for term in terms[1:]:
                    pair = [(type_, result), (type_, self.vector_of(term))]
                    call = self.code.call(type_, f"llvm.{name}.v{self.lanes}i64", pair)
                    result = self.code.emit(call, depth)
                return result
        raise AssertionError(f"not an index: {value!r}")

    def _sum_lanes(self, value: Sum, depth: int) -> str:
        type_, rest, result = f"<{self.lanes} x i64>", value.constant, ""
        uniform: Size = rest
        for coefficient, atoms in value.terms:
            if not any(map(self.varies, atoms)):
                uniform = add(uniform, multiply(coefficient, product(atoms)))
                continue
            part = self._product_lanes(coefficient, atoms, depth)
            result = self.code.emit(f"add {type_} {result}, {part}", depth) if result else part
        if uniform == 0:
            return result
        return self.code.emit(f"add {type_} {result}, {self.vector_of(uniform)}", depth)

    def _product_lanes(self, coefficient: int, atoms: Iterable[Size], depth: int) -> str:
        type_, result = f"<{self.lanes} x i64>", ""
        for atom in atoms:
            text = self.vector_of(atom)
            result = self.code.emit(f"mul {type_} {result}, {text}", depth) if result else text
        if coefficient == 1:
            return result
        factor = self.splat("i64", str(coefficient))
        return self.code.emit(f"mul {type_} {result}, {factor}", depth)

    def _divide_lanes(self, left: Size, right: Size, depth: int, operation: str) -> str:
        code, above, type_ = self.code, self.vector_of(left), f"<{self.lanes} x i64>"
        if isinstance(right, int) and right > 0 and right & (right - 1) == 0:
            amount = right - 1 if operation == "rem" else right.bit_length() - 1
            name = "and" if operation == "rem" else "ashr"
            return code.emit(f"{name} {type_} {above}, {self.splat('i64', str(amount))}", depth)
        below = self.vector_of(right)
        least = self.lower_bound(right)
        if least is None or least < 1:
            is_zero = code.emit(f"icmp eq {type_} {below}, zeroinitializer", depth)
            one, mask = self.splat("i64", "1"), f"<{self.lanes} x i1>"
            below = code.emit(f"select {mask} {is_zero}, {type_} {one}, {type_} {below}", depth)
        if self.is_natural(left) and self.is_natural(right):
            return code.emit(f"u{operation} {type_} {above}, {below}", depth)
        return floor_division(code, type_, above, below, operation, depth)

    # Conditions -----------------------------------------------------------------------------------

    def condition(self, comparisons: Iterable[Comparison]) -> tuple[str, int]:
        """The conjunction as (i1 text, 0), or as (vector of i1, lanes) where it differs by lane."""
        scalars: list[str] = []
        vectors: list[str] = []
        for comparison in comparisons:
            difference = self.resolve(comparison.left) - self.resolve(comparison.right)
            if self.varies(difference):
                vectors.append(self._lane_comparison(difference, comparison.relation))
            else:
                scalars.append(self._comparison(difference, comparison.relation))
        uniform = self._all(scalars, "i1")
        if not vectors:
            return uniform, 0
        if scalars:
            vectors.append(self.splat("i1", uniform))
        return self._all(vectors, f"<{self.lanes} x i1>"), self.lanes

    def _all(self, texts: list[str], type_: str) -> str:
        result = texts[0] if texts else "true"
        for text in texts[1:]:
            result = self.code.cached(("and", result, text), f"and {type_} {result}, {text}", -1)
        return result

    def _comparison(self, difference: Size, relation: str) -> str:
        if isinstance(difference, int):
            holds = {
                "<": difference < 0, "<=": difference <= 0,
                "==": difference == 0, "!=": difference != 0,
            }  # fmt: skip
            return str(holds[relation]).lower()
        depth = self.depth(difference)
        text = self.scalar(difference)
        return self.code.cached(
            (relation, text), f"icmp {_PREDICATES[relation]} i64 {text}, 0", depth
        )

    def _lane_comparison(self, difference: Size, relation: str) -> str:
        key = ("mask", difference, relation, self.lanes)
        depth = self.depth(difference)
        found = self.code.find(key, depth)
        if found is not None:
            return found
        home = self.code.home(depth)
        return self.code.remember(
            key, home, self._compute_lane_comparison(difference, relation, home)
        )

    def _compute_lane_comparison(self, difference: Size, relation: str, depth: int) -> str:
        if relation == "<=":
            relation, difference = "<", difference - 1
        stride, rest = self.split(difference)
        if relation == "<" and stride == 1:
            return self._compare_lane("slt", 0 - rest, depth)
        if relation == "<" and stride == -1:
            return self._compare_lane("sge", rest + 1, depth)
        type_ = f"<{self.lanes} x i64>"
        text = self.vector_of(difference)
        return self.code.emit(
            f"icmp {_PREDICATES[relation]} {type_} {text}, zeroinitializer", depth
        )

    def _compare_lane(self, predicate: str, bound: Size, depth: int) -> str:
        """The lane number against a bound, in 32 bits after clamping."""
        limit = self.splat("i32", self._clamped(bound, depth), depth)
        return self.code.emit(
            f"icmp {predicate} <{self.lanes} x i32> {self.iota(32)}, {limit}", depth
        )

    def _clamped(self, bound: Size, depth: int) -> str:
        if isinstance(bound, int):
            return str(min(max(bound, 0), self.lanes))
        code = self.code
        low = code.call("i64", "llvm.smax.i64", [("i64", self.scalar(bound)), ("i64", "0")])
        text = code.emit(low, depth)
        high = code.call("i64", "llvm.smin.i64", [("i64", text), ("i64", str(self.lanes))])
        return code.emit(f"trunc i64 {code.emit(high, depth)} to i32", depth)


_PREDICATES = {"<": "slt", "<=": "sle", "==": "eq", "!=": "ne"}


def splat(code: Code, type_: str, lanes: int, text: str, depth: int = -1) -> str:
    """A vector of `lanes` copies of a scalar operand."""
    if not text.startswith("%"):
        return f"splat ({type_} {text})"
    key = ("splat", type_, lanes, text)
    found = code.find(key, depth)
    if found is not None:
        return found
    vector = f"<{lanes} x {type_}>"
    first = code.emit(f"insertelement {vector} poison, {type_} {text}, i64 0", depth)
    shuffle = f"shufflevector {vector} {first}, {vector} poison, <{lanes} x i32> zeroinitializer"
    return code.remember(key, depth, code.emit(shuffle, depth))
