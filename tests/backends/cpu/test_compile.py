"""Compiling programs: each distinct kernel once, from the disk cache the second time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphdl.backends.cpu import program_key, shared_code, write_modules
from graphdl.backends.cpu.compile import compile_program
from graphdl.backends.cpu.target import executable_targets, host_target
from graphdl.config import configure
from graphdl.program.nodes import Launch, Program, Storage
from tests.backends.cpu.small_programs import (
    INCREMENT,
    POSITIVE,
    N,
    increment,
    numbers,
    program,
    view,
)

INPUT, OUTPUT = view(Storage.INPUT), view(Storage.OUTPUT)
FIRST, SECOND = (view(Storage.ARENA, offset=offset) for offset in (0, 4 * N + 64))


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The texts that reach LLVM, with an empty cache on disk and in the process."""
    texts: list[str] = []
    real = shared_code.compile_object

    def count(text: str, *given: object, **named: object) -> bytes:
        texts.append(text)
        return real(text, *given, **named)  # type: ignore[arg-type]

    shared_code.shared_addresses()
    monkeypatch.setattr(shared_code, "compile_object", count)
    with configure(cache_dir=tmp_path):
        _forget()
        yield texts
    _forget()


def _forget() -> None:
    shared_code._kept.clear()
    write_modules._tiled_kernels.clear()
    write_modules._texts.clear()


def _chain() -> Program:
    """Three launches of two equal kernels under different names."""
    other = replace(INCREMENT, name="same_text", notes=("another note",))
    statements = (
        increment(INPUT, FIRST),
        Launch("other", (FIRST, SECOND), (N,)),
        increment(SECOND, OUTPUT),
    )
    made = program(statements, arena_bytes=8 * N + 64)
    return replace(made, kernels={"increment": INCREMENT, "other": other})


def test_equal_kernels_compile_once(compiled: list[str]) -> None:
    native = compile_program(_chain(), host_target())
    assert len(compiled) == 2, "the driver and one kernel"
    assert len(native.objects) == 2
    connected = native.connect(lambda *given: given)
    np.testing.assert_array_equal(connected.call(numbers(9)), numbers(9) + 3)


def test_another_program_shares_the_kernel(compiled: list[str]) -> None:
    compile_program(_chain(), host_target())
    compile_program(program((increment(INPUT, OUTPUT),)), host_target())
    assert len(compiled) == 3, "the second driver only"


def test_the_disk_cache_serves_the_second_process(compiled: list[str]) -> None:
    first = compile_program(_chain(), host_target())
    compiled.clear()
    _forget()
    second = compile_program(_chain(), host_target())
    assert compiled == []
    assert second.objects == first.objects
    connected = second.connect(lambda *given: given)
    np.testing.assert_array_equal(connected.call(numbers(9)), numbers(9) + 3)


def test_a_damaged_cache_is_compiled_again(compiled: list[str], tmp_path: Path) -> None:
    compile_program(_chain(), host_target())
    for path in tmp_path.rglob("*.bin"):
        path.write_bytes(path.read_bytes()[:-5] + b"wrong")
    compiled.clear()
    _forget()
    native = compile_program(_chain(), host_target())
    assert len(compiled) == 2
    np.testing.assert_array_equal(native.connect(print).call(numbers(3)), numbers(3) + 3)


def test_targets_and_changes_have_their_own_code(compiled: list[str]) -> None:
    objects = {compile_program(_chain(), target).objects for target in executable_targets()}
    assert len(objects) == len(executable_targets())
    changed = replace(_chain(), kernels={"increment": INCREMENT, "other": POSITIVE})
    assert compile_program(changed, host_target()).objects not in objects


def test_numerics_are_part_of_the_key() -> None:
    parts = [
        list(program_key._program_parts(_chain(), host_target(), numerics))
        for numerics in ("fast", "exact")
    ]
    assert parts[0] != parts[1]


def test_a_process_ends_cleanly_with_workers_running() -> None:
    code = """
import numpy as np
from tests.backends.cpu.small_programs import *
from graphdl.program.nodes import Storage
call = connect(program((increment(view(Storage.INPUT), view(Storage.OUTPUT)),)), threads=3).call
for _ in range(5):
    kept = call(numbers(5_000_000))
print("done")
"""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
