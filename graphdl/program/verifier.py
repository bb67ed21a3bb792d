"""Checks that a program is well formed: places exist, views fit, kernels get what they declare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphdl.errors import InternalError
from graphdl.kernel.nodes import Access, Kernel
from graphdl.kernel.verifier import verify as verify_kernel
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
    Storage,
    Swap,
    View,
)
from graphdl.program.printer import statement_lines, view_text
from graphdl.typesystem.expression import Size, free_symbols, product, substitute


def verify(program: Program) -> None:
    """Raise InternalError unless every statement of `program` makes sense.

    C1: a view's place exists. C2: its dtype and size are those of its slot; in the arena its offset
    is a multiple of 64. C3: a launch gives its kernel one view per buffer, of the buffer's dtype
    and element count, and one size per size. C4: inputs and constants are never written. C5: copies
    and swaps are between views of one type. C6: only named sizes are mentioned. Kernels are
    verified too.
    """
    for name, kernel in program.kernels.items():
        if name != kernel.name:
            raise InternalError(f"kernel {kernel.name} is listed as {name}")
        verify_kernel(kernel)
    known = frozenset(program.sizes)
    for statement in flatten(program.statements):
        try:
            _check(program, statement)
        except _Fault as fault:
            line = next(iter(statement_lines(statement)))
            raise InternalError(f"program {program.name}: {fault}: {line}") from None
    if not free_symbols(program.arena_bytes) <= known:
        raise InternalError(f"program {program.name}: the arena's size has unknown names")


class _Fault(Exception):
    """What is wrong with a statement."""


def flatten(statements: Sequence[Statement]) -> Iterator[Statement]:
    """All statements, bodies after their owner."""
    for statement in statements:
        yield statement
        match statement:
            case Loop(_, _, body):
                yield from flatten(body)
            case Branch(_, bodies):
                for body in bodies:
                    yield from flatten(body)


def reads_and_writes(program: Program, statement: Statement) -> tuple[list[View], list[View]]:
    """The views that a statement (its bodies apart) reads, and those that it writes."""
    match statement:
        case Launch(name, views, _):
            accesses = [buffer.access for buffer in program.kernels[name].buffers]
            pairs = list(zip(views, accesses, strict=True))
            return (
                [view for view, access in pairs if access is not Access.WRITE],
                [view for view, access in pairs if access is not Access.READ],
            )
        case Copy(source, target):
            return [source], [target]
        case Swap(first, second):
            return [first, second], [first, second]
        case Check(condition, value):
            return [condition, *([value] if value is not None else [])], []
        case Print(value):
            return [value], []
        case Branch(condition):
            return [condition], []
        case HostCall(_, views, outputs):
            return list(views), list(outputs)
    return [], []


def _check(program: Program, statement: Statement) -> None:
    if isinstance(statement, Launch):
        _check_launch(program, statement)
    reads, writes = reads_and_writes(program, statement)
    for view in (*reads, *writes):
        _check_view(program, view)
    for view in writes:
        if view.storage in (Storage.INPUT, Storage.CONSTANT):
            raise _Fault(f"C4: {view_text(view)} is written")
    match statement:
        case Copy(first, second) | Swap(first, second) if first.type != second.type:
            raise _Fault("C5: the types differ")


def _check_launch(program: Program, launch: Launch) -> None:
    kernel = program.kernels.get(launch.kernel)
    if not isinstance(kernel, Kernel):
        raise _Fault(f"C3: there is no kernel {launch.kernel}")
    if len(launch.views) != len(kernel.buffers) or len(launch.sizes) != len(kernel.sizes):
        raise _Fault("C3: wrong number of views or sizes")
    sizes: dict[object, Size] = dict(zip(kernel.sizes, launch.sizes, strict=True))
    for view, buffer in zip(launch.views, kernel.buffers, strict=True):
        wanted = product(substitute(size, sizes) for size in buffer.shape)  # type: ignore[arg-type]
        if view.type.dtype != buffer.dtype or view.type.element_count != wanted:
            raise _Fault(f"C3: {view_text(view)} is no {buffer.dtype} of {wanted} elements")


def _check_view(program: Program, view: View) -> None:
    steps = {each.symbol for each in flatten(program.statements) if isinstance(each, Loop)}
    moves = bool(free_symbols(view.offset) & steps)
    if view.storage is Storage.ARENA:
        if not moves and view.offset % 64 != 0:
            raise _Fault(f"C2: {view_text(view)} is not aligned")
        return
    slots = {
        Storage.INPUT: program.inputs,
        Storage.OUTPUT: program.outputs,
        Storage.VARIABLE: program.variables,
        Storage.CONSTANT: program.constants,
    }[view.storage]
    if view.position >= len(slots):
        raise _Fault(f"C1: there is no {view.storage.value} {view.position}")
    slot = slots[view.position]
    if slot.type.dtype != view.type.dtype:
        raise _Fault(f"C2: {view_text(view)} does not fit {slot.type}")
    if not moves and slot.type.byte_count != view.type.byte_count:
        raise _Fault(f"C2: {view_text(view)} does not fit {slot.type}")
