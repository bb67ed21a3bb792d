"""jvp: forward-mode derivatives, tensors in, tensors out, of any order."""

from __future__ import annotations

from typing import Any

from graphdl.autodiff.push import push_forward
from graphdl.autodiff.reverse import (
    Disconnected,
    require_choice,
    require_floating,
    require_tensor,
)
from graphdl.autodiff.rules import zeros_like
from graphdl.errors import ArgumentError, GradientError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.graph.structure import leaves_of, restructure
from graphdl.ops.arguments import constant_tensor, operand_lines


def jvp(outputs: Any, wrt: Any, tangents: Any, *, disconnected: Disconnected = "raise") -> Any:
    """How `outputs` move when each tensor of `wrt` moves along its tangent: J times `tangents`.

    `outputs` and `wrt` are floating tensors, or tensors in nested dicts, lists and tuples;
    `tangents` has the structure of `wrt`, each the dtype and shape of its tensor (arrays
    are converted), and None is zero. The result has the structure, shapes and dtypes of `outputs`.
    Costs about one forward pass, whatever the number of outputs (Griewank and Walther, Evaluating
    Derivatives, 2008, chapter 3). `disconnected` says what an output gets that depends on nothing
    in `wrt`: an error, zeros, or None. Through `custom_gradient` it transposes `backward`. Raises
    GradientError for other dtypes and for disconnected outputs, ShapeError for a tangent of
    another type, ArgumentError for another number of tangents.

    >>> x = gd.placeholder("x", (2,))
    >>> gd.jvp(x * x, x, gd.constant([1.0, 10.0])).eval({x: [3.0, 4.0]})
    array([ 6., 80.], dtype=float32)
    """
    require_choice("jvp", disconnected)
    targets, flat = leaves_of(wrt), leaves_of(outputs)
    given = leaves_of(tangents)
    if len(given) != len(targets):
        raise ArgumentError(f"jvp: {len(given)} tangents for {len(targets)} tensors in wrt")
    for role, tensors in (("wrt", targets), ("output", flat)):
        for tensor in tensors:
            require_tensor(tensor, f"jvp: {role}")
            require_floating(role, tensor, "jvp")
    seeds = [
        None if tangent is None else as_tangent("jvp", tangent, target)
        for tangent, target in zip(given, targets, strict=True)
    ]
    found = push_forward(flat, targets, seeds)
    results = [
        tangent if tangent is not None else _fill_in(output, targets, disconnected)
        for output, tangent in zip(flat, found, strict=True)
    ]
    return restructure(outputs, results)


def as_tangent(name: str, value: Any, target: Tensor) -> Tensor:
    """The direction in which `target` moves. Raises ShapeError unless the types are equal."""
    given = value if isinstance(value, Tensor) else constant_tensor(value, target.dtype, name)
    if given.type != target.type:
        raise ShapeError(
            f"{name}: a tangent must have its tensor's type {target.type}, got {given.type}",
            details=operand_lines(wrt=target, tangent=given),
        )
    return given


def _fill_in(output: Tensor, targets: list[Tensor], disconnected: Disconnected) -> Tensor | None:
    if disconnected == "none":
        return None
    if disconnected == "zero":
        return zeros_like(output)
    operands = {"output": output} | ({"wrt": targets[0]} if targets else {})
    raise GradientError(
        "jvp: an output does not depend on wrt, or only through what has no derivative",
        details=operand_lines(**operands),
        hint='leave it out of outputs, or pass disconnected="zero" or "none"',
    )
