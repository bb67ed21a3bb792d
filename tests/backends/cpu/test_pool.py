"""The thread pool: every task once, any thread count, after a fork, after a shutdown."""

from __future__ import annotations

import ctypes
import os
import threading
import time
import warnings
from typing import Any

import numpy as np
import pytest

from graphdl.backends.cpu.load import Library, compile_object, link
from graphdl.backends.cpu.pool import PARALLEL_FOR, SHUTDOWN, WORKERS
from graphdl.backends.cpu.shared_code import shared_addresses
from graphdl.backends.cpu.target import host_target

# Adds its task's number to each task's cell, and counts the call in the workspace.
_KERNEL = """
define void @count_tasks(ptr %buffers, ptr %sizes, i64 %begin, i64 %end, ptr %workspace) {
entry:
  %cells = load ptr, ptr %buffers
  %size = load i64, ptr %sizes
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %cell = getelementptr i64, ptr %cells, i64 %i
  %old = load i64, ptr %cell
  %amount = add i64 %i, %size
  %new = add i64 %old, %amount
  store i64 %new, ptr %cell
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  %calls = load i64, ptr %workspace
  %more_calls = add i64 %calls, 1
  store i64 %more_calls, ptr %workspace
  ret void
}
"""


class Job:
    """The kernel above over `count` cells."""

    def __init__(self, library: Library, count: int) -> None:
        self.kernel = library.addresses["count_tasks"]
        self.cells = np.zeros(count, np.int64)
        self.buffers = np.array([self.cells.ctypes.data])
        self.sizes = np.array([5])
        self.workspaces = np.zeros((8, 8), np.int64)
        types = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 4
        address = shared_addresses()[PARALLEL_FOR]
        self.parallel_for: Any = ctypes.CFUNCTYPE(None, *types)(address)

    def run(self, threads: int, grain: int = 1) -> None:
        self.parallel_for(
            self.kernel, self.buffers.ctypes.data, self.sizes.ctypes.data,
            self.workspaces.ctypes.data, 64, len(self.cells), grain, threads,
        )  # fmt: skip

    def is_right(self, times: int) -> bool:
        return bool((self.cells == times * (np.arange(len(self.cells)) + 5)).all())


@pytest.fixture(scope="module")
def library() -> Library:
    return link([compile_object(_KERNEL, host_target(), verify=True)], ["count_tasks"])


def _workers() -> int:
    return ctypes.c_int64.from_address(shared_addresses()[WORKERS]).value


def _shut_down() -> None:
    ctypes.CFUNCTYPE(None)(shared_addresses()[SHUTDOWN])()


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_every_task_runs_once(library: Library, threads: int, count: int) -> None:
    job = Job(library, count)
    if count == 0:
        job.cells = np.zeros(0, np.int64)
    for _ in range(20):
        if count:
            job.run(threads)
    assert job.is_right(20 if count else 0)


def test_small_work_stays_on_the_caller(library: Library) -> None:
    job = Job(library, 100)
    job.run(threads=4, grain=100)
    assert job.workspaces[0, 0] == 1
    assert not job.workspaces[1:].any()


def test_sleeping_workers_wake(library: Library) -> None:
    job = Job(library, 10_000)
    job.run(2)
    time.sleep(0.05)
    job.run(2)
    assert job.is_right(2)


def test_callers_on_many_threads_do_not_disturb_each_other(library: Library) -> None:
    jobs = [Job(library, 2000) for _ in range(4)]

    def work(job: Job) -> None:
        for _ in range(100):
            job.run(2)

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(job.is_right(100) for job in jobs)


def test_a_forked_child_starts_its_own_workers(library: Library) -> None:
    job = Job(library, 5000)
    job.run(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads is the point
        child = os.fork()
    if child == 0:
        job.cells[:] = 0
        for _ in range(50):
            job.run(3)
        os._exit(0 if job.is_right(50) and _workers() == 2 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    job.run(3)
    assert job.is_right(2)


def test_shutdown_joins_the_workers_and_work_goes_on(library: Library) -> None:
    job = Job(library, 5000)
    job.run(3)
    assert _workers() >= 2
    _shut_down()
    assert _workers() == 0
    job.run(2)
    assert job.is_right(2)
    assert _workers() == 1
