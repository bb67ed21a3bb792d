"""`golden`: a text kept in a file under tests/golden/, rewritten with `pytest --update-golden`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_DIRECTORY = Path(__file__).parents[1] / "golden"


class Golden:
    """Equal to the text in its file; `golden("name")` is a second text of the same test."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, path: Path, is_updating: bool) -> None:
        self.path = path
        self.is_updating = is_updating

    def __call__(self, name: str) -> Golden:
        return Golden(self.path.with_name(f"{self.path.stem}.{name}.txt"), self.is_updating)

    def read(self) -> str:
        """What the file holds; empty when it does not exist yet."""
        return self.path.read_text(encoding="utf-8") if self.path.exists() else ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return NotImplemented
        if self.is_updating:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(other, encoding="utf-8")
        return self.read() == other

    def __repr__(self) -> str:
        return f"{self.path.name}:\n{self.read() or '(no such file)'}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden texts")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """The golden text of this test: tests/golden/<folder>/<file>/<test>.txt."""
    folder = Path(request.node.path).relative_to(_DIRECTORY.parent).with_suffix("")
    name = re.sub(r"[^\w.-]+", "_", request.node.name.removeprefix("test_")).strip("_")
    path = _DIRECTORY / folder.parent / folder.name.removeprefix("test_") / f"{name}.txt"
    return Golden(path, request.config.getoption("--update-golden"))
