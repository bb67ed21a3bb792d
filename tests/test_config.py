"""Settings from the environment and from code."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from graphdl.config import (
    DEFAULT_CACHE_BYTES,
    available_cpus,
    configure,
    default_cache_dir,
    read_environment,
    settings,
)
from graphdl.errors import ArgumentError


def test_defaults() -> None:
    found = read_environment({})
    assert found.debug == 0
    assert found.print_after == ()
    assert not found.verify
    assert found.dump_dir is None
    assert found.disable == frozenset()
    assert found.num_threads == available_cpus() >= 1
    assert found.cache_bytes == DEFAULT_CACHE_BYTES
    assert found.cpu_target is None
    assert os.path.isabs(found.cache_dir)


def test_every_variable_is_read() -> None:
    found = read_environment(
        {
            "GRAPHDL_DEBUG": "3",
            "GRAPHDL_PRINT_AFTER": "fold_constants, fuse",
            "GRAPHDL_VERIFY": "yes",
            "GRAPHDL_DUMP_DIR": "~/dump",
            "GRAPHDL_DISABLE": "fuse",
            "GRAPHDL_NUM_THREADS": "2",
            "GRAPHDL_CACHE_DIR": "/somewhere",
            "GRAPHDL_CACHE_BYTES": "500M",
            "GRAPHDL_CPU_TARGET": "x86-64-v3",
        }
    )
    assert found.debug == 3
    assert found.print_after == ("fold_constants", "fuse")
    assert found.verify
    assert found.dump_dir == os.path.expanduser("~/dump")
    assert found.disable == {"fuse"}
    assert found.num_threads == 2
    assert found.cache_dir == "/somewhere"
    assert found.cache_bytes == 500 << 20
    assert found.cpu_target == "x86-64-v3"


def test_empty_variables_count_as_unset() -> None:
    names = ("DEBUG", "VERIFY", "DUMP_DIR", "CPU_TARGET", "CACHE_DIR", "NUM_THREADS")
    assert read_environment({f"GRAPHDL_{name}": "" for name in names}) == read_environment({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "7"),
        ("DEBUG", "loud"),
        ("VERIFY", "maybe"),
        ("NUM_THREADS", "0"),
        ("NUM_THREADS", "1.5"),
        ("CACHE_BYTES", "-1"),
        ("CACHE_BYTES", "12 bananas"),
        ("CPU_TARGET", "  "),
    ],
)
def test_bad_variables_are_named(name: str, value: str) -> None:
    with pytest.raises(ArgumentError, match=f"environment variable GRAPHDL_{name} is '{value}'"):
        read_environment({f"GRAPHDL_{name}": value})


@pytest.mark.parametrize(
    ("text", "count"), [("0", 0), ("1k", 1024), ("2 GiB", 2 << 30), ("3MB", 3 << 20), ("12", 12)]
)
def test_byte_counts(text: str, count: int) -> None:
    assert read_environment({"GRAPHDL_CACHE_BYTES": text}).cache_bytes == count


def test_cache_dir_follows_the_desktop_standard() -> None:
    assert default_cache_dir({"XDG_CACHE_HOME": "/cache"}) == "/cache/graphdl"
    assert default_cache_dir({}).endswith("graphdl")


def test_configure_nests_and_restores() -> None:
    before = settings()
    with configure(debug=2, disable={"fuse"}) as outer:
        assert settings() is outer
        with configure(disable="fold_constants,merge_casts"):
            assert settings().debug == 2
            assert settings().disable == {"fold_constants", "merge_casts"}
        assert settings().disable == {"fuse"}
    assert settings() == before


def test_configure_restores_after_an_error() -> None:
    before = settings()
    with pytest.raises(KeyError), configure(verify=True):
        raise KeyError
    assert settings() == before


def test_configure_is_local_to_the_thread() -> None:
    seen: list[int] = []
    with configure(num_threads=7):
        thread = threading.Thread(target=lambda: seen.append(settings().num_threads))
        thread.start()
        thread.join()
    assert seen == [read_environment(os.environ).num_threads]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"debug": 9}, "configure: debug is 9, not a whole number from 0 to 6"),
        ({"debug": True}, "configure: debug is True"),
        ({"verify": "perhaps"}, "configure: verify is 'perhaps'"),
        ({"num_threads": None}, "configure: num_threads is None"),
        ({"disable": 3}, "configure: disable is 3, not a name or several names"),
        ({"cache_dir": 3}, "configure: cache_dir is 3, not a path"),
        ({"threads": 3}, "configure: unknown setting 'threads'"),
    ],
)
def test_configure_refuses_bad_values(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        configure(**changes)


def test_paths_may_be_path_objects() -> None:
    with configure(dump_dir=Path("/somewhere"), cache_dir=Path("/else")) as chosen:
        assert chosen.dump_dir == "/somewhere"
        assert chosen.cache_dir == "/else"


def test_no_home_directory_is_needed() -> None:
    code = "from graphdl.config import settings; print(settings().cache_dir)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert os.path.isabs(run.stdout.strip())
