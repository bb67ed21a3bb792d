"""Normalisation layers, with the names and defaults of Keras."""

from __future__ import annotations

from graphdl.autodiff.rules import is_filled
from graphdl.errors import ArgumentError
from graphdl.graph.nodes import StateWrite, Tensor, build_node
from graphdl.nn.initializers import InitializerLike, as_initializer
from graphdl.nn.layer import Layer, require_known_size, require_positive
from graphdl.nn.layers import require_floating_input
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import broadcast, filled
from graphdl.ops.functions.creation import is_training
from graphdl.ops.functions.normalization import (
    batch_norm,
    group_norm,
    layer_norm,
    moments,
    rms_norm,
)
from graphdl.ops.state import Variable
from graphdl.typesystem.shape import canonical_axes, canonical_axis


class BatchNormalization(Layer):
    """Each channel less its mean over the batch, over its deviation; gamma and beta afterwards.

    While training the batch's own statistics serve, and the moving ones follow them: moving =
    moving * momentum + batch * (1 - momentum). Otherwise the moving ones serve.
    `layer(x, training=False)` freezes it. Ioffe, Szegedy (2015).

    >>> layer = gd.nn.BatchNormalization()
    >>> layer(gd.placeholder("x", ("batch", 8))).shape
    (batch, 8)
    >>> list(layer.variables())
    ['gamma', 'beta', 'moving_mean', 'moving_variance']
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        moving_mean_initializer: InitializerLike = "zeros",
        moving_variance_initializer: InitializerLike = "ones",
        *,
        name: str | None = None,
    ) -> None:
        if not 0 <= momentum <= 1:
            raise ArgumentError(f"BatchNormalization: momentum must be in [0, 1], got {momentum!r}")
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.center, self.scale = center, scale
        self.beta_initializer = as_initializer(beta_initializer)
        self.gamma_initializer = as_initializer(gamma_initializer)
        self.moving_mean_initializer = as_initializer(moving_mean_initializer)
        self.moving_variance_initializer = as_initializer(moving_variance_initializer)
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """The normalised input."""
        require_floating_input("BatchNormalization", x)
        channel = canonical_axis(self.axis, x.ndim, op="BatchNormalization")
        channels = require_known_size(self, x.shape[channel], "the number of channels")
        gamma = beta = None
        shape, dtype = (channels,), x.dtype
        if self.scale:
            gamma = self.variable("gamma", shape, self.gamma_initializer, dtype=dtype)
        if self.center:
            beta = self.variable("beta", shape, self.beta_initializer, dtype=dtype)
        moving = self._moving("moving_mean", channels, self.moving_mean_initializer, x)
        spread = self._moving("moving_variance", channels, self.moving_variance_initializer, x)
        training = is_training()
        if is_filled(training, False):
            return batch_norm(x, moving, spread, gamma, beta, axis=channel, eps=self.epsilon)
        others = tuple(axis for axis in range(x.ndim) if axis != channel)
        mean, variance = moments(x, axis=others)
        mean = self._follow(training, mean, moving)
        variance = self._follow(training, variance, spread)
        return batch_norm(x, mean, variance, gamma, beta, axis=channel, eps=self.epsilon)

    def _moving(
        self, name: str, channels: int, initializer: InitializerLike, x: Tensor
    ) -> Variable:
        return self.variable(name, (channels,), initializer, trainable=False, dtype=x.dtype)

    def _follow(self, training: Tensor, batch: Tensor, moving: Variable) -> Tensor:
        """The statistic to normalise by; a training function also moves the variable."""
        kept = raw.multiply(moving, filled(self.momentum, batch.dtype, batch.shape))
        added = raw.multiply(batch, filled(1 - self.momentum, batch.dtype, batch.shape))
        write = StateWrite(moving, raw.add(kept, added), training_only=True)
        is_on = broadcast(training, batch.shape)
        return build_node(raw.select, (is_on, batch, moving), {}, writes=(write,)).results[0]


class LayerNormalization(Layer):
    """Each example less its mean along `axis`, over its deviation; gamma and beta afterwards.

    Ba, Kiros, Hinton (2016).

    >>> gd.nn.LayerNormalization()(gd.placeholder("x", ("batch", 8))).shape
    (batch, 8)
    """

    def __init__(
        self,
        axis: int | tuple[int, ...] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        *,
        name: str | None = None,
    ) -> None:
        self.axis, self.epsilon, self.center, self.scale = axis, epsilon, center, scale
        self.beta_initializer = as_initializer(beta_initializer)
        self.gamma_initializer = as_initializer(gamma_initializer)
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """The normalised input."""
        require_floating_input("LayerNormalization", x)
        axes = canonical_axes(self.axis, x.ndim, op="LayerNormalization")
        shape = tuple(
            require_known_size(self, x.shape[axis], "an axis to normalise") for axis in axes
        )
        gamma = beta = None
        if self.scale:
            gamma = self.variable("gamma", shape, self.gamma_initializer, dtype=x.dtype)
        if self.center:
            beta = self.variable("beta", shape, self.beta_initializer, dtype=x.dtype)
        return layer_norm(x, gamma, beta, axis=axes, eps=self.epsilon)


class RMSNormalization(Layer):
    """Each example over its root mean square along `axis`, times `scale`. Zhang, Sennrich (2019).

    >>> gd.nn.RMSNormalization()(gd.placeholder("x", ("batch", 8))).shape
    (batch, 8)
    """

    def __init__(self, axis: int = -1, epsilon: float = 1e-6, *, name: str | None = None) -> None:
        self.axis, self.epsilon, self.name = axis, epsilon, name

    def call(self, x: Tensor) -> Tensor:
        """The normalised input."""
        require_floating_input("RMSNormalization", x)
        axis = canonical_axis(self.axis, x.ndim, op="RMSNormalization")
        size = require_known_size(self, x.shape[axis], "the axis to normalise")
        scale = self.variable("scale", (size,), "ones", dtype=x.dtype)
        return rms_norm(x, scale, axis=axis, eps=self.epsilon)


class GroupNormalization(Layer):
    """Groups of channels of each example less their mean, over their deviation. Wu, He (2018).

    `axis` is that of the channels: -1 or 1. `groups=-1` makes each channel a group.

    >>> gd.nn.GroupNormalization(4)(gd.placeholder("x", ("batch", 5, 5, 8))).shape
    (batch, 5, 5, 8)
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        *,
        name: str | None = None,
    ) -> None:
        self.groups = (
            groups if groups == -1 else require_positive("GroupNormalization", "groups", groups)
        )
        self.axis, self.epsilon, self.center, self.scale = axis, epsilon, center, scale
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """The normalised input."""
        require_floating_input("GroupNormalization", x)
        channel = canonical_axis(self.axis, x.ndim, op="GroupNormalization")
        if channel not in (1, x.ndim - 1):
            raise ArgumentError(f"GroupNormalization: axis must be -1 or 1, got {self.axis}")
        channels = require_known_size(self, x.shape[channel], "the number of channels")
        gamma = beta = None
        if self.scale:
            gamma = self.variable("gamma", (channels,), "ones", dtype=x.dtype)
        if self.center:
            beta = self.variable("beta", (channels,), "zeros", dtype=x.dtype)
        data_format = "channels_last" if channel == x.ndim - 1 else "channels_first"
        groups = channels if self.groups == -1 else self.groups
        return group_norm(x, groups, gamma, beta, eps=self.epsilon, data_format=data_format)
