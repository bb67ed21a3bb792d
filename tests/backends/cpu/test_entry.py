"""The entry: exact arrays run at once, everything else reaches the fallback, nothing leaks."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest

from graphdl.backends.cpu.entry import Field
from graphdl.backends.cpu.entry_tables import plan_entry, reads_array_structs
from graphdl.errors import InternalError
from graphdl.program.nodes import Copy, HostCall, Slot, Storage
from graphdl.runtime.variable import VariableStorage
from graphdl.typesystem.dtype import bfloat16, float64, int64
from graphdl.typesystem.expression import Symbol
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
SIMPLE = program((increment(INPUT, OUTPUT),))
FALLBACK = ("fallback", 1)


def test_exact_arrays_run() -> None:
    call = connect(SIMPLE).call
    for count in (0, 1, 4, 1000):
        result = call(numbers(count))
        assert type(result) is np.ndarray
        assert result.dtype == np.float32
        assert result.flags.c_contiguous
        assert result.flags.owndata
        np.testing.assert_array_equal(result, numbers(count) + 1)


class Subclass(np.ndarray[Any, Any]):
    pass


@pytest.mark.parametrize(
    "argument",
    [
        numbers(4).astype(np.float64),
        numbers(4).astype(">f4"),
        numbers(8)[::2],
        numbers(4).reshape(2, 2),
        np.float32(3),
        np.array(3, np.float32),
        numbers(4).view(Subclass),
        np.frombuffer(bytes(17), np.uint8)[1:].view(np.float32),
        [1.0, 2.0],
        memoryview(numbers(3)),
        None,
    ],
    ids=["float64", "swapped", "strided", "rank", "scalar", "0-d", "subclass", "unaligned", "list",
         "memory", "None"],
)  # fmt: skip
def test_anything_unusual_goes_to_the_fallback(argument: object) -> None:
    assert connect(SIMPLE).call(argument) == FALLBACK


@pytest.mark.parametrize("count", [0, 2, 5])
def test_a_wrong_number_of_arguments_goes_to_the_fallback(count: int) -> None:
    assert connect(SIMPLE).call(*[numbers(3)] * count) == ("fallback", count)


def test_strict_arguments_never_reach_the_fallback() -> None:
    connected = connect(SIMPLE)
    np.testing.assert_array_equal(connected.strict(numbers(3)), numbers(3) + 1)
    with pytest.raises(InternalError, match="do not fit"):
        connected.strict(numbers(3).astype(np.float64))


def test_an_exception_of_the_fallback_is_the_caller_s() -> None:
    def refuse(*given: object) -> None:
        raise ValueError(f"{len(given)} arguments")

    with pytest.raises(ValueError, match="1 arguments"):
        connect(SIMPLE, refuse).call("text")


def test_sizes_must_agree_between_inputs() -> None:
    m = Symbol("m")
    inputs = (TensorType(float64, (N, m)), vector(m), vector(2 * N + m), TensorType(int64, (3,)))
    copy = Copy(view(Storage.INPUT, 2, size=2 * N + m), view(Storage.OUTPUT, size=2 * N + m))
    made = program((copy,), inputs=inputs, outputs=(vector(2 * N + m),), sizes=(N, m))
    call = connect(made).call

    def arguments(n: int, first: int, second: int, total: int, last: int = 3) -> tuple[Any, ...]:
        return np.zeros((n, first)), numbers(second), numbers(total), np.zeros(last, np.int64)

    np.testing.assert_array_equal(call(*arguments(2, 3, 3, 7)), numbers(7))
    np.testing.assert_array_equal(call(*arguments(0, 0, 0, 0)), numbers(0))
    for wrong in ((2, 3, 4, 7), (2, 3, 3, 8), (2, 3, 3, 7, 4)):
        assert call(*arguments(*wrong)) == ("fallback", 4)


def test_a_size_can_be_bound_by_an_expression() -> None:
    copy = Copy(view(Storage.INPUT, size=2 * N + 1), view(Storage.OUTPUT, size=2 * N + 1))
    made = program((copy,), inputs=(vector(2 * N + 1),), outputs=(vector(2 * N + 1),))
    call = connect(made).call
    np.testing.assert_array_equal(call(numbers(7)), numbers(7))
    assert call(numbers(6)) == FALLBACK
    assert call(numbers(0)) == FALLBACK


def test_a_size_that_no_input_determines_is_a_bug() -> None:
    with pytest.raises(InternalError, match="determines the size n"):
        plan_entry(program((), inputs=(vector(N * N),)))


def test_the_portable_entry_agrees_with_the_native_one(monkeypatch: pytest.MonkeyPatch) -> None:
    m = Symbol("m")
    inputs = (vector(2 * N + 1), vector(m), vector(N * m))
    statements = (Copy(view(Storage.INPUT, 1, size=m), view(Storage.OUTPUT, size=m)),
                  increment(view(Storage.INPUT, 2, size=N * m), view(Storage.OUTPUT, 1, size=N * m),
                            N * m))  # fmt: skip
    made = program(statements, inputs=inputs, outputs=(vector(m), vector(N * m)), sizes=(N, m))
    native = connect(made)
    monkeypatch.setattr("graphdl.backends.cpu.compile.reads_array_structs", lambda: False)
    portable = connect(made)
    for sizes in ((5, 3, 6), (1, 4, 0), (5, 0, 0), (4, 3, 6), (5, 3, 7), (0, 1, 1)):
        arguments = [numbers(size) for size in sizes]
        expected, found = native.call(*arguments), portable.call(*arguments)
        assert all(map(np.array_equal, expected, found)), sizes
    assert portable.call("text") == FALLBACK
    with pytest.raises(InternalError, match="do not fit"):
        portable.strict("text")


def test_several_outputs_and_none() -> None:
    both = program(
        (increment(INPUT, OUTPUT), Copy(INPUT, view(Storage.OUTPUT, 1))),
        outputs=(vector(), vector(), TensorType(bfloat16, (0, 2))),
    )
    first, second, third = connect(both).call(numbers(3))
    np.testing.assert_array_equal(first, [1, 2, 3])
    np.testing.assert_array_equal(second, [0, 1, 2])
    assert third.shape == (0, 2)
    assert third.dtype == bfloat16.numpy
    assert connect(program((), outputs=())).call(numbers(3)) is None


def test_nothing_leaks() -> None:
    names = ("exact", "fallback", "failure")
    arguments = {"exact": numbers(4), "fallback": numbers(4)[::2], "failure": "x"}
    connected = connect(SIMPLE)
    for name in names:
        argument = arguments[name]
        call = connected.strict if name == "failure" else connected.call
        before = [sys.getrefcount(each) for each in (argument, None, np.dtype(np.float32))]
        _call_often(call, argument)
        after = [sys.getrefcount(each) for each in (argument, None, np.dtype(np.float32))]
        assert all(abs(b - a) < 20 for a, b in zip(before, after, strict=True)), name
    tracemalloc.start()
    _call_often(connected.call, numbers(4))
    start = tracemalloc.get_traced_memory()[0]
    _call_often(connected.call, numbers(4))
    assert tracemalloc.get_traced_memory()[0] - start < 10_000
    tracemalloc.stop()


def _call_often(call: Any, argument: object) -> None:
    for _ in range(300):
        with contextlib.suppress(InternalError):
            call(argument)


def test_a_function_outlives_what_made_it() -> None:
    call = connect(SIMPLE).call
    gc.collect()
    assert [connect(SIMPLE).call(numbers(2)).tolist() for _ in range(50)][-1] == [1, 2]
    gc.collect()
    np.testing.assert_array_equal(call(numbers(3)), [1, 2, 3])


def test_many_functions_live_side_by_side() -> None:
    made = []
    for number in range(20):
        statements = (increment(INPUT, view(Storage.ARENA, offset=64 * number)),
                      increment(view(Storage.ARENA, offset=64 * number), OUTPUT))  # fmt: skip
        made.append(connect(program(statements, arena_bytes=4 * N + 64 * number)).call)
    for call in made:
        np.testing.assert_array_equal(call(numbers(5)), numbers(5) + 2)


def test_calls_from_several_threads_wait_for_each_other() -> None:
    busy: list[int] = []
    most: list[int] = []

    def slow(x: Any) -> Any:
        busy.append(1)
        most.append(len(busy))
        time.sleep(0.002)
        busy.pop()
        return x + 1

    made = program((HostCall("slow", (INPUT,), (OUTPUT,)),))
    connected = connect(made, functions={"slow": slow})
    wrong: list[int] = []

    def work(start: int) -> None:
        for turn in range(5):
            values = numbers(50) + start + turn
            if not np.array_equal(connected.call(values), values + 1):
                wrong.append(start)

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert max(most) == 1


def test_a_writer_waits_for_a_reader_of_its_variable() -> None:
    storage = VariableStorage("w", numbers(3))
    slot = (Slot("w", vector(3), storage),)
    inside, go_on = threading.Event(), threading.Event()

    def hold(x: Any) -> Any:
        inside.set()
        go_on.wait(5)
        return x

    source = view(Storage.VARIABLE, size=3)
    reading = program((HostCall("hold", (source,), (view(Storage.OUTPUT, size=3),)),), inputs=(),
                      outputs=(vector(3),), variables=slot, sizes=())  # fmt: skip
    writing = program((Copy(INPUT, source),), inputs=(vector(3),), outputs=(), variables=slot,
                      sizes=())  # fmt: skip
    read, write = connect(reading, functions={"hold": hold}), connect(writing)
    done: list[float] = []
    reader = threading.Thread(target=read.call)
    writer = threading.Thread(target=lambda: (write.call(numbers(3) + 5), done.append(1)))
    reader.start()
    assert inside.wait(5)
    writer.start()
    writer.join(timeout=0.05)
    assert not done
    np.testing.assert_array_equal(storage.array, numbers(3))
    go_on.set()
    reader.join()
    writer.join()
    np.testing.assert_array_equal(storage.read(), numbers(3) + 5)
    assert storage.word.value == 0


def test_long_calls_release_the_interpreter() -> None:
    connected = connect(SIMPLE)
    assert connected.descriptor[Field.RELEASE] > 0
    connected.descriptor[Field.RELEASE] = 0
    np.testing.assert_array_equal(connected.call(numbers(4)), numbers(4) + 1)
    assert connected.descriptor[Field.BUSY] == 0


def test_array_structs_are_where_the_entry_reads() -> None:
    assert reads_array_structs()


def test_a_call_costs_little_more_than_its_array() -> None:
    call, argument = connect(SIMPLE).call, numbers(4)
    best = min(_seconds(call, argument) for _ in range(20))
    assert best < 1.5e-6


def _seconds(call: Any, argument: object) -> float:
    start = time.perf_counter()
    for _ in range(1000):
        call(argument)
    return (time.perf_counter() - start) / 1000


def test_memory_of_large_outputs_comes_back() -> None:
    connected = connect(SIMPLE)
    argument = numbers(1 << 20)
    first = connected.call(argument)
    address = first.ctypes.data
    assert first.flags.owndata
    second = connected.call(argument)
    assert second.ctypes.data != address, "an output that is alive is never reused"
    np.testing.assert_array_equal(first, second)
    del first
    third = connected.call(argument)
    assert third.ctypes.data == address
    assert third.ctypes.data % 64 == 0
    np.testing.assert_array_equal(third, argument + 1)


def test_arrays_of_large_outputs_can_be_resized_and_outlive_the_function() -> None:
    result = connect(SIMPLE).call(numbers(1 << 19))
    gc.collect()
    result.resize(1 << 20, refcheck=False)
    np.testing.assert_array_equal(result[: 1 << 19], numbers(1 << 19) + 1)
    assert not result[1 << 19 :].any()
    assert np.empty(10).dtype == np.float64
