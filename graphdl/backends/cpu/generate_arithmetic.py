"""Scalar and vector arithmetic of every dtype as LLVM instructions, with the IR's semantics."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from graphdl.backends.cpu.generate_code import Code, Unsupported
from graphdl.backends.cpu.generate_half import from_double, from_float, to_float
from graphdl.backends.cpu.generate_indices import floor_division
from graphdl.backends.cpu.generate_lanes import splat
from graphdl.typesystem.dtype import DType, Kind, bool_, float32, float64, uint8

MEMORY_TYPES = {
    "bool": "i8", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "i8", "uint16": "i16", "uint32": "i32", "uint64": "i64",
    "float16": "i16", "bfloat16": "i16", "float32": "float", "float64": "double",
}  # fmt: skip
"""LLVM's type of an element in memory. 16-bit floats travel as their bits."""


def register_type(dtype: DType) -> str:
    """LLVM's type of an element in a register."""
    return "i1" if dtype.is_bool else MEMORY_TYPES[dtype.name]


def vector_type(type_: str, lanes: int) -> str:
    """`type_`, or a vector of it when `lanes` is not 0."""
    return f"<{lanes} x {type_}>" if lanes else type_


def intrinsic_suffix(type_: str, lanes: int) -> str:
    """How an overloaded intrinsic names a type: f32, v16f32, v8i64."""
    short = {"float": "f32", "double": "f64", "ptr": "p0"}.get(type_, type_)
    return f"v{lanes}{short}" if lanes else short


def literal(value: bool | int | float, dtype: DType) -> str:
    """A constant's text in a register of `dtype`."""
    if dtype.is_bool:
        return str(bool(value)).lower()
    if dtype.name in ("float16", "bfloat16"):
        return str(int(np.asarray(value, dtype=dtype.numpy).view(np.uint16)))
    if dtype.is_floating:
        rounded = float(np.float32(value)) if dtype == float32 else float(value)
        return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"
    return str(int(value))


@dataclass(frozen=True, slots=True)
class Emitted:
    """An LLVM operand: its text, its dtype, and its lanes (0 when it is the same in all lanes)."""

    text: str
    dtype: DType
    lanes: int = 0

    @property
    def type(self) -> str:
        """LLVM's type of the operand."""
        return vector_type(register_type(self.dtype), self.lanes)


