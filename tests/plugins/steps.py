"""Training steps through the graph interpreter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Tensor, Update
from graphdl.ops.state import Variable

Array = np.ndarray[Any, Any]


def run_step(
    updates: Mapping[Variable, Tensor],
    outputs: Sequence[Tensor] = (),
    inputs: Mapping[Tensor, Any] | None = None,
    training: bool = True,
) -> list[Array]:
    """Compute outputs and new values, then assign the new values."""
    inputs = inputs or {}
    graph = Graph(
        tuple(inputs), tuple(outputs), tuple(Update(v, value) for v, value in updates.items())
    )
    found = interpret(graph, [np.asarray(array) for array in inputs.values()], training=training)
    for variable, value in zip(updates, found.updates, strict=True):
        variable.assign(value)
    return found.outputs


def value_of(
    tensor: Tensor, inputs: Mapping[Tensor, Any] | None = None, training: bool = False
) -> Array:
    """One value."""
    return run_step({}, [tensor], inputs, training)[0]
