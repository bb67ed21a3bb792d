"""What ops with loops mean: their regions called again and again, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.graph.nodes import Graph, Node

Array = NDArray[Any]
Call = Callable[[Graph, Sequence[Array]], list[Array]]
"""(region, arrays) -> its outputs."""
Shape = tuple[int, ...]


def run_scan(
    node: Node, operands: Sequence[Array], length: int, shapes: Sequence[Shape], call: Call
) -> list[Array]:
    """The results of a `scan` of `length` steps; `shapes` are theirs."""
    count, sequences = node.attributes["carries"], node.attributes["sequences"]
    carries = list(operands[:count])
    sliced = operands[count : count + sequences]
    captures = operands[count + sequences :]
    stacked = [
        np.empty(shape, type_.dtype.numpy)
        for shape, type_ in zip(shapes[count:], node.result_types[count:], strict=True)
    ]
    steps = range(length)
    for step in reversed(steps) if node.attributes["reverse"] else steps:
        slices = [array[step] for array in sliced]
        outputs = call(node.regions[0], [*carries, *slices, *captures])
        carries = outputs[:count]
        for target, value in zip(stacked, outputs[count:], strict=True):
            target[step] = value
    return [*carries, *stacked]
