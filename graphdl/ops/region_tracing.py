"""From a function that builds a graph to a region: parameters in, captures found, closed.

Whatever the function reads from outside becomes an explicit operand; literals belong inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from graphdl.errors import ArgumentError
from graphdl.graph.describe import describe
from graphdl.graph.nodes import (
    Graph,
    Node,
    StateWrite,
    Tensor,
    build_node,
    take_serial,
    topological_order,
)
from graphdl.graph.rebuild import transform
from graphdl.graph.structure import leaves_of, restructure
from graphdl.ops import leaves as leaf_ops
from graphdl.typesystem.tensor_type import TensorType

Function = Callable[..., Any]

_CLOSED_LEAVES = (leaf_ops.constant, leaf_ops.size, leaf_ops.is_training)

_steps: ContextVar[tuple[Tensor, ...]] = ContextVar("steps", default=())


@contextmanager
def inside_loop(step: Tensor) -> Iterator[None]:
    """What is built inside runs once for each value of the 0-d integer `step`."""
    token = _steps.set((*_steps.get(), step))
    try:
        yield
    finally:
        _steps.reset(token)


def current_steps() -> tuple[Tensor, ...]:
    """The steps of the loops that are being built, outermost first."""
    return _steps.get()


@dataclass(frozen=True, slots=True)
class Traced:
    """What a call of a user's function built."""

    op: str
    arguments: list[Tensor]
    parameters: list[Tensor]
    result: Any
    first: int

    def is_inside(self, tensor: Tensor) -> bool:
        """Whether the call built the tensor; literals belong inside wherever they were built."""
        node = tensor.node
        if node.op in _CLOSED_LEAVES:
            return True
        return node.op.kind is not leaf_ops.variable.kind and node.serial > self.first

    def find_captures(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """The tensors from outside that the outputs are computed from."""
        own = {tensor.key for tensor in self.parameters}
        captures: dict[tuple[int, int], Tensor] = {}
        pending, seen = list(outputs), set[int]()
        while pending:
            tensor = pending.pop()
            if tensor.key in own or _is_parameter_since(tensor, self.first):
                continue
            if not self.is_inside(tensor):
                captures[tensor.key] = tensor
            elif id(tensor.node) not in seen:
                seen.add(id(tensor.node))
                pending.extend(tensor.node.operands)
        return sorted(captures.values(), key=lambda tensor: (tensor.node.serial, tensor.index))

    def hoisted_writes(self, outputs: Sequence[Tensor]) -> tuple[StateWrite, ...]:
        """The new values of variables that nodes inside carry, for the region's node to carry."""
        cuts = {tensor.key for tensor in self.parameters}
        cuts.update(tensor.key for tensor in self.find_captures(outputs))
        writes: list[StateWrite] = []
        for node in topological_order(outputs, cuts):
            for write in node.writes:
                self._require_outside(write, node)
                writes.append(write)
        return tuple(writes)

    def _require_outside(self, write: StateWrite, node: Node) -> None:
        own = {id(tensor.node) for tensor in self.parameters}
        if any(id(used) in own for used in topological_order([write.value])):
            raise ArgumentError(
                f"{self.op}: a variable's new value depends on the function's arguments",
                details=[describe(write.variable), describe(node.results[0])],
                hint="compute the new value outside the function",
            )


def _is_parameter_since(tensor: Tensor, first: int) -> bool:
    return tensor.node.op is leaf_ops.parameter and tensor.node.serial > first


def trace(op: str, function: Function, args: Any, kwargs: Any) -> Traced:
    """Call `function` with parameter leaves in the place of tensors."""
    first = take_serial()
    given = leaves_of((args, kwargs))
    arguments = [leaf for leaf in given if isinstance(leaf, Tensor)]
    parameters = make_parameters(argument.type for argument in arguments)
    remaining = iter(parameters)
    replaced = [next(remaining) if isinstance(leaf, Tensor) else leaf for leaf in given]
    new_args, new_kwargs = restructure((args, kwargs), replaced)
    return Traced(op, arguments, parameters, function(*new_args, **new_kwargs), first)


def make_parameters(types: Iterable[TensorType]) -> list[Tensor]:
    """One `parameter` leaf for each type, numbered from 0."""
    return [
        build_node(
            leaf_ops.parameter, (), {"position": i, "dtype": given.dtype, "shape": given.shape}
        ).results[0]
        for i, given in enumerate(types)
    ]


def require_tensors(result: Any, name: str) -> list[Tensor]:
    """The leaves of what a function returned. Raises ArgumentError for one that is no tensor."""
    outputs = leaves_of(result)
    for output in outputs:
        if not isinstance(output, Tensor):
            raise ArgumentError(f"{name}: the function returned {output!r}, not a tensor")
    return outputs


def close(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> Graph:
    """The computation of `outputs` from `inputs` alone, over parameters of its own."""
    parameters = make_parameters(tensor.type for tensor in inputs)
    replacements = dict(zip((tensor.key for tensor in inputs), parameters, strict=True))
    return Graph(tuple(parameters), tuple(copy_nodes(outputs, replacements, None)), name="region")


def copy_nodes(
    outputs: Sequence[Tensor], replacements: dict[tuple[int, int], Tensor], origin: Node | None
) -> list[Tensor]:
    """`outputs` rebuilt over `replacements`; the copies carry no state writes."""

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if operands is node.operands and not node.writes:
            return None
        return replace(node, operands=operands, writes=(), origin=origin or node.origin).results

    return list(transform(outputs, visit, replacements=replacements))
