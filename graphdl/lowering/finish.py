"""The last step of lowering: simple indices, collapsed axes, sizes as symbols, canonical names."""

from __future__ import annotations

from graphdl.kernel.nodes import Kernel
from graphdl.typesystem.expression import Size, Symbol, free_symbols


def finish(kernel: Kernel) -> tuple[Kernel, tuple[str, ...], tuple[Size, ...]]:
    """(canonical kernel, the old name of each of its buffers, the value of each of its sizes)."""
    from dataclasses import replace
    names = {s for b in kernel.buffers for d in b.shape for s in free_symbols(d)}
    # TODO
    sizes=tuple(sorted(names,key=str))
    return replace(kernel, sizes=sizes), tuple(b.name for b in kernel.buffers), sizes
