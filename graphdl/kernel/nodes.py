"""The loop IR: one kernel, as loops over buffers.

Grammar (Size, Symbol and Comparison come from graphdl.typesystem.expression)

    Kernel     ::= Kernel(name, sizes: Symbol*, buffers: Buffer*, body: Statement*)
    Buffer     ::= Buffer(name, dtype, shape: Size*, space: Space, access: Access)
    Space      ::= ARGUMENT | THREAD | REGISTER
    Access     ::= READ | WRITE | UPDATE

    Statement  ::= Let(name, value: Value)
                 | Store(buffer, index: Size*, value: Value, mask: Comparison*)
                 | Loop(symbol, start: Size, stop: Size, step: int, kind, body: Statement*,
                        carried: Carry*)
                 | Sweep(axes: Axis*, body: Statement*, accumulators: Accumulator*)      -- tiled
                 | If(condition: Comparison*, body: Statement*, otherwise: Statement*)
                 | Allocate(buffer)
                 | Fold(name, reducer, buffer)                                            -- vector
                 | CallFunction(name, arguments: Size*, views: (buffer, offset: Size)*)  -- vector
    Axis       ::= Axis(symbol, extent: Size)
    Carry      ::= Carry(name, initial: Value, next: Value)
    Accumulator::= Accumulator(names, reducer, values: Value+, order: Order)
    Order      ::= INTERLEAVED | ASCENDING

    Value      ::= Constant(value, dtype) | IndexValue(index: Size, dtype)
                 | Variable(name, dtype)
                 | Load(buffer, index: Size*, dtype, mask: Comparison*)
                 | Condition(comparisons: Comparison+)
                 | Unary(op, operand) | Binary(op, left, right) | Fma(a, b, c)
                 | Select(condition, on_true, on_false)
                 | Cast(operand, dtype) | Bitcast(operand, dtype)

A name bound by Let to an int64 Value may be used as a Symbol in later indices (gather).
A masked Load gives zero where its mask fails and touches no memory there; a masked Store writes
nothing there. Comparisons in a mask or condition are joined by "and". Loads and stores outside a
buffer are errors that the interpreter reports.

**Tiled form** (shared by all backends; `verify(kernel, form="tiled")`): Loops of kind PARALLEL and
SERIAL (step 1, start 0), and Sweeps. A Sweep runs its body once for each point of its TILE axes, in
any order as far as stores go, then folds each accumulator's values over the points; the folded
names are bound after the Sweep. INTERLEAVED order: point number p (row-major over the axes) adds
to partial p mod 64, each partial in ascending p from +0 (or the reducer's identity), and the 64
partials are joined by a halving tree (32+32, 16+16, …). ASCENDING: one partial, ascending p.
THREAD buffers, made by Allocate, hold what one sweep keeps for the next; they belong to one
iteration of the PARALLEL loops around them. `Kernel.buffers` lists ARGUMENT buffers only.

**Vector form** (CPU only): no Sweeps. UNROLL and VECTOR loops have constant bounds; a VECTOR loop
is a loop whose iterations run as lanes of one vector. REGISTER buffers are subscripted by
constants, UNROLL and VECTOR symbols only, and become registers. Fold joins a REGISTER buffer of 64
partials by the halving tree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from graphdl.source_location import SourceLocation
from graphdl.typesystem.dtype import DType, bool_
from graphdl.typesystem.expression import Comparison, Size, Symbol

LANES = 64
"""Partial sums of an INTERLEAVED fold, on every target and at every vector width."""


class Space(Enum):
    """Where a buffer lives."""

    ARGUMENT = "argument"
    THREAD = "thread"
    REGISTER = "register"


class Access(Enum):
    """What a kernel does with an argument buffer."""

    READ = "read"
    WRITE = "write"
    UPDATE = "update"


class LoopKind(Enum):
    """How a loop's iterations run."""

    PARALLEL = "parallel"
    SERIAL = "serial"
    UNROLL = "unroll"
    VECTOR = "vector"


class Order(Enum):
    """The order in which an accumulator adds."""

    INTERLEAVED = "interleaved"
    ASCENDING = "ascending"


@dataclass(frozen=True, slots=True)
class Buffer:
    """A dense row-major array. `shape` may mention the kernel's sizes."""

    name: str
    dtype: DType
    shape: tuple[Size, ...]
    space: Space = Space.ARGUMENT
    access: Access = Access.READ


# Values -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A literal: bool, int or float as its dtype asks. NaN and infinities are allowed.

    Equality is that of bits: NaN equals NaN, and 0.0 differs from -0.0.
    """

    value: bool | int | float
    dtype: DType

    def __post_init__(self) -> None:
        kind = bool if self.dtype.is_bool else float if self.dtype.is_floating else int
        if type(self.value) is not kind:
            object.__setattr__(self, "value", kind(self.value))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Constant)
            and self.dtype == other.dtype
            and repr(self.value) == repr(other.value)
        )

    def __hash__(self) -> int:
        return hash((repr(self.value), self.dtype.name))


@dataclass(frozen=True, slots=True)
class IndexValue:
    """An integer expression over sizes and loop symbols, as a number of `dtype`."""

    index: Size
    dtype: DType


@dataclass(frozen=True, slots=True)
class Variable:
    """A name bound by Let, by a Carry or by an Accumulator."""

    name: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class Load:
    """One element of a buffer."""

    buffer: str
    index: tuple[Size, ...]
    dtype: DType
    mask: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """The conjunction of comparisons of indices, as a bool."""

    comparisons: tuple[Comparison, ...]

    @property
    def dtype(self) -> DType:
        """The dtype of the result."""
        return bool_


@dataclass(frozen=True, slots=True)
class Unary:
    """A scalar op of one operand: the graph's elementwise op names."""

    op: str
    operand: Value

    @property
    def dtype(self) -> DType:
        """The dtype of the result."""
        return bool_ if self.op in PREDICATES else self.operand.dtype


