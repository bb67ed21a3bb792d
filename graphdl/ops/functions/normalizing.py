"""Bringing rows to a common scale, and how far rows are from each other."""

from __future__ import annotations

from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import (
    Operand,
    as_floating,
    broadcast,
    floating_operands,
    number_like,
)
from graphdl.ops.functions.elementwise import divide, maximum
from graphdl.ops.functions.linalg import vector_norm
from graphdl.ops.functions.reduction import Axis, root_of_sum
from graphdl.ops.functions.reduction import mean as mean_of
from graphdl.ops.functions.reduction import sum as sum_of
from graphdl.ops.functions.reduction import var as var_of


def standardize(
    x: Operand,
    axis: Axis = -1,
    mean: Operand = None,
    variance: Operand = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon), both taken over axes unless they are given.

    >>> gd.standardize([1.0, 3.0], epsilon=0.0).eval().tolist()
    [-1.0, 1.0]
    """
    tensor = as_floating(x, "standardize")
    center = mean_of(tensor, axis=axis, keepdims=True) if mean is None else mean
    spread = var_of(tensor, axis=axis, keepdims=True) if variance is None else variance
    names = ("x", "mean", "variance")
    tensor, center, spread = floating_operands("standardize", tensor, center, spread, names=names)
    scale = raw.rsqrt(raw.add(spread, number_like(epsilon, spread)))
    result: Tensor = raw.multiply(raw.subtract(tensor, center), scale)
    return result


def normalize(x: Operand, p: float = 2.0, axis: Axis = 1, epsilon: float = 1e-12) -> Tensor:
    """x over its p-norm along axes, or over epsilon where the norm is smaller.

    >>> gd.normalize([[3.0, 4.0]]).eval()
    array([[0.6, 0.8]], dtype=float32)
    """
    tensor = as_floating(x, "normalize")
    length = vector_norm(tensor, axis=axis, ord=p, keepdims=True)
    result: Tensor = raw.divide(tensor, broadcast(maximum(length, epsilon), tensor.shape))
    return result


def cosine_similarity(x: Operand, y: Operand, axis: int = 1, epsilon: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along an axis; norms below epsilon count as it.

    >>> gd.cosine_similarity([[1.0, 0.0]], [[1.0, 1.0]]).eval()
    array([0.70710677], dtype=float32)
    """
    left, right = floating_operands("cosine_similarity", x, y, names=("x", "y"))
    product = sum_of(raw.multiply(left, right), axis=axis)
    lengths = (maximum(vector_norm(each, axis=axis), epsilon) for each in (left, right))
    for length in lengths:
        product = divide(product, length)
    return product


def pairwise_distance(
    x: Operand, y: Operand, p: float = 2.0, epsilon: float = 1e-6, keepdims: bool = False
) -> Tensor:
    """The p-norm of x - y + epsilon along the last axis.

    >>> gd.pairwise_distance([[0.0, 0.0]], [[3.0, 4.0]], epsilon=0.0).eval().tolist()
    [5.0]
    """
    left, right = floating_operands("pairwise_distance", x, y, names=("x", "y"))
    shifted = raw.add(raw.subtract(left, right), number_like(epsilon, left))
    return vector_norm(shifted, axis=-1, ord=p, keepdims=keepdims)


def cdist(x: Operand, y: Operand, p: float = 2.0) -> Tensor:
    """The p-norm distance of each row of x to each row of y: (…, n, d) and (…, m, d) to (…, n, m).

    >>> gd.cdist([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]]).eval().tolist()
    [[5.0, 1.0]]
    """
    left, right = as_floating(x, "cdist")[..., :, None, :], as_floating(y, "cdist")[..., None, :, :]
    left, right = floating_operands("cdist", left, right, names=("x", "y"))
    difference = raw.subtract(left, right)
    if p == 2:
        return root_of_sum(sum_of(raw.multiply(difference, difference), axis=-1))
    return vector_norm(difference, axis=-1, ord=p)
