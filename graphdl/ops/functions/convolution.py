"""Convolutions in 1 to 3 dimensions, written as contractions over windows of the input.

Kernels are (window…, input channels / groups, output channels), as in Keras; inputs are
channels-last unless `data_format` says otherwise. As everywhere in deep learning the kernel is not
flipped: it is a correlation.
"""

from __future__ import annotations

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import contraction, elementwise, movement, reduction
from graphdl.ops.arguments import Operand, as_tensor, operand_lines, promote_operands
from graphdl.ops.functions.elementwise import add
from graphdl.ops.functions.movement import permute_dims
from graphdl.ops.functions.spatial import (
    Padding,
    Sliding,
    Steps,
    Widths,
    pad_space,
    padding_widths,
    per_axis,
    read_sliding,
    space_windows,
    spatial_input,
    spatial_output,
)
from graphdl.ops.overlap import dilate, extend
from graphdl.typesystem.expression import Size


def conv1d(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    stride: Steps = 1,
    padding: Padding = "valid",
    dilation: Steps = 1,
    groups: int = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """Convolution along one axis: (batch, width, in) and kernel (size, in / groups, out).

    `padding` is "valid", "same", "causal", a width or a pair. With groups, output channel o reads
    the input channels of group o // (out / groups) only. Raises ShapeError for channels that do
    not match.

    >>> x, kernel = gd.ones((1, 4, 1)), gd.ones((2, 1, 1))
    >>> gd.conv1d(x, kernel, padding="causal").eval().ravel().tolist()
    [1.0, 2.0, 2.0, 2.0]
    """
    return _convolve("conv1d", 1, x, kernel, bias, stride, padding, dilation, groups, data_format)


def conv2d(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    stride: Steps = 1,
    padding: Padding = "valid",
    dilation: Steps = 1,
    groups: int = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """Convolution over two axes: (batch, height, width, in), kernel (h, w, in / groups, out).

    `padding` is "valid", "same", a width, one per axis, or a pair per axis. With
    `groups` equal to the input channels it is a depthwise convolution.

    >>> image, kernel = gd.placeholder("image", ("batch", 28, 28, 3)), gd.ones((5, 5, 3, 8))
    >>> gd.conv2d(image, kernel, stride=2, padding="same").shape
    (batch, 14, 14, 8)
    """
    return _convolve("conv2d", 2, x, kernel, bias, stride, padding, dilation, groups, data_format)


def conv3d(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    stride: Steps = 1,
    padding: Padding = "valid",
    dilation: Steps = 1,
    groups: int = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """Convolution over three axes: (batch, d, h, w, in), kernel (kd, kh, kw, in / groups, out).

    >>> gd.conv3d(gd.ones((1, 4, 4, 4, 2)), gd.ones((3, 3, 3, 2, 5))).shape
    (1, 2, 2, 2, 5)
    """
    return _convolve("conv3d", 3, x, kernel, bias, stride, padding, dilation, groups, data_format)


def _convolve(
    op: str,
    rank: int,
    x: Operand,
    kernel: Operand,
    bias: Operand | None,
    stride: Steps,
    padding: Padding,
    dilation: Steps,
    groups: int,
    data_format: str,
) -> Tensor:
    tensor, weights = promote_operands(op, x, kernel, names=("x", "kernel"))
    _require_kernel(op, weights, rank)
    lines = operand_lines(x=tensor, kernel=weights)
    image = spatial_input(op, tensor, rank, data_format)
    *sizes, inputs, outputs = weights.shape
    form = read_sliding(op, sizes, stride, dilation, rank)
    _require_groups(op, groups, outputs, lines)
    if image.shape[-1] != inputs * groups:
        times = "" if groups == 1 else f" for each of {groups} groups"
        raise ShapeError(
            f"{op}: the input has {image.shape[-1]} channels, the kernel takes {inputs}{times}",
            details=lines,
            hint=f"the kernel's axes are ({'window, ' * rank}input channels / groups, output)",
        )
    padded = pad_space(image, padding_widths(op, padding, image.shape[1:-1], form))
    result = correlate(space_windows(op, _split(padded, groups), form), weights, rank, groups)
    return spatial_output(_add_bias(op, result, bias), data_format)


def _require_kernel(op: str, kernel: Tensor, rank: int) -> None:
    if kernel.ndim != rank + 2:
        raise ShapeError(
            f"{op}: the kernel needs {rank + 2} axes (window, channels in, out), got {kernel.type}",
            details=operand_lines(kernel=kernel),
        )
    if any(not isinstance(size, int) for size in kernel.shape[:rank]):
        raise ShapeError(
            f"{op}: the kernel's window must have known sizes, got {kernel.type}",
            details=operand_lines(kernel=kernel),
        )


def _require_groups(op: str, groups: object, channels: Size, lines: tuple[str, ...]) -> None:
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ArgumentError(f"{op}: groups must be a whole number >= 1, got {groups!r}")
    if groups > 1 and (not isinstance(channels, int) or channels % groups):
        raise ShapeError(
            f"{op}: {channels} output channels do not divide into {groups} groups", details=lines
        )


def _split(image: Tensor, groups: int) -> Tensor:
    """The channels as (groups, channels of a group), before windows are taken: a view."""
    if groups == 1:
        return image
    shape = (*image.shape[:-1], groups, image.shape[-1] // groups)
    split: Tensor = movement.reshape(image, shape=shape)
    return split


def correlate(slid: Tensor, kernel: Tensor, rank: int, groups: int) -> Tensor:
    """Windows (batch, places, window, [groups,] in) times a kernel (window, in / groups, out)."""
    inside = tuple(range(rank + 1, 2 * rank + 1))
    if groups == 1:
        plain: Tensor = contraction.dot_general(
            slid,
            kernel,
            lhs_contract=(*inside, 2 * rank + 1),
            rhs_contract=tuple(range(rank + 1)),
            lhs_batch=(),
            rhs_batch=(),
        )
        return plain
    inputs, each = kernel.shape[rank], kernel.shape[rank + 1] // groups
    split = movement.reshape(kernel, shape=(*kernel.shape[: rank + 1], groups, each))
    if inputs == 1:
        return _correlate_depthwise(slid, split, rank)
    product: Tensor = contraction.dot_general(
        slid,
        split,
        lhs_contract=(*inside, 2 * rank + 2),
        rhs_contract=tuple(range(rank + 1)),
        lhs_batch=(2 * rank + 1,),
        rhs_batch=(rank + 1,),
    )
    return _join_groups(product)


def _correlate_depthwise(slid: Tensor, kernel: Tensor, rank: int) -> Tensor:
    """One input channel per group: products summed over windows, all channels side by side.

    `kernel` is (window, 1, groups, outputs of a group).
    """
    groups, each = kernel.shape[-2:]
    shape = (*slid.shape[:-1], each)
    left = movement.broadcast_in_dim(
        slid, shape=shape, broadcast_dimensions=tuple(range(len(shape)))
    )
    flat = movement.reshape(kernel, shape=(*kernel.shape[:rank], groups, each))
    right = movement.broadcast_in_dim(
        flat, shape=shape, broadcast_dimensions=tuple(range(rank + 1, len(shape)))
    )
    total = reduction.reduce_sum(
        elementwise.multiply(left, right), axes=tuple(range(rank + 1, 2 * rank + 1))
    )
    result: Tensor = movement.reshape(total, shape=(*total.shape[:-2], groups * each))
    return result


def _join_groups(product: Tensor) -> Tensor:
    """(group, batch, places, out of a group) as (batch, places, out)."""
    last = product.ndim - 1
    ordered = permute_dims(product, (*range(1, last), 0, last))
    shape = (*ordered.shape[:-2], ordered.shape[-2] * ordered.shape[-1])
    result: Tensor = movement.reshape(ordered, shape=shape)
    return result


def _add_bias(op: str, x: Tensor, bias: Operand | None) -> Tensor:
    if bias is None:
        return x
    tensor = as_tensor(bias, op)
    if tensor.shape not in ((x.shape[-1],), (1,)):
        raise ShapeError(
            f"{op}: the bias must have {x.shape[-1]} elements, one per output channel, "
            f"got {tensor.type}",
            details=operand_lines(bias=tensor),
        )
    return add(x, tensor)


# Transposed convolution ---------------------------------------------------------------------------


def conv_transpose1d(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    stride: Steps = 1,
    padding: Padding = "valid",
    output_padding: Steps | None = None,
    dilation: Steps = 1,
    groups: int = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """The transpose of `conv1d` with the same kernel (size, out / groups, in).

    >>> y = gd.conv_transpose1d(gd.ones((1, 2, 1)), gd.ones((3, 1, 1)), stride=2)
    >>> y.eval().ravel().tolist()
    [1.0, 1.0, 2.0, 1.0, 1.0]
    """
    return _transpose(
        "conv_transpose1d", 1, x, kernel, bias, stride, padding, output_padding, dilation, groups,
        data_format,
    )  # fmt: skip


def conv_transpose2d(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    stride: Steps = 1,
    padding: Padding = "valid",
    output_padding: Steps | None = None,
    dilation: Steps = 1,
    groups: int = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """The transpose of `conv2d`, its input's gradient: kernel (h, w, out / groups, in).

    "valid" gives (n - 1) * stride + span elements per axis, "same" n * stride; widths cut that many
    elements off either side. `output_padding` (below the stride) lengthens the end.

    >>> gd.conv_transpose2d(gd.ones((1, 4, 4, 3)), gd.ones((3, 3, 8, 3)), stride=2).shape
    (1, 9, 9, 8)
    """
    return _transpose(
        "conv_transpose2d", 2, x, kernel, bias, stride, padding, output_padding, dilation, groups,
        data_format,
    )  # fmt: skip


def conv_transpose3d(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    stride: Steps = 1,
    padding: Padding = "valid",
    output_padding: Steps | None = None,
    dilation: Steps = 1,
    groups: int = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """The transpose of `conv3d`, with kernel (d, h, w, out / groups, in).

    >>> gd.conv_transpose3d(gd.ones((1, 2, 2, 2, 3)), gd.ones((2, 2, 2, 4, 3)), stride=2).shape
    (1, 4, 4, 4, 4)
    """
    return _transpose(
        "conv_transpose3d", 3, x, kernel, bias, stride, padding, output_padding, dilation, groups,
        data_format,
    )  # fmt: skip


def _transpose(
    op: str,
    rank: int,
    x: Operand,
    kernel: Operand,
    bias: Operand | None,
    stride: Steps,
    padding: Padding,
    output_padding: Steps | None,
    dilation: Steps,
    groups: int,
    data_format: str,
) -> Tensor:
    tensor, weights = promote_operands(op, x, kernel, names=("x", "kernel"))
    _require_kernel(op, weights, rank)
    lines = operand_lines(x=tensor, kernel=weights)
    image = spatial_input(op, tensor, rank, data_format)
    *sizes, _, inputs = weights.shape
    form = read_sliding(op, sizes, stride, dilation, rank)
    _require_groups(op, groups, inputs, lines)
    if image.shape[-1] != inputs:
        raise ShapeError(
            f"{op}: the input has {image.shape[-1]} channels, the kernel takes {inputs}",
            details=lines,
            hint=f"the kernel's axes are ({'window, ' * rank}output channels / groups, input)",
        )
    slid = _slide_transposed(op, image, form, padding, output_padding, groups)
    flipped = movement.reverse(weights, axes=tuple(range(rank)))
    result = _correlate_transposed(slid, flipped, rank, groups)
    return spatial_output(_add_bias(op, result, bias), data_format)


def _slide_transposed(
    op: str,
    image: Tensor,
    form: Sliding,
    padding: Padding,
    output_padding: Steps | None,
    groups: int,
) -> Tensor:
    """Windows over the input with zeros between and around its elements."""
    rank = len(form.sizes)
    widths, lengths = _transposed_lengths(op, image, form, padding, output_padding)
    low, shape = [0] * image.ndim, list(image.shape)
    for axis, (span, step) in enumerate(zip(form.spans, form.strides, strict=True), 1):
        image = dilate(image, axis, step)
        low[axis] = span - 1
        shape[axis] = lengths[axis - 1] + widths[axis - 1][0] + (span - 1)
    whole = extend(image, tuple(low), tuple(shape))
    starts = (0, *(before for before, _ in widths), 0)
    cut = movement.slice_(whole, starts=starts, stops=tuple(shape), steps=(1,) * whole.ndim)
    return space_windows(op, _split(cut, groups), Sliding(form.sizes, (1,) * rank, form.dilations))


def _transposed_lengths(
    op: str, image: Tensor, form: Sliding, padding: Padding, output_padding: Steps | None
) -> tuple[Widths, tuple[Size, ...]]:
    """What is cut off on either side, and how long the result is."""
    rank = len(form.sizes)
    extra = (0,) * rank
    if output_padding is not None:
        extra = per_axis(op, "output_padding", output_padding, rank, least=0)
    if any(e >= max(s, d) for e, s, d in zip(extra, form.strides, form.dilations, strict=True)):
        raise ArgumentError(f"{op}: output_padding {output_padding!r} is not below the stride")
    steps = zip(image.shape[1:-1], form.strides, strict=True)
    is_same = isinstance(padding, str) and padding.lower() == "same"
    if is_same:
        multiples = tuple(size * step for size, step in steps)
        widths: Widths = tuple(
            (max(0, span - step) // 2, max(0, span - step) - max(0, span - step) // 2)
            for span, step in zip(form.spans, form.strides, strict=True)
        )
        return widths, tuple(a + b for a, b in zip(multiples, extra, strict=True))
    widths = padding_widths(op, padding, image.shape[1:-1], form)
    lengths = []
    for (size, step), span, width, more in zip(steps, form.spans, widths, extra, strict=True):
        lengths.append((size - 1) * step + span - width[0] - width[1] + more)
    return widths, tuple(lengths)


def _correlate_transposed(slid: Tensor, kernel: Tensor, rank: int, groups: int) -> Tensor:
    """Windows (batch, places, window, [groups,] in) times a kernel (window, out / groups, in)."""
    inside = tuple(range(rank + 1, 2 * rank + 1))
    if groups == 1:
        ordered = permute_dims(kernel, (*range(rank), rank + 1, rank))
        return correlate(slid, ordered, rank, 1)
    outputs, inputs = kernel.shape[rank], kernel.shape[rank + 1] // groups
    split = movement.reshape(kernel, shape=(*kernel.shape[:rank], outputs, groups, inputs))
    ordered = permute_dims(split, (rank + 1, *range(rank), rank + 2, rank))
    product: Tensor = contraction.dot_general(
        slid,
        ordered,
        lhs_contract=(*inside, 2 * rank + 2),
        rhs_contract=tuple(range(1, rank + 2)),
        lhs_batch=(2 * rank + 1,),
        rhs_batch=(0,),
    )
    return _join_groups(product)
