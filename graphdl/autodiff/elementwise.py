"""Derivatives of the elementwise primitives.

Each is written over what the forward pass has already computed (`exp`, `tanh`, `sqrt` use their
result), from operations that fuse. Ties of maximum and minimum share the cotangent equally, |x| has
the derivative 0 at 0, and rounding has the derivative 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sqrt

from graphdl.autodiff.rules import (
    RULES,
    Contribution,
    batch_rule,
    batched,
    filled,
    jvp_rule,
    vjp_rule,
    zeros_like,
)
from graphdl.graph.nodes import Node, Tensor
from graphdl.ops import elementwise as ops
from graphdl.ops.elementwise import (
    add,
    convert,
    divide,
    equal,
    exp,
    floor_divide,
    greater,
    log,
    multiply,
    negative,
    power,
    rsqrt,
    select,
    subtract,
)
from graphdl.typesystem.expression import Size

Cotangents = tuple[Tensor, ...]
Tangents = tuple[Tensor | None, ...]
Contributions = Sequence[Contribution]


# Arithmetic ---------------------------------------------------------------------------------------


@vjp_rule(ops.negative)
def negative_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """-g."""
    return (negative(cotangents[0]),)


@vjp_rule(ops.add)
def add_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g, g."""
    return cotangents * 2


@vjp_rule(ops.subtract)
def subtract_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g, -g."""
    (g,) = cotangents
    return g, negative(g)


@vjp_rule(ops.multiply)
def multiply_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g y, g x."""
    (g,), (x, y) = cotangents, node.operands
    return multiply(g, y), multiply(g, x)


@vjp_rule(ops.fma)
def fma_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g y, g x, g."""
    (g,), (x, y, _) = cotangents, node.operands
    return multiply(g, y), multiply(g, x), g


@vjp_rule(ops.divide)
def divide_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g / y, -g (x / y) / y."""
    (g,), (_, y) = cotangents, node.operands
    share = divide(g, y)
    return share, negative(multiply(share, node.results[0]))


@vjp_rule(ops.remainder)
def remainder_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g, -g floor(x / y)."""
    (g,), (x, y) = cotangents, node.operands
    return g, negative(multiply(g, floor_divide(x, y)))


@vjp_rule(ops.power)
def power_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g y x^(y-1), which is 0 for y = 0; g x^y log(x), which is 0 for x = 0."""
    (g,), (x, y) = cotangents, node.operands
    zero, one = zeros_like(x), filled(x, 1)
    has_no_exponent = equal(y, zero)
    lower = power(x, select(has_no_exponent, one, subtract(y, one)))
    to_base = multiply(g, select(has_no_exponent, zero, multiply(y, lower)))
    is_zero = equal(x, zero)
    logarithm = select(is_zero, zero, log(select(is_zero, one, x)))
    return to_base, multiply(g, multiply(node.results[0], logarithm))


@vjp_rule(ops.abs_)
def abs_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g sign(x)."""
    return (multiply(cotangents[0], ops.sign(node.operands[0])),)


@vjp_rule(ops.maximum, ops.minimum)
def extreme_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g to the operand that won; half each at a tie."""
    (g,), (x, y) = cotangents, node.operands
    half, zero = multiply(g, filled(g, 0.5)), zeros_like(g)
    first_wins, second_wins = greater(x, y), greater(y, x)
    if node.op is ops.minimum:
        first_wins, second_wins = second_wins, first_wins
    tied = equal(x, y)
    return (
        select(first_wins, g, select(tied, half, zero)),
        select(second_wins, g, select(tied, half, zero)),
    )


@vjp_rule(ops.select)
def select_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g where the branch was taken, 0 elsewhere."""
    (g,), zero = cotangents, zeros_like(cotangents[0])
    condition = _condition_from_result(node)
    return None, select(condition, g, zero), select(condition, zero, g)


def _condition_from_result(node: Node) -> Tensor:
    """The condition of a select; read off the result for `where(x <= c, c, x)`.

    So the gradient of relu needs what the next layer keeps anyway, not also what went into relu.
    """
    condition, on_true, on_false = node.operands
    if condition.node.op not in (ops.less_equal, ops.greater_equal):
        return condition
    x, bound = condition.node.operands
    if not (x.is_same(on_false) and bound.is_same(on_true)):
        return condition
    result: Tensor = condition.node.op(node.results[0], bound)
    return result


@vjp_rule(ops.sign, ops.floor, ops.ceil, ops.round_, ops.trunc, ops.floor_divide)
def piecewise_constant_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """0: constant between the jumps."""
    return [zeros_like(operand) for operand in node.operands]


@vjp_rule(ops.convert)
def convert_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g in the operand's dtype."""
    return (convert(cotangents[0], dtype=node.operands[0].dtype),)


# Exponentials -------------------------------------------------------------------------------------


