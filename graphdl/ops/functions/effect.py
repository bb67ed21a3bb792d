"""Printing, checking and labelling on the way through."""

from __future__ import annotations

from dataclasses import replace

from graphdl.errors import ArgumentError
from graphdl.graph.nodes import Tensor, build_node
from graphdl.graph.op import OpKind
from graphdl.ops import effect, movement
from graphdl.ops.arguments import Operand, as_tensor, operand_lines
from graphdl.ops.functions.reduction import all as all_of

_KEPT = (OpKind.LEAF, OpKind.EFFECT, OpKind.REGION)


def print(x: Operand, message: str = "") -> Tensor:
    """`x`, printed with `message` whenever the result is computed. Use the result.

    >>> gd.print(gd.constant([1, 2]), "x is").eval().tolist()
    x is [1 2]
    [1, 2]
    """
    tensor = as_tensor(x, "print")
    result: Tensor = effect.print_(tensor, message=str(message))
    return result


def check(x: Operand, condition: Operand, message: str = "check failed") -> Tensor:
    """`x`; a call where not every element of `condition` is true raises NumericsError.

    Use the result: a check that nothing depends on is not made.

    >>> x = gd.constant([1, 2])
    >>> gd.check(x, x > 0, "x must be positive").eval().tolist()
    [1, 2]
    """
    tensor = as_tensor(x, "check")
    wanted = as_tensor(condition, "check")
    if not wanted.dtype.is_bool:
        raise ArgumentError(
            f"check: the condition must be bool, got {wanted.dtype}",
            details=operand_lines(x=tensor, condition=wanted),
        )
    result: Tensor = effect.check(tensor, all_of(wanted), message=str(message))
    return result


def named(x: Tensor, name: object) -> Tensor:
    """The same value with a label for pictures, errors and look-up.

    A leaf, or a node that does more than compute, keeps its own name under a labelled identity.

    >>> (gd.placeholder("x", (2,)) + 1).named("h")
    h: float32[2] = add(x, ...)...
    """
    if not (isinstance(name, str) and name):
        raise ArgumentError(f"named: the name must be a text, got {name!r}")
    node = x.node
    if node.name == name:
        return x
    if node.op.kind in _KEPT or node.writes:
        return build_node(movement.reshape, (x,), {"shape": x.shape}, name=name).results[0]
    return Tensor(replace(node, name=name), x.index)
