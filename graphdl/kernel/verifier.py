"""Checks that a kernel is well formed: names, dtypes, ranks, and what each form allows.

It looks at one kernel at a time and at nothing outside it. Whether indices stay inside their
buffers is for the interpreter (and `simplify`) to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphdl.errors import InternalError
from graphdl.kernel.nodes import (
    BINARY_OPS,
    COMPARISONS,
    LANES,
    REDUCERS,
    UNARY_OPS,
    Access,
    Accumulator,
    Allocate,
    Binary,
    Bitcast,
    Buffer,
    CallFunction,
    Cast,
    Condition,
    Constant,
    Fma,
    Fold,
    If,
    IndexValue,
    Kernel,
    Let,
    Load,
    Loop,
    LoopKind,
    Order,
    Select,
    Space,
    Statement,
    Store,
    Sweep,
    Unary,
    Value,
    Variable,
)
from graphdl.kernel.printer import statement_text
from graphdl.typesystem.dtype import DType, int64, uint32
from graphdl.typesystem.expression import Comparison, Size, Symbol, free_symbols

Form = Literal["tiled", "vector"]

_FLOATING_OPS = frozenset(
    "sqrt rsqrt exp expm1 log log1p sin cos tan asin acos atan sinh cosh tanh erf logistic "
    "is_finite divide atan2".split()
)
_BIT_OPS = frozenset("bitwise_not bitwise_and bitwise_or bitwise_xor".split())
_SHIFT_OPS = frozenset("shift_left shift_right_logical shift_right_arithmetic".split())
_FORM_KINDS: dict[Form, frozenset[LoopKind]] = {
    "tiled": frozenset({LoopKind.PARALLEL, LoopKind.SERIAL}),
    "vector": frozenset(LoopKind),
}


def verify(kernel: Kernel, form: Form = "tiled") -> None:
    """Raise InternalError, with the offending line, unless `kernel` is well formed in `form`."""
    checker = _Checker(form)
    try:
        checker.header(kernel)
        checker.body(kernel.body)
    except _Fault as fault:
        raise InternalError(f"kernel {kernel.name} ({form} form): {fault}") from None


class _Fault(Exception):
    """What is wrong and where."""


@dataclass(slots=True)
class _Checker:
    """What is bound at the statement being checked."""

    form: Form
    symbols: dict[Symbol, LoopKind | None]
    names: dict[str, DType]
    buffers: dict[str, Buffer]

    def __init__(self, form: Form) -> None:
        self.form, self.symbols, self.names, self.buffers = form, {}, {}, {}

    def check(self, holds: bool, message: str) -> None:
        """Raise unless `holds`."""
        if not holds:
            raise _Fault(message)

    # Bindings

    def inner(self) -> _Checker:
        inner = _Checker(self.form)
        inner.symbols, inner.names = dict(self.symbols), dict(self.names)
        inner.buffers = dict(self.buffers)
        return inner

    def bind(self, name: str, dtype: DType) -> None:
        self.check(name not in self.names, f"the name {name} is bound twice")
        self.names[name] = dtype
        if dtype == int64:
            self.bind_symbol(Symbol(name), None)

    def bind_symbol(self, symbol: Symbol, kind: LoopKind | None) -> None:
        self.check(symbol not in self.symbols, f"the symbol {symbol} is bound twice")
        self.symbols[symbol] = kind

    def declare(self, buffer: Buffer) -> None:
        self.check(buffer.name not in self.buffers, f"the buffer {buffer.name} is declared twice")
        for size in buffer.shape:
            self.index(size)
        self.buffers[buffer.name] = buffer

    # Statements

    def header(self, kernel: Kernel) -> None:
        for symbol in kernel.sizes:
            self.check(symbol not in self.symbols, f"the size {symbol} is declared twice")
            self.symbols[symbol] = None
        for buffer in kernel.buffers:
            is_argument = buffer.space is Space.ARGUMENT
            self.check(is_argument, f"{buffer.name} is no argument; make it with allocate")
            self.declare(buffer)

    def body(self, body: tuple[Statement, ...]) -> None:
        for statement in body:
            try:
                self.statement(statement)
            except _Fault as fault:
                if fault.args[0].endswith("`"):
                    raise
                line = statement_text(statement).splitlines()[0]
                raise _Fault(f"{fault} in `{line}`") from None

    def statement(self, statement: Statement) -> None:
        match statement:
            case Let():
                self.let(statement)
            case Store():
                self.store(statement)
            case Loop():
                self.loop(statement)
            case Sweep():
                self.sweep(statement)
            case If(condition, body, otherwise):
                self.comparisons(condition)
                for part in (body, otherwise):
                    self.inner().body(part)
            case Allocate(buffer):
                self.allocate(buffer)
            case Fold():
                self.fold(statement)
            case CallFunction():
                self.call(statement)

    def call(self, call: CallFunction) -> None:
        self.check(self.form == "vector", "a call belongs to the vector form")
        for argument in call.arguments:
            self.index(argument)
        for view, offset in call.views:
            self.check(view in self.buffers, f"there is no buffer {view}")
            self.index(offset)

    def let(self, let: Let) -> None:
        self.value(let.value)
        self.bind(let.name, let.value.dtype)

    def store(self, store: Store) -> None:
        buffer = self.element(store.buffer, store.index)
        is_read_only = buffer.space is Space.ARGUMENT and buffer.access is Access.READ
        self.check(not is_read_only, f"{buffer.name} is only read")
        self.value(store.value)
        self.same(buffer.dtype, store.value.dtype, "the stored value")
        self.comparisons(store.mask)

    def loop(self, loop: Loop) -> None:
        kind = loop.kind
        self.check(kind in _FORM_KINDS[self.form], f"a {kind.value} loop is not {self.form}")
        self.index(loop.start)
        self.index(loop.stop)
        if self.form == "tiled":
            self.check(loop.start == 0 and loop.step == 1, "a tiled loop runs from 0 by 1")
        self.check(loop.step > 0, "the step is not positive")
        if kind in (LoopKind.VECTOR, LoopKind.UNROLL):
            is_constant = isinstance(loop.start, int) and isinstance(loop.stop, int)
            self.check(is_constant, f"the bounds of a {kind.value} loop are not constant")
        is_serial = kind in (LoopKind.SERIAL, LoopKind.UNROLL)
        self.check(is_serial or not loop.carried, f"a {kind.value} loop carries values")
        for carry in loop.carried:
            self.value(carry.initial)
        for carry in loop.carried:
            self.bind(carry.name, carry.initial.dtype)
        inner = self.inner()
        inner.bind_symbol(loop.symbol, kind)
        inner.body(loop.body)
        for carry in loop.carried:
            inner.value(carry.next)
            self.same(carry.initial.dtype, carry.next.dtype, f"the next {carry.name}")

    def sweep(self, sweep: Sweep) -> None:
        self.check(self.form == "tiled", "a sweep belongs to the tiled form")
        self.check(bool(sweep.axes), "a sweep has no axes")
        inner = self.inner()
        for axis in sweep.axes:
            self.index(axis.extent)
            inner.bind_symbol(axis.symbol, LoopKind.SERIAL)
        inner.body(sweep.body)
        for accumulator in sweep.accumulators:
            inner.accumulator(accumulator)
            for name, value in zip(accumulator.names, accumulator.values, strict=True):
                self.bind(name, value.dtype)

    def accumulator(self, accumulator: Accumulator) -> None:
        reducer = accumulator.reducer
        self.check(reducer in REDUCERS, f"there is no reducer {reducer}")
        is_pair = reducer in ("argmax", "argmin")
        count = len(accumulator.values)
        self.check(count == 1 + is_pair == len(accumulator.names), f"{reducer} has {count} values")
        for value in accumulator.values:
            self.value(value)
        self.check(isinstance(accumulator.order, Order), "the order is missing")
        self.reducible(reducer, accumulator.values[0].dtype)
        if is_pair:
            self.check(accumulator.values[1].dtype.is_integer, f"{reducer} needs an integer index")

    def reducible(self, reducer: str, dtype: DType) -> None:
        is_bits = reducer in ("bitwise_and", "bitwise_or")
        self.check(not (is_bits and dtype.is_floating), f"{reducer} of {dtype}")
        is_sum = reducer in ("add", "multiply")
        self.check(not (is_sum and dtype.is_bool), f"{reducer} of {dtype}")

    def allocate(self, buffer: Buffer) -> None:
        self.check(buffer.space is not Space.ARGUMENT, f"{buffer.name} is an argument")
        if buffer.space is Space.REGISTER:
            self.check(self.form == "vector", "register buffers belong to the vector form")
            is_constant = all(isinstance(size, int) for size in buffer.shape)
            self.check(is_constant, f"the shape of register buffer {buffer.name} is not constant")
        self.declare(buffer)

    def fold(self, fold: Fold) -> None:
        self.check(self.form == "vector", "join belongs to the vector form")
        self.check(fold.buffer in self.buffers, f"there is no buffer {fold.buffer}")
        buffer = self.buffers[fold.buffer]
        is_partials = buffer.space is Space.REGISTER and buffer.shape == (LANES,)
        self.check(is_partials, f"{buffer.name} does not hold {LANES} partials in registers")
        self.check(fold.reducer in REDUCERS, f"there is no reducer {fold.reducer}")
        self.reducible(fold.reducer, buffer.dtype)
        self.bind(fold.name, buffer.dtype)

    # Indices

    def index(self, index: Size) -> None:
        for symbol in free_symbols(index):
            self.check(symbol in self.symbols, f"the symbol {symbol} is not bound")

    def comparisons(self, comparisons: tuple[Comparison, ...]) -> None:
        for comparison in comparisons:
            self.index(comparison.left)
            self.index(comparison.right)

    def element(self, name: str, index: tuple[Size, ...]) -> Buffer:
        self.check(name in self.buffers, f"there is no buffer {name}")
        buffer = self.buffers[name]
        rank = len(buffer.shape)
        self.check(len(index) == rank, f"{name} has rank {rank}, not {len(index)}")
        for size in index:
            self.index(size)
            if buffer.space is Space.REGISTER:
                for symbol in free_symbols(size):
                    is_static = self.symbols[symbol] in (LoopKind.UNROLL, LoopKind.VECTOR)
                    self.check(is_static, f"register {name} is subscripted by {symbol}")
        return buffer

    # Values

    def same(self, expected: DType, found: DType, what: str) -> None:
        self.check(expected == found, f"{what} is {found}, not {expected}")

    def value(self, value: Value) -> None:
        match value:
            case Binary():
                self.binary(value)
            case Fma(a, b, c):
                for operand in (a, b, c):
                    self.value(operand)
                self.check(a.dtype == b.dtype == c.dtype, f"fma of {a.dtype}, {b.dtype}, {c.dtype}")
                self.check(not c.dtype.is_bool, f"fma of {c.dtype}")
            case Unary():
                self.unary(value)
            case Select(condition, on_true, on_false):
                for operand in (condition, on_true, on_false):
                    self.value(operand)
                self.check(condition.dtype.is_bool, f"select by {condition.dtype}")
                self.same(on_true.dtype, on_false.dtype, "the other choice")
            case Cast(operand, _):
                self.value(operand)
            case Bitcast(operand, dtype):
                self.value(operand)
                self.check(operand.dtype.bits == dtype.bits, f"bitcast {operand.dtype} to {dtype}")
            case _:
                self.leaf(value)

    def leaf(self, value: Value) -> None:
        match value:
            case Variable(name, dtype):
                self.check(name in self.names, f"the name {name} is not bound")
                self.same(self.names[name], dtype, name)
            case Load(name, index, dtype, mask):
                buffer = self.element(name, index)
                self.same(buffer.dtype, dtype, name)
                self.comparisons(mask)
            case IndexValue(index, dtype):
                self.index(index)
            case Condition(comparisons):
                self.check(bool(comparisons), "an empty condition")
                self.comparisons(comparisons)
            case Constant(number, dtype):
                is_int = dtype.is_integer
                is_inside = not is_int or -(2 ** (dtype.bits - 1)) <= number < 2**dtype.bits
                self.check(is_inside, f"{number} is no {dtype}")

    def unary(self, value: Unary) -> None:
        op, dtype = value.op, value.operand.dtype
        self.value(value.operand)
        self.check(op in UNARY_OPS, f"there is no unary op {op}")
        is_misfit = op in _FLOATING_OPS and not dtype.is_floating
        is_misfit |= op in _BIT_OPS and dtype.is_floating
        is_misfit |= op == "negative" and dtype.is_bool
        self.check(not is_misfit, f"{op} of {dtype}")

    def binary(self, value: Binary) -> None:
        op, dtype = value.op, value.left.dtype
        self.value(value.left)
        self.value(value.right)
        self.check(op in BINARY_OPS, f"there is no binary op {op}")
        self.same(dtype, value.right.dtype, "the right operand")
        is_misfit = op in _FLOATING_OPS and not dtype.is_floating
        is_misfit |= op in _BIT_OPS and dtype.is_floating
        is_misfit |= op in _SHIFT_OPS and not dtype.is_integer
        is_misfit |= op == "multiply_high" and dtype != uint32
        is_arithmetic = op not in _BIT_OPS and op not in COMPARISONS
        is_misfit |= dtype.is_bool and is_arithmetic and op not in ("maximum", "minimum")
        self.check(not is_misfit, f"{op} of {dtype}")
