"""Benchmarks: graphdl beside its peers, in one run on this machine.

    python tools/bench/run.py [gemm] [rows] [overhead] [compile] [--rounds N] [--json FILE]

Every library works in a process of its own and they take turns, so that no library's spinning
threads disturb another and all see the same machine. A row shows the medians over the rounds, the
ratio graphdl / peer (below 1 graphdl is faster), and the bound that the project holds itself to.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import cold_start  # noqa: E402
import workloads  # noqa: E402

GROUPS = ("gemm", "rows", "overhead", "compile")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Times are seconds; `bound` is the largest ratio (or time) allowed."""

    name: str
    ours: float
    peer: str
    theirs: float
    bound: float | None
    is_ratio: bool = True

    @property
    def measured(self) -> float:
        """What the bound is about: the ratio, or our own time."""
        return self.ours / self.theirs if self.is_ratio else self.ours

    @property
    def holds(self) -> bool:
        """Whether the bound holds."""
        return self.bound is None or self.measured <= self.bound


class Worker:
    """A process that times the workloads of one library."""

    def __init__(self, library: str, threads: int) -> None:
        variables = ("OMP", "MKL", "OPENBLAS", "GRAPHDL")
        environment = {f"{name}_NUM_THREADS": str(threads) for name in variables}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), library, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def time(self, name: str) -> float:
        """Seconds per call of one workload, the median of one round."""
        stdin, stdout = self._pipes()
        stdin.write(name + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise SystemExit(f"the worker for {name} died")
        return float(line)

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        return self.process.stdin, self.process.stdout

    def close(self) -> None:
        """Stop the process."""
        stdin, _ = self._pipes()
        stdin.close()
        self.process.wait()


def compare(cases: list[workloads.Case], threads: int, rounds: int) -> list[Row]:
    """Time every case in every library that has it, the libraries taking turns."""
    libraries = ["graphdl", *dict.fromkeys(case.peer for case in cases)]
    workers = {library: Worker(library, threads) for library in libraries}
    rows = []
    for case in cases:
        times: dict[str, list[float]] = {"graphdl": [], case.peer: []}
        for number in range(rounds + 1):
            for library, found in times.items():
                seconds = workers[library].time(case.name)
                if number:
                    found.append(seconds)
        ours, theirs = (statistics.median(found) for found in times.values())
        label = f"{case.name}, {threads} thread{'s' if threads > 1 else ''}"
        rows.append(Row(label, ours, case.peer, theirs, case.bound, case.is_ratio))
    for worker in workers.values():
        worker.close()
    return rows


def measure(groups: list[str], rounds: int) -> list[Row]:
    """All rows of the groups asked for."""
    rows: list[Row] = []
    for group in ("gemm", "rows"):
        if group in groups:
            for threads in (1, 2):
                rows += compare(workloads.cases(group), threads, rounds)
    if "overhead" in groups:
        rows += compare(workloads.cases("overhead"), 1, rounds)
    if "compile" in groups:
        rows += [Row(*entry) for entry in cold_start.measure(rounds)]
    return rows


def show(rows: list[Row]) -> None:
    """Print the table."""
    table = Table("workload", "graphdl", "peer", "peer's time", "ratio", "bound", "")
    for row in rows:
        ratio = f"{row.ours / row.theirs:.2f}" if row.theirs else ""
        bound = (
            ""
            if row.bound is None
            else (f"{row.bound:.2f}" if row.is_ratio else time_text(row.bound))
        )
        mark = "" if row.bound is None else ("holds" if row.holds else "MISSED")
        theirs = time_text(row.theirs) if row.theirs else ""
        table.add_row(row.name, time_text(row.ours), row.peer, theirs, ratio, bound, mark)
    Console(width=130).print(table)


def time_text(seconds: float) -> str:
    """Seconds in a unit that fits."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def main() -> None:
    """Parse the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], default=[])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = measure(arguments.groups or list(GROUPS), arguments.rounds)
    show(rows)
    if arguments.json:
        records: list[dict[str, Any]] = [{**asdict(row), "holds": row.holds} for row in rows]
        arguments.json.write_text(json.dumps(records, indent=1))
    missed = [row.name for row in rows if not row.holds]
    print(f"{len(rows) - len(missed)} of {len(rows)} bounds hold")


if __name__ == "__main__":
    main()
