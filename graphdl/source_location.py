"""The user's file and line: the first frame outside graphdl.

Frames of graphdl itself, of functions that the standard library generates or wraps for it
(dataclasses, contextlib, functools), and nothing else, are internal. Programs, tests and examples
are the user's wherever they lie.
"""

from __future__ import annotations

import contextlib
import functools
import linecache
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """One line of a user's program; prints as `train.py:12`, in a notebook as `In[3]:2`."""

    file: str
    line: int

    @property
    def text(self) -> str:
        """The line itself, stripped; empty when the source cannot be found."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{_cell_name(self.file) or os.path.basename(self.file)}:{self.line}"


def user_frame() -> FrameType | None:
    """The innermost frame that does not belong to graphdl itself."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        is_inside = _internal_files.get(frame.f_code.co_filename)
        if is_inside is None:
            is_inside = is_internal(frame)
        if not is_inside:
            return frame
        frame = frame.f_back
    return None


def current_location() -> SourceLocation | None:
    """Where the user's program is now; None outside of any."""
    frame = user_frame()
    if frame is None:
        return None
    # f_lineno walks the line table, which takes long at the end of a long module
    key = (id(frame.f_code), frame.f_lasti)
    known = _locations.get(key)
    if known is not None and known[0] is frame.f_code:
        return known[1]
    location = SourceLocation(frame.f_code.co_filename, frame.f_lineno)
    if len(_locations) >= _MAXIMUM_LOCATIONS:
        _locations.clear()
    _locations[key] = (frame.f_code, location)
    return location


def is_internal(frame: FrameType) -> bool:
    """Whether a frame belongs to graphdl: its code, or code made on its behalf."""
    file = frame.f_code.co_filename
    known = _internal_files.get(file)
    if known is None:
        if file.startswith("<"):
            return _is_generated(frame)
        known = file.startswith(_PACKAGE)
        if len(_internal_files) < _MAXIMUM_LOCATIONS:
            _internal_files[file] = known
    return known


def _is_generated(frame: FrameType) -> bool:
    """Whether a function without a file was generated for a module of graphdl."""
    name = frame.f_globals.get("__name__")
    return isinstance(name, str) and name.startswith("graphdl.") and name in sys.modules


def _cell_name(file: str) -> str | None:
    """The notebook's name of the cell whose code was compiled under `file`."""
    if file.startswith("<ipython-input-"):
        return f"In[{file.split('-')[2]}]"
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    name_cell: Callable[[str], tuple[str, str] | None] | None = getattr(
        getattr(shell, "compile", None), "format_code_name", None
    )
    label = name_cell(file) if name_cell is not None else None
    return label[1].replace(" ", "") if label else None


_MAXIMUM_LOCATIONS = 1 << 14
_PACKAGE = os.path.dirname(is_internal.__code__.co_filename) + os.sep
_internal_files = {
    contextlib.contextmanager.__code__.co_filename: True,
    functools.update_wrapper.__code__.co_filename: True,
}
_locations: dict[tuple[int, int], tuple[CodeType, SourceLocation]] = {}
