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
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NoReturn, Protocol

from graphdl.errors import UserError
from graphdl.graph.describe import describe, equation
from graphdl.graph.op import Attributes, Guard, Op
from graphdl.source_location import SourceLocation, current_location
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import Size
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
        """An operator with two sides; NotImplemented where the other side is no operand."""

    def unary(self, name: str, operand: Tensor) -> Tensor:
        """An operator with one side."""

    def getitem(self, operand: Tensor, key: object) -> Tensor:
        """operand[key]."""

    def method(self, name: str, operand: Tensor, *args: Any, **kwargs: Any) -> Any:
        """operand.name(...)."""

    def refuse(self, name: str, operand: Tensor) -> NoReturn:
        """Raise UserError for something that only data can do."""

    def numpy_call(self, function: Any, arguments: tuple[Any, ...], is_plain: bool) -> Any:
        """A NumPy function called on a tensor: an operator, or an error."""


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
        """Build a node of `op`; one Tensor for one result, a tuple for several.

        Type errors list the operands with the lines that made them.
        """
        try:
            node = build_node(op, operands, attributes)
        except UserError as error:
            if error.details:
                raise
            lines = [describe(operand) for operand in operands]
            raise type(error)(error.message, details=lines, hint=error.hint) from None
        return node.results[0] if len(node.result_types) == 1 else node.results

    def is_same(self, other: Tensor) -> bool:
        """Whether both are the same result of the same node."""
        return self.node is other.node and self.index == other.index

    @property
    def key(self) -> tuple[int, int]:
        """A dictionary key for this result; equal for equal results of one node."""
        return (id(self.node), self.index)

    # Operators: what each means is in ops/operators.py.

    def __add__(self, other: Any) -> Tensor:
        return self.operators.binary("add", self, other)

    def __radd__(self, other: Any) -> Tensor:
        return self.operators.binary("add", other, self)

    def __sub__(self, other: Any) -> Tensor:
        return self.operators.binary("subtract", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return self.operators.binary("subtract", other, self)

    def __mul__(self, other: Any) -> Tensor:
        return self.operators.binary("multiply", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return self.operators.binary("multiply", other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return self.operators.binary("divide", self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return self.operators.binary("divide", other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return self.operators.binary("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return self.operators.binary("floor_divide", other, self)

    def __mod__(self, other: Any) -> Tensor:
        return self.operators.binary("remainder", self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return self.operators.binary("remainder", other, self)

    def __pow__(self, other: Any) -> Tensor:
        return self.operators.binary("pow", self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return self.operators.binary("pow", other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return self.operators.binary("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return self.operators.binary("matmul", other, self)

    def __and__(self, other: Any) -> Tensor:
        return self.operators.binary("bitwise_and", self, other)

    def __rand__(self, other: Any) -> Tensor:
        return self.operators.binary("bitwise_and", other, self)

    def __or__(self, other: Any) -> Tensor:
        return self.operators.binary("bitwise_or", self, other)

    def __ror__(self, other: Any) -> Tensor:
        return self.operators.binary("bitwise_or", other, self)

    def __xor__(self, other: Any) -> Tensor:
        return self.operators.binary("bitwise_xor", self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return self.operators.binary("bitwise_xor", other, self)

    def __lshift__(self, other: Any) -> Tensor:
        return self.operators.binary("bitwise_left_shift", self, other)

    def __rlshift__(self, other: Any) -> Tensor:
        return self.operators.binary("bitwise_left_shift", other, self)

    def __rshift__(self, other: Any) -> Tensor:
        return self.operators.binary("bitwise_right_shift", self, other)

    def __rrshift__(self, other: Any) -> Tensor:
        return self.operators.binary("bitwise_right_shift", other, self)

    def __lt__(self, other: Any) -> Tensor:
        return self.operators.binary("less", self, other)

    def __le__(self, other: Any) -> Tensor:
        return self.operators.binary("less_equal", self, other)

    def __gt__(self, other: Any) -> Tensor:
        return self.operators.binary("greater", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return self.operators.binary("greater_equal", self, other)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return self.operators.binary("equal", self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return self.operators.binary("not_equal", self, other)

    __hash__ = object.__hash__

    def __neg__(self) -> Tensor:
        return self.operators.unary("negative", self)

    def __pos__(self) -> Tensor:
        return self.operators.unary("positive", self)

    def __abs__(self) -> Tensor:
        return self.operators.unary("abs", self)

    def __invert__(self) -> Tensor:
        return self.operators.unary("bitwise_invert", self)

    def __getitem__(self, key: Any) -> Tensor:
        return self.operators.getitem(self, key)

    # What only data can do, told with what to write instead.

    def __bool__(self) -> bool:
        self.operators.refuse("bool", self)

    def __len__(self) -> int:
        self.operators.refuse("len", self)

    def __iter__(self) -> Iterator[Tensor]:
        self.operators.refuse("iter", self)

    def __float__(self) -> float:
        self.operators.refuse("float", self)

    def __int__(self) -> int:
        self.operators.refuse("int", self)

    def __index__(self) -> int:
        self.operators.refuse("index", self)

    def __complex__(self) -> complex:
        self.operators.refuse("complex", self)

    def __contains__(self, item: object) -> bool:
        self.operators.refuse("contains", self)

    def __setitem__(self, key: object, value: object) -> None:
        self.operators.refuse("setitem", self)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        self.operators.refuse("array", self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.operators.numpy_call(ufunc, inputs, method == "__call__" and not kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.operators.numpy_call(function, tuple(args), False)

    # Methods: the function of the same name.

    def sum(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Tensor:
        """Sums over axes; see gd.sum."""
        result: Tensor = self.operators.method("sum", self, axis=axis, keepdims=keepdims)
        return result

    def prod(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Tensor:
        """Products over axes; see gd.prod."""
        result: Tensor = self.operators.method("prod", self, axis=axis, keepdims=keepdims)
        return result

    def mean(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Tensor:
        """Means over axes; see gd.mean."""
        result: Tensor = self.operators.method("mean", self, axis=axis, keepdims=keepdims)
        return result

    def var(
        self,
        axis: int | tuple[int, ...] | None = None,
        *,
        keepdims: bool = False,
        correction: float = 0,
    ) -> Tensor:
        """Variances over axes; see gd.var."""
        result: Tensor = self.operators.method(
            "var", self, axis=axis, keepdims=keepdims, correction=correction
        )
        return result

    def std(
        self,
        axis: int | tuple[int, ...] | None = None,
        *,
        keepdims: bool = False,
        correction: float = 0,
    ) -> Tensor:
        """Standard deviations over axes; see gd.std."""
        result: Tensor = self.operators.method(
            "std", self, axis=axis, keepdims=keepdims, correction=correction
        )
        return result

    def max(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Tensor:
        """Largest elements over axes; see gd.max."""
        result: Tensor = self.operators.method("max", self, axis=axis, keepdims=keepdims)
        return result

    def min(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Tensor:
        """Smallest elements over axes; see gd.min."""
        result: Tensor = self.operators.method("min", self, axis=axis, keepdims=keepdims)
        return result

    def any(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Tensor:
        """Whether any element over axes is not zero; see gd.any."""
        result: Tensor = self.operators.method("any", self, axis=axis, keepdims=keepdims)
        return result

    def all(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Tensor:
        """Whether all elements over axes are not zero; see gd.all."""
        result: Tensor = self.operators.method("all", self, axis=axis, keepdims=keepdims)
        return result

    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
        """Indices of the largest elements along an axis; see gd.argmax."""
        result: Tensor = self.operators.method("argmax", self, axis=axis, keepdims=keepdims)
        return result

    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
        """Indices of the smallest elements along an axis; see gd.argmin."""
        result: Tensor = self.operators.method("argmin", self, axis=axis, keepdims=keepdims)
        return result

    def reshape(self, *shape: Any) -> Tensor:
        """The elements under other sizes: `x.reshape(2, -1)`; see gd.reshape."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        result: Tensor = self.operators.method("reshape", self, sizes)
        return result

    def astype(self, dtype: Any) -> Tensor:
        """The elements as another dtype; see gd.astype."""
        result: Tensor = self.operators.method("astype", self, dtype)
        return result

    def squeeze(self, axis: int | tuple[int, ...] | None = None) -> Tensor:
        """Without axes of size 1; see gd.squeeze."""
        result: Tensor = self.operators.method("squeeze", self, axis)
        return result

    def transpose(self, *axes: Any) -> Tensor:
        """Axes in another order, reversed when none are given; see gd.permute_dims."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], tuple | list) else axes
        order = order or tuple(range(self.ndim))[::-1]
        result: Tensor = self.operators.method("permute_dims", self, order)
        return result

    def flatten(self) -> Tensor:
        """All elements on one axis."""
        result: Tensor = self.operators.method("reshape", self, (-1,))
        return result

    @property
    def T(self) -> Tensor:
        """The transposed matrix."""
        result: Tensor = self.operators.method("T", self)
        return result

    @property
    def mT(self) -> Tensor:
        """Each matrix of the batch transposed."""
        result: Tensor = self.operators.method("matrix_transpose", self)
        return result

    @property
    def size(self) -> Size:
        """The number of elements: an int or an expression of named sizes."""
        return self.type.element_count

    def named(self, name: str) -> Tensor:
        """The same value with a label for pictures, errors and look-up."""
        result: Tensor = self.operators.method("named", self, name)
        return result

    def eval(self, feed: Any = None) -> Any:
        """The value as an array, by the interpreter: `loss.eval({x: array})`."""
        return self.operators.method("eval", self, feed)


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
    _order: list[Node] = field(default_factory=list, init=False, repr=False)

    @property
    def roots(self) -> tuple[Tensor, ...]:
        """Everything that must be computed: outputs, then new values."""
        return self.outputs + tuple(update.value for update in self.updates)

    def nodes(self) -> list[Node]:
        """The nodes reachable from the roots, operands first, cut at the inputs."""
        if not self._order:
            cut = {tensor.key for tensor in self.inputs}
            self._order.extend(topological_order(self.roots, cut))
        return self._order.copy()


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
