"""Normalisation layers: training and prediction, moving statistics, frozen layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import graphdl as gd
from graphdl.errors import ArgumentError
from tests.plugins.compare import assert_close

DATA = np.random.default_rng(2).normal(2, 3, (16, 5, 4)).astype(np.float32)


def test_batch_normalization_trains_and_predicts_like_torch() -> None:
    layer = gd.nn.BatchNormalization(momentum=0.8)
    x = gd.placeholder("x", ("batch", 5, 4))
    y = layer(x)
    gradients = gd.grad(gd.sum(y * y * y), layer.parameters())
    step = gd.function([x], [y, gradients], training=True)
    predict = gd.function([x], y)
    peer = torch.nn.BatchNorm1d(4, eps=1e-3, momentum=0.2)
    tx = torch.from_numpy(np.moveaxis(DATA, -1, 1).copy())
    for _ in range(3):
        found, slopes = step(DATA)
        peer.zero_grad()
        ty = peer(tx)
        (ty**3).sum().backward()
        assert_close(np.moveaxis(found, -1, 1), ty.detach().numpy(), rtol=1e-4, atol=1e-4)
        assert peer.weight.grad is not None
        assert_close(slopes["gamma"], peer.weight.grad.numpy(), rtol=1e-3, atol=1e-2)
    found_mean = layer.variables()["moving_mean"].numpy()
    assert peer.running_mean is not None
    assert_close(found_mean, peer.running_mean.numpy(), rtol=1e-4)
    peer.running_var = torch.from_numpy(layer.variables()["moving_variance"].numpy())
    biased = DATA.reshape(-1, 4).var(0)
    assert_close(peer.running_var.numpy(), 1 * 0.8**3 + biased * (1 - 0.8**3), rtol=1e-4)
    peer.eval()
    wanted = peer(tx).detach().numpy()
    before = found_mean.copy()
    assert_close(np.moveaxis(predict(DATA), -1, 1), wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(layer.variables()["moving_mean"].numpy(), before)


def test_moving_statistics_are_not_trained_and_frozen_layers_do_not_move() -> None:
    layer = gd.nn.BatchNormalization()
    assert list(layer.variables()) == []
    x = gd.placeholder("x", ("batch", 4))
    y = layer(x, training=False)
    assert list(layer.parameters()) == ["gamma", "beta"]
    gd.function([x], y, training=True)(DATA[:, 0])
    assert not layer.variables()["moving_mean"].numpy().any()


def test_the_writes_of_a_training_function_are_listed() -> None:
    layer = gd.nn.BatchNormalization()
    x = gd.placeholder("x", ("batch", 4))
    step = gd.function([x], layer(x), training=True)
    assert len(step.updates) == 2
    assert len(gd.function([x], layer(x)).updates) == 0


def test_other_normalizations_standardize() -> None:
    x = gd.placeholder("x", ("batch", 5, 4))
    layer = gd.nn.LayerNormalization()(x).eval({x: DATA})
    wanted = (DATA - DATA.mean(-1, keepdims=True)) / np.sqrt(DATA.var(-1, keepdims=True) + 1e-3)
    assert_close(layer, wanted, rtol=1e-4, atol=1e-5)
    grouped = gd.nn.GroupNormalization(-1)(x).eval({x: DATA})
    wanted = (DATA - DATA.mean(1, keepdims=True)) / np.sqrt(DATA.var(1, keepdims=True) + 1e-3)
    assert_close(grouped, wanted, rtol=1e-4, atol=1e-5)


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(ArgumentError, match=r"momentum must be in \[0, 1\], got 2"):
        gd.nn.BatchNormalization(momentum=2)
    with pytest.raises(ArgumentError, match="axis must be -1 or 1"):
        gd.nn.GroupNormalization(1, axis=2)(gd.placeholder("x", (2, 3, 4, 5)))
