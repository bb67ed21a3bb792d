"""Statements of the vector form as LLVM text: loops with phis, branches, calls, folds."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.backends.cpu.generate_arithmetic import (
    MEMORY_TYPES,
    Arithmetic,
    Emitted,
    vector_type,
)
from graphdl.backends.cpu.generate_code import Code, Unsupported
from graphdl.backends.cpu.generate_indices import Counter
from graphdl.backends.cpu.generate_lanes import LaneIndices
from graphdl.backends.cpu.generate_memory import Memory
from graphdl.backends.cpu.generate_registers import Key, Registers, joined, merge, plan_registers
from graphdl.backends.cpu.generate_space import (
    ALIGNMENT,
    is_on_stack,
    rounded_bytes,
    workspace_buffers,
)
from graphdl.backends.cpu.generate_values import Values
from graphdl.backends.cpu.target import CpuTarget
from graphdl.kernel.nodes import (
    LANES,
    Allocate,
    Buffer,
    CallFunction,
    Carry,
    Fold,
    If,
    IndexValue,
    Kernel,
    Let,
    Loop,
    LoopKind,
    Statement,
    Store,
)
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import Size, Symbol, evaluate, product


class Statements:
    """Writes one kernel."""

    def __init__(self, kernel: Kernel, target: CpuTarget, shared: bool) -> None:
        self.kernel, self.target, self.shared = kernel, target, shared
        self.code = Code()
        self.indices = LaneIndices(self.code)
        self.arithmetic = Arithmetic(self.code, target.has("f16c") or target.has("avx512fp16"))
        self.registers = Registers(plan_registers(kernel.body))
        self.memory = Memory(self.code, self.indices, self.arithmetic, self.registers)
        self.values = Values(self.code, self.indices, self.arithmetic, self.memory)
        self.spaces: dict[Buffer, str] = {}
        self.workspace = workspace_buffers(kernel.body)

    def text(self) -> str:
        """The whole definition."""
        parameters = ["ptr %buffers", "ptr %sizes", "i64 %begin", "i64 %end", "ptr %workspace"]
        if self.shared:
            parameters = self._bind_parameters()
        else:
            self._bind_sizes()
            self._bind_buffers()
        self._body(self.kernel.body)
        self.code.run("ret void")
        head = f"define void @{self.kernel.name}({', '.join(parameters)}) #0 {{"
        return "\n".join([*self.code.declarations.values(), head, self.code.text(), "}"])

    # Arguments ------------------------------------------------------------------------------------

    def _bind_parameters(self) -> list[str]:
        for position, buffer in enumerate(self.kernel.buffers):
            self.memory.put(buffer, f"%buffer{position}")
        for position, symbol in enumerate(self.kernel.sizes):
            self.indices.bind(symbol, f"%size{position}", lowest=0)
        buffers = [f"ptr %buffer{position}" for position in range(len(self.kernel.buffers))]
        return [*buffers, *(f"i64 %size{position}" for position in range(len(self.kernel.sizes)))]

    def _bind_sizes(self) -> None:
        for position, symbol in enumerate(self.kernel.sizes):
            address = self.code.emit(f"getelementptr inbounds i64, ptr %sizes, i64 {position}")
            text = self.code.emit(f"load i64, ptr {address}, align 8")
            self.indices.bind(symbol, text, lowest=0)

    def _bind_buffers(self) -> None:
        for position, buffer in enumerate(self.kernel.buffers):
            address = self.code.emit(f"getelementptr inbounds ptr, ptr %buffers, i64 {position}")
            text = self.code.emit(f"load ptr, ptr {address}, align 8")
            self.memory.put(buffer, text)

    # Statements -----------------------------------------------------------------------------------

    def _body(self, body: Sequence[Statement]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, statement: Statement) -> None:
        match statement:
            case Let(name, IndexValue(index, dtype)) if dtype == int64:
                self._bind_index(name, index)
            case Let(name, value):
                self._bind(name, self.values.emit(value))
            case Store(buffer, index, value, mask):
                self.memory.store(buffer, index, self.values.emit(value), mask)
            case Loop():
                self._loop(statement)
            case If():
                self._if(statement)
            case Allocate(buffer):
                self._allocate(buffer)
            case Fold():
                self._fold(statement)
            case CallFunction():
                self._call(statement)
            case _:
                raise Unsupported(f"{type(statement).__name__} is not of the vector form")

    def _bind(self, name: str, value: Emitted) -> None:
        self.values.names[name] = value
        if value.dtype == int64:
            self._bind_symbol(name, value)

    def _bind_index(self, name: str, index: Size) -> None:
        """An index by name: what is known about it stays known."""
        resolved = self.indices.resolve(index)
        if isinstance(resolved, int) or self.indices.varies(resolved):
            self._bind(name, self.values.emit(IndexValue(index, int64)))
            return
        text, depth = self.indices.scalar(resolved), self.indices.depth(resolved)
        lowest = self.indices.lower_bound(resolved)
        self.values.names[name] = Emitted(text, int64)
        self.indices.bind(Symbol(name), text, lowest=lowest, depth=depth)

    def _bind_symbol(self, name: str, value: Emitted) -> None:
        symbol = Symbol(name)
        if value.lanes:
            self.indices.bind_lanes(symbol, value.text)
        elif value.text.lstrip("-").isdecimal():
            self.indices.rename(symbol, int(value.text))
        else:
            self.indices.bind(symbol, value.text, lowest=None)

    def _allocate(self, buffer: Buffer) -> None:
        if buffer.name in self.registers.lanes:
            self.memory.put(buffer, "")
            return
        if buffer not in self.spaces:
            self.spaces[buffer] = self._space(buffer)
        self.memory.put(buffer, self.spaces[buffer])

    def _space(self, buffer: Buffer) -> str:
        """The address of a buffer's own memory, known from the start of the function."""
        if is_on_stack(buffer):
            size = max(1, evaluate(product(buffer.shape), {})) * buffer.dtype.itemsize
            return self.code.reserve(f"alloca [{size} x i8], align {ALIGNMENT}")
        before = self.workspace[: self.workspace.index(buffer)]
        offset: Size = sum((rounded_bytes(each) for each in before), start=0)
        text = self.indices.scalar(self.indices.resolve(offset))
        return self.code.emit(f"getelementptr inbounds i8, ptr %workspace, i64 {text}", 0)

    def _call(self, call: CallFunction) -> None:
        operands = []
        for buffer, offset in call.views:
            place = self.memory.places[buffer]
            operands.append(("ptr", self.memory.pointer(place, self.indices.resolve(offset))))
        for argument in call.arguments:
            operands.append(("i64", self.indices.scalar(self.indices.resolve(argument))))
        self.code.run(self.code.call("void", call.name, operands))

    def _fold(self, fold: Fold) -> None:
        """Halving tree over LANES partials, in the target's vectors as long as they last."""
        parts = self._partials(fold.buffer)
        while len(parts) > 1:
            half = len(parts) // 2
            parts = [self._join(fold.reducer, parts[i], parts[i + half]) for i in range(half)]
        total = parts[0]
        while total.lanes > 1:
            total = self._join(fold.reducer, *self._halves(total))
        if total.lanes:
            text = self.code.emit(f"extractelement {total.type} {total.text}, i64 0")
            total = Emitted(text, total.dtype)
        self._bind(fold.name, total)

    def _partials(self, name: str) -> list[Emitted]:
        place = self.memory.places[name]
        dtype = place.buffer.dtype
        if name in self.registers.lanes:
            starts = range(0, LANES, max(1, self.registers.lanes[name]))
            return [self.registers.load(name, start, dtype) for start in starts]
        lanes = min(LANES, self.target.lanes(dtype.bits))
        type_ = vector_type(MEMORY_TYPES[dtype.name], lanes)
        parts = []
        for start in range(0, LANES, lanes):
            address = self.memory.pointer(place, start)
            text = self.code.emit(f"load {type_}, ptr {address}, align {dtype.itemsize}")
            parts.append(self.arithmetic.from_memory(text, dtype, lanes))
        return parts

    def _join(self, reducer: str, left: Emitted, right: Emitted) -> Emitted:
        return self.arithmetic.binary(reducer, left, right)

    def _halves(self, value: Emitted) -> tuple[Emitted, Emitted]:
        half = value.lanes // 2
        halves = []
        for start in (0, half):
            order = ", ".join(f"i32 {lane}" for lane in range(start, start + half))
            vectors = f"{value.type} {value.text}, {value.type} poison"
            text = self.code.emit(f"shufflevector {vectors}, <{half} x i32> <{order}>")
            halves.append(Emitted(text, value.dtype, half))
        return halves[0], halves[1]

    # Loops ----------------------------------------------------------------------------------------

    def _loop(self, loop: Loop) -> None:
        match loop.kind:
            case LoopKind.UNROLL:
                self._unrolled(loop)
            case LoopKind.VECTOR:
                self._vectorized(loop)
            case LoopKind.PARALLEL if self.code.depth == 0 and not self.shared:
                first, step = loop.start, loop.step
                begin = self.indices.bind(Symbol("begin"), "%begin", lowest=0)
                end = self.indices.bind(Symbol("end"), "%end", lowest=0)
                self._serial(loop, first + begin * step, first + end * step)
            case _:
                self._serial(loop, loop.start, loop.stop)

    def _constant_bounds(self, loop: Loop) -> range:
        start, stop = self.indices.resolve(loop.start), self.indices.resolve(loop.stop)
        if not isinstance(start, int) or not isinstance(stop, int):
            raise Unsupported(f"{loop.kind.value} loop over {loop.symbol} has variable bounds")
        return range(start, stop, loop.step)

    def _unrolled(self, loop: Loop) -> None:
        for carry in loop.carried:
            self._bind(carry.name, self._carried(self.values.emit(carry.initial)))
        for iteration in self._constant_bounds(loop):
            self.indices.rename(loop.symbol, iteration)
            self._body(loop.body)
            following = [self._carried(self.values.emit(carry.next)) for carry in loop.carried]
            for carry, value in zip(loop.carried, following, strict=True):
                self._bind(carry.name, value)

    def _vectorized(self, loop: Loop) -> None:
        if self.indices.vector is not None or loop.carried or loop.step != 1:
            raise Unsupported(
                f"VECTOR loop over {loop.symbol} inside another one, carried or strided"
            )
        bounds = self._constant_bounds(loop)
        if len(bounds) <= 1:
            self._unrolled(loop)
            return
        self.indices.open_vector(loop.symbol, bounds.start, len(bounds))
        self._body(loop.body)
        self.indices.close_vector()

    def _carried(self, value: Emitted) -> Emitted:
        """Inside a VECTOR loop every carried value has lanes."""
        return self.arithmetic.widen(value, self.indices.lanes) if self.indices.vector else value

    def _serial(self, loop: Loop, start: Size, stop: Size) -> None:
        """A loop tested once before and then after each iteration. Carried values and the parts of
        register buffers that the body stores are phis at its head and after it."""
        code, indices, registers = self.code, self.indices, self.registers
        first, last = indices.resolve(start), indices.resolve(stop)
        start_text, stop_text = indices.scalar(first), indices.scalar(last)
        initial = [self._carried(self.values.emit(carry.initial)) for carry in loop.carried]
        keys = registers.changing(loop.body)
        initial += [registers.values[key] for key in keys]
        number = code.fresh()
        names = [f"%c{number}.{position}" for position in range(len(initial))]
        outside, known = set(registers.allocated), set(registers.values)
        before, label, after = code.frames[-1].label, f"loop{number}", f"after{number}"
        counter = f"%i{number}"
        code.open(label, is_loop=True)
        unique = indices.bind(loop.symbol, counter, lowest=indices.lower_bound(first))
        multiples = indices.counters[unique] = Counter(start_text, loop.step)
        self._rebind(loop.carried, keys, names, initial)
        self._body(loop.body)
        following = [self._carried(self.values.emit(carry.next)) for carry in loop.carried]
        following += [registers.values[key] for key in keys]
        for name, _, growth in multiples.inductions:
            code.run(f"{name}.next = add nsw i64 {name}, {growth}")
        step = code.emit(f"add nsw i64 {counter}, {loop.step}")
        again = code.emit(f"icmp slt i64 {step}, {stop_text}")
        code.run(f"br i1 {again}, label %{label}, label %{after}")
        inner = code.close()
        code.run(f"%enter{number} = icmp slt i64 {start_text}, {stop_text}")
        code.run(f"br i1 %enter{number}, label %{label}, label %{after}")
        edges = (before, inner.label)
        head = [f"{label}:", f"  {counter} = {joined('i64', (start_text, step), edges)}"]
        for name, begin, _ in multiples.inductions:
            head.append(f"  {name} = {joined('i64', (begin, f'{name}.next'), edges)}")
        tail = []
        for name, value, new in zip(names, initial, following, strict=True):
            phi = joined(value.type, (value.text, new.text), edges)
            head.append(f"  {name} = {phi}")
            tail.append(f"  {name}.last = {phi}")
        code.link([*head, *inner.lines], after)
        code.frames[-1].lines.extend(tail)
        registers.keep(outside)
        for key in set(registers.values) - known:
            value = registers.values[key]
            phi = joined(value.type, ("poison", value.text), edges)
            registers.store(*key, Emitted(code.emit(phi), value.dtype, value.lanes))
        self._rebind(loop.carried, keys, [f"{name}.last" for name in names], initial)

    def _rebind(
        self,
        carried: Sequence[Carry],
        keys: Sequence[Key],
        names: Sequence[str],
        like: Sequence[Emitted],
    ) -> None:
        """Bind carried names, then register parts, to new names."""
        values = [
            Emitted(name, old.dtype, old.lanes) for name, old in zip(names, like, strict=True)
        ]
        for carry, value in zip(carried, values, strict=False):
            self._bind(carry.name, value)
        for key, value in zip(keys, values[len(carried) :], strict=True):
            self.registers.store(*key, value)

    def _if(self, statement: If) -> None:
        condition, lanes = self.indices.condition(statement.condition)
        if lanes:
            raise Unsupported("an If cannot differ between the lanes of a vector")
        if condition in ("true", "false"):
            self._body(statement.body if condition == "true" else statement.otherwise)
            return
        code, number, registers = self.code, self.code.fresh(), self.registers
        after, entry, outside = f"join{number}", dict(registers.values), set(registers.allocated)
        branches, outcomes = [], []
        for name, body in (("then", statement.body), ("else", statement.otherwise)):
            registers.values = dict(entry)
            registers.columns.clear()
            code.open(f"{name}{number}", is_loop=False)
            self._body(body)
            code.run(f"br label %{after}")
            branches.append(code.close())
            registers.keep(outside)
            outcomes.append(registers.values)
        code.run(f"br i1 {condition}, label %then{number}, label %else{number}")
        lines = [
            line
            for name, frame in zip(("then", "else"), branches, strict=True)
            for line in (f"{name}{number}:", *frame.lines)
        ]
        code.link(lines, after)
        registers.columns.clear()
        labels = [frame.label for frame in branches]
        for key, left, right in merge(*outcomes):
            phi = joined(left.type, (left.text, right.text), labels)
            registers.values[key] = Emitted(code.emit(phi), left.dtype, left.lanes)
