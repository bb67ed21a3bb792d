"""Applies rules to a graph until none fits: one walk, operands first.

Whatever a rule builds is settled at once, before its users are looked at, so every node of the
result has been offered to all rules with its final operands.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from graphdl.config import settings
from graphdl.errors import InternalError
from graphdl.graph.nodes import Graph, Node, Tensor, rebuild, replacing
from graphdl.graph.op import Op
from graphdl.graph.printer import text
from graphdl.graph.rebuild import with_regions, with_roots
from graphdl.rewrite.pattern import (
    NodeVariable,
    OpPattern,
    Pattern,
    expand_commutative,
    match,
)

Key = tuple[int, int]
DEEPEST_CHAIN = 60
"""Rewrites of one node into another before this counts as a circle."""
MOST_HITS_PER_NODE = 50
_SHOWN_LINES = 12


RootPattern = OpPattern | NodeVariable


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rewrite: where a pattern matches, `build` makes the replacement or declines with None.

    `build` gets what its parameter names say: bound variables, and `root`, the matched tensor.
    """

    name: str
    patterns: tuple[RootPattern, ...]
    build: Callable[..., Tensor | None]
    parameters: tuple[str, ...]

    @property
    def doc(self) -> str:
        """The rule as one sentence."""
        return (self.build.__doc__ or "").strip()


def rule(*patterns: Any) -> Callable[[Callable[..., Tensor | None]], Rule]:
    """Make a Rule, named as the function, of a function that builds the replacement.

    Several patterns are alternatives with the same variables. The replacement must have the type
    of what it replaces; it takes over its line, scope, origin and label.
    """
    # By text: as numbers literal(0), literal(-0.0) and literal(False) would be one.
    variants = {repr(variant): variant for pattern in patterns for variant in _variants(pattern)}

    def make(build: Callable[..., Tensor | None]) -> Rule:
        names = tuple(inspect.signature(build).parameters)
        return Rule(build.__name__, tuple(variants.values()), build, names)

    return make


def _variants(pattern: Pattern) -> Iterator[RootPattern]:
    for variant in expand_commutative(pattern):
        assert isinstance(variant, RootPattern), "a rule's pattern says which op comes last"
        yield variant


_hits: ContextVar[Counter[str] | None] = ContextVar("hits", default=None)


@contextmanager
def counting_hits() -> Iterator[Counter[str]]:
    """Collect how often each rule, or pass without rules, changes something inside the block."""
    counter: Counter[str] = Counter()
    token = _hits.set(counter)
    try:
        yield counter
    finally:
        _hits.reset(token)


def count_hits(name: str, count: int = 1) -> None:
    """Say that `name` changed something."""
    counter = _hits.get()
    if counter is not None and count:
        counter[name] += count


_fruitless: ContextVar[dict[int, set[Node]] | None] = ContextVar("fruitless", default=None)


@contextmanager
def remembering_failures() -> Iterator[None]:
    """Inside, a node that no rule of a set fits is not tried with that set again.

    Nodes never change, and a rule sees nothing but a node and what it is computed from, so the
    answer stays. Requires that all graphs rewritten inside have the same inputs.
    """
    token = _fruitless.set({})
    try:
        yield
    finally:
        _fruitless.reset(token)


def apply_rules(graph: Graph, rules: Sequence[Rule]) -> tuple[Graph, dict[str, int]]:
    """`graph` with `rules` applied until none fits, and the number of times each one did.

    Regions included. A rule whose name is in `settings().disable` is left out. The graph itself
    comes back when nothing matched. Raises InternalError for a rule that changes a type, and for
    rules that undo each other.
    """
    index = _index(tuple(rules), settings().disable)
    known = _fruitless.get()
    rewriter = _Rewriter(index, set() if known is None else known.setdefault(id(index), set()))
    result = rewriter.graph(graph)
    for name, count in rewriter.hits.items():
        count_hits(name, count)
    return result, dict(rewriter.hits)


def rewrite(graph: Graph, rules: Sequence[Rule]) -> Graph:
    """`apply_rules` without the numbers."""
    return apply_rules(graph, rules)[0]


Candidates = tuple[tuple[Rule, RootPattern, tuple[Op | None, ...] | None], ...]
"""Rule, pattern, and which op each operand must come from; None when any operands will do."""


@lru_cache(maxsize=64)
def _index(rules: tuple[Rule, ...], disabled: frozenset[str]) -> Mapping[Op, Candidates]:
    """Root op -> rules, each variant with the ops that it needs as operands."""
    index: dict[Op, Candidates] = {}
    for each in rules:
        if each.name in disabled:
            continue
        for pattern in each.patterns:
            entry = (each, pattern, _needed_ops(pattern))
            index[pattern.op] = (*index.get(pattern.op, ()), entry)
    return index


def _needed_ops(pattern: RootPattern) -> tuple[Op | None, ...] | None:
    if isinstance(pattern, NodeVariable):
        return None
    return tuple(getattr(operand, "op", None) for operand in pattern.operands)


def _can_match(needed: tuple[Op | None, ...] | None, operands: tuple[Tensor, ...]) -> bool:
    if needed is None:
        return True
    return len(needed) == len(operands) and not any(
        op is not None and operand.node.op is not op
        for op, operand in zip(needed, operands, strict=True)
    )


