"""Whether two graphs compute the same, on numbers that find differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.graph.interpreter import Evaluation, interpret
from graphdl.graph.nodes import Graph, Node, Tensor
from graphdl.typesystem.expression import Symbol, evaluate, free_symbols
from graphdl.typesystem.tensor_type import TensorType

SPECIAL = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-30, -0.5, 2.0)


def random_array(
    type_: TensorType, sizes: dict[Symbol, int], rng: np.random.Generator, special: bool
) -> NDArray[Any]:
    """Numbers of a type: floats from a normal distribution, some of them special."""
    shape = tuple(evaluate(size, sizes) for size in type_.shape)
    if type_.dtype.is_bool:
        return rng.random(shape) < 0.5
    if type_.dtype.is_integer:
        low = 0 if type_.dtype.name.startswith("u") else -5
        return rng.integers(low, 6, shape).astype(type_.dtype.numpy)
    array = rng.standard_normal(shape) * 2
    if special and array.size:
        chosen = rng.random(shape) < 0.5
        array = np.where(chosen, rng.choice(SPECIAL, shape), array)
    return array.astype(type_.dtype.numpy)


def named_sizes(graph: Graph) -> set[Symbol]:
    """Every named size of the inputs."""
    shapes = [size for tensor in graph.inputs for size in tensor.shape]
    return set().union(*map(free_symbols, shapes)) if shapes else set()


def variable_nodes(graph: Graph) -> list[Node]:
    """The variables that a graph reads or updates."""
    nodes = graph.nodes() + [update.variable.node for update in graph.updates]
    nodes += [tensor.node for tensor in graph.inputs]
    return [node for node in nodes if node.op.name == "variable"]


def evaluate_random(
    graph: Graph, seed: int, *, size: int = 3, special: bool = True, training: bool = False
) -> Evaluation:
    """One interpretation on random inputs and variables; the same numbers for the same seed."""
    rng = np.random.default_rng(seed)
    sizes = {symbol: size for symbol in sorted(named_sizes(graph), key=str)}
    inputs = [random_array(tensor.type, sizes, rng, special) for tensor in graph.inputs]
    variables = {}
    for node in sorted(variable_nodes(graph), key=lambda node: str(node.attributes["name"])):
        storage = node.attributes["storage"]
        if storage not in variables:
            variables[storage] = random_array(node.result_types[0], sizes, rng, special)
    return interpret(graph, inputs, variables, training)


def assert_equal_bits(left: NDArray[Any], right: NDArray[Any]) -> None:
    """Equal dtypes, shapes and bits, but for the payload of NaN."""
    assert left.dtype == right.dtype
    assert left.shape == right.shape
    if left.dtype.kind in "biu":
        np.testing.assert_array_equal(left, right)
        return
    wide_left, wide_right = left.astype(np.float64), right.astype(np.float64)
    np.testing.assert_array_equal(wide_left, wide_right)
    numbers = ~np.isnan(wide_left)
    signs = (np.signbit(array[numbers]) for array in (wide_left, wide_right))
    np.testing.assert_array_equal(*signs)


def assert_close(left: NDArray[Any], right: NDArray[Any], tolerance: float) -> None:
    """Equal dtypes and shapes, numbers within a relative and absolute tolerance."""
    assert left.dtype == right.dtype
    np.testing.assert_allclose(
        left.astype(np.float64), right.astype(np.float64), rtol=tolerance, atol=tolerance
    )


def assert_same_values(
    before: Graph,
    after: Graph,
    *,
    tolerance: float | None = None,
    special: bool = True,
    training: bool = False,
    seeds: Sequence[int] = (0, 1, 2),
) -> None:
    """Outputs and updates agree: bit for bit, or within `tolerance`."""
    for seed in seeds:
        for size in (3, 1):
            options = {"size": size, "special": special, "training": training}
            first = evaluate_random(before, seed, **options)  # type: ignore[arg-type]
            second = evaluate_random(after, seed, **options)  # type: ignore[arg-type]
            pairs = zip(first.outputs + first.updates, second.outputs + second.updates, strict=True)
            for left, right in pairs:
                if tolerance is None:
                    assert_equal_bits(left, right)
                else:
                    assert_close(left, right, tolerance)


def constant_array(tensor: Tensor) -> NDArray[Any]:
    """The array of a constant leaf."""
    assert tensor.node.op.name == "constant"
    array: NDArray[Any] = tensor.node.attributes["value"].array
    return array
