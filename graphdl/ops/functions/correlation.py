"""One-dimensional convolution and correlation, polynomials and linear interpolation."""

from __future__ import annotations

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops import windows
from graphdl.ops.arguments import (
    Operand,
    as_tensor,
    broadcast,
    cast,
    number_like,
    operand_lines,
    promote_operands,
    size_tensor,
)
from graphdl.ops.functions.contraction import matmul
from graphdl.ops.functions.counting import count_not_above
from graphdl.ops.functions.elementwise import where
from graphdl.ops.functions.indexing import take
from graphdl.ops.functions.movement import flip, pad, reshape, slice_axis
from graphdl.ops.functions.statistics import require_one_axis
from graphdl.typesystem.dtype import float32
from graphdl.typesystem.expression import Size

# Sliding products ---------------------------------------------------------------------------------


def convolve(x: Operand, kernel: Operand, mode: str = "full") -> Tensor:
    """Sums of x[k] * kernel[i - k]: "full" everywhere they overlap, "same" of the longer's size,
    "valid" where they overlap wholly.

    Both are 1-d; the shorter of them (the kernel, where a size is named) needs a known size. Raises
    ShapeError and ArgumentError.

    >>> gd.convolve([1, 2, 3], [0, 1]).eval().tolist()
    [0, 1, 2, 3]
    """
    signal, weights, _ = _longer_first("convolve", x, kernel)
    return _slide("convolve", signal, flip(weights), mode)


def correlate(x: Operand, kernel: Operand, mode: str = "valid") -> Tensor:
    """Sums of x[i + k] * kernel[k], with the sizes of `convolve`, as NumPy's correlate.

    Raises ShapeError and ArgumentError.

    >>> gd.correlate([1, 2, 3], [0, 1, 0.5]).eval().tolist()
    [3.5]
    """
    signal, weights, is_swapped = _longer_first("correlate", x, kernel)
    result = _slide("correlate", signal, weights, mode)
    return flip(result) if is_swapped else result


def _vector(name: str, x: Operand) -> Tensor:
    tensor = as_tensor(x, name)
    require_one_axis(name, tensor)
    return tensor


def _longer_first(name: str, x: Operand, kernel: Operand) -> tuple[Tensor, Tensor, bool]:
    """The longer operand, the shorter one, and whether they changed places."""
    signal, weights = promote_operands(
        name, _vector(name, x), _vector(name, kernel), names=("x", "kernel")
    )
    left, right = signal.shape[0], weights.shape[0]
    is_swapped = isinstance(left, int) and (not isinstance(right, int) or left < right)
    if is_swapped:
        signal, weights = weights, signal
    size = weights.shape[0]
    if not isinstance(size, int) or size == 0:
        what = f"has the named size {size}" if size else "is empty"
        raise ShapeError(
            f"{name}: the kernel {what}", details=operand_lines(x=signal, kernel=weights)
        )
    return signal, weights, is_swapped


def _slide(name: str, x: Tensor, weights: Tensor, mode: str) -> Tensor:
    """x[i + k] * weights[k] summed over k, on x with zeros around it as `mode` says."""
    size = weights.shape[0]
    assert isinstance(size, int)
    match mode:
        case "full":
            widths = (size - 1, size - 1)
        case "same":
            widths = (size // 2, (size - 1) // 2)
        case "valid":
            widths = (0, 0)
        case _:
            raise ArgumentError(f'{name}: mode {mode!r} is not "full", "same" or "valid"')
    padded = pad(x, [widths])
    slid = windows.windows(padded, axes=(0,), sizes=(size,), strides=(1,), dilations=(1,))
    return matmul(slid, weights)


# Polynomials --------------------------------------------------------------------------------------


def polyval(coefficients: Operand, x: Operand) -> Tensor:
    """c[0] x^(n-1) + … + c[n-1] by Horner's rule, of 1-d coefficients, their number known.

    >>> gd.polyval([2, 0, 1], [1, 3]).eval().tolist()
    [3, 19]
    """
    terms, places = promote_operands(
        "polyval", _vector("polyval", coefficients), x, names=("coefficients", "x")
    )
    count = terms.shape[0]
    if not isinstance(count, int):
        raise ShapeError(
            f"polyval: the number of coefficients is the named size {count}",
            details=operand_lines(coefficients=terms),
        )
    result = number_like(0, places)
    for place in range(count):
        term = broadcast(take(terms, place), places.shape)
        result = term if place == 0 else raw.add(raw.multiply(result, places), term)
    return result


# Interpolation ------------------------------------------------------------------------------------


def interp(
    x: Operand, places: Operand, values: Operand, *, left: Operand = None, right: Operand = None
) -> Tensor:
    """Values at x of the line through (places, values), `left` before and `right` behind it.

    `places` ascend; both are 1-d of one size, at least 1. Left out, `left` and `right` are the
    first and the last value. Each x is compared with every place. Raises ShapeError.

    >>> gd.interp([0.5, 5.0], [0.0, 1.0, 2.0], [10.0, 20.0, 40.0]).eval().tolist()
    [15.0, 40.0]
    """
    xs, knots, heights = _interp_operands(x, places, values)
    last = _last_place(knots)
    index = count_not_above(knots, xs, strict=False)
    index = raw.subtract(index, number_like(1, index))
    index = raw.minimum(raw.maximum(index, number_like(0, index)), broadcast(last, index.shape))
    after = raw.minimum(
        raw.add(index, number_like(1, index)),
        broadcast(size_tensor(knots.shape[0] - 1), index.shape),
    )
    start, low = take(knots, index), take(heights, index)
    gap = raw.subtract(take(knots, after), start)
    is_flat = raw.equal(gap, number_like(0, gap))
    share = raw.divide(raw.subtract(xs, start), raw.select(is_flat, number_like(1, gap), gap))
    rise = raw.multiply(share, raw.subtract(take(heights, after), low))
    result = raw.add(low, raw.select(is_flat, number_like(0, gap), rise))
    return _with_ends(result, xs, knots, heights, (left, right))


def _interp_operands(x: Operand, places: Operand, values: Operand) -> tuple[Tensor, ...]:
    names = ("x", "places", "values")
    operands = promote_operands("interp", x, places, values, names=names)
    if not operands[0].dtype.is_floating:
        operands = tuple(cast(each, float32) for each in operands)
    _, knots, heights = operands
    if knots.ndim != 1 or knots.shape != heights.shape or knots.shape[0] == 0:
        raise ShapeError(
            "interp: places and values must be 1-d of one size, at least 1",
            details=operand_lines(places=knots, values=heights),
        )
    return operands


def _last_place(knots: Tensor) -> Tensor:
    """Where the last line begins: 0 where there is a single place."""
    last = size_tensor(knots.shape[0] - 2)
    result: Tensor = raw.maximum(last, number_like(0, last))
    return result


def _with_ends(
    result: Tensor, x: Tensor, knots: Tensor, heights: Tensor, ends: tuple[Operand, Operand]
) -> Tensor:
    size: Size = knots.shape[0]
    sides = (("less", 0, ends[0]), ("greater", size - 1, ends[1]))
    for comparison, place, given in sides:
        bound = broadcast(_element(knots, place), x.shape)
        end = _element(heights, place) if given is None else as_tensor(given, "interp")
        is_outside = raw.less(x, bound) if comparison == "less" else raw.greater(x, bound)
        filler = broadcast(cast(end, result.dtype), x.shape)
        result = where(is_outside, filler, result)
    return result


def _element(x: Tensor, place: Size) -> Tensor:
    return reshape(slice_axis(x, 0, place, place + 1), ())
