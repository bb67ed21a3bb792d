"""One library's process: reads workload names, writes the seconds that one call takes."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import workloads

SAMPLE_SECONDS = 0.0005
ROUND_SECONDS = 0.15


def time_calls(call: Callable[[], object]) -> float:
    """The median over samples of at least SAMPLE_SECONDS each, for about ROUND_SECONDS."""
    call()
    start = time.perf_counter()
    call()
    once = max(time.perf_counter() - start, 1e-8)
    repeats = max(1, int(SAMPLE_SECONDS / once))
    samples: list[float] = []
    end = time.perf_counter() + ROUND_SECONDS
    while time.perf_counter() < end or len(samples) < 3:
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        samples.append((time.perf_counter() - start) / repeats)
    return statistics.median(samples)


def main() -> None:
    """Answer names with seconds until standard input ends."""
    library, threads = sys.argv[1], int(sys.argv[2])
    built: dict[str, Callable[[], object]] = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in built:
            built[name] = workloads.build(library, name, threads)
        print(time_calls(built[name]), flush=True)


if __name__ == "__main__":
    main()
