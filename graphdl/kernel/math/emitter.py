"""Builds arithmetic Values of one floating dtype, naming with Lets what is used twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphdl.kernel.nodes import (
    Binary,
    Bitcast,
    Constant,
    Fma,
    Let,
    Select,
    Unary,
    Value,
    Variable,
)
from graphdl.typesystem.dtype import DType, float32, float64, int32, int64, uint32, uint64

Number = int | float
Operand = Value | Number


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """How a floating dtype lays out its bits, and the sum that rounds to an integer.

    Adding `magic` (1.5 * 2**fraction_bits) to a small number rounds it to the nearest integer and
    leaves that integer in the low bits of the sum.
    """

    dtype: DType
    signed: DType
    unsigned: DType
    fraction_bits: int
    bias: int

    @property
    def magic(self) -> float:
        """The number that rounds when it is added."""
        return 1.5 * 2.0**self.fraction_bits

    @property
    def sign_bit(self) -> int:
        """The bits of minus zero."""
        return 1 << (self.dtype.bits - 1)


FORMATS = {
    float32: FloatFormat(float32, int32, uint32, 23, 127),
    float64: FloatFormat(float64, int64, uint64, 52, 1023),
}


class Emitter:
    """Values over `dtype` (float32 or float64). Numbers stand for constants of the other operand's
    dtype; every method returns a Value."""

    __slots__ = ("dtype", "format", "fresh", "lets")

    def __init__(self, dtype: DType, fresh: Callable[[], str], lets: list[Let]) -> None:
        self.dtype, self.format = dtype, FORMATS[dtype]
        self.fresh, self.lets = fresh, lets

    @property
    def is_single(self) -> bool:
        """Whether the dtype is float32."""
        return self.dtype == float32

    def of(self, dtype: DType) -> Emitter:
        """An emitter for another dtype that adds to the same Lets."""
        return Emitter(dtype, self.fresh, self.lets)

    def share(self, value: Value) -> Value:
        """A name for `value`, so that it can be used more than once."""
        if isinstance(value, Variable | Constant):
            return value
        name = self.fresh()
        self.lets.append(Let(name, value))
        return Variable(name, value.dtype)

    def constant(self, number: Number) -> Constant:
        """A number of the emitter's dtype."""
        return Constant(float(number), self.dtype)

    def unsigned(self, bits: int) -> Constant:
        """A pattern of bits."""
        return Constant(bits, self.format.unsigned)

    def polynomial(self, x: Value, coefficients: Sequence[Number]) -> Value:
        """Horner's rule; the constant coefficient comes first."""
        *rest, last = coefficients
        result: Operand = last
        for coefficient in reversed(rest):
            result = self.fma(result, x, coefficient)
        return self._value(result, x)

    # Arithmetic

    def _value(self, operand: Operand, like: Operand | None = None) -> Value:
        if not isinstance(operand, int | float):
            return operand
        dtype = self.dtype if like is None or isinstance(like, int | float) else like.dtype
        return Constant(operand, dtype)

    def _binary(self, op: str, left: Operand, right: Operand) -> Value:
        return Binary(op, self._value(left, right), self._value(right, left))

    def add(self, left: Operand, right: Operand) -> Value:
        """left + right."""
        return self._binary("add", left, right)

    def subtract(self, left: Operand, right: Operand) -> Value:
        """left - right."""
        return self._binary("subtract", left, right)

    def multiply(self, left: Operand, right: Operand) -> Value:
        """left * right."""
        return self._binary("multiply", left, right)

    def divide(self, left: Operand, right: Operand) -> Value:
        """left / right."""
        return self._binary("divide", left, right)

    def fma(self, a: Operand, b: Operand, c: Operand) -> Value:
        """a * b + c, rounded once."""
        return Fma(self._value(a), self._value(b), self._value(c))

    def negative(self, value: Value) -> Value:
        """-value."""
        return Unary("negative", value)

    def magnitude(self, value: Value) -> Value:
        """|value|."""
        return Unary("abs", value)

    def square_root(self, value: Value) -> Value:
        """The square root, rounded once."""
        return Unary("sqrt", value)

    # Choice

    def select(self, condition: Value, on_true: Operand, on_false: Operand) -> Value:
        """on_true where the condition holds, else on_false."""
        return Select(condition, self._value(on_true, on_false), self._value(on_false, on_true))

    def less(self, left: Operand, right: Operand) -> Value:
        """left < right; false for NaN."""
        return self._binary("less", left, right)

    def equal(self, left: Operand, right: Operand) -> Value:
        """left == right; false for NaN."""
        return self._binary("equal", left, right)

    def at_most(self, value: Value, bound: Number) -> Value:
        """The smaller of both; NaN stays (one instruction, unlike the op minimum)."""
        return self.select(self.less(bound, value), bound, value)

    def at_least(self, value: Value, bound: Number) -> Value:
        """The larger of both; NaN stays."""
        return self.select(self.less(value, bound), bound, value)

    def unless_tiny(self, x: Value, result: Value) -> Value:
        """x itself where it is so small that the function rounds to it, minus zero included."""
        limit = 2.0 ** -(self.format.fraction_bits + 3)
        return self.select(self.less(self.magnitude(x), limit), x, result)

    # Bits

    def bits(self, value: Value) -> Value:
        """The bits as an unsigned integer."""
        return Bitcast(value, self.format.unsigned)

    def signed_bits(self, value: Value) -> Value:
        """The bits as a signed integer."""
        return Bitcast(value, self.format.signed)

    def from_bits(self, bits: Value) -> Value:
        """The float with these bits."""
        return Bitcast(bits, self.dtype)

    def bitwise_and(self, left: Operand, right: Operand) -> Value:
        """Bits set in both; the conjunction of bools."""
        return self._binary("bitwise_and", left, right)

    def bitwise_or(self, left: Operand, right: Operand) -> Value:
        """Bits set in either; the disjunction of bools."""
        return self._binary("bitwise_or", left, right)

    def bitwise_xor(self, left: Operand, right: Operand) -> Value:
        """Bits set in one of both."""
        return self._binary("bitwise_xor", left, right)

    def shift_left(self, value: Value, amount: int) -> Value:
        """An integer's bits moved up."""
        return self._binary("shift_left", value, amount)

    def shift_right(self, value: Value, amount: int) -> Value:
        """Arithmetic on signed integers, logical on unsigned ones."""
        is_signed = value.dtype.name.startswith("int")
        op = "shift_right_arithmetic" if is_signed else "shift_right_logical"
        return self._binary(op, value, amount)

    def sign_of(self, value: Value) -> Value:
        """The sign bit alone, as an unsigned integer."""
        return self.bitwise_and(self.bits(value), self.format.sign_bit)

    def flip_sign(self, value: Value, sign: Value) -> Value:
        """`value` negated where the sign bit of the unsigned integer `sign` is set."""
        return self.from_bits(self.bitwise_xor(self.bits(value), sign))
