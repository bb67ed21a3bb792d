"""grad and vjp: tensors in, tensors out, of any order."""

from __future__ import annotations

from typing import Any, Literal

from graphdl.autodiff.rules import zeros_like
from graphdl.autodiff.sweep import active_nodes, pull_back
from graphdl.autodiff.table import FAMILIES
from graphdl.errors import ArgumentError, GradientError, ShapeError
from graphdl.graph.describe import describe, name_of
from graphdl.graph.nodes import Node, Tensor, gradient_of, topological_order
from graphdl.graph.structure import leaves_of, restructure
from graphdl.ops import movement
from graphdl.ops.arguments import as_tensor, filled, operand_lines

Disconnected = Literal["raise", "zero", "none"]

assert FAMILIES, "importing the table loads the rules"


def grad(cost: Tensor, wrt: Any, *, disconnected: Disconnected = "raise") -> Any:
    """The derivative of a 0-d `cost` with respect to each tensor in `wrt`.

    `wrt` is a tensor, or tensors in nested dicts, lists and tuples: inputs, variables, or anything
    computed between them and the cost. The result has its structure, shapes and dtypes.
    `disconnected` says what a tensor gets that the cost does not depend on: an error, zeros, or
    None. Raises ShapeError when the cost is not 0-d, GradientError when the cost or a tensor in
    `wrt` is not floating, or is disconnected.

    >>> x = gd.placeholder("x", (3,))
    >>> gd.grad(gd.sum(x * x), x).eval({x: [1.0, 2.0, 3.0]})
    array([2., 4., 6.], dtype=float32)
    """
    require_tensor(cost, "grad: the cost")
    if cost.ndim != 0:
        raise ShapeError(
            f"grad: the cost must be 0-d, got {cost.type}",
            details=operand_lines(cost=cost),
            hint="reduce it with gd.sum or gd.mean, or use gd.vjp",
        )
    require_floating("cost", cost)
    with gradient_of(cost.node):
        one = filled(1, cost.dtype)
    return _differentiate("grad", [cost], [one], wrt, disconnected)


def vjp(outputs: Any, wrt: Any, cotangents: Any, *, disconnected: Disconnected = "raise") -> Any:
    """The sum over `outputs` of their derivatives with respect to `wrt`, times `cotangents`.

    `cotangents` has the structure of `outputs`, and each the dtype and shape of its output; None is
    zero. `wrt`, the result, `disconnected` and errors are as for `grad`.

    >>> x = gd.placeholder("x", (2,))
    >>> gd.vjp(x * x, x, gd.constant([1.0, 10.0])).eval({x: [3.0, 4.0]})
    array([ 6., 80.], dtype=float32)
    """
    flat = leaves_of(outputs)
    given = leaves_of(cotangents)
    if len(flat) != len(given):
        raise ArgumentError(f"vjp: {len(given)} cotangents for {len(flat)} outputs")
    for output in flat:
        require_tensor(output, "vjp: an output")
        require_floating("output", output)
    seeds = [
        None if cotangent is None else _as_cotangent(cotangent, output)
        for output, cotangent in zip(flat, given, strict=True)
    ]
    return _differentiate("vjp", flat, seeds, wrt, disconnected)


def stop_gradient(x: Any) -> Tensor:
    """`x`, which counts as a constant when derivatives are taken.

    >>> x = gd.placeholder("x", ())
    >>> gd.grad(x * gd.stop_gradient(x), x).eval({x: 3.0})
    array(3., dtype=float32)
    """
    result: Tensor = movement.stop_gradient(as_tensor(x, "stop_gradient"))
    return result


def _differentiate(
    name: str,
    outputs: list[Tensor],
    cotangents: list[Tensor | None],
    wrt: Any,
    disconnected: Disconnected,
) -> Any:
    require_choice(name, disconnected)
    targets = leaves_of(wrt)
    for target in targets:
        require_tensor(target, f"{name}: wrt")
        require_floating("wrt", target)
    found = pull_back(outputs, cotangents, targets)
    results = [
        cotangent if cotangent is not None else _fill_in(name, outputs, target, disconnected)
        for target, cotangent in zip(targets, found, strict=True)
    ]
    return restructure(wrt, results)


def require_choice(name: str, disconnected: str) -> None:
    """Raise ArgumentError for another word than "raise", "zero" and "none"."""
    if disconnected not in ("raise", "zero", "none"):
        raise ArgumentError(
            f"{name}: disconnected={disconnected!r}", hint='use "raise", "zero" or "none"'
        )


def _fill_in(
    name: str, outputs: list[Tensor], target: Tensor, disconnected: Disconnected
) -> Tensor | None:
    if disconnected == "none":
        return None
    if disconnected == "zero":
        return zeros_like(target)
    role, verb = ("cost", "does") if name == "grad" else ("outputs", "do")
    details = list(operand_lines(**{"wrt": target, role: outputs[0]} if outputs else {}))
    cut = _find_cut(outputs, target)
    if cut is None:
        message = f"{name}: the {role} {verb} not depend on {_label(target)}"
    else:
        message = f"{name}: {cut.op.name} cuts the path from {_label(target)} to the {role}"
        details.append(f"cut at  {describe(cut.results[0])}")
    raise GradientError(
        message, details=details, hint='leave it out of wrt, or pass disconnected="zero" or "none"'
    )


def _label(tensor: Tensor) -> str:
    name = name_of(tensor.node)
    return tensor.node.op.name if name is None else f'{tensor.node.op.name} "{name}"'


def _find_cut(outputs: list[Tensor], target: Tensor) -> Node | None:
    """The first node that depends on `target` but passes no derivative on."""
    cuts = {target.key: target}
    order = topological_order(outputs, {target.key})
    active = active_nodes(order, cuts)
    for node in order:
        depends = any(
            operand.key == target.key or id(operand.node) in active for operand in node.operands
        )
        if depends and id(node) not in active:
            return node
    return None


def _as_cotangent(value: Any, output: Tensor) -> Tensor:
    cotangent = as_tensor(value, "vjp")
    if cotangent.type != output.type:
        raise ShapeError(
            f"vjp: a cotangent must have its output's type {output.type}, got {cotangent.type}",
            details=operand_lines(output=output, cotangent=cotangent),
        )
    return cotangent


def require_tensor(value: object, role: str) -> None:
    """Raise ArgumentError for anything but a tensor."""
    if not isinstance(value, Tensor):
        raise ArgumentError(f"{role} must be a tensor, got {type(value).__name__}")


def require_floating(role: str, tensor: Tensor, name: str = "grad") -> None:
    """Raise GradientError for a tensor that has no derivative."""
    if not tensor.dtype.is_floating:
        raise GradientError(
            f"{name}: {role} is {tensor.dtype}: derivatives need a floating dtype",
            details=operand_lines(**{role: tensor}),
            hint="convert it with gd.astype before it is used" if role == "wrt" else None,
        )
