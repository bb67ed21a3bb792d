"""Convolution layers, with the names and defaults of Keras."""

from __future__ import annotations

from collections.abc import Callable

from graphdl.errors import ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.nn.activations import ActivationLike, as_activation
from graphdl.nn.initializers import InitializerLike, as_initializer
from graphdl.nn.layer import Layer, require_known_size, require_positive
from graphdl.nn.layers import require_floating_input
from graphdl.ops.arguments import operand_lines
from graphdl.ops.functions.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from graphdl.ops.functions.spatial import Padding, Steps, is_channels_first, per_axis
from graphdl.ops.windows import window_span

_CONVOLVE: dict[int, Callable[..., Tensor]] = {1: conv1d, 2: conv2d, 3: conv3d}
_TRANSPOSE: dict[int, Callable[..., Tensor]] = {
    1: conv_transpose1d,
    2: conv_transpose2d,
    3: conv_transpose3d,
}


class _Convolution(Layer):
    """What the layers share: arguments, the kernel and the bias. `rank` counts spatial axes."""

    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Steps,
        strides: Steps = 1,
        padding: Padding = "valid",
        data_format: str = "channels_last",
        dilation_rate: Steps = 1,
        groups: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        *,
        name: str | None = None,
    ) -> None:
        kind = type(self).__name__
        self.filters = require_positive(kind, "filters", filters)
        self.kernel_size = per_axis(kind, "kernel_size", kernel_size, self.rank)
        self.strides = per_axis(kind, "strides", strides, self.rank)
        self.dilation_rate = per_axis(kind, "dilation_rate", dilation_rate, self.rank)
        self.groups = require_positive(kind, "groups", groups)
        self.is_channels_first = is_channels_first(kind, data_format)
        self.padding, self.data_format = padding, data_format
        self.activation = as_activation(activation)
        self.use_bias = use_bias
        self.kernel_initializer = as_initializer(kernel_initializer)
        self.bias_initializer = as_initializer(bias_initializer)
        self.name = name

    def _channels(self, x: Tensor) -> int:
        """The input's channels, known. Raises ShapeError."""
        kind = type(self).__name__
        require_floating_input(kind, x)
        if x.ndim != self.rank + 2:
            raise ShapeError(
                f"{kind}: the input needs {self.rank + 2} axes, got {x.type}",
                details=operand_lines(x=x),
            )
        size = x.shape[1 if self.is_channels_first else -1]
        channels = require_known_size(self, size, "the number of channels")
        if channels % self.groups:
            raise ShapeError(
                f"{kind}: {channels} channels do not divide into {self.groups} groups",
                details=operand_lines(x=x),
            )
        return channels

    def _finish(self, kernel_shape: tuple[int, ...], outputs: int, x: Tensor) -> Tensor:
        kernel = self.variable("kernel", kernel_shape, self.kernel_initializer, dtype=x.dtype)
        bias = None
        if self.use_bias:
            bias = self.variable("bias", (outputs,), self.bias_initializer, dtype=x.dtype)
        return self.activation(self._apply(x, kernel, bias))

    def _apply(self, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        return _CONVOLVE[self.rank](
            x,
            kernel,
            bias,
            stride=self.strides,
            padding=self.padding,
            dilation=self.dilation_rate,
            groups=self.groups,
            data_format=self.data_format,
        )

    def call(self, x: Tensor) -> Tensor:
        """The convolution of one input of a floating dtype."""
        inputs = self._channels(x) // self.groups
        return self._finish((*self.kernel_size, inputs, self.filters), self.filters, x)


class Conv1D(_Convolution):
    """activation(convolution + bias) along one axis: (batch, width, in) to filters.

    `padding` is "valid", "same", "causal" or explicit; `kernel` is (size, in / groups, filters).

    >>> gd.nn.Conv1D(8, 3, padding="causal")(gd.placeholder("x", ("batch", 20, 4))).shape
    (batch, 20, 8)
    """

    rank = 1


class Conv2D(_Convolution):
    """activation(convolution + bias) over images: (batch, height, width, in) to filters.

    `kernel` is (height, width, in / groups, filters), made at the first call.

    >>> layer = gd.nn.Conv2D(6, 5, padding="same", activation="relu")
    >>> layer(gd.placeholder("image", ("batch", 28, 28, 1))).shape
    (batch, 28, 28, 6)
    >>> {path: variable.shape for path, variable in layer.variables().items()}
    {'kernel': (5, 5, 1, 6), 'bias': (6,)}
    """


class Conv3D(_Convolution):
    """activation(convolution + bias) over volumes: (batch, depth, height, width, in) to filters.

    >>> gd.nn.Conv3D(2, 3, strides=2)(gd.placeholder("x", ("batch", 9, 9, 9, 1))).shape
    (batch, 4, 4, 4, 2)
    """

    rank = 3


class _Transposed(_Convolution):
    """Transposed convolutions; `kernel` is (window, filters / groups, in)."""

    def __init__(
        self,
        filters: int,
        kernel_size: Steps,
        strides: Steps = 1,
        padding: Padding = "valid",
        output_padding: Steps | None = None,
        data_format: str = "channels_last",
        dilation_rate: Steps = 1,
        groups: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation,
            use_bias, kernel_initializer, bias_initializer, name=name,
        )  # fmt: skip
        self.output_padding = output_padding
        if output_padding is None and str(padding).lower() == "valid":
            spans = map(window_span, self.kernel_size, self.dilation_rate)
            self.output_padding = tuple(
                max(0, step - span) for step, span in zip(self.strides, spans, strict=True)
            )

    def call(self, x: Tensor) -> Tensor:
        """The transposed convolution of one input of a floating dtype."""
        inputs = self._channels(x)
        shape = (*self.kernel_size, self.filters // self.groups, inputs)
        return self._finish(shape, self.filters, x)

    def _apply(self, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        return _TRANSPOSE[self.rank](
            x,
            kernel,
            bias,
            stride=self.strides,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation_rate,
            groups=self.groups,
            data_format=self.data_format,
        )


class Conv1DTranspose(_Transposed):
    """activation(transposed convolution + bias) along one axis.

    >>> gd.nn.Conv1DTranspose(3, 4, strides=2, padding="same")(gd.ones((1, 5, 2))).shape
    (1, 10, 3)
    """

    rank = 1


class Conv2DTranspose(_Transposed):
    """activation(transposed convolution + bias) over images: the way back of a strided `Conv2D`.

    "same" multiplies the sizes by the strides; `kernel` is (height, width, filters, in).

    >>> gd.nn.Conv2DTranspose(3, 4, strides=2, padding="same")(gd.ones((1, 5, 5, 2))).shape
    (1, 10, 10, 3)
    """


class Conv3DTranspose(_Transposed):
    """activation(transposed convolution + bias) over volumes.

    >>> gd.nn.Conv3DTranspose(3, 2, strides=2)(gd.ones((1, 2, 2, 2, 4))).shape
    (1, 4, 4, 4, 3)
    """

    rank = 3


class _Depthwise(_Convolution):
    """One convolution per channel, `depth_multiplier` results each."""

    def __init__(
        self,
        kernel_size: Steps,
        strides: Steps = 1,
        padding: Padding = "valid",
        depth_multiplier: int = 1,
        data_format: str = "channels_last",
        dilation_rate: Steps = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(
            1, kernel_size, strides, padding, data_format, dilation_rate, 1, activation, use_bias,
            depthwise_initializer, bias_initializer, name=name,
        )  # fmt: skip
        kind = type(self).__name__
        self.depth_multiplier = require_positive(kind, "depth_multiplier", depth_multiplier)

    def call(self, x: Tensor) -> Tensor:
        """The convolution of every channel of one input of a floating dtype."""
        self.groups = self._channels(x) if self.groups == 1 else self.groups
        outputs = self.groups * self.depth_multiplier
        return self._finish((*self.kernel_size, 1, outputs), outputs, x)


class DepthwiseConv1D(_Depthwise):
    """A convolution of each channel by itself along one axis.

    >>> gd.nn.DepthwiseConv1D(3)(gd.ones((1, 8, 4))).shape
    (1, 6, 4)
    """

    rank = 1


class DepthwiseConv2D(_Depthwise):
    """A convolution of each channel by itself; channel c gives `depth_multiplier` results.

    `kernel` is (height, width, 1, channels * depth_multiplier).

    >>> gd.nn.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(gd.ones((1, 8, 8, 4))).shape
    (1, 8, 8, 8)
    """


class SeparableConv2D(Layer):
    """A depthwise convolution, then a 1x1 convolution over channels. Chollet (2017).

    >>> gd.nn.SeparableConv2D(6, 3)(gd.ones((1, 8, 8, 4))).shape
    (1, 6, 6, 6)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Steps,
        strides: Steps = 1,
        padding: Padding = "valid",
        data_format: str = "channels_last",
        dilation_rate: Steps = 1,
        depth_multiplier: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        *,
        name: str | None = None,
    ) -> None:
        self.depthwise = DepthwiseConv2D(
            kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate,
            use_bias=False,
        )  # fmt: skip
        self.pointwise = Conv2D(
            filters, 1, data_format=data_format, activation=activation, use_bias=use_bias
        )
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """The two convolutions."""
        result: Tensor = self.pointwise(self.depthwise(x))
        return result