@dataclass(slots=True)
class _Rewriter:
    index: Mapping[Op, Candidates]
    fruitless: set[Node]
    hits: Counter[str] = field(default_factory=Counter)
    regions: dict[int, tuple[Graph, Graph]] = field(default_factory=dict)
    walked: int = 0

    def graph(self, graph: Graph) -> Graph:
        opaque = {tensor.key for tensor in graph.inputs}
        walk = _Walk(self, opaque)
        order = graph.nodes()
        self.walked += len(order)
        walk.nodes(order, ())
        changed = walk.changed
        return with_roots(graph, [changed.get(root.key, root) for root in graph.roots])

    def region(self, graph: Graph) -> Graph:
        if id(graph) not in self.regions:
            self.regions[id(graph)] = (graph, self.graph(graph))
        return self.regions[id(graph)][1]


@dataclass(slots=True)
class _Walk:
    """One walk over one graph. `changed` maps old results to settled new ones."""

    rewriter: _Rewriter
    opaque: set[Key]
    changed: dict[Key, Tensor] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)
    kept: list[Node] = field(default_factory=list)  # alive, so that ids stay unique

    def nodes(self, order: Sequence[Node], chain: tuple[str, ...]) -> None:
        changed, index, settled = self.changed, self.rewriter.index, self.settled
        fruitless = self.rewriter.fruitless
        for node in order:
            current = node
            if changed and any((id(t.node), t.index) in changed for t in node.operands):
                current = rebuild(
                    node, (changed.get((id(t.node), t.index), t) for t in node.operands)
                )
            if node.regions:
                regions = with_regions(node, self.rewriter.region)
                if regions is not node.regions:
                    current = replace(current, regions=regions)
            candidates = index.get(current.op)
            found = None
            if candidates is not None and current not in fruitless:
                found = self.attempt(current, candidates, chain)
                if found is None:
                    fruitless.add(current)
            if found is not None:
                self.record(node, current, (found,))
            else:
                settled.add(id(current))
                if current is not node:
                    self.record(node, current, current.results)

    def record(self, node: Node, current: Node, results: tuple[Tensor, ...]) -> None:
        self.kept += (node, current)
        for index, result in enumerate(results):
            if (id(node), index) not in self.opaque:
                self.changed[id(node), index] = result

    def attempt(self, node: Node, candidates: Candidates, chain: tuple[str, ...]) -> Tensor | None:
        """The settled replacement of a node by the first rule that fits and does not decline."""
        if node.writes or len(node.result_types) > 1:
            return None
        operands = node.operands
        for each, pattern, needed in candidates:
            if not _can_match(needed, operands):
                continue
            replacement = self.replacement(each, pattern, node)
            if replacement is not None:
                self.check(each, node, replacement, chain)
                return self.settle(self.labelled(replacement, node), (*chain, each.name))
        return None

    def replacement(self, each: Rule, pattern: RootPattern, node: Node) -> Tensor | None:
        bindings: dict[str, Any] = {}
        root = Tensor(node)
        if not match(pattern, root, bindings, self.opaque):
            return None
        bindings["root"] = root
        with replacing(node):
            return each.build(**{name: bindings[name] for name in each.parameters})

    def check(self, each: Rule, node: Node, new: Tensor, chain: tuple[str, ...]) -> None:
        hits = self.rewriter.hits
        hits[each.name] += 1
        if new.type != node.result_types[0]:
            raise InternalError(
                f"rule {each.name} changes the type {node.result_types[0]} to {new.type}\n"
                + _both(Tensor(node), new)
            )
        is_endless = hits.total() > 1000 + MOST_HITS_PER_NODE * self.rewriter.walked
        if new.node is node or len(chain) >= DEEPEST_CHAIN or is_endless:
            names = " -> ".join(dict.fromkeys((*chain, each.name)))
            raise InternalError(f"rules rewrite in a circle: {names}\n" + _both(Tensor(node), new))

    def labelled(self, new: Tensor, old: Node) -> Tensor:
        """`new` under the label of what it replaces, where it is new and has none."""
        is_old = id(new.node) in self.settled or not new.node.operands or new.key in self.opaque
        if old.name is None or new.node.name is not None or is_old:
            return new
        return Tensor(replace(new.node, name=old.name), new.index)

    def settle(self, tensor: Tensor, chain: tuple[str, ...]) -> Tensor:
        """Walk over the nodes that a rule has just built."""
        if tensor.key in self.opaque:
            return tensor
        fresh: list[Node] = []
        stack: list[tuple[Node, bool]] = [(tensor.node, False)]
        seen: set[int] = set()
        while stack:
            node, is_ready = stack.pop()
            if is_ready:
                fresh.append(node)
            elif id(node) not in seen and id(node) not in self.settled:
                seen.add(id(node))
                stack.append((node, True))
                stack += (
                    (operand.node, False)
                    for operand in reversed(node.operands)
                    if operand.key not in self.opaque
                )
        self.kept += fresh
        self.nodes(fresh, chain)
        return self.changed.get(tensor.key, tensor)


def _both(before: Tensor, after: Tensor) -> str:
    return f"before:\n{_shown(before)}after:\n{_shown(after)}"


def _shown(tensor: Tensor) -> str:
    rows = text(Graph((), (tensor,))).splitlines()
    cut = ["  …"] if len(rows) > _SHOWN_LINES else []
    return "\n".join([*cut, *rows[-_SHOWN_LINES:]]) + "\n"
