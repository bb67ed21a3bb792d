"""The program: what one call does, in order, over buffers whose places are fixed in advance.

Grammar

    Program   ::= Program(name, sizes: Symbol*, inputs, outputs, variables: Slot*, constants: Slot*,
                          guards: Guard*, arena_bytes: Size, kernels: {name: Kernel},
                          statements: Statement*)
    Slot      ::= Slot(name, type: TensorType)
    View      ::= View(storage, position, offset: Size, type: TensorType)
    Storage   ::= INPUT | OUTPUT | VARIABLE | CONSTANT | ARENA
    Statement ::= Launch(kernel, views: View*, sizes: Size*)
                | Copy(source: View, target: View)
                | Swap(first: View, second: View)
                | Check(condition: View, value: View | None, message, location)
                | Print(value: View, message, location)
                | Loop(symbol, count: Size, body) | Branch(condition: View, bodies)
                | HostCall(function, views, outputs)

Every View is dense and row-major. `position` numbers the inputs, outputs, variables or constants;
it is 0 for the arena, where `offset` counts bytes. Sizes are evaluated once, at entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from graphdl.source_location import SourceLocation
from graphdl.typesystem.expression import Comparison, Size, Symbol
from graphdl.typesystem.tensor_type import TensorType


class Storage(Enum):
    """Which array a view looks into."""

    INPUT = "input"
    OUTPUT = "output"
    VARIABLE = "variable"
    CONSTANT = "constant"
    ARENA = "arena"


@dataclass(frozen=True, slots=True)
class Slot:
    """A named array that the caller, the variables or the constants provide.

    `value` is the array of a constant, or the storage object of a variable.
    """

    name: str
    type: TensorType
    value: Any = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class View:
    """A dense array inside a storage."""

    storage: Storage
    position: int
    offset: Size
    type: TensorType


@dataclass(frozen=True, slots=True)
class GuardCheck:
    """A condition on the named sizes, checked before anything runs."""

    condition: Comparison
    message: str
    location: SourceLocation | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Launch:
    """Run a kernel: one view per argument buffer, one value per kernel size, in order."""

    kernel: str
    views: tuple[View, ...]
    sizes: tuple[Size, ...]
    label: str = field(default="", compare=False)
    lines: tuple[SourceLocation, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Copy:
    """target[...] = source[...]; never overlapping."""

    source: View
    target: View
    reason: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Swap:
    """Exchange the contents of two views of one type."""

    first: View
    second: View


@dataclass(frozen=True, slots=True)
class Check:
    """Stop with NumericsError unless the condition is all true."""

    condition: View
    value: View | None
    message: str
    location: SourceLocation | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Print:
    """Print a value, in program order."""

    value: View
    message: str
    location: SourceLocation | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Loop:
    """Repeat the body `count` times."""

    symbol: Symbol
    count: Size
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """Run the body whose number the condition holds."""

    condition: View
    bodies: tuple[tuple[Statement, ...], ...]


@dataclass(frozen=True, slots=True)
class HostCall:
    """Call a named NumPy function on views, writing into the output views."""

    function: str
    views: tuple[View, ...]
    outputs: tuple[View, ...]


Statement = Launch | Copy | Swap | Check | Print | Loop | Branch | HostCall


@dataclass(frozen=True, slots=True)
class Program:
    """One compiled function before code generation. `kernels` are in tiled form."""

    name: str
    sizes: tuple[Symbol, ...]
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    variables: tuple[Slot, ...]
    constants: tuple[Slot, ...]
    guards: tuple[GuardCheck, ...]
    arena_bytes: Size
    kernels: Mapping[str, Any]
    statements: tuple[Statement, ...]
