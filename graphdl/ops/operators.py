"""What operators and methods of Tensor mean: one table, installed when a function is imported."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, NoReturn

import numpy as np

from graphdl.errors import DTypeError, UserError, hides_internal_frames
from graphdl.graph.nodes import Tensor
from graphdl.ops.arguments import operand_lines
from graphdl.ops.functions import (
    contraction,
    effect,
    elementwise,
    evaluate,
    logic,
    movement,
    reduction,
    slicing,
)
from graphdl.typesystem.expression import Expression

UNARY: dict[str, Callable[[Any], Tensor]] = {
    "negative": elementwise.negative,
    "positive": elementwise.positive,
    "abs": elementwise.abs,
    "bitwise_invert": logic.bitwise_invert,
}

BINARY: dict[str, Callable[[Any, Any], Tensor]] = {
    "add": elementwise.add,
    "subtract": elementwise.subtract,
    "multiply": elementwise.multiply,
    "divide": elementwise.divide,
    "floor_divide": elementwise.floor_divide,
    "remainder": elementwise.remainder,
    "pow": elementwise.pow,
    "matmul": contraction.matmul,
    "equal": logic.equal,
    "not_equal": logic.not_equal,
    "less": logic.less,
    "less_equal": logic.less_equal,
    "greater": logic.greater,
    "greater_equal": logic.greater_equal,
    "bitwise_and": logic.bitwise_and,
    "bitwise_or": logic.bitwise_or,
    "bitwise_xor": logic.bitwise_xor,
    "bitwise_left_shift": logic.bitwise_left_shift,
    "bitwise_right_shift": logic.bitwise_right_shift,
}

METHODS: dict[str, Callable[..., Any]] = {
    "sum": reduction.sum,
    "prod": reduction.prod,
    "mean": reduction.mean,
    "var": reduction.var,
    "std": reduction.std,
    "max": reduction.max,
    "min": reduction.min,
    "any": reduction.any,
    "all": reduction.all,
    "argmax": reduction.argmax,
    "argmin": reduction.argmin,
    "reshape": movement.reshape,
    "squeeze": movement.squeeze,
    "permute_dims": movement.permute_dims,
    "matrix_transpose": movement.matrix_transpose,
    "T": movement.transpose_matrix,
    "astype": elementwise.astype,
    "named": effect.named,
    "eval": evaluate.evaluate,
}
"""Method -> function."""

NUMPY_OPERATORS: dict[Any, str] = {
    np.add: "add",
    np.subtract: "subtract",
    np.multiply: "multiply",
    np.divide: "divide",
    np.floor_divide: "floor_divide",
    np.remainder: "remainder",
    np.power: "pow",
    np.matmul: "matmul",
    np.equal: "equal",
    np.not_equal: "not_equal",
    np.less: "less",
    np.less_equal: "less_equal",
    np.greater: "greater",
    np.greater_equal: "greater_equal",
    np.bitwise_and: "bitwise_and",
    np.bitwise_or: "bitwise_or",
    np.bitwise_xor: "bitwise_xor",
    np.left_shift: "bitwise_left_shift",
    np.right_shift: "bitwise_right_shift",
}
"""What NumPy calls for `array + tensor`."""

_REFUSALS: dict[str, tuple[str, str]] = {
    "bool": (
        "a tensor has no truth value while the graph is built",
        "choose with gd.where(condition, x, y)",
    ),
    "len": ("len() of a tensor", "write x.shape[0]"),
    "iter": (
        "a tensor cannot be iterated over",
        "take parts with gd.unstack(x) or gd.split(x, n), or write on whole tensors",
    ),
    "contains": ("`in` looks for a number in a tensor", "write gd.any(x == value)"),
    "float": ("float() of a tensor, which holds no data", "evaluate it: float(x.eval())"),
    "int": ("int() of a tensor, which holds no data", "convert it: gd.astype(x, 'int64')"),
    "index": (
        "a tensor where a whole number is needed",
        "index with gd.take(x, index, axis=0); divide sizes with //",
    ),
    "complex": ("complex() of a tensor", "complex numbers are not supported"),
    "setitem": (
        "a tensor cannot be changed",
        "make a new one: gd.where(mask, new, x) or gd.scatter_add(x, indices, values)",
    ),
    "array": ("a tensor holds no data, so NumPy cannot read it", "evaluate it: x.eval({...})"),
}

_RENAMED = {
    "absolute": "abs",
    "amax": "max",
    "amin": "min",
    "arccos": "acos",
    "arcsin": "asin",
    "arctan": "atan",
    "arctan2": "atan2",
    "concatenate": "concat",
    "cumsum": "cumulative_sum",
    "dot": "matmul",
    "invert": "bitwise_invert",
    "power": "pow",
    "rint": "round",
    "transpose": "permute_dims",
}
"""NumPy's name -> graphdl's."""


class Operators:
    """Fills Tensor's operator slot."""

    def binary(self, name: str, left: object, right: object) -> Any:
        """An operator with two sides; NotImplemented where the other side is no operand."""
        for side in (left, right):
            if side is None or isinstance(side, str | bytes | dict | set):
                return self._no_operand(name, left, right)
        return BINARY[name](left, right)

    def _no_operand(self, name: str, left: object, right: object) -> Any:
        if name in ("equal", "not_equal"):
            return NotImplemented
        sides = " and ".join(type(side).__name__ for side in (left, right))
        raise DTypeError(
            f"{name}: not defined for {sides}", details=operand_lines(lhs=left, rhs=right)
        )

    def unary(self, name: str, operand: Tensor) -> Tensor:
        """An operator with one side."""
        return UNARY[name](operand)

    def getitem(self, operand: Tensor, key: object) -> Tensor:
        """operand[key]."""
        return slicing.index_tensor(operand, key)

    def method(self, name: str, operand: Tensor, *args: Any, **kwargs: Any) -> Any:
        """operand.name(...)."""
        return METHODS[name](operand, *args, **kwargs)

    def refuse(self, name: str, operand: Tensor) -> NoReturn:
        """Raise UserError for something that only data can do."""
        message, hint = _REFUSALS[name]
        raise UserError(message, details=operand_lines(x=operand), hint=hint)

    def numpy_call(self, function: Any, arguments: tuple[Any, ...], is_plain: bool) -> Any:
        """`array + tensor` through NumPy; any other NumPy function is an error."""
        if is_plain and function in NUMPY_OPERATORS:
            return self.binary(NUMPY_OPERATORS[function], *arguments)
        name = getattr(function, "__name__", str(function))
        tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
        lines = operand_lines(x=tensors[0]) if tensors else ()
        raise UserError(
            f"np.{name} works on data, and a tensor holds none",
            details=lines,
            hint=f"write gd.{_RENAMED.get(name, name)}",
        )


def number_beside_size(name: str, left: object, right: object) -> Tensor:
    """A size with a float: `1.0 / x.shape[0]` is a 0-d tensor."""
    return BINARY[name](left, right)


_INTERNAL = ("__init__", "__repr__", "apply_op", "is_same")
_TRIMMED = {
    name: member
    for name, member in vars(Tensor).items()
    if isinstance(member, FunctionType) and name not in _INTERNAL
}


def install() -> None:
    """Give Tensor its operators; their errors end at the user's line."""
    Tensor.operators = Operators()
    Expression.beside_number = number_beside_size
    for name, member in _TRIMMED.items():
        setattr(Tensor, name, hides_internal_frames(member))


install()
