"""Activations, written from primitives; fusion makes each one kernel."""

from __future__ import annotations

from math import pi, sqrt

import ml_dtypes

from graphdl.errors import ArgumentError, DTypeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops import movement, reduction
from graphdl.ops.arguments import (
    Operand,
    as_tensor,
    broadcast_operands,
    cast,
    filled,
    operand_lines,
)
from graphdl.typesystem.dtype import as_dtype, float32
from graphdl.typesystem.shape import canonical_axes
from graphdl.typesystem.tensor_type import Shape

Axis = int | tuple[int, ...]


def _floating(name: str, x: Operand) -> Tensor:
    tensor = as_tensor(x, name)
    return tensor if tensor.dtype.is_floating else cast(tensor, float32)


def _like(value: float, x: Tensor) -> Tensor:
    return filled(value, x.dtype, x.shape)


def _is_positive(x: Tensor) -> Tensor:
    result: Tensor = raw.greater(x, _like(0, x))
    return result


def relu(x: Operand) -> Tensor:
    """x where it is above 0, else 0; the derivative at 0 is 0.

    >>> gd.relu([-2.0, 0.0, 2.0]).eval()
    array([0., 0., 2.], dtype=float32)
    """
    tensor = as_tensor(x, "relu")
    zero = _like(0, tensor)
    result: Tensor = raw.select(raw.less_equal(tensor, zero), zero, tensor)
    return result


def relu6(x: Operand) -> Tensor:
    """relu cut off at 6.

    >>> gd.relu6([-2.0, 0.0, 2.0]).eval()
    array([0., 0., 2.], dtype=float32)
    """
    positive = relu(x)
    six = _like(6, positive)
    result: Tensor = raw.select(raw.greater_equal(positive, six), six, positive)
    return result


def leaky_relu(x: Operand, negative_slope: float = 0.2) -> Tensor:
    """x above 0, negative_slope * x below.

    >>> gd.leaky_relu([-2.0, 0.0, 2.0]).eval()
    array([-0.4,  0. ,  2. ], dtype=float32)
    """
    tensor = _floating("leaky_relu", x)
    below = raw.multiply(tensor, _like(negative_slope, tensor))
    result: Tensor = raw.select(raw.less_equal(tensor, _like(0, tensor)), below, tensor)
    return result


def elu(x: Operand, alpha: float = 1.0) -> Tensor:
    """x above 0, alpha * (exp(x) - 1) below. Clevert, Unterthiner, Hochreiter (2015).

    >>> gd.elu([-2.0, 0.0, 2.0]).eval()
    array([-0.86466473,  0.        ,  2.        ], dtype=float32)
    """
    tensor = _floating("elu", x)
    return _exponential_below(tensor, tensor, alpha)


def selu(x: Operand) -> Tensor:
    """elu scaled so that activations keep mean 0 and variance 1. Klambauer et al. (2017).

    >>> gd.selu([-2.0, 0.0, 2.0]).eval()
    array([-1.5201665,  0.       ,  2.101402 ], dtype=float32)
    """
    tensor = _floating("selu", x)
    scale = 1.0507009873554805
    above = raw.multiply(tensor, _like(scale, tensor))
    return _exponential_below(tensor, above, scale * 1.6732632423543772)


def _exponential_below(x: Tensor, above: Tensor, factor: float) -> Tensor:
    """`above` for x > 0, else factor * expm1(x); the branch not taken stays finite."""
    is_positive = _is_positive(x)
    safe = raw.select(is_positive, _like(0, x), x)
    below = raw.expm1(safe)
    if factor != 1.0:
        below = raw.multiply(below, _like(factor, x))
    result: Tensor = raw.select(is_positive, above, below)
    return result


def gelu(x: Operand, approximate: bool = False) -> Tensor:
    """x times the normal distribution function at x. Hendrycks, Gimpel (2016).

    `approximate` takes 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).

    >>> gd.gelu([-2.0, 0.0, 2.0]).eval()
    array([-0.04550028,  0.        ,  1.9544997 ], dtype=float32)
    """
    tensor = _floating("gelu", x)
    half = raw.multiply(tensor, _like(0.5, tensor))
    if approximate:
        cube = raw.multiply(raw.multiply(tensor, tensor), tensor)
        inner = raw.add(tensor, raw.multiply(cube, _like(0.044715, tensor)))
        bent = raw.tanh(raw.multiply(inner, _like(sqrt(2 / pi), tensor)))
    else:
        bent = raw.erf(raw.multiply(tensor, _like(sqrt(0.5), tensor)))
    result: Tensor = raw.multiply(half, raw.add(bent, _like(1, tensor)))
    return result


def softplus(x: Operand, beta: float = 1.0, threshold: float | None = None) -> Tensor:
    """log(1 + exp(beta x)) / beta, without overflow; x itself where beta x is above a threshold.

    >>> gd.softplus([-2.0, 0.0, 2.0]).eval()
    array([0.12692802, 0.6931472 , 2.126928  ], dtype=float32)
    """
    tensor = _floating("softplus", x)
    scaled = tensor if beta == 1 else raw.multiply(tensor, _like(beta, tensor))
    positive = raw.maximum(scaled, _like(0, tensor))
    result: Tensor = raw.add(positive, raw.log1p(raw.exp(raw.negative(raw.abs_(scaled)))))
    if beta != 1:
        result = raw.multiply(result, _like(1 / beta, tensor))
    if threshold is not None:
        result = raw.select(raw.greater(scaled, _like(threshold, tensor)), tensor, result)
    return result


def softsign(x: Operand) -> Tensor:
    """x / (1 + |x|).

    >>> gd.softsign([-2.0, 0.0, 2.0]).eval()
    array([-0.6666667,  0.       ,  0.6666667], dtype=float32)
    """
    tensor = _floating("softsign", x)
    result: Tensor = raw.divide(tensor, raw.add(raw.abs_(tensor), _like(1, tensor)))
    return result


