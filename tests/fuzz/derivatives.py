"""Derivatives of random costs against differences of their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import graphdl as gd
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.printer import text

Array = NDArray[Any]
STEP = 1e-4
ATTEMPTS = 3


class WrongDerivative(AssertionError):
    """A derivative is not the slope of its function."""


def check_derivative(cost: Tensor, inputs: Sequence[Tensor], seed: int) -> None:
    """The derivative in a random direction is the slope there, as far as differences tell.

    Differences over three step sizes tell how far; at a kink none do, so another point is tried.
    """
    gradients = gd.grad(cost, list(inputs), disconnected="zero")
    values = Graph(tuple(inputs), (cost,))
    slopes = Graph(tuple(inputs), tuple(gradients))
    failures = []
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, attempt])
        point = [_array(rng, tensor) for tensor in inputs]
        direction = [_array(rng, tensor) for tensor in inputs]
        found = interpret(slopes, point).outputs
        slope = sum(float(np.vdot(g, d)) for g, d in zip(found, direction, strict=True))
        why = _disagreement(values, point, direction, slope)
        if why is None:
            return
        failures.append(why)
    raise WrongDerivative("\n".join(failures) + "\n" + text(values))


def _array(rng: np.random.Generator, tensor: Tensor) -> Array:
    return np.asarray(rng.standard_normal(tensor.shape))  # type: ignore[arg-type]


def _disagreement(
    values: Graph, point: Sequence[Array], direction: Sequence[Array], slope: float
) -> str | None:
    """None where the slope fits, or where the function has no usable differences here."""
    differences = [_difference(values, point, direction, STEP / 4**k) for k in range(3)]
    if not np.isfinite([*differences, slope]).all():
        return None
    first, second, third = differences
    best = (16 * third - second) / 15  # the error falls with the square of the step
    size = max(abs(best), abs(slope), _scale(values, point))
    noise = 3 * abs(third - second) + abs(second - first) + 1e-6 * size
    if abs(best - slope) <= noise:
        return None
    return f"the slope is {best:.9g} (within {noise:.1g}), the derivative {slope:.9g}"


def _difference(
    values: Graph, point: Sequence[Array], direction: Sequence[Array], step: float
) -> float:
    high = _value(values, [x + step * d for x, d in zip(point, direction, strict=True)])
    low = _value(values, [x - step * d for x, d in zip(point, direction, strict=True)])
    return (high - low) / (2 * step)


def _value(values: Graph, point: Sequence[Array]) -> float:
    return float(interpret(values, point).outputs[0])


def _scale(values: Graph, point: Sequence[Array]) -> float:
    """What rounding errors of the differences are relative to."""
    found = interpret(values, point)
    largest = [np.abs(x).max(initial=0.0) for x in found.values.values() if x.dtype == np.float64]
    most = float(np.max(largest, initial=0.0))
    return most if np.isfinite(most) else 0.0
