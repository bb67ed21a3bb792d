"""An ordered, lowered and placed schedule becomes a Program."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast

from graphdl.graph.describe import name_of
from graphdl.graph.nodes import Graph, Tensor
from graphdl.kernel.nodes import Kernel
from graphdl.lowering.bodies import BodyViews, body_graphs, place_body, slice_at, step_symbol
from graphdl.lowering.group_key import GroupKey, Template, as_template, fill_template, group_key
from graphdl.lowering.lower import lower
from graphdl.lowering.lowered import LoweredKernel
from graphdl.ops.effect import check
from graphdl.program.nodes import (
    Branch,
    Check,
    Copy,
    GuardCheck,
    Launch,
    Loop,
    Print,
    Program,
    Slot,
    Statement,
    View,
)
from graphdl.schedule.fuse import fuse
from graphdl.schedule.groups import Group, GroupKind
from graphdl.schedule.order import CopyReason, Order, storage_of
from graphdl.schedule.order import order as order_groups
from graphdl.schedule.plan_memory import MemoryPlan, plan_memory, workspace_key
from graphdl.typesystem.expression import Size, Symbol, free_symbols, maximum

Bodies = list[tuple[Statement, ...]]

MAXIMUM_TEMPLATES = 4096
_templates: dict[object, Template] = {}


@dataclass(frozen=True, slots=True, eq=False)
class LoweredSchedule:
    """One LoweredKernel per group that launches a kernel, by the group's position in the order."""

    kernels: dict[int, LoweredKernel]
    bodies: dict[int, tuple[LoweredBody, ...]]

    @property
    def workspaces(self) -> dict[int, Size]:
        """Bytes that a group needs while it runs, by the group's position in the order."""
        return {
            position: maximum(*(body.plan.arena_bytes for body in bodies))
            for position, bodies in self.bodies.items()
        }

    @property
    def elsewhere(self) -> frozenset[tuple[int, int]]:
        """Values that could not be written in place."""
        return frozenset().union(*(lowered.elsewhere for lowered in self.kernels.values()))


@dataclass(frozen=True, slots=True, eq=False)
class LoweredBody:
    """One step of a loop or one branch, ordered, lowered and placed in an arena of its own."""

    order: Order
    lowered: LoweredSchedule
    plan: MemoryPlan


def lower_schedule(order: Order) -> LoweredSchedule:
    """Lower every group, equal groups once, and the bodies of loops."""
    kernels: dict[int, LoweredKernel] = {}
    bodies: dict[int, tuple[LoweredBody, ...]] = {}
    for position, group in enumerate(order.groups):
        if group.kind.has_bodies:
            bodies[position] = tuple(map(_lower_body, body_graphs(group.nodes[0])))
        elif group.kind.is_kernel:
            kernels[position] = _lower_once(group, order)
    return LoweredSchedule(kernels, bodies)


def _lower_body(body: Graph) -> LoweredBody:
    ordered = order_groups(fuse(body))
    lowered = lower_schedule(ordered)
    return LoweredBody(
        ordered, lowered, plan_memory(ordered, lowered.elsewhere, lowered.workspaces)
    )


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
    constants: list[Slot] = []
    statements = _statements(order, lowered, plan, kernels, constants)
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
        tuple(constants),
        tuple(guards),
        plan.arena_bytes,
        kernels,
        statements,
    )


def _statements(
    order: Order,
    lowered: LoweredSchedule,
    plan: MemoryPlan,
    kernels: dict[str, Kernel],
    constants: list[Slot],
    depth: int = 0,
) -> tuple[Statement, ...]:
    """What runs, inside `depth` loops; kernels and constants are added to those known."""
    constants += plan.constants
    statements: list[Statement] = list(plan.first)
    for position, group in enumerate(order.groups):
        statements += plan.before.get(position, ())
        if group.kind is GroupKind.HOST:
            statements.append(_host(group, order, plan))
        elif group.kind.has_bodies:
            bodies = []
            for body in lowered.bodies[position]:
                views = _body_views(group, order, plan, depth, len(constants))
                inner: list[Slot] = []
                steps = _statements(body.order, body.lowered, body.plan, kernels, inner, depth + 1)
                constants += inner
                bodies.append(place_body(steps, body.plan, views))
            make = _loop if group.kind is GroupKind.LOOP else _branch
            statements += make(group, order, plan, bodies, depth)
        else:
            statements.append(_launch(group, lowered.kernels[position], plan, kernels))
    return (*statements, *plan.last)


def _body_views(
    group: Group, order: Order, plan: MemoryPlan, depth: int, first_constant: int
) -> BodyViews:
    (node,) = group.nodes
    if group.kind is GroupKind.BRANCH:
        return BodyViews(
            (),
            tuple(_seen(operand, order, plan) for operand in node.operands[1:]),
            tuple(plan.views[result.key] for result in node.results),
            plan.views[workspace_key(node)],
            first_constant,
        )
    attributes = node.attributes
    count, sequences = attributes["carries"], attributes["sequences"]
    step: Size = step_symbol(depth)
    if attributes["reverse"]:
        step = attributes["length"] - 1 - step
    inputs = [_seen(operand, order, plan) for operand in node.operands[count:]]
    outputs = [plan.views[result.key] for result in node.results]
    return BodyViews(
        tuple(outputs[:count]),
        (*(slice_at(view, step) for view in inputs[:sequences]), *inputs[sequences:]),
        tuple(slice_at(view, step) for view in outputs[count:]),
        plan.views[workspace_key(node)],
        first_constant,
    )


def _branch(
    group: Group, order: Order, plan: MemoryPlan, bodies: Bodies, depth: int
) -> list[Statement]:
    (node,) = group.nodes
    return [Branch(_seen(node.operands[0], order, plan), tuple(bodies))]


def _loop(
    group: Group, order: Order, plan: MemoryPlan, bodies: Bodies, depth: int
) -> list[Statement]:
    """The first values of the carries go where the last ones will be; then the steps."""
    (node,) = group.nodes
    carries = node.results[: node.attributes["carries"]]
    copies: list[Statement] = [
        Copy(_seen(start, order, plan), plan.views[carry.key], CopyReason.CARRY.value)
        for start, carry in zip(node.operands, carries, strict=False)
    ]
    return [*copies, Loop(step_symbol(depth), node.attributes["length"], bodies[0])]


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
