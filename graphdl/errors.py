"""Error classes. The user's mistakes, failures while running, and graphdl's own bugs.

A message is a sentence, the operands with the lines that made them, the user's line, and a hint:

    ShapeError: matmul: contracted sizes differ: lhs axis 1 is 784, rhs axis 0 is 512
      lhs  float32[batch, 784]  placeholder "image"   train.py:12
      rhs  float32[512, 10]     variable "w2"         train.py:17
      at train.py:18     logits = image @ w2
      hint: …
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.source_location import SourceLocation, current_location

MAXIMUM_LINES = 15


class GraphdlError(Exception):
    """Base of everything that graphdl raises on purpose.

    `details` are extra lines (operands, values); `location` defaults to the user's current line.
    """

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

    def _text(self) -> str:
        tail: list[str] = []
        if self.location is not None:
            tail.append(f"  at {self.location}     {self.location.text}".rstrip())
        if self.hint:
            tail.append(f"  hint: {self.hint}")
        room = MAXIMUM_LINES - 1 - len(tail)
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
