"""Lines of LLVM text under construction: nested frames that later lines may be hoisted out of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphdl.typesystem.expression import Expression


@dataclass(slots=True)
class Frame:
    """One loop body or branch. Lines added to an outer frame while an inner one is open stand
    before the branch into the inner one, so they dominate it."""

    label: str
    is_loop: bool = True
    lines: list[str] = field(default_factory=list)
    cache: dict[object, str] = field(default_factory=dict)


class Code:
    """The open frames, outermost first, and fresh names."""

    def __init__(self) -> None:
        self.frames = [Frame("entry")]
        self.entry_lines: list[str] = []
        self.declarations: dict[str, str] = {}
        self._count = 0

    @property
    def depth(self) -> int:
        """The number of the innermost frame."""
        return len(self.frames) - 1

    def fresh(self) -> int:
        """A number that no other name of this function ends in."""
        self._count += 1
        return self._count

    def emit(self, instruction: str, depth: int = -1) -> str:
        """Append `%new = instruction` to a frame and return the new name."""
        self._count += 1
        name = f"%t{self._count}"
        self.frames[depth].lines.append(f"  {name} = {instruction}")
        return name

    def run(self, instruction: str) -> None:
        """Append an instruction without a result to the innermost frame."""
        self.frames[-1].lines.append(f"  {instruction}")

    def home(self, depth: int) -> int:
        """Where a value that could be computed in frame `depth` should be: hoisted out of every
        loop, but not out of branches for its own sake. -1 is the innermost frame."""
        if depth < 0:
            return depth
        while depth + 1 < len(self.frames) and not self.frames[depth + 1].is_loop:
            depth += 1
        return depth

    def find(self, key: object, depth: int) -> str | None:
        """The name of a value computed earlier in frame `depth` or in branches of it."""
        for frame in self.frames[depth:]:
            found = frame.cache.get(key)
            if found is not None:
                return found
        return None

    def remember(self, key: object, depth: int, name: str) -> str:
        """Keep a value's name for `find`."""
        self.frames[depth].cache[key] = name
        return name

    def cached(self, key: object, instruction: str, depth: int) -> str:
        """The result of an instruction that is computed at most once, at home of frame `depth`."""
        found = self.find(key, depth)
        if found is not None:
            return found
        home = self.home(depth)
        return self.remember(key, home, self.emit(instruction, home))

    def call(self, result: str, function: str, arguments: Sequence[tuple[str, str]]) -> str:
        """The text of a call to an intrinsic or runtime function, declared on the way."""
        types = ", ".join(type_ for type_, _ in arguments)
        self.declarations[function] = f"declare {result} @{function}({types})"
        operands = ", ".join(f"{type_} {operand}" for type_, operand in arguments)
        return f"call {result} @{function}({operands})"

    def reserve(self, instruction: str) -> str:
        """Append `%new = instruction` to the very start of the function (stack slots)."""
        self._count += 1
        name = f"%t{self._count}"
        self.entry_lines.append(f"  {name} = {instruction}")
        return name

    def open(self, label: str, *, is_loop: bool) -> None:
        """Start an inner frame whose first block is `label`."""
        self.frames.append(Frame(label, is_loop))

    def close(self) -> Frame:
        """End the innermost frame and return it; the caller links its lines in."""
        return self.frames.pop()

    def link(self, lines: Sequence[str], label: str) -> None:
        """Append finished lines to the innermost frame, which goes on in block `label`."""
        frame = self.frames[-1]
        frame.lines.extend(lines)
        frame.lines.append(f"{label}:")
        frame.label = label

    def text(self) -> str:
        """The finished function body."""
        assert len(self.frames) == 1, "an inner frame is still open"
        return "\n".join(["entry:", *self.entry_lines, *self.frames[0].lines])


class Unsupported(Exception):
    """A construct outside the vector form; the caller turns it into an InternalError."""


def is_symbolic(value: object) -> bool:
    """Whether an index needs code to compute."""
    return isinstance(value, Expression)
