"""Statements and values of the tiled loop IR as lines of a Triton function.

A Writer holds the function under construction: what each symbol and name is called in the text,
the masks in force, and the shape of one value ("[]" for a scalar, "[BLOCK]" for a block of lanes).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from graphdl.backends.triton.scalars import (
    LANGUAGE_TYPE,
    binary_text,
    cast_text,
    comparison_text,
    constant_text,
    needs_expansion,
    size_text,
    unary_text,
)
from graphdl.errors import TargetError
from graphdl.kernel.nodes import (
    Accumulator,
    Allocate,
    Axis,
    Binary,
    Bitcast,
    Buffer,
    Carry,
    Cast,
    Condition,
    Constant,
    Fma,
    If,
    IndexValue,
    Kernel,
    Let,
    Load,
    Loop,
    LoopKind,
    Select,
    Statement,
    Store,
    Sweep,
    Unary,
    Value,
    Variable,
)
from graphdl.kernel.transforms.expand_math import expand_math
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import (
    Size,
    Symbol,
    add,
    floor_divide,
    free_symbols,
    multiply,
    product,
)

FOLD = {
    "add": "tl.sum({0}, axis=0)",
    "multiply": "tl.reduce({0}, 0, _multiply)",
    "maximum": "tl.reduce({0}, 0, _maximum)",
    "minimum": "tl.reduce({0}, 0, _minimum)",
    "bitwise_and": "tl.reduce({0}, 0, _bitwise_and)",
    "bitwise_or": "tl.reduce({0}, 0, _bitwise_or)",
}


def reducer_identity(reducer: str, dtype: DType) -> Constant:
    """The value that a fold starts from."""
    match reducer:
        case "add" | "bitwise_or":
            return Constant(0, dtype)
        case "multiply":
            return Constant(1, dtype)
        case "bitwise_and":
            return Constant(True if dtype.is_bool else -1, dtype)
    is_maximum = reducer in ("maximum", "argmax")
    if dtype.is_floating:
        return Constant(float("-inf") if is_maximum else float("inf"), dtype)
    if dtype.is_bool:
        return Constant(not is_maximum, dtype)
    return Constant(_integer_bound(dtype, is_lowest=is_maximum), dtype)


def _integer_bound(dtype: DType, *, is_lowest: bool) -> int:
    if dtype.name.startswith("u"):
        return 0 if is_lowest else (1 << dtype.bits) - 1
    half = 1 << (dtype.bits - 1)
    return -half if is_lowest else half - 1


@dataclass(slots=True)
class Writer:
    """One function body under construction."""

    kernel: Kernel
    symbols: dict[Symbol, str]
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    masks: list[str] = field(default_factory=list)
    threads: dict[str, tuple[Buffer, Size]] = field(default_factory=dict)
    shape: str = "[]"
    program: str = "tl.program_id(0).to(tl.int64)"
    scratch_words: Size = 0
    counter: int = 0
    uniform: set[Symbol] = field(default_factory=set)
    """Loop symbols that have one value in the whole program, not one per lane."""

    def line(self, text: str) -> None:
        """Append one line at the current depth."""
        self.lines.append("    " * self.depth + text)

    def fresh(self, stem: str) -> str:
        """A new variable name."""
        self.counter += 1
        return f"{stem}_{self.counter}"

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Lines inside are indented under `header`."""
        self.line(header)
        self.depth += 1
        yield
        self.depth -= 1

    @contextmanager
    def masked(self, *texts: str) -> Iterator[None]:
        """Loads and stores inside are masked by these conditions too."""
        before = len(self.masks)
        self.masks.extend(text for text in texts if text)
        yield
        del self.masks[before:]

    @contextmanager
    def shaped(self, shape: str) -> Iterator[None]:
        """Values inside are blocks of this shape."""
        before, self.shape = self.shape, shape
        yield
        self.shape = before

    def size(self, size: Size) -> str:
        """The text of an integer expression."""
        return size_text(size, self.symbols)

    def bind(self, stem: str, text: str) -> str:
        """Give `text` a name and return the name."""
        name = self.fresh(stem)
        self.line(f"{name} = {text}")
        return name

    # Statements -----------------------------------------------------------------------------------

    def body(self, statements: tuple[Statement, ...], tile: str = "") -> None:
        """Write statements; `tile` names the block size that sweeps are cut into, if any."""
        for statement in statements:
            self.statement(statement, tile)

    def statement(self, statement: Statement, tile: str) -> None:
        """Write one statement."""
        match statement:
            case Let(name, value):
                self.let(name, value)
            case Store():
                self.store(statement)
            case Sweep() if tile:
                self.blocked_sweep(statement, tile)
            case Sweep():
                self.serial_sweep(statement)
            case Loop():
                self.loop(statement, tile)
            case If(condition, body, otherwise):
                text = comparison_text(condition, self.symbols)
                with self.masked(f"({text})"):
                    self.body(body, tile)
                with self.masked(f"(({text}) == 0)"):
                    self.body(otherwise, tile)
            case Allocate():
                return
            case _:
                raise TargetError(f"the cuda target has no {type(statement).__name__} statement")

    def let(self, name: str, value: Value) -> None:
        """Bind a name; integer names can be used in indices from here on."""
        self.line(f"{name} = {self.value(value)}")
        self.symbols[Symbol(name)] = name

    def allocate(self, buffers: Iterable[Buffer]) -> None:
        """Give THREAD buffers their places in one program's scratch memory."""
        for buffer in buffers:
            words = floor_divide(multiply(product(buffer.shape), buffer.dtype.itemsize) + 7, 8)
            self.threads[buffer.name] = (buffer, self.scratch_words)
            self.scratch_words = add(self.scratch_words, words)

    def store(self, statement: Store) -> None:
        """Write a block or a scalar."""
        pointer, _ = self.pointer(statement.buffer, statement.index)
        value = self.value(statement.value)
        if statement.value.dtype.is_bool:
            value = f"({value}).to(tl.int8)"
        mask = self.mask_text(comparison_text(statement.mask, self.symbols))
        self.line(f"tl.store({pointer}, {value}{mask})")

    def loop(self, loop: Loop, tile: str) -> None:
        """A serial loop with its carried values."""
        if loop.kind not in (LoopKind.SERIAL, LoopKind.PARALLEL):
            raise TargetError("the cuda target takes kernels in tiled form")
        for carry in loop.carried:
            self.carry_in(carry)
        self.symbols[loop.symbol] = loop.symbol.name
        self.uniform.add(loop.symbol)
        header = (
            f"for {loop.symbol.name} in range({self.size(loop.start)}, {self.size(loop.stop)}):"
        )
        with self.block(header):
            self.body(loop.body, tile)
            following = [self.bind("next", self.value(carry.next)) for carry in loop.carried]
            for carry, name in zip(loop.carried, following, strict=True):
                self.line(f"{carry.name} = {name}")
            if not loop.body and not loop.carried:
                self.line("pass")

    def carry_in(self, carry: Carry) -> None:
        """Start a carried value as a block of the current shape."""
        self.line(f"{carry.name} = {self.same_shape(carry.initial)}")
        self.symbols[Symbol(carry.name)] = carry.name

    def serial_sweep(self, sweep: Sweep) -> None:
        """A sweep inside each lane: one point at a time, ascending."""
        for accumulator in sweep.accumulators:
            self.start(accumulator, self.shape)
        self._points(list(sweep.axes), sweep)

    def _points(self, axes: list[Axis], sweep: Sweep) -> None:
        if not axes:
            self.body(sweep.body)
            for accumulator in sweep.accumulators:
                self.fold_point(accumulator)
            return
        axis = axes[0]
        self.symbols[axis.symbol] = axis.symbol.name
        self.uniform.add(axis.symbol)
        with self.block(f"for {axis.symbol.name} in range(0, {self.size(axis.extent)}):"):
            self._points(axes[1:], sweep)

    def blocked_sweep(self, sweep: Sweep, tile: str) -> None:
        """A sweep by one program: a block of points at a time, folded across lanes at the end."""
        for accumulator in sweep.accumulators:
            self.start(accumulator, f"[{tile}]")
        total = self.size(product(axis.extent for axis in sweep.axes))
        start, point, inside = self.fresh("start"), self.fresh("point"), self.fresh("inside")
        with self.block(f"for {start} in range(0, {total}, {tile}):"):
            self.line(f"{point} = {start} + tl.arange(0, {tile}).to(tl.int64)")
            self.line(f"{inside} = {point} < {total}")
            symbols = tuple(axis.symbol for axis in sweep.axes)
            extents = tuple(axis.extent for axis in sweep.axes)
            self.bind_points(symbols, extents, point, is_uniform=False)
            with self.shaped(f"[{tile}]"), self.masked(inside):
                self.body(sweep.body)
                for accumulator in sweep.accumulators:
                    self.fold_point(accumulator, inside)
        if any(isinstance(s, Store) and s.buffer in self.threads for s in sweep.body):
            self.line("tl.debug_barrier()")
        for accumulator in sweep.accumulators:
            self.fold_lanes(accumulator)

    def start(self, accumulator: Accumulator, shape: str) -> None:
        """Bind the accumulator's names to its identity."""
        value = accumulator.values[0]
        identity = constant_text(reducer_identity(accumulator.reducer, value.dtype))
        self.line(f"{accumulator.names[0]} = {identity.replace('[]', shape, 1)}")
        if len(accumulator.names) == 2:
            self.line(f"{accumulator.names[1]} = tl.full({shape}, 9223372036854775807, tl.int64)")
        for name in accumulator.names:
            self.symbols[Symbol(name)] = name

    def fold_point(self, accumulator: Accumulator, inside: str = "") -> None:
        """Fold the current point's values into the accumulator."""
        name = accumulator.names[0]
        texts = [self.value(value) for value in accumulator.values]
        dtype = accumulator.values[0].dtype
        if len(texts) == 2:
            value, index = (self.bind("candidate", text) for text in texts)
            if inside:
                identity = constant_text(reducer_identity(accumulator.reducer, dtype))
                value = self.bind("candidate", f"tl.where({inside}, {value}, {identity})")
                index = self.bind("candidate", f"tl.where({inside}, {index}, 9223372036854775807)")
            pair = f"{name}, {accumulator.names[1]}"
            self.line(f"{pair} = _{accumulator.reducer}({pair}, {value}, {index})")
            return
        text = texts[0]
        if inside:
            identity = constant_text(reducer_identity(accumulator.reducer, dtype))
            text = f"tl.where({inside}, {text}, {identity})"
        self.line(f"{name} = {_fold_text(accumulator.reducer, dtype, name, text)}")

    def fold_lanes(self, accumulator: Accumulator) -> None:
        """Join a block of partial folds into one scalar."""
        name = accumulator.names[0]
        if len(accumulator.names) == 2:
            pair = f"{name}, {accumulator.names[1]}"
            self.line(f"{pair} = tl.reduce(({pair}), 0, _{accumulator.reducer})")
            return
        if accumulator.values[0].dtype.is_bool:
            widened = f"{name}.to(tl.int32)"
            self.line(f"{name} = ({FOLD[accumulator.reducer].format(widened)} != 0)")
            return
        self.line(f"{name} = {FOLD[accumulator.reducer].format(name)}")

    def bind_points(
        self,
        symbols: tuple[Symbol, ...],
        extents: tuple[Size, ...],
        point: str,
        *,
        is_uniform: bool,
    ) -> None:
        """Decompose a row-major point number into one variable per axis."""
        if is_uniform:
            self.uniform.update(symbols)
        rest = point
        for number, (symbol, extent) in enumerate(
            reversed(list(zip(symbols, extents, strict=True)))
        ):
            self.symbols[symbol] = symbol.name
            if number == len(symbols) - 1:
                self.line(f"{symbol.name} = {rest}")
                return
            self.line(f"{symbol.name} = {rest} % {self.size(extent)}")
            rest = self.bind("rest", f"{rest} // {self.size(extent)}")

    # Values ---------------------------------------------------------------------------------------

    def mask_text(self, own: str) -> str:
        """`, mask=…` for the conditions in force, or nothing."""
        parts = [*self.masks, *([f"({own})"] if own else [])]
        return f", mask={' & '.join(parts)}" if parts else ""

    def pointer(self, name: str, index: tuple[Size, ...]) -> tuple[str, Buffer]:
        """The address of an element, as a block of the current shape where the index is one."""
        if name in self.threads:
            buffer, offset = self.threads[name]
            words = f"({self.program}) * ({self.size(self.scratch_words)}) + ({self.size(offset)})"
            base = f"(scratch + {words}).to(tl.pointer_type({LANGUAGE_TYPE[buffer.dtype.name]}))"
        else:
            buffer, base = self.kernel.buffer(name), name
        linear: Size = 0
        for position, extent in zip(index, buffer.shape, strict=True):
            linear = add(multiply(linear, extent), position)
        known = self.uniform.union(self.kernel.sizes)
        is_uniform = self.shape != "[]" and free_symbols(linear) <= known
        lanes = f" + tl.zeros({self.shape}, tl.int64)" if is_uniform else ""
        return f"{base} + {self.size(linear)}{lanes}", buffer

    def value(self, value: Value) -> str:
        """The text of a value."""
        match value:
            case Constant():
                return constant_text(value)
            case Variable(name, _):
                return name
            case IndexValue(index, dtype):
                wide = f"({self.size(index)} + tl.full([], 0, tl.int64))"
                return f"{wide}.to({LANGUAGE_TYPE[dtype.name]})"
            case Load():
                return self.load(value)
            case Condition(comparisons):
                return f"({comparison_text(comparisons, self.symbols)})"
        return self.operation(value)

    def operation(self, value: Value) -> str:
        """The text of a value that has operands."""
        match value:
            case Unary() | Binary() if needs_expansion(value):
                return self.expanded(value)
            case Unary(_, operand):
                return unary_text(value, self.named(operand))
            case Binary(_, left, right):
                return binary_text(value, self.named(left), self.named(right))
            case Fma(a, b, c):
                return f"tl.fma({self.same_shape(a)}, {self.same_shape(b)}, {self.same_shape(c)})"
            case Select(condition, on_true, on_false):
                parts = (self.value(part) for part in (condition, on_true, on_false))
                return f"tl.where({', '.join(parts)})"
            case Cast(operand, _):
                return cast_text(value, self.named(operand))
            case Bitcast(operand, dtype):
                return f"({self.value(operand)}).to({LANGUAGE_TYPE[dtype.name]}, bitcast=True)"
        raise AssertionError(f"{type(value).__name__} has no operands")

    def named(self, value: Value) -> str:
        """The value's text, bound to a name unless it is one already."""
        text = self.value(value)
        return text if text.isidentifier() else self.bind("t", text)

    def same_shape(self, value: Value) -> str:
        """The value's text, broadcast to the current shape (tl.fma does not broadcast)."""
        text = self.value(value)
        if self.shape == "[]":
            return text
        if isinstance(value, Constant):
            return text.replace("[]", self.shape, 1)
        return f"tl.broadcast_to({text}, {self.shape})"

    def expanded(self, value: Value) -> str:
        """A function that Triton lacks, as arithmetic."""
        lets, result = expand_math(value, lambda: self.fresh("m"))
        for let in lets:
            self.let(let.name, let.value)
        return self.value(result)

    def load(self, load: Load) -> str:
        """Read a block or a scalar; zero where the mask fails."""
        pointer, buffer = self.pointer(load.buffer, load.index)
        mask = self.mask_text(comparison_text(load.mask, self.symbols))
        name = self.bind("v", f"tl.load({pointer}{mask}{', other=0' if mask else ''})")
        return f"({name} != 0)" if buffer.dtype.is_bool else name


def _fold_text(reducer: str, dtype: DType, left: str, right: str) -> str:
    partial = Binary(reducer, Variable("left", dtype), Variable("right", dtype))
    return binary_text(partial, left, right)
