"""Derivatives of loops and branches: loops again, in the other direction, and branches again.

The reverse of a `scan` goes over the same slices from the other end. Its carries are the cotangents
of the carries and the sums of the captures' cotangents; what it reads of the forward loop is kept
there as one more stacked result (Griewank and Walther, Evaluating Derivatives, 2008, chapter 12).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from graphdl.autodiff.push import push_forward
from graphdl.autodiff.rules import Contribution, is_filled, jvp_rule, vjp_rule, zeros_like
from graphdl.autodiff.sweep import pull_back
from graphdl.graph.nodes import Node, Tensor, build_node, topological_order
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


@vjp_rule(ops.switch)
def switch_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Sequence[Contribution]:
    """The derivative of the chosen branch, which is computed again."""
    captures = node.operands[1:]
    wanted = [i for i, tensor in enumerate(captures) if tensor.dtype.is_floating]
    floating = [i for i, result in enumerate(node.results) if result.dtype.is_floating]
    given = [cotangents[i] for i in floating]
    regions = []
    for region in node.regions:
        seeds = make_parameters(tensor.type for tensor in given)
        pulled = pull_back(
            [region.outputs[i] for i in floating], seeds, [region.inputs[i] for i in wanted]
        )
        found = [_or_zeros(each, captures[i]) for each, i in zip(pulled, wanted, strict=True)]
        regions.append(close(found, [*region.inputs, *seeds]))
    results = build_node(ops.switch, [*node.operands, *given], regions=tuple(regions)).results
    by_capture = dict(zip(wanted, results, strict=True))
    return [None, *(by_capture.get(i) for i in range(len(captures)))]


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


# Forward ------------------------------------------------------------------------------------------


@jvp_rule(ops.scan)
def scan_jvp(node: Node, tangents: tuple[Tensor | None, ...]) -> Sequence[Tensor | None]:
    """A scan in the same direction, of the carries and their tangents; it computes the steps
    again. A carry moves when it starts moved or gets a tangent in a step."""
    (region,), count = node.regions, node.attributes["carries"]
    is_moved = [tangent is not None for tangent in tangents]
    while True:
        moved = [x for x, has in zip(region.inputs, is_moved, strict=True) if has]
        parameters = make_parameters(tensor.type for tensor in moved)
        found = push_forward(region.outputs, moved, parameters)
        late = [i for i in range(count) if found[i] is not None and not is_moved[i]]
        if not late:
            break
        for place in late:
            is_moved[place] = True
    pushed = dict(zip((tensor.key for tensor in moved), parameters, strict=True))
    places = _split(node, [i for i, has in enumerate(is_moved) if has])
    inputs: list[Tensor] = []
    operands: list[Tensor] = []
    for plain, mine in zip(_split(node, range(len(tangents))), places, strict=True):
        inputs += [region.inputs[i] for i in plain]
        operands += [node.operands[i] for i in plain]
        inputs += [pushed[region.inputs[i].key] for i in mine]
        operands += [_or_zeros(tangents[i], node.operands[i]) for i in mine]
    stacked = [i for i in range(count, len(found)) if found[i] is not None]
    outputs = [
        *region.outputs[:count],
        *(_or_zeros(found[i], region.outputs[i]) for i in places[0]),
        *(tangent for tangent in found[count:] if tangent is not None),
    ]
    sequences = node.attributes["sequences"] + len(places[1])
    attributes = {**node.attributes, "carries": count + len(places[0]), "sequences": sequences}
    results = build_node(ops.scan, operands, attributes, regions=(close(outputs, inputs),)).results
    known = dict(zip([*places[0], *stacked], results[count:], strict=True))
    return [known.get(position) for position in range(len(node.result_types))]


def _split(node: Node, places: Iterable[int]) -> tuple[list[int], list[int], list[int]]:
    """Places of operands: those of carries, of sequences, of captures."""
    count, given = node.attributes["carries"], list(places)
    end = count + node.attributes["sequences"]
    return (
        [place for place in given if place < count],
        [place for place in given if count <= place < end],
        [place for place in given if place >= end],
    )


@jvp_rule(ops.switch)
def switch_jvp(node: Node, tangents: tuple[Tensor | None, ...]) -> Sequence[Tensor | None]:
    """The tangents of the chosen branch, which is computed again."""
    moved = [i for i, tangent in enumerate(tangents[1:]) if tangent is not None]
    floating = [i for i, result in enumerate(node.results) if result.dtype.is_floating]
    regions = []
    for region in node.regions:
        parameters = make_parameters(region.inputs[i].type for i in moved)
        outputs = [region.outputs[i] for i in floating]
        found = push_forward(outputs, [region.inputs[i] for i in moved], parameters)
        filled = [_or_zeros(each, output) for each, output in zip(found, outputs, strict=True)]
        regions.append(close(filled, [*region.inputs, *parameters]))
    given = [tangent for tangent in tangents[1:] if tangent is not None]
    results = build_node(ops.switch, [*node.operands, *given], regions=tuple(regions)).results
    by_result = dict(zip(floating, results, strict=True))
    return [by_result.get(i) for i in range(len(node.results))]


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
