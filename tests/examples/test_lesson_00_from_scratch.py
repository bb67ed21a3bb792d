"""The miniature learns, and its parts do what they say."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

LESSON = Path(__file__).parents[2] / "examples" / "lesson_00_from_scratch.py"


@pytest.fixture(scope="module")
def lesson() -> dict[str, Any]:
    return runpy.run_path(str(LESSON))


def test_the_network_learns(lesson: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert lesson["main"]() < 0.01
    assert "nodes became" in capsys.readouterr().out


def test_gradients_equal_finite_differences(lesson: dict[str, Any]) -> None:
    x = lesson["placeholder"]("x", (2, 3))
    w = lesson["variable"](np.linspace(-1, 1, 6).reshape(3, 2))
    y = lesson["tanh"](x @ w)
    cost = lesson["sum_rows"](lesson["sum_rows"](y * y - y))
    (gradient,) = lesson["grad"](cost, [x])
    data = np.linspace(0.1, 0.9, 6).reshape(2, 3)
    found = lesson["interpret"]([gradient], {"x": data})[0]
    for index in np.ndindex(2, 3):
        step = np.zeros((2, 3))
        step[index] = 1e-6
        ends = [lesson["interpret"]([cost], {"x": data + sign * step})[0] for sign in (1, -1)]
        np.testing.assert_allclose(found[index], (ends[0] - ends[1]) / 2e-6, rtol=1e-6)


def test_wrong_graphs_are_told(lesson: dict[str, Any]) -> None:
    x, y = lesson["placeholder"]("x", (2, 3)), lesson["placeholder"]("y", (2, 2))
    with pytest.raises(ValueError, match="shapes differ"):
        x + y
    with pytest.raises(ValueError, match="contracted sizes differ"):
        x @ y
    with pytest.raises(ValueError, match="does not depend"):
        lesson["grad"](lesson["sum_rows"](x), [y])


def test_the_lesson_is_short_and_names_real_modules() -> None:
    text = LESSON.read_text()
    assert len(text.splitlines()) < 400
    root = LESSON.parents[1]
    for name in (
        "graph/nodes.py", "graph/interpreter.py", "ops/elementwise.py", "autodiff/sweep.py",
        "passes/pipeline.py", "schedule/fuse.py", "kernel/nodes.py", "compiler.py",
    ):  # fmt: skip
        assert name in text
        assert (root / "graphdl" / name).exists()
