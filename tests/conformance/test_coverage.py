"""The coverage tables are true: names, keywords, and every keyword that PyTorch has."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch.nn.functional as torch_of

from tools.coverage import TABLES, Row, faults, main, read_row, read_table, report

PATHS = sorted(TABLES.glob("*.txt"))
OPERANDS = frozenset(
    "input target input1 input2 query key value tensor grid theta x x1 x2 anchor positive negative "
    "log_probs p var inplace size_average reduce _stacklevel out args kwargs".split()
)
"""Tensors that come first under any name, and what the tables leave out."""


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_tables_say_what_is_so(path: Path) -> None:
    rows = read_table(path)
    assert [fault for row in rows for fault in faults(row)] == []
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)


def test_no_keyword_of_pytorch_is_passed_over() -> None:
    forgotten = []
    for row in read_table(TABLES / "torch_nn_functional.txt"):
        function = getattr(torch_of, row.name)
        if row.home is None or not inspect.isfunction(function):
            continue
        named = OPERANDS | row.keywords.keys() | set(row.lacking)
        missing = [name for name in inspect.signature(function).parameters if name not in named]
        forgotten += [f"{row.name}: {name}" for name in missing]
    assert forgotten == []


def test_the_report_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--brief"]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == len(PATHS)
    assert main(["--list"]) == 0
    assert "hardtanh: gd.hard_tanh(min_val=low, max_val=high)" in capsys.readouterr().out
    rows = [Row("here", "sum"), Row("half", "sum", lacking=("b",)), Row("gone", reason="because")]
    assert next(iter(report("peer", rows))) == (
        "peer: 2 of 3 functions, 1 with every keyword (33 %)"
    )


def test_a_wrong_row_is_noticed() -> None:
    assert list(faults(read_row("nothing"))) == ["nothing: gd.nothing does not exist"]
    assert list(faults(read_row("sum dim=axes"))) == ["sum: gd.sum has no 'axes' for 'dim'"]
    assert list(faults(read_row("- gone"))) == ["gone: no reason"]