@vjp_rule(ops.exp)
def exp_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g exp(x)."""
    return (multiply(cotangents[0], node.results[0]),)


@vjp_rule(ops.expm1)
def expm1_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g (expm1(x) + 1)."""
    (g,), (result,) = cotangents, node.results
    return (multiply(g, add(result, filled(result, 1))),)


@vjp_rule(ops.log)
def log_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g / x."""
    return (divide(cotangents[0], node.operands[0]),)


@vjp_rule(ops.log1p)
def log1p_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g / (1 + x)."""
    (g,), (x,) = cotangents, node.operands
    return (divide(g, add(x, filled(x, 1))),)


@vjp_rule(ops.sqrt)
def sqrt_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g / (2 sqrt(x))."""
    (g,), (result,) = cotangents, node.results
    return (divide(multiply(g, filled(g, 0.5)), result),)


@vjp_rule(ops.rsqrt)
def rsqrt_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """-g x^(-3/2) / 2."""
    (g,), (result,) = cotangents, node.results
    cube = multiply(result, multiply(result, result))
    return (multiply(multiply(g, filled(g, -0.5)), cube),)


@vjp_rule(ops.logistic)
def logistic_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g s (1 - s)."""
    (g,), (result,) = cotangents, node.results
    return (multiply(g, multiply(result, subtract(filled(result, 1), result))),)


@vjp_rule(ops.erf)
def erf_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g 2/sqrt(pi) exp(-x^2)."""
    (g,), (x,) = cotangents, node.operands
    density = multiply(filled(x, 2 / sqrt(pi)), exp(negative(multiply(x, x))))
    return (multiply(g, density),)


# Trigonometry -------------------------------------------------------------------------------------


@vjp_rule(ops.sin)
def sin_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g cos(x)."""
    return (multiply(cotangents[0], ops.cos(node.operands[0])),)


@vjp_rule(ops.cos)
def cos_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """-g sin(x)."""
    return (negative(multiply(cotangents[0], ops.sin(node.operands[0]))),)


@vjp_rule(ops.tan)
def tan_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g (1 + tan(x)^2)."""
    (g,), (result,) = cotangents, node.results
    return (multiply(g, add(multiply(result, result), filled(result, 1))),)


@vjp_rule(ops.asin, ops.acos)
def arc_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g / sqrt(1 - x^2), negative for acos."""
    (g,), (x,) = cotangents, node.operands
    slope = multiply(g, rsqrt(subtract(filled(x, 1), multiply(x, x))))
    return (slope if node.op is ops.asin else negative(slope),)


@vjp_rule(ops.atan)
def atan_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g / (1 + x^2)."""
    (g,), (x,) = cotangents, node.operands
    return (divide(g, add(multiply(x, x), filled(x, 1))),)


@vjp_rule(ops.atan2)
def atan2_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g x / r and -g y / r with r = x^2 + y^2."""
    (g,), (y, x) = cotangents, node.operands
    share = divide(g, add(multiply(x, x), multiply(y, y)))
    return multiply(share, x), negative(multiply(share, y))


@vjp_rule(ops.sinh)
def sinh_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g cosh(x)."""
    return (multiply(cotangents[0], ops.cosh(node.operands[0])),)


@vjp_rule(ops.cosh)
def cosh_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g sinh(x)."""
    return (multiply(cotangents[0], ops.sinh(node.operands[0])),)


@vjp_rule(ops.tanh)
def tanh_vjp(node: Node, cotangents: Cotangents) -> Contributions:
    """g (1 - tanh(x)^2)."""
    (g,), (result,) = cotangents, node.results
    return (multiply(g, subtract(filled(result, 1), multiply(result, result))),)


# Forward and batched ------------------------------------------------------------------------------


@jvp_rule(ops.select)
def select_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """The tangent of the branch that was taken."""
    zero = zeros_like(node.results[0])
    branches = (zero if tangent is None else tangent for tangent in tangents[1:])
    return (select(node.operands[0], *branches),)


@jvp_rule(ops.convert)
def convert_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """t in the result's dtype."""
    return [None if t is None else convert(t, **node.attributes) for t in tangents]


@jvp_rule(*(op for op in ops.OPS if op in RULES and op not in (ops.select, ops.convert)))
def elementwise_jvp(node: Node, tangents: Tangents) -> Sequence[Tensor | None]:
    """The sum over operands: a diagonal Jacobian is its own transpose, so the vjp rule serves."""
    total: Tensor | None = None
    for position, tangent in enumerate(tangents):
        if tangent is None:
            continue
        part = RULES[node.op](node, (tangent,))[position]
        if isinstance(part, Tensor):
            total = part if total is None else add(total, part)
    return (total,)


@batch_rule(*ops.OPS)
def elementwise_batch(
    node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """The same on whole batches."""
    given = (batched(x, has, size) for x, has in zip(operands, has_batch, strict=True))
    return (node.op(*given, **node.attributes),)
