"""Kernels as readable loop text; `graphdl.kernel.parser` reads it back.

    kernel row_sum(n0, n1)
        read b0: float32[n0, n1]
        write b1: float32[n0]
        parallel i0 in 0:n0
            sweep i1 in n1
                let v0 = exp(b0[i0, i1])
                fold s0 = add(v0) interleaved
            b1[i0] = (s0 * float32(2.0))

Values are Python expressions: infix operators always in parentheses, everything else a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphdl.errors import InternalError
from graphdl.kernel.nodes import (
    Access,
    Allocate,
    Axis,
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
    Select,
    Statement,
    Store,
    Sweep,
    Unary,
    Value,
    Variable,
)
from graphdl.typesystem.expression import Comparison, Size

INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "bitwise_and": "&",
    "bitwise_or": "|",
    "bitwise_xor": "^",
}
"""Binary ops that are written between their operands."""

_INDENT = "    "


def text(kernel: Kernel) -> str:
    """The kernel as text, with its notes and user lines as comments. Equal kernels differ at most
    in the comments."""
    comments = [f"# {note}" for note in (*kernel.notes, *kernel.lines)]
    header = f"kernel {kernel.name}({_joined(kernel.sizes)})"
    buffers = [f"{buffer.access.value} {_buffer_text(buffer)}" for buffer in kernel.buffers]
    body = _indented([*buffers, *_body_lines(kernel.body)])
    return "\n".join([*comments, header, *body]) + "\n"


def statement_text(statement: Statement) -> str:
    """One statement and what it contains, as text without a final newline."""
    return "\n".join(_lines(statement))


def value_text(value: Value) -> str:
    """A value as one line of text."""
    match value:
        case Constant(number, dtype):
            return f"{dtype}({number!r})"
        case IndexValue(index, dtype):
            return f"index({index}, {dtype})"
        case Variable(name, _):
            return name
        case Load(buffer, index, _, mask):
            element = _element_text(buffer, index)
            return f"masked({element}, {_joined(mask)})" if mask else element
        case Condition(comparisons):
            return f"all({_joined(comparisons)})"
        case Unary(op, operand):
            return f"{op}({value_text(operand)})"
    return _operation_text(value)


def _operation_text(value: Value) -> str:
    match value:
        case Binary(op, left, right) if op in INFIX:
            return f"({value_text(left)} {INFIX[op]} {value_text(right)})"
        case Binary(op, left, right):
            return _call_text(op, left, right)
        case Fma(a, b, c):
            return _call_text("fma", a, b, c)
        case Select(condition, on_true, on_false):
            return _call_text("select", condition, on_true, on_false)
        case Cast(operand, dtype):
            return f"cast({value_text(operand)}, {dtype})"
        case Bitcast(operand, dtype):
            return f"bitcast({value_text(operand)}, {dtype})"
    raise InternalError(f"{value!r} is not a value")


def _call_text(name: str, *operands: Value) -> str:
    return f"{name}({', '.join(map(value_text, operands))})"


def _joined(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _element_text(buffer: str, index: tuple[Size, ...]) -> str:
    return f"{buffer}[{_joined(index) or '()'}]"


def _buffer_text(buffer: Buffer) -> str:
    return f"{buffer.name}: {buffer.dtype}[{_joined(buffer.shape)}]"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (_INDENT + line for line in lines)


def _body_lines(body: Iterable[Statement]) -> Iterator[str]:
    for statement in body:
        yield from _lines(statement)


def _lines(statement: Statement) -> Iterator[str]:
    match statement:
        case Let(name, value):
            yield f"let {name} = {value_text(value)}"
        case Store(buffer, index, value, mask):
            element = _element_text(buffer, index)
            yield f"{element} = {value_text(value)}{_condition(' if', mask)}"
        case Loop():
            yield from _loop_lines(statement)
        case Sweep():
            yield from _sweep_lines(statement)
        case If(condition, body, otherwise):
            yield "if" + _condition("", condition)
            yield from _indented(_body_lines(body))
            if otherwise:
                yield "else"
                yield from _indented(_body_lines(otherwise))
        case Allocate(buffer):
            access = "" if buffer.access is Access.READ else f" {buffer.access.value}"
            yield f"allocate {buffer.space.value}{access} {_buffer_text(buffer)}"
        case Fold(name, reducer, buffer):
            yield f"join {name} = {reducer}({buffer})"
        case CallFunction(name, arguments, views):
            parts = [f"{buffer}[{offset}]" for buffer, offset in views]
            yield f"call {name}({', '.join([*parts, *map(str, arguments)])})"


def _condition(word: str, comparisons: tuple[Comparison, ...]) -> str:
    return f"{word} {' and '.join(map(str, comparisons))}" if comparisons else ""


def _loop_lines(loop: Loop) -> Iterator[str]:
    step = "" if loop.step == 1 else f":{loop.step}"
    yield f"{loop.kind.value} {loop.symbol} in {loop.start}:{loop.stop}{step}"
    for carry in loop.carried:
        yield f"{_INDENT}carry {carry.name} = {value_text(carry.initial)}"
    yield from _indented(_body_lines(loop.body))
    for carry in loop.carried:
        yield f"{_INDENT}next {carry.name} = {value_text(carry.next)}"


def _sweep_lines(sweep: Sweep) -> Iterator[str]:
    yield "sweep " + ", ".join(_axis_text(axis) for axis in sweep.axes)
    yield from _indented(_body_lines(sweep.body))
    for accumulator in sweep.accumulators:
        values = ", ".join(map(value_text, accumulator.values))
        names = _joined(accumulator.names)
        order = accumulator.order.value
        yield f"{_INDENT}fold {names} = {accumulator.reducer}({values}) {order}"


def _axis_text(axis: Axis) -> str:
    return f"{axis.symbol} in {axis.extent}"
