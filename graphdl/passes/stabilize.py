"""Replace formulas that lose digits, overflow or give NaN by equal ones that do not.

Why: the logarithm of a softmax, of a sigmoid or of 1 + x is what a loss means; computed as written
it is -inf, NaN or 0 far too early, and so is its gradient. Differentiation therefore runs this
pass first, on graphs whose inputs are the tensors that it differentiates by.
Requires: nothing. Ensures: in exact arithmetic every result is equal, but for `x * log(y)`, which
is 0 where x is 0 and y is any number. Every rule changes rounding; each one is tested against
mpmath to be at least as accurate as what it replaces.

    %0: float32[n] = divide(exp(z), s)       ->    %0: float32[n] = log(s)
    %1: float32[n] = log(%0)                       %1: float32[n] = subtract(z, %0)
"""

from __future__ import annotations

from typing import Any

from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.op import OpKind
from graphdl.ops import composite
from graphdl.ops.arguments import filled
from graphdl.ops.elementwise import (
    add,
    bitwise_and,
    divide,
    equal,
    exp,
    expm1,
    log,
    log1p,
    logistic,
    multiply,
    negative,
    select,
    subtract,
)
from graphdl.ops.functions.reduction import logsumexp
from graphdl.ops.indexing import gather, gather_elements
from graphdl.ops.movement import (
    broadcast_in_dim,
    reshape,
    reverse,
    slice_,
    stop_gradient,
    transpose,
)
from graphdl.ops.reduction import reduce_max, reduce_sum
from graphdl.rewrite.driver import rewrite, rule
from graphdl.rewrite.pattern import attribute_variables, literal, uniform_value, variables

x, y, z, indices = variables("x", "y", "z", "indices")
(axes,) = attribute_variables("axes")
one = literal(1)


def stabilize(graph: Graph) -> Graph:
    """`graph` with numerically better formulas; graph inputs may be any tensors."""
    return rewrite(graph, RULES)


# Logarithms ---------------------------------------------------------------------------------------


@rule(log(exp(x)))
def cancel_log_of_exp(x: Tensor) -> Tensor:
    """log(exp(x)) is x, which does not overflow."""
    return x


@rule(log(divide(exp(z), broadcast_in_dim(y))))
def expand_log_of_softmax(z: Tensor, y: Tensor, root: Tensor) -> Tensor:
    """log(exp(z) / s) is z - log(s): the log-softmax, finite where the softmax is 0."""
    spread = root.node.operands[0].node.operands[1].node
    result: Tensor = subtract(z, broadcast_in_dim(log(y), **spread.attributes))
    return result


@rule(log(divide(exp(z), y)))
def expand_log_of_ratio(z: Tensor, y: Tensor) -> Tensor:
    """log(exp(z) / y) is z - log(y)."""
    result: Tensor = subtract(z, log(y))
    return result


@rule(
    log(gather(divide(exp(z), y), indices)),
    log(gather_elements(divide(exp(z), y), indices)),
    *(
        log(move(divide(exp(z), y)))
        for move in (broadcast_in_dim, reshape, reverse, slice_, transpose)
    ),
)
def take_log_of_softmax_first(root: Tensor) -> Tensor:
    """log(softmax[i]) is log(softmax)[i], as sparse cross-entropy has it; so for any movement."""
    moved = root.node.operands[0].node
    softmax, *others = moved.operands
    result: Tensor = moved.op(log(softmax), *others, **moved.attributes)
    return result


@rule(log(reduce_sum(exp(x), axes=axes)))
def shift_logsumexp(x: Tensor, axes: tuple[int, ...]) -> Tensor | None:
    """log(sum(exp(x))) is shifted by the largest x, unless it already is."""
    return None if _is_shifted(x) or not axes else logsumexp(x, axis=axes)


@rule(
    divide(exp(x), broadcast_in_dim(reduce_sum(exp(x), axes=axes))),
    divide(exp(x), broadcast_in_dim(reshape(reduce_sum(exp(x), axes=axes)))),
)
def shift_softmax(x: Tensor, axes: tuple[int, ...], root: Tensor) -> Tensor | None:
    """exp(x) / sum(exp(x)) is shifted by the largest x, unless it already is."""
    if _is_shifted(x) or not axes or not _restores(root.node.operands[1], axes):
        return None
    return composite.softmax(x, axis=axes)


def _restores(spread: Tensor, axes: tuple[int, ...]) -> bool:
    """Whether a broadcast puts every kept axis of a reduction over `axes` back where it was."""
    reduced = spread.node.operands[0]
    kept = tuple(axis for axis in range(spread.ndim) if axis not in axes)
    dimensions = spread.node.attributes["broadcast_dimensions"]
    if reduced.node.op is not reshape:
        return bool(dimensions == kept)
    source = reduced.node.operands[0].shape
    found = [(axis, n) for axis, n in zip(dimensions, reduced.shape, strict=True) if n != 1]
    wanted = [(axis, n) for axis, n in zip(kept, source, strict=True) if n != 1]
    return found == wanted


