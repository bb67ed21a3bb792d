"""Wrong programs: each fails with the message kept beside it, naming the line marked `# wrong`.

Every file in `programs/` is a program that a user could have written. Its last line but for what
follows the mark raises; the whole text of the error is golden.
"""

from __future__ import annotations

import re
import runpy
import traceback
from pathlib import Path

import pytest

import graphdl as gd
from tests.plugins.golden import Golden

PROGRAMS = sorted(Path(__file__).with_name("programs").glob("*.py"))


def fail(program: Path) -> gd.GraphdlError:
    """Run a program that must raise one of graphdl's own errors."""
    with pytest.raises(gd.GraphdlError) as caught:
        runpy.run_path(str(program))
    return caught.value


def marked_line(program: Path) -> int:
    """The number of the line that carries the mark."""
    lines = program.read_text(encoding="utf-8").splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if "# wrong" in line]
    return number


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_message(program: Path, golden: Golden) -> None:
    error = fail(program)
    text = f"{type(error).__name__}: {error}"
    assert golden == text + "\n"
    assert len(text.splitlines()) < 15
    assert f"{program.name}:{marked_line(program)}" in text


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_traceback_ends_in_the_users_file(program: Path) -> None:
    frames = traceback.extract_tb(fail(program).__traceback__)
    assert frames[-1].filename == str(program)


def test_there_are_enough_programs() -> None:
    assert len(PROGRAMS) >= 25


def test_no_message_speaks_of_internals() -> None:
    for program in PROGRAMS:
        text = str(fail(program))
        assert not re.search(r"<class|object at 0x|Traceback|None Type", text), program.name


def test_a_wrong_mark_is_noticed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import graphdl as gd\nx = gd.placeholder('x', (2,))  # wrong\ny = x @ gd.ones((3,))\n"
    )
    error = fail(program)
    assert f"program.py:{marked_line(program)}" not in str(error).splitlines()[-1]
