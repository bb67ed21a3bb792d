"""Buffers as LLVM memory: pointers, and masked, strided and transposed loads and stores."""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.backends.cpu.generate_arithmetic import (
    MEMORY_TYPES,
    Arithmetic,
    Emitted,
    intrinsic_suffix,
    literal,
    register_type,
    vector_type,
)
from graphdl.backends.cpu.generate_code import Code, Unsupported
from graphdl.backends.cpu.generate_lanes import LaneIndices
from graphdl.backends.cpu.generate_registers import Registers
from graphdl.backends.cpu.generate_shuffle import transpose
from graphdl.kernel.nodes import Buffer, Load, Space
from graphdl.typesystem.dtype import DType, bool_
from graphdl.typesystem.expression import Comparison, Size, Sum, add, multiply, product


@dataclass(slots=True)
class Place:
    """Where a buffer lives now."""

    buffer: Buffer
    base: str


class Memory:
    """Emits loads and stores."""

    def __init__(
        self, code: Code, indices: LaneIndices, arithmetic: Arithmetic, registers: Registers
    ) -> None:
        self.code, self.indices, self.arithmetic = code, indices, arithmetic
        self.registers = registers
        self.places: dict[str, Place] = {}
        self._linear: dict[tuple[str, tuple[Size, ...]], Size] = {}
        self._zero = ""

    def put(self, buffer: Buffer, base: str) -> None:
        """Let a buffer start at the address `base`."""
        known = self.places.get(buffer.name)
        if known is not None and known.buffer.shape != buffer.shape:
            self._linear.clear()
        self.places[buffer.name] = Place(buffer, base)
        if buffer.name in self.registers.lanes:
            self.registers.allocate(buffer.name)

    # Addresses ------------------------------------------------------------------------------------

    def linear(self, buffer: Buffer, index: tuple[Size, ...]) -> Size:
        """The row-major element number over unique symbols."""
        key = (buffer.name, index)
        total = self._linear.get(key)
        if total is None:
            total = 0
            for position, value in enumerate(index):
                total = add(total, multiply(value, product(buffer.shape[position + 1 :])))
            self._linear[key] = total
        return self.indices.resolve(total)

    def pointer(self, place: Place, linear: Size) -> str:
        """The address of an element; its constant part is added last, so that neighbours share the
        rest."""
        type_ = MEMORY_TYPES[place.buffer.dtype.name]
        constant = (
            linear if isinstance(linear, int) else linear.constant if isinstance(linear, Sum) else 0
        )
        rest = linear - constant
        base = self._partial_pointer(place, type_, rest)
        if constant == 0:
            return base
        depth = self.indices.depth(rest)
        step = f"getelementptr inbounds {type_}, ptr {base}, i64 {constant}"
        return self.code.cached((base, constant), step, depth)

    def _partial_pointer(self, place: Place, type_: str, rest: Size) -> str:
        if rest == 0:
            return place.base
        depth = self.indices.depth(rest)
        key = (place.base, rest)
        found = self.code.find(key, depth)
        if found is not None:
            return found
        base, offset = place.base, rest
        if isinstance(rest, Sum) and depth > 0:
            outer, _ = self.indices.outer_part(rest)
            base, offset = self._partial_pointer(place, type_, outer), rest - outer
        step = f"getelementptr inbounds {type_}, ptr {base}, i64 {self.indices.scalar(offset)}"
        return self.code.cached(key, step, depth)

    # Loads ----------------------------------------------------------------------------------------

    def load(self, node: Load) -> Emitted:
        """One element, or one per lane; zero where the mask fails."""
        place = self.places[node.buffer]
        linear = self.linear(place.buffer, node.index)
        stride, rest = self.indices.split(linear)
        condition, lanes = self.indices.condition(node.mask)
        if node.buffer in self.registers.lanes:
            return self._load_register(node, stride, rest, condition, lanes)
        if stride == 0 and lanes == 0:
            return self._load_scalar(place, linear, node.dtype, condition)
        if condition == "false":
            return Emitted(literal(0, node.dtype), node.dtype)
        if condition not in ("true", "false") and lanes == 0:
            condition = self.indices.splat("i1", condition)
        if stride == 1:
            text = self._load_vector(place, rest, condition)
        elif stride == -1 and condition == "true":
            text = self._reversed(
                place, self._load_vector(place, rest - (self.indices.lanes - 1), condition)
            )
        else:
            text = self._gather(place, linear, condition)
        return self.arithmetic.from_memory(text, node.dtype, self.indices.lanes)

    def _load_scalar(self, place: Place, linear: Size, dtype: DType, condition: str) -> Emitted:
        if condition == "false":
            return Emitted(literal(0, dtype), dtype)
        address = self.pointer(place, linear)
        if condition != "true":
            address = self.code.emit(
                f"select i1 {condition}, ptr {address}, ptr {self._zero_slot()}"
            )
        type_ = MEMORY_TYPES[dtype.name]
        text = self.code.emit(f"load {type_}, ptr {address}, align {dtype.itemsize}")
        return self.arithmetic.from_memory(text, dtype, 0)

    def _zero_slot(self) -> str:
        if not self._zero:
            self._zero = self.code.reserve("alloca i64, align 8")
            self.code.entry_lines.append(f"  store i64 0, ptr {self._zero}, align 8")
        return self._zero

    def _types(self, place: Place) -> tuple[str, str, int]:
        type_ = MEMORY_TYPES[place.buffer.dtype.name]
        return type_, vector_type(type_, self.indices.lanes), place.buffer.dtype.itemsize

    def _load_vector(self, place: Place, first: Size, condition: str) -> str:
        type_, vector, align = self._types(place)
        address = self.pointer(place, first)
        lanes = self.indices.lanes
        if condition == "true" or place.buffer.space is Space.REGISTER:
            text = self.code.emit(f"load {vector}, ptr {address}, align {align}")
            if condition == "true":
                return text
            return self.code.emit(
                f"select <{lanes} x i1> {condition}, {vector} {text}, {vector} zeroinitializer"
            )
        name = f"llvm.masked.load.{intrinsic_suffix(type_, lanes)}.p0"
        arguments = [("ptr", address), ("i32", str(align)), (f"<{lanes} x i1>", condition)]
        return self.code.emit(
            self.code.call(vector, name, [*arguments, (vector, "zeroinitializer")])
        )

    def _reversed(self, place: Place, text: str) -> str:
        _, vector, _ = self._types(place)
        lanes = self.indices.lanes
        order = ", ".join(f"i32 {lane}" for lane in reversed(range(lanes)))
        return self.code.emit(
            f"shufflevector {vector} {text}, {vector} poison, <{lanes} x i32> <{order}>"
        )

    def _addresses(self, place: Place, linear: Size) -> str:
        type_, _, _ = self._types(place)
        lanes = self.indices.lanes
        offsets = self.indices.vector_of(linear)
        return self.code.emit(f"getelementptr {type_}, ptr {place.base}, <{lanes} x i64> {offsets}")

    def _gather(self, place: Place, linear: Size, condition: str) -> str:
        type_, vector, align = self._types(place)
        lanes = self.indices.lanes
        name = f"llvm.masked.gather.{intrinsic_suffix(type_, lanes)}.v{lanes}p0"
        arguments = [
            (f"<{lanes} x ptr>", self._addresses(place, linear)),
            ("i32", str(align)),
            (f"<{lanes} x i1>", "splat (i1 true)" if condition == "true" else condition),
            (vector, "zeroinitializer"),
        ]
        return self.code.emit(self.code.call(vector, name, arguments))

    # Registers ------------------------------------------------------------------------------------

    def _load_register(
        self, node: Load, stride: Size | None, rest: Size, condition: str, lanes: int
    ) -> Emitted:
        if not isinstance(rest, int):
            raise Unsupported(f"register buffer {node.buffer} with a variable subscript")
        if stride in (0, 1):
            value = self.registers.load(node.buffer, rest, node.dtype)
        else:
            value = self._load_column(node, rest)
        if condition == "true":
            return value
        zero = Emitted(literal(0, node.dtype), node.dtype)
        return self.arithmetic.choose(Emitted(condition, bool_, lanes), value, zero)

    def _load_column(self, node: Load, column: int) -> Emitted:
        """A column of a square tile: all are made together, until the next store."""
        lanes, registers = self.indices.lanes, self.registers
        if node.buffer not in registers.columns:
            starts = range(0, lanes * lanes, lanes)
            rows = [registers.load(node.buffer, start, node.dtype).text for start in starts]
            registers.columns[node.buffer] = transpose(self.code, rows, register_type(node.dtype))
        return Emitted(registers.columns[node.buffer][column], node.dtype, lanes)

    def _store_register(
        self, name: str, rest: Size, value: Emitted, condition: str, lanes: int
    ) -> None:
        if not isinstance(rest, int):
            raise Unsupported(f"register buffer {name} with a variable subscript")
        value = self.arithmetic.widen(value, self.registers.lanes[name])
        if condition != "true":
            old = self.registers.load(name, rest, value.dtype)
            value = self.arithmetic.choose(Emitted(condition, bool_, lanes), value, old)
        self.registers.store(name, rest, value)

    # Stores ---------------------------------------------------------------------------------------

    def store(
        self, name: str, index: tuple[Size, ...], value: Emitted, mask: tuple[Comparison, ...]
    ) -> None:
        """Write one element, or one per lane, where the mask holds."""
        place = self.places[name]
        linear = self.linear(place.buffer, index)
        stride, rest = self.indices.split(linear)
        condition, lanes = self.indices.condition(mask)
        if condition == "false":
            return
        if name in self.registers.lanes:
            self._store_register(name, rest, value, condition, lanes)
            return
        if stride == 0 and lanes == 0 and value.lanes == 0:
            self._store_scalar(place, linear, value, condition)
            return
        value = self.arithmetic.widen(value, self.indices.lanes)
        if condition != "true" and lanes == 0:
            condition = self.indices.splat("i1", condition)
        text = self.arithmetic.to_memory(value)
        if stride == 1:
            self._store_vector(place, rest, text, condition)
        elif stride == -1 and condition == "true":
            self._store_vector(
                place, rest - (self.indices.lanes - 1), self._reversed(place, text), condition
            )
        else:
            self._scatter(place, linear, text, condition)

    def _store_scalar(self, place: Place, linear: Size, value: Emitted, condition: str) -> None:
        text = self.arithmetic.to_memory(value)
        type_ = MEMORY_TYPES[place.buffer.dtype.name]
        address = self.pointer(place, linear)
        align = place.buffer.dtype.itemsize
        if condition != "true":
            address = self.code.emit(
                f"select i1 {condition}, ptr {address}, ptr {self._waste_slot()}"
            )
        self.code.run(f"store {type_} {text}, ptr {address}, align {align}")

    def _waste_slot(self) -> str:
        """Where a masked-out scalar store goes."""
        cache = self.code.frames[0].cache
        if "waste" not in cache:
            cache["waste"] = self.code.reserve("alloca i64, align 8")
        return cache["waste"]

    def _store_vector(self, place: Place, first: Size, text: str, condition: str) -> None:
        type_, vector, align = self._types(place)
        address = self.pointer(place, first)
        lanes = self.indices.lanes
        if condition != "true" and place.buffer.space is Space.REGISTER:
            old = self.code.emit(f"load {vector}, ptr {address}, align {align}")
            mask = f"<{lanes} x i1> {condition}"
            text = self.code.emit(f"select {mask}, {vector} {text}, {vector} {old}")
            condition = "true"
        if condition == "true":
            self.code.run(f"store {vector} {text}, ptr {address}, align {align}")
            return
        name = f"llvm.masked.store.{intrinsic_suffix(type_, lanes)}.p0"
        arguments = [
            (vector, text),
            ("ptr", address),
            ("i32", str(align)),
            (f"<{lanes} x i1>", condition),
        ]
        self.code.run(self.code.call("void", name, arguments))

    def _scatter(self, place: Place, linear: Size, text: str, condition: str) -> None:
        type_, vector, align = self._types(place)
        lanes = self.indices.lanes
        name = f"llvm.masked.scatter.{intrinsic_suffix(type_, lanes)}.v{lanes}p0"
        arguments = [
            (vector, text),
            (f"<{lanes} x ptr>", self._addresses(place, linear)),
            ("i32", str(align)),
            (f"<{lanes} x i1>", "splat (i1 true)" if condition == "true" else condition),
        ]
        self.code.run(self.code.call("void", name, arguments))
