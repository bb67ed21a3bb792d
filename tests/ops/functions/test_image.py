"""Resizing, sampling and shuffling against PyTorch: values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as peer

from graphdl.autodiff.reverse import vjp
from graphdl.errors import ArgumentError, ShapeError
from graphdl.function import function
from graphdl.ops.functions import image as gd
from graphdl.ops.functions.creation import placeholder
from tests.ops.functions.test_pooling import compare, distinct
from tests.plugins.compare import assert_close

MODES = [
    (1, "linear"), (2, "bilinear"), (3, "trilinear"), (2, "bicubic"), (1, "nearest"),
    (2, "nearest"), (2, "nearest-exact"), (2, "area"),
]  # fmt: skip
SHAPES = {1: (2, 5, 2), 2: (2, 5, 4, 2), 3: (1, 3, 4, 5, 2)}
SIZES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((8,), (3,), (10,), (1,)), 2: ((8, 8), (3, 7), (5, 12)), 3: ((5, 4, 7),)
}  # fmt: skip


@pytest.mark.parametrize(("rank", "mode"), MODES)
def test_interpolation_is_torchs(rank: int, mode: str) -> None:
    x = distinct(*SHAPES[rank])
    has_corners = mode.endswith("linear") or mode == "bicubic"
    for size in SIZES[rank]:
        for corners in (False, True) if has_corners else (False,):
            extra = {"align_corners": corners} if has_corners else {}
            compare(
                lambda t, s=size, e=extra: gd.interpolate(t, s, mode=mode, **e),
                lambda t, s=size, e=extra: peer.interpolate(t, s, mode=mode, **e),
                x,
            )


def test_scale_factors_are_torchs() -> None:
    x = distinct(*SHAPES[2])
    for factor in (2.0, 1.5, (0.5, 2.3)):
        for mode in ("nearest", "bilinear"):
            compare(
                lambda t, f=factor, m=mode: gd.interpolate(t, scale_factor=f, mode=m),
                lambda t, f=factor, m=mode: peer.interpolate(t, scale_factor=f, mode=m),
                x,
            )


def test_whole_repeats_gather_nothing() -> None:
    x = placeholder("x", ("batch", 4, 4, 3))
    (slope,) = vjp([y := gd.interpolate(x, 8)], [x], [y])
    names, waiting = set(), [slope]
    while waiting:
        node = waiting.pop().node
        names.add(node.op.name)
        waiting.extend(node.operands)
    assert not {name for name in names if "gather" in name or "scatter" in name}


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("corners", [False, True])
def test_grid_sample_is_torchs(mode: str, padding_mode: str, corners: bool) -> None:
    x = distinct(2, 4, 5, 3)
    grid = np.random.default_rng(4).uniform(-1.7, 1.7, (2, 3, 6, 2))
    inputs = [placeholder("x", x.shape, "float64"), placeholder("grid", grid.shape, "float64")]
    options: dict[str, Any] = {"mode": mode, "padding_mode": padding_mode, "align_corners": corners}
    y = gd.grid_sample(*inputs, **options)
    weights = np.random.default_rng(5).uniform(-1, 1, (2, 3, 6, 3))
    weight = placeholder("weight", y.shape, "float64")
    slopes = vjp([y], inputs if mode == "bilinear" else inputs[:1], [weight])
    found = function([*inputs, weight], [y, *slopes])(x, grid, weights)
    given = [torch.from_numpy(a).requires_grad_() for a in (x, grid)]
    ty = peer.grid_sample(given[0].movedim(-1, 1), given[1], **options).movedim(1, -1)
    wanted = torch.autograd.grad(ty, given, torch.from_numpy(weights))
    for actual, target in zip(found, [ty, *wanted], strict=False):
        assert_close(actual, target.detach().numpy(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("corners", [False, True])
def test_affine_grid_is_torchs(corners: bool) -> None:
    theta = distinct(2, 2, 3)
    ours = gd.affine_grid(
        placeholder("theta", theta.shape, "float64"), (3, 4), align_corners=corners
    )
    wanted = peer.affine_grid(torch.from_numpy(theta), [2, 1, 3, 4], align_corners=corners)
    (theta_input,) = [n.results[0] for n in _leaves(ours)]
    assert_close(ours.eval({theta_input: theta}), wanted.numpy(), rtol=1e-12, atol=1e-12)


def _leaves(tensor: Any) -> list[Any]:
    found, waiting = {}, [tensor.node]
    while waiting:
        node = waiting.pop()
        if node.op.name == "placeholder":
            found[id(node)] = node
        waiting.extend(operand.node for operand in node.operands)
    return list(found.values())


def test_shuffles_are_torchs() -> None:
    compare(
        lambda t: gd.pixel_shuffle(t, 2), lambda t: peer.pixel_shuffle(t, 2), distinct(2, 3, 4, 8)
    )
    compare(
        lambda t: gd.pixel_unshuffle(t, 2),
        lambda t: peer.pixel_unshuffle(t, 2),
        distinct(2, 4, 6, 3),
    )
    compare(
        lambda t: gd.channel_shuffle(t, 3), lambda t: peer.channel_shuffle(t, 3), distinct(2, 4, 6)
    )


def test_wrong_arguments_are_told() -> None:
    x = placeholder("x", ("batch", 4, 6, 3))
    with pytest.raises(ArgumentError, match="give either size or scale_factor"):
        gd.interpolate(x)
    with pytest.raises(ArgumentError, match="mode 'linear' is for 1 spatial axes, not 2"):
        gd.interpolate(x, 3, mode="linear")
    with pytest.raises(ArgumentError, match="unknown mode 'cubic'"):
        gd.interpolate(x, 3, mode="cubic")
    with pytest.raises(ShapeError, match="3 channels do not divide by 4"):
        gd.pixel_shuffle(x, 2)
    with pytest.raises(ShapeError, match=r"the grid must be \(batch, rows, columns, 2\)"):
        gd.grid_sample(x, x)
    with pytest.raises(ShapeError, match="spatial sizes must be known"):
        gd.interpolate(placeholder("y", (1, "n", 3)), 4)
