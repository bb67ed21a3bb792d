"""What a graph means: every node computed in NumPy by its op's reference.

The yardstick for compiled code: "exact" code has the same bits (transcendental functions apart).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import ArgumentError, InternalError, NumericsError, ShapeError
from graphdl.graph.describe import describe, name_of
from graphdl.graph.loops import run_scan
from graphdl.graph.nodes import Graph, Node, Tensor
from graphdl.graph.sizes import bind_sizes
from graphdl.typesystem.expression import Expression, Symbol, evaluate
from graphdl.typesystem.printed_array import printed_line

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One run: the outputs, the new values of the updated variables, and every node's value.

    `values` is keyed by `tensor.key`, regions included; `sizes` are the named sizes.
    """

    outputs: list[Array]
    updates: list[Array]
    values: dict[tuple[int, int], Array]
    sizes: dict[Symbol, int]

    def value(self, tensor: Tensor) -> Array:
        """The value of one tensor of the graph."""
        return self.values[tensor.key]


def interpret(
    graph: Graph,
    inputs: Sequence[Any],
    variables: Mapping[Any, Array] | None = None,
    training: bool = False,
) -> Evaluation:
    """Compute `graph` on arrays, one per graph input.

    `variables` maps a variable's storage to its value; a storage that is not in it is asked for its
    `.array`. Everything sees the values before the call; nothing is written. Prints and checks run
    in build order after all else. Raises ShapeError (sizes, guards), NumericsError (a check).
    """
    wanted = [tensor.type for tensor in graph.inputs]
    arrays = [_as_input(array, tensor) for array, tensor in zip(inputs, graph.inputs, strict=True)]
    names = [name_of(tensor.node) or tensor.node.op.name for tensor in graph.inputs]
    lines = [describe(tensor) for tensor in graph.inputs]
    sizes = bind_sizes(wanted, [array.shape for array in arrays], names, lines)
    run = _Run(sizes, variables or {}, training)
    run.check_guards(graph)
    with np.errstate(all="ignore"):
        run.graph(graph, arrays)
        outputs = [run.fetch(tensor) for tensor in graph.outputs]
        updates = [run.fetch(update.value) for update in graph.updates]
    for _, effect in sorted(run.effects, key=lambda pair: pair[0]):
        effect()
    return Evaluation(outputs, updates, run.values, sizes)


def _as_input(array: Any, tensor: Tensor) -> Array:
    return np.ascontiguousarray(array, dtype=tensor.dtype.numpy).reshape(np.shape(array))


@dataclass(slots=True)
class _Run:
    sizes: dict[Symbol, int]
    variables: Mapping[Any, Array]
    training: bool
    values: dict[tuple[int, int], Array] = field(default_factory=dict)
    effects: list[tuple[int, Callable[[], None]]] = field(default_factory=list)

    def check_guards(self, graph: Graph) -> None:
        for node in graph.nodes():
            for guard in node.guards:
                if not guard.condition.holds(self.sizes):
                    sizes = ", ".join(f"{name} = {value}" for name, value in self.sizes.items())
                    raise ShapeError(
                        guard.message, details=(f"with {sizes}",), location=node.location
                    )
            for region in node.regions:
                self.check_guards(region)

    def graph(self, graph: Graph, arrays: Sequence[Array]) -> list[Array]:
        for tensor, array in zip(graph.inputs, arrays, strict=True):
            self.values[tensor.key] = array
        given = {tensor.key for tensor in graph.inputs}
        for node in graph.nodes():
            self.node(node, given)
        for update in graph.updates:
            if update.variable.key not in self.values:
                self.node(update.variable.node, given)
        return [self.fetch(tensor) for tensor in graph.outputs]

    def fetch(self, tensor: Tensor) -> Array:
        return self.values[tensor.key]

    def node(self, node: Node, given: set[tuple[int, int]]) -> None:
        operands = [self.fetch(operand) for operand in node.operands]
        shapes = [self.resolve(type_.shape) for type_ in node.result_types]
        results = self.compute(node, operands, shapes)
        if len(results) != len(node.result_types):
            raise InternalError(f"{node.op.name} computed {len(results)} results: {node}")
        for index, (type_, result) in enumerate(zip(node.result_types, results, strict=True)):
            array, shape = np.asarray(result), shapes[index]
            if array.shape != shape or array.dtype != type_.dtype.numpy:
                found = f"{array.dtype}{list(array.shape)}"
                raise InternalError(f"{node.op.name} computed {found}, its type is {type_}: {node}")
            if (id(node), index) not in given:
                self.values[id(node), index] = array
        if node.op.has_effect:
            self.effects.append((node.serial, self.effect(node, operands)))

    def control(
        self, node: Node, operands: list[Array], shapes: list[tuple[int, ...]]
    ) -> Sequence[Array]:
        """A node with regions."""
        outside, self.effects = self.effects, []
        if node.op.name == "scan":
            length = self.resolve(node.attributes["length"])
            results = run_scan(node, operands, length, shapes, self.call)
        elif node.op.name == "switch":
            number = int(np.clip(operands[0], 0, len(node.regions) - 1))
            results = self.call(node.regions[number], operands[1:])
        else:
            # remat and custom_gradient both compute their first region.
            results = self.call(node.regions[0], operands)
        inside, self.effects = self.effects, outside
        self.effects += [(node.serial, effect) for _, effect in inside]
        return results

    def call(self, region: Graph, arrays: Sequence[Array]) -> list[Array]:
        """A region's outputs; its effects happen in build order, after those of earlier calls."""
        before, self.effects = self.effects, []
        results = self.graph(region, arrays)
        self.effects = before + sorted(self.effects, key=lambda pair: pair[0])
        return results

    def compute(
        self, node: Node, operands: list[Array], shapes: list[tuple[int, ...]]
    ) -> Sequence[Array]:
        if node.regions:
            return self.control(node, operands, shapes)
        match node.op.name:
            case "placeholder":
                return [self.default(node)]
            case "variable":
                return [self.variable(node)]
            case "parameter":
                raise InternalError(f"parameter outside of its region: {node}")
            case "is_training":
                return [np.asarray(self.training)]
        if node.op.reference is None:
            raise InternalError(f"{node.op.name} has no reference: {node}")
        attributes = {key: self.resolve(value) for key, value in node.attributes.items()}
        result = node.op.reference(*operands, **attributes)
        return result if isinstance(result, tuple) else (result,)

    def default(self, node: Node) -> Array:
        default = node.attributes.get("default")
        if default is None:
            raise ArgumentError(
                f'placeholder "{node.attributes["name"]}" is needed but is not an input',
                location=node.location,
            )
        array: Array = default.array
        return array

    def variable(self, node: Node) -> Array:
        storage = node.attributes["storage"]
        found = self.variables.get(storage)
        if found is None:
            found = getattr(storage, "array", None)
        if found is None:
            raise ArgumentError(f'variable "{name_of(node)}" has no value', location=node.location)
        return np.array(found, dtype=node.result_types[0].dtype.numpy)

    def resolve(self, value: Any) -> Any:
        if isinstance(value, Expression):
            return evaluate(value, self.sizes)
        if isinstance(value, tuple):
            return tuple(map(self.resolve, value))
        return value

    def effect(self, node: Node, operands: list[Array]) -> Callable[[], None]:
        message = str(node.attributes["message"])

        def run() -> None:
            if node.op.name == "print":
                print(printed_line(message, operands[0]))  # noqa: T201
            elif not operands[1].all():
                raise NumericsError(
                    f"check failed: {message}",
                    details=(describe(node.operands[0]),),
                    location=node.location,
                )

        return run
