"""The tensor graph.

Grammar

    Graph   ::= Graph(inputs: Tensor*, outputs: Tensor*, updates: Update*)
    Node    ::= Node(op, operands: Tensor*, attributes, result_types: TensorType+, regions: Graph*,
                     writes: StateWrite*, location, scope, name, origin, serial)
    Tensor  ::= Tensor(node, index)                  one result of a node
    Update  ::= Update(variable: Tensor, value: Tensor)
    StateWrite ::= StateWrite(variable, value, training_only, once)

Nodes are immutable and never shared by value: two equal nodes are merged by a pass, so that each
node keeps the user's line. A region is a Graph whose inputs are `parameter` leaves; whatever it
uses from outside is passed in explicitly as an operand.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from graphdl.graph.describe import equation
from graphdl.graph.op import Attributes, Guard, Op
from graphdl.source_location import SourceLocation, current_location
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.tensor_type import Shape, TensorType

_serial = itertools.count()
_scope: ContextVar[tuple[str, ...]] = ContextVar("scope", default=())


@dataclass(frozen=True, slots=True, eq=False)
class StateWrite:
    """A new value that a node gives to a variable whenever a function reaches the node.

    `training_only`: performed only when training is on. `once`: repeated writes are the same write
    (a generator's position); otherwise repeated writes chain in build order.
    """

    variable: Tensor
    value: Tensor
    training_only: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One application of an Op. Compared and hashed by identity."""

    op: Op
    operands: tuple[Tensor, ...]
    attributes: Attributes
    result_types: tuple[TensorType, ...]
    regions: tuple[Graph, ...] = ()
    writes: tuple[StateWrite, ...] = ()
    guards: tuple[Guard, ...] = ()
    location: SourceLocation | None = None
    scope: tuple[str, ...] = ()
    name: str | None = None
    origin: Node | None = None
    serial: int = -1

    @property
    def results(self) -> tuple[Tensor, ...]:
        """One Tensor per result."""
        return tuple(Tensor(self, index) for index in range(len(self.result_types)))

    def __repr__(self) -> str:
        types = ", ".join(map(str, self.result_types))
        return f"<{self.op.name} {types} at {self.location}>"


class TensorOperators(Protocol):
    """What `ops/operators.py` installs so that tensors can be added, sliced and called on."""

    def binary(self, name: str, left: object, right: object) -> Tensor:
        """`left + right` and the like, by the operator's name."""

    def unary(self, name: str, operand: Tensor) -> Tensor:
        """`-operand` and the like."""

    def getitem(self, operand: Tensor, key: object) -> Tensor:
        """`operand[key]`."""

    def method(self, name: str, operand: Tensor, *args: Any, **kwargs: Any) -> Any:
        """`operand.sum(axis=0)` and the like."""


class Tensor:
    """One symbolic result of a node. Holds no data.

    Equality is identity for sets and dicts; the `==` operator builds a comparison.
    """

    __slots__ = ("__weakref__", "index", "node")
    operators: ClassVar[TensorOperators]
    node: Node
    index: int

    def __init__(self, node: Node, index: int = 0) -> None:
        self.node = node
        self.index = index

    @property
    def type(self) -> TensorType:
        """dtype and shape together."""
        return self.node.result_types[self.index]

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.type.dtype

    @property
    def shape(self) -> Shape:
        """The sizes: ints, named sizes and expressions of them."""
        return self.type.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.type.rank

    def __repr__(self) -> str:
        return equation(self)

    def apply_op(self, op: Op, operands: tuple[Tensor, ...], attributes: dict[str, Any]) -> Any:
        """Build a node of `op`; one Tensor for one result, a tuple for several."""
        node = build_node(op, operands, attributes)
        return node.results[0] if len(node.result_types) == 1 else node.results

    def is_same(self, other: Tensor) -> bool:
        """Whether both are the same result of the same node."""
        return self.node is other.node and self.index == other.index

    @property
    def key(self) -> tuple[int, int]:
        """A dictionary key for this result; equal for equal results of one node."""
        return (id(self.node), self.index)


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """`variable` holds `value` after the call."""

    variable: Tensor
    value: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A closed computation: from inputs (cut points) to outputs and new variable values."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    updates: tuple[Update, ...] = ()
    name: str = "graph"

    @property
    def roots(self) -> tuple[Tensor, ...]:
        """Everything that must be computed: outputs, then new values."""
        return self.outputs + tuple(update.value for update in self.updates)

    def nodes(self) -> list[Node]:
        """The nodes reachable from the roots, operands first, cut at the inputs."""
        return topological_order(self.roots, {tensor.key for tensor in self.inputs})


def build_node(
    op: Op,
    operands: Iterable[Tensor] = (),
    attributes: Mapping[str, Any] | None = None,
    *,
    regions: tuple[Graph, ...] = (),
    writes: tuple[StateWrite, ...] = (),
    location: SourceLocation | None = None,
    name: str | None = None,
    origin: Node | None = None,
) -> Node:
    """Type-check and make one node at the user's current line.

    A derivative has the line and the scope of its origin, a replacement those of what it replaces.
    Regions are handed to the type rule only as `regions=` when there are any.
    """
    model = _replaced.get()
    if origin is None:
        origin = _origin.get() if model is None else model.origin
    model = model or origin
    if location is None:
        location = current_location() if model is None else model.location
    operands = tuple(operands)
    attributes = Attributes(attributes)
    types = tuple(operand.type for operand in operands)
    extra: dict[str, Any] = {"regions": regions} if regions else {}
    result_types = op.infer(*types, **attributes, **extra)
    guards = op.guards(*types, **attributes) if op.guards is not None else ()
    return Node(
        op=op,
        operands=operands,
        attributes=attributes,
        result_types=result_types,
        regions=regions,
        writes=writes,
        guards=guards,
        location=location,
        scope=_scope.get() if model is None else model.scope,
        name=name,
        origin=origin,
        serial=next(_serial),
    )


_origin: ContextVar[Node | None] = ContextVar("origin", default=None)


_replaced: ContextVar[Node | None] = ContextVar("replaced", default=None)


@contextmanager
def replacing(node: Node) -> Iterator[None]:
    """Nodes built inside stand in for `node`: they take its line, scope and origin."""
    token = _replaced.set(node)
    try:
        yield
    finally:
        _replaced.reset(token)


@contextmanager
def gradient_of(origin: Node) -> Iterator[None]:
    """Nodes built inside are derivatives of `origin`."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Nodes built inside belong to the scope `name`, nested in the current one."""
    token = _scope.set((*_scope.get(), name))
    try:
        yield
    finally:
        _scope.reset(token)


def current_scope() -> tuple[str, ...]:
    """The names of the open scopes, outermost first."""
    return _scope.get()


def take_serial() -> int:
    """A build-order number between the nodes built before and the nodes built after."""
    return next(_serial)


def rebuild(node: Node, operands: Iterable[Tensor], **changes: Any) -> Node:
    """`node` with new operands (and fields), the same line, scope, origin and build order."""
    return replace(node, operands=tuple(operands), **changes)


def topological_order(
    roots: Iterable[Tensor], cut: Set[tuple[int, int]] = frozenset(), *, with_writes: bool = False
) -> list[Node]:
    """Nodes reachable from `roots`, operands first; ties in build order of first use.

    Operands whose key is in `cut` are not entered. `with_writes` enters the new values that nodes
    give to variables too. Iterative: deep graphs do not recurse.
    """
    order: list[Node] = []
    opened: set[int] = set()
    done: set[int] = set()
    stack = [root.node for root in roots if root.key not in cut]
    stack.reverse()
    while stack:
        node = stack.pop()
        key = id(node)
        if key in done:
            continue
        operands = node.operands
        if with_writes and node.writes:
            operands += tuple(t for write in node.writes for t in (write.variable, write.value))
        if key in opened or not operands:
            done.add(key)
            order.append(node)
            continue
        opened.add(key)
        stack.append(node)
        for operand in reversed(operands):
            child = operand.node
            if id(child) not in done and not (cut and (id(child), operand.index) in cut):
                stack.append(child)
    return order
