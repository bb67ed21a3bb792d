"""The pipeline: graph → optimised graph → schedule → loops → program → native code.

    graph      what the user wrote, cut at the inputs, with all new values of variables
    optimized  after the passes
    program    launches and copies over an arena; kernels in tiled form
    llvm       the text that becomes machine code (triton, ptx for target="cuda")

Every stage is kept by name and written out when somebody asks for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphdl.config import settings
from graphdl.errors import ShapeError
from graphdl.graph.nodes import Graph
from graphdl.graph.printer import text as graph_text
from graphdl.kernel.printer import text as kernel_text
from graphdl.lowering.assemble import LoweredSchedule, assemble, lower_schedule
from graphdl.passes.guard_indices import IndexCheck, guard_indices
from graphdl.passes.guard_numerics import guard_numerics
from graphdl.passes.pipeline import Numerics, PassRecord, optimize
from graphdl.program.nodes import GuardCheck, Launch, Program
from graphdl.program.printer import text as program_text
from graphdl.program.verifier import verify as verify_program
from graphdl.schedule.fuse import fuse
from graphdl.schedule.order import Order, order
from graphdl.schedule.plan_memory import MemoryPlan, plan_memory
from graphdl.schedule.widen_scatters import widen_scatters
from graphdl.targets import Stages, code_texts, generate_code


@dataclass(slots=True, eq=False)
class Compilation:
    """Everything that one run of the pipeline made."""

    graph: Graph
    optimized: Graph
    records: tuple[PassRecord, ...]
    order: Order
    lowered: LoweredSchedule
    plan: MemoryPlan
    program: Program
    target: str
    numerics: str
    index_checks: tuple[IndexCheck, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    native: Any = None

    @property
    def launches(self) -> dict[int, Launch]:
        """The launch of each group, by the group's position in the order."""
        launches = (each for each in self.program.statements if isinstance(each, Launch))
        return dict(zip(self.lowered.kernels, launches, strict=True))

    @property
    def stages(self) -> Stages:
        """The text of each stage, made when it is read."""
        texts: dict[str, Callable[[], str]] = {
            "graph": lambda: graph_text(self.graph),
            "optimized": lambda: graph_text(self.optimized),
            "program": lambda: program_text(self.program, with_kernels=False),
            "kernels": lambda: "\n".join(map(kernel_text, self.program.kernels.values())),
        }
        return Stages({**texts, **code_texts(self.program, self.native)})


def compile_graph(
    graph: Graph,
    *,
    training: bool = False,
    target: str = "cpu",
    numerics: Numerics = "fast",
    check_numerics: bool = False,
    name: str = "function",
) -> Compilation:
    """Run the pipeline. Raises ShapeError for a condition on sizes that can never hold, TargetError
    for a target that is unknown or cannot be compiled for here."""
    clock = _Clock()
    guards = collect_guards(graph)
    optimized, records = optimize(graph, numerics, training)
    clock.tick("passes")
    guarded, index_checks = guard_indices(optimized)
    if check_numerics:
        guarded = guard_numerics(guarded)
    schedule = fuse(widen_scatters(guarded))
    ordered = order(schedule)
    clock.tick("schedule")
    lowered = lower_schedule(ordered)
    clock.tick("lowering")
    plan = plan_memory(ordered, lowered.elsewhere, lowered.workspaces)
    program = assemble(name, guarded, ordered, lowered, plan, guards)
    if settings().verify:
        verify_program(program)
    clock.tick("program")
    native = generate_code(program, target, numerics)
    clock.tick("code")
    result = Compilation(
        graph, optimized, records, ordered, lowered, plan, program, target, numerics,
        index_checks, clock.seconds, native,
    )  # fmt: skip
    show_stages(result)
    return result


def collect_guards(graph: Graph) -> tuple[GuardCheck, ...]:
    """The conditions on sizes of every node, regions included, once each; those known to hold are
    left out. Raises ShapeError for one known to fail."""
    found: dict[Any, GuardCheck] = {}
    for node in graph.nodes():
        for guard in node.guards:
            sides = (guard.condition.left, guard.condition.right)
            if not all(isinstance(side, int) for side in sides):
                check = GuardCheck(guard.condition, guard.message, node.location)
                found.setdefault(guard.condition, check)
            elif not guard.condition.holds({}):
                raise ShapeError(guard.message, location=node.location)
        for region in node.regions:
            for check in collect_guards(region):
                found.setdefault(check.condition, check)
    return tuple(found.values())


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def tick(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self.last
        self.last = now


# Settings -----------------------------------------------------------------------------------------

_SHOWN = {"program": 1, "kernels": 4, "llvm": 5, "triton": 5, "assembly": 6, "ptx": 6}
"""The debug level from which a stage is printed; the passes print the graph themselves."""


def show_stages(result: Compilation) -> None:
    """Print and write the stages that the settings ask for."""
    current = settings()
    if not current.debug and current.dump_dir is None:
        return
    stages = result.stages
    for stage in stages:
        if current.debug >= _SHOWN.get(stage, 7):
            sys.stderr.write(f"# {result.program.name}: {stage}\n{stages[stage]}\n")
    if current.debug >= 2:
        times = ", ".join(f"{name} {1e3 * spent:.1f} ms" for name, spent in result.seconds.items())
        sys.stderr.write(f"# {result.program.name}: {times}\n")
    if current.dump_dir is not None:
        folder = Path(current.dump_dir)
        folder.mkdir(parents=True, exist_ok=True)
        for number, stage in enumerate(stages):
            path = folder / f"{result.program.name}_stage{number}_{stage}.txt"
            path.write_text(stages[stage], encoding="utf-8")
