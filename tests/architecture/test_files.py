"""Files stay small, have telling names, and every folder says what it is for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.sizes import FOLDERS, MAXIMUM_LINES, ROOT, count_lines, main

FORBIDDEN = frozenset(
    ("utils", "util", "helpers", "helper", "common", "misc", "base", "basic", "core", "tools")
)
MAXIMUM_DOCSTRING = 15
PUBLIC = frozenset(("graphdl", "nn", "optim", "data", "training"))
"""Folders that users name (`gd.nn.Dense`): their __init__ offers what its modules define."""


def long_files(root: Path) -> Iterator[str]:
    for path, lines in count_lines(root).items():
        if lines > MAXIMUM_LINES:
            yield f"{path} has {lines} lines"


def vague_names(root: Path) -> Iterator[str]:
    """Names that say nothing about the content, of files and of folders below the top ones."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            stem = path.stem.lower()
            if path.suffix in ("", ".py") and (stem in FORBIDDEN or stem.startswith("new_")):
                yield f"{path.relative_to(root)} has a vague name"


def silent_folders(root: Path) -> Iterator[str]:
    """Folders of graphdl whose __init__ has no docstring, a long one, or anything else."""
    for path in sorted((root / "graphdl").rglob("*.py")):
        if path.name != "__init__.py":
            if not (path.parent / "__init__.py").exists():
                yield f"{path.parent.relative_to(root)} has no __init__.py"
            continue
        name = path.relative_to(root)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstring = ast.get_docstring(tree)
        if not docstring:
            yield f"{name} has no docstring"
        elif len(docstring.splitlines()) > MAXIMUM_DOCSTRING:
            yield f"{name} has a docstring of {len(docstring.splitlines())} lines"
        elif path.parent.name not in PUBLIC and not is_only_described(tree):
            yield f"{name} holds more than a docstring"


def is_only_described(tree: ast.Module) -> bool:
    """Whether an __init__ holds a docstring and at most whole-module imports (no re-exports)."""
    return all(isinstance(statement, ast.Import) for statement in tree.body[1:])


CHECKS = (long_files, vague_names, silent_folders)


@pytest.mark.parametrize("check", CHECKS)
def test_the_tree_is_tidy(check: object) -> None:
    assert callable(check)
    assert list(check(ROOT)) == []


def test_the_type_marker_is_there() -> None:
    assert (ROOT / "graphdl" / "py.typed").exists()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("graphdl/ops/long.py", "x = 1\n" * 701, "graphdl/ops/long.py has 701 lines"),
        ("graphdl/ops/utils.py", "", "graphdl/ops/utils.py has a vague name"),
        ("tests/ops/helpers.py", "", "tests/ops/helpers.py has a vague name"),
        ("graphdl/core/__init__.py", '"""Text."""', "graphdl/core has a vague name"),
        ("graphdl/ops/__init__.py", "", "graphdl/ops/__init__.py has no docstring"),
        ("graphdl/ops/__init__.py", '"""T' + "\n." * 15 + '"""', "has a docstring of 16 lines"),
        ("graphdl/ops/__init__.py", '"""Text."""\nx = 1\n', "holds more than a docstring"),
        ("graphdl/lost/file.py", "", "graphdl/lost has no __init__.py"),
    ],
)
def test_planted_fault_is_noticed(file: str, text: str, message: str, tmp_path: Path) -> None:
    for name in ("graphdl/__init__.py", "graphdl/ops/__init__.py"):
        write(tmp_path / name, '"""A folder."""\n')
    assert [found for check in CHECKS for found in check(tmp_path)] == []
    write(tmp_path / file, text)
    found = [found for check in CHECKS for found in check(tmp_path)]
    assert len(found) == 1
    assert message in found[0]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_sizes_reports_every_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    report = capsys.readouterr().out
    assert "graphdl/typesystem/expression.py" in report
    assert "  floor 1, " in report
    assert "  tests, " in report


def test_sizes_fails_over_the_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "graphdl" / "long.py", "x = 1\n" * 701)
    assert main(["--quiet", "--root", str(tmp_path)]) == 1
    assert "graphdl/long.py has 701 lines; 700 is the limit" in capsys.readouterr().err
