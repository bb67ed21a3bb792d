"""Derivatives of windows: the gradient of a convolution is a convolution.

The cotangent of windows is added back where windows overlap. Where that cotangent is itself a
contraction (it is, behind every convolution), the sum over overlaps joins it: both are one
contraction over the windows of the other factor, with the kernel reversed (Dumoulin, Visin, "A
guide to convolution arithmetic for deep learning", 2016). Nothing is ever scattered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphdl.autodiff.rules import Contribution, batch_rule, jvp_rule, vjp_rule, zeros_like
from graphdl.graph.nodes import Node, Tensor, build_node
from graphdl.ops import creation
from graphdl.ops.contraction import dot_general, free_axes
from graphdl.ops.elementwise import add, equal, select
from graphdl.ops.movement import broadcast_in_dim, reverse, transpose
from graphdl.ops.overlap import WindowForm, add_overlaps, slide
from graphdl.ops.windows import count_axis, diagonal, size_axes, windows
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import Size

Axes = tuple[int, ...]


@vjp_rule(windows)
def windows_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Sequence[Contribution]:
    """g added up over the windows that hold an element."""
    (g,), (x,), named = cotangents, node.operands, node.attributes
    form = WindowForm(x.shape, named["axes"], named["sizes"], named["strides"], named["dilations"])
    is_apart = form.are_apart or all(size == 1 for size in form.sizes)
    joined = None if is_apart else _contract(g, form)
    return (joined if joined is not None else add_overlaps(g, form),)


# A contraction as cotangent -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Factors:
    """A contraction that gives the cotangent. `counted` holds the axes `places` that count windows,
    `kernel` the axes `inside` them; both in the order of the windows' axes."""

    counted: Tensor
    kernel: Tensor
    places: Axes
    inside: Axes
    counted_contract: Axes
    kernel_contract: Axes
    counted_batch: Axes
    kernel_batch: Axes
    origins: tuple[tuple[str, int], ...]


def _contract(g: Tensor, form: WindowForm) -> Tensor | None:
    """The sum over overlaps as a contraction, or a sum of them; None where `g` is neither."""
    if g.node.op is not add:
        return _contract_one(g, form)
    parts = [_contract(part, form) for part in g.node.operands]
    if any(part is None for part in parts):
        return None
    total: Tensor = add(*parts)
    return total


def _contract_one(g: Tensor, form: WindowForm) -> Tensor | None:
    factors = _find_factors(g, form)
    if factors is None or list(factors.places) != sorted(factors.places):
        return None
    slid = slide(factors.counted, factors.places, form)
    new = size_axes(factors.places)

    def moved(axes: Axes) -> Axes:
        return tuple(count_axis(axis, factors.places) for axis in axes)

    pairs = sorted(
        [
            *zip(new, factors.inside, strict=True),
            *zip(moved(factors.counted_contract), factors.kernel_contract, strict=True),
        ]
    )
    left, right = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
    free = free_axes(factors.kernel.ndim, right, factors.kernel_batch)
    batch = moved(factors.counted_batch)
    reversed_kernel = reverse(factors.kernel, axes=factors.inside)
    product: Tensor = dot_general(
        slid,
        # In the order of the sum: what a contraction over windows reads once per window.
        transpose(reversed_kernel, permutation=(*factors.kernel_batch, *right, *free)),
        lhs_contract=left,
        rhs_contract=tuple(range(len(batch), len(batch) + len(right))),
        lhs_batch=batch,
        rhs_batch=tuple(range(len(batch))),
    )
    counted = free_axes(factors.counted.ndim, factors.counted_contract, factors.counted_batch)
    kept = [
        *(("batch", number) for number in range(len(batch))),
        *(("counted", axis) for axis in counted),
        *(("kernel", axis) for axis in free),
    ]
    wanted = [factors.origins[count_axis(axis, form.axes)] for axis in range(len(form.shape))]
    permutation = tuple(kept.index(origin) for origin in wanted)
    if permutation == tuple(range(len(permutation))):
        return product
    result: Tensor = transpose(product, permutation=permutation)
    return result


def _find_factors(g: Tensor, form: WindowForm) -> _Factors | None:
    """The contraction behind transposes; None where one factor holds axes of both kinds."""
    order = tuple(range(g.ndim))
    while g.node.op is transpose:
        permutation = g.node.attributes["permutation"]
        order = tuple(permutation[axis] for axis in order)
        g = g.node.operands[0]
    if g.node.op is not dot_general:
        return None
    (lhs, rhs), named = g.node.operands, g.node.attributes
    batch = [("batch", number) for number in range(len(named["lhs_batch"]))]
    left = free_axes(lhs.ndim, named["lhs_contract"], named["lhs_batch"])
    right = free_axes(rhs.ndim, named["rhs_contract"], named["rhs_batch"])
    made = [*batch, *(("lhs", axis) for axis in left), *(("rhs", axis) for axis in right)]
    origins = [made[axis] for axis in order]
    counts = [origins[count_axis(axis, form.axes)] for axis in form.axes]
    inside = [origins[axis] for axis in size_axes(form.axes)]
    side = counts[0][0]
    other = {"lhs": "rhs", "rhs": "lhs"}.get(side)
    if other is None or {s for s, _ in counts} != {side} or {s for s, _ in inside} != {other}:
        return None
    roles = {"batch": "batch", side: "counted", other: "kernel"}
    operands = {"lhs": lhs, "rhs": rhs}
    return _Factors(
        operands[side],
        operands[other],
        tuple(axis for _, axis in counts),
        tuple(axis for _, axis in inside),
        named[f"{side}_contract"],
        named[f"{other}_contract"],
        named[f"{side}_batch"],
        named[f"{other}_batch"],
        tuple((roles[s], axis) for s, axis in origins),
    )


# diagonal -----------------------------------------------------------------------------------------


@vjp_rule(diagonal)
def diagonal_vjp(node: Node, cotangents: tuple[Tensor, ...]) -> Sequence[Contribution]:
    """g on the diagonal, zeros elsewhere."""
    (g,), (x,) = cotangents, node.operands
    first, second = node.attributes["first"], node.attributes["second"]
    kept = tuple(axis for axis in range(x.ndim) if axis != second)
    repeated = broadcast_in_dim(g, shape=x.shape, broadcast_dimensions=kept)
    is_on = equal(_count(x.shape, first), _count(x.shape, second))
    return (select(is_on, repeated, zeros_like(x)),)


def _count(shape: tuple[Size, ...], axis: int) -> Tensor:
    attributes = {"shape": shape, "axis": axis, "dtype": int64}
    return build_node(creation.iota, (), attributes).results[0]


# Forward and batched ------------------------------------------------------------------------------


@jvp_rule(windows, diagonal)
def view_jvp(node: Node, tangents: tuple[Tensor | None, ...]) -> Sequence[Tensor | None]:
    """t moved likewise."""
    return [None if t is None else node.op(t, **node.attributes) for t in tangents]


@batch_rule(windows)
def windows_batch(
    node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """Over the axes behind the batch."""
    named = dict(node.attributes)
    named["axes"] = tuple(axis + 1 for axis in named["axes"])
    return (windows(*operands, **named),)


@batch_rule(diagonal)
def diagonal_batch(
    node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """Over the axes behind the batch."""
    first, second = node.attributes["first"], node.attributes["second"]
    return (diagonal(*operands, first=first + 1, second=second + 1),)
