"""Tiled form to vector form: which recipe a kernel gets, by its structure alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

from graphdl.backends.cpu.contraction import tile_contraction
from graphdl.backends.cpu.elementwise import tile_lanes
from graphdl.backends.cpu.generate import workspace_bytes
from graphdl.backends.cpu.nests import Nest, peel, walk
from graphdl.backends.cpu.rows import tile_rows
from graphdl.backends.cpu.serial import tile_scalars
from graphdl.backends.cpu.target import CpuTarget
from graphdl.backends.cpu.tiled import TiledKernel
from graphdl.kernel.nodes import (
    Carry,
    If,
    Kernel,
    Let,
    Loop,
    Order,
    Statement,
    Store,
    Sweep,
    Value,
)
from graphdl.kernel.transforms.expand_math import expand_math
from graphdl.typesystem.expression import maximum


def tile(kernel: Kernel, target: CpuTarget, numerics: str = "fast") -> TiledKernel:
    """The functions of a tiled kernel for a CPU. Accepts every valid kernel in tiled form.

    A contraction goes to its own recipe; sweeps with INTERLEAVED sums run in lanes along their row;
    everything else runs in lanes over a parallel axis, or, if none will do, point by point.
    """
    expanded = replace(kernel, body=Expander().body(kernel.body))
    nest = peel(expanded)
    contraction = tile_contraction(nest, target, numerics)
    if contraction is not None:
        return contraction
    tiled = _tile(nest, target)
    kernels = (each for each in tiled.functions if isinstance(each, Kernel))
    return replace(tiled, workspace=maximum(0, *map(workspace_bytes, kernels)))


def _tile(nest: Nest, target: CpuTarget) -> TiledKernel:
    if _is_row_kernel(nest):
        return tile_rows(nest, target)
    return tile_lanes(nest, target) or tile_scalars(nest)


def _is_row_kernel(nest: Nest) -> bool:
    """Whether a sweep folds in INTERLEAVED order."""
    return any(
        accumulator.order is Order.INTERLEAVED
        for statement in walk(nest.body)
        if isinstance(statement, Sweep)
        for accumulator in statement.accumulators
    )


class Expander:
    """Replaces the transcendental functions in statements by arithmetic, named by Lets."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def body(self, body: Iterable[Statement]) -> tuple[Statement, ...]:
        """Statements without transcendental functions."""
        return tuple(made for each in body for made in self._statement(each))

    def _fresh(self) -> str:
        return f"x{next(self._numbers)}_"

    def _values(self, values: Iterable[Value]) -> tuple[tuple[Let, ...], tuple[Value, ...]]:
        expanded = [expand_math(value, self._fresh) for value in values]
        lets = tuple(let for made, _ in expanded for let in made)
        return lets, tuple(value for _, value in expanded)

    def _statement(self, statement: Statement) -> tuple[Statement, ...]:
        match statement:
            case Let(name, value):
                lets, (value,) = self._values((value,))
                return (*lets, Let(name, value))
            case Store():
                lets, (value,) = self._values((statement.value,))
                return (*lets, replace(statement, value=value))
            case Sweep():
                return (self._sweep(statement),)
            case Loop():
                return self._loop(statement)
            case If(condition, body, otherwise):
                return (If(condition, self.body(body), self.body(otherwise)),)
        return (statement,)

    def _sweep(self, sweep: Sweep) -> Sweep:
        body = list(self.body(sweep.body))
        accumulators = []
        for each in sweep.accumulators:
            lets, values = self._values(each.values)
            body += lets
            accumulators.append(replace(each, values=values))
        return Sweep(sweep.axes, tuple(body), tuple(accumulators))

    def _loop(self, loop: Loop) -> tuple[Statement, ...]:
        before, initials = self._values(each.initial for each in loop.carried)
        after, nexts = self._values(each.next for each in loop.carried)
        names = [each.name for each in loop.carried]
        carried = tuple(map(Carry, names, initials, nexts))
        return (*before, replace(loop, body=(*self.body(loop.body), *after), carried=carried))
