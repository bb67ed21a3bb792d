"""Drop and shorten selections, bit operations, comparisons and conversions.

Why: masks, casts and the two branches of the training flag leave conditions that are known.
Requires: nothing. Ensures: the same bits for every input.

    %0: bool[n] = broadcast_in_dim(True, …)
    %1: float32[n] = select(%0, x, y)               ->    %2: float32[n] = negative(x)
    %2: float32[n] = negative(%1)
"""

from __future__ import annotations

from graphdl.graph.nodes import Graph, Tensor
from graphdl.ops.arguments import filled
from graphdl.ops.elementwise import (
    bitcast,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    convert,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    not_equal,
    select,
    shift_left,
    shift_right_arithmetic,
    shift_right_logical,
)
from graphdl.rewrite.driver import rewrite, rule
from graphdl.rewrite.pattern import literal, variables
from graphdl.typesystem.dtype import DType, Kind

x, y, z, condition = variables("x", "y", "z", "condition")

_OPPOSITE = {
    equal: not_equal,
    not_equal: equal,
    less: greater_equal,
    greater_equal: less,
    greater: less_equal,
    less_equal: greater,
}
_MANTISSA_BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def simplify_logic(graph: Graph) -> Graph:
    """`graph` with known conditions decided and needless conversions removed."""
    return rewrite(graph, RULES)


# select -------------------------------------------------------------------------------------------


@rule(select(literal(True), x, y), select(condition, x, x), select(literal(False), y, x))
def decide_select(x: Tensor) -> Tensor:
    """A known condition, or equal branches, leave one branch."""
    return x


@rule(select(bitwise_not(condition), x, y))
def swap_branches(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """select(not c, x, y) is select(c, y, x)."""
    result: Tensor = select(condition, y, x)
    return result


@rule(
    select(condition, select(condition, x, y), z),
    select(condition, x, select(condition, y, z)),
)
def merge_selects(condition: Tensor, x: Tensor, z: Tensor) -> Tensor:
    """The same condition twice decides once."""
    result: Tensor = select(condition, x, z)
    return result


@rule(select(condition, literal(True), literal(False)))
def keep_condition(condition: Tensor) -> Tensor:
    """select(c, True, False) is c."""
    return condition


@rule(select(condition, literal(False), literal(True)))
def negate_condition(condition: Tensor) -> Tensor:
    """select(c, False, True) is not c."""
    result: Tensor = bitwise_not(condition)
    return result


# Bits and comparisons -----------------------------------------------------------------------------


@rule(bitwise_not(bitwise_not(x)))
def drop_double_not(x: Tensor) -> Tensor:
    """not not x is x."""
    return x


@rule(
    bitwise_and(x, x),
    bitwise_or(x, x),
    bitwise_and(x, literal(True)),
    bitwise_or(x, literal(False)),
    bitwise_or(x, literal(0)),
    bitwise_xor(x, literal(False)),
    bitwise_xor(x, literal(0)),
    shift_left(x, literal(0)),
    shift_right_logical(x, literal(0)),
    shift_right_arithmetic(x, literal(0)),
)
def drop_neutral_bits(x: Tensor) -> Tensor:
    """x & x, x | x, x & True, x | 0, x ^ 0 and shifts by 0 are x."""
    return x


@rule(bitwise_and(x, literal(False)), bitwise_and(x, literal(0)), bitwise_xor(x, x))
def clear_bits(root: Tensor) -> Tensor:
    """x & 0 and x ^ x are 0."""
    return filled(0, root.dtype, root.shape)


@rule(bitwise_or(x, literal(True)))
def set_truth(root: Tensor) -> Tensor:
    """x or True is True."""
    return filled(True, root.dtype, root.shape)


@rule(bitwise_xor(x, literal(True)))
def make_not(x: Tensor) -> Tensor:
    """x xor True is not x."""
    result: Tensor = bitwise_not(x)
    return result


@rule(*(bitwise_not(comparison(x, y)) for comparison in _OPPOSITE))
def oppose_comparison(x: Tensor, y: Tensor, root: Tensor) -> Tensor | None:
    """not (x == y) is x != y; orders are opposed for integers only, because of NaN."""
    comparison = root.node.operands[0].node.op
    if x.dtype.is_floating and comparison not in (equal, not_equal):
        return None
    result: Tensor = _OPPOSITE[comparison](x, y)
    return result


@rule(less(x, x), greater(x, x))
def refuse_strict_order(root: Tensor) -> Tensor:
    """x < x is False, for NaN too."""
    return filled(False, root.dtype, root.shape)


@rule(equal(x, x), less_equal(x, x), greater_equal(x, x))
def accept_equality(x: Tensor, root: Tensor) -> Tensor | None:
    """x == x is True but for floats."""
    return None if x.dtype.is_floating else filled(True, root.dtype, root.shape)


@rule(not_equal(x, x))
def refuse_difference(x: Tensor, root: Tensor) -> Tensor | None:
    """x != x is False but for floats."""
    return None if x.dtype.is_floating else filled(False, root.dtype, root.shape)


# Conversions --------------------------------------------------------------------------------------


@rule(convert(x), bitcast(x))
def drop_same_conversion(x: Tensor, root: Tensor) -> Tensor | None:
    """A conversion to the dtype that x has is x."""
    return x if x.dtype == root.dtype else None


@rule(convert(convert(x)))
def merge_conversions(x: Tensor, root: Tensor) -> Tensor | None:
    """A conversion through a dtype that holds every value of x exactly goes the direct way.

    Not where an integer would saturate coming from a float but wrap coming from an integer.
    """
    between = root.node.operands[0].dtype
    if not _holds(between, x.dtype):
        return None
    is_through_float = between.is_floating and x.dtype.is_integer and root.dtype.is_integer
    if is_through_float and not _holds(root.dtype, x.dtype):
        return None
    result: Tensor = convert(x, dtype=root.dtype)
    return result


@rule(bitcast(bitcast(x)))
def merge_bitcasts(x: Tensor, root: Tensor) -> Tensor:
    """Bits seen as one dtype, then as another, are seen as the other."""
    result: Tensor = bitcast(x, dtype=root.dtype)
    return result


def _holds(wide: DType, narrow: DType) -> bool:
    """Whether every value of `narrow` is a value of `wide`."""
    if wide == narrow or narrow.is_bool:
        return not wide.is_bool or narrow.is_bool
    if narrow.is_floating:
        return wide.is_floating and wide.bits > narrow.bits
    value_bits = narrow.bits - (narrow.kind is Kind.INT)
    if wide.is_floating:
        return _MANTISSA_BITS[wide.name] >= value_bits
    if wide.kind is Kind.UINT:
        return narrow.kind is Kind.UINT and wide.bits >= narrow.bits
    return wide.kind is Kind.INT and wide.bits - 1 >= value_bits


RULES = (
    decide_select,
    swap_branches,
    merge_selects,
    keep_condition,
    negate_condition,
    drop_double_not,
    drop_neutral_bits,
    clear_bits,
    set_truth,
    make_not,
    oppose_comparison,
    refuse_strict_order,
    accept_equality,
    refuse_difference,
    drop_same_conversion,
    merge_conversions,
    merge_bitcasts,
)
"""Tried in this order at every node."""
