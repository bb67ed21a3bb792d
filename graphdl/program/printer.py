"""A program as text, which `parser.parse` reads back.

program train_step(batch)
  input x: float32[batch, 64]
  output output0: float32[]
  variable kernel: float32[64, 10]
  constant constant0: float32[2] = "AACAPwAAAEA="
  guard batch%2 == 0 "reshape: …"
  arena 256*batch+64
  launch row(input0: float32[batch, 64], arena+0: float32[batch]) sizes(batch, 64)
  copy arena+64: float32[64, 10] to variable0: float32[64, 10]
  check arena+128: bool[] "finite" of input0: float32[batch, 64]
  loop i0 in 4
    …
kernel row(n0, n1)
    …
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator

import numpy as np

from graphdl.kernel.printer import text as kernel_text
from graphdl.program.nodes import (
    Branch,
    Check,
    Copy,
    HostCall,
    Launch,
    Loop,
    Print,
    Program,
    Slot,
    Statement,
    Storage,
    Swap,
    View,
)
from graphdl.typesystem.expression import Size


def text(program: Program, with_kernels: bool = True) -> str:
    """The whole program, ending in a newline; without its kernels it cannot be parsed back."""
    lines = [f"program {_name(program.name)}({_joined(program.sizes)})"]
    lines += [f"  {line}" for line in _declarations(program)]
    lines += [f"  {line}" for line in body_lines(program.statements)]
    kernels = [kernel_text(kernel) for kernel in program.kernels.values() if with_kernels]
    return "\n".join(lines) + "\n" + "".join(kernels)


def _declarations(program: Program) -> Iterator[str]:
    for word, slots in (
        ("input", program.inputs),
        ("output", program.outputs),
        ("variable", program.variables),
    ):
        for slot in slots:
            yield f"{word} {_name(slot.name)}: {slot.type}"
    for slot in program.constants:
        yield f"constant {_name(slot.name)}: {slot.type} = {_data(slot)}"
    for guard in program.guards:
        yield f"guard {guard.condition} {json.dumps(guard.message)}"
    yield f"arena {program.arena_bytes}"


def _data(slot: Slot) -> str:
    array = np.ascontiguousarray(slot.value)
    return json.dumps(base64.b64encode(array.tobytes()).decode())


def _name(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def _joined(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def view_text(view: View) -> str:
    """`arena+64: float32[batch]`, `input0: int64[]`."""
    return f"{_place(view.storage, view.position, view.offset)}: {view.type}"


def _place(storage: Storage, position: int, offset: Size) -> str:
    if storage is Storage.ARENA:
        return f"arena+{offset}"
    return f"{storage.value}{position}" + (f"+{offset}" if offset != 0 else "")


def body_lines(statements: Iterable[Statement]) -> Iterator[str]:
    """One line per statement; bodies are indented."""
    for statement in statements:
        yield from statement_lines(statement)


def statement_lines(statement: Statement) -> Iterator[str]:
    """The lines of one statement."""
    match statement:
        case Loop(symbol, count, body):
            yield f"loop {symbol} in {count}"
            yield from (f"  {line}" for line in body_lines(body))
        case Branch(condition, bodies):
            yield f"branch {view_text(condition)}"
            for number, body in enumerate(bodies):
                yield f"  case {number}"
                yield from (f"    {line}" for line in body_lines(body))
        case _:
            yield _line(statement)


def _line(statement: Statement) -> str:
    match statement:
        case Launch(kernel, views, sizes):
            return f"launch {kernel}({_views(views)}) sizes({_joined(sizes)})"
        case Copy(source, target):
            return f"copy {view_text(source)} to {view_text(target)}"
        case Swap(first, second):
            return f"swap {view_text(first)} with {view_text(second)}"
        case Check(condition, value, message):
            of = f" of {view_text(value)}" if value is not None else ""
            return f"check {view_text(condition)} {json.dumps(message)}{of}"
        case Print(value, message):
            return f"print {view_text(value)} {json.dumps(message)}"
        case HostCall(function, views, outputs):
            return f"host {function}({_views(views)}) to ({_views(outputs)})"
    raise AssertionError(f"not a simple statement: {statement!r}")


def _views(views: Iterable[View]) -> str:
    return ", ".join(map(view_text, views))
