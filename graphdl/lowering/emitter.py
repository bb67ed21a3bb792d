"""Index propagation: the value of any tensor of a group at any index, as loop IR.

A value is made in the outermost scope that binds the symbols of its index, so that what belongs to
a row is computed once per row; it is bound by Let when several readers share it, or when it leaves
the scope that asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from graphdl.graph.nodes import Node, Tensor
from graphdl.kernel.nodes import (
    Access,
    Buffer,
    Constant,
    IndexValue,
    Let,
    Load,
    Statement,
    Store,
    Value,
    Variable,
)
from graphdl.ops.indexing import gather, gather_elements
from graphdl.ops.movement import concatenate, pad, reshape
from graphdl.schedule.accesses import operand_accesses
from graphdl.schedule.collect import is_literal, memory_of
from graphdl.schedule.groups import Group
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import Comparison, Size, Symbol, free_symbols
from graphdl.typesystem.tensor_type import Shape

Index = tuple[Size, ...]
Mask = tuple[Comparison, ...]
Key = tuple[int, int]
LONGEST_CHAIN = 24
"""Expressions are nested about as deep as this, and then bound by Let."""

SELECTIVE = frozenset({pad, concatenate, gather, gather_elements})
"""Ops whose operands are read under conditions or at indices of their own."""

ValueRule = Callable[["Emitter", Node, Index, Mask], Value]
"""(emitter, node, result index, mask) -> the value of that element. Loads carry the mask."""


@dataclass(slots=True)
class Scope:
    """One body under construction, and the values already bound in it."""

    statements: list[Statement] = field(default_factory=list)
    values: dict[tuple[Key, Index, Mask], Value] = field(default_factory=dict)


@dataclass(slots=True)
class Touch:
    """A load or store of an argument buffer, and the scope it happened in."""

    buffer: str
    index: Index
    scope: Scope


class Emitter:
    """The state of lowering one group."""

    def __init__(
        self,
        group: Group,
        rules: Callable[[Node], ValueRule],
        makers: Mapping[Key, int],
        cut: Collection[Key],
    ) -> None:
        self.group = group
        self.rules = rules
        self.makers = makers
        self.cut = cut
        self.own = {id(node) for node in group.nodes}
        self.places = {
            output.key: place for output, place in zip(group.outputs, group.places, strict=True)
        }
        self.scopes = [Scope()]
        self.depths: dict[Symbol, int] = {}
        self.buffers: dict[tuple[Key, Shape], Buffer] = {}
        self.tensors: dict[str, Tensor] = {}
        self.loads: list[Touch] = []
        self.stores: list[Touch] = []
        self.staged: dict[Key, str] = {}
        self.uses = self._count_uses()
        self.chains = self._measure_chains()
        self.is_preparing = False
        self.counter = 0

    def _count_uses(self) -> dict[Key, int]:
        uses: dict[Key, int] = {}
        for node in self.group.nodes:
            for operand in node.operands:
                uses[operand.key] = uses.get(operand.key, 0) + 1
        for output in self.group.outputs:
            uses[output.key] = uses.get(output.key, 0) + 1
        return uses

    def _measure_chains(self) -> dict[int, int]:
        """node id -> how many nodes of the group are nested in its expression."""
        chains: dict[int, int] = {}
        for node in self.group.nodes:
            below = (chains.get(id(operand.node), 0) for operand in node.operands)
            chains[id(node)] = 1 + max(below, default=0)
        return chains

    # Names and scopes -----------------------------------------------------------------------------

    def name(self, stem: str = "v") -> str:
        """A name that nothing else in the kernel has."""
        self.counter += 1
        return f"{stem}{self.counter}"

    @property
    def scope(self) -> Scope:
        """The innermost scope."""
        return self.scopes[-1]

    @contextmanager
    def inner_scope(self, symbols: Collection[Symbol]) -> Iterator[Scope]:
        """A nested body that binds `symbols`."""
        self.scopes.append(Scope())
        for symbol in symbols:
            self.depths[symbol] = len(self.scopes) - 1
        try:
            yield self.scope
        finally:
            self.scopes.pop()

    def bind_symbols(self, symbols: Collection[Symbol]) -> None:
        """`symbols` belong to the innermost scope."""
        for symbol in symbols:
            self.depths[symbol] = len(self.scopes) - 1

    def depth(self, index: Index, mask: Mask = ()) -> int:
        """The outermost scope in which an index and a mask have a meaning."""
        parts = [*index, *(side for each in mask for side in (each.left, each.right))]
        found = 0
        for part in parts:
            if isinstance(part, int):
                continue
            for symbol in (part,) if isinstance(part, Symbol) else free_symbols(part):
                found = max(found, self.depths.get(symbol, 0))
        return found

    def let(self, value: Value, stem: str = "v") -> Value:
        """Bind a value in the innermost scope, unless it is as short as a name."""
        if isinstance(value, Constant | Variable | IndexValue):
            return value
        name = self.name(stem)
        self.scope.statements.append(Let(name, value))
        return Variable(name, value.dtype)

    def let_index(self, value: Value) -> Symbol:
        """Bind an int64 value as a symbol for later indices."""
        name = self.name("g")
        self.scope.statements.append(Let(name, value))
        self.depths[Symbol(name)] = len(self.scopes) - 1
        return Symbol(name)

    # Values ---------------------------------------------------------------------------------------

    def value(self, tensor: Tensor, index: Index, mask: Mask = ()) -> Value:
        """The value of `tensor` at `index`; zero may stand where the mask fails."""
        if is_literal(tensor):
            return literal_value(tensor)
        depth = self.depth(index, mask)
        place = (tensor.key, index, mask)
        found = self.scopes[depth].values.get(place)
        if found is None and mask:
            found = self.scopes[self.depth(index)].values.get((tensor.key, index, ()))
        if found is not None:
            return found
        chain = self.chains.get(id(tensor.node), 0)
        if chain > LONGEST_CHAIN and not self.is_preparing:
            self._prepare(tensor, index, mask)
        is_leaving = depth < len(self.scopes) - 1
        hidden, self.scopes = self.scopes, self.scopes[: depth + 1]
        value = self._make(tensor, index, mask)
        is_shared = self.uses.get(tensor.key, 0) > 1
        if is_leaving or is_shared or (chain and chain % LONGEST_CHAIN == 0):
            value = self.let(value)
        self.scope.values[place] = value
        self.scopes = hidden
        return value

    def know(self, tensor: Tensor, index: Index, value: Value) -> None:
        """From now on, in the innermost scope, this is the tensor's value at this index."""
        self.scope.values[(tensor.key, index, ())] = value

    def _prepare(self, tensor: Tensor, index: Index, mask: Mask) -> None:
        """Bind every LONGEST_CHAIN-th value below, the deepest first: nothing recurses far."""
        pending = [(tensor, index)]
        places: dict[tuple[Key, Index], tuple[int, Tensor, Index]] = {}
        while pending:
            current, place = pending.pop()
            chain = self.chains.get(id(current.node), 0)
            if chain == 0 or (current.key, place) in places or current.node.op in SELECTIVE:
                continue
            places[(current.key, place)] = (chain, current, place)
            pending.extend(operand_accesses(current.node, place))
        self.is_preparing = True
        for chain, current, place in sorted(places.values(), key=lambda entry: entry[0]):
            if chain % LONGEST_CHAIN == 0:
                self.value(current, place, mask)
        self.is_preparing = False

    def _make(self, tensor: Tensor, index: Index, mask: Mask) -> Value:
        if id(tensor.node) not in self.own or tensor.key in self.cut:
            return self.load(tensor, index, mask)
        staged = self.staged.get(tensor.key)
        if staged is not None and not mask:
            return self._load_staged(staged, tensor, index)
        if tensor.node.op is reshape and self._is_memory(tensor):
            return self.load(tensor, index, mask)
        return self.rules(tensor.node)(self, tensor.node, index, mask)

    def _load_staged(self, staged: str, tensor: Tensor, index: Index) -> Value:
        domain = self.group.domain
        inner = tuple(index[axis] for axis in _swept_positions(self.group, tensor.shape))
        assert len(inner) == len(domain.swept)
        return Load(staged, inner, tensor.dtype)

    def _is_memory(self, tensor: Tensor) -> bool:
        """Whether a reshape is only another view of something in memory."""
        base = memory_of(tensor, self.cut, self.makers)[0]
        return id(base.node) not in self.own

    def load(self, tensor: Tensor, index: Index, mask: Mask = ()) -> Value:
        """One element of a tensor in memory, seen with this tensor's shape."""
        base = memory_of(tensor, self.cut, self.makers)[0]
        if is_literal(base):
            return literal_value(base)
        buffer = self.buffer(base, tensor.shape, Access.READ)
        place = without_ones(tensor.shape, index)
        self.loads.append(Touch(buffer.name, place, self.scope))
        return Load(buffer.name, place, tensor.dtype, mask)

    def buffer(self, tensor: Tensor, shape: Shape, access: Access) -> Buffer:
        """The argument buffer of a stored tensor or leaf, seen with `shape` without sizes of 1."""
        shape = without_ones(shape, shape)
        key = (tensor.key, shape)
        found = self.buffers.get(key)
        if found is None:
            name = f"b{len(self.buffers)}"
            found = Buffer(name, tensor.dtype, shape, access=access)
            self.buffers[key] = found
            self.tensors[name] = tensor
        return found

    def store(
        self,
        tensor: Tensor,
        index: Index,
        value: Value,
        mask: Mask = (),
        shape: Shape | None = None,
    ) -> None:
        """Write one element of an output in the innermost scope."""
        shape = tensor.shape if shape is None else shape
        buffer = self.buffer(tensor, shape, Access.WRITE)
        place = without_ones(shape, index)
        self.stores.append(Touch(buffer.name, place, self.scope))
        self.scope.statements.append(Store(buffer.name, place, value, mask))

    def store_all(self, outputs: list[tuple[Tensor, Index]]) -> None:
        """Compute every output, then write: several may need a variable's old value."""
        values = [self.value(tensor, index) for tensor, index in outputs]
        if len(values) > 1:
            values = [self.let(value) for value in values]
        for (tensor, index), value in zip(outputs, values, strict=True):
            self.store(tensor, index, value)


def _swept_positions(group: Group, shape: Shape) -> list[int]:
    """The axes of a full-shaped tensor that the group sweeps over."""
    index = group.domain.index_of(shape)
    swept = [group.domain.index[axis] for axis in group.domain.swept]
    assert index is not None
    return [index.index(part) for part in swept if part != 0]


def without_ones(shape: Shape, index: Index) -> Index:
    """The part of an index that lies on axes of more than one element."""
    return tuple(part for size, part in zip(shape, index, strict=True) if size != 1)


def literal_value(tensor: Tensor) -> Constant:
    """The number in a constant of one element."""
    number = tensor.node.attributes["value"].array.reshape(()).item()
    return Constant(plain(number, tensor.dtype), tensor.dtype)


def plain(number: object, dtype: DType) -> bool | int | float:
    """A Python number of the dtype's family."""
    if dtype.is_bool:
        return bool(number)
    return float(number) if dtype.is_floating else int(number)  # type: ignore[call-overload,arg-type]
