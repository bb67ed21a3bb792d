"""Where every stored tensor lives: one arena from liveness, outputs and variables written in place.

Offsets are expressions over the named sizes, so that the arena's size is known before the first
call. A slot is reused when its tenants' sizes can be compared for all sizes; it is as large as the
largest. (First fit over lifetimes, as register allocation by linear scan: Poletto, Sarkar 1999.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from graphdl.graph.nodes import Node, Tensor
from graphdl.program.nodes import Copy, Slot, Statement, Storage, Swap, View
from graphdl.schedule.groups import Group, GroupKind
from graphdl.schedule.order import CopyReason, Key, Order, storage_of, weigh
from graphdl.typesystem.dtype import uint8
from graphdl.typesystem.expression import FloorDivide, Size, Sum
from graphdl.typesystem.tensor_type import TensorType

ALIGNMENT = 64


@dataclass(frozen=True, slots=True, eq=False)
class MemoryPlan:
    """`views`: key of each stored tensor and leaf -> its place. `before[i]` are copies that group i
    needs first; `first` and `last` run before and after all groups."""

    views: Mapping[Key, View]
    first: tuple[Statement, ...]
    before: Mapping[int, tuple[Statement, ...]]
    last: tuple[Statement, ...]
    arena_bytes: Size
    variables: tuple[Slot, ...]
    constants: tuple[Slot, ...]
    lifetimes: Mapping[Key, tuple[int, int]]

    def view(self, tensor: Tensor, stored: Tensor) -> View:
        """The place of `stored`, seen as `tensor`."""
        return replace(self.views[stored.key], type=tensor.type)


@dataclass(slots=True)
class _Slot:
    size: Size
    tenants: list[Key] = field(default_factory=list)


def plan_memory(
    order: Order, elsewhere: Collection[Key] = (), workspaces: Mapping[int, Size] | None = None
) -> MemoryPlan:
    """Place everything. `elsewhere`: values that lowering could not write in place after all;
    `workspaces`: bytes that some groups need while they run, by position."""
    return _Planner(order, frozenset(elsewhere), workspaces or {}).plan()


def workspace_key(node: Node) -> Key:
    """The key of the memory that a loop's body works in."""
    return (id(node), -1)