@dataclass(frozen=True, slots=True)
class Binary:
    """A scalar op of two operands of one dtype; comparisons give bool."""

    op: str
    left: Value
    right: Value

    @property
    def dtype(self) -> DType:
        """The dtype of the result."""
        return bool_ if self.op in COMPARISONS else self.left.dtype


@dataclass(frozen=True, slots=True)
class Fma:
    """a * b + c, rounded once."""

    a: Value
    b: Value
    c: Value

    @property
    def dtype(self) -> DType:
        """The dtype of the result."""
        return self.c.dtype


@dataclass(frozen=True, slots=True)
class Select:
    """on_true where condition, else on_false; both are evaluated."""

    condition: Value
    on_true: Value
    on_false: Value

    @property
    def dtype(self) -> DType:
        """The dtype of the result."""
        return self.on_true.dtype


@dataclass(frozen=True, slots=True)
class Cast:
    """The operand as another dtype, rounded to nearest even; float to int truncates."""

    operand: Value
    dtype: DType


@dataclass(frozen=True, slots=True)
class Bitcast:
    """The operand's bits as another dtype of the same width."""

    operand: Value
    dtype: DType


Value = (
    Constant
    | IndexValue
    | Variable
    | Load
    | Condition
    | Unary
    | Binary
    | Fma
    | Select
    | Cast
    | Bitcast
)

COMPARISONS = frozenset({"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"})
PREDICATES = frozenset({"is_finite"})
UNARY_OPS = frozenset(
    "negative abs sign floor ceil round trunc sqrt rsqrt exp expm1 log log1p sin cos tan asin acos "
    "atan sinh cosh tanh erf logistic bitwise_not is_finite".split()
)
BINARY_OPS = COMPARISONS | frozenset(
    "add subtract multiply divide floor_divide remainder power atan2 maximum minimum bitwise_and "
    "bitwise_or bitwise_xor shift_left shift_right_logical shift_right_arithmetic "
    "multiply_high".split()
)
REDUCERS = frozenset("add multiply maximum minimum bitwise_and bitwise_or argmax argmin".split())


# Statements ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Let:
    """Bind `name` for the rest of the enclosing body."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Store:
    """Write one element."""

    buffer: str
    index: tuple[Size, ...]
    value: Value
    mask: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Axis:
    """One TILE axis of a Sweep: symbol runs from 0 to extent."""

    symbol: Symbol
    extent: Size


@dataclass(frozen=True, slots=True)
class Accumulator:
    """What a Sweep folds. argmax and argmin take (value, index) and bind both names;
    the other reducers take one value and bind one name."""

    names: tuple[str, ...]
    reducer: str
    values: tuple[Value, ...]
    order: Order = Order.ASCENDING


@dataclass(frozen=True, slots=True)
class Sweep:
    """Run `body` over the points of `axes`, then bind the accumulators' names."""

    axes: tuple[Axis, ...]
    body: tuple[Statement, ...]
    accumulators: tuple[Accumulator, ...] = ()


@dataclass(frozen=True, slots=True)
class Carry:
    """A value that a SERIAL loop hands from one iteration to the next, and on after the loop."""

    name: str
    initial: Value
    next: Value


@dataclass(frozen=True, slots=True)
class Loop:
    """Run `body` for symbol = start, start + step, … below stop."""

    symbol: Symbol
    start: Size
    stop: Size
    step: int
    kind: LoopKind
    body: tuple[Statement, ...]
    carried: tuple[Carry, ...] = ()


@dataclass(frozen=True, slots=True)
class If:
    """Run `body` when every comparison holds, else `otherwise`."""

    condition: tuple[Comparison, ...]
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Allocate:
    """Make a THREAD or REGISTER buffer for the rest of the enclosing body; contents undefined."""

    buffer: Buffer


@dataclass(frozen=True, slots=True)
class Fold:
    """Bind `name` to the halving-tree fold of a REGISTER buffer of LANES partials."""

    name: str
    reducer: str
    buffer: str


@dataclass(frozen=True, slots=True)
class CallFunction:
    """Call a function shared by several kernels: itself a Kernel, whose sizes are `arguments` and
    whose buffers are flat views of this kernel's buffers from an element offset onward."""

    name: str
    arguments: tuple[Size, ...]
    views: tuple[tuple[str, Size], ...] = ()


Statement = Let | Store | Sweep | Loop | If | Allocate | Fold | CallFunction


@dataclass(frozen=True, slots=True)
class Kernel:
    """One parallel nest. `lines` are the user lines it computes and `notes` what it is; neither is
    part of its identity."""

    name: str
    sizes: tuple[Symbol, ...]
    buffers: tuple[Buffer, ...]
    body: tuple[Statement, ...]
    lines: tuple[SourceLocation, ...] = field(default=(), compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def buffer(self, name: str) -> Buffer:
        """The argument buffer called `name`."""
        return next(buffer for buffer in self.buffers if buffer.name == name)