def sigmoid(x: Operand) -> Tensor:
    """1 / (1 + exp(-x)).

    >>> gd.sigmoid([-2.0, 0.0, 2.0]).eval()
    array([0.11920292, 0.5       , 0.8807971 ], dtype=float32)
    """
    result: Tensor = raw.logistic(_floating("sigmoid", x))
    return result


def hard_sigmoid(x: Operand) -> Tensor:
    """relu6(x + 3) / 6.

    >>> gd.hard_sigmoid([-2.0, 0.0, 2.0]).eval()
    array([0.16666667, 0.5       , 0.8333334 ], dtype=float32)
    """
    tensor = _floating("hard_sigmoid", x)
    shifted = relu6(raw.add(tensor, _like(3, tensor)))
    result: Tensor = raw.multiply(shifted, _like(1 / 6, tensor))
    return result


def log_sigmoid(x: Operand) -> Tensor:
    """log(sigmoid(x)), without underflow.

    >>> gd.log_sigmoid([-2.0, 0.0, 2.0]).eval()
    array([-2.126928  , -0.6931472 , -0.12692802], dtype=float32)
    """
    tensor = _floating("log_sigmoid", x)
    result: Tensor = raw.negative(softplus(raw.negative(tensor)))
    return result


def silu(x: Operand) -> Tensor:
    """x * sigmoid(x), also called swish.

    >>> gd.silu([-2.0, 0.0, 2.0]).eval()
    array([-0.23840584,  0.        ,  1.7615942 ], dtype=float32)
    """
    tensor = _floating("silu", x)
    result: Tensor = raw.multiply(tensor, raw.logistic(tensor))
    return result


def mish(x: Operand) -> Tensor:
    """x * tanh(softplus(x)). Misra (2019).

    >>> gd.mish([-2.0, 0.0, 2.0]).eval()
    array([-0.2525015,  0.       ,  1.943959 ], dtype=float32)
    """
    tensor = _floating("mish", x)
    result: Tensor = raw.multiply(tensor, raw.tanh(softplus(tensor)))
    return result


def softmax(x: Operand, axis: Axis = -1, *, where: Operand = None, dtype: object = None) -> Tensor:
    """exp(x) over its sum along axes, shifted by the largest element.

    Elements where the bool `where` is false do not count and give 0. `dtype` converts x first.

    >>> gd.softmax([0.0, 200.0]).eval().tolist()
    [0.0, 1.0]
    """
    tensor = _converted("softmax", x, dtype)
    mask = _mask("softmax", where, tensor)
    shifted, axes = _shift("softmax", tensor, axis, mask)
    powers = _masked(raw.exp(shifted), mask, 0.0)
    total = reduction.reduce_sum(powers, axes=axes)
    result: Tensor = raw.divide(powers, _restore(total, tensor.shape, axes))
    return result


def log_softmax(
    x: Operand, axis: Axis = -1, *, where: Operand = None, dtype: object = None
) -> Tensor:
    """log(softmax(x)), without underflow.

    Elements where the bool `where` is false do not count and give -inf. `dtype` converts x first.

    >>> gd.log_softmax([0.0, 200.0]).eval().tolist()
    [-200.0, 0.0]
    """
    tensor = _converted("log_softmax", x, dtype)
    mask = _mask("log_softmax", where, tensor)
    shifted, axes = _shift("log_softmax", tensor, axis, mask)
    total = raw.log(reduction.reduce_sum(_masked(raw.exp(shifted), mask, 0.0), axes=axes))
    result: Tensor = raw.subtract(shifted, _restore(total, tensor.shape, axes))
    return _masked(result, mask, float("-inf"))


def _converted(name: str, x: Operand, dtype: object) -> Tensor:
    tensor = _floating(name, x)
    return tensor if dtype is None else cast(tensor, as_dtype(dtype))


def _mask(name: str, where: Operand, x: Tensor) -> Tensor | None:
    """A bool tensor of x's shape, None for no mask. Raises DTypeError and ShapeError."""
    if where is None:
        return None
    mask = as_tensor(where, name)
    if not mask.dtype.is_bool:
        raise DTypeError(
            f"{name}: where must be bool, got {mask.dtype}", details=operand_lines(where=mask)
        )
    _, mask = broadcast_operands(name, x, mask, names=("x", "where"))
    return mask


def _masked(x: Tensor, mask: Tensor | None, number: float) -> Tensor:
    if mask is None:
        return x
    result: Tensor = raw.select(mask, x, _like(number, x))
    return result


def _shift(name: str, x: Tensor, axis: Axis, mask: Tensor | None) -> tuple[Tensor, tuple[int, ...]]:
    """x less its largest element along axes; the shift cancels, so it has no derivative.

    Elements outside the mask are 0.
    """
    try:
        axes = canonical_axes(axis, x.ndim, op=name)
    except ArgumentError as error:
        lines = operand_lines(x=x)
        raise ArgumentError(error.message, details=lines, hint=error.hint) from None
    lowest = float(ml_dtypes.finfo(x.dtype.numpy).min)
    counted = _masked(x, mask, lowest)
    largest = movement.stop_gradient(reduction.reduce_max(counted, axes=axes))
    shifted: Tensor = raw.subtract(x, _restore(largest, x.shape, axes))
    return _masked(shifted, mask, 0.0), axes


def _restore(reduced: Tensor, shape: Shape, axes: tuple[int, ...]) -> Tensor:
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    result: Tensor = movement.broadcast_in_dim(reduced, shape=shape, broadcast_dimensions=kept)
    return result
