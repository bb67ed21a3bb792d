"""The disk cache of object code: whole entries only, checked, bounded, shared by processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphdl.runtime.cache import ObjectCache, hash_key

LIMIT = 1 << 20


def _entries(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.bin"))


def test_returns_what_was_stored(tmp_path: Path) -> None:
    cache = ObjectCache(str(tmp_path), LIMIT)
    key = hash_key(("text", b"more"))
    assert cache.get(key) is None
    cache.put(key, b"object code")
    assert cache.get(key) == b"object code"
    assert ObjectCache(str(tmp_path), LIMIT).get(key) == b"object code"


def test_keys_tell_parts_apart() -> None:
    assert hash_key(("ab", "c")) != hash_key(("a", "bc"))
    assert hash_key(("ab", "c")) == hash_key((b"ab", b"c"))


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_damaged_entry_is_a_miss_and_removed(tmp_path: Path, damage: bytes | None) -> None:
    cache = ObjectCache(str(tmp_path), LIMIT)
    cache.put("k" * 64, b"object code")
    (path,) = _entries(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content if damage is None else damage)
    assert cache.get("k" * 64) is None
    assert not path.exists()


def test_the_bound_removes_what_was_used_least_recently(tmp_path: Path) -> None:
    cache = ObjectCache(str(tmp_path), 10_000)
    for number in range(8):
        cache.put(f"{number}" * 64, bytes(1000))
        os.utime(_entries(tmp_path)[-1], (number, number))
    cache.get("0" * 64)
    for number in range(8, 12):
        cache.put(f"{number:x}" * 64, bytes(1000))
    assert sum(path.stat().st_size for path in _entries(tmp_path)) <= 10_000
    assert cache.get("b" * 64) == bytes(1000)
    assert cache.get("0" * 64) == bytes(1000), "used a moment ago"
    assert cache.get("1" * 64) is None


def test_a_limit_of_zero_keeps_nothing(tmp_path: Path) -> None:
    cache = ObjectCache(str(tmp_path), 0)
    cache.put("k" * 64, b"data")
    assert cache.get("k" * 64) is None
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    cache = ObjectCache(str(blocked / "inside"), LIMIT)
    cache.put("k" * 64, b"data")
    assert cache.get("k" * 64) is None


_WRITER = """
import sys
from graphdl.runtime.cache import ObjectCache
cache = ObjectCache(sys.argv[1], 200_000)
for turn in range(150):
    key = f"{turn % 10:x}" * 64
    found = cache.get(key)
    assert found is None or found == bytes([turn % 10]) * 5000, "a torn entry"
    cache.put(key, bytes([turn % 10]) * 5000)
"""


def test_two_processes_share_a_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    processes = [subprocess.Popen(command, cwd=root) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert not list(tmp_path.rglob("*.tmp"))
