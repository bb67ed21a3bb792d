"""An ordered, lowered and placed schedule becomes a Program."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast

from graphdl.graph.describe import name_of
from graphdl.graph.nodes import Graph, Tensor
from graphdl.kernel.nodes import Kernel
from graphdl.lowering.group_key import GroupKey, Template, as_template, fill_template, group_key
from graphdl.lowering.lower import lower
from graphdl.lowering.lowered import LoweredKernel
from graphdl.ops.effect import check
from graphdl.program.nodes import (
    Check,
    GuardCheck,
    Launch,
    Print,
    Program,
    Slot,
    Statement,
    View,
)
from graphdl.schedule.groups import Group, GroupKind
from graphdl.schedule.order import Order, storage_of
from graphdl.schedule.plan_memory import MemoryPlan
from graphdl.typesystem.expression import Symbol, free_symbols

MAXIMUM_TEMPLATES = 4096
_templates: dict[object, Template] = {}


@dataclass(frozen=True, slots=True, eq=False)
class LoweredSchedule:
    """One LoweredKernel per group that launches a kernel, by the group's position in the order."""

    kernels: dict[int, LoweredKernel]

    @property
    def elsewhere(self) -> frozenset[tuple[int, int]]:
        """Values that could not be written in place."""
        return frozenset().union(*(lowered.elsewhere for lowered in self.kernels.values()))


def lower_schedule(order: Order) -> LoweredSchedule:
    """Lower every group, equal groups once."""
    kernels = {
        position: _lower_once(group, order)
        for position, group in enumerate(order.groups)
        if group.kind is not GroupKind.HOST
    }
    return LoweredSchedule(kernels)


def _lower_once(group: Group, order: Order) -> LoweredKernel:
    key = group_key(group, order.memory_of, order.in_place)
    template = _templates.get(key.key)
    if template is None:
        schedule = order.schedule
        lowered = lower(group, schedule.makers, schedule.cut, order.in_place, storage_of)
        _remember(key, as_template(_numbered(lowered, key), key))
        return lowered
    return fill_template(template, key, group)


def _numbered(lowered: LoweredKernel, key: GroupKey) -> LoweredKernel:
    """Variables may be met as different leaves of one storage: use the numbered one."""
    by_storage = {id(storage_of(tensor)): tensor for tensor in key.tensors if storage_of(tensor)}
    tensors = tuple(by_storage.get(id(storage_of(each)), each) for each in lowered.tensors)
    return replace(lowered, tensors=tensors)


def _remember(key: GroupKey, template: Template) -> None:
    while len(_templates) >= MAXIMUM_TEMPLATES:
        _templates.pop(next(iter(_templates)), None)
    _templates[key.key] = template


def assemble(
    name: str,
    graph: Graph,
    order: Order,
    lowered: LoweredSchedule,
    plan: MemoryPlan,
    guards: Iterable[GuardCheck],
) -> Program:
    """The whole program: slots, guards, kernels, statements."""
    kernels: dict[str, Kernel] = {}
    statements: list[Statement] = list(plan.first)
    for position, group in enumerate(order.groups):
        statements += plan.before.get(position, ())
        if group.kind is GroupKind.HOST:
            statements.append(_host(group, order, plan))
        else:
            statements.append(_launch(group, lowered.kernels[position], plan, kernels))
    statements += plan.last
    inputs = tuple(
        Slot(name_of(tensor.node) or f"input{position}", tensor.type)
        for position, tensor in enumerate(graph.inputs)
    )
    outputs = tuple(
        Slot(f"output{position}", tensor.type) for position, tensor in enumerate(graph.outputs)
    )
    return Program(
        name,
        program_sizes(graph, guards),
        inputs,
        outputs,
        plan.variables,
        plan.constants,
        tuple(guards),
        plan.arena_bytes,
        kernels,
        tuple(statements),
    )


def program_sizes(graph: Graph, guards: Iterable[GuardCheck] = ()) -> tuple[Symbol, ...]:
    """The named sizes that a call must know, in order of first mention by the inputs."""
    shapes = [tensor.shape for tensor in (*graph.inputs, *graph.roots)]
    found: dict[Symbol, None] = {}
    for shape in shapes:
        for size in shape:
            found.update(dict.fromkeys(sorted(free_symbols(size), key=str)))
    for guard in guards:
        for size in (guard.condition.left, guard.condition.right):
            found.update(dict.fromkeys(sorted(free_symbols(size), key=str)))
    return tuple(found)


def _launch(
    group: Group, lowered: LoweredKernel, plan: MemoryPlan, kernels: dict[str, Kernel]
) -> Launch:
    kernel = lowered.kernel
    known = kernels.get(kernel.name)
    if known is not None:
        kernel = replace(known, lines=tuple(dict.fromkeys((*known.lines, *kernel.lines))))
    kernels[kernel.name] = kernel
    views = tuple(plan.views[tensor.key] for tensor in lowered.tensors)
    return Launch(kernel.name, views, lowered.sizes, _label(group), lowered.kernel.lines)


def _label(group: Group) -> str:
    return ", ".join(dict.fromkeys(_word(tensor) for tensor in group.outputs))


def _word(tensor: Tensor) -> str:
    return name_of(tensor.node) or tensor.node.op.name


def _host(group: Group, order: Order, plan: MemoryPlan) -> Statement:
    (node,) = group.nodes
    value = _seen(node.operands[0], order, plan)
    message = cast(str, node.attributes["message"])
    if node.op is check:
        return Check(_seen(node.operands[1], order, plan), value, message, node.location)
    return Print(value, message, node.location)


def _seen(tensor: Tensor, order: Order, plan: MemoryPlan) -> View:
    return plan.view(tensor, order.memory_of(tensor))
