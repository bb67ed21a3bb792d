"""Keras's other losses against their formulas and PyTorch, values and gradients, compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
import torch
import torch.nn.functional as torch_of

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, ShapeError
from graphdl.nn import losses as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.gradients import check_gradient
from tests.plugins.native import assert_native

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.uniform(0.1, 0.9, (4, 5))
PREDICTION = RANDOM.uniform(0.1, 0.9, (4, 5))
LOGITS = RANDOM.normal(size=(4, 5))
BINARY = (RANDOM.random((4, 5)) < 0.5).astype(np.float64)
ONE_HOT = np.eye(5)[RANDOM.integers(0, 5, 4)]


def huber(t: Array, p: Array, delta: float = 1.0) -> Any:
    given = torch_of.huber_loss(torch.tensor(p), torch.tensor(t), reduction="none", delta=delta)
    return given.numpy().mean(-1)


def binary_focal(t: Array, p: Array, alpha: float | None = None) -> Any:
    entropy = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    focal = (1 - (t * p + (1 - t) * (1 - p))) ** 2 * entropy
    return (focal if alpha is None else focal * (t * alpha + (1 - t) * (1 - alpha))).mean(-1)


def categorical_focal(t: Array, p: Array, alpha: float = 0.25, gamma: float = 2.0) -> Any:
    return (-alpha * (1 - p) ** gamma * t * np.log(p)).sum(-1)


def tversky(t: Array, p: Array, alpha: float, beta: float, axis: Any = None) -> Any:
    overlap, false = (t * p).sum(axis), ((1 - t) * p).sum(axis)
    missed = (t * (1 - p)).sum(axis)
    return np.asarray(1 - (overlap + 1e-7) / (overlap + alpha * false + beta * missed + 1e-7))


def sigmoid(x: Array) -> Array:
    return np.asarray(scipy.special.expit(x))


CASES: dict[str, tuple[Callable[..., Any], Array, Array, Callable[..., Any]]] = {
    "mean_absolute_error": (
        gd.mean_absolute_error, TRUTH, LOGITS, lambda t, p: np.abs(t - p).mean(-1)),
    "mean_absolute_percentage_error": (
        gd.mean_absolute_percentage_error, TRUTH, LOGITS,
        lambda t, p: 100 * np.abs((t - p) / t).mean(-1)),
    "mean_squared_logarithmic_error": (
        gd.mean_squared_logarithmic_error, TRUTH, LOGITS,
        lambda t, p: ((np.log1p(t) - np.log1p(np.maximum(p, 1e-7))) ** 2).mean(-1)),
    "huber": (gd.huber, TRUTH, 3 * LOGITS, huber),
    "huber_wide": (
        lambda t, p, **k: gd.huber(t, p, 2.5, **k), TRUTH, 3 * LOGITS,
        lambda t, p: huber(t, p, 2.5)),
    "log_cosh": (gd.log_cosh, TRUTH, LOGITS, lambda t, p: np.log(np.cosh(p - t)).mean(-1)),
    "cosine_similarity": (
        gd.cosine_similarity, TRUTH, LOGITS,
        lambda t, p: -torch_of.cosine_similarity(torch.tensor(t), torch.tensor(p)).numpy()),
    "hinge": (
        gd.hinge, 2 * BINARY - 1, LOGITS, lambda t, p: np.maximum(1 - t * p, 0).mean(-1)),
    "hinge_binary": (
        gd.hinge, BINARY, LOGITS, lambda t, p: np.maximum(1 - (2 * t - 1) * p, 0).mean(-1)),
    "squared_hinge": (
        gd.squared_hinge, BINARY, LOGITS,
        lambda t, p: (np.maximum(1 - (2 * t - 1) * p, 0) ** 2).mean(-1)),
    "categorical_hinge": (
        gd.categorical_hinge, ONE_HOT, LOGITS,
        lambda t, p: np.maximum(1 + ((1 - t) * p).max(-1) - (t * p).sum(-1), 0)),
    "poisson": (
        gd.poisson, TRUTH, PREDICTION, lambda t, p: (p - t * np.log(p + 1e-7)).mean(-1)),
    "kl_divergence": (
        gd.kl_divergence, TRUTH, PREDICTION,
        lambda t, p: scipy.special.rel_entr(t, p).sum(-1)),
    "binary_focal_crossentropy": (gd.binary_focal_crossentropy, BINARY, PREDICTION, binary_focal),
    "binary_focal_balanced": (
        lambda t, p, **k: gd.binary_focal_crossentropy(t, p, True, 0.3, from_logits=True, **k),
        BINARY, LOGITS, lambda t, p: binary_focal(t, sigmoid(p), 0.3)),
    "binary_focal_smooth": (
        lambda t, p, **k: gd.binary_focal_crossentropy(t, p, label_smoothing=0.2, **k),
        BINARY, PREDICTION, lambda t, p: binary_focal(t * 0.8 + 0.1, p)),
    "categorical_focal_crossentropy": (
        gd.categorical_focal_crossentropy, ONE_HOT, PREDICTION, categorical_focal),
    "categorical_focal_logits": (
        lambda t, p, **k: gd.categorical_focal_crossentropy(t, p, 0.5, 1.5, True, 0.1, **k),
        ONE_HOT, LOGITS,
        lambda t, p: categorical_focal(t * 0.9 + 0.02, scipy.special.softmax(p, -1), 0.5, 1.5)),
    "dice": (gd.dice, BINARY, PREDICTION, lambda t, p: tversky(t, p, 0.5, 0.5)),
    "dice_rows": (
        lambda t, p, **k: gd.dice(t, p, axis=-1, **k), BINARY, PREDICTION,
        lambda t, p: tversky(t, p, 0.5, 0.5, -1)),
    "tversky": (
        lambda t, p, **k: gd.tversky(t, p, 0.3, 0.7, **k), BINARY, PREDICTION,
        lambda t, p: tversky(t, p, 0.3, 0.7)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_are_the_formulas(name: str) -> None:
    loss, truth, prediction, formula = CASES[name]
    wanted = formula(truth, prediction)
    found = run_both(lambda t, p: loss(t, p, reduction="none"), truth, prediction)
    assert_close(found, wanted, rtol=1e-6, atol=1e-7)
    assert_close(run(loss, truth, prediction), wanted.mean(), rtol=1e-6, atol=1e-7)
    weights = np.ones(wanted.shape) * 0.5
    summed = run(lambda t, p: loss(t, p, reduction="sum", sample_weight=weights), truth, prediction)
    assert_close(summed, wanted.sum() / 2, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_derivatives_equal_finite_differences(name: str) -> None:
    loss, truth, prediction, _ = CASES[name]
    check_gradient(lambda p: loss(truth.astype(np.float32), p), prediction, order=1)


def test_certain_predictions_have_finite_derivatives() -> None:
    def slopes(t: Any, p: Any) -> Any:
        losses = (gd.kl_divergence, gd.cosine_similarity, gd.categorical_focal_crossentropy)
        return [grad(loss(t, p), p) for loss in losses]

    for slope in run(slopes, ONE_HOT, ONE_HOT):
        assert np.isfinite(slope).all()
    assert np.isfinite(run(lambda t, p: grad(gd.log_cosh(t, p), p), TRUTH, LOGITS * 1e4)).all()


def test_errors_name_both_operands() -> None:
    x = placeholder("x", (2, 3))
    for name in gd.__dict__:
        loss = getattr(gd, name)
        if getattr(loss, "__module__", "") != gd.__name__ or name.startswith(("_", "sparse")):
            continue
        with pytest.raises(ShapeError, match=rf"{name}: y_true and y_pred must have one shape"):
            loss(placeholder("t", (2, 4)), x)
        with pytest.raises(ArgumentError, match=rf"{name}: unknown reduction 'all'"):
            loss(x, x, reduction="all")


def test_compiled_code_is_the_interpreters() -> None:
    def everything(t: Any, b: Any, h: Any, p: Any) -> Any:
        results = []
        for loss, truth, _, _ in CASES.values():
            given = {id(TRUTH): t, id(BINARY): b, id(ONE_HOT): h}.get(id(truth), 2 * b - 1)
            results.append(loss(given, p))
        return [*results, grad(sum_of(sum(results)), p)]

    single = [each.astype(np.float32) for each in (TRUTH, BINARY, ONE_HOT, PREDICTION)]
    assert_native(everything, *single, rtol=1e-5, atol=1e-5)
