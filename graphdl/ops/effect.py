"""Effects: identities that print or check, in build order."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from graphdl.errors import ShapeError
from graphdl.graph.op import Op, OpKind
from graphdl.ops.type_rules import require_bool
from graphdl.typesystem.tensor_type import TensorType


def _infer_print(operand: TensorType, *, message: str) -> tuple[TensorType, ...]:
    return (operand,)


def _infer_check(
    operand: TensorType, condition: TensorType, *, message: str
) -> tuple[TensorType, ...]:
    """C1: the condition is bool. C2: it is 0-d."""
    require_bool("check", condition.dtype, "C1")
    if condition.rank != 0:
        raise ShapeError(f"check (C2): the condition must be 0-d, got {condition}")
    return (operand,)


def _identity(operand: NDArray[Any], *others: NDArray[Any], message: str) -> NDArray[Any]:
    return operand


print_ = Op(
    "print", OpKind.EFFECT, _infer_print, _identity, "x, printed with a message", has_effect=True
)
check = Op(
    "check",
    OpKind.EFFECT,
    _infer_check,
    _identity,
    "x, or NumericsError with a message when the condition is false",
    has_effect=True,
)

OPS: tuple[Op, ...] = (print_, check)
"""Every effect."""
