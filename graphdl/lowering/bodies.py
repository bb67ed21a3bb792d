"""The bodies of loops and branches: graphs, and where their memory lies in the surroundings.

Carries are variables of the body, so that the order of its groups decides which of them a step may
write in place; slices are inputs, and results outputs, that move on with the step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from graphdl.graph.nodes import Graph, Node, Tensor, Update, build_node
from graphdl.graph.rebuild import transform
from graphdl.ops import leaves
from graphdl.ops.control_flow import scan
from graphdl.program.nodes import (
    Branch,
    Check,
    Copy,
    HostCall,
    Launch,
    Loop,
    Print,
    Statement,
    Storage,
    Swap,
    View,
)
from graphdl.schedule.plan_memory import MemoryPlan
from graphdl.typesystem.expression import Size, Symbol


@dataclass(frozen=True, slots=True, eq=False)
class CarryStorage:
    """Stands for the memory of a carry while its loop's body is compiled."""

    name: str
    position: int


@dataclass(frozen=True, slots=True, eq=False)
class BodyViews:
    """Where a body's memory lies outside: carries, inputs and outputs at their first step, the
    start of its arena, and how many constants come before its own."""

    carries: tuple[View, ...]
    inputs: tuple[View, ...]
    outputs: tuple[View, ...]
    arena: View
    first_constant: int


def step_symbol(depth: int) -> Symbol:
    """The step of a loop inside `depth` others."""
    return Symbol(f"t{depth}")


def body_graphs(node: Node) -> tuple[Graph, ...]:
    """What a loop does in one step, or each branch of a `switch`."""
    return (_step(node),) if node.op is scan else node.regions


def _step(node: Node) -> Graph:
    """One step of a `scan`: from slices and captures to slices of results and new carries."""
    (region,) = node.regions
    count: int = node.attributes["carries"]
    replacements: dict[tuple[int, int], Tensor] = {}
    for position, tensor in enumerate(region.inputs[:count]):
        attributes = {
            "storage": CarryStorage(f"carry{position}", position),
            "name": f"carry{position}",
            "dtype": tensor.dtype,
            "shape": tensor.shape,
        }
        leaf = build_node(leaves.variable, (), attributes, location=node.location)
        replacements[tensor.key] = leaf.results[0]
    cut = {tensor.key for tensor in region.inputs}
    roots = transform(region.outputs, lambda node, operands: None, cut, replacements=replacements)
    variables = replacements.values()
    updates = tuple(Update(*pair) for pair in zip(variables, roots[:count], strict=True))
    return Graph(region.inputs[count:], roots[count:], updates, name="body")


def slice_at(view: View, step: Size) -> View:
    """One slice along axis 0."""
    type_ = replace(view.type, shape=view.type.shape[1:])
    return replace(view, offset=view.offset + step * type_.byte_count, type=type_)


def place_body(
    statements: Sequence[Statement], plan: MemoryPlan, places: BodyViews
) -> tuple[Statement, ...]:
    """A body's statements on the memory of its surroundings."""

    def placed(view: View) -> View:
        outside: View
        match view.storage:
            case Storage.VARIABLE:
                slot = plan.variables[view.position]
                outside = places.carries[slot.value.position]
            case Storage.INPUT:
                outside = places.inputs[view.position]
            case Storage.OUTPUT:
                outside = places.outputs[view.position]
            case Storage.ARENA:
                outside = places.arena
            case _:
                return replace(view, position=view.position + places.first_constant)
        return replace(outside, offset=outside.offset + view.offset, type=view.type)

    return tuple(with_views(statement, placed) for statement in statements)


def with_views(statement: Statement, change: Callable[[View], View]) -> Statement:
    """`statement` with every view in it changed, bodies included."""
    match statement:
        case Launch():
            return replace(statement, views=tuple(map(change, statement.views)))
        case Copy():
            return replace(
                statement, source=change(statement.source), target=change(statement.target)
            )
        case Swap():
            return replace(
                statement, first=change(statement.first), second=change(statement.second)
            )
        case Check(condition, value):
            value = None if value is None else change(value)
            return replace(statement, condition=change(condition), value=value)
        case Print():
            return replace(statement, value=change(statement.value))
        case HostCall():
            return replace(
                statement,
                views=tuple(map(change, statement.views)),
                outputs=tuple(map(change, statement.outputs)),
            )
        case Loop():
            return replace(statement, body=tuple(with_views(s, change) for s in statement.body))
        case Branch(condition, bodies):
            changed = tuple(tuple(with_views(s, change) for s in body) for body in bodies)
            return replace(statement, condition=change(condition), bodies=changed)
