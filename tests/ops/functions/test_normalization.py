"""Normalisations against PyTorch: values and gradients."""

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
from graphdl.ops.functions import normalization as gd
from graphdl.ops.functions.creation import placeholder
from tests.plugins.compare import assert_close

_random = np.random.default_rng(7)
X = _random.uniform(-2, 2, (3, 5, 4, 6))
CHANNEL = _random.uniform(-1, 1, (2, 6))
ROW = _random.uniform(-1, 1, (2, 6))
PLANE = _random.uniform(-1, 1, (2, 4, 6))
VARIANCE = _random.uniform(0.5, 2, 6)


def first(function: Callable[..., Any]) -> Callable[..., Any]:
    """A channels-first function of torch applied to channels-last tensors."""
    return lambda x, *rest: function(x.movedim(-1, 1), *rest).movedim(1, -1)


def torch_rms(x: Any, weight: Any) -> Any:
    return peer.rms_norm(x, (6,), weight, eps=1e-6)


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
    "batch": (
        lambda x, w, b: gd.batch_norm(x, weight=w, bias=b),
        first(lambda x, w, b: peer.batch_norm(x, None, None, w, b, training=True)),
        (X, *CHANNEL),
    ),
    "batch with statistics": (
        lambda x, m, v, w, b: gd.batch_norm(x, m, v, w, b),
        first(lambda x, m, v, w, b: peer.batch_norm(x, m.detach(), v.detach(), w, b)),
        (X, CHANNEL[0], VARIANCE, *CHANNEL),
    ),
    "layer": (gd.layer_norm, lambda x, w, b: peer.layer_norm(x, (6,), w, b), (X, *ROW)),
    "layer over two axes": (
        lambda x, w, b: gd.layer_norm(x, w, b, axis=(-2, -1)),
        lambda x, w, b: peer.layer_norm(x, (4, 6), w, b),
        (X, *PLANE),
    ),
    "rms": (gd.rms_norm, torch_rms, (X, ROW[0])),
    "group": (
        lambda x, w, b: gd.group_norm(x, 3, w, b),
        first(lambda x, w, b: peer.group_norm(x, 3, w, b)),
        (X, *CHANNEL),
    ),
    "instance": (
        gd.instance_norm,
        first(lambda x, w, b: peer.instance_norm(x, weight=w, bias=b)),
        (X, *CHANNEL),
    ),
    "local response": (
        lambda x: gd.local_response_norm(x, 3, alpha=0.3, beta=0.6, k=1.5),
        first(lambda x: peer.local_response_norm(x, 3, 0.3, 0.6, 1.5)),
        (X,),
    ),
    "local response, even": (
        lambda x: gd.local_response_norm(x, 4, alpha=0.3),
        first(lambda x: peer.local_response_norm(x, 4, 0.3)),
        (X,),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_torchs(name: str) -> None:
    ours, theirs, arrays = CASES[name]
    is_named = "instance" not in name
    shapes = [
        (("batch", *X.shape[1:]) if is_named and n == 0 else a.shape) for n, a in enumerate(arrays)
    ]
    inputs = [placeholder(f"x{n}", shape, "float64") for n, shape in enumerate(shapes)]
    y = ours(*inputs)
    weights = _random.uniform(-1, 1, X.shape)
    weight = placeholder("weight", y.shape, "float64")
    trained = [0, 3, 4] if name == "batch with statistics" else list(range(len(inputs)))
    slopes = vjp([y], [inputs[n] for n in trained], [weight])
    found = function([*inputs, weight], [y, *slopes])(*arrays, weights)
    given = [torch.from_numpy(a).requires_grad_() for a in arrays]
    ty = theirs(*given)
    wanted = torch.autograd.grad(ty, [given[n] for n in trained], torch.from_numpy(weights))
    for actual, target in zip(found, [ty, *wanted], strict=True):
        assert_close(actual, target.detach().numpy(), rtol=1e-9, atol=1e-9)


def test_channels_first_formats() -> None:
    x = placeholder("x", (3, 6, 5, 4), "float64")
    data = X.transpose(0, 3, 1, 2).copy()
    for ours, theirs in (
        (gd.group_norm(x, 2, data_format="NCHW"), peer.group_norm(torch.from_numpy(data), 2)),
        (gd.instance_norm(x, data_format="NCHW"), peer.instance_norm(torch.from_numpy(data))),
        (
            gd.batch_norm(x, axis=1),
            peer.batch_norm(torch.from_numpy(data), None, None, training=True),
        ),
        (
            gd.local_response_norm(x, 3, data_format="NCHW"),
            peer.local_response_norm(torch.from_numpy(data), 3),
        ),
    ):
        assert_close(ours.eval({x: data}), theirs.numpy(), rtol=1e-9, atol=1e-9)


def test_moments_are_numpys() -> None:
    x = placeholder("x", X.shape, "float64")
    mean, variance = gd.moments(x, axis=(0, 2))
    assert_close(mean.eval({x: X}), X.mean((0, 2)))
    assert_close(variance.eval({x: X}), X.var((0, 2)))


def test_wrong_arguments_are_told() -> None:
    x = placeholder("x", ("batch", 4, 6))
    with pytest.raises(
        ShapeError, match=r"layer_norm: the weight must have shape \[6\], got float32\[4\]"
    ):
        gd.layer_norm(x, np.ones(4, np.float32))
    with pytest.raises(ShapeError, match="6 channels do not divide into 4 groups"):
        gd.group_norm(x, 4)
    with pytest.raises(ArgumentError, match="both the mean and the variance"):
        gd.batch_norm(x, np.ones(6))
    with pytest.raises(DTypeError, match="rms_norm: needs a floating dtype"):
        gd.rms_norm(placeholder("i", (3,), "int32"))
    with pytest.raises(ShapeError, match="needs at least 3 axes"):
        gd.instance_norm(placeholder("m", (3, 4)))
