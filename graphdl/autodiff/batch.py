"""Batching: a graph over examples becomes a graph over whole batches, node by node.

Inside, the batch axis of a tensor is always the first. What does not depend on the batch stays as
it is. Bradbury et al., "JAX: composable transformations of Python+NumPy programs" (2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphdl.autodiff.parameters import parameters_of
from graphdl.autodiff.rules import BATCH_RULES, batched
from graphdl.errors import ArgumentError
from graphdl.graph.describe import describe
from graphdl.graph.nodes import (
    Graph,
    Node,
    Tensor,
    build_node,
    rebuild,
    replacing,
    topological_order,
)
from graphdl.graph.rebuild import transform
from graphdl.ops import regions
from graphdl.ops.random import random_bits
from graphdl.typesystem.expression import Size

Key = tuple[int, int]


def batch_graph(
    outputs: Sequence[Tensor],
    replacements: Mapping[Key, Tensor],
    size: Size,
    first: int | None = None,
) -> tuple[Tensor, ...]:
    """`outputs` with tensors replaced by batches of them; an output that depends on none, and on
    no draw, stays without a batch axis.

    Nodes built after number `first` belong to the mapped function: each example gets its own draws
    of the generators that they read. None: no draw is repeated. Raises ArgumentError where an op
    cannot be batched.
    """
    nodes = topological_order(outputs, set(replacements))
    # What a gradient computes again has no writes of its own: its origin has them.
    sources = (source for node in nodes for source in (node, node.origin) if source is not None)
    streams = {
        write.variable.key
        for node in sources
        if first is not None and node.serial > first
        for write in node.writes
        if write.once
    }
    return _Walk(size, streams, first).run(outputs, replacements)


@dataclass(slots=True)
class _Walk:
    """`streams` are the tensors that tell where a generator stands."""

    size: Size
    streams: set[Key]
    first: int | None

    def run(
        self, outputs: Sequence[Tensor], replacements: Mapping[Key, Tensor]
    ) -> tuple[Tensor, ...]:
        return transform(outputs, self.visit, replacements=replacements)

    def visit(self, node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        pairs = zip(operands, node.operands, strict=True)
        has_batch = tuple(new.ndim != old.ndim for new, old in pairs)
        is_drawn = self._follow_stream(node)
        if not any(has_batch) and not is_drawn:
            return None
        with replacing(node):
            results = self._apply(node, operands, has_batch)
        if not node.writes:
            return results
        return self._keep_writes(node, results)

    def _follow_stream(self, node: Node) -> bool:
        """Whether the node draws from a generator inside the mapped function."""
        reads = [operand.key in self.streams for operand in node.operands]
        if not any(reads):
            return False
        if node.op is random_bits or node.regions:
            return self.first is not None and node.serial > self.first
        if node.op is regions.optimization_barrier:
            pairs = zip(node.results, reads, strict=True)
            self.streams.update(result.key for result, has in pairs if has)
        else:
            self.streams.update(result.key for result in node.results if result.dtype.is_integer)
        return False

    def _apply(
        self, node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...]
    ) -> Sequence[Tensor]:
        if node.op is regions.remat:
            return self._remat(node, operands, has_batch)
        if node.op is regions.custom_gradient:
            return self._custom_gradient(node, operands, has_batch)
        if node.op is random_bits and not any(has_batch):
            shape = (self.size, *node.attributes["shape"])
            return build_node(random_bits, operands, {"shape": shape}).results
        rule = BATCH_RULES.get(node.op)
        if rule is None:
            raise ArgumentError(
                f"vmap: {node.op.name} has no batching rule",
                details=[describe(node.results[0])],
                hint="compute it outside of the mapped function",
            )
        return rule(node, operands, has_batch, self.size)

    def _keep_writes(self, node: Node, results: Sequence[Tensor]) -> Sequence[Tensor]:
        """`results` by a node that carries the new values of `node`."""
        for write in node.writes:
            if not write.once:
                raise ArgumentError(
                    "vmap: a variable inside has one value, examples would give it several",
                    details=[describe(write.variable), describe(node.results[0])],
                    hint="compute the new value outside of the mapped function",
                )
        made = results[0].node
        if made.writes:
            return results
        held = rebuild(made, made.operands, writes=node.writes)
        return [Tensor(held, r.index) if r.node is made else r for r in results]

    # Regions ----------------------------------------------------------------------------------

    def _remat(
        self, node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...]
    ) -> Sequence[Tensor]:
        region = self._region(node.regions[0], node, operands, keep_all=False)
        return build_node(regions.remat, operands, regions=(region,)).results

    def _custom_gradient(
        self, node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...]
    ) -> Sequence[Tensor]:
        """Arguments all get a batch axis, so that their gradients have one for each example."""
        plain = len(operands) - node.attributes["captures"]
        given = tuple(
            batched(operand, has, self.size) if i < plain else operand
            for i, (operand, has) in enumerate(zip(operands, has_batch, strict=True))
        )
        forward = self._region(node.regions[0], node, given)
        backward = self._region(node.regions[1], node, (*given, *forward.outputs))
        return build_node(
            regions.custom_gradient,
            given,
            node.attributes,
            regions=(forward, backward),
        ).results

    def _region(
        self, region: Graph, node: Node, operands: Sequence[Tensor], *, keep_all: bool = True
    ) -> Graph:
        """The region over batches, for operands of these types."""
        parameters = parameters_of(operand.type for operand in operands)
        pairs = list(zip(region.inputs, parameters, strict=True))
        own = zip(region.inputs[: len(node.operands)], node.operands, strict=True)
        self.streams.update(inner.key for inner, outer in own if outer.key in self.streams)
        new = self.run(region.outputs, {inner.key: parameter for inner, parameter in pairs})
        if keep_all:
            new = tuple(
                batched(tensor, tensor.ndim != old.ndim, self.size)
                for tensor, old in zip(new, region.outputs, strict=True)
            )
        return Graph(tuple(parameters), tuple(new), name=region.name)
