"""The names of `import graphdl as gd`: all there, loaded late, the same for type checkers."""

from __future__ import annotations

import ast
import builtins
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import graphdl as gd

SOURCE = Path(gd.__file__)


@pytest.mark.parametrize("name", sorted(dir(gd)))
def test_every_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(gd, name)
    if not name.startswith("__") and callable(value):
        assert value.__doc__


def test_the_type_checkers_names_are_the_lazy_ones() -> None:
    tree = ast.parse(SOURCE.read_text())
    (mirror,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    )
    seen = {
        alias.asname: statement.module
        for statement in mirror.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    modules = {name: "graphdl" for name in gd._MODULES}
    assert seen == gd._HOMES | modules


def test_builtins_stay_out_of_all() -> None:
    assert not [name for name in gd.__all__ if hasattr(builtins, name)]
    assert {"sum", "abs", "all", "print"} <= set(dir(gd))


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="graphdl has no name 'nothing'"):
        _ = gd.nothing  # type: ignore[attr-defined]


def test_a_module_does_not_hide_the_function_of_its_name() -> None:

    assert not isinstance(gd.export, ModuleType)
    assert callable(gd.function)


def test_importing_loads_no_compiler() -> None:
    code = "import sys, graphdl; print(sorted(m for m in sys.modules if m.startswith('graphdl.')))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "graphdl.ops" not in loaded
    assert "llvmlite" not in loaded


def test_names_are_loaded_once() -> None:
    assert gd.softmax is gd.softmax
    assert gd.random.normal is gd.random.normal