class Arithmetic:
    """Emits operations on Emitted operands. `has_half` tells whether the CPU converts float16."""

    def __init__(self, code: Code, has_half: bool) -> None:
        self.code = code
        self.has_half = has_half

    def widen(self, value: Emitted, lanes: int) -> Emitted:
        """The value in `lanes` lanes."""
        if value.lanes == lanes:
            return value
        text = splat(self.code, register_type(value.dtype), lanes, value.text)
        return Emitted(text, value.dtype, lanes)

    def align(self, *values: Emitted) -> tuple[Emitted, ...]:
        """The values with equal lanes."""
        lanes = max(value.lanes for value in values)
        return tuple(self.widen(value, lanes) for value in values)

    def constant(self, value: bool | int | float, like: Emitted) -> str:
        """A constant's text with the dtype and lanes of `like`."""
        text = literal(value, like.dtype)
        return f"splat ({register_type(like.dtype)} {text})" if like.lanes else text

    def _call(self, name: str, *values: Emitted, flag: str | None = None) -> Emitted:
        first = values[0]
        suffix = intrinsic_suffix(register_type(first.dtype), first.lanes)
        arguments = [(value.type, value.text) for value in values]
        if flag is not None:
            arguments.append(("i1", flag))
        call = self.code.call(first.type, f"llvm.{name}.{suffix}", arguments)
        return Emitted(self.code.emit(call), first.dtype, first.lanes)

    def _two(self, instruction: str, left: Emitted, right: str) -> Emitted:
        text = self.code.emit(f"{instruction} {left.type} {left.text}, {right}")
        return Emitted(text, left.dtype, left.lanes)

    def _mask_type(self, lanes: int) -> str:
        return vector_type("i1", lanes)

    def choose(self, condition: Emitted, on_true: Emitted, on_false: Emitted) -> Emitted:
        """on_true where condition, else on_false."""
        lanes = max(on_true.lanes, on_false.lanes, condition.lanes)
        if condition.lanes:
            condition = self.widen(condition, lanes)
        on_true, on_false = self.widen(on_true, lanes), self.widen(on_false, lanes)
        text = self.code.emit(
            f"select {condition.type} {condition.text}, {on_true.type} {on_true.text}, "
            f"{on_false.type} {on_false.text}"
        )
        return Emitted(text, on_true.dtype, lanes)

    def _compare(self, predicate: str, left: Emitted, right: str) -> Emitted:
        instruction = "fcmp" if left.dtype.is_floating else "icmp"
        text = self.code.emit(f"{instruction} {predicate} {left.type} {left.text}, {right}")
        return Emitted(text, bool_, left.lanes)

    # Unary ----------------------------------------------------------------------------------------

    def unary(self, op: str, value: Emitted) -> Emitted:
        """A scalar op of one operand."""
        if value.dtype.is_floating and value.dtype.bits == 16:
            result = self.unary(op, self.cast(value, float32))
            return result if result.dtype.is_bool else self.cast(result, value.dtype)
        if value.dtype.is_floating:
            return self._float_unary(op, value)
        return self._integer_unary(op, value)

    def _float_unary(self, op: str, value: Emitted) -> Emitted:
        if op in _FLOAT_INTRINSICS:
            return self._call(_FLOAT_INTRINSICS[op], value)
        match op:
            case "negative":
                text = self.code.emit(f"fneg {value.type} {value.text}")
                return Emitted(text, value.dtype, value.lanes)
            case "is_finite":
                magnitude = self._call("fabs", value)
                return self._compare("olt", magnitude, self.constant(math.inf, value))
            case "sign":
                return self._float_sign(value)
        raise Unsupported(f"{op} of {value.dtype} must be expanded before code generation")

    def _float_sign(self, value: Emitted) -> Emitted:
        zero = Emitted(self.constant(0.0, value), value.dtype, value.lanes)
        one = Emitted(self.constant(1.0, value), value.dtype, value.lanes)
        signed = self._call("copysign", one, value)
        is_kept = self._compare("ueq", value, zero.text)  # zeros and NaN
        return self.choose(is_kept, value, signed)

    def _integer_unary(self, op: str, value: Emitted) -> Emitted:
        match op:
            case "negative":
                zero = Emitted(self.constant(0, value), value.dtype, value.lanes)
                return self._two("sub", zero, value.text)
            case "bitwise_not":
                return self._two(
                    "xor", value, self.constant(-1 if not value.dtype.is_bool else 1, value)
                )
            case "abs":
                return self._call("abs", value, flag="false") if _is_signed(value) else value
            case "sign":
                return self._integer_sign(value)
        raise Unsupported(f"{op} of {value.dtype}")

    def _integer_sign(self, value: Emitted) -> Emitted:
        zero = self.constant(0, value)
        one = Emitted(self.constant(1, value), value.dtype, value.lanes)
        is_zero = self._compare("eq", value, zero)
        result = self.choose(is_zero, value, one)
        if not _is_signed(value):
            return result
        minus = Emitted(self.constant(-1, value), value.dtype, value.lanes)
        return self.choose(self._compare("slt", value, zero), minus, result)

    # Binary ---------------------------------------------------------------------------------------

    def binary(self, op: str, left: Emitted, right: Emitted) -> Emitted:
        """A scalar op of two operands of one dtype."""
        left, right = self.align(left, right)
        dtype = left.dtype
        if dtype.is_floating and dtype.bits == 16:
            result = self.binary(op, self.cast(left, float32), self.cast(right, float32))
            return result if result.dtype.is_bool else self.cast(result, dtype)
        if op in _COMPARISONS:
            return self._compare(_COMPARISONS[op][_family(dtype)], left, right.text)
        if op in ("maximum", "minimum"):
            return self._extreme(op, left, right)
        if dtype.is_floating:
            if op not in _FLOAT_INSTRUCTIONS:
                raise Unsupported(f"{op} of {dtype} must be expanded before code generation")
            return self._two(_FLOAT_INSTRUCTIONS[op], left, right.text)
        return self._integer_binary(op, left, right)

    def _extreme(self, op: str, left: Emitted, right: Emitted) -> Emitted:
        """A NaN wins; -0 < +0, so that no order of a fold shows in the sign of a zero."""
        family = _family(left.dtype)
        if family != 0:
            name = ("umax", "umin") if family == 2 else ("smax", "smin")
            return self._call(name[op == "minimum"], left, right)
        better = self._compare("ogt" if op == "maximum" else "olt", left, right.text)
        result = self.choose(better, left, right)
        is_tied = self._compare("oeq", left, right.text)
        result = self.choose(is_tied, self._merge_bits(op, left, right), result)
        return self.choose(self._compare("uno", left, left.text), left, result)

    def _merge_bits(self, op: str, left: Emitted, right: Emitted) -> Emitted:
        """Of two equal floats the one to keep: the signs of zeros are joined by and, or by or."""
        bits = vector_type(f"i{left.dtype.bits}", left.lanes)
        parts = [
            self.code.emit(f"bitcast {side.type} {side.text} to {bits}") for side in (left, right)
        ]
        instruction = "and" if op == "maximum" else "or"
        joined = self.code.emit(f"{instruction} {bits} {parts[0]}, {parts[1]}")
        text = self.code.emit(f"bitcast {bits} {joined} to {left.type}")
        return Emitted(text, left.dtype, left.lanes)

    def _integer_binary(self, op: str, left: Emitted, right: Emitted) -> Emitted:
        if op in _INTEGER_INSTRUCTIONS:
            instruction = _INTEGER_INSTRUCTIONS[op]
            if left.dtype.is_bool:
                instruction = {"add": "or", "mul": "and", "sub": "xor"}.get(
                    instruction, instruction
                )
            return self._two(instruction, left, right.text)
        if op.startswith("shift"):
            return self._shift(op, left, right)
        match op:
            case "floor_divide" | "remainder":
                return self._integer_division(op, left, right)
            case "multiply_high":
                return self._multiply_high(left, right)
            case "power":
                return self._integer_power(left, right)
        raise Unsupported(f"{op} of {left.dtype}")

    def _shift(self, op: str, left: Emitted, right: Emitted) -> Emitted:
        """Amounts from the width upward (and negative ones) give 0, or the sign."""
        bits = left.dtype.bits
        instruction = {"shift_left": "shl", "shift_right_logical": "lshr"}.get(op, "ashr")
        if instruction == "ashr" and not _is_signed(left):
            instruction = "lshr"
        inside = self._compare("ult", right, self.constant(bits, right))
        largest = Emitted(self.constant(bits - 1, right), right.dtype, right.lanes)
        amount = self.choose(inside, right, largest)
        shifted = self._two(instruction, left, amount.text)
        if instruction == "ashr":
            return shifted
        return self.choose(inside, shifted, Emitted(self.constant(0, left), left.dtype, left.lanes))

    def _integer_division(self, op: str, left: Emitted, right: Emitted) -> Emitted:
        """Division by zero gives 0; the most negative number divided by -1 wraps."""
        zero = Emitted(self.constant(0, left), left.dtype, left.lanes)
        one = Emitted(self.constant(1, left), left.dtype, left.lanes)
        by_zero = self._compare("eq", right, zero.text)
        short = "div" if op == "floor_divide" else "rem"
        if not _is_signed(left):
            divisor = self.choose(by_zero, one, right)
            return self.choose(by_zero, zero, self._two(f"u{short}", left, divisor.text))
        by_minus_one = self._compare("eq", right, self.constant(-1, right))
        divisor = self.choose(by_zero, one, self.choose(by_minus_one, one, right))
        text = floor_division(self.code, left.type, left.text, divisor.text, short, -1)
        result = Emitted(text, left.dtype, left.lanes)
        special = self._two("sub", zero, left.text) if short == "div" else zero
        return self.choose(by_zero, zero, self.choose(by_minus_one, special, result))

    def _multiply_high(self, left: Emitted, right: Emitted) -> Emitted:
        bits, code = left.dtype.bits, self.code
        if bits > 32:
            raise Unsupported(f"multiply_high of {left.dtype}")
        extend = "sext" if _is_signed(left) else "zext"
        wide = vector_type(f"i{2 * bits}", left.lanes)
        a = code.emit(f"{extend} {left.type} {left.text} to {wide}")
        b = code.emit(f"{extend} {right.type} {right.text} to {wide}")
        both = code.emit(f"mul {wide} {a}, {b}")
        amount = f"splat (i{2 * bits} {bits})" if left.lanes else str(bits)
        high = code.emit(f"lshr {wide} {both}, {amount}")
        return Emitted(code.emit(f"trunc {wide} {high} to {left.type}"), left.dtype, left.lanes)

    def _integer_power(self, base: Emitted, exponent: Emitted) -> Emitted:
        """Square and multiply over all bits of the exponent, in straight code.

        A negative exponent gives the power truncated to an integer: 0 unless the base is 1 or -1,
        whose powers repeat so that the exponent's bits can be taken as they are.
        """
        one = Emitted(self.constant(1, base), base.dtype, base.lanes)
        zero = Emitted(self.constant(0, base), base.dtype, base.lanes)
        result, square, rest = one, base, exponent
        for _ in range(base.dtype.bits):
            odd = self._compare("ne", self._two("and", rest, one.text), zero.text)
            result = self.choose(odd, self._two("mul", result, square.text), result)
            square = self._two("mul", square, square.text)
            rest = self._two("lshr", rest, one.text)
        if not _is_signed(base):
            return result
        outside = self._compare("ugt", self._two("add", base, one.text), self.constant(2, base))
        is_lost = self._two("or", outside, self._compare("eq", base, zero.text).text)
        is_negative = self._compare("slt", exponent, zero.text)
        return self.choose(self._two("and", is_negative, is_lost.text), zero, result)

    def fma(self, a: Emitted, b: Emitted, c: Emitted) -> Emitted:
        """a * b + c rounded once (16-bit floats: computed in float32, then rounded)."""
        a, b, c = self.align(a, b, c)
        if c.dtype.bits == 16 and c.dtype.is_floating:
            parts = [self.cast(value, float32) for value in (a, b, c)]
            return self.cast(self._call("fma", *parts), c.dtype)
        if c.dtype.is_floating:
            return self._call("fma", a, b, c)
        return self.binary("add", self.binary("multiply", a, b), c)

    # Conversions ----------------------------------------------------------------------------------

    def cast(self, value: Emitted, dtype: DType) -> Emitted:
        """The value as another dtype: floats round to nearest even, float to integer truncates and
        saturates with NaN giving 0, integers wrap, anything to bool is "not zero"."""
        source = value.dtype
        if source == dtype:
            return value
        if source.is_floating and source.bits == 16:
            text = to_float(self.code, value.text, source, value.lanes, self.has_half)
            return self.cast(Emitted(text, float32, value.lanes), dtype)
        if dtype.is_floating and dtype.bits == 16:
            return self._cast_to_half(value, dtype)
        if dtype.is_bool:
            return self._compare(
                "une" if source.is_floating else "ne", value, self.constant(0, value)
            )
        target = vector_type(register_type(dtype), value.lanes)
        return Emitted(self._convert(value, dtype, target), dtype, value.lanes)

    def _cast_to_half(self, value: Emitted, dtype: DType) -> Emitted:
        if value.dtype == float64:
            text = from_double(self.code, value.text, dtype, value.lanes, self.has_half)
        else:
            single = self.cast(value, float32)
            text = from_float(self.code, single.text, dtype, value.lanes, self.has_half)
        return Emitted(text, dtype, value.lanes)

    def _convert(self, value: Emitted, dtype: DType, target: str) -> str:
        source, code = value.dtype, self.code
        if source.is_floating and dtype.is_floating:
            name = "fpext" if dtype.bits > source.bits else "fptrunc"
            return code.emit(f"{name} {value.type} {value.text} to {target}")
        if source.is_floating:
            name = "fptosi" if dtype.kind is Kind.INT else "fptoui"
            to = intrinsic_suffix(register_type(dtype), value.lanes)
            of = intrinsic_suffix(register_type(source), value.lanes)
            return code.emit(
                code.call(target, f"llvm.{name}.sat.{to}.{of}", [(value.type, value.text)])
            )
        if dtype.is_floating:
            name = "sitofp" if source.kind is Kind.INT else "uitofp"
            return code.emit(f"{name} {value.type} {value.text} to {target}")
        if not source.is_bool and dtype.bits == source.bits:
            return value.text
        if not source.is_bool and dtype.bits < source.bits:
            return code.emit(f"trunc {value.type} {value.text} to {target}")
        name = "sext" if source.kind is Kind.INT else "zext"
        return code.emit(f"{name} {value.type} {value.text} to {target}")

    def bitcast(self, value: Emitted, dtype: DType) -> Emitted:
        """The value's bits as another dtype of the same width."""
        target = vector_type(register_type(dtype), value.lanes)
        if value.dtype.is_bool:
            value = Emitted(self.to_memory(value), uint8, value.lanes)
        if dtype.is_bool:
            return self.from_memory(value.text, dtype, value.lanes)
        if target == value.type:
            return Emitted(value.text, dtype, value.lanes)
        text = self.code.emit(f"bitcast {value.type} {value.text} to {target}")
        return Emitted(text, dtype, value.lanes)

    # Memory ---------------------------------------------------------------------------------------

    def to_memory(self, value: Emitted) -> str:
        """The operand to store: booleans become bytes."""
        if not value.dtype.is_bool:
            return value.text
        if not value.text.startswith("%") and not value.lanes:
            return str(int(value.text == "true"))
        return self.code.emit(f"zext {value.type} {value.text} to {vector_type('i8', value.lanes)}")

    def from_memory(self, text: str, dtype: DType, lanes: int) -> Emitted:
        """A loaded element as a register value."""
        if not dtype.is_bool:
            return Emitted(text, dtype, lanes)
        zero = "zeroinitializer" if lanes else "0"
        text = self.code.emit(f"icmp ne {vector_type('i8', lanes)} {text}, {zero}")
        return Emitted(text, dtype, lanes)


_FLOAT_INTRINSICS = {
    "abs": "fabs", "sqrt": "sqrt",
    "floor": "floor", "ceil": "ceil", "round": "roundeven", "trunc": "trunc",
}  # fmt: skip
_FLOAT_INSTRUCTIONS = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
_INTEGER_INSTRUCTIONS = {
    "add": "add", "subtract": "sub", "multiply": "mul",
    "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor",
}  # fmt: skip
_COMPARISONS = {
    "equal": ("oeq", "eq", "eq"), "not_equal": ("une", "ne", "ne"),
    "less": ("olt", "slt", "ult"), "less_equal": ("ole", "sle", "ule"),
    "greater": ("ogt", "sgt", "ugt"), "greater_equal": ("oge", "sge", "uge"),
}  # fmt: skip
"""LLVM's predicate for floats, signed and unsigned integers."""


def _family(dtype: DType) -> int:
    """0 for floats, 1 for signed integers, 2 for unsigned integers and bool."""
    if dtype.is_floating:
        return 0
    return 1 if dtype.kind is Kind.INT else 2


def _is_signed(value: Emitted) -> bool:
    return value.dtype.kind is Kind.INT
