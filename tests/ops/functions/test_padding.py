"""Padding against NumPy in every mode, values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, ShapeError
from graphdl.ops.functions import padding as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run_both
from tests.plugins.gradients import check_gradient
from tests.plugins.native import assert_native

X = np.random.default_rng(0).normal(size=(3, 4))
COPIES = ["edge", "reflect", "symmetric", "wrap"]
OTHERS = ["constant", "linear_ramp", "maximum", "minimum", "mean"]
WIDTHS = [1, (2, 0), ((0, 1), (3, 2)), ((7, 5), (0, 11))]


@pytest.mark.parametrize("mode", [*COPIES, *OTHERS])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_padding_is_numpys(mode: Any, widths: Any) -> None:
    found = run_both(lambda x: gd.pad(x, widths, mode), X)
    assert_close(found, np.pad(X, widths, mode), rtol=1e-14)


@pytest.mark.parametrize("mode", COPIES)
def test_a_single_element_is_repeated(mode: Any) -> None:
    one = np.array([[3.0, 4.0]])
    found = run_both(lambda x: gd.pad(x, ((2, 3), (0, 0)), mode), one)
    np.testing.assert_array_equal(found, np.pad(one, ((2, 3), (0, 0)), mode))


@pytest.mark.parametrize("mode", ["maximum", "minimum", "mean", "linear_ramp", *COPIES])
def test_integers_are_numpys(mode: Any) -> None:
    whole = np.array([[3, -8, 4], [9, 2, 2]])
    found = run_both(lambda x: gd.pad(x, 2, mode), whole)
    np.testing.assert_array_equal(found, np.pad(whole, 2, mode))


@pytest.mark.parametrize("mode", [*COPIES, "mean", "linear_ramp"])
def test_derivatives_equal_finite_differences(mode: str) -> None:
    check_gradient(lambda x: gd.pad(x, ((1, 2), (7, 1)), mode) ** 2, X)


def test_errors() -> None:
    x = placeholder("x", (2, 0))
    with pytest.raises(ArgumentError, match="pad: unknown mode 'mirror'"):
        gd.pad(x, 1, "mirror")
    with pytest.raises(ShapeError, match="pad: axis 1 is empty, 'edge' has nothing to repeat"):
        gd.pad(x, 1, "edge")
    assert gd.pad(x, ((1, 1), (0, 0)), "edge").shape == (4, 0)


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any) -> Any:
        results = [gd.pad(x, 2, mode) for mode in [*COPIES, *OTHERS]]
        return [*results, *(grad(sum_of(result * result), x) for result in results)]

    assert_native(everything, X, rtol=1e-12)
