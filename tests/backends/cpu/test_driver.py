"""The driver: every statement of a program, in order, over the right memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.backends.cpu.compile import compile_program
from graphdl.backends.cpu.driver import number_statements
from graphdl.backends.cpu.size_text import SizeWriter
from graphdl.backends.cpu.target import host_target
from graphdl.errors import InternalError, NumericsError
from graphdl.program.nodes import (
    Branch,
    Check,
    Copy,
    GuardCheck,
    HostCall,
    Launch,
    Loop,
    Print,
    Slot,
    Storage,
    Swap,
)
from graphdl.runtime.variable import VariableStorage
from graphdl.source_location import SourceLocation
from graphdl.typesystem.dtype import bool_, int32, int64
from graphdl.typesystem.expression import (
    Comparison,
    Maximum,
    Symbol,
    floor_divide,
    minimum,
    modulo,
)
from graphdl.typesystem.tensor_type import TensorType
from tests.backends.cpu.small_programs import (
    N,
    connect,
    increment,
    numbers,
    program,
    vector,
    view,
)

INPUT, OUTPUT = view(Storage.INPUT), view(Storage.OUTPUT)
FIRST = view(Storage.ARENA)


def test_intermediate_values_lie_in_the_arena() -> None:
    second = view(Storage.ARENA, offset=4 * N + 64)
    made = program(
        (increment(INPUT, FIRST), increment(FIRST, second), increment(second, OUTPUT)),
        arena_bytes=8 * N + 64,
    )
    connected = connect(made)
    for count in (0, 1, 5, 1000, 3):
        np.testing.assert_array_equal(connected.call(numbers(count)), numbers(count) + 3)
    assert connected.arena_bytes >= 8 * 1000 + 64


def test_copies_and_swaps_of_variables() -> None:
    storages = [
        VariableStorage(name, numbers(5000) + start) for name, start in (("a", 0), ("b", 9))
    ]
    slots = tuple(Slot(each.name, vector(5000), each) for each in storages)
    first, second = (view(Storage.VARIABLE, position, size=5000) for position in (0, 1))
    statements = (Copy(first, view(Storage.OUTPUT, size=5000)), Swap(first, second))
    made = program(statements, inputs=(), outputs=(vector(5000),), variables=slots, sizes=())
    connected = connect(made)
    np.testing.assert_array_equal(connected.call(), numbers(5000))
    np.testing.assert_array_equal(storages[0].read(), numbers(5000) + 9)
    np.testing.assert_array_equal(storages[1].read(), numbers(5000))
    np.testing.assert_array_equal(connected.call(), numbers(5000) + 9)


def test_constants_are_read_in_place() -> None:
    constant = Slot("c", vector(4), np.array([5, 6, 7, 8], np.float32))
    source = view(Storage.CONSTANT, size=4)
    made = program((increment(source, view(Storage.OUTPUT, size=4), 4),), inputs=(),
                   outputs=(vector(4),), constants=(constant,), sizes=())  # fmt: skip
    np.testing.assert_array_equal(connect(made).call(), [6, 7, 8, 9])


def test_a_failed_check_names_its_message_and_writes_nothing_behind_it() -> None:
    storage = VariableStorage("w", numbers(3))
    flags = view(Storage.ARENA, dtype=bool_)
    location = SourceLocation("user.py", 7)
    made = program(
        (
            Launch("positive", (INPUT, flags), (N,)),
            Check(flags, None, "x must be positive", location),
            increment(view(Storage.VARIABLE, size=3), view(Storage.OUTPUT, size=3), 3),
            Copy(view(Storage.OUTPUT, size=3), view(Storage.VARIABLE, size=3)),
        ),
        outputs=(vector(3),),
        variables=(Slot("w", vector(3), storage),),
        arena_bytes=N,
    )
    connected = connect(made)
    with pytest.raises(NumericsError, match="x must be positive") as caught:
        connected.call(numbers(3))
    assert caught.value.location == location
    np.testing.assert_array_equal(storage.read(), numbers(3))
    np.testing.assert_array_equal(connected.call(numbers(3) + 1), numbers(3) + 1)
    np.testing.assert_array_equal(storage.read(), numbers(3) + 1)
    assert connected.call(numbers(0)).shape == (3,)


@pytest.mark.parametrize("dtype", [bool_, int32, int64], ids=str)
def test_a_branch_runs_the_body_of_its_number(dtype: Any) -> None:
    which = TensorType(dtype, ())
    condition = view(Storage.INPUT, 1)
    condition = type(condition)(Storage.INPUT, 1, 0, which)
    bodies = ((increment(INPUT, OUTPUT),), (Copy(INPUT, OUTPUT),))
    connected = connect(program((Branch(condition, bodies),), inputs=(vector(), which)))
    for number, expected in ((0, numbers(4) + 1), (1, numbers(4))):
        found = connected.call(numbers(4), np.array(number, dtype.numpy))
        np.testing.assert_array_equal(found, expected)


def test_a_loop_counts_its_symbol_and_nests() -> None:
    step, inner = Symbol("step"), Symbol("inner")
    row = view(Storage.OUTPUT, offset=4 * (step * N + inner), size=1)
    source = view(Storage.INPUT, offset=4 * inner, size=1)
    body = (Loop(inner, N, (increment(source, row, 1), increment(row, row, 1))),)
    body = (Loop(inner, N, (increment(source, FIRST, 1), increment(FIRST, row, 1))),)
    made = program((Loop(step, 3, body), increment(INPUT, view(Storage.OUTPUT, offset=12 * N))),
                   outputs=(vector(4 * N),), arena_bytes=64)  # fmt: skip
    expected = np.concatenate([numbers(5) + 2] * 3 + [numbers(5) + 1])
    np.testing.assert_array_equal(connect(made).call(numbers(5)), expected)
    assert connect(made).call(numbers(0)).shape == (0,)


def test_print_and_host_calls_come_in_program_order() -> None:
    seen: list[tuple[str, list[float]]] = []
    made = program(
        (
            Print(INPUT, "before "),
            HostCall("twice", (INPUT,), (FIRST,)),
            Print(FIRST, "after "),
            increment(FIRST, OUTPUT),
        ),
        arena_bytes=4 * N,
    )
    connected = connect(
        made,
        functions={"twice": lambda x: x * 2},
        show=lambda statement, value: seen.append((statement.message, value.tolist())),
    )
    np.testing.assert_array_equal(connected.call(numbers(3)), [1, 3, 5])
    assert seen == [("before ", [0, 1, 2]), ("after ", [0, 2, 4])]


def test_an_exception_in_a_callback_comes_back_to_the_caller() -> None:
    def refuse(statement: Print, value: Any) -> None:
        raise ValueError("no")

    connected = connect(program((Print(INPUT, ""), increment(INPUT, OUTPUT))), show=refuse)
    with pytest.raises(ValueError, match="no"):
        connected.call(numbers(2))
    connected = connect(program((HostCall("missing", (INPUT,), (OUTPUT,)),)))
    with pytest.raises(InternalError, match="missing"):
        connected.call(numbers(2))


def test_a_guard_that_fails_goes_to_the_fallback() -> None:
    guard = GuardCheck(Comparison(modulo(N, 4), "==", 0), "n must be a multiple of 4")
    connected = connect(program((increment(INPUT, OUTPUT),), guards=(guard,)))
    assert connected.call(numbers(8)).shape == (8,)
    assert connected.call(numbers(6)) == ("fallback", 1)


def test_statements_are_numbered_bodies_after_owners() -> None:
    copy = Copy(INPUT, OUTPUT)
    loop = Loop(Symbol("i"), 2, (copy, increment(INPUT, OUTPUT)))
    numbered = number_statements(program((loop, copy)))
    assert [type(each).__name__ for each in numbered] == ["Loop", "Copy", "Launch", "Copy"]


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    connected = connect(program((increment(INPUT, OUTPUT),)))
    values = np.random.default_rng(0).standard_normal(3_000_001).astype(np.float32)
    results = []
    for threads in (1, 2, 3):
        connected.set_threads(threads)
        results.append(connected.call(values))
    assert all(np.array_equal(values + np.float32(1), each) for each in results)


def test_the_objects_are_the_same_in_another_compilation() -> None:
    made = program((increment(INPUT, OUTPUT),))
    first, second = (compile_program(made, host_target()) for _ in range(2))
    assert first.objects == second.objects
    assert "define i64 @graphdl_run" in first.llvm
    assert "graphdl_run:" in first.assembly()


def test_sizes_are_computed_as_the_algebra_says() -> None:
    n, m = Symbol("n"), Symbol("m")
    cases = [
        n * m * 3 - 7,
        floor_divide(n - 20, m),
        modulo(n - 20, m),
        floor_divide(n - 50, 8),
        modulo(7 - n, 8),
        minimum(n, m, 9),
        Maximum((n, 2 * m + 1, 4)),
    ]
    values = {"n": 13, "m": 5}
    lines: list[str] = []
    count = iter(range(1000))
    writer = SizeWriter(lines, lambda: f"%v{next(count)}", {n: "%n", m: "%m"})
    names = [writer.write(case) for case in cases]
    found = _interpret(lines, {f"%{name}": value for name, value in values.items()})
    expected = [3 * 13 * 5 - 7, (13 - 20) // 5, (13 - 20) % 5, (13 - 50) // 8, (7 - 13) % 8, 5, 13]
    assert [found[name] for name in names] == expected
    assert len(lines) == len(set(line.split("=")[1] for line in lines)), "computed twice"


def _interpret(lines: list[str], values: dict[str, int]) -> dict[str, int]:
    """LLVM's integer instructions in Python."""
    for line in lines:
        name, instruction = line.strip().split(" = ")
        words = instruction.replace(",", " ").replace("(", " ").replace(")", " ").split()
        numbers_ = [
            values[word] if word in values else int(word)
            for word in words
            if word in values or word.lstrip("-").isdigit()
        ]
        values[name] = _apply(words, numbers_)
    return values


def _apply(words: list[str], operands: list[int]) -> int:
    left, right = (*operands, 0)[:2]
    match words[0]:
        case "call":
            return min(operands) if "smin" in words[2] else max(operands)
        case "icmp":
            return int(left < right if words[1] == "slt" else left != right)
        case "sdiv":
            return int(left / right)
        case "srem":
            return left - right * int(left / right)
        case "zext":
            return left
    table = {"add": left + right, "sub": left - right, "mul": left * right, "xor": left ^ right,
             "and": left & right, "ashr": left >> max(right, 0)}  # fmt: skip
    return table[words[0]]
