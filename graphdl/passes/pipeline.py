"""The order of the passes, and what can be seen and switched while they run.

`GRAPHDL_PRINT_AFTER=pass,pass` prints the graph after these passes, `GRAPHDL_DEBUG=3` after every
pass that changed it; `GRAPHDL_VERIFY=1` verifies it; `GRAPHDL_DUMP_DIR` keeps it as numbered files;
`GRAPHDL_DISABLE` (or `gd.configure(disable=…)`) leaves out passes and rules by name.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from graphdl.config import Settings, settings
from graphdl.errors import InternalError
from graphdl.graph.nodes import Graph
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.passes.cancel_movement import cancel_movement
from graphdl.passes.delay_broadcasts import delay_broadcasts
from graphdl.passes.eliminate_common_subexpressions import eliminate_common_subexpressions
from graphdl.passes.eliminate_dead_code import eliminate_dead_code
from graphdl.passes.fold_constants import fold_constants
from graphdl.passes.fold_training import fold_training
from graphdl.passes.hoist_loop_invariants import hoist_loop_invariants
from graphdl.passes.inline_regions import inline_regions
from graphdl.passes.merge_loops import merge_loops
from graphdl.passes.place_fma import place_fma
from graphdl.passes.simplify_algebra import simplify_algebra
from graphdl.passes.simplify_logic import simplify_logic
from graphdl.passes.stabilize import stabilize
from graphdl.rewrite.driver import counting_hits, remembering_failures

Numerics = Literal["fast", "exact", "approximate"]
MOST_ROUNDS = 6
"""Rounds of a `Repeat`; what is left after them is work not done, never a wrong result."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One step. `is_fast_only`: it changes rounding, so "exact" leaves it out."""

    run: Callable[[Graph], Graph]
    is_fast_only: bool = False

    @property
    def name(self) -> str:
        """The name by which it is printed, measured and switched off."""
        return self.run.__name__


@dataclass(frozen=True, slots=True)
class Repeat:
    """Steps that make work for each other: each runs again while another has changed the graph."""

    steps: tuple[Pass, ...]


