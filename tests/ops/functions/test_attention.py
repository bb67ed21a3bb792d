"""Attention, rotary positions and embeddings against PyTorch: values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as peer

from graphdl.autodiff.reverse import vjp
from graphdl.errors import ArgumentError, ShapeError
from graphdl.function import function
from graphdl.graph.nodes import Tensor
from graphdl.ops.functions import attention as gd
from graphdl.ops.functions.creation import placeholder
from tests.plugins.compare import assert_close

_random = np.random.default_rng(9)
attend = gd.scaled_dot_product_attention


def drawn(*shape: int) -> Any:
    return _random.uniform(-1, 1, shape)


def check(options: dict[str, Any], q: Any, k: Any, v: Any, mask: Any = None) -> None:
    """Values and gradients, against torch."""
    arrays = [q, k, v]
    inputs = [
        placeholder(name, ("batch", *a.shape[1:]), "float64")
        for name, a in zip("qkv", arrays, strict=True)
    ]
    y = attend(inputs[0], inputs[1], inputs[2], mask, **options)
    weights = drawn(*q.shape[:-1], v.shape[-1])
    weight = placeholder("weight", y.shape, "float64")
    slopes = vjp([y], inputs, [weight])
    found = function([*inputs, weight], [y, *slopes])(*arrays, weights)
    given = [torch.from_numpy(a).requires_grad_() for a in arrays]
    added = None if mask is None else torch.from_numpy(mask)
    ty = peer.scaled_dot_product_attention(given[0], given[1], given[2], added, **options)
    wanted = torch.autograd.grad(ty, given, torch.from_numpy(weights))
    for actual, target in zip(found, [ty, *wanted], strict=True):
        assert_close(actual, target.detach().numpy(), rtol=1e-9, atol=1e-10)


def test_attention_is_torchs() -> None:
    q, k, v = drawn(2, 3, 5, 4), drawn(2, 3, 7, 4), drawn(2, 3, 7, 6)
    check({}, q, k, v)
    check({"scale": 0.3}, q, k, v)
    check({"is_causal": True}, q, k, v)
    check({}, q, k, v, _random.uniform(0, 1, (5, 7)) > 0.3)
    check({}, q, k, v, drawn(3, 1, 7))


def test_grouped_heads_are_torchs() -> None:
    q, k, v = drawn(2, 6, 5, 4), drawn(2, 2, 7, 4), drawn(2, 2, 7, 3)
    check({"enable_gqa": True}, q, k, v)
    check({"enable_gqa": True, "is_causal": True}, q, k, v)


def test_masked_rows_are_zero_with_finite_gradients() -> None:
    q = placeholder("q", (2, 4))
    mask = np.array([[True, False], [False, False]])
    for given in (mask, np.where(mask, np.float32(0), np.float32(-np.inf))):
        y = attend(q, q, q, given)
        (slope,) = vjp([y], [q], [y + 1])
        data = drawn(2, 4).astype(np.float32)
        value, found = function([q], [y, slope])(data)
        assert_close(value[0], data[0])
        assert not value[1].any()
        assert np.isfinite(found).all()


def test_dropout_keeps_the_mean() -> None:
    q = placeholder("q", (400, 3))
    y = attend(q, q, q, dropout_p=0.5)
    value = function([q], y)(np.ones((400, 3), np.float32))
    assert 0.8 < value.mean() < 1.2
    assert not (value == 1).all()


@pytest.mark.parametrize("is_interleaved", [False, True])
def test_rotations_are_complex_products(is_interleaved: bool) -> None:
    x = drawn(2, 5, 6)
    given = placeholder("x", (2, "time", 6), "float64")
    found = gd.rotary_embedding(given, interleaved=is_interleaved).eval({given: x})
    angle = np.arange(5)[:, None] * 10000.0 ** (-2 * np.arange(3) / 6)
    if is_interleaved:
        turned = (x[..., ::2] + 1j * x[..., 1::2]) * np.exp(1j * angle)
        wanted = np.stack([turned.real, turned.imag], -1).reshape(x.shape)
    else:
        turned = (x[..., :3] + 1j * x[..., 3:]) * np.exp(1j * angle)
        wanted = np.concatenate([turned.real, turned.imag], -1)
    assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    shifted = gd.rotary_embedding(x, np.arange(5) + 3).eval()
    assert not np.allclose(shifted, found)


def test_embeddings_are_torchs() -> None:
    table, places = drawn(7, 3), _random.integers(0, 7, (4, 5))
    weight = placeholder("weight", table.shape, "float64")
    index = placeholder("index", ("batch", 5), "int64")
    cases: list[tuple[Tensor, Callable[..., Any]]] = [
        (gd.embedding(index, weight), peer.embedding),
        (
            gd.embedding(index, weight, padding_idx=-4),
            lambda i, w: peer.embedding(i, w, padding_idx=-4),
        ),
        (
            gd.embedding_bag(index, weight, mode="sum"),
            lambda i, w: peer.embedding_bag(i, w, mode="sum"),
        ),
        (gd.embedding_bag(index, weight), peer.embedding_bag),
        (
            gd.embedding_bag(index, weight, mode="max"),
            lambda i, w: peer.embedding_bag(i, w, mode="max"),
        ),
    ]
    for ours, theirs in cases:
        tw = torch.from_numpy(table).requires_grad_()
        ty = theirs(torch.from_numpy(places), tw)
        weights = drawn(*ty.shape)
        (wanted,) = torch.autograd.grad(ty, [tw], torch.from_numpy(weights))
        cotangent = placeholder("cotangent", ours.shape, "float64")
        (slope,) = vjp([ours], [weight], [cotangent])
        found = function([index, weight, cotangent], [ours, slope])(places, table, weights)
        assert_close(found[0], ty.detach().numpy())
        assert_close(found[1], wanted.numpy(), rtol=1e-9, atol=1e-10)


def test_wrong_arguments_are_told() -> None:
    x, y = placeholder("x", ("batch", 4, 5, 8)), placeholder("y", ("batch", 3, 5, 8))
    with pytest.raises(ShapeError, match="leading axes of query and key differ"):
        attend(x, y, y)
    with pytest.raises(ShapeError, match="4 heads of the query are no multiple of 3"):
        attend(x, y, y, enable_gqa=True)
    with pytest.raises(ShapeError, match="does not broadcast to the scores"):
        attend(x, x, x, np.ones((4, 4), bool))
    with pytest.raises(ShapeError, match="the last axis is 8 in query and 7 in key"):
        attend(x, x[..., :7], x)
    with pytest.raises(ShapeError, match="a known even size"):
        gd.rotary_embedding(x[..., :7])
    with pytest.raises(ShapeError, match=r"the table must be \(count, size\)"):
        gd.embedding([0], x)
    with pytest.raises(ArgumentError, match='mode must be "sum", "mean" or "max"'):
        gd.embedding_bag([[0]], np.ones((2, 2)), mode="median")