@rule(*(log(move(reduce_sum(exp(x)))) for move in (broadcast_in_dim, reshape)))
def take_log_of_sum_first(x: Tensor, root: Tensor) -> Tensor | None:
    """log of a moved sum of exponentials is the moved log, so that it can be shifted."""
    if _is_shifted(x):
        return None
    moved = root.node.operands[0].node
    result: Tensor = moved.op(log(moved.operands[0]), **moved.attributes)
    return result


def _is_shifted(x: Tensor) -> bool:
    """Whether x is something less its own maximum."""
    if x.node.op is not subtract:
        return False
    shift = x.node.operands[1]
    while shift.node.op in (broadcast_in_dim, reshape, stop_gradient, select):
        shift = shift.node.operands[1 if shift.node.op is select else 0]
    return shift.node.op is reduce_max


# Near one and near zero ---------------------------------------------------------------------------


@rule(log(add(x, one)))
def make_log1p(x: Tensor) -> Tensor:
    """log(1 + x) is log1p(x), exact for small x."""
    result: Tensor = log1p(x)
    return result


@rule(log(subtract(one, x)))
def make_log1p_of_negative(x: Tensor) -> Tensor:
    """log(1 - x) is log1p(-x)."""
    result: Tensor = log1p(negative(x))
    return result


@rule(subtract(exp(x), one), add(exp(x), literal(-1)))
def make_expm1(x: Tensor) -> Tensor:
    """exp(x) - 1 is expm1(x), exact for small x."""
    result: Tensor = expm1(x)
    return result


# Sigmoids -----------------------------------------------------------------------------------------


@rule(divide(one, add(exp(negative(x)), one)), divide(exp(x), add(exp(x), one)))
def make_logistic(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)) and exp(x) / (1 + exp(x)) are logistic(x), which does not overflow."""
    result: Tensor = logistic(x)
    return result


@rule(subtract(one, logistic(x)))
def reflect_logistic(x: Tensor) -> Tensor:
    """1 - logistic(x) is logistic(-x), which does not cancel."""
    result: Tensor = logistic(negative(x))
    return result


@rule(log(logistic(x)))
def make_log_sigmoid(x: Tensor) -> Tensor:
    """log(logistic(x)) is -softplus(-x), finite where the logistic is 0."""
    return composite.log_sigmoid(x)


@rule(log1p(negative(logistic(x))))
def make_log_of_complement(x: Tensor) -> Tensor:
    """log1p(-logistic(x)) is -softplus(x)."""
    result: Tensor = negative(composite.softplus(x))
    return result


@rule(log1p(exp(x)))
def make_softplus(x: Tensor) -> Tensor | None:
    """log1p(exp(x)) is max(x, 0) + log1p(exp(-|x|)), which does not overflow."""
    is_bounded = x.node.op is negative and x.node.operands[0].node.op.name == "abs"
    return None if is_bounded else composite.softplus(x)


# Products with logarithms -------------------------------------------------------------------------


@rule(multiply(x, log(y)))
def protect_product_with_log(x: Tensor, y: Tensor) -> Tensor | None:
    """x * log(y) is 0 where x is 0 and y is a number: there log(1) stands for log(y)."""
    if uniform_value(x) not in (None, 0) or _is_protected(y):
        return None
    at_zero = equal(x, filled(0, x.dtype, x.shape))
    is_number = equal(y, y)
    safe = select(bitwise_and(at_zero, is_number), filled(1, y.dtype, y.shape), y)
    result: Tensor = multiply(x, log(safe))
    return result


def _is_protected(y: Tensor) -> bool:
    value: Any = uniform_value(y.node.operands[1]) if y.node.op is select else None
    return value is not None and bool(value == 1)


RULES = (
    cancel_log_of_exp,
    expand_log_of_softmax,
    expand_log_of_ratio,
    take_log_of_softmax_first,
    take_log_of_sum_first,
    shift_logsumexp,
    shift_softmax,
    make_log1p,
    make_log1p_of_negative,
    make_expm1,
    make_logistic,
    reflect_logistic,
    make_log_sigmoid,
    make_log_of_complement,
    make_softplus,
    protect_product_with_log,
)
"""Every rule changes rounding on purpose. Tried in this order at every node."""

assert all(pattern.op.kind is OpKind.ELEMENTWISE for each in RULES for pattern in each.patterns)
