"""Derivatives by decree: scaled, clipped, reversed, or written by the user for forward mode."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from graphdl.autodiff.forward import as_tangent
from graphdl.autodiff.push import transpose_linear
from graphdl.autodiff.reverse import require_floating
from graphdl.autodiff.trace import custom_gradient
from graphdl.errors import ArgumentError, GradientError
from graphdl.graph.nodes import Tensor
from graphdl.graph.structure import leaves_of
from graphdl.ops.arguments import Operand, as_tensor
from graphdl.ops.functions.elementwise import clip, multiply, negative
from graphdl.ops.region_tracing import make_parameters

Function = Callable[..., Any]


def scale_gradient(x: Operand, factor: float | Tensor) -> Tensor:
    """`x`, whose derivatives are multiplied by `factor`, a number or a 0-d tensor.

    Same dtype and shape. Raises GradientError when `x` is not floating. (Long et al., "Learning
    transferable features with deep adaptation networks", 2015, scale layers so.)

    >>> x = gd.placeholder("x", ())
    >>> gd.grad(gd.scale_gradient(x, 0.1) * 5.0, x).eval({x: 1.0})
    array(0.5, dtype=float32)
    """
    return _identity("scale_gradient", x, lambda g: multiply(g, factor))


def reverse_gradient(x: Operand, factor: float | Tensor = 1.0) -> Tensor:
    """`x`, whose derivatives change their sign, and are multiplied by `factor`.

    Same dtype and shape. Raises GradientError when `x` is not floating. (Ganin, Lempitsky,
    "Unsupervised domain adaptation by backpropagation", 2015.)

    >>> x = gd.placeholder("x", ())
    >>> gd.grad(gd.reverse_gradient(x) * 5.0, x).eval({x: 1.0})
    array(-5., dtype=float32)
    """
    return _identity("reverse_gradient", x, lambda g: negative(multiply(g, factor)))


def clip_gradient(x: Operand, low: float, high: float) -> Tensor:
    """`x`, whose cotangent is limited to [low, high], element by element.

    Same dtype and shape. Forward-mode tangents pass unchanged: only what comes back is clipped.
    Raises GradientError when `x` is not floating, ArgumentError when low > high. (Graves,
    "Generating sequences with recurrent neural networks", 2013.)

    >>> x = gd.placeholder("x", (2,))
    >>> cost = gd.sum(gd.clip_gradient(x, -1.0, 1.0) * gd.constant([0.5, -7.0]))
    >>> gd.grad(cost, x).eval({x: [3.0, 4.0]})
    array([ 0.5, -1. ], dtype=float32)
    """
    if low > high:
        raise ArgumentError(f"clip_gradient: low {low} is above high {high}")
    return _identity("clip_gradient", x, lambda g: clip(g, low, high))


def _identity(name: str, x: Operand, backward: Callable[[Tensor], Tensor]) -> Tensor:
    tensor = as_tensor(x, name)
    require_floating("x", tensor, name)
    result: Tensor = custom_gradient(lambda t: (t, backward))(tensor)
    return result


def custom_jvp(function: Function) -> Function:
    """`function(*x) -> (y, push)` as a function `x -> y` with its own derivative.

    `push(*tangents)`, one for each tensor in `x` (None for those that are not floating), returns
    one tangent for each tensor in `y`, of its dtype and shape; None stands for zero. It must be
    linear in the tangents: reverse mode is its transpose (Radul et al., "You only linearize once",
    2023), so forward and reverse agree. Both are traced at once. Tensors that `function` reads from
    outside have no derivative through it: pass them as arguments. Raises ArgumentError for too
    few or too many tangents, GradientError when `push` is not linear, ShapeError for a tangent of
    another type.

    >>> @gd.custom_jvp
    ... def safe_log(x):
    ...     return gd.log(x), lambda t: t / gd.maximum(x, 0.1)
    >>> x = gd.placeholder("x", ())
    >>> gd.grad(safe_log(x), x).eval({x: 0.01}).item()
    10.0
    """

    def with_backward(*args: Any, **kwargs: Any) -> Any:
        returned = function(*args, **kwargs)
        if not (isinstance(returned, tuple) and len(returned) == 2 and callable(returned[1])):
            raise ArgumentError(
                "custom_jvp: the function must return (result, push)",
                hint="push takes the tangents of the arguments and returns those of the result",
            )
        result, push = returned
        tensors = [leaf for leaf in leaves_of((args, kwargs)) if isinstance(leaf, Tensor)]
        return result, _transposed(push, tensors, leaves_of(result))

    return wraps(function)(custom_gradient(with_backward))


def _transposed(push: Function, tensors: list[Tensor], outputs: list[Tensor]) -> Function:
    """The backward function of a forward rule."""
    unknown = make_parameters(tensor.type for tensor in tensors)
    is_moved = [tensor.dtype.is_floating for tensor in tensors]
    pairs = zip(unknown, is_moved, strict=True)
    tangents = leaves_of(push(*(tangent if is_ else None for tangent, is_ in pairs)))
    if len(tangents) != len(outputs):
        raise ArgumentError(
            f"custom_jvp: push returned {len(tangents)} tangents for {len(outputs)} results",
            hint="return one for each tensor of the result, None for zero",
        )
    moved = [
        (place, as_tangent("custom_jvp", tangent, output))
        for place, (tangent, output) in enumerate(zip(tangents, outputs, strict=True))
        if tangent is not None
    ]

    def backward(*cotangents: Tensor) -> list[Tensor | None]:
        seeds = [cotangents[place] for place, _ in moved]
        found = transpose_linear([tangent for _, tangent in moved], unknown, seeds)
        if found is None:
            raise GradientError(
                "custom_jvp: push is not linear in the tangents",
                hint="use only sums, products with other tensors, and movements of tangents",
            )
        return found

    return backward
