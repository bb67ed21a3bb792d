"""A graph as text: one equation per line, which `parser.parse` reads back.

    graph train_step(image, %1):
      image: float32[batch, 784] = placeholder(name="image", …)  # train.py:12
      %1: float32[] = placeholder(…)
      h: float32[batch, 784] = multiply(image, …)  # train.py:14 in encoder/dense
      %3.0: float32[4], %3.1: int64[4] = an_op_with_two_results(h, axis=0)
      %4: float32[4] = remat(%3.0) regions:
        graph block(%0):
          …
          return %2
      return %4
      update w <- %3

A value is called by its label where that is a plain, unused word, else by its position. ` step 2`
after an effect is its turn, where effects happen in another order than the lines. After `#`
stand the user's line, the scope, and for a gradient the forward op and its line.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from graphdl.graph.describe import literal, name_of
from graphdl.graph.nodes import Graph, Node, Tensor, topological_order

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_/]*")
_INDENT = "  "
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_KEYWORDS = frozenset(("return", "update", "graph", "regions", "as", "writes", "_"))


def text(graph: Graph, *, with_comments: bool = True) -> str:
    """The whole graph as text, stable from run to run, ending in a newline.

    Without comments it says what is computed but not which lines asked for it.
    """
    return "\n".join(line for line, _ in lines(graph, with_comments)) + "\n"


def lines(graph: Graph, with_comments: bool = True) -> list[tuple[str, Node | None]]:
    """The lines of `text` and the node that each belongs to."""
    return _Printer(graph, with_comments).print()


@dataclass(slots=True)
class _Printer:
    graph: Graph
    with_comments: bool
    indent: str = ""
    names: dict[tuple[int, int], str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    storages: dict[str, list[int]] = field(default_factory=dict)
    cut: set[tuple[int, int]] = field(default_factory=set)
    steps: dict[int, int] = field(default_factory=dict)
    output: list[tuple[str, Node | None]] = field(default_factory=list)

    def print(self) -> list[tuple[str, Node | None]]:
        self.cut = {tensor.key for tensor in self.graph.inputs}
        updates = [t for update in self.graph.updates for t in (update.variable, update.value)]
        order = topological_order((*self.graph.outputs, *updates), self.cut, with_writes=True)
        inputs = list({tensor.key: tensor for tensor in self.graph.inputs}.values())
        for tensor in inputs:
            self.name_result(tensor, name_of(tensor.node))
        for node in order:
            self.name_results(node)
        self.steps = _effect_steps(order)
        self.header()
        for position, tensor in enumerate(inputs):
            self.input(tensor, position)
        for node in order:
            self.equation(node)
        self.footer()
        return self.output

    def emit(self, line: str, node: Node | None = None, depth: int = 1) -> None:
        self.output.append((self.indent + _INDENT * depth + line, node))

    def name_results(self, node: Node) -> None:
        if len(node.result_types) == 1:
            self.name_result(Tensor(node), name_of(node))
            return
        stem = self.claim(name_of(node))
        for tensor in node.results:
            if tensor.key not in self.cut:
                self.names[tensor.key] = f"{stem}.{tensor.index}"

    def name_result(self, tensor: Tensor, label: str | None) -> None:
        self.names[tensor.key] = self.claim(label)

    def claim(self, label: str | None) -> str:
        """The label when it is a free word, else the next number; numbers count all values."""
        is_word = label is not None and WORD.fullmatch(label) is not None
        if label is None or not is_word or label in self.taken or label in _KEYWORDS:
            label = f"%{len(self.taken)}"
        self.taken.add(label)
        return label

    def header(self) -> None:
        inputs = ", ".join(self.names[tensor.key] for tensor in self.graph.inputs)
        name = self.graph.name
        label = name if WORD.fullmatch(name) else json.dumps(name)
        self.emit(f"graph {label}({inputs}):", depth=0)

    def input(self, tensor: Tensor, position: int) -> None:
        """A leaf as it is; a cut point as the parameter that it acts as."""
        node = tensor.node
        if not node.operands and not node.regions:
            self.equation(node)
            return
        shape = literal(tensor.shape)
        call = f"parameter(position={position}, dtype={tensor.dtype}, shape={shape})"
        label = self.names[tensor.key]
        self.emit(f"{label}: {tensor.type} = {call}{_label(node, label)}{self.comment(node)}", node)

    def equation(self, node: Node) -> None:
        is_single = len(node.result_types) == 1
        names = [
            self.names[tensor.key] if is_single or tensor.key not in self.cut else "_"
            for tensor in node.results
        ]
        stem = next((name for name in names if name != "_"), "").split(".")[0]
        left = ", ".join(
            f"{name}: {type_}" for name, type_ in zip(names, node.result_types, strict=True)
        )
        tail = _label(node, stem) + self.writes(node)
        tail += f" step {self.steps[id(node)]}" if id(node) in self.steps else ""
        tail += " regions:" if node.regions else ""
        self.emit(f"{left} = {self.call(node)}{tail}{self.comment(node)}", node)
        for region in node.regions:
            self.output += _Printer(region, self.with_comments, self.indent + _INDENT * 2).print()

    def comment(self, node: Node) -> str:
        return _comment(node) if self.with_comments else ""

    def call(self, node: Node) -> str:
        arguments = [self.reference(operand) for operand in node.operands]
        arguments += [f"{key}={self.attribute(key, v)}" for key, v in node.attributes.items()]
        return f"{node.op.name}({', '.join(arguments)})"

    def attribute(self, key: str, value: object) -> str:
        if key != "storage":
            return literal(value)
        name = str(getattr(value, "name", value))
        same = self.storages.setdefault(name, [])
        if id(value) not in same:
            same.append(id(value))
        position = same.index(id(value))
        return "@" + json.dumps(f"{name}#{position}" if position else name)

    def reference(self, tensor: Tensor) -> str:
        return self.names.get(tensor.key, f"<{tensor.node.op.name} outside of this graph>")

    def writes(self, node: Node) -> str:
        parts = [
            f"{self.reference(write.variable)} <- {self.reference(write.value)}"
            + (" training" if write.training_only else "")
            + (" once" if write.once else "")
            for write in node.writes
        ]
        return f" writes {', '.join(parts)}" if parts else ""

    def footer(self) -> None:
        self.emit(f"return {', '.join(map(self.reference, self.graph.outputs))}".rstrip())
        for update in self.graph.updates:
            self.emit(f"update {self.reference(update.variable)} <- {self.reference(update.value)}")


def _effect_steps(order: list[Node]) -> dict[int, int]:
    """Which effect happens when, where that is not the order of the lines."""
    effects = [node for node in order if node.op.has_effect]
    sequence = sorted(effects, key=lambda node: node.serial)
    if sequence == effects:
        return {}
    return {id(node): step for step, node in enumerate(sequence)}


def _label(node: Node, shown: str) -> str:
    """` as "label"` where the label is not what the value is called."""
    if node.name is None or node.name == shown:
        return ""
    return f" as {json.dumps(node.name)}"


def _comment(node: Node) -> str:
    parts = str(node.location) if node.location is not None else "nowhere"
    if node.scope:
        parts += f" in {'/'.join(node.scope)}"
    if node.origin is not None:
        parts += f", gradient of {node.origin.op.name}"
        parts += f" {node.origin.location}" if node.origin.location is not None else ""
    return "" if parts == "nowhere" else "  # " + _CONTROL.sub("?", parts)
