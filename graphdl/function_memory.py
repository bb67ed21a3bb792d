"""What a compiled function keeps in memory, known before its first call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graphdl.compiler import Compilation
from graphdl.errors import ArgumentError
from graphdl.program.nodes import Slot
from graphdl.typesystem.expression import Size, Symbol, evaluate


@dataclass(frozen=True, slots=True)
class FunctionMemory:
    """Bytes by purpose, as expressions of the named sizes. Threads' workspaces come on top."""

    arena: Size
    inputs: Size
    outputs: Size
    variables: Size
    constants: Size

    @property
    def total(self) -> Size:
        """All of it together."""
        return self.arena + self.inputs + self.outputs + self.variables + self.constants

    def for_sizes(self, **sizes: int) -> dict[str, int]:
        """The numbers for some sizes: `f.memory.for_sizes(batch=32)`. Raises ArgumentError."""
        values: Mapping[Symbol, int] = {Symbol(name): value for name, value in sizes.items()}
        parts = ("arena", "inputs", "outputs", "variables", "constants", "total")
        try:
            return {part: evaluate(getattr(self, part), values) for part in parts}
        except KeyError as error:
            raise ArgumentError(f"memory: the size {error.args[0]} is missing") from None

    def __str__(self) -> str:
        parts = ("arena", "inputs", "outputs", "variables", "constants", "total")
        return "\n".join(f"{part:10} {getattr(self, part)} bytes" for part in parts)


def measure_memory(compilation: Compilation) -> FunctionMemory:
    """The memory of a compiled function."""
    program = compilation.program
    return FunctionMemory(
        program.arena_bytes,
        _bytes(program.inputs),
        _bytes(program.outputs),
        _bytes(program.variables),
        _bytes(program.constants),
    )


def _bytes(slots: Iterable[Slot]) -> Size:
    total: Size = 0
    for slot in slots:
        total = total + slot.type.byte_count
    return total
