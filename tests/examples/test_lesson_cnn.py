"""The convolutional lesson learns the digits."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

LESSON = Path(__file__).parents[2] / "examples" / "lesson_cnn.py"


def test_the_network_learns_the_digits(capsys: pytest.CaptureFixture[str]) -> None:
    assert runpy.run_path(str(LESSON))["main"]() > 0.97
    assert "test accuracy" in capsys.readouterr().out
