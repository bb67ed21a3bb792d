"""Drop and shorten arithmetic that cannot change a bit.

Why: gradients multiply by one, add negated terms and square by `power`; users write neutral terms.
Requires: nothing. Ensures: the same bits for every input, signed zeros included; a NaN stays a NaN.
`x * 0` and `x - x` are not zero for floats, `x + 0` turns -0 into +0, sums are not reordered: such
rules are for integers, or for values that are never -0. `power` alone may move within the last
place, as a transcendental function may.

    %0: float32[n] = broadcast_in_dim(1.0, …)
    %1: float32[n] = multiply(x, %0)              ->    %3: float32[n] = subtract(y, x)
    %2: float32[n] = negative(%1)
    %3: float32[n] = add(y, %2)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphdl.graph.nodes import Graph, Tensor
from graphdl.ops.arguments import filled
from graphdl.ops.contraction import dot_general
from graphdl.ops.elementwise import (
    abs_,
    add,
    ceil,
    divide,
    exp,
    floor,
    floor_divide,
    logistic,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    remainder,
    round_,
    sign,
    subtract,
    trunc,
)
from graphdl.ops.reduction import reduce_sum
from graphdl.rewrite.driver import rewrite, rule
from graphdl.rewrite.pattern import literal, scalar, variables
from graphdl.typesystem.dtype import Kind

x, y = variables("x", "y")
c, d = scalar("c"), scalar("d")

_NEVER_NEGATIVE_ZERO = (abs_, dot_general, exp, logistic, reduce_sum)
_ROUNDINGS = (ceil, floor, round_, trunc)


def simplify_algebra(graph: Graph) -> Graph:
    """`graph` with neutral arithmetic removed and cheaper equal forms chosen."""
    return rewrite(graph, RULES)


def _like(root: Tensor, value: Any) -> Tensor:
    return filled(value, root.dtype, root.shape)


# Neutral operands ---------------------------------------------------------------------------------


@rule(add(x, literal(-0.0)), subtract(x, literal(0)))
def drop_exact_zero(x: Tensor) -> Tensor:
    """x + (-0) and x - 0 are x."""
    return x


@rule(add(x, literal(0)))
def drop_added_zero(x: Tensor) -> Tensor | None:
    """x + 0 is x for integers, and where x is never -0."""
    return x if not x.dtype.is_floating or _is_never_negative_zero(x) else None


def _is_never_negative_zero(x: Tensor) -> bool:
    """Whether rounding to the dtype leaves no -0; 16-bit sums of products may end as tiny ones."""
    if x.node.op is dot_general and x.dtype.bits == 16:
        return False
    return x.node.op in _NEVER_NEGATIVE_ZERO


@rule(multiply(x, literal(1)), divide(x, literal(1)), power(x, literal(1)))
def drop_one(x: Tensor) -> Tensor:
    """x * 1, x / 1 and x ** 1 are x."""
    return x


@rule(maximum(x, literal(-math.inf)), minimum(x, literal(math.inf)))
def drop_infinite_bound(x: Tensor) -> Tensor:
    """max(x, -inf) and min(x, inf) are x."""
    return x


@rule(maximum(x, x), minimum(x, x))
def merge_equal_bounds(x: Tensor) -> Tensor:
    """max(x, x) and min(x, x) are x."""
    return x


@rule(maximum(maximum(x, c), d))
def merge_maxima(x: Tensor, c: Any, d: Any, root: Tensor) -> Tensor | None:
    """max(max(x, c), d) is max(x, max(c, d))."""
    return None if c != c or d != d else _merged(maximum, x, c, d, root)


@rule(minimum(minimum(x, c), d))
def merge_minima(x: Tensor, c: Any, d: Any, root: Tensor) -> Tensor | None:
    """min(min(x, c), d) is min(x, min(c, d))."""
    return None if c != c or d != d else _merged(minimum, x, c, d, root)


def _merged(op: Any, x: Tensor, c: Any, d: Any, root: Tensor) -> Tensor:
    result: Tensor = op(x, _like(root, op.reference(np.asarray(c), np.asarray(d))))
    return result


# Integers -----------------------------------------------------------------------------------------


@rule(multiply(x, literal(0)), subtract(x, x), remainder(x, literal(1)))
def make_integer_zero(root: Tensor) -> Tensor | None:
    """x * 0, x - x and x % 1 are 0 for integers."""
    return None if root.dtype.is_floating else _like(root, 0)


@rule(floor_divide(x, literal(1)))
def drop_integer_divisor(x: Tensor) -> Tensor | None:
    """x // 1 is x for integers."""
    return None if x.dtype.is_floating else x


@rule(add(add(x, c), d), multiply(multiply(x, c), d))
def merge_integer_constants(x: Tensor, c: Any, d: Any, root: Tensor) -> Tensor | None:
    """(x + c) + d is x + (c + d), and so for products, for integers."""
    return None if x.dtype.is_floating else _merged(root.node.op, x, c, d, root)


@rule(subtract(literal(0), x))
def negate_integer(x: Tensor) -> Tensor | None:
    """0 - x is -x for integers."""
    return None if x.dtype.is_floating else negative(x)


