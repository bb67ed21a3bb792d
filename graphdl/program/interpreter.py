"""A program in NumPy: every statement in order over real memory, kernels by their interpreter.

The third oracle, between the graph's interpreter and native code: fusion, order and memory plan are
all in it, code generation is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import InternalError, NumericsError, ShapeError
from graphdl.kernel.interpreter import interpret as interpret_kernel
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
from graphdl.typesystem.expression import Symbol, evaluate
from graphdl.typesystem.printed_array import printed_line

Array = NDArray[Any]
Printer = Callable[[str, Array], None]
CANARY = 64
"""Bytes around the arena that must not change."""


def interpret(
    program: Program,
    inputs: Sequence[Array],
    variables: Sequence[Array],
    sizes: Mapping[Symbol, int],
    show: Printer | None = None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> list[Array]:
    """Run one call. `variables` are changed in place; the outputs come back as fresh arrays.

    The arena starts as garbage. Raises ShapeError (a guard), NumericsError (a check), InternalError
    (a kernel that leaves its buffers, or a write around the arena).
    """
    for guard in program.guards:
        if not guard.condition.holds(sizes):
            raise ShapeError(guard.message, location=guard.location)
    run = _Run(program, inputs, variables, dict(sizes), show or _show, functions or {})
    run.body(program.statements)
    run.check_canaries()
    return [run.outputs[number] for number in range(len(program.outputs))]


def _show(message: str, array: Array) -> None:
    print(printed_line(message, array))  # noqa: T201


@dataclass(slots=True)
class _Memory:
    arena: NDArray[np.uint8]
    size: int


class _Run:
    def __init__(
        self,
        program: Program,
        inputs: Sequence[Array],
        variables: Sequence[Array],
        sizes: dict[Symbol, int],
        show: Printer,
        functions: Mapping[str, Callable[..., Any]],
    ) -> None:
        self.program = program
        self.sizes = sizes
        self.show = show
        self.functions = functions
        self.outputs = [self.make(slot.type.shape, slot.type.dtype) for slot in program.outputs]
        size = evaluate(program.arena_bytes, sizes)
        self.memory = _Memory(np.full(size + 2 * CANARY, 0xA5, np.uint8), size)
        self.arrays: dict[Storage, Sequence[Array]] = {
            Storage.INPUT: [
                np.ascontiguousarray(array).reshape(np.shape(array)) for array in inputs
            ],
            Storage.OUTPUT: self.outputs,
            Storage.VARIABLE: variables,
            Storage.CONSTANT: [np.asarray(slot.value) for slot in program.constants],
        }

    def make(self, shape: Sequence[Any], dtype: Any) -> Array:
        return np.empty([evaluate(size, self.sizes) for size in shape], dtype.numpy)

    def check_canaries(self) -> None:
        arena, size = self.memory.arena, self.memory.size
        if not (np.all(arena[:CANARY] == 0xA5) and np.all(arena[CANARY + size :] == 0xA5)):
            raise InternalError(f"program {self.program.name} wrote outside of its arena")

    def view(self, view: View) -> Array:
        """The array that a view stands for; writes go through."""
        shape = tuple(evaluate(size, self.sizes) for size in view.type.shape)
        dtype = view.type.dtype.numpy
        offset = evaluate(view.offset, self.sizes)
        count = prod(shape) * dtype.itemsize
        if view.storage is Storage.ARENA:
            if offset + count > self.memory.size:
                raise InternalError(f"program {self.program.name}: a view leaves the arena")
            start = CANARY + offset
            return self.memory.arena[start : start + count].view(dtype).reshape(shape)
        array = self.arrays[view.storage][view.position]
        flat = array.reshape(-1)
        flat = flat[offset // dtype.itemsize :][: prod(shape)]
        return flat.view(dtype).reshape(shape)

    def body(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, statement: Statement) -> None:
        match statement:
            case Launch():
                self.launch(statement)
            case Copy(source, target):
                self.view(target)[...] = self.view(source)
            case Swap(first, second):
                left, right = self.view(first), self.view(second)
                kept = left.copy()
                left[...], right[...] = right, kept
            case Check() | Print() | HostCall():
                self.host(statement)
            case Loop(symbol, count, body):
                for number in range(evaluate(count, self.sizes)):
                    self.sizes[symbol] = number
                    self.body(body)
            case Branch(condition, bodies):
                self.body(bodies[int(self.view(condition))])

    def host(self, statement: Check | Print | HostCall) -> None:
        match statement:
            case Check(condition, _, message, location):
                if not self.view(condition).all():
                    raise NumericsError(f"check failed: {message}", location=location)
            case Print(value, message):
                self.show(message, self.view(value))
            case HostCall(function, views, outputs):
                results = self.functions[function](*map(self.view, views))
                for target, result in zip(outputs, results, strict=True):
                    self.view(target)[...] = result

    def launch(self, launch: Launch) -> None:
        kernel = self.program.kernels[launch.kernel]
        sizes = [evaluate(size, self.sizes) for size in launch.sizes]
        values = dict(zip(kernel.sizes, sizes, strict=True))
        arrays = []
        for view, buffer in zip(launch.views, kernel.buffers, strict=True):
            shape = tuple(evaluate(size, values) for size in buffer.shape)
            arrays.append(self.view(view).reshape(shape))
        interpret_kernel(kernel, arrays, sizes)
