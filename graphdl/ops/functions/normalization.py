"""Normalisations, written from means and variances; fusion keeps each row in cache.

`weight` and `bias` scale and shift afterwards, and may be left out. `eps` is added to the variance.
"""

from __future__ import annotations

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as raw
from graphdl.ops import movement, reduction
from graphdl.ops.arguments import (
    Operand,
    as_operand,
    as_tensor,
    broadcast,
    cast,
    filled,
    operand_lines,
)
from graphdl.ops.functions.movement import permute_dims
from graphdl.ops.functions.reduction import mean as mean_of
from graphdl.ops.functions.reduction import restore_axes
from graphdl.ops.functions.spatial import is_channels_first, require_floating
from graphdl.ops.windows import windows
from graphdl.typesystem.dtype import float64
from graphdl.typesystem.shape import canonical_axes, canonical_axis
from graphdl.typesystem.tensor_type import Shape

Axes = tuple[int, ...]


def moments(x: Operand, axis: int | Axes | None = None) -> tuple[Tensor, Tensor]:
    """Means and variances over axes, which are removed.

    >>> mean, variance = gd.moments([[1.0, 3.0]], axis=1)
    >>> mean.eval().item(), variance.eval().item()
    (2.0, 1.0)
    """
    tensor = as_tensor(x, "moments")
    require_floating("moments", tensor)
    axes = _axes("moments", tensor, axis)
    center, distance = _center(tensor, axes)
    return center, mean_of(raw.multiply(distance, distance), axis=axes)


def _axes(op: str, x: Tensor, axis: int | Axes | None) -> Axes:
    try:
        return canonical_axes(axis, x.ndim, op=op)
    except ArgumentError as error:
        lines = operand_lines(x=x)
        raise ArgumentError(error.message, details=lines, hint=error.hint) from None


def _center(x: Tensor, axes: Axes) -> tuple[Tensor, Tensor]:
    """The mean over axes, and the distance from it."""
    center = mean_of(x, axis=axes)
    distance: Tensor = raw.subtract(x, restore_axes(center, x, axes))
    return center, distance


def _standardize(x: Tensor, axes: Axes, eps: float) -> Tensor:
    """(x - mean) / sqrt(variance + eps) over axes."""
    _, distance = _center(x, axes)
    variance = mean_of(raw.multiply(distance, distance), axis=axes)
    scale = raw.rsqrt(raw.add(variance, filled(eps, x.dtype, variance.shape)))
    result: Tensor = raw.multiply(distance, restore_axes(scale, x, axes))
    return result


def _scale(
    op: str, x: Tensor, weight: Operand | None, bias: Operand | None, axes: Axes, given: Tensor
) -> Tensor:
    """x * weight + bias, both along `axes`; errors tell of the `given` input."""
    if weight is not None:
        x = raw.multiply(x, _along(op, "weight", weight, given, axes))
    if bias is not None:
        x = raw.add(x, _along(op, "bias", bias, given, axes))
    return x


def _along(op: str, name: str, value: Operand, x: Tensor, axes: Axes) -> Tensor:
    """`value`, whose axes are the `axes` of x, in x's shape."""
    tensor = as_tensor(as_operand(value, op, keep_float64=x.dtype == float64), op)
    shape: Shape = tuple(x.shape[axis] for axis in axes)
    if tensor.shape != shape:
        wanted = ", ".join(map(str, shape))
        raise ShapeError(
            f"{op}: the {name} must have shape [{wanted}], got {tensor.type}",
            details=operand_lines(x=x, **{name: tensor}),
        )
    result: Tensor = movement.broadcast_in_dim(
        cast(tensor, x.dtype), shape=x.shape, broadcast_dimensions=axes
    )
    return result


def _floating(op: str, x: Operand, least: int = 1) -> Tensor:
    tensor = as_tensor(x, op)
    require_floating(op, tensor)
    if tensor.ndim < least:
        raise ShapeError(
            f"{op}: needs at least {least} axes, got {tensor.type}", details=operand_lines(x=tensor)
        )
    return tensor


