"""The examples in docstrings run; `gd` and `np` are there."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

import graphdl

PACKAGE = Path(__file__).resolve().parents[1] / "graphdl"
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__init__.py" and ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_do_what_they_say(name: str) -> None:
    module = importlib.import_module(name)
    names = {**vars(module), "gd": graphdl, "np": np}
    failed, attempted = doctest.testmod(module, globs=names, optionflags=doctest.ELLIPSIS)
    assert attempted
    assert not failed
