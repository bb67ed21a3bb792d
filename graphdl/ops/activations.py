"""More activations: the rest of jax.nn and torch.nn.functional, written from primitives.

Integers count as float32. Where a choice of branches has no derivative at a corner, it is that of
the branch without the constant on the other side, as in PyTorch.
"""

from __future__ import annotations

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import composite, movement
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import (
    Operand,
    as_floating,
    broadcast_operands,
    number_like,
    operand_lines,
    promote_operands,
)
from graphdl.ops.composite import Axis
from graphdl.typesystem.shape import canonical_axis


def _between(x: Tensor, low: float, high: float) -> Tensor:
    """x cut off at two bounds; the derivative at them is 0."""
    lowest, highest = number_like(low, x), number_like(high, x)
    cut = raw.select(raw.less_equal(x, lowest), lowest, x)
    result: Tensor = raw.select(raw.greater_equal(x, highest), highest, cut)
    return result


def hard_tanh(x: Operand, low: float = -1.0, high: float = 1.0) -> Tensor:
    """x cut off at low and high. Raises ArgumentError unless low < high.

    >>> gd.hard_tanh([-2.0, 0.5, 2.0]).eval().tolist()
    [-1.0, 0.5, 1.0]
    """
    if not low < high:
        raise ArgumentError(f"hard_tanh: low {low} is not below high {high}")
    return _between(as_floating(x, "hard_tanh"), low, high)


def hard_silu(x: Operand) -> Tensor:
    """x * relu6(x + 3) / 6, also called hard_swish. Howard et al. (2019).

    >>> gd.hard_silu([-4.0, 0.0, 3.0]).eval().tolist()
    [-0.0, 0.0, 3.0]
    """
    tensor = as_floating(x, "hard_silu")
    result: Tensor = raw.multiply(tensor, composite.hard_sigmoid(tensor))
    return result


hard_swish = hard_silu
"""PyTorch's name."""


def celu(x: Operand, alpha: float = 1.0) -> Tensor:
    """x above 0, alpha * (exp(x / alpha) - 1) below. Barron (2017).

    >>> gd.celu([-2.0, 0.0, 2.0], alpha=2.0).eval()
    array([-1.2642411,  0.       ,  2.       ], dtype=float32)
    """
    tensor = as_floating(x, "celu")
    zero = number_like(0, tensor)
    is_positive = raw.greater(tensor, zero)
    safe = raw.select(is_positive, zero, tensor)
    power = raw.expm1(raw.multiply(safe, number_like(1 / alpha, tensor)))
    below = raw.multiply(power, number_like(alpha, tensor))
    result: Tensor = raw.select(is_positive, tensor, below)
    return result


