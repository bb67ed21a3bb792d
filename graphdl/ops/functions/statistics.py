"""Statistics beyond sums and means: without NaN, weighted, of pairs of variables."""

from __future__ import annotations

from collections.abc import Callable

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import (
    Operand,
    as_floating,
    as_tensor,
    broadcast,
    cast,
    filled,
    number_like,
    operand_lines,
    promote_operands,
    size_tensor,
)
from graphdl.ops.functions.arrangement import atleast_2d
from graphdl.ops.functions.contraction import matmul
from graphdl.ops.functions.elementwise import clip, divide, where
from graphdl.ops.functions.linalg import diagonal
from graphdl.ops.functions.logic import isnan, logical_not
from graphdl.ops.functions.movement import broadcast_to, concat, matrix_transpose, reshape
from graphdl.ops.functions.reduction import Axis, count_nonzero, located_axis, root_of_sum
from graphdl.ops.functions.reduction import all as all_of
from graphdl.ops.functions.reduction import max as max_of
from graphdl.ops.functions.reduction import mean as mean_of
from graphdl.ops.functions.reduction import min as min_of
from graphdl.ops.functions.reduction import prod as prod_of
from graphdl.ops.functions.reduction import sum as sum_of

Reduce = Callable[..., Tensor]

# Without NaN --------------------------------------------------------------------------------------


def nansum(
    x: Operand, *, axis: Axis = None, dtype: object = None, keepdims: bool = False
) -> Tensor:
    """Sums over axes in which NaN counts as 0.

    >>> gd.nansum([1.0, float("nan"), 2.0]).eval().item()
    3.0
    """
    return sum_of(_replaced("nansum", x, 0), axis=axis, dtype=dtype, keepdims=keepdims)


def nanprod(
    x: Operand, *, axis: Axis = None, dtype: object = None, keepdims: bool = False
) -> Tensor:
    """Products over axes in which NaN counts as 1.

    >>> gd.nanprod([3.0, float("nan"), 2.0]).eval().item()
    6.0
    """
    return prod_of(_replaced("nanprod", x, 1), axis=axis, dtype=dtype, keepdims=keepdims)


