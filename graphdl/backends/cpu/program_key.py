"""What native code is cached under, and how the objects of a program are kept in one piece."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from graphdl.backends.cpu.load import version
from graphdl.backends.cpu.target import CpuTarget
from graphdl.kernel.nodes import Kernel
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
    Statement,
    Swap,
    View,
)
from graphdl.runtime.cache import hash_key

_FORMAT = "graphdl-bundle-1"


def program_key(program: Program, target: CpuTarget, numerics: str) -> str:
    """The cache key of a program's native code."""
    return hash_key(_program_parts(program, target, numerics))


def canonical(kernel: Kernel) -> Kernel:
    """The kernel under a name made from its text, so that equal kernels are one."""
    plain = replace(kernel, name="kernel", lines=(), notes=())
    return replace(plain, name=f"k{hash_key((kernel_text(plain),))[:20]}")


@cache
def _fingerprint() -> str:
    """What of graphdl itself decides the code: sizes and times of the sources of the backend."""
    here = os.path.dirname(os.path.abspath(__file__))
    kernel = os.path.join(os.path.dirname(os.path.dirname(here)), "kernel")
    parts = []
    for root in (here, kernel):
        for folder, _, names in sorted(os.walk(root)):
            for name in sorted(names):
                if name.endswith(".py"):
                    status = os.stat(os.path.join(folder, name))
                    parts.append(f"{name}:{status.st_size}:{status.st_mtime_ns}")
    return hash_key(parts)


def _program_parts(program: Program, target: CpuTarget, numerics: str) -> Iterator[str]:
    """Everything that the native code depends on."""
    yield from (_fingerprint(), version(), str(target), target.feature_text, numerics)
    yield from map(str, program.sizes)
    for slots in (program.inputs, program.outputs, program.variables, program.constants):
        yield "slots"
        yield from (str(slot.type) for slot in slots)
    yield from (str(guard.condition) for guard in program.guards)
    yield f"arena {program.arena_bytes}"
    for name, kernel in program.kernels.items():
        yield name
        yield canonical(kernel).name
    yield from _statement_parts(program.statements)


def _statement_parts(statements: tuple[Statement, ...]) -> Iterator[str]:
    for statement in statements:
        yield type(statement).__name__
        match statement:
            case Launch(kernel, views, sizes):
                yield kernel
                yield from map(_view_text, views)
                yield from map(str, sizes)
            case Loop(symbol, count, body):
                yield f"{symbol} {count}"
                yield from _statement_parts(body)
                yield "end"
            case Branch(condition, bodies):
                yield _view_text(condition)
                for body in bodies:
                    yield from _statement_parts(body)
                    yield "end"
            case _:
                yield from map(_view_text, _plain_views(statement))


def _plain_views(statement: Statement) -> tuple[View, ...]:
    match statement:
        case Copy(first, second) | Swap(first, second):
            return (first, second)
        case Check(condition):
            return (condition,)
        case Print(value):
            return (value,)
        case HostCall(_, views, outputs):
            return (*views, *outputs)
    return ()


def _view_text(view: View) -> str:
    return f"{view.storage.value} {view.position} {view.offset} {view.type}"


def pack(objects: tuple[bytes, ...]) -> bytes:
    """Several objects as one piece of data."""
    header = json.dumps({"format": _FORMAT, "sizes": [len(each) for each in objects]}).encode()
    return len(header).to_bytes(8, "little") + header + b"".join(objects)


def unpack(data: bytes) -> tuple[bytes, ...] | None:
    """The objects of a bundle; None for another format."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    if header.get("format") != _FORMAT:
        return None
    objects = []
    for size in header["sizes"]:
        objects.append(data[end : end + size])
        end += size
    return tuple(objects)
