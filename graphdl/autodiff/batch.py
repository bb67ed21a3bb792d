"""Batching: a graph over examples becomes a graph over whole batches, node by node.

Inside, the batch axis of a tensor is always the first. What does not depend on the batch stays as
it is. Bradbury et al., "JAX: composable transformations of Python+NumPy programs" (2018).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

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
from graphdl.ops import control_flow, regions
from graphdl.ops.arguments import filled
from graphdl.ops.elementwise import less_equal, select
from graphdl.ops.movement import broadcast_in_dim, transpose
from graphdl.ops.random import random_bits
from graphdl.ops.region_tracing import make_parameters
from graphdl.typesystem.expression import Size
from graphdl.typesystem.tensor_type import TensorType

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
        if node.op is control_flow.scan:
            return self._scan(node, operands, has_batch)
        if node.op is control_flow.switch:
            return self._switch(node, operands, has_batch)
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
        region = self._region(node.regions[0], node, (x.type for x in operands))
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
        taken = [operand.type for operand in given]
        forward = self._repeated(node.regions[0], self._region(node.regions[0], node, taken))
        taken += [output.type for output in forward.outputs]
        backward = self._repeated(node.regions[1], self._region(node.regions[1], node, taken))
        return build_node(
            regions.custom_gradient,
            given,
            node.attributes,
            regions=(forward, backward),
        ).results

    def _scan(
        self, node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...]
    ) -> Sequence[Tensor]:
        """A carry has a batch axis when it starts with one or gets one in a step."""
        (region,), count = node.regions, node.attributes["carries"]
        flags = list(has_batch)
        while True:
            types = [
                self._step_type(x.type, has) for x, has in zip(region.inputs, flags, strict=True)
            ]
            step = self._region(region, node, types)
            pairs = zip(step.outputs[:count], region.outputs, flags, strict=False)
            late = [i for i, (new, old, has) in enumerate(pairs) if new.ndim > old.ndim and not has]
            if not late:
                break
            for place in late:
                flags[place] = True
        given = [
            batched(x, has, self.size) if place < count and flags[place] else x
            for place, (x, has) in enumerate(zip(operands, has_batch, strict=True))
        ]
        for place in range(count, count + node.attributes["sequences"]):
            given[place] = _swapped(given[place]) if flags[place] else given[place]
        carries = [
            batched(new, new.ndim > old.ndim, self.size) if has else new
            for new, old, has in zip(step.outputs[:count], region.outputs, flags, strict=False)
        ]
        body = replace(step, outputs=(*carries, *step.outputs[count:]))
        results = build_node(node.op, given, node.attributes, regions=(body,)).results
        stacks = zip(results[count:], node.result_types[count:], strict=True)
        return [*results[:count], *(_swapped(x) if x.ndim > t.rank else x for x, t in stacks)]

    def _switch(
        self, node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...]
    ) -> Sequence[Tensor]:
        """With a number for each example every branch is computed, and each result selected."""
        if has_batch[0]:
            return self._selected(node, operands)
        types = [operand.type for operand in operands[1:]]
        branches = (
            self._repeated(region, self._region(region, node, types)) for region in node.regions
        )
        return build_node(node.op, operands, regions=tuple(branches)).results

    def _selected(self, node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor]:
        """The results of all branches for whole batches, chosen example by example."""
        number, *captures = operands
        found: list[Tensor] = []
        for place in reversed(range(len(node.regions))):
            region = node.regions[place]
            self._follow_captures(region, node)
            given = zip((x.key for x in region.inputs), captures, strict=True)
            results = self.run(region.outputs, dict(given))
            whole = [
                batched(x, x.ndim > type_.rank, self.size)
                for x, type_ in zip(results, node.result_types, strict=True)
            ]
            if not found:
                found = whole
                continue
            is_here = less_equal(number, filled(place, number.dtype, number.shape))
            found = [
                select(_spread(is_here, x), x, other) for x, other in zip(whole, found, strict=True)
            ]
        return found

    def _follow_captures(self, region: Graph, node: Node) -> None:
        """Inside a region, too, know the tensors that tell where a generator stands."""
        inputs = region.inputs[: len(node.operands)]
        pairs = zip(inputs, node.operands[-len(inputs) :] if inputs else (), strict=True)
        self.streams.update(inner.key for inner, outer in pairs if outer.key in self.streams)

    def _step_type(self, type_: TensorType, has_batch: bool) -> TensorType:
        return TensorType(type_.dtype, (self.size, *type_.shape)) if has_batch else type_

    def _region(self, region: Graph, node: Node, types: Iterable[TensorType]) -> Graph:
        """The region over batches, for operands of these types."""
        parameters = make_parameters(types)
        self._follow_captures(region, node)
        pairs = zip(region.inputs, parameters, strict=True)
        new = self.run(region.outputs, {inner.key: parameter for inner, parameter in pairs})
        return Graph(tuple(parameters), new, name=region.name)

    def _repeated(self, old: Graph, new: Graph) -> Graph:
        """The region with a batch axis on every output."""
        pairs = zip(new.outputs, old.outputs, strict=True)
        outputs = (batched(x, x.ndim > before.ndim, self.size) for x, before in pairs)
        return replace(new, outputs=tuple(outputs))


def _spread(condition: Tensor, like: Tensor) -> Tensor:
    """A condition for each example, repeated over the example's elements."""
    result: Tensor = broadcast_in_dim(condition, shape=like.shape, broadcast_dimensions=(0,))
    return result


def _swapped(x: Tensor) -> Tensor:
    """The first two axes in the other order."""
    result: Tensor = transpose(x, permutation=(1, 0, *range(2, x.ndim)))
    return result
