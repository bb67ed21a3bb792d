"""Windows as rows and back: im2col, and the sum that puts them together again."""

from __future__ import annotations

from graphdl.errors import ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import movement
from graphdl.ops.arguments import Operand, as_tensor, operand_lines
from graphdl.ops.functions.spatial import (
    Padding,
    Steps,
    pad_space,
    padding_widths,
    per_axis,
    read_sliding,
    require_floating,
    space_windows,
    spatial_input,
    spatial_output,
)
from graphdl.ops.overlap import WindowForm, add_overlaps
from graphdl.ops.windows import window_count
from graphdl.typesystem.expression import Size, product


def patches(
    x: Operand,
    size: Steps,
    *,
    stride: Steps = 1,
    padding: Padding = "valid",
    dilation: Steps = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """Each window of an input as one long row: im2col.

    From (batch, space, channels) to (batch, places, window * channels), the elements of a window in
    the order of a kernel's. The number of spatial axes is the input's, less batch and channels.

    >>> gd.patches(gd.ones((1, 6, 6, 3)), 3, stride=2).shape
    (1, 2, 2, 27)
    """
    tensor = as_tensor(x, "patches")
    rank = max(tensor.ndim - 2, 1)
    image = spatial_input("patches", tensor, rank, data_format)
    form = read_sliding("patches", size, stride, dilation, rank)
    padded = pad_space(image, padding_widths("patches", padding, image.shape[1:-1], form))
    slid = space_windows("patches", padded, form)
    count = product(slid.shape[rank + 1 :])
    rows: Tensor = movement.reshape(slid, shape=(*slid.shape[: rank + 1], count))
    return spatial_output(rows, data_format)


def fold(
    x: Operand,
    output_size: Steps,
    kernel_size: Steps,
    *,
    stride: Steps = 1,
    padding: Padding = "valid",
    dilation: Steps = 1,
    data_format: str = "channels_last",
) -> Tensor:
    """The transpose of `patches`: windows added up where they overlap. Floating dtypes only.

    From (batch, places, window * channels) to (batch, output_size, channels), where the places are
    those that `gd.patches` makes of such an output.

    >>> rows = gd.patches(gd.ones((1, 4, 1)), 3)
    >>> gd.fold(rows, 4, 3).eval().ravel().tolist()
    [1.0, 2.0, 2.0, 1.0]
    """
    tensor = as_tensor(x, "fold")
    rank = max(tensor.ndim - 2, 1)
    rows = spatial_input("fold", tensor, rank, data_format)
    require_floating("fold", rows)
    sizes = per_axis("fold", "output_size", output_size, rank)
    form = read_sliding("fold", kernel_size, stride, dilation, rank)
    widths = padding_widths("fold", padding, sizes, form)
    lengths: list[Size] = [
        low + size + high for size, (low, high) in zip(sizes, widths, strict=True)
    ]
    steps = zip(lengths, form.sizes, form.strides, form.dilations, strict=True)
    places = tuple(window_count(*step) for step in steps)
    window = product(form.sizes)
    if rows.shape[1:-1] != places or not _is_multiple(rows.shape[-1], window):
        wanted = ", ".join(map(str, (*places, f"{window} * channels")))
        raise ShapeError(
            f"fold: the input must be (batch, {wanted}), got {rows.type}",
            details=operand_lines(x=tensor),
        )
    channels = rows.shape[-1] // window
    apart = movement.reshape(rows, shape=(*rows.shape[:-1], *form.sizes, channels))
    shape = (rows.shape[0], *lengths, channels)
    axes = tuple(range(1, rank + 1))
    whole = add_overlaps(apart, WindowForm(shape, axes, form.sizes, form.strides, form.dilations))
    starts = (0, *(low for low, _ in widths), 0)
    stops = (shape[0], *(low + n for n, (low, _) in zip(sizes, widths, strict=True)), channels)
    inner = movement.slice_(whole, starts=starts, stops=stops, steps=(1,) * whole.ndim)
    return spatial_output(inner, data_format)


def _is_multiple(size: Size, of: Size) -> bool:
    return isinstance(size, int) and isinstance(of, int) and size % of == 0