def glu(x: Operand, axis: int = -1) -> Tensor:
    """The first half along an axis times sigmoid of the second half. Dauphin et al. (2016).

    Raises ShapeError where the axis cannot be halved, at the call where its size is named.

    >>> gd.glu([4.0, 0.0]).eval().tolist()
    [2.0]
    """
    tensor = as_floating(x, "glu")
    along = _axis("glu", tensor, axis)
    size = tensor.shape[along]
    if isinstance(size, int) and size % 2:
        raise ShapeError(
            f"glu: axis {along} of size {size} has no two halves", details=operand_lines(x=tensor)
        )
    before, after = tensor.shape[:along], tensor.shape[along + 1 :]
    halves = movement.reshape(tensor, shape=(*before, 2, size // 2, *after))
    result: Tensor = raw.multiply(_half(halves, along, 0), raw.logistic(_half(halves, along, 1)))
    return result


def _half(x: Tensor, axis: int, place: int) -> Tensor:
    starts = tuple(place if each == axis else 0 for each in range(x.ndim))
    stops = tuple(place + 1 if each == axis else size for each, size in enumerate(x.shape))
    part = movement.slice_(x, starts=starts, stops=stops, steps=(1,) * x.ndim)
    result: Tensor = movement.reshape(part, shape=x.shape[:axis] + x.shape[axis + 1 :])
    return result


def _axis(name: str, x: Tensor, axis: int) -> int:
    try:
        return canonical_axis(axis, x.ndim, op=name)
    except ArgumentError as error:
        lines = operand_lines(x=x)
        raise ArgumentError(error.message, details=lines, hint=error.hint) from None


def hard_shrink(x: Operand, threshold: float = 0.5) -> Tensor:
    """0 for |x| <= threshold, else x.

    >>> gd.hard_shrink([-1.0, 0.5, 2.0]).eval().tolist()
    [-1.0, 0.0, 2.0]
    """
    tensor = as_floating(x, "hard_shrink")
    is_small = raw.less_equal(raw.abs_(tensor), number_like(threshold, tensor))
    result: Tensor = raw.select(is_small, number_like(0, tensor), tensor)
    return result


def soft_shrink(x: Operand, threshold: float = 0.5) -> Tensor:
    """x brought towards 0 by threshold, 0 for |x| <= threshold. Raises ArgumentError for a negative
    threshold.

    >>> gd.soft_shrink([-1.0, 0.5, 2.0]).eval().tolist()
    [-0.5, 0.0, 1.5]
    """
    if threshold < 0:
        raise ArgumentError(f"soft_shrink: the threshold must not be negative, got {threshold}")
    tensor = as_floating(x, "soft_shrink")
    bound, zero = number_like(threshold, tensor), number_like(0, tensor)
    below = raw.select(raw.less(tensor, raw.negative(bound)), raw.add(tensor, bound), zero)
    result: Tensor = raw.select(raw.greater(tensor, bound), raw.subtract(tensor, bound), below)
    is_nan = raw.not_equal(tensor, tensor)
    result = raw.select(is_nan, tensor, result)
    return result


def tanh_shrink(x: Operand) -> Tensor:
    """x - tanh(x).

    >>> gd.tanh_shrink([0.0, 1.0]).eval()
    array([0.        , 0.23840582], dtype=float32)
    """
    tensor = as_floating(x, "tanh_shrink")
    result: Tensor = raw.subtract(tensor, raw.tanh(tensor))
    return result


def threshold(x: Operand, threshold: float, value: float) -> Tensor:
    """x above threshold, else value.

    >>> gd.threshold([-1.0, 0.5, 2.0], 0.5, 9.0).eval().tolist()
    [9.0, 9.0, 2.0]
    """
    tensor = as_floating(x, "threshold")
    is_below = raw.less_equal(tensor, number_like(threshold, tensor))
    result: Tensor = raw.select(is_below, number_like(value, tensor), tensor)
    return result


def squareplus(x: Operand, b: float = 4.0) -> Tensor:
    """(x + sqrt(x*x + b)) / 2, a softplus without exponentials. Barron (2021).

    >>> gd.squareplus([0.0, 1.5]).eval().tolist()
    [1.0, 2.0]
    """
    tensor = as_floating(x, "squareplus")
    root = raw.sqrt(raw.add(raw.multiply(tensor, tensor), number_like(b, tensor)))
    result: Tensor = raw.multiply(raw.add(tensor, root), number_like(0.5, tensor))
    return result


def sparse_plus(x: Operand) -> Tensor:
    """0 up to -1, (x + 1)**2 / 4 up to 1, then x.

    >>> gd.sparse_plus([-2.0, 0.0, 3.0]).eval().tolist()
    [0.0, 0.25, 3.0]
    """
    tensor = as_floating(x, "sparse_plus")
    one = number_like(1, tensor)
    inside = raw.add(_between(tensor, -1.0, 1.0), one)
    middle = raw.multiply(raw.multiply(inside, inside), number_like(0.25, tensor))
    result: Tensor = raw.select(raw.greater_equal(tensor, one), tensor, middle)
    return result


def sparse_sigmoid(x: Operand) -> Tensor:
    """0 up to -1, (x + 1) / 2 up to 1, then 1: the derivative of sparse_plus.

    >>> gd.sparse_sigmoid([-2.0, 0.0, 3.0]).eval().tolist()
    [0.0, 0.5, 1.0]
    """
    tensor = as_floating(x, "sparse_sigmoid")
    inside = raw.add(_between(tensor, -1.0, 1.0), number_like(1, tensor))
    result: Tensor = raw.multiply(inside, number_like(0.5, tensor))
    return result


def softmin(x: Operand, axis: Axis = -1, *, dtype: object = None) -> Tensor:
    """softmax(-x) along axes; `dtype` converts x first.

    >>> gd.softmin([0.0, 200.0]).eval().tolist()
    [1.0, 0.0]
    """
    return composite.softmax(raw.negative(as_floating(x, "softmin")), axis, dtype=dtype)


def prelu(x: Operand, weight: Operand, axis: int = 1) -> Tensor:
    """x above 0, weight * x below; a 1-d weight of several numbers runs along `axis`.

    0-d x uses a weight of one number. He et al. (2015). Raises ShapeError where it does not fit.

    >>> gd.prelu([[-2.0, -2.0]], [0.5, 0.25]).eval().tolist()
    [[-1.0, -0.5]]
    """
    tensor, factor = promote_operands(
        "prelu", as_floating(x, "prelu"), weight, names=("x", "weight")
    )
    if factor.ndim == 1 and tensor.ndim > 1 and factor.shape[0] != 1:
        along = _axis("prelu", tensor, axis)
        shape = (factor.shape[0], *(1,) * (tensor.ndim - 1 - along))
        factor = movement.reshape(factor, shape=shape)
    tensor, factor = broadcast_operands("prelu", tensor, factor, names=("x", "weight"))
    below = raw.multiply(tensor, factor)
    result: Tensor = raw.select(raw.less_equal(tensor, number_like(0, tensor)), below, tensor)
    return result


def rrelu(x: Operand, lower: float = 1 / 8, upper: float = 1 / 3) -> Tensor:
    """leaky_relu with the mean slope of (lower, upper): the randomised one outside training.

    >>> gd.rrelu([-2.0, 2.0], 0.25, 0.75).eval().tolist()
    [-1.0, 2.0]
    """
    if not lower <= upper:
        raise ArgumentError(f"rrelu: lower {lower} is above upper {upper}")
    return composite.leaky_relu(x, (lower + upper) / 2)


def log1mexp(x: Operand) -> Tensor:
    """log(1 - exp(-x)) for x > 0, without cancellation. Mächler (2012).

    >>> gd.log1mexp([1.0]).eval()
    array([-0.45867515], dtype=float32)
    """
    tensor = as_floating(x, "log1mexp")
    flipped = raw.negative(tensor)
    is_near = raw.less(tensor, number_like(0.6931471805599453, tensor))
    near = raw.log(raw.negative(raw.expm1(raw.select(is_near, flipped, number_like(-1, tensor)))))
    far = raw.log1p(raw.negative(raw.exp(raw.select(is_near, number_like(-1, tensor), flipped))))
    result: Tensor = raw.select(is_near, near, far)
    return result
