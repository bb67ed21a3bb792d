"""Kernels from the text that `graphdl.kernel.printer` writes.

Statements are lines, nesting is indentation, and every value, index and comparison is a Python
expression, read with the standard library's `ast`. Dtypes of names come from what binds them, so
the round trip is exact for kernels that the verifier accepts.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from graphdl.errors import InternalError
from graphdl.kernel.nodes import (
    BINARY_OPS,
    UNARY_OPS,
    Access,
    Accumulator,
    Allocate,
    Axis,
    Binary,
    Bitcast,
    Buffer,
    CallFunction,
    Carry,
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
from graphdl.kernel.printer import INFIX
from graphdl.typesystem.dtype import ALL, DType
from graphdl.typesystem.expression import (
    Comparison,
    Size,
    Symbol,
    floor_divide,
    maximum,
    minimum,
    modulo,
)

_DTYPES = {dtype.name: dtype for dtype in ALL}
_OPERATORS: dict[type[ast.AST], str] = {
    type(ast.parse(f"a {sign} b", mode="eval").body.op): op  # type: ignore[attr-defined]
    for op, sign in INFIX.items()
    if sign in "+-*/&|^"
}
_RELATIONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
_INDEX_RELATIONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


@dataclass(slots=True)
class _Line:
    """One line with the lines nested under it."""

    text: str
    children: list[_Line] = field(default_factory=list)


def parse(text: str) -> Kernel:
    """The kernel that `text` describes. Comments are dropped. Raises InternalError naming the line
    that cannot be read."""
    (header,) = _nested(text)
    name, _, sizes = header.text.removeprefix("kernel ").rstrip(")").partition("(")
    reader = _Reader()
    buffers = []
    lines = list(header.children)
    while lines and lines[0].text.split(" ")[0] in _ACCESSES:
        access, rest = lines.pop(0).text.split(" ", 1)
        buffers.append(reader.buffer(rest, Space.ARGUMENT, _ACCESSES[access]))
    symbols = tuple(Symbol(size.strip()) for size in sizes.split(",") if size.strip())
    return Kernel(name, symbols, tuple(buffers), reader.body(lines))


_ACCESSES = {access.value: access for access in Access}
_LOOPS = {kind.value: kind for kind in LoopKind}


def _nested(text: str) -> list[_Line]:
    top = _Line("")
    stack = [(-1, top)]
    for raw in text.splitlines():
        content = raw.strip()
        if not content or content.startswith("#"):
            continue
        depth = len(raw) - len(raw.lstrip())
        while stack[-1][0] >= depth:
            stack.pop()
        line = _Line(content)
        stack[-1][1].children.append(line)
        stack.append((depth, line))
    return top.children


def _expression(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise InternalError(f"cannot read {text!r} in a kernel") from error


def _size(node: ast.expr) -> Size:
    match node:
        case ast.Constant(int(value)):
            return value
        case ast.Name(name):
            return Symbol(name)
        case ast.UnaryOp(ast.USub(), operand):
            return -_size(operand)
        case ast.BinOp(left, operator, right) if type(operator) in _SIZE_OPERATORS:
            return _SIZE_OPERATORS[type(operator)](_size(left), _size(right))
        case ast.Call(ast.Name("min"), arguments):
            return minimum(*map(_size, arguments))
        case ast.Call(ast.Name("max"), arguments):
            return maximum(*map(_size, arguments))
    raise InternalError(f"cannot read {ast.unparse(node)!r} as a size")


_SIZE_OPERATORS: dict[type[ast.operator], Callable[[Size, Size], Size]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.FloorDiv: floor_divide,
    ast.Mod: modulo,
}


def _comparison(node: ast.expr) -> Comparison:
    match node:
        case ast.Compare(left, [relation], [right]) if type(relation) in _INDEX_RELATIONS:
            symbol = _INDEX_RELATIONS[type(relation)]
            return Comparison(_size(left), symbol, _size(right))  # type: ignore[arg-type]
    raise InternalError(f"cannot read {ast.unparse(node)!r} as a comparison")


def _conjunction(text: str) -> tuple[Comparison, ...]:
    if not text:
        return ()
    node = _expression(text)
    terms = node.values if isinstance(node, ast.BoolOp) else [node]
    return tuple(map(_comparison, terms))


def _call(name: str, operands: ast.expr) -> CallFunction:
    """Views are written as subscripts, before the sizes."""
    assert isinstance(operands, ast.Tuple)
    views: list[tuple[str, Size]] = []
    sizes: list[ast.expr] = []
    for operand in operands.elts:
        if isinstance(operand, ast.Subscript):
            assert isinstance(operand.value, ast.Name)
            views.append((operand.value.id, _subscript(operand.slice)[0]))
        else:
            sizes.append(operand)
    return CallFunction(name, _subscript(ast.Tuple(sizes)), tuple(views))


def _subscript(node: ast.expr) -> tuple[Size, ...]:
    elements = node.elts if isinstance(node, ast.Tuple) else [node]
    return tuple(map(_size, elements))


def _number(node: ast.expr, dtype: DType) -> Constant:
    text = ast.unparse(node)
    if dtype.is_floating:
        return Constant(math.nan if text == "nan" else float(text), dtype)
    return Constant(ast.literal_eval(node), dtype)


@dataclass(slots=True)
class _Reader:
    """The dtypes of the names and buffers seen so far."""

    names: dict[str, DType] = field(default_factory=dict)
    buffers: dict[str, DType] = field(default_factory=dict)

    def body(self, lines: list[_Line]) -> tuple[Statement, ...]:
        statements: list[Statement] = []
        for line in lines:
            if line.text == "else":
                first = statements.pop()
                assert isinstance(first, If)
                statements.append(If(first.condition, first.body, self.body(line.children)))
            else:
                statements.append(self._readable(line))
        return tuple(statements)

    def _readable(self, line: _Line) -> Statement:
        try:
            return self.statement(line)
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise InternalError(f"cannot read {line.text!r} in a kernel") from error

    def statement(self, line: _Line) -> Statement:
        word, _, rest = line.text.partition(" ")
        if word in _LOOPS:
            return self.loop(_LOOPS[word], rest, line.children)
        match word:
            case "let":
                name, value = rest.split(" = ", 1)
                return Let(name, self.bound(name, value))
            case "sweep":
                return self.sweep(rest, line.children)
            case "if":
                return If(_conjunction(rest), self.body(line.children))
            case "allocate":
                return self.allocate(rest)
            case "join":
                return self.join(rest)
            case "call":
                name, arguments = rest.rstrip(")").split("(", 1)
                return _call(name, _expression(f"({arguments},)") if arguments else ast.Tuple([]))
        return self.store(line.text)

    def bound(self, name: str, text: str) -> Value:
        value = self.value(_expression(text))
        self.names[name] = value.dtype
        return value

    def buffer(self, text: str, space: Space, access: Access) -> Buffer:
        name, kind = text.split(": ", 1)
        dtype, shape = kind.rstrip("]").split("[", 1)
        sizes = _subscript(_expression(f"({shape},)")) if shape else ()
        self.buffers[name] = _DTYPES[dtype]
        return Buffer(name, _DTYPES[dtype], sizes, space, access)

    def allocate(self, rest: str) -> Allocate:
        words, rest = rest.split(":", 1)
        space, *access, name = words.split(" ")
        kind = Access(access[0]) if access else Access.READ
        return Allocate(self.buffer(f"{name}:{rest}", Space(space), kind))

    def join(self, rest: str) -> Fold:
        name, call = rest.split(" = ", 1)
        reducer, buffer = call.rstrip(")").split("(", 1)
        self.names[name] = self.buffers[buffer]
        return Fold(name, reducer, buffer)

    def store(self, text: str) -> Store:
        target_text, right = text.split(" = ", 1)
        value_text, _, mask = right.partition(" if ")
        target = _expression(target_text)
        assert isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name)
        value = self.value(_expression(value_text))
        return Store(target.value.id, _subscript(target.slice), value, _conjunction(mask))

    def loop(self, kind: LoopKind, rest: str, lines: list[_Line]) -> Loop:
        symbol, bounds = rest.split(" in ", 1)
        start, stop, *step = bounds.split(":")
        carries = [line.text[6:].split(" = ", 1) for line in lines if line.text[:6] == "carry "]
        initial = {name: self.bound(name, text) for name, text in carries}
        nexts = [line for line in lines if line.text[:5] == "next "]
        body = self.body(lines[len(carries) : len(lines) - len(nexts)])
        carried = []
        for line in nexts:
            name, text = line.text[5:].split(" = ", 1)
            carried.append(Carry(name, initial[name], self.value(_expression(text))))
        first, last = _size(_expression(start)), _size(_expression(stop))
        return Loop(
            Symbol(symbol), first, last, int(step[0]) if step else 1, kind, body, tuple(carried)
        )

    def sweep(self, rest: str, lines: list[_Line]) -> Sweep:
        node = _expression(f"({rest},)")
        assert isinstance(node, ast.Tuple)
        axes = []
        for axis in node.elts:
            assert isinstance(axis, ast.Compare) and isinstance(axis.left, ast.Name)
            axes.append(Axis(Symbol(axis.left.id), _size(axis.comparators[0])))
        folds = [line for line in lines if line.text[:5] == "fold "]
        body = self.body(lines[: len(lines) - len(folds)])
        return Sweep(tuple(axes), body, tuple(self.fold(line.text) for line in folds))

    def fold(self, text: str) -> Accumulator:
        left, right = text.removeprefix("fold ").split(" = ", 1)
        call, order = right.rsplit(" ", 1)
        node = _expression(call)
        assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        names = tuple(left.split(", "))
        values = tuple(map(self.value, node.args))
        self.names.update(zip(names, (value.dtype for value in values), strict=True))
        return Accumulator(names, node.func.id, values, Order(order))

    def value(self, node: ast.expr) -> Value:
        match node:
            case ast.Name(name):
                if name not in self.names:
                    raise InternalError(f"{name} is not bound here")
                return Variable(name, self.names[name])
            case ast.Subscript(ast.Name(buffer), index):
                return Load(buffer, _subscript(index), self.buffers[buffer])
            case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
                return Binary(_OPERATORS[type(operator)], self.value(left), self.value(right))
            case ast.Compare(left, [relation], [right]) if type(relation) in _RELATIONS:
                return Binary(_RELATIONS[type(relation)], self.value(left), self.value(right))
            case ast.Call(ast.Name(name), arguments):
                return self.call(name, arguments)
        raise InternalError(f"cannot read {ast.unparse(node)!r} as a value")

    def call(self, name: str, arguments: list[ast.expr]) -> Value:
        if name in _DTYPES:
            return _number(arguments[0], _DTYPES[name])
        match name, arguments:
            case "index", [index, dtype]:
                return IndexValue(_size(index), _DTYPES[ast.unparse(dtype)])
            case "masked", [element, *mask]:
                load = self.value(element)
                assert isinstance(load, Load)
                return Load(load.buffer, load.index, load.dtype, tuple(map(_comparison, mask)))
            case "all", comparisons:
                return Condition(tuple(map(_comparison, comparisons)))
            case "cast", [operand, dtype]:
                return Cast(self.value(operand), _DTYPES[ast.unparse(dtype)])
            case "bitcast", [operand, dtype]:
                return Bitcast(self.value(operand), _DTYPES[ast.unparse(dtype)])
        return _operation(name, [self.value(argument) for argument in arguments])


def _operation(name: str, operands: list[Value]) -> Value:
    if name in UNARY_OPS:
        return Unary(name, *operands)
    if name in BINARY_OPS:
        return Binary(name, *operands)
    if name == "fma":
        return Fma(*operands)
    if name == "select":
        return Select(*operands)
    raise InternalError(f"a kernel has no op {name!r}")
