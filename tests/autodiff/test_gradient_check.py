"""gradient_check passes right derivatives and catches wrong ones."""

from __future__ import annotations

import numpy as np
import pytest

import graphdl as gd
from graphdl.graph.nodes import Tensor

DATA = np.array([[0.5, -1.5], [1.0, 2.0]])


def _x(dtype: str = "float64") -> Tensor:
    return gd.placeholder("x", ("n", 2), dtype)


def test_right_derivatives_pass() -> None:
    x = _x()
    w = gd.variable(np.array([1.0, -0.5]), dtype="float64")
    outputs = {"a": gd.tanh(x * w), "b": [gd.logsumexp(x), gd.cumulative_sum(x, axis=0)]}
    worst = gd.gradient_check(outputs, {"x": x, "w": (w,)}, {x: DATA}, order=3)
    assert 0 < worst < 1e-6


def test_float32_and_inner_tensors() -> None:
    x = _x("float32")
    h = gd.exp(x)
    assert gd.gradient_check(gd.sum(h * h * x), [x, h], {x: DATA}) < 1e-3


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_a_wrong_derivative_is_told(mode: str) -> None:
    x = _x()
    if mode == "reverse":
        wrong = gd.custom_gradient(lambda t: (gd.sin(t), lambda g: g * gd.sin(t)))
    else:
        wrong = gd.custom_jvp(lambda t: (gd.sin(t), lambda u: u * gd.sin(t)))
    with pytest.raises(gd.GradientError, match=r"derivative of order 1 is .* differences give"):
        gd.gradient_check(wrong(x), x, {x: DATA})


def test_a_wrong_second_derivative_is_told() -> None:
    x = _x()

    @gd.custom_gradient
    def square(t: Tensor) -> object:
        return t * t, lambda g: g * 2.0 * gd.scale_gradient(t, 0.5)

    gd.gradient_check(square(x), x, {x: DATA})
    with pytest.raises(gd.GradientError, match="derivative of order 2"):
        gd.gradient_check(square(x), x, {x: DATA}, order=2)


def test_wrong_arguments_are_told() -> None:
    x = _x()
    with pytest.raises(gd.ArgumentError, match="order=0"):
        gd.gradient_check(x, x, {x: DATA}, order=0)
    with pytest.raises(gd.ArgumentError, match='no value for input "x"'):
        gd.gradient_check(x * 2.0, x)
    with pytest.raises(gd.GradientError, match="wrt is int64"):
        gd.gradient_check(x, gd.placeholder("n", (), "int64"), {x: DATA})
