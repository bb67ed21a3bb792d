"""Every setting and every environment variable of graphdl, once.

| Field | Environment variable | Meaning |
|---|---|---|
| `debug` | `GRAPHDL_DEBUG` | 0 silent … 6: stages, times, graphs, kernels, text, assembly |
| `print_after` | `GRAPHDL_PRINT_AFTER` | passes after which the graph is printed, comma separated |
| `verify` | `GRAPHDL_VERIFY` | run the verifier after every pass |
| `dump_dir` | `GRAPHDL_DUMP_DIR` | write every stage as a numbered file into this directory |
| `disable` | `GRAPHDL_DISABLE` | passes and rules that are switched off, comma separated |
| `num_threads` | `GRAPHDL_NUM_THREADS` | threads of a function; by default the CPUs it may use |
| `cache_dir` | `GRAPHDL_CACHE_DIR` | where compiled object code is kept |
| `cache_bytes` | `GRAPHDL_CACHE_BYTES` | bound of that directory (`500M`, `2G`); 0 keeps nothing |
| `cpu_target` | `GRAPHDL_CPU_TARGET` | compile for this CPU instead of the host |
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypedDict, Unpack

from graphdl.errors import ArgumentError, hides_internal_frames

DEBUG_LEVELS = range(7)
DEFAULT_CACHE_BYTES = 1 << 30
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_WORDS = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """One consistent set of settings; see the table of this module."""

    debug: int = 0
    print_after: tuple[str, ...] = ()
    verify: bool = False
    dump_dir: str | None = None
    disable: frozenset[str] = frozenset()
    num_threads: int = 1
    cache_dir: str = ""
    cache_bytes: int = DEFAULT_CACHE_BYTES
    cpu_target: str | None = None


class Changes(TypedDict, total=False):
    """What `configure` accepts."""

    debug: int
    print_after: str | Iterable[str]
    verify: bool
    dump_dir: str | os.PathLike[str] | None
    disable: str | Iterable[str]
    num_threads: int
    cache_dir: str | os.PathLike[str]
    cache_bytes: int | str
    cpu_target: str | None


_current: ContextVar[Settings | None] = ContextVar("graphdl_settings", default=None)


def settings() -> Settings:
    """The settings in force: the innermost `configure`, else the environment.

    The environment is read once, at the first use. Raises ArgumentError for a bad variable.
    """
    return _current.get() or _environment_settings()


@hides_internal_frames
def configure(**changes: Unpack[Changes]) -> AbstractContextManager[Settings]:
    """Change settings for the body of a `with`, in this thread or asynchronous task only.

    Settings that are not named keep their value. Raises ArgumentError for an unknown name or a
    bad value.

        with gd.configure(disable={"fold_constants"}, num_threads=1):
            step = gd.function(...)
    """
    return _in_force(replace(settings(), **_checked(changes, "")))


@contextmanager
def _in_force(chosen: Settings) -> Iterator[Settings]:
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)


def read_environment(environment: Mapping[str, str]) -> Settings:
    """The settings that environment variables describe; an empty variable counts as unset."""
    given = {
        name: environment[_variable_name(name)]
        for name in _CHECKS
        if environment.get(_variable_name(name))
    }
    defaults = Settings(num_threads=available_cpus(), cache_dir=default_cache_dir(environment))
    return replace(defaults, **_checked(given, "environment variable "))


def available_cpus() -> int:
    """How many CPUs this process may run on: its affinity, where the system has one."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def default_cache_dir(environment: Mapping[str, str]) -> str:
    """`$XDG_CACHE_HOME/graphdl`, else `~/.cache/graphdl`, else a directory for temporary files."""
    root = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(root if os.path.isabs(root) else tempfile.gettempdir(), "graphdl")


@cache
def _environment_settings() -> Settings:
    return read_environment(os.environ)


def _variable_name(name: str) -> str:
    return f"GRAPHDL_{name.upper()}"


def _checked(changes: Mapping[str, Any], origin: str) -> dict[str, Any]:
    result = {}
    for name, value in changes.items():
        if name not in _CHECKS:
            raise ArgumentError(
                f"configure: unknown setting {name!r}", hint=f"use one of {', '.join(_CHECKS)}"
            )
        try:
            result[name] = _CHECKS[name](value)
        except ValueError as reason:
            label = f"{origin}{_variable_name(name)}" if origin else f"configure: {name}"
            raise ArgumentError(f"{label} is {value!r}, not {reason}") from None
    return result


def _debug(value: object) -> int:
    return _integer(value, DEBUG_LEVELS.start, DEBUG_LEVELS.stop - 1, "a whole number from 0 to 6")


def _num_threads(value: object) -> int:
    return _integer(value, 1, 1024, "a whole number from 1 to 1024")


def _integer(value: object, low: int, high: int, expected: str) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", value)):
        raise ValueError(expected)
    number = int(value)  # type: ignore[call-overload]
    if not low <= number <= high:
        raise ValueError(expected)
    return int(number)


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _WORDS:
        raise ValueError("one of 1, 0, true, false, yes, no, on, off")
    return _WORDS[word]


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    if not isinstance(value, Iterable):
        raise ValueError("a name or several names")
    names = tuple(value)
    if not all(isinstance(name, str) for name in names):
        raise ValueError("a name or several names")
    return names


def _name_set(value: object) -> frozenset[str]:
    return frozenset(_names(value))


def _path(value: object) -> str:
    if not isinstance(value, str | os.PathLike):
        raise ValueError("a path")
    return os.path.expanduser(os.fspath(value))


def _optional_path(value: object) -> str | None:
    return None if value is None else _path(value)


def _byte_count(value: object) -> int:
    expected = 'a number of bytes such as 500000000 or "500M"'
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    parts = re.fullmatch(r"\s*(\d+)\s*([KMGT]?)(?:i?B)?\s*", str(value), re.IGNORECASE)
    if parts is None or not isinstance(value, str):
        raise ValueError(expected)
    return int(parts[1]) << _UNITS[parts[2].upper()]


def _target(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value.strip()):
        return value if value is None else str(value).strip()
    raise ValueError('the name of a CPU target such as "x86-64-v3"')


_CHECKS: dict[str, Callable[[object], Any]] = {
    "debug": _debug,
    "print_after": _names,
    "verify": _flag,
    "dump_dir": _optional_path,
    "disable": _name_set,
    "num_threads": _num_threads,
    "cache_dir": _path,
    "cache_bytes": _byte_count,
    "cpu_target": _target,
}
