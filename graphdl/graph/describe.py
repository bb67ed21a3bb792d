"""One tensor as one line of text: for `repr`, for error messages, for pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from graphdl.graph.constant_value import ConstantValue
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import Expression

if TYPE_CHECKING:
    from graphdl.graph.nodes import Node, Tensor

INLINE_ELEMENTS = 16
"""Larger constants are written as hexadecimal bytes."""


def describe(tensor: Tensor) -> str:
    """`float32[batch, 784]  placeholder "image"   train.py:12`, as errors show operands."""
    node = tensor.node
    name = name_of(node)
    what = node.op.name if name is None else f'{node.op.name} "{name}"'
    line = "" if node.location is None else f"   {node.location}"
    return f"{tensor.type}  {what}{line}"


def name_of(node: Node) -> str | None:
    """The user's label of a node: `named(...)`, or the name a leaf was built with."""
    if node.name is not None:
        return node.name
    name = node.attributes.get("name")
    return name if isinstance(name, str) else None


def equation(tensor: Tensor) -> str:
    """`h: float32[batch, 128] = maximum(%12, %13)  # train.py:12`: the tensor's `repr`.

    Unnamed operands are called by their build order, scalar constants by their value.
    """
    node = tensor.node
    arguments = [_reference(operand) for operand in node.operands]
    arguments += [f"{key}={_short(value)}" for key, value in node.attributes.items()]
    line = "" if node.location is None else f"  # {node.location}"
    label = name_of(node) or f"%{node.serial}"
    if len(node.result_types) > 1:
        label += f".{tensor.index}"
    return f"{label}: {tensor.type} = {node.op.name}({', '.join(arguments)}){line}"


def _reference(tensor: Tensor) -> str:
    node = tensor.node
    value = node.attributes.get("value")
    if isinstance(value, ConstantValue) and value.array.ndim == 0:
        return literal(value.array[()])
    return name_of(node) or f"%{node.serial}"


def _short(value: Any) -> str:
    if isinstance(value, ConstantValue) and value.array.size > INLINE_ELEMENTS:
        return repr(value)
    return literal(value)


def literal(value: Any) -> str:
    """The text of an attribute's value; the parser reads all but the last form back.

    None, booleans, numbers, strings, dtypes, sizes, constants, tuples of these, and `@"name"` for
    the storage of a variable.
    """
    match value:
        case None | bool():
            return str(value)
        case np.bool_():
            return str(bool(value))
        case str():
            return json.dumps(value)
        case DType() | Expression():
            return str(value)
        case int() | float() | np.generic():
            return _number(value)
        case ConstantValue():
            return _constant(value)
        case tuple():
            inside = ", ".join(map(literal, value))
            return f"({inside},)" if len(value) == 1 else f"({inside})"
    name = getattr(value, "name", None)
    return f"@{json.dumps(name)}" if isinstance(name, str) else f"<{type(value).__name__}>"


def _number(value: Any) -> str:
    if isinstance(value, int | np.integer):
        return str(int(value))
    shown = repr(float(value)) if isinstance(value, float) else str(value)
    return "-0.0" if shown == "-0" else shown  # bfloat16; -0 would be read as an integer


def _constant(value: ConstantValue) -> str:
    array = value.array
    prefix = str(value.dtype) if array.ndim == 0 else f"{value.dtype}{list(array.shape)}"
    if array.size > INLINE_ELEMENTS or not _prints_exactly(array):
        return f'{prefix}(hex"{array.tobytes().hex()}")'
    return f"{prefix}({', '.join(literal(item) for item in array.ravel())})"


def _prints_exactly(array: np.ndarray[Any, Any]) -> bool:
    if array.dtype.kind in "biu":
        return True
    numbers = np.array([str(item) for item in array.ravel()], dtype=np.float64)
    return numbers.astype(array.dtype).tobytes() == array.tobytes()