@rule(negative(subtract(x, y)))
def swap_negated_difference(x: Tensor, y: Tensor) -> Tensor | None:
    """-(x - y) is y - x for integers."""
    return None if x.dtype.is_floating else subtract(y, x)


# Signs --------------------------------------------------------------------------------------------


@rule(negative(negative(x)))
def drop_double_negation(x: Tensor) -> Tensor:
    """-(-x) is x."""
    return x


@rule(multiply(x, literal(-1)), divide(x, literal(-1)), subtract(literal(-0.0), x))
def make_negation(x: Tensor) -> Tensor:
    """x * -1, x / -1 and -0 - x are -x."""
    result: Tensor = negative(x)
    return result


@rule(add(x, negative(y)))
def make_difference(x: Tensor, y: Tensor) -> Tensor:
    """x + (-y) is x - y."""
    result: Tensor = subtract(x, y)
    return result


@rule(subtract(x, negative(y)))
def make_sum(x: Tensor, y: Tensor) -> Tensor:
    """x - (-y) is x + y."""
    result: Tensor = add(x, y)
    return result


@rule(multiply(negative(x), negative(y)), divide(negative(x), negative(y)))
def cancel_signs(x: Tensor, y: Tensor, root: Tensor) -> Tensor:
    """(-x) * (-y) is x * y, and so for quotients."""
    result: Tensor = root.node.op(x, y)
    return result


def _negated(value: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.negative(np.asarray(value))


@rule(multiply(negative(x), c), negative(multiply(x, c)))
def negate_factor(x: Tensor, c: Any, root: Tensor) -> Tensor:
    """(-x) * c and -(x * c) are x * (-c)."""
    result: Tensor = multiply(x, _like(root, _negated(c)))
    return result


@rule(divide(negative(x), c), negative(divide(x, c)))
def negate_divisor(x: Tensor, c: Any, root: Tensor) -> Tensor:
    """(-x) / c and -(x / c) are x / (-c)."""
    result: Tensor = divide(x, _like(root, _negated(c)))
    return result


@rule(abs_(negative(x)), abs_(abs_(x)))
def drop_sign_in_abs(x: Tensor) -> Tensor | None:
    """|-x| and ||x|| are |x|, where -x is not a large unsigned integer."""
    result: Tensor = abs_(x)
    return None if x.dtype.kind is Kind.UINT else result


@rule(sign(sign(x)), *(outer(inner(x)) for outer in _ROUNDINGS for inner in _ROUNDINGS))
def drop_repeated_rounding(root: Tensor) -> Tensor:
    """Rounding what is whole already, and the sign of a sign, change nothing."""
    return root.node.operands[0]


# Cheaper forms ------------------------------------------------------------------------------------


@rule(divide(x, c))
def multiply_by_exact_reciprocal(x: Tensor, c: Any, root: Tensor) -> Tensor | None:
    """x / c is x * (1/c) where c is a power of two and 1/c is not subnormal."""
    value = float(c)
    if not math.isfinite(value) or abs(math.frexp(value)[0]) != 0.5:
        return None
    reciprocal = np.asarray(1.0 / value).astype(root.dtype.numpy)
    if not np.isfinite(reciprocal) or abs(float(reciprocal)) < _smallest_normal(root):
        return None
    result: Tensor = multiply(x, _like(root, reciprocal))
    return result


def _smallest_normal(tensor: Tensor) -> float:
    return {"float16": 2.0**-14, "float64": 2.0**-1022}.get(tensor.dtype.name, 2.0**-126)


@rule(power(x, literal(0)))
def raise_to_zero(root: Tensor) -> Tensor:
    """x ** 0 is 1, for NaN too."""
    return _like(root, 1)


@rule(power(x, literal(2)))
def make_square(x: Tensor) -> Tensor:
    """x ** 2 is x * x."""
    result: Tensor = multiply(x, x)
    return result


@rule(power(x, literal(3)))
def make_cube(x: Tensor) -> Tensor:
    """x ** 3 is x * x * x."""
    result: Tensor = multiply(multiply(x, x), x)
    return result


@rule(power(x, literal(-1)))
def invert_power(x: Tensor, root: Tensor) -> Tensor | None:
    """x ** -1 is 1 / x for floats."""
    return divide(_like(root, 1), x) if x.dtype.is_floating else None


RULES = (
    drop_exact_zero,
    drop_added_zero,
    drop_one,
    drop_infinite_bound,
    merge_equal_bounds,
    merge_maxima,
    merge_minima,
    make_integer_zero,
    drop_integer_divisor,
    merge_integer_constants,
    negate_integer,
    swap_negated_difference,
    drop_double_negation,
    make_negation,
    make_difference,
    make_sum,
    cancel_signs,
    negate_factor,
    negate_divisor,
    drop_sign_in_abs,
    drop_repeated_rounding,
    multiply_by_exact_reciprocal,
    raise_to_zero,
    make_square,
    make_cube,
    invert_power,
)
"""Tried in this order at every node."""
