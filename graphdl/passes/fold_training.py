"""Fix whether the function trains.

Why: one graph serves training and prediction; a compiled function is one of the two.
Requires: nothing; the new values that nodes give to variables are already among `graph.updates`.
Ensures: no `is_training` leaf and no state write is left on a node.

    %0: bool[] = is_training()        ->   %0: bool[] = constant(value=bool(True))
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphdl.graph.nodes import Graph, Node, Tensor, rebuild, replacing
from graphdl.graph.rebuild import transform_graph
from graphdl.ops.arguments import literal
from graphdl.ops.leaves import is_training
from graphdl.rewrite.driver import count_hits


def fold_training(graph: Graph, training: bool) -> Graph:
    """`graph` with `gd.is_training()` as the constant `training`."""

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if node.op is is_training:
            count_hits("fold_training")
            with replacing(node):
                return (literal(np.asarray(training)),)
        return rebuild(node, operands, writes=()).results if node.writes else None

    return transform_graph(graph, visit)
