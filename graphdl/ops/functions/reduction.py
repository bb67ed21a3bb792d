"""Reductions over axes: `axis` is an int, a tuple of ints, or None for all axes."""

from __future__ import annotations

import builtins

from graphdl.errors import ArgumentError
from graphdl.graph.nodes import Tensor
from graphdl.graph.op import Op
from graphdl.ops import elementwise as raw
from graphdl.ops import movement, reduction
from graphdl.ops.arguments import (
    Operand,
    as_tensor,
    broadcast,
    cast,
    filled,
    operand_lines,
    size_tensor,
)
from graphdl.ops.functions.elementwise import where as choose
from graphdl.typesystem.dtype import DType, Kind, as_dtype, bool_, float32, int64, uint64
from graphdl.typesystem.expression import Size, product
from graphdl.typesystem.shape import canonical_axes, canonical_axis

Axis = int | tuple[int, ...] | None


def keep_axes(reduced: Tensor, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """A reduction of `x` with the reduced axes back as size 1."""
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    result: Tensor = movement.reshape(reduced, shape=shape)
    return result


def restore_axes(reduced: Tensor, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """A reduction of `x` repeated over the reduced axes: x's shape again."""
    kept = tuple(axis for axis in range(x.ndim) if axis not in axes)
    result: Tensor = movement.broadcast_in_dim(reduced, shape=x.shape, broadcast_dimensions=kept)
    return result


def _reduce(op: Op, name: str, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    axes = _axes(name, x, axis)
    result: Tensor = op(x, axes=axes) if axes else x
    return keep_axes(result, x, axes) if keepdims and axes else result


def _axes(name: str, x: Tensor, axis: Axis) -> tuple[int, ...]:
    try:
        return canonical_axes(axis, x.ndim, op=name)
    except ArgumentError as error:
        lines = operand_lines(x=x)
        raise ArgumentError(error.message, details=lines, hint=error.hint) from None


def located_axis(name: str, x: Tensor, axis: object) -> int:
    """`axis` counted from 0; its ArgumentError is told with the line that made `x`."""
    try:
        return canonical_axis(axis, x.ndim, op=name)
    except ArgumentError as error:
        lines = operand_lines(x=x)
        raise ArgumentError(error.message, details=lines, hint=error.hint) from None


def summable(name: str, x: Operand, dtype: object) -> Tensor:
    """bool counts as integer; small integers are summed in 64 bits, as the array API says."""
    tensor = as_tensor(x, name)
    if dtype is not None:
        return cast(tensor, as_dtype(dtype))
    if tensor.dtype.is_floating:
        return tensor
    return cast(tensor, uint64 if tensor.dtype.kind is Kind.UINT else int64)


def sum(x: Operand, *, axis: Axis = None, dtype: object = None, keepdims: bool = False) -> Tensor:
    """Sums over axes. Integers and bools give int64 (unsigned: uint64).

    >>> gd.sum([[1.0, 2.0], [3.0, 4.0]], axis=1).eval().tolist()
    [3.0, 7.0]
    """
    return _reduce(reduction.reduce_sum, "sum", summable("sum", x, dtype), axis, keepdims)


def prod(x: Operand, *, axis: Axis = None, dtype: object = None, keepdims: bool = False) -> Tensor:
    """Products over axes. Integers and bools give int64 (unsigned: uint64).

    >>> gd.prod([[1.0, 2.0], [3.0, 4.0]], axis=1).eval().tolist()
    [2.0, 12.0]
    """
    return _reduce(reduction.reduce_prod, "prod", summable("prod", x, dtype), axis, keepdims)


def max(x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest elements over axes; NaN where there is one.

    >>> gd.max([[1.0, 2.0], [3.0, 4.0]], axis=1).eval().tolist()
    [2.0, 4.0]
    """
    return _extreme(reduction.reduce_max, reduction.reduce_or, "max", x, axis, keepdims)


def min(x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest elements over axes; NaN where there is one.

    >>> gd.min([[1.0, 2.0], [3.0, 4.0]], axis=1).eval().tolist()
    [1.0, 3.0]
    """
    return _extreme(reduction.reduce_min, reduction.reduce_and, "min", x, axis, keepdims)


def _extreme(op: Op, bool_op: Op, name: str, x: Operand, axis: Axis, keepdims: bool) -> Tensor:
    tensor = as_tensor(x, name)
    return _reduce(bool_op if tensor.dtype.is_bool else op, name, tensor, axis, keepdims)


def _as_floating(name: str, x: Operand) -> Tensor:
    tensor = as_tensor(x, name)
    return tensor if tensor.dtype.is_floating else cast(tensor, float32)


def _count(x: Tensor, axes: tuple[int, ...]) -> Size:
    return product(x.shape[axis] for axis in axes)


def _counting_dtype(dtype: DType) -> DType:
    """float16 cannot hold large counts."""
    return float32 if dtype.bits == 16 else dtype


def _divide_by_count(total: Tensor, count: Size, correction: float) -> Tensor:
    """total / (count - correction). The empty mean is 0/0, as in NumPy."""
    dtype = _counting_dtype(total.dtype)
    if isinstance(count, int):
        number = filled(builtins.max(count - correction, 0), dtype)
    else:
        number = size_tensor(count, dtype)
        if correction:
            number = raw.subtract(number, filled(correction, dtype))
    quotient: Tensor = raw.divide(cast(total, dtype), broadcast(number, total.shape))
    return cast(quotient, total.dtype)


def mean(x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Means over axes; a mean of integers or bools is float32, of no elements NaN.

    >>> gd.mean([[1.0, 2.0], [3.0, 4.0]], axis=1).eval().tolist()
    [1.5, 3.5]
    """
    tensor = _as_floating("mean", x)
    axes = _axes("mean", tensor, axis)
    if not axes:
        return tensor
    total: Tensor = reduction.reduce_sum(tensor, axes=axes)
    result = _divide_by_count(total, _count(tensor, axes), 0)
    return keep_axes(result, tensor, axes) if keepdims else result


def var(x: Operand, *, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
    """Variances over axes: the mean square distance from the mean, over count - correction.

    >>> gd.var([[1.0, 2.0], [3.0, 4.0]], axis=1).eval().tolist()
    [0.25, 0.25]
    """
    tensor = _as_floating("var", x)
    axes = _axes("var", tensor, axis)
    center = mean(tensor, axis=axes)
    distance: Tensor = raw.subtract(tensor, restore_axes(center, tensor, axes))
    total: Tensor = reduction.reduce_sum(raw.multiply(distance, distance), axes=axes)
    result = _divide_by_count(total, _count(tensor, axes), correction)
    return keep_axes(result, tensor, axes) if keepdims else result


def std(x: Operand, *, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
    """Standard deviations over axes: square roots of `var`. The derivative is 0 where that is 0.

    >>> gd.std([[1.0, 2.0], [3.0, 4.0]], axis=1).eval().tolist()
    [0.5, 0.5]
    """
    return root_of_sum(var(x, axis=axis, correction=correction, keepdims=keepdims))


def root_of_sum(total: Tensor) -> Tensor:
    """The square root of a sum of squares, with the derivative 0 where it is 0."""
    zero, one = (filled(number, total.dtype, total.shape) for number in (0, 1))
    is_zero = raw.equal(total, zero)
    result: Tensor = raw.select(is_zero, zero, raw.sqrt(raw.select(is_zero, one, total)))
    return result


def any(x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether some element over axes is not zero; False for no elements.

    >>> gd.any([[True, False], [False, False]], axis=1).eval().tolist()
    [True, False]
    """
    return _reduce(reduction.reduce_or, "any", cast(as_tensor(x, "any"), bool_), axis, keepdims)


def all(x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element over axes is not zero; True for no elements.

    >>> gd.all([[True, False], [True, True]], axis=1).eval().tolist()
    [False, True]
    """
    return _reduce(reduction.reduce_and, "all", cast(as_tensor(x, "all"), bool_), axis, keepdims)


def count_nonzero(x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements over axes are not zero: int64.

    >>> gd.count_nonzero([0, 3, 4]).eval().item()
    2
    """
    return sum(cast(as_tensor(x, "count_nonzero"), bool_), axis=axis, keepdims=keepdims)


def argmax(x: Operand, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first largest element (the first NaN, if any) along an axis: int64.

    `axis=None` numbers all elements in row-major order.

    >>> gd.argmax([[1, 5], [4, 2]], axis=1).eval().tolist()
    [1, 0]
    """
    return _argument(reduction.argmax, "argmax", x, axis, keepdims)


def argmin(x: Operand, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first smallest element (the first NaN, if any) along an axis: int64.

    `axis=None` numbers all elements in row-major order.

    >>> gd.argmin([[1, 5], [4, 2]], axis=1).eval().tolist()
    [0, 1]
    """
    return _argument(reduction.argmin, "argmin", x, axis, keepdims)


def _argument(op: Op, name: str, x: Operand, axis: int | None, keepdims: bool) -> Tensor:
    tensor = as_tensor(x, name)
    if tensor.dtype.is_bool:
        tensor = cast(tensor, as_dtype("uint8"))
    if axis is None:
        flat = movement.reshape(tensor, shape=(tensor.type.element_count,))
        result: Tensor = op(flat, axis=0)
        return keep_axes(result, tensor, tuple(range(tensor.ndim))) if keepdims else result
    along = located_axis(name, tensor, axis)
    result = op(tensor, axis=along)
    return keep_axes(result, tensor, (along,)) if keepdims else result


def logsumexp(
    x: Operand, *, axis: Axis = None, keepdims: bool = False, where: Operand = None
) -> Tensor:
    """log(sum(exp(x))) over axes, shifted by the largest element so that nothing overflows.

    A row of -inf gives -inf and a row with +inf gives +inf. Elements where the bool `where` is
    false do not count.

    >>> gd.logsumexp([1000.0, 1000.0]).eval().round(3).item()
    1000.6929931640625
    """
    tensor = _as_floating("logsumexp", x)
    if where is not None:
        tensor = choose(where, tensor, float("-inf"))
    axes = _axes("logsumexp", tensor, axis)
    shift = finite_shift(tensor, axes)
    shifted = raw.subtract(tensor, restore_axes(shift, tensor, axes))
    total = reduction.reduce_sum(raw.exp(shifted), axes=axes)
    result: Tensor = raw.add(raw.log(total), shift)
    return keep_axes(result, tensor, axes) if keepdims else result


def finite_shift(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The largest element over axes where it is finite, else 0.

    What it shifts does not depend on it, so it counts as a constant for derivatives.
    """
    largest: Tensor = reduction.reduce_max(x, axes=axes)
    zero = filled(0, x.dtype, largest.shape)
    result: Tensor = movement.stop_gradient(raw.select(raw.is_finite(largest), largest, zero))
    return result
