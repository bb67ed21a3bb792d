"""Functions that build graphs, turned into regions; `remat` and `custom_gradient`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
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
from graphdl.ops import regions as ops
from graphdl.typesystem.tensor_type import TensorType

Function = Callable[..., Any]

_CLOSED_LEAVES = (leaf_ops.constant, leaf_ops.size, leaf_ops.is_training)


def remat(function: Function) -> Function:
    """`function`, whose intermediate values are computed again for its gradient, not kept.

    Takes and returns what `function` does: tensors in nested dicts, lists and tuples; other
    arguments are passed on as they are. Saves memory for time (Chen et al., Training Deep Nets with
    Sublinear Memory Cost, 2016). Raises ArgumentError when `function` gives a variable a new value
    that depends on its arguments.

    >>> x = gd.placeholder("x", (2,))
    >>> y = gd.remat(lambda t: gd.exp(gd.sin(t)))(x)
    >>> gd.grad(gd.sum(y), x).eval({x: [0.0, 0.0]})
    array([1., 1.], dtype=float32)
    """

    @wraps(function)
    def rematerialized(*args: Any, **kwargs: Any) -> Any:
        traced = _trace(function, args, kwargs)
        outputs = _tensors(traced.result, "remat")
        captures = traced.find_captures(outputs)
        region = _close(outputs, [*traced.parameters, *captures])
        node = build_node(
            ops.remat,
            [*traced.arguments, *captures],
            regions=(region,),
            writes=traced.hoisted_writes(outputs),
        )
        return restructure(traced.result, node.results)

    return rematerialized


def custom_gradient(function: Function) -> Function:
    """`function(*x) -> (y, backward)` as a function `x -> y` with its own derivative.

    `backward(*cotangents)`, one for each tensor in `y`, returns one gradient for each tensor in
    `x`, of its dtype and shape; None stands for zero. Both are traced at once. Tensors that
    `function` reads from outside have no derivative through it: pass them as arguments. Raises
    ArgumentError when there are too few or too many gradients, or of the wrong type.

    >>> @gd.custom_gradient
    ... def clip_gradient(x):
    ...     return x, lambda g: gd.clip(g, -1.0, 1.0)
    >>> x = gd.placeholder("x", (2,))
    >>> gd.grad(gd.sum(clip_gradient(x) * 5.0), x).eval({x: [3.0, 4.0]})
    array([1., 1.], dtype=float32)
    """

    @wraps(function)
    def differentiable(*args: Any, **kwargs: Any) -> Any:
        traced = _trace(function, args, kwargs)
        result, backward = _result_and_backward(traced.result)
        outputs = _tensors(result, "custom_gradient")
        cotangents = _parameters(tensor.type for tensor in outputs)
        gradients = _gradients(backward(*cotangents), len(traced.arguments))
        given = [gradient for gradient in gradients if gradient is not None]
        captures = traced.find_captures([*outputs, *given])
        inputs = [*traced.parameters, *captures]
        node = build_node(
            ops.custom_gradient,
            [*traced.arguments, *captures],
            {"arguments": _positions(gradients), "captures": len(captures)},
            regions=(_close(outputs, inputs), _close(given, [*inputs, *cotangents])),
            writes=traced.hoisted_writes([*outputs, *given]),
        )
        return restructure(result, node.results)

    return differentiable


def inline(region: Graph, operands: Sequence[Tensor], origin: Node) -> list[Tensor]:
    """The outputs of `region` for `operands`, as nodes that are derivatives of `origin`."""
    replacements = dict(zip((tensor.key for tensor in region.inputs), operands, strict=True))
    return _copy(region.outputs, replacements, origin)


@dataclass(frozen=True, slots=True)
class _Traced:
    """What a call of a user's function built."""

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
                "remat: a variable's new value depends on the function's arguments",
                details=[describe(write.variable), describe(node.results[0])],
                hint="compute the new value outside the function",
            )


def _is_parameter_since(tensor: Tensor, first: int) -> bool:
    return tensor.node.op is leaf_ops.parameter and tensor.node.serial > first


def _trace(function: Function, args: Any, kwargs: Any) -> _Traced:
    """Call `function` with parameter leaves in the place of tensors."""
    first = take_serial()
    given = leaves_of((args, kwargs))
    arguments = [leaf for leaf in given if isinstance(leaf, Tensor)]
    parameters = _parameters(argument.type for argument in arguments)
    remaining = iter(parameters)
    replaced = [next(remaining) if isinstance(leaf, Tensor) else leaf for leaf in given]
    new_args, new_kwargs = restructure((args, kwargs), replaced)
    return _Traced(arguments, parameters, function(*new_args, **new_kwargs), first)


def _parameters(types: Iterable[TensorType]) -> list[Tensor]:
    return [
        build_node(
            leaf_ops.parameter, (), {"position": i, "dtype": given.dtype, "shape": given.shape}
        ).results[0]
        for i, given in enumerate(types)
    ]


def _tensors(result: Any, name: str) -> list[Tensor]:
    outputs = leaves_of(result)
    for output in outputs:
        if not isinstance(output, Tensor):
            raise ArgumentError(f"{name}: the function returned {output!r}, not a tensor")
    return outputs


def _result_and_backward(returned: Any) -> tuple[Any, Function]:
    if isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1]):
        return returned
    raise ArgumentError(
        "custom_gradient: the function must return (result, backward)",
        hint="backward takes the cotangents of the result and returns those of the arguments",
    )


def _gradients(returned: Any, wanted: int) -> list[Tensor | None]:
    gradients = leaves_of(returned)
    if len(gradients) != wanted:
        raise ArgumentError(
            f"custom_gradient: backward returned {len(gradients)} gradients for {wanted} arguments",
            hint="return one for each tensor argument, None for zero",
        )
    return gradients


def _positions(gradients: list[Tensor | None]) -> tuple[int, ...]:
    return tuple(i for i, gradient in enumerate(gradients) if gradient is not None)


def _close(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> Graph:
    """The computation of `outputs` from `inputs` alone, over parameters of its own."""
    parameters = _parameters(tensor.type for tensor in inputs)
    replacements = dict(zip((tensor.key for tensor in inputs), parameters, strict=True))
    return Graph(tuple(parameters), tuple(_copy(outputs, replacements, None)), name="region")


def _copy(
    outputs: Sequence[Tensor], replacements: dict[tuple[int, int], Tensor], origin: Node | None
) -> list[Tensor]:
    """`outputs` rebuilt over `replacements`; the copies carry no state writes."""

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if operands is node.operands and not node.writes:
            return None
        return replace(node, operands=operands, writes=(), origin=origin or node.origin).results

    return list(transform(outputs, visit, replacements=replacements))
