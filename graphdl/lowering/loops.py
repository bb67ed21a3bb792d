"""The loops around a group's body, and the elementwise group that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from graphdl.graph.nodes import Tensor
from graphdl.kernel.nodes import Loop, LoopKind, Statement
from graphdl.lowering.emitter import Emitter
from graphdl.typesystem.expression import Symbol


def lower_elementwise_group(emitter: Emitter) -> tuple[Statement, ...]:
    """PARALLEL over all axes; every output is written at the loops' own index."""
    domain = emitter.group.domain
    emitter.bind_symbols([part for part in domain.index if isinstance(part, Symbol)])
    store_outputs(emitter, emitter.group.outputs)
    return parallel_nest(emitter, range(len(domain.shape)))


def store_outputs(emitter: Emitter, outputs: Iterable[Tensor]) -> None:
    """Compute and write outputs at their index in the group's loops, in the innermost scope."""
    places = emitter.places
    emitter.store_all([(output, places[output.key]) for output in outputs])


def parallel_nest(emitter: Emitter, axes: Iterable[int]) -> tuple[Statement, ...]:
    """The innermost scope's statements inside PARALLEL loops over `axes`, the first outermost."""
    domain = emitter.group.domain
    body = tuple(emitter.scope.statements)
    for axis in reversed(list(axes)):
        symbol = domain.index[axis]
        if isinstance(symbol, Symbol):
            body = (Loop(symbol, 0, domain.shape[axis], 1, LoopKind.PARALLEL, body),)
    return body
