"""How often: bins, histograms and the places of numbers among edges.

A number is compared with every edge, which fuses into one pass; counts are sums in index order.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops import indexing, movement, reduction
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
from graphdl.ops.functions.creation import iota
from graphdl.ops.functions.differences import diff
from graphdl.ops.functions.elementwise import divide, where
from graphdl.ops.functions.movement import flatten, slice_axis
from graphdl.ops.functions.reduction import max as max_of
from graphdl.ops.functions.reduction import min as min_of
from graphdl.ops.functions.reduction import sum as sum_of
from graphdl.ops.functions.statistics import require_one_axis
from graphdl.typesystem.dtype import float32, int64
from graphdl.typesystem.expression import Size
from graphdl.typesystem.shape import as_size


def count_not_above(places: Tensor, x: Tensor, *, strict: bool) -> Tensor:
    """For each x how many of the 1-d `places` are <= x (< x when strict): int64."""
    shape = (*x.shape, places.shape[0])
    axes = tuple(range(x.ndim))
    values = movement.broadcast_in_dim(x, shape=shape, broadcast_dimensions=axes)
    marks = movement.broadcast_in_dim(places, shape=shape, broadcast_dimensions=(x.ndim,))
    hits = raw.less(marks, values) if strict else raw.less_equal(marks, values)
    result: Tensor = reduction.reduce_sum(cast(hits, int64), axes=(x.ndim,))
    return result


def digitize(x: Operand, bins: Operand, *, right: bool = False) -> Tensor:
    """The number of the bin of each x among edges in ascending order: how many edges are <= x.

    With `right`, how many are < x. `bins` is 1-d. The result is int64, of x's shape.

    >>> gd.digitize([0.5, 2.0, 9.0], [0.0, 1.0, 2.0]).eval().tolist()
    [1, 3, 3]
    """
    tensor, edges = promote_operands("digitize", x, bins, names=("x", "bins"))
    require_one_axis("digitize", edges)
    return count_not_above(edges, tensor, strict=right)


def bincount(x: Operand, weights: Operand = None, *, length: object) -> Tensor:
    """How often each number 0 … length-1 occurs in 1-d integers: int64, or sums of `weights`.

    Numbers below 0 and from `length` on are left out. Raises DTypeError for other than integers
    and ShapeError for other than 1-d and for weights of another size.

    >>> gd.bincount([0, 2, 2], length=4).eval().tolist()
    [1, 0, 2, 0]
    """
    places = as_tensor(x, "bincount")
    require_one_axis("bincount", places)
    if not places.dtype.is_integer:
        raise DTypeError(
            f"bincount: needs integers, got {places.dtype}", details=operand_lines(x=places)
        )
    size = as_size(length, op="bincount")
    amounts = filled(1, int64, places.shape) if weights is None else _weights(places, weights)
    return _add_up(cast(places, int64), amounts, size)


def _weights(places: Tensor, weights: Operand) -> Tensor:
    amounts = as_tensor(weights, "bincount")
    if amounts.shape != places.shape:
        raise ShapeError(
            "bincount: x and weights must have one shape",
            details=operand_lines(x=places, weights=amounts),
        )
    return cast(amounts, int64) if amounts.dtype.is_bool else amounts


def _add_up(places: Tensor, amounts: Tensor, size: Size) -> Tensor:
    """Amounts added at places; those outside are added as 0."""
    counts = filled(0, amounts.dtype, (size,))
    if size == 0:
        return counts
    end = broadcast(size_tensor(size), places.shape)
    is_inside = raw.bitwise_and(
        raw.greater_equal(places, number_like(0, places)), raw.less(places, end)
    )
    kept = where(is_inside, amounts, number_like(0, amounts))
    result: Tensor = indexing.scatter_add(counts, places, kept, axis=0)
    return result


def histogram_bin_edges(
    x: Operand, bins: Operand = 10, *, range: Sequence[float] | None = None
) -> Tensor:
    """The edges that `histogram` uses: `bins` equal parts of `range`, which is x's own when None.

    >>> gd.histogram_bin_edges([0.0, 4.0], 2).eval().tolist()
    [0.0, 2.0, 4.0]
    """
    tensor = as_floating(x, "histogram")
    if not isinstance(bins, int):
        edges = cast(as_tensor(bins, "histogram"), tensor.dtype)
        require_one_axis("histogram", edges)
        return edges
    if bins < 1:
        raise ArgumentError(f"histogram: the number of bins must be positive, got {bins}")
    low, high = _limits(tensor, range)
    is_point = raw.equal(low, high)
    half = filled(0.5, tensor.dtype)
    low, high = (
        where(is_point, raw.subtract(low, half), low),
        where(is_point, raw.add(high, half), high),
    )
    shape = (bins + 1,)
    part = raw.divide(iota(shape, 0, tensor.dtype), filled(bins, tensor.dtype, shape))
    width = broadcast(raw.subtract(high, low), shape)
    inner = raw.add(broadcast(low, shape), raw.multiply(part, width))
    is_last = raw.equal(part, number_like(1, part))
    return where(is_last, broadcast(high, shape), inner)


def _limits(x: Tensor, given: Sequence[float] | None) -> tuple[Tensor, Tensor]:
    if given is None:
        return min_of(x), max_of(x)
    low, high = given
    if not low <= high:
        raise ArgumentError(f"histogram: the range {tuple(given)!r} does not ascend")
    return filled(low, x.dtype), filled(high, x.dtype)


def histogram(
    x: Operand,
    bins: Operand = 10,
    *,
    range: Sequence[float] | None = None,
    weights: Operand = None,
    density: bool = False,
) -> tuple[Tensor, Tensor]:
    """(counts, edges) of numbers in bins: edge k <= x < edge k+1, the last bin with its end.

    `bins` is a number of equal bins over `range`, or 1-d edges in ascending order. Counts are
    int64, or sums of `weights` (of x's shape), or with `density` such that the integral is 1.

    >>> [part.eval().tolist() for part in gd.histogram([0.5, 1.5, 1.7, 2.0], [0.0, 1.0, 2.0])]
    [[1, 3], [0.0, 1.0, 2.0]]
    """
    tensor = as_floating(x, "histogram")
    edges = histogram_bin_edges(tensor, bins, range=range)
    values = flatten(tensor)
    size = edges.shape[0]
    places = raw.subtract(
        count_not_above(edges, values, strict=False), filled(1, int64, values.shape)
    )
    last = broadcast(_last(edges), values.shape)
    inner = broadcast(size_tensor(size - 2), values.shape)
    places = where(raw.equal(values, last), inner, places)
    amounts = filled(1, int64, values.shape) if weights is None else flatten(weights)
    counts = _add_up(places, amounts, size - 1)
    return (_density(counts, edges) if density else counts), edges


def _last(edges: Tensor) -> Tensor:
    size = edges.shape[0]
    result: Tensor = movement.reshape(slice_axis(edges, 0, size - 1, size), shape=())
    return result


def _density(counts: Tensor, edges: Tensor) -> Tensor:
    numbers = counts if counts.dtype.is_floating else cast(counts, float32)
    return divide(numbers, cast(diff(edges), numbers.dtype)) / sum_of(numbers)
