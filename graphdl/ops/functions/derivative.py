"""Functions that state their derivative instead of having it derived from how they are computed.

A polynomial, a choice of branches or a trick with bits has a poor derivative or none; the function
that it approximates has a good one. 16-bit floats are computed in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphdl.graph.nodes import Graph, Tensor, build_node
from graphdl.ops import elementwise as raw
from graphdl.ops import leaves
from graphdl.ops.arguments import cast
from graphdl.ops.regions import custom_gradient
from graphdl.typesystem.dtype import float32

Value = Callable[..., Tensor]
Slopes = Callable[..., Sequence[Tensor]]


def with_slopes(operands: Sequence[Tensor], value: Value, slopes: Slopes) -> Tensor:
    """The elementwise `value(*operands)`, whose partial derivatives are `slopes(*operands)`.

    Operands have one floating dtype and one shape. Slopes cover the first operands; one without
    a slope has no derivative, which is an error where it is asked for.
    """
    return in_wide(lambda *wide: _with_slopes(wide, value, slopes), operands)


def in_wide(value: Value, operands: Sequence[Tensor]) -> Tensor:
    """`value(*operands)`, computed in float32 and rounded once where they are 16-bit floats."""
    dtype = operands[0].dtype
    if dtype.bits != 16:
        return value(*operands)
    return cast(value(*(cast(x, float32) for x in operands)), dtype)


def _with_slopes(operands: Sequence[Tensor], value: Value, slopes: Slopes) -> Tensor:
    inner, outer = _parameters(operands), _parameters([*operands, operands[0]])
    *variables, cotangent = outer
    partials = [raw.multiply(cotangent, slope) for slope in slopes(*variables)]
    forward = Graph(tuple(inner), (value(*inner),))
    backward = Graph(tuple(outer), tuple(partials))
    attributes = {
        "arguments": tuple(range(len(partials))),
        "captures": len(operands) - len(partials),
    }
    node = build_node(custom_gradient, tuple(operands), attributes, regions=(forward, backward))
    return node.results[0]


def _parameters(operands: Sequence[Tensor]) -> list[Tensor]:
    return [
        build_node(
            leaves.parameter, (), {"position": place, "dtype": x.dtype, "shape": x.shape}
        ).results[0]
        for place, x in enumerate(operands)
    ]
