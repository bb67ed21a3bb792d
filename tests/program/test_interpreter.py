"""The program interpreter: each statement's meaning, and the faults that it reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import graphdl as gd
from graphdl.errors import InternalError, NumericsError, ShapeError
from graphdl.graph.nodes import Graph
from graphdl.program.interpreter import interpret
from graphdl.program.nodes import (
    Branch,
    Check,
    Copy,
    GuardCheck,
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
from graphdl.typesystem.dtype import float32, int64
from graphdl.typesystem.expression import Comparison, Symbol
from graphdl.typesystem.tensor_type import TensorType
from tests.schedule.build_program import build_program

N = Symbol("n")
VECTOR = TensorType(float32, (N,))
X = View(Storage.INPUT, 0, 0, VECTOR)
FLAG = View(Storage.INPUT, 1, 0, TensorType(int64, ()))
Y = View(Storage.OUTPUT, 0, 0, VECTOR)
A, B = (View(Storage.VARIABLE, at, 0, VECTOR) for at in (0, 1))
ARRAYS = [np.array([1.0, 2.0], np.float32), np.array(1)]


def run(
    *statements: Statement, flag: int = 1, **options: object
) -> tuple[list[float], list[object]]:
    program = Program(
        "test",
        (N,),
        (Slot("x", VECTOR), Slot("flag", FLAG.type)),
        (Slot("y", VECTOR),),
        (Slot("a", VECTOR), Slot("b", VECTOR)),
        (),
        (GuardCheck(Comparison(N, "!=", 5), "not five"),),
        128,
        {},
        statements,
    )
    state = [np.array([3.0, 4.0], np.float32), np.array([5.0, 6.0], np.float32)]
    inputs = [ARRAYS[0], np.array(flag)]
    (y,) = interpret(program, inputs, state, {N: 2}, **options)  # type: ignore[arg-type]
    return y.tolist(), [array.tolist() for array in state]


def test_copy_and_swap() -> None:
    y, state = run(Copy(A, Y), Swap(A, B))
    assert y == [3.0, 4.0]
    assert state == [[5.0, 6.0], [3.0, 4.0]]


def test_loop_and_branch() -> None:
    rotate = (Swap(A, B),)
    y, state = run(Loop(Symbol("i"), N + 1, rotate), Branch(FLAG, ((), (Copy(X, Y),))))
    assert y == [1.0, 2.0]
    assert state == [[5.0, 6.0], [3.0, 4.0]]


def test_print_and_host_call() -> None:
    shown: list[object] = []
    double = HostCall("double", (X,), (Y,))
    y, _ = run(
        double,
        Print(Y, "y is "),
        show=lambda message, array: shown.append((message, array.tolist())),
        functions={"double": lambda array: (2 * array,)},
    )
    assert y == [2.0, 4.0]
    assert shown == [("y is ", [2.0, 4.0])]


def test_a_failed_check_stops() -> None:
    with pytest.raises(NumericsError, match="flag is set"):
        run(Check(FLAG, None, "flag is set"), flag=0)


def test_a_failed_guard_stops() -> None:
    program = build_program(Graph((), (gd.constant([1.0]),)))
    guarded = replace(program, guards=(GuardCheck(Comparison(1, "==", 2), "never"),))
    with pytest.raises(ShapeError, match="never"):
        interpret(guarded, [], [], {})


def test_outputs_are_fresh() -> None:
    x = gd.placeholder("x", (3,))
    program = build_program(Graph((x,), (x,)))
    array = np.ones(3, np.float32)
    (first,) = interpret(program, [array], [], {})
    assert not np.shares_memory(first, array)


def test_a_view_outside_the_arena_is_reported() -> None:
    x = gd.placeholder("x", ("n", 4))
    program = build_program(Graph((x,), (gd.softmax(x @ gd.matrix_transpose(x)),)))
    small = replace(program, arena_bytes=64)
    with pytest.raises(InternalError, match="leaves the arena"):
        interpret(small, [np.ones((9, 4), np.float32)], [], {N: 9})


def test_a_planted_wrong_kernel_is_caught() -> None:
    """The program's results no longer agree when one kernel reads another input."""
    x, y = gd.placeholder("x", ("n",)), gd.placeholder("y", ("n",))
    program = build_program(Graph((x, y), (x - y,)))
    (launch,) = program.statements
    assert isinstance(launch, Launch)
    swapped = replace(launch, views=(launch.views[1], launch.views[0], launch.views[2]))
    inputs = [np.array([1.0], np.float32), np.array([3.0], np.float32)]
    (good,) = interpret(program, inputs, [], {N: 1})
    (bad,) = interpret(replace(program, statements=(swapped,)), inputs, [], {N: 1})
    assert good[0] == -2.0
    assert bad[0] == 2.0
