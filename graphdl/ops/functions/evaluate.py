"""A value at the prompt, and tensors put in place of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph import rebuild
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Tensor, topological_order
from graphdl.graph.structure import leaves_of, restructure
from graphdl.ops import leaves
from graphdl.ops.arguments import as_array, as_tensor, operand_lines
from graphdl.ops.state import cast_same_kind


def evaluate(x: Tensor, feed: Mapping[Tensor, Any] | None = None) -> NDArray[Any]:
    """The value of a tensor for some inputs, by the interpreter: nothing is compiled or written.

    `feed` maps tensors to data; a tensor that is not an input is replaced by its data. Training is
    off. Raises ArgumentError for a missing input.

    >>> x = gd.placeholder("x", ("n",))
    >>> gd.sum(x * x).eval({x: [3, 4]}).item()
    25.0
    """
    given = dict(feed or {})
    for tensor in given:
        if not isinstance(tensor, Tensor):
            raise ArgumentError(f"eval: {tensor!r} is not a tensor", hint="write x.eval({x: data})")
    inputs = tuple(given)
    graph = Graph(inputs, (x,))
    _require_inputs(graph)
    arrays = [_fitted(tensor, value) for tensor, value in given.items()]
    return interpret(graph, arrays).outputs[0].copy()


def _require_inputs(graph: Graph) -> None:
    cut = {tensor.key for tensor in graph.inputs}
    for node in topological_order(graph.outputs, cut):
        if node.op is leaves.placeholder and node.attributes["default"] is None:
            tensor = node.results[0]
            raise ArgumentError(
                f'eval: no value for input "{node.attributes["name"]}"',
                details=operand_lines(input=tensor),
                hint="pass it: x.eval({input: data})",
            )


def _fitted(tensor: Tensor, value: object) -> NDArray[Any]:
    array = cast_same_kind(as_array(value, "eval"), tensor.dtype, "eval")
    if array.ndim != tensor.ndim:
        raise ShapeError(
            f"eval: {array.ndim}-d data of shape {list(array.shape)} for {tensor.type}",
            details=operand_lines(input=tensor),
        )
    return array


def substitute(outputs: Any, replacements: Mapping[Tensor, Any]) -> Any:
    """`outputs` (nested lists, tuples, dicts) computed with some tensors replaced by others.

    A replacement has the type of what it replaces. Raises ShapeError and DTypeError otherwise.

    >>> x, y = gd.placeholder("x", (2,)), gd.placeholder("y", (2,))
    >>> gd.substitute(x + 1, {x: y}).eval({y: [1, 2]}).tolist()
    [2.0, 3.0]
    """
    changed: dict[tuple[int, int], Tensor] = {}
    for old, new in replacements.items():
        replacement = as_tensor(new, "substitute")
        if replacement.type != old.type:
            raise ShapeError(
                f"substitute: {replacement.type} in place of {old.type}",
                details=operand_lines(old=old, new=replacement),
            )
        changed[old.key] = replacement
    roots = [as_tensor(root, "substitute") for root in leaves_of(outputs)]
    return restructure(outputs, rebuild.substitute(roots, changed))
