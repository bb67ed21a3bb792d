"""Which line counts as the user's."""

from __future__ import annotations

import dataclasses
import linecache
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import graphdl
from graphdl.source_location import SourceLocation, current_location

INTERNAL_FILE = f"{graphdl.__path__[0]}/imaginary.py"


def inside_graphdl(source: str, **names: Any) -> dict[str, Any]:
    """The names that `source` defines when it is part of graphdl."""
    module = {"__name__": "graphdl.source_location", "current_location": current_location, **names}
    exec(compile(source, INTERNAL_FILE, "exec"), module)
    return module


def next_line() -> int:
    return sys._getframe(1).f_lineno + 1


def test_a_test_is_user_code() -> None:
    line = next_line()
    location = current_location()
    assert location == SourceLocation(__file__, line)
    assert str(location) == f"test_source_location.py:{line}"
    assert location.text == "location = current_location()"


def test_frames_of_graphdl_are_skipped() -> None:
    build = inside_graphdl("def build(): return infer()\ndef infer(): return current_location()")
    line = next_line()
    location = build["build"]()
    assert location == SourceLocation(__file__, line)


def test_a_callback_of_the_user_counts() -> None:
    call = inside_graphdl("def call(f): return f()")["call"]
    line = next_line()
    assert call(lambda: current_location()) == SourceLocation(__file__, line)


def test_generated_and_wrapping_frames_are_skipped() -> None:
    names = inside_graphdl(
        "class Record:\n"
        "    value: int\n"
        "    def __post_init__(self): self.__dict__['where'] = current_location()\n"
        "Record.__module__ = 'graphdl.source_location'\n"
        "Record.__annotations__ = {'value': int}\n"
        "Record = dataclass(Record)\n"
        "@contextmanager\n"
        "def scope(): yield current_location()\n",
        dataclass=dataclasses.dataclass,
        contextmanager=contextmanager,
    )
    line = next_line()
    assert names["Record"](1).where == SourceLocation(__file__, line)
    line = next_line()
    with names["scope"]() as location:
        assert location == SourceLocation(__file__, line)


def test_code_from_a_string_is_user_code() -> None:
    found: dict[str, Any] = {"current_location": current_location}
    exec("\n\nlocation = current_location()", found)
    assert found["location"] == SourceLocation("<string>", 3)
    assert str(found["location"]) == "<string>:3"
    assert found["location"].text == ""


def test_two_places_on_one_line_and_one_place_twice() -> None:
    pair = (current_location(), current_location())
    assert pair[0] == pair[1]
    repeated = [current_location() for _ in range(3)]
    assert repeated[0] is repeated[2]


def test_code_objects_that_reuse_an_address_are_told_apart() -> None:
    for line in range(1, 60):
        found: dict[str, Any] = {"current_location": current_location}
        exec("\n" * (line - 1) + "location = current_location()", found)
        assert found["location"].line == line


@pytest.fixture
def cell() -> Iterator[str]:
    file = "/tmp/ipykernel_12/3456.py"
    source = "x = 1\ny = gd.exp(x)\n"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    yield file
    del linecache.cache[file]


def test_notebook_cells_carry_their_name(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def format_code_name(name: str) -> tuple[str, str] | None:
        return ("Cell", "In [7]") if name == cell else None

    shell = types.SimpleNamespace(compile=types.SimpleNamespace(format_code_name=format_code_name))
    ipython = types.ModuleType("IPython")
    get_ipython: Callable[[], Any] = lambda: shell  # noqa: E731
    ipython.get_ipython = get_ipython  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert str(SourceLocation(cell, 2)) == "In[7]:2"
    assert SourceLocation(cell, 2).text == "y = gd.exp(x)"
    assert str(SourceLocation("/home/user/train.py", 2)) == "train.py:2"


def test_ipython_prompts_carry_their_number() -> None:
    assert str(SourceLocation("<ipython-input-12-0af3>", 4)) == "In[12]:4"


def test_ipython_without_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert str(SourceLocation("/a/b.py", 1)) == "b.py:1"


def test_planted_fault_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package's prefix a frame of graphdl would be reported."""
    monkeypatch.setattr("graphdl.source_location._PACKAGE", "/nowhere/")
    monkeypatch.setattr("graphdl.source_location._internal_files", {})
    build = inside_graphdl("def build(): return current_location()")["build"]
    assert build() != SourceLocation(__file__, next_line() - 1)
