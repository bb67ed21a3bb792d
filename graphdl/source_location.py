"""The user's file and line: the first frame outside graphdl."""

from __future__ import annotations

import linecache
import os
import sys
from dataclasses import dataclass
from types import FrameType

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """One line of a user's program. Notebook cells have their cell name as `file`."""

    file: str
    line: int

    @property
    def text(self) -> str:
        """The line itself, stripped; empty when the source cannot be found."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"


def user_frame() -> FrameType | None:
    """The innermost frame that does not belong to graphdl itself."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


def current_location() -> SourceLocation | None:
    """Where the user's program is now."""
    frame = user_frame()
    if frame is None:
        return None
    return SourceLocation(frame.f_code.co_filename, frame.f_lineno)
