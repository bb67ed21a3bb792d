"""Convolution and pooling layers: shapes, defaults and values as in Keras, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import graphdl as gd
from graphdl.errors import ArgumentError, DTypeError, ShapeError
from tests.nn.layer_cases import KERAS_SHAPES
from tests.plugins.compare import assert_close

IMAGES = np.random.default_rng(0).normal(size=(2, 7, 6, 4)).astype(np.float32)


@pytest.mark.parametrize("name", KERAS_SHAPES)
def test_shapes_are_those_of_keras(name: str) -> None:
    make, shape, wanted, weights = KERAS_SHAPES[name]
    layer = make(gd.nn)
    y = layer(gd.placeholder("x", ("batch", *shape)))
    assert y.shape[1:] == wanted
    assert {path: v.shape for path, v in layer.variables().items()} == weights
    value = y.eval({_input(y): np.ones((3, *shape), np.float32)})
    assert value.shape == (3, *wanted)


def _input(tensor: Any) -> Any:
    (found,) = [n for n in gd.Graph((), (tensor,)).nodes() if n.op.name == "placeholder"]
    return found.results[0]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_convolution_with_bias_and_activation(data_format: str) -> None:
    is_first = data_format == "channels_first"
    data = np.moveaxis(IMAGES, -1, 1).copy() if is_first else IMAGES
    layer = gd.nn.Conv2D(6, (3, 2), 2, groups=2, activation="relu", data_format=data_format)
    x = gd.placeholder("x", data.shape)
    y = layer(x)
    layer.variables()["bias"].assign(np.linspace(-1, 1, 6))
    kernel, bias = (torch.from_numpy(v.numpy()) for v in layer.variables().values())
    image = torch.from_numpy(np.moveaxis(IMAGES, -1, 1).copy())
    wanted = torch.conv2d(image, kernel.permute(3, 2, 0, 1), bias, stride=2, groups=2).relu()
    found = y.eval({x: data})
    assert_close(found if is_first else np.moveaxis(found, -1, 1), wanted.numpy(), rtol=1e-4)


def test_transposed_is_the_way_back() -> None:
    """A transposed convolution is the gradient of the convolution of the same kernel."""
    x = gd.placeholder("x", (2, 10, 8, 3), "float64")
    kernel = gd.placeholder("kernel", (3, 3, 3, 5), "float64")
    for padding in ("same", "valid", 1):
        forward = gd.conv2d(x, kernel, stride=2, padding=padding)
        g = gd.placeholder("g", forward.shape, "float64")
        (wanted,) = gd.vjp([forward], [x], [g])
        extra = {"same": None, "valid": 1, 1: 1}[padding]
        back = gd.conv_transpose2d(g, kernel, stride=2, padding=padding, output_padding=extra)
        assert back.shape == x.shape
        random = np.random.default_rng(1)
        shape = tuple(int(str(size)) for size in forward.shape)
        values = random.normal(size=(3, 3, 3, 5)), random.normal(size=shape)
        found = gd.function([kernel, g], [back, wanted])(*values)
        assert_close(found[0], found[1], rtol=1e-10, atol=1e-10)


def test_pooling_layers_reduce_windows() -> None:
    x = gd.placeholder("x", IMAGES.shape)
    blocks = IMAGES[:, :6].reshape(2, 3, 2, 3, 2, 4)
    assert_close(gd.nn.MaxPooling2D()(x).eval({x: IMAGES}), blocks.max((2, 4)))
    assert_close(gd.nn.AveragePooling2D()(x).eval({x: IMAGES}), blocks.mean((2, 4)))
    assert_close(gd.nn.GlobalAveragePooling2D()(x).eval({x: IMAGES}), IMAGES.mean((1, 2)))
    assert_close(gd.nn.GlobalMaxPooling2D()(x).eval({x: IMAGES}), IMAGES.max((1, 2)))
    wide = gd.nn.UpSampling2D((1, 2))(x).eval({x: IMAGES})
    assert_close(wide, IMAGES.repeat(2, 2))


def test_wrong_arguments_are_told() -> None:
    x = gd.placeholder("x", ("batch", 8, 8, 3))
    with pytest.raises(ArgumentError, match="Conv2D: filters must be a whole number >= 1, got 0"):
        gd.nn.Conv2D(0, 3)
    with pytest.raises(ArgumentError, match="Conv2D: kernel_size must be a whole number or 2"):
        gd.nn.Conv2D(4, (3, 3, 3))
    with pytest.raises(ShapeError, match="Conv2D: the input needs 4 axes, got float32"):
        gd.nn.Conv2D(4, 3)(gd.placeholder("flat", ("batch", 64)))
    with pytest.raises(ShapeError, match="3 channels do not divide into 2 groups"):
        gd.nn.Conv2D(4, 3, groups=2)(x)
    with pytest.raises(DTypeError, match="Conv2D: the input must be floating, got int32"):
        gd.nn.Conv2D(4, 3)(gd.placeholder("i", (1, 8, 8, 3), "int32"))
    with pytest.raises(ShapeError, match="the number of channels must be a known number"):
        gd.nn.Conv1D(4, 3)(gd.placeholder("n", (1, 8, "channels")))
