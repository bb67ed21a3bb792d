"""Text back into a graph: the inverse of `printer.text`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Never

import numpy as np

from graphdl.errors import ArgumentError, GraphdlError
from graphdl.graph.constant_value import ConstantValue
from graphdl.graph.nodes import Graph, Node, StateWrite, Tensor, Update, build_node
from graphdl.graph.op import Attributes, Op
from graphdl.source_location import SourceLocation
from graphdl.typesystem.dtype import ALL, DType
from graphdl.typesystem.shape import parse_size
from graphdl.typesystem.tensor_type import TensorType

_STRING = r'"(?:\\.|[^"\\])*"'
_PIECE = re.compile(rf"{_STRING}|[()\[\],]|[^\"()\[\],]+")
_NUMBER = re.compile(r"-?(\d+|\d+\.\d*(e[-+]?\d+)?|\d+e[-+]?\d+|inf|nan)")
_ATTRIBUTE = re.compile(r"([A-Za-z_]\w*)=")
_HEADER = re.compile(rf"graph ({_STRING}|\S+?)\((.*)\):")
_TAIL = re.compile(
    rf"(?: as (?P<label>{_STRING}))?(?: writes (?P<writes>.*?))?(?: step (?P<step>\d+))?"
    r"(?P<regions> regions:)?(?:  # (?P<comment>.*))?"
)
_LINE = re.compile(r"(?P<file>.+):(?P<line>\d+)")
_DTYPES = {dtype.name: dtype for dtype in ALL}
_WORDS = {"None": None, "True": True, "False": False}


@dataclass(frozen=True, slots=True)
class StorageName:
    """Stands for the storage of a variable where only its name is known."""

    name: str


def parse(text: str, ops: Mapping[str, Op], storages: Mapping[str, Any] | None = None) -> Graph:
    """The graph that `text` describes; `text(parse(text(graph), ops)) == text(graph)`.

    `storages` maps the names of variables to their storage; others become a StorageName. Raises
    ArgumentError with the number of the line that is not understood.
    """
    rows = [(number, row) for number, row in enumerate(text.splitlines(), 1) if row.strip()]
    reader = _Reader(rows, ops, storages or {})
    graph = reader.graph()
    if reader.position < len(rows):
        reader.fail("nothing may follow the graph")
    return graph


@dataclass(slots=True)
class _Reader:
    rows: list[tuple[int, str]]
    ops: Mapping[str, Op]
    storages: Mapping[str, Any]
    position: int = 0
    names: dict[str, StorageName] = field(default_factory=dict)

    def fail(self, why: str) -> Never:
        number, row = self.rows[min(self.position, len(self.rows) - 1)] if self.rows else (0, "")
        raise ArgumentError(f"graph text, line {number}: {why}", details=(row.strip(),))

    def row(self) -> str:
        return self.rows[self.position][1] if self.position < len(self.rows) else ""

    def graph(self) -> Graph:
        match = _HEADER.fullmatch(self.row().strip())
        if match is None:
            self.fail("expected `graph name(inputs):`")
        name = json.loads(match[1]) if match[1].startswith('"') else match[1]
        self.position += 1
        values: dict[str, Tensor] = {}
        steps: dict[int, Node] = {}
        while not re.match(r"return\b", self.row().strip()):
            if " = " not in self.row():
                self.fail("expected an equation or `return`")
            self.equation(values, steps)
        _order_effects(steps)
        inputs = self.values(match[2], values)
        outputs = self.values(self.row().strip().removeprefix("return"), values)
        self.position += 1
        return Graph(inputs, outputs, tuple(self.updates(values)), name)

    def updates(self, values: dict[str, Tensor]) -> Iterable[Update]:
        while self.row().strip().startswith("update "):
            variable, arrow, value = self.row().strip().removeprefix("update ").partition(" <- ")
            if not arrow:
                self.fail("expected `update variable <- value`")
            yield Update(self.value(variable, values), self.value(value, values))
            self.position += 1

    def values(self, names: str, values: dict[str, Tensor]) -> tuple[Tensor, ...]:
        return tuple(self.value(name, values) for name in names.split(",") if name.strip())

    def value(self, name: str, values: dict[str, Tensor]) -> Tensor:
        found = values.get(name.strip())
        if found is None:
            self.fail(f"{name.strip()} is not defined above")
        return found

    def equation(self, values: dict[str, Tensor], steps: dict[int, Node]) -> None:
        left, _, right = self.row().strip().partition(" = ")
        names, types = self.definitions(left)
        op_name, opening, rest = right.partition("(")
        if not opening or op_name not in self.ops:
            self.fail(f"unknown op {op_name!r}")
        inside, tail_text = self.until_closed(rest)
        tail = _TAIL.fullmatch(tail_text)
        if tail is None:
            self.fail(f"{tail_text!r} is not understood")
        operands, attributes = self.arguments(inside, values)
        writes = self.writes(tail["writes"] or "", values)
        here = self.position
        self.position += 1
        regions = self.regions() if tail["regions"] else ()
        after, self.position = self.position, here
        node = self.build(self.ops[op_name], operands, attributes, regions, types)
        self.position = after
        label = json.loads(tail["label"]) if tail["label"] else _label(names[0], node)
        node = replace(node, writes=writes, name=label, **_provenance(tail["comment"], self.ops))
        values.update(zip(names, node.results, strict=True))
        if tail["step"]:
            steps[int(tail["step"])] = node

    def definitions(self, left: str) -> tuple[list[str], tuple[TensorType, ...]]:
        pairs = [part.partition(": ") for part in _split(left)]
        return [name for name, _, _ in pairs], tuple(self.type(text) for _, _, text in pairs)

    def type(self, text: str) -> TensorType:
        name, bracket, sizes = text.partition("[")
        if name not in _DTYPES or not bracket or not sizes.endswith("]"):
            self.fail(f"{text!r} is not a type")
        return TensorType(_DTYPES[name], tuple(parse_size(size) for size in _split(sizes[:-1])))

    def until_closed(self, text: str) -> tuple[str, str]:
        """The text inside the parenthesis that is already open, and what follows it."""
        depth = 1
        for piece in _PIECE.finditer(text):
            depth += (piece[0] in ("(", "[")) - (piece[0] in (")", "]"))
            if depth == 0:
                return text[: piece.start()], text[piece.end() :]
        self.fail("a parenthesis is not closed")

    def arguments(
        self, inside: str, values: dict[str, Tensor]
    ) -> tuple[list[Tensor], dict[str, Any]]:
        operands: list[Tensor] = []
        attributes: dict[str, Any] = {}
        for part in _split(inside):
            match = _ATTRIBUTE.match(part)
            if match is None:
                operands.append(self.value(part, values))
            else:
                attributes[match[1]] = self.literal(part[match.end() :])
        return operands, attributes

    def literal(self, text: str) -> Any:
        if text in _WORDS:
            return _WORDS[text]
        if text.startswith('"'):
            return json.loads(text)
        if text.startswith("@"):
            return self.storage(json.loads(text[1:]))
        if _NUMBER.fullmatch(text):
            return int(text) if text.lstrip("-").isdigit() else float(text)
        if re.split(r"[(\[]", text)[0] in _DTYPES:
            return _DTYPES[text] if text in _DTYPES else self.constant(text)
        if text.startswith("(") and self.until_closed(text[1:])[1] == "":
            parts = _split(text[1:-1])
            if len(parts) != 1 or text.endswith(",)"):
                return tuple(self.literal(part) for part in parts)
        return parse_size(text)

    def storage(self, name: str) -> Any:
        return self.storages.get(name) or self.names.setdefault(name, StorageName(name))

    def constant(self, text: str) -> ConstantValue:
        head, _, items = text.partition("(")
        is_array = head.endswith("]")
        type_ = self.type(head if is_array else f"{head}[]")
        shape = [size for size in type_.shape if isinstance(size, int)]
        content = items[:-1]
        if content.startswith("hex"):
            data = bytes.fromhex(json.loads(content.removeprefix("hex")))
            return ConstantValue(np.frombuffer(data, type_.dtype.numpy).reshape(shape))
        numbers = [self.literal(item) for item in _split(content)]
        return ConstantValue(_array(numbers, type_.dtype).reshape(shape))

    def writes(self, text: str, values: dict[str, Tensor]) -> tuple[StateWrite, ...]:
        found = []
        for part in _split(text):
            variable, value, *flags = part.replace(" <- ", " ").split(" ")
            pair = (self.value(variable, values), self.value(value, values))
            found.append(StateWrite(*pair, "training" in flags, "once" in flags))
        return tuple(found)

    def regions(self) -> tuple[Graph, ...]:
        depth = _indentation(self.row())
        found = []
        while self.row().strip().startswith("graph ") and _indentation(self.row()) == depth:
            found.append(self.graph())
        return tuple(found)

    def build(
        self,
        op: Op,
        operands: list[Tensor],
        attributes: dict[str, Any],
        regions: tuple[Graph, ...],
        types: tuple[TensorType, ...],
    ) -> Node:
        try:
            node = build_node(op, operands, attributes, regions=regions, location=_NOWHERE)
        except (GraphdlError, TypeError) as error:
            self.fail(f"{op.name}: {getattr(error, 'message', error)}")
        if node.result_types != types:
            given, wanted = (", ".join(map(str, some)) for some in (types, node.result_types))
            self.fail(f"{op.name} gives {wanted}, not {given}")
        return node


_NOWHERE = SourceLocation("", 0)


def _order_effects(steps: Mapping[int, Node]) -> None:
    """Exchange the build order of effects, so that they happen in their steps."""
    serials = sorted(node.serial for node in steps.values())
    for serial, step in zip(serials, sorted(steps), strict=True):
        object.__setattr__(steps[step], "serial", serial)


def _split(text: str) -> list[str]:
    """The parts between commas that stand outside of all brackets and strings, stripped."""
    parts = [""]
    depth = 0
    for piece in _PIECE.findall(text):
        depth += (piece in ("(", "[")) - (piece in (")", "]"))
        if piece == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return [part.strip() for part in parts if part.strip()]


def _indentation(row: str) -> int:
    return len(row) - len(row.lstrip())


def _array(numbers: list[Any], dtype: DType) -> np.ndarray[Any, Any]:
    if dtype.is_floating and dtype.numpy.itemsize < 8:
        return np.array(numbers, np.float64).astype(dtype.numpy)
    return np.array(numbers, dtype.numpy)


def _label(shown: str, node: Node) -> str | None:
    """The node's name, where what it is called is neither a number nor a leaf's own name."""
    stem = shown.split(".")[0]
    is_number = stem.startswith("%") or stem == "_"
    return None if is_number or node.attributes.get("name") == stem else stem


def _provenance(comment: str | None, ops: Mapping[str, Op]) -> dict[str, Any]:
    """location, scope and origin out of `train.py:12 in encoder/dense, gradient of exp train.py:3`.

    The origin is a bare node: its op and its line.
    """
    where, _, forward = (comment or "").partition(", gradient of ")
    line, _, scope = where.partition(" in ")
    origin = None
    if forward:
        op_name, _, origin_line = forward.partition(" ")
        op = ops.get(op_name)
        origin = op and Node(op, (), Attributes(), (), location=_location(origin_line))
    return {
        "location": _location(line),
        "scope": tuple(scope.split("/")) if scope else (),
        "origin": origin,
    }


def _location(text: str) -> SourceLocation | None:
    match = _LINE.fullmatch(text)
    return SourceLocation(match["file"], int(match["line"])) if match else None
