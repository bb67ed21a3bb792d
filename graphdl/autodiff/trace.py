"""Functions that build graphs, turned into regions; `remat` and `custom_gradient`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any

from graphdl.errors import ArgumentError
from graphdl.graph.nodes import Graph, Node, Tensor, build_node
from graphdl.graph.structure import leaves_of, restructure
from graphdl.ops import regions as ops
from graphdl.ops.region_tracing import (
    Function,
    close,
    copy_nodes,
    make_parameters,
    require_tensors,
    trace,
)


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
        traced = trace("remat", function, args, kwargs)
        outputs = require_tensors(traced.result, "remat")
        captures = traced.find_captures(outputs)
        region = close(outputs, [*traced.parameters, *captures])
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
        traced = trace("custom_gradient", function, args, kwargs)
        result, backward = _result_and_backward(traced.result)
        outputs = require_tensors(result, "custom_gradient")
        cotangents = make_parameters(tensor.type for tensor in outputs)
        gradients = _gradients(backward(*cotangents), len(traced.arguments))
        given = [gradient for gradient in gradients if gradient is not None]
        captures = traced.find_captures([*outputs, *given])
        inputs = [*traced.parameters, *captures]
        node = build_node(
            ops.custom_gradient,
            [*traced.arguments, *captures],
            {"arguments": _positions(gradients), "captures": len(captures)},
            regions=(close(outputs, inputs), close(given, [*inputs, *cotangents])),
            writes=traced.hoisted_writes([*outputs, *given]),
        )
        return restructure(result, node.results)

    return differentiable


def inline(region: Graph, operands: Sequence[Tensor], origin: Node) -> list[Tensor]:
    """The outputs of `region` for `operands`, as nodes that are derivatives of `origin`."""
    replacements = dict(zip((tensor.key for tensor in region.inputs), operands, strict=True))
    return copy_nodes(region.outputs, replacements, origin)


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
