"""What compiled code asks of Python while it runs: Print, HostCall, and why a call failed."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphdl.errors import InternalError, NumericsError
from graphdl.program.nodes import Check, HostCall, Print, Program, Statement, View
from graphdl.typesystem.expression import Size, Symbol, evaluate
from graphdl.typesystem.printed_array import printed_line

Array = np.ndarray[Any, Any]
HostFunction = Callable[..., Any]

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)


def print_value(statement: Print, value: Array) -> None:
    """What `gd.print` shows: the message, then the value."""
    sys.stdout.write(f"{printed_line(statement.message, value)}\n")


class HostCalls:
    """The callback of one compiled function. An exception stops the program; it is raised again
    where the program was called."""

    def __init__(
        self,
        program: Program,
        statements: Sequence[Statement],
        functions: Mapping[str, HostFunction] | None = None,
        show: Callable[[Print, Array], None] = print_value,
    ) -> None:
        self._sizes: tuple[Symbol, ...] = program.sizes
        self._statements = statements
        self._functions = functions or {}
        self._show = show
        self._error: BaseException | None = None
        self._callback = _CALLBACK(self._call)

    @property
    def address(self) -> int:
        """The C function's address; 0 when the program never calls."""
        if not any(isinstance(each, Print | HostCall) for each in self._statements):
            return 0
        return int(ctypes.cast(self._callback, ctypes.c_void_p).value or 0)

    def fail(self, number: int) -> None:
        """Raise what stopped the program: statement `number`, or misfit strict arguments."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        if number <= 0:
            raise InternalError("converted arguments do not fit the compiled function")
        statement = self._statements[number - 1]
        if isinstance(statement, Check):
            raise NumericsError(statement.message, location=statement.location)
        raise InternalError(f"statement {number} ({type(statement).__name__}) failed")

    def _call(self, number: int, views: int, sizes: int) -> int:
        try:
            self._dispatch(self._statements[number - 1], views, sizes)
        except BaseException as error:
            self._error = error
            return 1
        return 0

    def _dispatch(self, statement: Statement, views: int, sizes: int) -> None:
        count = len(self._sizes)
        numbers = (ctypes.c_int64 * count).from_address(sizes) if count else ()
        bound: dict[Symbol, int] = dict(zip(self._sizes, map(int, numbers), strict=True))
        match statement:
            case Print(value):
                (array,) = _arrays((value,), views, bound)
                self._show(statement, array)
            case HostCall(function, inputs, outputs):
                arrays = _arrays((*inputs, *outputs), views, bound)
                self._run(function, arrays[: len(inputs)], arrays[len(inputs) :])

    def _run(self, function: str, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        if function not in self._functions:
            raise InternalError(f"there is no host function {function!r}")
        results = self._functions[function](*inputs)
        values = results if isinstance(results, tuple) else (results,)
        for output, value in zip(outputs, values, strict=True):
            output[...] = value


def _arrays(views: Sequence[View], addresses: int, bound: Mapping[Symbol, int]) -> list[Array]:
    """NumPy arrays over the memory that views stand for."""
    pointers = (ctypes.c_void_p * len(views)).from_address(addresses)
    return [
        _array(view, pointer or 0, bound) for view, pointer in zip(views, pointers, strict=True)
    ]


def _array(view: View, address: int, bound: Mapping[Symbol, int]) -> Array:
    shape = tuple(_number(size, bound) for size in view.type.shape)
    dtype = view.type.dtype.numpy
    count = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if not count:
        return np.empty(shape, dtype)
    memory = np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(address))
    array: Array = memory.view(dtype).reshape(shape)
    return array


def _number(size: Size, bound: Mapping[Symbol, int]) -> int:
    return size if isinstance(size, int) else evaluate(size, bound)
