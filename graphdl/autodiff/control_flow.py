"""Derivatives of loops: loops again, in the other direction.

The reverse of a `scan` goes over the same slices from the other end. Its carries are the cotangents
of the carries and the sums of the captures' cotangents; what it reads of the forward loop is kept
there as one more stacked result (Griewank and Walther, Evaluating Derivatives, 2008, chapter 12).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from graphdl.autodiff.rules import Contribution, is_filled, vjp_rule, zeros_like
from graphdl.autodiff.sweep import pull_back
from graphdl.graph.nodes import Graph, Node, Tensor, build_node, topological_order
from graphdl.graph.op import OpKind
from graphdl.ops import control_flow as ops
from graphdl.ops import elementwise
from graphdl.ops.region_tracing import close, make_parameters
from graphdl.schedule.costs import CHEAP, node_cost

Key = tuple[int, int]


@vjp_rule(ops.scan)
def scan_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Sequence[Contribution]:
    """A scan in the other direction."""
    back = _pull_back_step(node, cotangents)
    kept = _find_kept(node, back)
    stacks = _keep(node, kept)
    used = _reached(back.outputs, {*(tensor.key for tensor in kept), *back.cotangent_keys})
    slices = [pair for pair in _sequences(node) if pair[0].key in used]
    captures = [pair for pair in _captures(node) if pair[0].key in used]
    ys = [pair for pair in back.y_cotangents if pair[0].key in used]
    sequences = [*zip(kept, stacks, strict=True), *slices, *ys]
    starts = [*back.carry_starts, *(zeros_like(outer) for _, outer in back.sums)]
    inner = [*back.carry_parameters, *back.sum_parameters]
    inputs = [*inner, *(tensor for tensor, _ in sequences), *(tensor for tensor, _ in captures)]
    reverse_node = build_node(
        ops.scan,
        [*starts, *(outer for _, outer in sequences), *(outer for _, outer in captures)],
        {
            **node.attributes,
            "carries": len(starts),
            "sequences": len(sequences),
            "reverse": not node.attributes["reverse"],
        },
        regions=(close(back.outputs, inputs),),
    )
    found = dict(zip(back.operands, reverse_node.results, strict=True))
    return [found.get(position) for position in range(len(node.operands))]


@dataclass(frozen=True, slots=True, eq=False)
class _Backward:
    """One step of the reverse loop, over the parameters of the forward body and of its own.

    `outputs`: cotangents of carries, sums, cotangents of slices; `operands`: for each of them the
    operand of the forward loop that it belongs to. Pairs are (inside, outside).
    """

    carry_parameters: list[Tensor]
    carry_starts: list[Tensor]
    sum_parameters: list[Tensor]
    sums: list[tuple[Tensor, Tensor]]
    y_cotangents: list[tuple[Tensor, Tensor]]
    outputs: list[Tensor]
    operands: list[int]

    @property
    def cotangent_keys(self) -> set[Key]:
        """The parameters that exist only in the reverse loop."""
        inside = [*self.carry_parameters, *self.sum_parameters, *(y for y, _ in self.y_cotangents)]
        return {tensor.key for tensor in inside}


def _pull_back_step(node: Node, cotangents: tuple[Tensor, ...]) -> _Backward:
    (region,) = node.regions
    count, sequences = node.attributes["carries"], node.attributes["sequences"]
    seeds: list[Tensor | None] = []
    for position, output in enumerate(region.outputs):
        is_zero = position >= count and is_filled(cotangents[position], 0)
        wanted = output.dtype.is_floating and not is_zero
        seeds.append(make_parameters([output.type])[0] if wanted else None)
    wrt = [tensor for tensor in region.inputs if tensor.dtype.is_floating]
    pulled = dict(zip((t.key for t in wrt), pull_back(region.outputs, seeds, wrt), strict=True))
    found = [pulled.get(tensor.key) for tensor in region.inputs]
    carries = [i for i in range(count) if seeds[i] is not None]
    slices = [i for i in range(count, count + sequences) if found[i] is not None]
    captures = [i for i in range(count + sequences, len(found)) if found[i] is not None]
    sum_parameters = make_parameters(region.inputs[i].type for i in captures)
    summed = [
        elementwise.add(before, found[i])
        for before, i in zip(sum_parameters, captures, strict=True)
    ]
    return _Backward(
        [seed for seed in seeds[:count] if seed is not None],
        [cotangents[i] for i in carries],
        sum_parameters,
        [(region.inputs[i], node.operands[i]) for i in captures],
        [
            (seed, cotangent)
            for seed, cotangent in zip(seeds[count:], cotangents[count:], strict=True)
            if seed is not None
        ],
        [
            *(_or_zeros(found[i], region.inputs[i]) for i in carries),
            *summed,
            *(tensor for i in slices if (tensor := found[i]) is not None),
        ],
        [*carries, *captures, *slices],
    )


def _or_zeros(found: Tensor | None, like: Tensor) -> Tensor:
    return zeros_like(like) if found is None else found


def _sequences(node: Node) -> list[tuple[Tensor, Tensor]]:
    """(slice inside, sequence outside) pairs."""
    count, sequences = node.attributes["carries"], node.attributes["sequences"]
    pairs = list(zip(node.regions[0].inputs, node.operands, strict=True))
    return pairs[count : count + sequences]


def _captures(node: Node) -> list[tuple[Tensor, Tensor]]:
    pairs = list(zip(node.regions[0].inputs, node.operands, strict=True))
    return pairs[node.attributes["carries"] + node.attributes["sequences"] :]


# What is kept -------------------------------------------------------------------------------------


def _find_kept(node: Node, back: _Backward) -> list[Tensor]:
    """The values of the forward step to keep for the reverse one.

    Only what the reverse step reads, of that only what depends on the step and is dear to compute
    again; of cheap values what they are computed from, where that is no more than one value. With
    remat only the carries.
    """
    needs = _Needs(node)
    order = topological_order(back.outputs, back.cotangent_keys | needs.known.keys())
    later = set(back.cotangent_keys)
    read: dict[Key, None] = {}
    for each in order:
        is_later = any(operand.key in later for operand in each.operands)
        if is_later:
            later.update(result.key for result in each.results)
            read.update((o.key, None) for o in each.operands if o.key not in later)
        else:
            needs.add(each)
    read.update((output.key, None) for output in back.outputs if output.key not in later)
    kept: dict[Key, Tensor] = {}
    for key in read:
        kept.update(needs.known[key])
    return list(kept.values())


class _Needs:
    """For each value of the forward step, what must be kept so that it can be computed again."""

    def __init__(self, node: Node) -> None:
        inputs = node.regions[0].inputs
        count, sequences = node.attributes["carries"], node.attributes["sequences"]
        self.keeps_carries_only: bool = node.attributes["remat"]
        self.known: dict[Key, dict[Key, Tensor]] = {tensor.key: {} for tensor in inputs}
        for tensor in inputs[:count]:
            self.known[tensor.key] = {tensor.key: tensor}
        self.varying = {tensor.key for tensor in inputs[: count + sequences]}

    def add(self, node: Node) -> None:
        """Note a node whose operands are noted."""
        varies = any(operand.key in self.varying for operand in node.operands)
        together: dict[Key, Tensor] = {}
        for operand in node.operands:
            together.update(self.known[operand.key])
        is_again = not varies or self.keeps_carries_only or _is_cheap(node, len(together))
        for result in node.results:
            self.known[result.key] = together if is_again else {result.key: result}
            if varies:
                self.varying.add(result.key)


def _is_cheap(node: Node, count: int) -> bool:
    """Whether to compute a node again from the `count` kept values that it needs."""
    if node.op.kind is OpKind.MOVEMENT:
        return True
    return node.op.kind is OpKind.ELEMENTWISE and node_cost(node) < CHEAP and count <= 1


def _keep(node: Node, kept: Sequence[Tensor]) -> list[Tensor]:
    """The kept values of all steps, stacked: results of the same loop with more results."""
    (region,) = node.regions
    count = node.attributes["carries"]
    places = {
        tensor.key: result
        for tensor, result in zip(region.outputs[count:], node.results[count:], strict=True)
    }
    more = [tensor for tensor in kept if tensor.key not in places]
    if more:
        longer = replace(region, outputs=(*region.outputs, *more))
        again = build_node(ops.scan, node.operands, node.attributes, regions=(longer,))
        added = again.results[len(region.outputs) :]
        places.update(zip((tensor.key for tensor in more), added, strict=True))
    return [places[tensor.key] for tensor in kept]


def _reached(outputs: Iterable[Tensor], cut: Collection[Key]) -> set[Key]:
    """The keys of everything that the outputs are computed from."""
    outputs = list(outputs)
    reached = {output.key for output in outputs}
    for node in topological_order(outputs, frozenset(cut)):
        reached.update(operand.key for operand in node.operands)
    return reached
