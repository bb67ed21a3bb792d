"""The golden fixture itself."""

from __future__ import annotations

from pathlib import Path

from tests.plugins.golden import Golden


def test_a_missing_or_different_text_is_unequal(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    assert Golden(path, False) != "anything"
    path.write_text("something\n")
    assert Golden(path, False) != "anything"
    assert Golden(path, False) == "something\n"
    assert "something" in repr(Golden(path, False))


def test_updating_rewrites_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "text.txt"
    assert Golden(path, True) == "new\n"
    assert path.read_text() == "new\n"
    assert Golden(path, True)("second") == "other\n"
    assert (tmp_path / "deep" / "text.second.txt").read_text() == "other\n"
    assert Golden(path, False) == "new\n"