class _Planner:
    def __init__(
        self, order: Order, elsewhere: frozenset[Key], workspaces: Mapping[int, Size]
    ) -> None:
        self.order = order
        self.workspaces = workspaces
        self.graph = order.schedule.graph
        self.makers = order.schedule.makers
        self.in_place = {
            key: tensor for key, tensor in order.in_place.items() if key not in elsewhere
        }
        self.copied = list(order.copied)
        for update in self.graph.updates:
            if order.memory_of(update.value).key in elsewhere:
                self.copied.append((update, CopyReason.ELSEWHERE))
        self.views: dict[Key, View] = {}
        self.variables: dict[int, tuple[int, Slot]] = {}
        self.constants: list[Slot] = []
        self.before: dict[int, tuple[Statement, ...]] = {}
        self.alias: dict[Key, Key] = {}
        self.slots: list[_Slot] = []
        self.ends: dict[Key, int] = {}
        self.starts: dict[Key, int] = {}

    def plan(self) -> MemoryPlan:
        """Leaves, then lifetimes, then fixed places, then the arena, then the copies."""
        self._place_leaves()
        self._find_lifetimes()
        self._place_outputs()
        self._merge_scatters()
        self._fill_arena()
        arena = self._lay_out()
        for key, target in self.alias.items():
            self.views[key] = replace(self._resolve(target), type=self.views[key].type)
        self._copy_scatter_operands()
        first, last = self._moves()
        lifetimes = {key: (start, self.ends.get(key, start)) for key, start in self.starts.items()}
        slots = tuple(slot for _, slot in self.variables.values())
        return MemoryPlan(
            self.views, first, self.before, last, arena, slots, tuple(self.constants), lifetimes
        )

    def _resolve(self, key: Key) -> View:
        while key in self.alias:
            key = self.alias[key]
        return self.views[key]

    # Leaves ---------------------------------------------------------------------------------------

    def _place_leaves(self) -> None:
        for position, tensor in enumerate(self.graph.inputs):
            self.views[tensor.key] = View(Storage.INPUT, position, 0, tensor.type)
        for update in self.graph.updates:
            self._leaf(update.variable)
        for group in self.order.groups:
            for tensor in group.inputs:
                self._leaf(self.order.memory_of(tensor))
        for root in self.graph.roots:
            self._leaf(self.order.memory_of(root))

    def _leaf(self, tensor: Tensor) -> None:
        if tensor.key in self.views or tensor.key in self.makers:
            return
        storage = storage_of(tensor)
        if storage is not None:
            self.views[tensor.key] = self._variable(tensor)
        elif tensor.node.op.name == "constant":
            value = tensor.node.attributes["value"]
            name = f"constant{len(self.constants)}"
            view = View(Storage.CONSTANT, len(self.constants), 0, tensor.type)
            self.constants.append(Slot(name, tensor.type, value.array))
            self.views[tensor.key] = view

    def _variable(self, tensor: Tensor) -> View:
        storage = storage_of(tensor)
        name = tensor.node.attributes["name"]
        slot = Slot(name, tensor.type, storage)
        position, _ = self.variables.setdefault(id(storage), (len(self.variables), slot))
        return View(Storage.VARIABLE, position, 0, tensor.type)

    # Lifetimes ------------------------------------------------------------------------------------

    def _find_lifetimes(self) -> None:
        for position, group in enumerate(self.order.groups):
            for output in group.outputs:
                self.starts[output.key] = position
            for tensor in group.inputs:
                self.ends[self.order.memory_of(tensor).key] = position
        end = len(self.order.groups)
        for root in self.graph.roots:
            self.ends[self.order.memory_of(root).key] = end

    def _place_outputs(self) -> None:
        """New values go straight into their variable, results into the caller's array."""
        for group in self.order.groups:
            for output in group.outputs:
                variable = self.in_place.get(output.key)
                if variable is not None:
                    view = self.views[variable.key]
                    self.views[output.key] = replace(view, type=output.type)
        for position, tensor in enumerate(self.graph.outputs):
            base = self.order.memory_of(tensor)
            if base.key in self.makers and base.key not in self.views:
                self.views[base.key] = View(Storage.OUTPUT, position, 0, base.type)

    # Scatters -------------------------------------------------------------------------------------

    def _merge_scatters(self) -> None:
        """A scatter updates its operand's memory when nobody else needs the operand."""
        for position, group in enumerate(self.order.groups):
            if group.kind is not GroupKind.SCATTER:
                continue
            operand = self.order.memory_of(group.anchors[0].operands[0])
            (output,) = group.outputs
            is_last = self.ends[operand.key] == position and self._reads(group, operand) == 1
            if operand.key in self.views or operand.key not in self.makers or not is_last:
                continue
            if output.key in self.in_place:
                continue
            self.views[operand.key] = View(Storage.ARENA, 0, 0, operand.type)
            self.alias[operand.key] = output.key

    def _reads(self, group: Group, base: Tensor) -> int:
        operands = [operand for node in group.nodes for operand in node.operands]
        return sum(self.order.memory_of(operand).is_same(base) for operand in operands)

    def _copy_scatter_operands(self) -> None:
        for position, group in enumerate(self.order.groups):
            if group.kind is not GroupKind.SCATTER:
                continue
            operand = group.anchors[0].operands[0]
            base = self.order.memory_of(operand)
            (output,) = group.outputs
            source = replace(self.views[base.key], type=output.type)
            if source != self.views[output.key]:
                copy = Copy(source, self.views[output.key], CopyReason.SCATTER.value)
                self.before[position] = (copy,)

    # Arena ----------------------------------------------------------------------------------------

    def _fill_arena(self) -> None:
        free: list[_Slot] = []
        leaving: dict[int, list[tuple[Key, _Slot]]] = {}
        early = self._early_tenants()
        for position, group in enumerate(self.order.groups):
            wanted = [*early.get(position, ()), *_types(group), *self._workspace(position, group)]
            for key, type_ in wanted:
                if key in self.views or any(key in slot.tenants for slot in self.slots):
                    continue
                slot = self._take(free, type_.byte_count)
                slot.tenants.append(key)
                self.views[key] = View(Storage.ARENA, 0, 0, type_)
                end = self.ends.get(key, position)
                leaving.setdefault(max(end, position), []).append((key, slot))
            free.extend(slot for _, slot in leaving.get(position, ()))

    def _workspace(self, position: int, group: Group) -> list[tuple[Key, TensorType]]:
        """The memory that a loop's body works in."""
        if position not in self.workspaces:
            return []
        type_ = TensorType(uint8, (self.workspaces[position],))
        return [(workspace_key(group.nodes[0]), type_)]

    def _early_tenants(self) -> dict[int, list[tuple[Key, TensorType]]]:
        """A scatter's result needs its place when the operand is made."""
        early: dict[int, list[tuple[Key, TensorType]]] = {}
        for operand in self.alias:
            key = operand
            while key in self.alias:
                key = self.alias[key]
            if key not in self.views:
                type_ = replace(self.views[operand].type)
                early.setdefault(self.starts[operand], []).append((key, type_))
        return early

    def _take(self, free: list[_Slot], size: Size) -> _Slot:
        """The free slot that fits best, grown if need be; a new one when none can be compared."""
        fitting = [slot for slot in free if is_at_least(slot.size, size)]
        growing = [slot for slot in free if is_at_least(size, slot.size)]
        if fitting:
            chosen = min(fitting, key=lambda slot: weigh(slot.size))
        elif growing:
            chosen = max(growing, key=lambda slot: weigh(slot.size))
            chosen.size = size
        else:
            chosen = _Slot(size)
            self.slots.append(chosen)
            return chosen
        free.remove(chosen)
        return chosen

    def _lay_out(self) -> Size:
        """Offsets: known sizes first, then multiples of named sizes, then the rest."""
        offset: Size = 0
        for slot in sorted(self.slots, key=lambda slot: _awkwardness(slot.size)):
            for key in slot.tenants:
                self.views[key] = replace(self.views[key], offset=offset)
            offset = offset + round_up(slot.size)
        return offset

    # Copies ---------------------------------------------------------------------------------------

    def _moves(self) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
        first: list[Statement] = []
        last: list[Statement] = []
        for position, tensor in enumerate(self.graph.outputs):
            base = self.order.memory_of(tensor)
            target = View(Storage.OUTPUT, position, 0, tensor.type)
            source = replace(self.views[base.key], type=tensor.type)
            if source == target:
                continue
            is_old = storage_of(base) is not None
            reason = CopyReason.SHARED if base.key in self.makers else CopyReason.INPUT
            (first if is_old else last).append(Copy(source, target, reason.value))
        return tuple(first), (*last, *self._variable_moves())

    def _variable_moves(self) -> list[Statement]:
        """All copied updates as one parallel assignment: a variable's readers before its writer."""
        moves: dict[Place, Copy] = {}
        for update, reason in self.copied:
            base = self.order.memory_of(update.value)
            target = self.views[update.variable.key]
            source = replace(self.views[base.key], type=target.type)
            if source != target:
                moves[_place(target)] = Copy(source, target, reason.value)
        result: list[Statement] = []
        while moves:
            sources = {_place(copy.source) for copy in moves.values()}
            target_place = next((each for each in moves if each not in sources), None)
            if target_place is None:
                result.extend(_rotate(moves))
            else:
                result.append(moves.pop(target_place))
        return result