def batch_norm(
    x: Operand,
    mean: Operand | None = None,
    variance: Operand | None = None,
    weight: Operand | None = None,
    bias: Operand | None = None,
    *,
    axis: int = -1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel along `axis` less its mean, over its standard deviation.

    `mean` and `variance` (channels,) are taken from all other axes of the batch when None.
    Ioffe, Szegedy (2015).

    >>> gd.batch_norm([[1.0], [3.0]], eps=0.0).eval().ravel().tolist()
    [-1.0, 1.0]
    """
    tensor = _floating("batch_norm", x)
    channel = canonical_axis(axis, tensor.ndim, op="batch_norm")
    if (mean is None) != (variance is None):
        raise ArgumentError("batch_norm: give both the mean and the variance, or neither")
    if mean is None or variance is None:
        others = tuple(place for place in range(tensor.ndim) if place != channel)
        standard = _standardize(tensor, others, eps)
    else:
        center = _along("batch_norm", "mean", mean, tensor, (channel,))
        spread = cast(as_tensor(variance, "batch_norm"), tensor.dtype)
        scale = raw.rsqrt(raw.add(spread, filled(eps, tensor.dtype, spread.shape)))
        factor = _along("batch_norm", "variance", scale, tensor, (channel,))
        standard = raw.multiply(raw.subtract(tensor, center), factor)
    return _scale("batch_norm", standard, weight, bias, (channel,), tensor)


def layer_norm(
    x: Operand,
    weight: Operand | None = None,
    bias: Operand | None = None,
    *,
    axis: int | Axes = -1,
    eps: float = 1e-5,
) -> Tensor:
    """Each element less the mean over `axis`, over the standard deviation.

    `weight` and `bias` have the sizes of those axes. Ba, Kiros, Hinton (2016).

    >>> gd.layer_norm([[1.0, 3.0]], eps=0.0).eval().tolist()
    [[-1.0, 1.0]]
    """
    tensor = _floating("layer_norm", x)
    axes = _axes("layer_norm", tensor, axis)
    return _scale("layer_norm", _standardize(tensor, axes, eps), weight, bias, axes, tensor)


def rms_norm(
    x: Operand, weight: Operand | None = None, *, axis: int | Axes = -1, eps: float = 1e-6
) -> Tensor:
    """Each element over the root of the mean square along `axis`. Zhang, Sennrich (2019).

    >>> gd.rms_norm([[3.0, 4.0]], eps=0.0).eval().round(4).tolist()
    [[0.8485000133514404, 1.1313999891281128]]
    """
    tensor = _floating("rms_norm", x)
    axes = _axes("rms_norm", tensor, axis)
    square = mean_of(raw.multiply(tensor, tensor), axis=axes)
    scale = raw.rsqrt(raw.add(square, filled(eps, tensor.dtype, square.shape)))
    result = raw.multiply(tensor, restore_axes(scale, tensor, axes))
    return _scale("rms_norm", result, weight, None, axes, tensor)


def group_norm(
    x: Operand,
    num_groups: int,
    weight: Operand | None = None,
    bias: Operand | None = None,
    *,
    eps: float = 1e-5,
    data_format: str = "channels_last",
) -> Tensor:
    """The channels of each example in `num_groups` groups, each less its mean, over its deviation.

    Statistics run over space and the channels of a group; `weight` and `bias` are per channel.
    Wu, He (2018).

    >>> gd.group_norm([[1.0, 3.0, 10.0, 30.0]], 2, eps=0.0).eval().tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    tensor = _floating("group_norm", x, 2)
    is_first = is_channels_first("group_norm", data_format) and tensor.ndim > 2
    channel = 1 if is_first else tensor.ndim - 1
    channels = tensor.shape[channel]
    if num_groups < 1:
        raise ArgumentError(f"group_norm: num_groups must be >= 1, got {num_groups!r}")
    if not isinstance(channels, int) or channels % num_groups:
        raise ShapeError(
            f"group_norm: {channels} channels do not divide into {num_groups} groups",
            details=operand_lines(x=tensor),
        )
    shape = (num_groups, channels // num_groups)
    grouped = movement.reshape(
        tensor, shape=(*tensor.shape[:channel], *shape, *tensor.shape[channel + 1 :])
    )
    axes = tuple(place for place in range(1, grouped.ndim) if place != channel)
    standard = movement.reshape(_standardize(grouped, axes, eps), shape=tensor.shape)
    return _scale("group_norm", standard, weight, bias, (channel,), tensor)


def instance_norm(
    x: Operand,
    weight: Operand | None = None,
    bias: Operand | None = None,
    *,
    eps: float = 1e-5,
    data_format: str = "channels_last",
) -> Tensor:
    """Each channel of each example less its mean over space, over its deviation.

    Ulyanov, Vedaldi, Lempitsky (2016).

    >>> gd.instance_norm([[[1.0], [3.0]]], eps=0.0).eval().ravel().tolist()
    [-1.0, 1.0]
    """
    tensor = _floating("instance_norm", x, 3)
    channel = 1 if is_channels_first("instance_norm", data_format) else tensor.ndim - 1
    axes = tuple(place for place in range(1, tensor.ndim) if place != channel)
    standard = _standardize(tensor, axes, eps)
    return _scale("instance_norm", standard, weight, bias, (channel,), tensor)


def local_response_norm(
    x: Operand,
    size: int,
    *,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    data_format: str = "channels_last",
) -> Tensor:
    """x / (k + alpha * mean square over `size` neighbouring channels) ** beta.

    Krizhevsky, Sutskever, Hinton (2012), with the mean of PyTorch in place of their sum.

    >>> gd.local_response_norm(gd.ones((1, 2, 3)), 2, alpha=2.0, beta=1.0).eval()[0, 0].tolist()
    [0.5, 0.3333333432674408, 0.3333333432674408]
    """
    tensor = _floating("local_response_norm", x, 2)
    if size < 1:
        raise ArgumentError(f"local_response_norm: size must be >= 1, got {size!r}")
    is_first = is_channels_first("local_response_norm", data_format)
    order = (0, *range(2, tensor.ndim), 1)
    last = permute_dims(tensor, order) if is_first else tensor
    squares = raw.multiply(last, last)
    none = (0,) * (last.ndim - 1)
    padded = movement.pad(
        squares, filled(0, last.dtype), low=(*none, size // 2), high=(*none, (size - 1) // 2)
    )
    near = windows(padded, axes=(last.ndim - 1,), sizes=(size,), strides=(1,), dilations=(1,))
    square = reduction.reduce_sum(near, axes=(last.ndim,))
    shape = square.shape
    scaled = raw.multiply(square, filled(alpha / size, last.dtype, shape))
    inner = raw.add(scaled, broadcast(filled(k, last.dtype), shape))
    result: Tensor = raw.divide(last, raw.power(inner, filled(beta, last.dtype, shape)))
    return (
        permute_dims(result, (0, last.ndim - 1, *range(1, last.ndim - 1))) if is_first else result
    )
