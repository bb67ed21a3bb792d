"""What convolutions, poolings and resizing have in common: axes, steps, padding, data formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import movement
from graphdl.ops.arguments import as_tensor, filled, operand_lines
from graphdl.ops.functions.movement import permute_dims
from graphdl.ops.windows import window_span, windows
from graphdl.typesystem.expression import Size, maximum
from graphdl.typesystem.shape import as_size
from graphdl.typesystem.tensor_type import Shape

Steps = int | Sequence[int]
"""One number for all spatial axes, or one for each."""

Padding = str | int | Sequence[int] | Sequence[Sequence[int]]
""""valid", "same", "causal", a width for all sides, one per axis, or a (before, after) per axis."""

_FIRST = frozenset({"channels_first", "NCW", "NCHW", "NCDHW"})
_LAST = frozenset({"channels_last", "NWC", "NHWC", "NDHWC"})


def is_channels_first(op: str, data_format: object) -> bool:
    """Whether the channels are axis 1. Raises ArgumentError for an unknown format."""
    if data_format not in _FIRST | _LAST:
        raise ArgumentError(
            f"{op}: unknown data_format {data_format!r}",
            hint='use "channels_last" (the same as "NHWC") or "channels_first" ("NCHW")',
        )
    return data_format in _FIRST


def spatial_input(op: str, x: object, rank: int, data_format: object) -> Tensor:
    """The input with its channels last: batch, `rank` spatial axes, channels."""
    is_first = is_channels_first(op, data_format)
    tensor = as_tensor(x, op)
    if tensor.ndim != rank + 2:
        axes = "batch, channels, space" if is_first else "batch, space, channels"
        raise ShapeError(
            f"{op}: the input needs {rank + 2} axes ({axes}), got {tensor.type}",
            details=operand_lines(x=tensor),
        )
    return permute_dims(tensor, (0, *range(2, rank + 2), 1)) if is_first else tensor


def spatial_output(x: Tensor, data_format: object) -> Tensor:
    """A channels-last result in the caller's format."""
    if data_format in _LAST:
        return x
    return permute_dims(x, (0, x.ndim - 1, *range(1, x.ndim - 1)))


def require_floating(op: str, x: Tensor) -> None:
    """Raises DTypeError for integers and bools."""
    if not x.dtype.is_floating:
        raise DTypeError(
            f"{op}: needs a floating dtype, got {x.dtype}",
            details=operand_lines(x=x),
            hint="convert it: gd.astype(x, 'float32')",
        )


def per_axis(op: str, name: str, value: object, rank: int, least: int = 1) -> tuple[int, ...]:
    """A whole number >= `least` for each of `rank` axes. Raises ArgumentError."""
    given = list(value) if isinstance(value, list | tuple) else [value] * rank
    numbers = tuple(
        number
        for number in given
        if isinstance(number, int) and not isinstance(number, bool) and number >= least
    )
    if len(given) != rank or len(numbers) != rank:
        what = "a whole number" if rank == 1 else f"a whole number or {rank} of them,"
        raise ArgumentError(f"{op}: {name} must be {what} >= {least}, got {value!r}")
    return numbers


@dataclass(frozen=True, slots=True)
class Sliding:
    """How a window moves along each spatial axis."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]

    @property
    def spans(self) -> tuple[int, ...]:
        """How many elements a window reaches over."""
        return tuple(map(window_span, self.sizes, self.dilations))


def read_sliding(op: str, sizes: object, stride: object, dilation: object, rank: int) -> Sliding:
    """Windows from a function's arguments; a stride of None is the window's size."""
    lengths = per_axis(op, "the window's size", sizes, rank)
    steps = lengths if stride is None else per_axis(op, "stride", stride, rank)
    return Sliding(lengths, steps, per_axis(op, "dilation", dilation, rank))


Widths = tuple[tuple[Size, Size], ...]


def padding_widths(op: str, padding: Padding, lengths: Shape, form: Sliding) -> Widths:
    """How much stands before and after each spatial axis. Raises ArgumentError.

    "same" makes ceil(length / stride) windows and puts the odd element of padding behind, as
    TensorFlow does; "causal" puts all of it before, so that no window reads ahead.
    """
    match padding.lower() if isinstance(padding, str) else None:
        case "valid":
            return tuple((0, 0) for _ in lengths)
        case "same":
            each = zip(lengths, form.spans, form.strides, strict=True)
            return tuple(_same_width(length, span, stride) for length, span, stride in each)
        case "causal":
            if len(lengths) != 1:
                raise ArgumentError(f'{op}: "causal" padding is for one spatial axis')
            return ((form.spans[0] - 1, 0),)
        case None:
            return _explicit_widths(op, padding, len(lengths))
    raise _wrong_padding(op, padding, len(lengths))


def _same_width(length: Size, span: int, stride: int) -> tuple[Size, Size]:
    if stride == 1:
        return ((span - 1) // 2, span - 1 - (span - 1) // 2)
    count = (length + (stride - 1)) // stride
    total = maximum(0, (count - 1) * stride + span - length)
    return (total // 2, total - total // 2)


def _explicit_widths(op: str, padding: object, rank: int) -> Widths:
    given = list(padding) if isinstance(padding, list | tuple) else [padding] * rank
    if len(given) != rank:
        raise _wrong_padding(op, padding, rank)
    pairs = [tuple(e) if isinstance(e, list | tuple) else (e, e) for e in given]
    for pair in pairs:
        if len(pair) != 2 or any(isinstance(n, bool) or not isinstance(n, int) for n in pair):
            raise _wrong_padding(op, padding, rank)
        if min(pair) < 0:
            raise ArgumentError(f"{op}: padding {padding!r} is negative")
    return tuple((as_size(low, op=op), as_size(high, op=op)) for low, high in pairs)


def _wrong_padding(op: str, padding: object, rank: int) -> ArgumentError:
    return ArgumentError(
        f"{op}: cannot pad {rank} axes by {padding!r}",
        hint='use "valid", "same", "causal", a number, or a pair (before, after) per axis',
    )


def pad_space(x: Tensor, widths: Widths, value: float = 0) -> Tensor:
    """A channels-last input with its spatial axes padded."""
    if all(width == (0, 0) for width in widths):
        return x
    low = (0, *(before for before, _ in widths), 0)
    high = (0, *(after for _, after in widths), 0)
    padded: Tensor = movement.pad(x, filled(value, x.dtype), low=low, high=high)
    return padded


def space_windows(op: str, x: Tensor, form: Sliding) -> Tensor:
    """From (batch, space, …) to (batch, places, window, …). Raises ShapeError where none fits."""
    axes = tuple(range(1, len(form.sizes) + 1))
    for axis, span in zip(axes, form.spans, strict=True):
        length = x.shape[axis]
        if isinstance(length, int) and length < span:
            raise ShapeError(
                f"{op}: a window over {span} elements does not fit spatial axis {axis - 1}, "
                f"which has {length} with its padding",
                details=operand_lines(x=x),
                hint='pad it, for example with padding="same"',
            )
    result: Tensor = windows(
        x, axes=axes, sizes=form.sizes, strides=form.strides, dilations=form.dilations
    )
    return result
