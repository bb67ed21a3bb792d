"""Linear and bilinear maps against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as torch_of

from graphdl.autodiff.reverse import grad
from graphdl.errors import ShapeError
from graphdl.ops.functions import affine as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run_both
from tests.plugins.native import assert_native

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(2, 3, 4)), RANDOM.normal(size=(2, 3, 5))
WEIGHT, BIAS, CUBE = (
    RANDOM.normal(size=(6, 4)),
    RANDOM.normal(size=6),
    RANDOM.normal(size=(6, 4, 5)),
)


def test_linear_maps_are_pytorchs() -> None:
    x, w, b = (torch.tensor(each) for each in (X, WEIGHT, BIAS))
    assert_close(run_both(gd.linear, X, WEIGHT, BIAS), torch_of.linear(x, w, b).numpy())
    assert_close(run_both(gd.linear, X, WEIGHT[0]), torch_of.linear(x, w[0]).numpy())
    with pytest.raises(ShapeError, match="contracted sizes differ"):
        gd.linear(placeholder("x", (2, 3)), WEIGHT)


def test_bilinear_maps_are_pytorchs() -> None:
    x, y, w, b = (torch.tensor(each) for each in (X, Y, CUBE, BIAS))
    assert_close(run_both(gd.bilinear, X, Y, CUBE, BIAS), torch_of.bilinear(x, y, w, b).numpy())


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any, y: Any, w: Any) -> Any:
        result = gd.bilinear(x, y, w)
        return result, *grad(sum_of(result * result), [x, y, w])

    assert_native(everything, X, Y, CUBE, rtol=1e-11)
