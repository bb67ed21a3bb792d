"""Scaled rows and distances against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as torch_of

from graphdl.autodiff.reverse import grad
from graphdl.ops.functions import normalizing as gd
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.native import assert_native

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(2, 3, 4, 5))
T, U = torch.tensor(X), torch.tensor(Y)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_rows_of_norm_one_are_pytorchs(p: float, axis: int) -> None:
    assert_close(run_both(lambda x: gd.normalize(x, p, axis), X), torch_of.normalize(T, p, axis))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_angles_are_pytorchs(axis: int) -> None:
    found = run_both(lambda x, y: gd.cosine_similarity(x, y, axis), X, Y)
    assert_close(found, torch_of.cosine_similarity(T, U, axis))


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, np.inf])
def test_distances_are_pytorchs(p: float) -> None:
    found = run_both(lambda x, y: gd.pairwise_distance(x, y, p), X, Y)
    assert_close(found, torch_of.pairwise_distance(T, U, p))
    assert_close(run(lambda x, y: gd.cdist(x, y, p), X, Y[:, :2]), torch.cdist(T, U[:, :2], p))


@pytest.mark.parametrize("axis", [-1, (0, 2)], ids=str)
def test_standard_rows_have_mean_0_and_variance_1(axis: Any) -> None:
    center, spread = X.mean(axis, keepdims=True), X.var(axis, keepdims=True)
    found = run_both(lambda x: gd.standardize(x, axis), X)
    assert_close(found, (X - center) / np.sqrt(spread + 1e-5))
    found = run_both(lambda x: gd.standardize(x, axis, mean=1.0, variance=4.0, epsilon=0.0), X)
    assert_close(found, (X - 1) / 2)


def test_zeros_stay_finite() -> None:
    zeros = np.zeros((2, 3))

    def everything(x: Any) -> Any:
        results = [gd.normalize(x), gd.cosine_similarity(x, x), gd.standardize(x), gd.cdist(x, x)]
        return [*results, *(grad(sum_of(result), x) for result in results)]

    assert all(np.isfinite(each).all() for each in run(everything, zeros))


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any, y: Any) -> Any:
        results = [gd.normalize(x), gd.cosine_similarity(x, y), gd.standardize(x),
                   gd.pairwise_distance(x, y), gd.cdist(x, y, 1.0)]  # fmt: skip
        return [*results, *(grad(sum_of(result * result), x) for result in results)]

    assert_native(everything, X, Y, rtol=1e-10)
