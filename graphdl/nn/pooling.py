"""Pooling and resizing layers, with the names and defaults of Keras."""

from __future__ import annotations

from collections.abc import Callable

from graphdl.graph.nodes import Tensor
from graphdl.nn.layer import Layer
from graphdl.ops.functions import pooling
from graphdl.ops.functions.image import interpolate
from graphdl.ops.functions.movement import pad
from graphdl.ops.functions.reduction import max as max_of
from graphdl.ops.functions.reduction import mean as mean_of
from graphdl.ops.functions.spatial import Padding, Steps, is_channels_first, per_axis


class _Pooling(Layer):
    """A pooling over windows. `rank` counts spatial axes, `function` is the pooling."""

    rank = 2
    function: Callable[..., Tensor]

    def __init__(
        self,
        pool_size: Steps = 2,
        strides: Steps | None = None,
        padding: Padding = "valid",
        data_format: str = "channels_last",
        *,
        name: str | None = None,
    ) -> None:
        kind = type(self).__name__
        self.pool_size = per_axis(kind, "pool_size", pool_size, self.rank)
        self.strides = None if strides is None else per_axis(kind, "strides", strides, self.rank)
        is_channels_first(kind, data_format)
        self.padding, self.data_format = padding, data_format
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """The pooled input."""
        return type(self).function(
            x,
            self.pool_size,
            stride=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )


class MaxPooling1D(_Pooling):
    """The largest element of each window of (batch, width, channels).

    >>> gd.nn.MaxPooling1D()(gd.ones((1, 8, 3))).shape
    (1, 4, 3)
    """

    rank = 1
    function = staticmethod(pooling.max_pool1d)


class MaxPooling2D(_Pooling):
    """The largest element of each window of (batch, height, width, channels).

    >>> gd.nn.MaxPooling2D()(gd.placeholder("image", ("batch", 28, 28, 6))).shape
    (batch, 14, 14, 6)
    """

    function = staticmethod(pooling.max_pool2d)


class MaxPooling3D(_Pooling):
    """The largest element of each window of (batch, depth, height, width, channels).

    >>> gd.nn.MaxPooling3D()(gd.ones((1, 8, 8, 8, 3))).shape
    (1, 4, 4, 4, 3)
    """

    rank = 3
    function = staticmethod(pooling.max_pool3d)


class AveragePooling1D(_Pooling):
    """The mean of each window of (batch, width, channels); "same" padding is left out.

    >>> gd.nn.AveragePooling1D()(gd.ones((1, 8, 3))).shape
    (1, 4, 3)
    """

    rank = 1
    function = staticmethod(pooling.avg_pool1d)


class AveragePooling2D(_Pooling):
    """The mean of each window of (batch, height, width, channels); "same" padding is left out.

    >>> gd.nn.AveragePooling2D(3, strides=1, padding="same")(gd.ones((1, 8, 8, 3))).shape
    (1, 8, 8, 3)
    """

    function = staticmethod(pooling.avg_pool2d)


class AveragePooling3D(_Pooling):
    """The mean of each window of (batch, depth, height, width, channels).

    >>> gd.nn.AveragePooling3D()(gd.ones((1, 8, 8, 8, 3))).shape
    (1, 4, 4, 4, 3)
    """

    rank = 3
    function = staticmethod(pooling.avg_pool3d)


class _GlobalPooling(Layer):
    """A reduction over all spatial axes."""

    rank = 2
    function: Callable[..., Tensor]

    def __init__(
        self,
        data_format: str = "channels_last",
        keepdims: bool = False,
        *,
        name: str | None = None,
    ) -> None:
        self.first = 2 if is_channels_first(type(self).__name__, data_format) else 1
        self.keepdims = keepdims
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """One number per example and channel."""
        axes = tuple(range(self.first, self.first + self.rank))
        return type(self).function(x, axis=axes, keepdims=self.keepdims)


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean over one spatial axis: (batch, width, channels) to (batch, channels).

    >>> gd.nn.GlobalAveragePooling1D()(gd.ones((1, 8, 3))).shape
    (1, 3)
    """

    rank = 1
    function = staticmethod(mean_of)


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean over images: (batch, height, width, channels) to (batch, channels).

    >>> gd.nn.GlobalAveragePooling2D()(gd.ones((1, 8, 8, 3))).shape
    (1, 3)
    """

    function = staticmethod(mean_of)


class GlobalAveragePooling3D(_GlobalPooling):
    """The mean over volumes.

    >>> gd.nn.GlobalAveragePooling3D()(gd.ones((1, 4, 4, 4, 3))).shape
    (1, 3)
    """

    rank = 3
    function = staticmethod(mean_of)


class GlobalMaxPooling1D(_GlobalPooling):
    """The largest element over one spatial axis.

    >>> gd.nn.GlobalMaxPooling1D()(gd.ones((1, 8, 3))).shape
    (1, 3)
    """

    rank = 1
    function = staticmethod(max_of)


class GlobalMaxPooling2D(_GlobalPooling):
    """The largest element over images.

    >>> gd.nn.GlobalMaxPooling2D(keepdims=True)(gd.ones((1, 8, 8, 3))).shape
    (1, 1, 1, 3)
    """

    function = staticmethod(max_of)


class GlobalMaxPooling3D(_GlobalPooling):
    """The largest element over volumes.

    >>> gd.nn.GlobalMaxPooling3D()(gd.ones((1, 4, 4, 4, 3))).shape
    (1, 3)
    """

    rank = 3
    function = staticmethod(max_of)


class UpSampling2D(Layer):
    """Images enlarged by whole factors; `interpolation` is "nearest", "bilinear" or "bicubic".

    >>> gd.nn.UpSampling2D(3)(gd.ones((1, 4, 4, 2))).shape
    (1, 12, 12, 2)
    """

    def __init__(
        self,
        size: Steps = 2,
        data_format: str = "channels_last",
        interpolation: str = "nearest",
        *,
        name: str | None = None,
    ) -> None:
        self.size = per_axis("UpSampling2D", "size", size, 2)
        self.data_format, self.interpolation = data_format, interpolation
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """The enlarged images."""
        return interpolate(
            x,
            scale_factor=tuple(float(factor) for factor in self.size),
            mode=self.interpolation,
            data_format=self.data_format,
        )


class ZeroPadding2D(Layer):
    """Zeros around images: a width, (rows, columns), or ((top, bottom), (left, right)).

    >>> gd.nn.ZeroPadding2D(1)(gd.ones((1, 4, 4, 2))).shape
    (1, 6, 6, 2)
    """

    def __init__(
        self,
        padding: int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] = 1,
        data_format: str = "channels_last",
        *,
        name: str | None = None,
    ) -> None:
        pair = padding if isinstance(padding, tuple | list) else (padding, padding)
        self.widths = tuple(p if isinstance(p, tuple | list) else (p, p) for p in pair)
        self.is_channels_first = is_channels_first("ZeroPadding2D", data_format)
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """The larger images."""
        none = ((0, 0),)
        front = none * (2 if self.is_channels_first else 1)
        return pad(x, (*front, *self.widths, *none * (4 - len(front) - 2)))
