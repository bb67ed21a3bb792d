"""Running folds along an axis: `axis` may be left out for 1-d; from the end when `reverse`."""

from __future__ import annotations

from graphdl.errors import ArgumentError, DTypeError
from graphdl.graph.nodes import Tensor
from graphdl.graph.op import Op
from graphdl.ops import cumulative as raw
from graphdl.ops import movement
from graphdl.ops.arguments import Operand, as_tensor, cast, filled, operand_lines
from graphdl.ops.functions.reduction import located_axis, summable
from graphdl.typesystem.dtype import float32


def cumulative_sum(
    x: Operand,
    *,
    axis: int | None = None,
    dtype: object = None,
    include_initial: bool = False,
    reverse: bool = False,
) -> Tensor:
    """Running sums along an axis. Integers and bools give int64 (unsigned: uint64).

    `include_initial` puts the 0 that the sum starts from in front. Raises ArgumentError for a
    missing or wrong axis.

    >>> gd.cumulative_sum([1, 2, 3]).eval().tolist()
    [1, 3, 6]
    """
    tensor = summable("cumulative_sum", x, dtype)
    result = _scan(raw.cumulative_sum, tensor, axis, reverse)
    return _with_initial(result, axis, reverse, 0) if include_initial else result


def cumulative_prod(
    x: Operand,
    *,
    axis: int | None = None,
    dtype: object = None,
    include_initial: bool = False,
    reverse: bool = False,
) -> Tensor:
    """Running products along an axis. Integers and bools give int64 (unsigned: uint64).

    `include_initial` puts the 1 that the product starts from in front. The derivative is right
    where elements are 0. Raises ArgumentError for a missing or wrong axis.

    >>> gd.cumulative_prod([2, 3, 4]).eval().tolist()
    [2, 6, 24]
    """
    tensor = summable("cumulative_prod", x, dtype)
    result = _scan(raw.cumulative_prod, tensor, axis, reverse)
    return _with_initial(result, axis, reverse, 1) if include_initial else result


def cummax(x: Operand, *, axis: int | None = None, reverse: bool = False) -> Tensor:
    """The largest element so far along an axis; NaN spreads. At ties the derivative goes to the
    element seen last.

    >>> gd.cummax([1, 3, 2]).eval().tolist()
    [1, 3, 3]
    """
    return _scan(raw.cumulative_max, _numbers("cummax", x), axis, reverse, "cummax")


def cummin(x: Operand, *, axis: int | None = None, reverse: bool = False) -> Tensor:
    """The smallest element so far along an axis; NaN spreads. At ties the derivative goes to the
    element seen last.

    >>> gd.cummin([2, 3, 1]).eval().tolist()
    [2, 2, 1]
    """
    return _scan(raw.cumulative_min, _numbers("cummin", x), axis, reverse, "cummin")


def cumlogsumexp(x: Operand, *, axis: int | None = None, reverse: bool = False) -> Tensor:
    """Running log(sum(exp(x))) along an axis, without overflow. Integers count as float32.

    >>> gd.cumlogsumexp([1000.0, 1000.0]).eval().round(3)
    array([1000.   , 1000.693], dtype=float32)
    """
    tensor = as_tensor(x, "cumlogsumexp")
    floating = tensor if tensor.dtype.is_floating else cast(tensor, float32)
    return _scan(raw.cumulative_logsumexp, floating, axis, reverse, "cumlogsumexp")


cumsum, cumprod = cumulative_sum, cumulative_prod
"""NumPy's names."""


def _numbers(name: str, x: Operand) -> Tensor:
    tensor = as_tensor(x, name)
    if tensor.dtype.is_bool:
        raise DTypeError(f"{name}: got bool", details=operand_lines(x=tensor))
    return tensor


def _scan(op: Op, x: Tensor, axis: int | None, reverse: bool, name: str | None = None) -> Tensor:
    along = _scanned_axis(name or op.name, x, axis)
    result: Tensor = op(x, axis=along, reverse=bool(reverse))
    return result


def _scanned_axis(name: str, x: Tensor, axis: int | None) -> int:
    if axis is None and x.ndim != 1:
        raise ArgumentError(
            f"{name}: an axis is needed for a {x.ndim}-d tensor", details=operand_lines(x=x)
        )
    return located_axis(name, x, 0 if axis is None else axis)


def _with_initial(x: Tensor, axis: int | None, reverse: bool, value: int) -> Tensor:
    """One more element where the scan begins."""
    along = 0 if axis is None else axis % x.ndim
    one = tuple(1 if place == along else 0 for place in range(x.ndim))
    none = (0,) * x.ndim
    low, high = (none, one) if reverse else (one, none)
    result: Tensor = movement.pad(x, filled(value, x.dtype), low=low, high=high)
    return result
