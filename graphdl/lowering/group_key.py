"""Equal groups, found before lowering: 48 equal layers are lowered once.

Two groups are equal when they apply the same ops with the same attributes to operands of the same
types in the same pattern. Tensors are numbered in the order in which the group meets them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace

from graphdl.graph.nodes import Node, Tensor
from graphdl.kernel.nodes import Kernel
from graphdl.lowering.lowered import LoweredKernel
from graphdl.schedule.collect import is_literal
from graphdl.schedule.groups import Group
from graphdl.typesystem.expression import Size

Key = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class GroupKey:
    """`key` is equal for equal groups; `tensors` are the tensors in memory, by number."""

    key: Hashable
    tensors: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A lowered kernel whose tensors are the numbers of a GroupKey."""

    kernel: Kernel
    numbers: tuple[int, ...]
    sizes: tuple[Size, ...]
    elsewhere: tuple[int, ...]


def group_key(
    group: Group, memory_of: Callable[[Tensor], Tensor], in_place: Mapping[Key, Tensor]
) -> GroupKey:
    """The structure of a group, and the tensors that fill it."""
    numbering = _Numbering(memory_of)
    local = {id(node): number for number, node in enumerate(group.nodes)}
    nodes = tuple(_node_key(node, local, numbering) for node in group.nodes)
    outputs = tuple((local[id(tensor.node)], numbering.memory(tensor)) for tensor in group.outputs)
    updated = tuple(
        numbering.memory(in_place[tensor.key]) if tensor.key in in_place else -1
        for tensor in group.outputs
    )
    key = (group.kind, group.domain, nodes, outputs, group.places, updated)
    return GroupKey(key, tuple(numbering.tensors))


class _Numbering:
    def __init__(self, memory_of: Callable[[Tensor], Tensor]) -> None:
        self.memory_of = memory_of
        self.numbers: dict[object, int] = {}
        self.tensors: list[Tensor] = []

    def memory(self, tensor: Tensor) -> int:
        base = self.memory_of(tensor)
        name: object = base.key
        if base.node.op.name == "variable":
            name = id(base.node.attributes["storage"])
        number = self.numbers.setdefault(name, len(self.tensors))
        if number == len(self.tensors):
            self.tensors.append(base)
        return number


def _node_key(node: Node, local: Mapping[int, int], numbering: _Numbering) -> Hashable:
    operands: list[Hashable] = []
    for operand in node.operands:
        number = local.get(id(operand.node))
        if number is not None:
            operands.append(number)
        elif is_literal(operand):
            operands.append(operand.node.attributes["value"])
        else:
            operands.append((numbering.memory(operand), operand.type))
    return node.op.name, node.attributes, node.result_types, tuple(operands)


def as_template(lowered: LoweredKernel, key: GroupKey) -> Template:
    """A lowered group with numbers in place of tensors."""
    numbers = {tensor.key: number for number, tensor in enumerate(key.tensors)}
    return Template(
        lowered.kernel,
        tuple(numbers[tensor.key] for tensor in lowered.tensors),
        lowered.sizes,
        tuple(numbers[each] for each in sorted(lowered.elsewhere)),
    )


def fill_template(template: Template, key: GroupKey, group: Group) -> LoweredKernel:
    """The same kernel for an equal group: other tensors, other lines."""
    lines = tuple(dict.fromkeys(n.location for n in group.nodes if n.location is not None))
    return LoweredKernel(
        replace(template.kernel, lines=lines),
        tuple(key.tensors[number] for number in template.numbers),
        template.sizes,
        frozenset(key.tensors[number].key for number in template.elsewhere),
    )
