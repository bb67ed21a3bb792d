"""The text of programs: golden, and read back to the same program."""

from __future__ import annotations

import numpy as np
import pytest

import graphdl as gd
from graphdl.errors import ArgumentError
from graphdl.graph.nodes import Graph, Update
from graphdl.program.nodes import (
    Branch,
    Check,
    Copy,
    GuardCheck,
    HostCall,
    Loop,
    Print,
    Program,
    Slot,
    Storage,
    Swap,
    View,
)
from graphdl.program.parser import parse
from graphdl.program.printer import text
from graphdl.typesystem.dtype import bool_, float32, int64
from graphdl.typesystem.expression import Comparison, Symbol
from graphdl.typesystem.tensor_type import TensorType
from tests.schedule.build_program import build_program

N = Symbol("n")
VECTOR = TensorType(float32, (N,))
FLAG = TensorType(bool_, ())


def every_statement() -> Program:
    """A program without a meaning that has every form of statement."""
    source = View(Storage.INPUT, 0, 0, VECTOR)
    target = View(Storage.OUTPUT, 0, 0, VECTOR)
    flag = View(Storage.ARENA, 0, 64 * N, FLAG)
    first, second = (View(Storage.VARIABLE, at, 0, VECTOR) for at in (0, 1))
    index = View(Storage.ARENA, 0, 0, TensorType(int64, ()))
    return Program(
        "every statement",
        (N,),
        (Slot("x", VECTOR),),
        (Slot("output0", VECTOR),),
        (Slot("encoder/w", VECTOR), Slot("b", VECTOR)),
        (Slot("constant0", TensorType(float32, (2,)), np.array([1.0, -0.0], np.float32)),),
        (GuardCheck(Comparison(N % 2, "==", 0), 'even, "please"'),),
        64 * N + 64,
        {},
        (
            Copy(source, target),
            Swap(first, second),
            Check(flag, source, "all (finite), or not"),
            Check(flag, None, "x"),
            Print(source, "x is "),
            Loop(
                Symbol("i"), N // 2, (Copy(source, first), Branch(index, ((), (Print(first, ""),))))
            ),
            HostCall("numpy.sort", (source, first), (target,)),
        ),
    )


def test_every_statement_is_read_back() -> None:
    program = every_statement()
    assert parse(text(program)) == program


def test_text() -> None:
    assert text(every_statement()).splitlines() == [
        'program "every statement"(n)',
        "  input x: float32[n]",
        "  output output0: float32[n]",
        '  variable "encoder/w": float32[n]',
        "  variable b: float32[n]",
        '  constant constant0: float32[2] = "AACAPwAAAIA="',
        '  guard n%2 == 0 "even, \\"please\\""',
        "  arena 64*n+64",
        "  copy input0: float32[n] to output0: float32[n]",
        "  swap variable0: float32[n] with variable1: float32[n]",
        '  check arena+64*n: bool[] "all (finite), or not" of input0: float32[n]',
        '  check arena+64*n: bool[] "x"',
        '  print input0: float32[n] "x is "',
        "  loop i in n//2",
        "    copy input0: float32[n] to variable0: float32[n]",
        "    branch arena+0: int64[]",
        "      case 0",
        "      case 1",
        '        print variable0: float32[n] ""',
        "  host numpy.sort(input0: float32[n], variable0: float32[n]) to (output0: float32[n])",
    ]


def test_constants_come_back() -> None:
    (slot,) = parse(text(every_statement())).constants
    np.testing.assert_array_equal(slot.value, np.array([1.0, -0.0], np.float32))


def test_a_real_program_is_read_back_with_its_kernels() -> None:
    x = gd.placeholder("x", ("n", 4))
    w = gd.variable(np.ones((4, 4)))
    graph = Graph((x,), (gd.softmax(x @ w),), (Update(w, w * 0.5),))
    program = build_program(graph)
    again = parse(text(program))
    assert again == program
    assert again.kernels


@pytest.mark.parametrize("bad", ["", "program f(n)", "program f()\n  arena 0\n  jump 3\n"])
def test_other_text_is_refused(bad: str) -> None:
    with pytest.raises(ArgumentError, match="not understood"):
        parse(bad)