def nanmax(x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest elements over axes that are not NaN; NaN where all are.

    >>> gd.nanmax([1.0, float("nan"), 2.0]).eval().item()
    2.0
    """
    return _nan_extreme("nanmax", max_of, float("-inf"), x, axis, keepdims)


def nanmin(x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest elements over axes that are not NaN; NaN where all are.

    >>> gd.nanmin([1.0, float("nan"), 2.0]).eval().item()
    1.0
    """
    return _nan_extreme("nanmin", min_of, float("inf"), x, axis, keepdims)


def _replaced(name: str, x: Operand, number: float) -> Tensor:
    tensor = as_tensor(x, name)
    if not tensor.dtype.is_floating:
        return tensor
    return where(isnan(tensor), number_like(number, tensor), tensor)


def _nan_extreme(
    name: str, reduce: Reduce, lowest: float, x: Operand, axis: Axis, keepdims: bool
) -> Tensor:
    tensor = as_tensor(x, name)
    result = reduce(_replaced(name, tensor, lowest), axis=axis, keepdims=keepdims)
    if not tensor.dtype.is_floating:
        return result
    is_missing = all_of(isnan(tensor), axis=axis, keepdims=keepdims)
    return where(is_missing, number_like(float("nan"), result), result)


def _counted(x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    """How many elements over axes are not NaN, as a number to divide by."""
    return cast(count_nonzero(logical_not(isnan(x)), axis=axis, keepdims=keepdims), x.dtype)


def nanmean(x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Means over axes of the elements that are not NaN; NaN where there are none.

    >>> gd.nanmean([1.0, float("nan"), 2.0]).eval().item()
    1.5
    """
    tensor = as_floating(x, "nanmean")
    total = nansum(tensor, axis=axis, keepdims=keepdims)
    return divide(total, _counted(tensor, axis, keepdims))


def nanvar(
    x: Operand, *, axis: Axis = None, correction: float = 0, keepdims: bool = False
) -> Tensor:
    """Variances over axes of the elements that are not NaN, over their count - correction.

    NaN where no more than `correction` elements are left.

    >>> gd.nanvar([1.0, float("nan"), 2.0]).eval().item()
    0.25
    """
    tensor = as_floating(x, "nanvar")
    center = nanmean(tensor, axis=axis, keepdims=True)
    distance = raw.subtract(tensor, broadcast(center, tensor.shape))
    total = nansum(raw.multiply(distance, distance), axis=axis, keepdims=keepdims)
    count = _counted(tensor, axis, keepdims)
    freedom = raw.subtract(count, number_like(correction, count))
    is_enough = raw.greater(freedom, number_like(0, count))
    return where(is_enough, divide(total, freedom), number_like(float("nan"), total))


def nanstd(
    x: Operand, *, axis: Axis = None, correction: float = 0, keepdims: bool = False
) -> Tensor:
    """Standard deviations over axes: square roots of `nanvar`.

    >>> gd.nanstd([1.0, float("nan"), 2.0]).eval().item()
    0.5
    """
    return root_of_sum(nanvar(x, axis=axis, correction=correction, keepdims=keepdims))


# Ranges and weights -------------------------------------------------------------------------------


def ptp(x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest less the smallest element over axes.

    >>> gd.ptp([3, 9, 4]).eval().item()
    6
    """
    tensor = as_tensor(x, "ptp")
    largest = max_of(tensor, axis=axis, keepdims=keepdims)
    result: Tensor = raw.subtract(largest, min_of(tensor, axis=axis, keepdims=keepdims))
    return result


def average(
    x: Operand,
    *,
    axis: int | None = None,
    weights: Operand = None,
    returned: bool = False,
    keepdims: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The mean over an axis (all when None), each element counted `weights` times.

    Weights have x's shape, or are 1-d along `axis`. With `returned`, (mean, sum of weights). Raises
    ShapeError for other weights.

    >>> gd.average([1.0, 5.0], weights=[3.0, 1.0]).eval().item()
    2.0
    """
    tensor = as_floating(x, "average")
    if weights is None:
        result = mean_of(tensor, axis=axis, keepdims=keepdims)
        count = _count(tensor, axis)
        return (result, broadcast(count, result.shape)) if returned else result
    tensor, factor = promote_operands("average", tensor, weights, names=("x", "weights"))
    spread = _spread_weights(tensor, factor, axis)
    total = sum_of(spread, axis=axis, keepdims=keepdims)
    result = divide(sum_of(raw.multiply(tensor, spread), axis=axis, keepdims=keepdims), total)
    return (result, total) if returned else result


def _count(x: Tensor, axis: int | None) -> Tensor:
    size = x.type.element_count if axis is None else x.shape[located_axis("average", x, axis)]
    return size_tensor(size, x.dtype)


def _spread_weights(x: Tensor, weights: Tensor, axis: int | None) -> Tensor:
    if weights.shape == x.shape:
        return weights
    if axis is not None and weights.ndim == 1:
        along = located_axis("average", x, axis)
        if weights.shape[0] == x.shape[along]:
            kept = tuple(size if each == along else 1 for each, size in enumerate(x.shape))
            return broadcast_to(reshape(weights, kept), x.shape)
    raise ShapeError(
        "average: weights need x's shape, or to be 1-d along the axis",
        details=operand_lines(x=x, weights=weights),
    )


# Variables with each other ------------------------------------------------------------------------


def cov(x: Operand, y: Operand = None, *, rowvar: bool = True, correction: float = 1) -> Tensor:
    """The covariance matrix of variables, which are rows (columns unless `rowvar`) of `x` and `y`.

    Sums of products of deviations over count - correction; 0-d for one variable. Raises ShapeError
    above 2-d.

    >>> gd.cov([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]).eval().tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    rows = _variables("cov", x, rowvar)
    if y is not None:
        rows = concat([rows, _variables("cov", y, rowvar)], axis=0)
    deviation = raw.subtract(rows, broadcast(mean_of(rows, axis=1, keepdims=True), rows.shape))
    products = matmul(deviation, matrix_transpose(deviation))
    freedom = raw.subtract(size_tensor(rows.shape[1], rows.dtype), filled(correction, rows.dtype))
    matrix = divide(products, freedom)
    return reshape(matrix, ()) if matrix.shape == (1, 1) else matrix


def _variables(name: str, x: Operand, rowvar: bool) -> Tensor:
    tensor = as_floating(x, name)
    if tensor.ndim > 2:
        raise ShapeError(
            f"{name}: at most 2 axes, got {tensor.ndim}", details=operand_lines(x=tensor)
        )
    is_turned = not rowvar and tensor.ndim == 2 and tensor.shape[0] != 1
    return matrix_transpose(tensor) if is_turned else atleast_2d(tensor)


def corrcoef(x: Operand, y: Operand = None, *, rowvar: bool = True) -> Tensor:
    """Correlation coefficients, between -1 and 1: covariances over products of deviations.

    >>> gd.corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]).eval().round(6).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    matrix = cov(x, y, rowvar=rowvar)
    if matrix.ndim == 0:
        return divide(matrix, matrix)
    deviation: Tensor = raw.sqrt(diagonal(matrix))
    by_row = divide(matrix, reshape(deviation, (deviation.shape[0], 1)))
    return clip(divide(by_row, deviation), -1, 1)


def require_one_axis(name: str, x: Tensor) -> None:
    """Raise ShapeError unless `x` is 1-d."""
    if x.ndim != 1:
        raise ShapeError(f"{name}: needs 1-d, got {x.ndim}-d", details=operand_lines(x=x))


def require_positive(name: str, what: str, number: int) -> None:
    """Raise ArgumentError for a count below 1."""
    if number < 1:
        raise ArgumentError(f"{name}: {what} must be positive, got {number}")
