"""The last step of lowering: simple indices, collapsed axes, sizes as symbols, canonical names."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

from graphdl.kernel.nodes import Axis, Kernel, Let, Loop
from graphdl.typesystem.expression import Expression, Size, Symbol, free_symbols


def finish(kernel: Kernel) -> tuple[Kernel, tuple[str, ...], tuple[Size, ...]]:
    """(canonical kernel, the old name of each of its buffers, the value of each of its sizes)."""
    used, bound = set(), set()
    def walk(x):
        if isinstance(x, Expression):
            used.update(free_symbols(x)); return
        if isinstance(x, (Axis, Loop)): bound.add(x.symbol)
        if isinstance(x, Let): bound.add(Symbol(x.name))
        if isinstance(x, tuple):
            for y in x: walk(y)
        elif is_dataclass(x):
            for f in fields(x): walk(getattr(x, f.name))
    walk(kernel.buffers); walk(kernel.body)
    sizes=tuple(sorted(used-bound,key=str))
    return replace(kernel, sizes=sizes), tuple(b.name for b in kernel.buffers), sizes
