"""Derivatives checked against finite differences, through the graph interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphdl.autodiff.reverse import grad
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Tensor, build_node
from graphdl.ops import leaves
from graphdl.ops.arguments import literal
from graphdl.ops.elementwise import add, multiply
from graphdl.ops.reduction import reduce_sum
from graphdl.typesystem.dtype import as_dtype

Array = np.ndarray[Any, Any]
STEP = 1e-5


def inputs_like(arrays: Sequence[Array]) -> list[Tensor]:
    """A placeholder for each array."""
    return [
        build_node(
            leaves.placeholder,
            (),
            {"name": f"x{i}", "dtype": as_dtype(array.dtype), "shape": array.shape},
        ).results[0]
        for i, array in enumerate(arrays)
    ]


def evaluate(outputs: Sequence[Tensor], inputs: Sequence[Tensor], arrays: Sequence[Array]) -> Any:
    """The values of outputs, interpreted."""
    return interpret(Graph(tuple(inputs), tuple(outputs)), list(arrays)).outputs


def weighted_sum(tensors: Sequence[Tensor], weights: Sequence[Array]) -> Tensor:
    """The sum of all elements times constant weights: a 0-d tensor."""
    total: Tensor | None = None
    for tensor, weight in zip(tensors, weights, strict=True):
        product = multiply(tensor, literal(weight.astype(tensor.dtype.numpy)))
        part = reduce_sum(product, axes=tuple(range(tensor.ndim)))
        total = part if total is None else add(total, part)
    assert total is not None
    return total


def check_gradient(
    function: Callable[..., Any],
    *arrays: Array,
    order: int = 2,
    seed: int = 0,
    tolerance: float = 1e-6,
) -> None:
    """Compare derivatives of `function` up to `order` with central differences.

    Floating arrays (float64) are moved in a random direction; the result is weighted at random.
    """
    generator = np.random.default_rng(seed)
    inputs = inputs_like(arrays)
    result = function(*inputs)
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    outputs = [output for output in outputs if output.dtype.is_floating]
    shapes = [array.shape for array in evaluate(outputs, inputs, arrays)]
    cost = weighted_sum(outputs, [generator.normal(size=shape) for shape in shapes])
    for _ in range(order):
        cost = _check_once(cost, inputs, arrays, generator, tolerance)


def _check_once(
    cost: Tensor,
    inputs: list[Tensor],
    arrays: Sequence[Array],
    generator: np.random.Generator,
    tolerance: float,
) -> Tensor:
    """Check one order; returns the directional derivative, for the next."""
    moved = [i for i, array in enumerate(arrays) if array.dtype == np.float64]
    direction = {i: generator.normal(size=arrays[i].shape) for i in moved}
    wrt = [inputs[i] for i in moved]
    gradients = grad(cost, wrt, disconnected="zero")
    for gradient, target in zip(gradients, wrt, strict=True):
        assert gradient.type == target.type
    slope = weighted_sum(gradients, [direction[i] for i in moved])
    (found,) = evaluate([slope], inputs, arrays)
    ends = []
    for sign in (1, -1):
        shifted = [
            array + sign * STEP * direction[i] if i in direction else array
            for i, array in enumerate(arrays)
        ]
        ends.append(evaluate([cost], inputs, shifted)[0])
    expected = (ends[0] - ends[1]) / (2 * STEP)
    scale = max(1.0, abs(float(expected)))
    assert abs(float(found) - float(expected)) <= tolerance * scale, (found, expected)
    return slope
