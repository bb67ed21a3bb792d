"""Poolings against PyTorch: values, gradients, indices; ties, odd sizes, compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as peer

from graphdl.autodiff.reverse import vjp
from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.function import function
from graphdl.ops.functions import adaptive_pooling, pooling
from graphdl.ops.functions.creation import placeholder
from tests.plugins.compare import assert_close

Array = np.ndarray[Any, Any]
SHAPES = {1: (2, 11, 3), 2: (2, 7, 8, 3), 3: (1, 5, 6, 4, 2)}


def distinct(*shape: int) -> Array:
    """Numbers without ties."""
    count = int(np.prod(shape))
    return np.random.default_rng(count).permutation(np.linspace(-2, 2, count)).reshape(shape)


def compare(
    ours: Callable[..., Any], theirs: Callable[..., Any], x: Array, is_named: bool = False
) -> None:
    """Values and gradients of a channels-last function and a channels-first one."""
    given = placeholder("x", ("batch", *x.shape[1:]) if is_named else x.shape, "float64")
    y = ours(given)
    tx = torch.from_numpy(x).requires_grad_()
    ty = theirs(tx.movedim(-1, 1)).movedim(1, -1)
    weights = np.random.default_rng(1).uniform(-1, 1, tuple(ty.shape))
    weight = placeholder("weight", y.shape, "float64")
    (slope,) = vjp([y], [given], [weight])
    (wanted,) = torch.autograd.grad(ty, [tx], torch.from_numpy(weights))
    found = function([given, weight], [y, slope])(x, weights)
    assert_close(found[0], ty.detach().numpy(), rtol=1e-12, atol=1e-12)
    assert_close(found[1], wanted.numpy(), rtol=1e-10, atol=1e-12)


OPTIONS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2, "stride": 3},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_poolings_are_torchs(kind: str, rank: int, options: dict[str, Any]) -> None:
    name = f"{kind}_pool{rank}d"
    ours, theirs = getattr(pooling, name), getattr(peer, name)
    is_named = not options.get("ceil_mode", False)
    compare(
        lambda x: ours(x, **options),
        lambda x: theirs(x, **options),
        distinct(*SHAPES[rank]),
        is_named,
    )


def test_more_options_of_images() -> None:
    x = distinct(*SHAPES[2])
    sliding: list[dict[str, Any]] = [
        {"kernel_size": (3, 2), "padding": (1, 0), "dilation": 2, "stride": 1},
        {"kernel_size": 2, "dilation": (1, 3), "stride": 1},
    ]
    for options in sliding:
        compare(
            lambda t, o=options: pooling.max_pool2d(t, **o),
            lambda t, o=options: peer.max_pool2d(t, **o),
            x,
        )
    counting: list[dict[str, Any]] = [
        {"count_include_pad": False, "padding": 1},
        {"divisor_override": 7},
        {"count_include_pad": False, "padding": 1, "ceil_mode": True, "stride": 2},
    ]
    for options in counting:
        compare(
            lambda t, o=options: pooling.avg_pool2d(t, 3, **o),
            lambda t, o=options: peer.avg_pool2d(t, 3, **o),
            x,
        )


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_norms_are_torchs_of_positive_numbers(rank: int) -> None:
    x = np.abs(distinct(*SHAPES[rank])) + 0.1
    ours, theirs = getattr(pooling, f"lp_pool{rank}d"), getattr(peer, f"lp_pool{rank}d")
    compare(lambda t: ours(t, 3, 2), lambda t: theirs(t, 3.0, 2), x)


def test_a_norm_of_zeros_has_derivative_zero() -> None:
    x = placeholder("x", (1, 4, 1))
    (slope,) = vjp([pooling.lp_pool1d(x, 2, 2)], [x], [pooling.lp_pool1d(x, 2, 2) + 1])
    assert slope.eval({x: np.zeros((1, 4, 1))}).tolist() == [[[0.0]] * 4]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_adaptive_poolings_are_torchs(kind: str, rank: int, size: int) -> None:
    name = f"adaptive_{kind}_pool{rank}d"
    ours, theirs = getattr(adaptive_pooling, name), getattr(peer, name)
    compare(lambda t: ours(t, size), lambda t: theirs(t, size), distinct(*SHAPES[rank]))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_indices_and_unpooling_are_torchs(rank: int) -> None:
    x = distinct(*SHAPES[rank])
    given = placeholder("x", x.shape, "float64")
    pooled = getattr(pooling, f"max_pool{rank}d_with_indices")
    values, indices = pooled(given, 3, stride=2, padding=1)
    sizes = SHAPES[rank][1:-1]
    back = getattr(adaptive_pooling, f"max_unpool{rank}d")(values, indices, sizes)
    found = function([given], [indices, back])(x)
    tx = torch.from_numpy(x).movedim(-1, 1)
    pool = getattr(peer, f"max_pool{rank}d")
    ty, places = pool(tx, 3, stride=2, padding=1, return_indices=True)
    unpool = getattr(peer, f"max_unpool{rank}d")
    tz = unpool(ty, places, 3, stride=2, padding=1, output_size=sizes)
    np.testing.assert_array_equal(found[0], places.movedim(1, -1).numpy())
    assert_close(found[1], tz.movedim(1, -1).numpy())


def test_ties_share_the_gradient() -> None:
    x = placeholder("x", (1, 4, 1))
    y = pooling.max_pool1d(x, 2)
    (slope,) = vjp([y], [x], [y * 0 + 6])
    assert slope.eval({x: [[[1.0], [1.0], [0.0], [2.0]]]}).ravel().tolist() == [3, 3, 0, 6]


def test_same_padding_is_left_out_of_means() -> None:
    x = placeholder("x", (1, 3, 1))
    y = pooling.avg_pool1d(x, 2, padding="same", stride=1)
    assert y.eval({x: [[[2.0], [4.0], [6.0]]]}).ravel().tolist() == [3, 5, 6]


def test_named_sizes_and_channels_first() -> None:
    x = placeholder("x", ("batch", 3, "height", 8))
    y = pooling.max_pool2d(x, 2, data_format="NCHW")
    data = distinct(2, 3, 7, 8).astype(np.float32)
    wanted = peer.max_pool2d(torch.from_numpy(data), 2).numpy()
    np.testing.assert_array_equal(function([x], y)(data), wanted)
    assert function([x], y)(data[:0]).shape == (0, 3, 3, 4)


def test_integers_have_maxima() -> None:
    y = pooling.max_pool1d(np.array([[[3], [-4], [-5]]]), 2, stride=1, padding=1)
    assert y.eval().ravel().tolist() == [3, 3, -4, -5]


def test_wrong_arguments_are_told() -> None:
    x = placeholder("x", ("batch", 8, 8, 3))
    with pytest.raises(ShapeError, match=r"max_pool2d: a window over 9 elements does not fit"):
        pooling.max_pool2d(x, 9)
    with pytest.raises(ArgumentError, match="the window's size must be a whole number or 2"):
        pooling.max_pool2d(x, (2, 2, 2))
    with pytest.raises(ArgumentError, match="unknown data_format 'CHWN'"):
        pooling.max_pool2d(x, 2, data_format="CHWN")
    with pytest.raises(ArgumentError, match="cannot pad 2 axes by 'full'"):
        pooling.max_pool2d(x, 2, padding="full")
    with pytest.raises(DTypeError, match="avg_pool2d: needs a floating dtype, got int32"):
        pooling.avg_pool2d(placeholder("i", (1, 4, 4, 1), "int32"), 2)
    with pytest.raises(ShapeError, match="must have a known size, it is n"):
        adaptive_pooling.adaptive_max_pool1d(placeholder("y", (1, "n", 3)), 2)