PIPELINE: tuple[Pass | Repeat, ...] = (
    # `fold_training` has run already: the flag decides what everything below keeps alive.
    Pass(merge_loops),  # first: what is dead in one loop may be what another one computes
    Pass(eliminate_dead_code),  # while regions still are regions: what they drop is never inlined
    Pass(inline_regions),  # gradients are taken; every pass below should see one flat graph
    Repeat(
        (
            Pass(cancel_movement),  # first: views stand between the patterns of all others
            Pass(fold_constants),  # then: rules ask for literals, and literals have met by now
            Pass(delay_broadcasts),  # what stands before a broadcast meets what the rules look for
            Pass(eliminate_common_subexpressions),  # rules that name a tensor twice need one tensor
            Pass(simplify_logic),  # decides selections, so that dead branches are not improved
            Pass(stabilize, is_fast_only=True),  # before algebra takes its patterns apart
            Pass(simplify_algebra),  # last of the round: it works on what the others left
        )
    ),
    Pass(hoist_loop_invariants),  # what the rules left of a step is what stays in it
    Pass(place_fma, is_fast_only=True),  # after all that moves sums and products, which it ties up
    Pass(eliminate_common_subexpressions),  # fused forms and negated literals may be equal again
)


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What one run of a pass did: its time, the nodes around it, and the hits of its rules."""

    name: str
    seconds: float
    nodes_before: int
    nodes_after: int
    hits: Mapping[str, int]


def optimize(
    graph: Graph, numerics: Numerics = "fast", training: bool = False
) -> tuple[Graph, tuple[PassRecord, ...]]:
    """The graph after the whole pipeline, and a record of every pass that ran.

    Requires that the state writes of nodes are among `graph.updates` already, and that guards have
    been collected. Raises InternalError, with a file that reproduces it, when a pass fails.
    """
    run = _Run(settings(), numerics, len(graph.nodes()))
    graph = run.step(_fold_training(training), graph)
    with remembering_failures():
        for entry in PIPELINE:
            match entry:
                case Repeat():
                    graph = run.repeat(entry, graph)
                case Pass():
                    graph = run.step(entry, graph)
    return graph, tuple(run.records)


def run_passes(graph: Graph, names: Sequence[str], training: bool = False) -> Graph:
    """The graph after the passes with these names, in the order given: `graphdl opt -p a,b`.

    Raises KeyError for an unknown name.
    """
    passes = {step.name: step for step in (_fold_training(training), *all_passes())}
    run = _Run(settings(), "fast", len(graph.nodes()))
    for name in names:
        graph = run.step(passes[name], graph)
    return graph


def _fold_training(training: bool) -> Pass:
    def run(graph: Graph) -> Graph:
        return fold_training(graph, training)

    run.__name__ = fold_training.__name__
    return Pass(run)


def all_passes() -> Iterator[Pass]:
    """Every pass of the pipeline, `fold_training` apart, in order."""
    for entry in PIPELINE:
        yield from entry.steps if isinstance(entry, Repeat) else (entry,)


@dataclass(slots=True)
class _Run:
    settings: Settings
    numerics: Numerics
    node_count: int
    records: list[PassRecord] = field(default_factory=list)

    def is_wanted(self, step: Pass) -> bool:
        is_allowed = not (step.is_fast_only and self.numerics == "exact")
        return is_allowed and step.name not in self.settings.disable

    def repeat(self, entry: Repeat, graph: Graph) -> Graph:
        steps = [step for step in entry.steps if self.is_wanted(step)]
        settled = 0
        for step in steps * MOST_ROUNDS:
            before, graph = graph, self.step(step, graph)
            settled = settled + 1 if graph is before else 1
            if settled >= len(steps):
                break
        return graph

    def step(self, step: Pass, graph: Graph) -> Graph:
        if not self.is_wanted(step):
            return graph
        before, count = graph, self.node_count
        start = time.perf_counter()
        with counting_hits() as hits:
            graph = self.guarded(step, graph)
        seconds = time.perf_counter() - start
        if graph is not before:
            self.node_count = len(graph.nodes())
        self.records.append(PassRecord(step.name, seconds, count, self.node_count, dict(hits)))
        self.show(step, before, graph)
        return graph

    def guarded(self, step: Pass, graph: Graph) -> Graph:
        try:
            return step.run(graph)
        except Exception as error:
            raise self.failure(step, graph, error) from error

    def failure(self, step: Pass, graph: Graph, error: Exception) -> InternalError:
        ran = ", ".join(dict.fromkeys(record.name for record in self.records)) or "none"
        why = str(error).removeprefix("a bug in graphdl: ")
        path = self.write(f"before_{step.name}", graph, self.settings.dump_dir)
        repro = f"python -m graphdl opt -p {step.name} {path}"
        return InternalError(f"pass {step.name} (after {ran}): {why}", repro=repro)

    def show(self, step: Pass, before: Graph, graph: Graph) -> None:
        is_changed = graph is not before
        if step.name in self.settings.print_after or (self.settings.debug >= 3 and is_changed):
            state = "changed" if is_changed else "unchanged"
            sys.stderr.write(f"# after {step.name} ({state})\n{text(graph)}")
        if not is_changed:
            return
        if self.settings.dump_dir is not None:
            self.write(f"{len(self.records):02d}_{step.name}", graph, self.settings.dump_dir)
        if self.settings.verify:
            try:
                verify(graph)
            except InternalError as error:
                raise self.failure(step, before, error) from error

    def write(self, stem: str, graph: Graph, directory: str | None) -> str:
        """Write the graph's text; its path."""
        directory = directory or tempfile.mkdtemp(prefix="graphdl-")
        os.makedirs(directory, exist_ok=True)
        name = re.sub(r"\W+", "_", graph.name) or "graph"
        path = os.path.join(directory, f"{name}_{stem}.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text(graph))
        return path
