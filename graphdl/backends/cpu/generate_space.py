"""Where a kernel's own buffers live: registers, the stack, or the calling thread's workspace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphdl.kernel.nodes import Allocate, Buffer, If, Loop, Space, Statement
from graphdl.typesystem.expression import Size, product

STACK_BYTES = 64 * 1024
"""THREAD buffers of constant size up to this live on the stack."""
ALIGNMENT = 64


def rounded_bytes(buffer: Buffer) -> Size:
    """The buffer's bytes, rounded up to whole cache lines."""
    size = product(buffer.shape) * buffer.dtype.itemsize
    return (size + (ALIGNMENT - 1)) // ALIGNMENT * ALIGNMENT


def is_on_stack(buffer: Buffer) -> bool:
    """Whether the buffer needs no workspace."""
    if buffer.space is Space.REGISTER:
        return True
    size = product(buffer.shape) * buffer.dtype.itemsize
    return isinstance(size, int) and size <= STACK_BYTES


def workspace_buffers(body: Sequence[Statement]) -> tuple[Buffer, ...]:
    """The buffers that live in the workspace, each once, in the order of their places there."""
    return tuple(dict.fromkeys(each for each in _allocated(body) if not is_on_stack(each)))


def _allocated(body: Sequence[Statement]) -> Iterator[Buffer]:
    for statement in body:
        match statement:
            case Allocate(buffer):
                yield buffer
            case Loop():
                yield from _allocated(statement.body)
            case If():
                yield from _allocated(statement.body)
                yield from _allocated(statement.otherwise)
