"""The layers against their definitions in NumPy and torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError
from graphdl.nn.layers import Activation, Dense, Dropout, Flatten
from graphdl.nn.sequential import Sequential
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.elementwise import tanh
from graphdl.ops.functions.random import seed
from graphdl.ops.functions.reduction import sum as total
from tests.plugins.steps import run_step, value_of

DATA = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)


def test_dense_equals_torch() -> None:
    layer = Dense(5, activation="gelu")
    x = placeholder("x", ("batch", 3, 4))
    y = layer(x)
    assert str(y.type) == "float32[batch, 3, 5]"
    layer.variables()["bias"].assign(np.arange(5.0))
    kernel, bias = (variable.numpy() for variable in layer.variables().values())
    expected = torch.nn.functional.gelu(torch.tensor(DATA @ kernel + bias)).numpy()
    np.testing.assert_allclose(value_of(y, {x: DATA}), expected, rtol=1e-5, atol=1e-6)
    assert list(Dense(2, use_bias=False).variables()) == []


def test_dense_takes_initialisers_of_every_kind() -> None:
    layer = Dense(2, kernel_initializer=np.eye(4, 2), bias_initializer=3)
    x = placeholder("x", (4,))
    assert value_of(layer(x), {x: [1, 2, 3, 4]}).tolist() == [4, 5]


def test_activation_flatten_and_functions_in_sequence() -> None:
    model = Sequential([Flatten(), Activation("relu"), tanh, Activation(lambda t: t * 2)])
    x = placeholder("x", ("batch", 3, 4))
    y = model(x)
    assert str(y.type) == "float32[batch, 12]"
    expected = np.tanh(np.maximum(DATA.reshape(2, 12), 0)) * 2
    np.testing.assert_allclose(value_of(y, {x: DATA}), expected, rtol=1e-6)
    with pytest.raises(ArgumentError, match="unknown activation 'rely'"):
        Activation("rely")
    with pytest.raises(ArgumentError, match="Dense is a class"):
        Sequential([Dense])  # type: ignore[list-item]
    with pytest.raises(ArgumentError, match="neither a layer"):
        Sequential([3])  # type: ignore[list-item]


def test_dropout_keeps_the_mean_and_is_off_outside_training() -> None:
    seed(5)
    x = placeholder("x", ("n",))
    y = Dropout(0.25)(x)
    ones = {x: np.ones(20000, np.float32)}
    assert (value_of(y, ones, training=False) == 1).all()
    dropped = value_of(y, ones, training=True)
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(dropped.mean() - 1) < 0.02
    assert abs((dropped == 0).mean() - 0.25) < 0.02


def test_dropout_drops_the_same_elements_in_the_gradient() -> None:
    x = placeholder("x", (64,))
    y = Dropout(0.5)(x)
    outputs = run_step({}, [y, grad(total(y), x)], {x: np.ones(64, np.float32)}, training=True)
    assert np.array_equal(*outputs)
    assert 0 < np.count_nonzero(outputs[0]) < 64


def test_dropout_repeats_after_the_same_seed() -> None:
    values = []
    for _ in range(2):
        seed(11)
        x = placeholder("x", (32,))
        values.append(value_of(Dropout(0.5)(x), {x: np.ones(32)}, training=True))
    assert np.array_equal(*values)
    assert Dropout(0)(x) is x
    assert Dropout(0.5)(x, training=False) is x
    with pytest.raises(ArgumentError, match="rate"):
        Dropout(1.0)
