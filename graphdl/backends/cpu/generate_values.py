"""Scalar expressions of the loop IR as LLVM values."""

from __future__ import annotations

from graphdl.backends.cpu.generate_arithmetic import (
    Arithmetic,
    Emitted,
    literal,
    register_type,
    vector_type,
)
from graphdl.backends.cpu.generate_code import Code
from graphdl.backends.cpu.generate_lanes import LaneIndices
from graphdl.backends.cpu.generate_memory import Memory
from graphdl.kernel.nodes import (
    Binary,
    Bitcast,
    Cast,
    Condition,
    Constant,
    Fma,
    IndexValue,
    Load,
    Select,
    Unary,
    Value,
    Variable,
)
from graphdl.typesystem.dtype import DType, bool_, int64


class Values:
    """Emits values and remembers what each name is bound to."""

    def __init__(
        self, code: Code, indices: LaneIndices, arithmetic: Arithmetic, memory: Memory
    ) -> None:
        self.code, self.indices = code, indices
        self.arithmetic, self.memory = arithmetic, memory
        self.names: dict[str, Emitted] = {}

    def emit(self, value: Value) -> Emitted:
        """The LLVM operand that holds `value`."""
        match value:
            case Constant(number, dtype):
                return Emitted(literal(number, dtype), dtype)
            case Variable(name, _):
                return self.names[name]
            case Load():
                return self.memory.load(value)
            case Condition(comparisons):
                text, lanes = self.indices.condition(comparisons)
                return Emitted(text, bool_, lanes)
            case IndexValue():
                return self._index_value(value)
        return self._operation(value)

    def _operation(self, value: Value) -> Emitted:
        match value:
            case Binary(op, left, right):
                return self.arithmetic.binary(op, self.emit(left), self.emit(right))
            case Unary(op, operand):
                return self.arithmetic.unary(op, self.emit(operand))
            case Fma(a, b, c):
                return self.arithmetic.fma(self.emit(a), self.emit(b), self.emit(c))
            case Select(condition, on_true, on_false):
                return self.arithmetic.choose(*map(self.emit, (condition, on_true, on_false)))
            case Cast(operand, dtype):
                return self.arithmetic.cast(self.emit(operand), dtype)
            case Bitcast(operand, dtype):
                return self.arithmetic.bitcast(self.emit(operand), dtype)
        raise AssertionError(f"not a value: {value!r}")

    def _index_value(self, value: IndexValue) -> Emitted:
        index = self.indices.resolve(value.index)
        if isinstance(index, int):
            return Emitted(literal(index, value.dtype), value.dtype)
        stride, rest = self.indices.split(index)
        if value.dtype.is_integer and isinstance(stride, int) and stride:
            return self._affine_lanes(stride, rest, value.dtype)
        lanes = self.indices.lanes if self.indices.varies(index) else 0
        text = self.indices.vector_of(index) if lanes else self.indices.scalar(index)
        return self.arithmetic.cast(Emitted(text, int64, lanes), value.dtype)

    def _affine_lanes(self, stride: int, rest: object, dtype: DType) -> Emitted:
        """rest + stride * lane, with the lanes counted in the narrow type."""
        assert not isinstance(rest, str)
        type_, lanes = register_type(dtype), self.indices.lanes
        base = self.arithmetic.cast(Emitted(self.indices.scalar(rest), int64), dtype)  # type: ignore[arg-type]
        steps = ", ".join(f"{type_} {_wrapped(stride * lane, dtype.bits)}" for lane in range(lanes))
        wide = self.arithmetic.widen(base, lanes)
        text = self.code.emit(f"add {vector_type(type_, lanes)} {wide.text}, <{steps}>")
        return Emitted(text, dtype, lanes)


def _wrapped(value: int, bits: int) -> int:
    return value % (1 << bits)
