"""Text back into a program: the inverse of `printer.text`."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Never

import numpy as np

from graphdl.errors import ArgumentError
from graphdl.kernel.nodes import Kernel
from graphdl.kernel.parser import parse as parse_kernel
from graphdl.program.nodes import (
    Branch,
    Check,
    Copy,
    GuardCheck,
    HostCall,
    Launch,
    Loop,
    Print,
    Program,
    Slot,
    Statement,
    Storage,
    Swap,
    View,
)
from graphdl.typesystem.dtype import as_dtype
from graphdl.typesystem.expression import Comparison, Size, Symbol
from graphdl.typesystem.shape import parse_size
from graphdl.typesystem.tensor_type import TensorType

_STRING = r'"(?:\\.|[^"\\])*"'
_TYPE = r"(\w+)\[([^\]]*)\]"
_NAME = rf"({_STRING}|[^\W\d]\w*)"
_VIEW = rf"((?:input|output|variable|constant)\d+|arena)(?:\+([^:]*))?: {_TYPE}"
_HEADER = re.compile(rf"program {_NAME}\((.*)\)")
_SLOT = re.compile(rf"(input|output|variable|constant) {_NAME}: {_TYPE}(?: = ({_STRING}))?")
_GUARD = re.compile(rf"guard (.*?) (==|!=|<=|<) (.*) ({_STRING})")
_LAUNCH = re.compile(r"launch (\w+)\((.*)\) sizes\((.*)\)")
_COPY = re.compile(rf"(copy|swap) {_VIEW} (?:to|with) {_VIEW}")
_CHECK = re.compile(rf"check {_VIEW} ({_STRING})(?: of {_VIEW})?")
_PRINT = re.compile(rf"print {_VIEW} ({_STRING})")
_HOST = re.compile(r"host (\S+?)\((.*)\) to \((.*)\)")
_LOOP = re.compile(r"loop (\w+) in (.*)")
_BRANCH = re.compile(rf"branch {_VIEW}")
_ONE_VIEW = re.compile(_VIEW)


def parse(text: str) -> Program:
    """The program that `text` describes. Raises ArgumentError with the line not understood."""
    rows = text.splitlines()
    starts = [number for number, row in enumerate(rows) if _starts_kernel(rows, number)]
    end = starts[0] if starts else len(rows)
    kernels: dict[str, Kernel] = {}
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=False):
        kernel = parse_kernel("\n".join(rows[start:stop]) + "\n")
        kernels[kernel.name] = kernel
    return _Reader([row for row in rows[:end] if row.strip()]).program(kernels)


def _starts_kernel(rows: list[str], number: int) -> bool:
    """A kernel starts at its first comment, or at its header when it has none."""
    row = rows[number]
    is_start = row.startswith(("kernel ", "#"))
    return is_start and not (number > 0 and rows[number - 1].startswith("#"))


@dataclass(slots=True)
class _Reader:
    rows: list[str]
    position: int = 0
    slots: dict[str, list[Slot]] = field(
        default_factory=lambda: {"input": [], "output": [], "variable": [], "constant": []}
    )
    guards: list[GuardCheck] = field(default_factory=list)

    def fail(self) -> Never:
        row = self.rows[self.position] if self.position < len(self.rows) else "the end"
        raise ArgumentError(f"program text: not understood: {row.strip()}")

    def row(self) -> str:
        return self.rows[self.position].strip() if self.position < len(self.rows) else ""

    def program(self, kernels: dict[str, Kernel]) -> Program:
        match = _HEADER.fullmatch(self.row())
        if match is None:
            self.fail()
        self.position += 1
        while self.declaration():
            self.position += 1
        if not self.row().startswith("arena "):
            self.fail()
        arena = parse_size(self.row()[len("arena ") :])
        self.position += 1
        statements = self.body(2)
        if self.position < len(self.rows):
            self.fail()
        names = ("input", "output", "variable", "constant")
        inputs, outputs, variables, constants = (tuple(self.slots[name]) for name in names)
        return Program(
            _plain(match[1]),
            tuple(Symbol(name) for name in _split(match[2])),
            inputs,
            outputs,
            variables,
            constants,
            tuple(self.guards),
            arena,
            kernels,
            statements,
        )

    def declaration(self) -> bool:
        """Read a slot or a guard; whether there was one."""
        row = self.row()
        if match := _SLOT.fullmatch(row):
            type_ = _type(match[3], match[4])
            value = _array(match[5], type_) if match[5] else None
            self.slots[match[1]].append(Slot(_plain(match[2]), type_, value))
            return True
        if match := _GUARD.fullmatch(row):
            left, right = parse_size(match[1]), parse_size(match[3])
            condition = Comparison(left, match[2], right)  # type: ignore[arg-type]
            self.guards.append(GuardCheck(condition, json.loads(match[4])))
            return True
        return False

    def body(self, indent: int) -> tuple[Statement, ...]:
        statements: list[Statement] = []
        while self.position < len(self.rows) and self.depth() >= indent:
            if self.depth() > indent:
                self.fail()
            statements.append(self.statement(indent))
        return tuple(statements)

    def depth(self) -> int:
        row = self.rows[self.position]
        return len(row) - len(row.lstrip())

    def statement(self, indent: int) -> Statement:
        row = self.row()
        if match := _LOOP.fullmatch(row):
            self.position += 1
            count = parse_size(match[2])
            return Loop(Symbol(match[1]), count, self.body(indent + 2))
        if match := _BRANCH.fullmatch(row):
            self.position += 1
            return Branch(_view(match, 1), self.cases(indent + 2))
        statement = _simple(row)
        if statement is None:
            self.fail()
        self.position += 1
        return statement

    def cases(self, indent: int) -> tuple[tuple[Statement, ...], ...]:
        bodies: list[tuple[Statement, ...]] = []
        while self.row() == f"case {len(bodies)}" and self.depth() == indent:
            self.position += 1
            bodies.append(self.body(indent + 2))
        return tuple(bodies)


def _simple(row: str) -> Statement | None:
    if match := _LAUNCH.fullmatch(row):
        sizes = tuple(parse_size(part) for part in _split(match[3]))
        return Launch(match[1], _views(match[2]), sizes)
    if match := _COPY.fullmatch(row):
        make = Copy if match[1] == "copy" else Swap
        return make(_view(match, 2), _view(match, 6))
    if match := _CHECK.fullmatch(row):
        value = _view(match, 6) if match[6] else None
        return Check(_view(match, 1), value, json.loads(match[5]))
    if match := _PRINT.fullmatch(row):
        return Print(_view(match, 1), json.loads(match[5]))
    if match := _HOST.fullmatch(row):
        return HostCall(match[1], _views(match[2]), _views(match[3]))
    return None


def _views(text: str) -> tuple[View, ...]:
    return tuple(_view(match, 1) for match in _ONE_VIEW.finditer(text))


def _view(match: re.Match[str], first: int) -> View:
    place, offset, dtype, shape = (match[first + step] for step in range(4))
    name = place.rstrip("0123456789")
    position = int(place[len(name) :] or 0)
    bytes_before: Size = parse_size(offset) if offset else 0
    return View(Storage(name), position, bytes_before, _type(dtype, shape))


def _type(dtype: str, shape: str) -> TensorType:
    return TensorType(as_dtype(dtype), tuple(parse_size(size) for size in _split(shape)))


def _split(text: str) -> list[str]:
    """Comma-separated parts; commas inside parentheses belong to a part."""
    parts: list[str] = []
    depth = 0
    for piece in re.split(r"([(),])", text):
        if piece == "," and depth == 0:
            parts.append("")
            continue
        depth += (piece == "(") - (piece == ")")
        if not parts:
            parts.append("")
        parts[-1] += piece
    return [part.strip() for part in parts if part.strip()]


def _plain(name: str) -> str:
    return str(json.loads(name)) if name.startswith('"') else name


def _array(text: str, type_: TensorType) -> object:
    data = base64.b64decode(json.loads(text))
    return np.frombuffer(data, type_.dtype.numpy).reshape([int(str(size)) for size in type_.shape])
