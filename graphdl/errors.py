"""Error classes. The user's mistakes, failures while running, and graphdl's own bugs.

A message is a sentence, the operands with the lines that made them, the user's line, and a hint:

    ShapeError: matmul: contracted sizes differ: lhs axis 1 is 784, rhs axis 0 is 512
      lhs  float32[batch, 784]  placeholder "image"   train.py:12
      rhs  float32[512, 10]     variable "w2"         train.py:17
      at train.py:18     logits = image @ w2
      hint: …

`aligned` lays out the operand lines. Public entry points carry `@hides_internal_frames`, so that a
traceback ends at the user's line.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from graphdl.source_location import SourceLocation, current_location, is_internal

MAXIMUM_LINES = 15
MAXIMUM_SOURCE_WIDTH = 120

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class GraphdlError(Exception):
    """Base of everything that graphdl raises on purpose.

    `details` are extra lines (operands, values); `location` defaults to the user's current line.
    `full_traceback` keeps what `hides_internal_frames` removed.
    """

    full_traceback: TracebackType | None = None

    def __init__(
        self,
        message: str,
        *,
        details: Sequence[str] = (),
        hint: str | None = None,
        location: SourceLocation | None = None,
    ) -> None:
        self.message = message
        self.details = tuple(details)
        self.hint = hint
        self.location = location if location is not None else current_location()
        super().__init__(self._text())

    def __reduce__(self) -> tuple[Any, ...]:
        state = {key: value for key, value in self.__dict__.items() if key != "full_traceback"}
        return _restored, (type(self), self.args, state)

    def _text(self) -> str:
        tail: list[str] = []
        if self.location is not None:
            tail.append(f"  at {self.location}     {_shortened(self.location.text)}".rstrip())
        if self.hint:
            tail.append(f"  hint: {self.hint}")
        lines = [line for text in (self.message, *tail) for line in text.split("\n")]
        room = max(MAXIMUM_LINES - len(lines), 1)
        details = [f"  {line}" for line in self.details]
        if len(details) > room:
            details = [*details[: room - 1], f"  … {len(details) - room + 1} more lines"]
        return "\n".join([self.message, *details, *tail])


class UserError(GraphdlError):
    """A mistake in the user's program or data."""


class ShapeError(UserError, ValueError):
    """Sizes or ranks that do not fit."""


class DTypeError(UserError, TypeError):
    """An element type that is not accepted here."""


class ArgumentError(UserError, ValueError):
    """An argument with an impossible value."""


class GradientError(UserError):
    """A derivative that does not exist."""


class NumericsError(UserError):
    """A NaN or infinity found by check_numerics, or a failed gd.check."""


class TargetError(UserError):
    """A target that this machine or installation cannot compile for or run on."""


class ArtifactError(UserError):
    """A damaged, outdated or foreign artifact."""


class RuntimeFailure(GraphdlError):
    """Something outside the program failed while it ran (memory, files, the device)."""


class InternalError(GraphdlError):
    """A bug in graphdl."""

    def __init__(self, message: str, *, repro: str | None = None) -> None:
        note = f"; `{repro}` reproduces it" if repro else ""
        super().__init__(f"a bug in graphdl: {message}{note}")


def aligned(rows: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Lines whose cells stand in columns, two spaces apart; rows may differ in length.

    >>> aligned([("lhs", "float32[2]", "a.py:1"), ("rhs", "bool[]", "a.py:22")])
    ('lhs  float32[2]  a.py:1', 'rhs  bool[]      a.py:22')
    """
    table = [tuple(row) for row in rows]
    widths = [
        max(len(row[column]) for row in table if column < len(row))
        for column in range(max(map(len, table), default=0))
    ]
    return tuple(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in table
    )


def hides_internal_frames(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """A public entry point whose errors show the user's frames and none of graphdl.

    Only errors that graphdl raises on purpose are trimmed, and never InternalError; what was
    removed stays in the error's `full_traceback`. A call costs about 50 ns more.
    """

    @functools.wraps(function)
    def entry(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        __tracebackhide__ = True  # pytest and IPython leave this frame out, too
        try:
            return function(*args, **kwargs)
        except GraphdlError as error:
            trim_frames(error)
            raise

    return entry


def trim_frames(error: GraphdlError) -> None:
    """Leave only the user's frames in the traceback of an error that is about to be raised again.

    Those of InternalError stay; what is removed stays in `full_traceback`.
    """
    if isinstance(error, InternalError):
        return
    if error.full_traceback is None:
        error.full_traceback = error.__traceback__
    error.__traceback__ = _users_part(error.__traceback__)


def _users_part(traceback: TracebackType | None) -> TracebackType | None:
    """The entries of a traceback that lie outside graphdl."""
    kept: list[TracebackType] = []
    while traceback is not None:
        if not is_internal(traceback.tb_frame):
            kept.append(traceback)
        traceback = traceback.tb_next
    result: TracebackType | None = None
    for entry in reversed(kept):
        result = TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result


def _shortened(text: str) -> str:
    fits = len(text) <= MAXIMUM_SOURCE_WIDTH
    return text if fits else f"{text[: MAXIMUM_SOURCE_WIDTH - 1]}…"


def _restored(
    kind: type[GraphdlError], arguments: tuple[object, ...], state: dict[str, object]
) -> GraphdlError:
    """A pickled error, at its own line and not at the reader's."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error
