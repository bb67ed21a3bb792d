"""Layers with what Keras 3 makes of them: input shape, result shape, shapes of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Shape = tuple[int, ...]

KERAS_SHAPES: dict[str, tuple[Callable[[Any], Any], Shape, Shape, dict[str, Shape]]] = {
    "Conv1D causal": (
        lambda nn: nn.Conv1D(5, 3, padding="causal", dilation_rate=2),
        (9, 4),
        (9, 5),
        {"kernel": (3, 4, 5), "bias": (5,)},
    ),
    "Conv2D same, strided": (
        lambda nn: nn.Conv2D(8, 3, strides=2, padding="same", use_bias=False),
        (7, 6, 4),
        (4, 3, 8),
        {"kernel": (3, 3, 4, 8)},
    ),
    "Conv3D": (
        lambda nn: nn.Conv3D(2, (2, 3, 1)),
        (4, 5, 3, 2),
        (3, 3, 3, 2),
        {"kernel": (2, 3, 1, 2, 2), "bias": (2,)},
    ),
    "DepthwiseConv2D": (
        lambda nn: nn.DepthwiseConv2D(3, depth_multiplier=2),
        (7, 6, 4),
        (5, 4, 8),
        {"kernel": (3, 3, 1, 8), "bias": (8,)},
    ),
    "SeparableConv2D": (
        lambda nn: nn.SeparableConv2D(5, 3, padding="same"),
        (7, 6, 4),
        (7, 6, 5),
        {
            "depthwise/kernel": (3, 3, 1, 4),
            "pointwise/kernel": (1, 1, 4, 5),
            "pointwise/bias": (5,),
        },
    ),
    "Conv2DTranspose valid": (
        lambda nn: nn.Conv2DTranspose(3, 4, strides=2),
        (5, 5, 2),
        (12, 12, 3),
        {"kernel": (4, 4, 3, 2), "bias": (3,)},
    ),
    "Conv2DTranspose same": (
        lambda nn: nn.Conv2DTranspose(3, 3, strides=2, padding="same"),
        (5, 4, 2),
        (10, 8, 3),
        {"kernel": (3, 3, 3, 2), "bias": (3,)},
    ),
    "Conv1DTranspose, window below the stride": (
        lambda nn: nn.Conv1DTranspose(3, 2, strides=3),
        (5, 2),
        (15, 3),
        {"kernel": (2, 3, 2), "bias": (3,)},
    ),
    "MaxPooling2D same": (lambda nn: nn.MaxPooling2D(2, padding="same"), (7, 6, 4), (4, 3, 4), {}),
    "MaxPooling1D": (lambda nn: nn.MaxPooling1D(3, 2), (9, 4), (4, 4), {}),
    "AveragePooling3D": (lambda nn: nn.AveragePooling3D(), (4, 5, 6, 2), (2, 2, 3, 2), {}),
    "GlobalMaxPooling1D": (lambda nn: nn.GlobalMaxPooling1D(keepdims=True), (9, 4), (1, 4), {}),
    "ZeroPadding2D": (lambda nn: nn.ZeroPadding2D(((1, 2), (3, 4))), (2, 2, 1), (5, 9, 1), {}),
    "BatchNormalization": (
        lambda nn: nn.BatchNormalization(),
        (5, 4),
        (5, 4),
        {"gamma": (4,), "beta": (4,), "moving_mean": (4,), "moving_variance": (4,)},
    ),
    "LayerNormalization": (
        lambda nn: nn.LayerNormalization(axis=(1, 2), center=False),
        (5, 4),
        (5, 4),
        {"gamma": (5, 4)},
    ),
    "RMSNormalization": (lambda nn: nn.RMSNormalization(), (5, 4), (5, 4), {"scale": (4,)}),
    "GroupNormalization": (
        lambda nn: nn.GroupNormalization(2),
        (5, 5, 4),
        (5, 5, 4),
        {"gamma": (4,), "beta": (4,)},
    ),
}
