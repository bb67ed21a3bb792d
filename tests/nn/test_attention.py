"""Embedding and multi-head attention layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import graphdl as gd
from graphdl.errors import ShapeError
from tests.plugins.compare import assert_close


def test_embedding_learns_only_the_rows_it_reads() -> None:
    layer = gd.nn.Embedding(6, 3)
    words = gd.placeholder("words", ("batch", 2), "int64")
    y = layer(words)
    slopes = gd.grad(gd.sum(y), layer.parameters())
    value, found = gd.function([words], [y, slopes])(np.array([[1, 4], [1, 0]]))
    assert value.shape == (2, 2, 3)
    assert found["embeddings"][:, 0].tolist() == [1, 2, 0, 0, 1, 0]
    assert np.abs(layer.variables()["embeddings"].numpy()).max() <= 0.05


@pytest.mark.parametrize("is_causal", [False, True])
def test_multi_head_attention_is_torchs(is_causal: bool) -> None:
    layer = gd.nn.MultiHeadAttention(num_heads=3, key_dim=4)
    x = gd.placeholder("x", ("batch", 5, 12))
    y = layer(x, x, use_causal_mask=is_causal)
    data = np.random.default_rng(3).normal(size=(2, 5, 12)).astype(np.float32)
    random = np.random.default_rng(4)
    for variable in layer.variables().values():
        variable.assign(random.normal(size=variable.numpy().shape))
    peer = torch.nn.MultiheadAttention(12, 3, batch_first=True)
    weights = {path: torch.from_numpy(v.numpy()) for path, v in layer.variables().items()}
    parts = ("query", "key", "value")
    with torch.no_grad():
        kernels = [weights[f"{part}/kernel"].reshape(12, 12).T for part in parts]
        assert peer.in_proj_weight is not None
        peer.in_proj_weight.copy_(torch.cat(kernels))
        peer.in_proj_bias.copy_(torch.cat([weights[f"{part}/bias"].reshape(12) for part in parts]))
        peer.out_proj.weight.copy_(weights["attention_output/kernel"].reshape(12, 12).T)
        peer.out_proj.bias.copy_(weights["attention_output/bias"])
        mask = torch.ones(5, 5).triu(1).bool() if is_causal else None
        tx = torch.from_numpy(data)
        wanted, _ = peer(tx, tx, tx, attn_mask=mask, need_weights=False)
    assert_close(gd.function([x], y)(data), wanted.numpy(), rtol=1e-4, atol=1e-4)


def test_masks_and_other_keys() -> None:
    layer = gd.nn.MultiHeadAttention(2, 4, value_dim=3, dropout=0.5, output_shape=7)
    x, memory = gd.placeholder("x", ("batch", 5, 6)), gd.placeholder("memory", ("batch", 8, 9))
    mask = gd.placeholder("mask", ("batch", 5, 8), "bool")
    y = layer(x, memory, attention_mask=mask)
    assert y.shape[1:] == (5, 7)
    random = np.random.default_rng(5)
    arrays = [random.normal(size=(2, 5, 6)), random.normal(size=(2, 8, 9))]
    allowed = np.ones((2, 5, 8), bool)
    allowed[:, :, 4:] = False
    predict = gd.function([x, memory, mask], y)
    first = predict(*(a.astype(np.float32) for a in arrays), allowed)
    arrays[1][:, 4:] += 1
    assert_close(predict(*(a.astype(np.float32) for a in arrays), allowed), first)


def test_wrong_arguments_are_told() -> None:
    x = gd.placeholder("x", ("batch", 5, 6))
    layer = gd.nn.MultiHeadAttention(2, 4)
    with pytest.raises(ShapeError, match=r"the value must be \(batch, time, size\)"):
        layer(x, gd.placeholder("flat", ("batch", 6)))
