"""`python -m graphdl`: what each command prints, and that its text can be read back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graphdl.__main__ import main

PROGRAM = """\
import graphdl as gd

x = gd.placeholder("x", ("batch", 3))
y = gd.log(gd.softmax(x))
f = gd.function([x], y, name="f")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def test_show_prints_text_that_opt_reads(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", f"{program}:f"]) == 0
    shown = capsys.readouterr().out
    assert "reduce_max" in shown
    assert "program.py:4" in shown
    graph = tmp_path / "f.txt"
    graph.write_text(shown)
    assert main(["opt", "-p", "stabilize", str(graph)]) == 0
    stabilized = capsys.readouterr().out
    assert shown.count("divide(") == 1
    assert "divide(" not in stabilized
    assert main(["opt", str(graph)]) == 0
    assert "stop_gradient" not in capsys.readouterr().out


@pytest.mark.parametrize("stage", ["optimized", "program", "kernels", "llvm", "assembly", "triton"])
def test_every_stage(stage: str, program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", f"{program}:f", "--stage", stage]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 3


def test_explain_names_the_users_line(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", f"{program}:y"]) == 0
    text = capsys.readouterr().out
    assert "program.py:4" in text
    assert "1 launches" in text or "1 launch" in text


def test_show_draws(program: Path, tmp_path: Path) -> None:
    target = tmp_path / "f.svg"
    assert main(["show", f"{program}:f", "-o", str(target)]) == 0
    assert target.read_text().count("<svg") == 1


def test_mistakes_are_one_message_and_status_1(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", f"{program}:z"]) == 1
    assert "it has x, y, f" in capsys.readouterr().err
    assert main(["show", "nowhere.txt"]) == 1
    assert main(["opt", "-p", "nope", f"{program}:f"]) == 1
    error = capsys.readouterr().err
    assert "no pass is called 'nope'" in error
    assert "Traceback" not in error


def test_doctor_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "graphdl", "doctor"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    for word in ("llvmlite", "cpu", "cache", "dot program", "triton"):
        assert word in result.stdout