Place = tuple[Storage, int, Size]


def _place(view: View) -> Place:
    return view.storage, view.position, view.offset


def _rotate(moves: dict[Place, Copy]) -> list[Statement]:
    """One cycle of variables, by swaps; its moves are taken out."""
    start = next(iter(moves))
    result: list[Statement] = []
    place = start
    while True:
        copy = moves.pop(place)
        place = _place(copy.source)
        if place == start:
            return result
        result.append(Swap(copy.target, copy.source))


def _types(group: Group) -> list[tuple[Key, TensorType]]:
    return [(output.key, output.type) for output in group.outputs]


def is_at_least(left: Size, right: Size) -> bool:
    """Whether left >= right for all sizes, as far as a look at the terms shows."""
    difference = left - right
    if isinstance(difference, int):
        return difference >= 0
    if isinstance(difference, Sum):
        return difference.constant >= 0 and all(factor > 0 for factor, _ in difference.terms)
    return True


def round_up(size: Size) -> Size:
    """The next multiple of ALIGNMENT."""
    return (size + (ALIGNMENT - 1)) // ALIGNMENT * ALIGNMENT


def _awkwardness(size: Size) -> tuple[int, int]:
    if isinstance(size, int):
        return (0, 0)
    rounded = round_up(size)
    terms = rounded.terms if isinstance(rounded, Sum) else ()
    has_division = any(isinstance(atom, FloorDivide) for _, atoms in terms for atom in atoms)
    return (2 if has_division else 1, 0)
