"""The generator: vector-form kernels run natively against the interpreter, at every width."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphdl.backends.cpu.generate import generate, module_text, task_count, workspace_bytes
from graphdl.backends.cpu.generate_arithmetic import Arithmetic, Emitted
from graphdl.backends.cpu.load import Library, compile_object, link
from graphdl.backends.cpu.target import CpuTarget, executable_targets, parse_target
from graphdl.errors import InternalError
from graphdl.kernel.interpreter import interpret
from graphdl.kernel.nodes import Kernel
from graphdl.kernel.parser import parse
from graphdl.kernel.verifier import verify
from graphdl.typesystem.dtype import (
    ALL,
    DType,
    Kind,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int32,
    uint32,
)
from graphdl.typesystem.expression import evaluate

Array = np.ndarray[Any, Any]

_HOST = executable_targets()
_OLDER = parse_target("x86-64-v3")
TARGETS = tuple(_OLDER if each.vector_bits == 256 else each for each in _HOST)
"""The host's widths; at 256 bits without what only wider processors have."""
INTEGERS = [dtype for dtype in ALL if dtype.is_integer]
FLOATS = [dtype for dtype in ALL if dtype.is_floating]
SOFT_HALF = replace(TARGETS[-1], features=tuple(f for f in TARGETS[-1].features if f != "f16c"))
SOFT_HALF = replace(
    SOFT_HALF, features=tuple(f for f in SOFT_HALF.features if not f.startswith("avx512fp16"))
)


def _compile(kernel: Kernel, target: CpuTarget) -> Library:
    verify(kernel, "vector")
    data = compile_object(module_text([generate(kernel, target)], target), target, verify=True)
    return link([data], [kernel.name])


def _run(kernel: Kernel, target: CpuTarget, arrays: Sequence[Array], sizes: Sequence[int]) -> None:
    """Run natively in place, with canaries behind the workspace."""
    library = _compile(kernel, target)
    bound = dict(zip(kernel.sizes, sizes, strict=True))
    needed = evaluate(workspace_bytes(kernel), bound)
    workspace = np.full(needed + 192, 0xAB, np.uint8)
    start = workspace.ctypes.data + -workspace.ctypes.data % 64
    pointers = np.array([array.ctypes.data for array in arrays], np.int64)
    numbers = np.array(sizes, np.int64)
    types = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2 + [ctypes.c_void_p]
    run = ctypes.CFUNCTYPE(None, *types)(library.addresses[kernel.name])
    count = evaluate(task_count(kernel), bound)
    run(pointers.ctypes.data, numbers.ctypes.data, 0, count, start)
    assert (workspace[needed + 64 :] == 0xAB).all(), "written behind the workspace"


def _check(text: str, target: CpuTarget, arrays: Sequence[Array], sizes: Sequence[int]) -> None:
    kernel = parse(text)
    expected = [array.copy() for array in arrays]
    found = [array.copy() for array in arrays]
    with np.errstate(all="ignore"):
        interpret(kernel, expected, sizes)
    _run(kernel, target, found, sizes)
    for left, right in zip(map(_readable, expected), map(_readable, found), strict=True):
        np.testing.assert_array_equal(right, left)
        if left.dtype.kind == "f":
            known = ~np.isnan(left)
            assert (np.signbit(left) == np.signbit(right))[known].all(), "sign of zero"


def _readable(array: Array) -> Array:
    """16-bit floats as float32, whose NaNs NumPy compares as equal."""
    return array.astype(np.float32) if array.dtype == bfloat16.numpy else array


def _lanes(target: CpuTarget, *dtypes: DType) -> int:
    return target.lanes(max(32, *(dtype.bits for dtype in dtypes)))


def _elementwise(
    lanes: int, operands: Sequence[DType], result: DType, values: Sequence[str]
) -> str:
    """c0[i], c1[i], … = the values of x and y, in masked vectors."""
    names = "xyz"[: len(operands)]
    reads = [f"    read {name}: {dtype}[n0]" for name, dtype in zip(names, operands, strict=True)]
    writes = [f"    write c{number}: {result}[n0]" for number in range(len(values))]
    index = f"{lanes}*task+lane"
    lets = [f"            let {each} = masked({each}[{index}], {index} < n0)" for each in names]
    lets = [line.replace(f"let {line[16]} ", f"let {line[16]}_value ") for line in lets]
    stores = []
    for number, value in enumerate(values):
        for name in names:
            value = value.replace(f"${name}", f"{name}_value")
        stores.append(f"            c{number}[{index}] = {value} if {index} < n0")
    head = [
        "kernel elementwise(n0)", *reads, *writes,
        f"    parallel task in 0:(n0+{lanes - 1})//{lanes}", f"        vector lane in 0:{lanes}",
    ]  # fmt: skip
    return "\n".join([*head, *lets, *stores, ""])


def _samples(dtype: DType, count: int = 67, seed: int = 0) -> Array:
    random = np.random.default_rng(seed)
    if dtype.is_bool:
        return random.integers(0, 2, count).astype(np.bool_)
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        small = random.integers(0 if dtype.kind is Kind.UINT else -20, 70, count)
        values = small.astype(dtype.numpy)
        special = [0, 1, limits.max, limits.min, limits.max - 1, 7, dtype.bits, dtype.bits - 1]
        values[: len(special)] = special
        return np.asarray(random.permutation(values))
    values = (random.standard_normal(count) * 10).astype(dtype.numpy)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, 1.5, 2.5, -0.5, -2.5, 1e-42, 1e30, -1e30]
    with np.errstate(over="ignore"):
        values[: len(edges)] = np.array(edges).astype(dtype.numpy)
    return np.asarray(random.permutation(values))


def _elementwise_check(
    target: CpuTarget, operands: Sequence[DType], result: DType, values: Sequence[str]
) -> None:
    text = _elementwise(_lanes(target, *operands, result), operands, result, values)
    arrays = [_samples(dtype, seed=seed) for seed, dtype in enumerate(operands)]
    _check(text, target, [*arrays, *(np.zeros(67, result.numpy) for _ in values)], [67])


# Arithmetic ---------------------------------------------------------------------------------------

INTEGER_BINARY = (
    "($x + $y)", "($x - $y)", "($x * $y)", "maximum($x, $y)", "minimum($x, $y)",
    "floor_divide($x, $y)", "remainder($x, $y)", "bitwise_and($x, $y)", "bitwise_or($x, $y)",
    "bitwise_xor($x, $y)", "shift_left($x, $y)", "shift_right_logical($x, $y)",
    "shift_right_arithmetic($x, $y)", "select(($x < $y), $y, $x)",
    "select(($x >= $y), $y, negative($x))",
)  # fmt: skip
INTEGER_UNARY = ("abs($x)", "sign($x)", "negative($x)", "bitwise_not($x)")
FLOAT_BINARY = (
    "($x + $y)", "($x - $y)", "($x * $y)", "($x / $y)", "maximum($x, $y)", "minimum($x, $y)",
    "select(($x == $y), $y, $x)", "select(($x != $y), $y, $x)", "select(($x <= $y), $y, $x)",
    "select(($x > $y), $y, $x)",
)  # fmt: skip
FLOAT_UNARY = (
    "abs($x)", "sign($x)", "negative($x)", "floor($x)", "ceil($x)", "round($x)",
    "trunc($x)", "sqrt($x)",
    "select(is_finite($x), $x, negative($x))",
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integers(dtype: DType, target: CpuTarget) -> None:
    _elementwise_check(target, [dtype, dtype], dtype, (*INTEGER_BINARY, *INTEGER_UNARY))


@pytest.mark.parametrize("target", [*TARGETS, SOFT_HALF], ids=str)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_floats(dtype: DType, target: CpuTarget) -> None:
    _elementwise_check(target, [dtype, dtype], dtype, (*FLOAT_BINARY, *FLOAT_UNARY))


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_booleans(target: CpuTarget) -> None:
    values = (
        "bitwise_and($x, $y)", "bitwise_or($x, $y)", "bitwise_xor($x, $y)", "bitwise_not($x)",
        "($x == $y)", "select($x, $y, bitwise_not($y))", "maximum($x, $y)", "minimum($x, $y)",
    )  # fmt: skip
    _elementwise_check(target, [bool_, bool_], bool_, values)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_wide_products_and_integer_powers(target: CpuTarget) -> None:
    _elementwise_check(target, [uint32, uint32], uint32, ["multiply_high($x, $y)"])
    exponent = "bitwise_and($y, int32(15))"
    _elementwise_check(target, [int32, int32], int32, [f"power($x, {exponent})"])


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("dtype", FLOATS[2:], ids=str)
def test_fma_rounds_once(dtype: DType, target: CpuTarget) -> None:
    values = ["fma($x, $y, $x)", "fma($x, $y, negative(($x * $y)))"]
    _elementwise_check(target, [dtype, dtype], dtype, values)


@pytest.mark.parametrize(
    "target", [TARGETS[0], TARGETS[-1], SOFT_HALF], ids=("wide", "narrow", "soft")
)
@pytest.mark.parametrize("source", ALL, ids=str)
def test_conversions(source: DType, target: CpuTarget) -> None:
    for result in ALL:
        if source != result:
            _elementwise_check(target, [source], result, [f"cast($x, {result})"])


@pytest.mark.parametrize("target", [TARGETS[0], SOFT_HALF], ids=("hardware", "software"))
@pytest.mark.parametrize("dtype", [float16, bfloat16], ids=str)
def test_every_16_bit_float_and_the_rounding_between_them(dtype: DType, target: CpuTarget) -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype.numpy)
    wide = every.astype(np.float32)
    ordered = np.sort(wide[np.isfinite(wide)])
    between = ordered[1:] / 2 + ordered[:-1] / 2
    edges = [np.nextafter(between, np.float32(way)) for way in (np.inf, -np.inf)]
    inputs = np.concatenate([wide, between, *edges, [np.float32(3e38)]]).astype(np.float32)
    kernel = parse(_elementwise(16, [float32], dtype, [f"cast($x, {dtype})"]))
    rounded = np.zeros(len(inputs), dtype.numpy)
    _run(kernel, target, [inputs, rounded], [len(inputs)])
    with np.errstate(all="ignore"):
        expected = inputs.astype(dtype.numpy)
    np.testing.assert_array_equal(rounded.astype(np.float32), expected.astype(np.float32))
    assert (np.signbit(rounded.astype(np.float32)) == np.signbit(inputs))[~np.isnan(inputs)].all()
    kernel = parse(_elementwise(16, [dtype], float32, ["cast($x, float32)"]))
    widened = np.zeros(1 << 16, np.float32)
    _run(kernel, target, [every, widened], [1 << 16])
    np.testing.assert_array_equal(widened, wide)


# Memory -------------------------------------------------------------------------------------------

MEMORY = {
    "reversed": """kernel reversed(n0)
    read x: float32[n0]
    write y: float32[n0]
    parallel task in 0:n0//8
        vector lane in 0:8
            y[n0-8*task-lane-1] = (x[n0-8*task-lane-1] + x[8*task+lane])
""",
    "strided": """kernel strided(n0)
    read x: int16[3*n0]
    update y: int16[n0, 2]
    parallel task in 0:n0//8
        vector lane in 0:8
            y[8*task+lane, 1] = x[3*(8*task+lane)+2]
""",
    "masks": """kernel masks(n0)
    read x: float64[n0]
    update y: float64[n0]
    parallel task in 0:n0//8
        vector lane in 0:8
            let i = index(8*task+lane, int64)
            let a = masked(x[i], 3 <= i, i < n0-3)
            let b = masked(x[8*task], 2*task < 5)
            let c = masked(x[n0-1-i], i != 4, lane < 6)
            let d = select(all(i == 7), float64(1.0), float64(2.0))
            y[i] = ((a + b) + (c * d)) if 1 < lane and i < n0-9
""",
    "divided": """kernel divided(n0)
    read x: float32[n0]
    write y: float32[n0]
    parallel task in 0:n0//8
        vector lane in 0:8
            let a = x[min(max((8*task+lane-9)//3, 0), n0-1)]
            let b = x[(8*task+lane)%(task+2)]
            let c = cast(index((lane-4)//3, int32), float32)
            let d = cast(index((8*task+lane)//(n0//4), int64), float32)
            y[8*task+lane] = (((a + b) + c) + d)
""",
    "gathered": """kernel gathered(n0)
    read x: int64[n0]
    read y: float32[n0]
    update z: float32[n0]
    parallel task in 0:n0//8
        vector lane in 0:8
            let at = minimum(maximum(x[8*task+lane], int64(0)), index(n0-1, int64))
            let part = y[at]
            let next = masked(y[at+1], at+1 < n0)
            z[8*task+lane] = (part - next)
""",
    "outer_index": """kernel outer_index(n0)
    read x: int64[n0]
    update y: int64[n0, 8]
    parallel task in 0:n0
        let at = x[task]
        if 0 <= at and at < n0
            vector lane in 0:8
                y[at, lane] = index(at*lane+task, int64)
        else
            vector lane in 0:8
                y[task, lane] = int64(-1)
""",
    "bytes": """kernel bytes(n0)
    read x: bool[n0]
    read y: uint8[n0]
    write z: bool[n0]
    parallel task in 0:n0//8
        vector lane in 0:8
            let keep = masked(x[n0-8*task-lane-1], lane < 5)
            z[8*task+lane] = bitwise_xor(keep, (y[8*task+lane] < uint8(9)))
""",
}


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("name", MEMORY)
def test_memory(name: str, target: CpuTarget) -> None:
    kernel = parse(MEMORY[name])
    count = 40
    arrays = []
    for number, buffer in enumerate(kernel.buffers):
        shape = [evaluate(size, {kernel.sizes[0]: count}) for size in buffer.shape]
        values = np.random.default_rng(number).permutation(int(np.prod(shape))) - 2
        if name == "gathered" or name == "outer_index":
            values = (
                values if buffer.dtype.is_floating else np.random.default_rng(3).permutation(values)
            )
        arrays.append(
            (values % 256 if buffer.dtype.bits == 8 else values)
            .astype(buffer.dtype.numpy)
            .reshape(shape)
        )
    _check(MEMORY[name], target, arrays, [count])


# Control and registers ----------------------------------------------------------------------------

CONTROL = {
    "carried": """kernel carried(n0)
    read x: float32[n0, 16]
    write y: float32[16]
    write z: int64[16]
    parallel task in 0:2
        vector lane in 0:8
            serial i in 0:n0
                carry total = float32(0.0)
                carry first = int64(0)
                let value = x[i, 8*task+lane]
                next total = (total + value)
                next first = select((value < float32(0.0)), index(i, int64), first)
            y[8*task+lane] = total
            z[8*task+lane] = first
""",
    "registers": """kernel registers(n0)
    read x: float32[n0]
    write y: float32[1]
    parallel task in 0:1
        allocate register part: float32[64]
        unroll u in 0:8
            vector lane in 0:8
                part[8*u+lane] = float32(0.0)
        serial i in 0:n0//64
            unroll u in 0:8
                vector lane in 0:8
                    part[8*u+lane] = (part[8*u+lane] + x[64*i+8*u+lane])
        if n0//64*64 < n0
            unroll u in 0:8
                vector lane in 0:8
                    let rest = masked(x[n0//64*64+8*u+lane], n0//64*64+8*u+lane < n0)
                    part[8*u+lane] = (part[8*u+lane] + rest) if n0//64*64+8*u+lane < n0
        join total = add(part)
        y[0] = total
""",
    "mixed_registers": """kernel mixed_registers(n0)
    read x: int32[n0]
    write y: int32[4]
    parallel task in 0:1
        allocate register part: int32[64]
        unroll u in 0:64
            part[u] = int32(-100)
        serial i in 0:n0//64
            unroll u in 0:4
                vector lane in 0:16
                    part[16*u+lane] = maximum(part[16*u+lane], x[64*i+16*u+lane])
        join most = maximum(part)
        y[0] = most
        y[1] = part[3]
        y[2] = part[63]
        y[3] = int32(1)
""",
    "branches": """kernel branches(n0)
    read x: float32[n0]
    write y: float32[n0]
    parallel task in 0:n0//8
        allocate register kept: float32[8]
        vector lane in 0:8
            kept[lane] = x[8*task+lane]
        if task < 2
            vector lane in 0:8
                kept[lane] = negative(kept[lane])
            if 0 < task
                vector lane in 0:8
                    kept[lane] = (kept[lane] * float32(2.0))
        else
            serial i in 0:task
                vector lane in 0:8
                    kept[lane] = (kept[lane] + float32(1.0))
        vector lane in 0:8
            y[8*task+lane] = kept[lane]
""",
    "unrolled_carry": """kernel unrolled_carry(n0)
    read x: float64[n0]
    write y: float64[n0]
    parallel task in 0:n0//4
        unroll i in 0:4
            carry product = float64(1.0)
            next product = (product * x[4*task+i])
        unroll i in 0:4
            y[4*task+i] = (product + cast(index(i, int64), float64))
""",
    "no_iterations": """kernel no_iterations(n0)
    read x: float32[n0]
    write y: float32[3]
    parallel task in 0:1
        serial i in n0:3 step
            carry total = float32(5.0)
            next total = (total + float32(1.0))
        y[0] = total
        y[1] = x[0]
        y[2] = x[n0-1]
""".replace(":3 step", ":3"),
    "stepped": """kernel stepped(n0)
    read x: float32[n0]
    update y: float32[n0]
    parallel task in 3:n0:7
        serial i in task:min(task+7, n0):2
            y[i] = (x[i] * float32(3.0))
""",
    "workspace": """kernel workspace(n0)
    read x: float32[n0, 8]
    write y: float32[n0, 8]
    parallel task in 0:1
        allocate thread kept: float32[n0, 8]
        allocate thread total: float32[n0 + 3]
        allocate thread small: float32[8]
        serial i in 0:n0
            vector lane in 0:8
                kept[i, lane] = (x[i, lane] * x[i, lane])
            total[i] = (x[i, 0] + x[i, 7])
        vector lane in 0:8
            small[lane] = float32(0.5)
        serial i in 0:n0
            vector lane in 0:8
                y[i, lane] = ((kept[i, lane] + total[i]) * small[lane])
""",
}


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("name", CONTROL)
def test_control(name: str, target: CpuTarget) -> None:
    kernel = parse(CONTROL[name])
    for count in (8, 40, 200):
        arrays = []
        for number, buffer in enumerate(kernel.buffers):
            shape = [evaluate(size, {kernel.sizes[0]: count}) for size in buffer.shape]
            values = np.random.default_rng(number).standard_normal(shape) * 9
            arrays.append(values.astype(buffer.dtype.numpy))
        _check(CONTROL[name], target, arrays, [count])


def test_no_loop_runs_over_nothing() -> None:
    text = CONTROL["workspace"]
    _check(text, TARGETS[0], [np.zeros((0, 8), np.float32)] * 2, [0])


@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
@pytest.mark.parametrize("dtype", [float32, float64, int32], ids=str)
def test_a_square_tile_is_transposed_in_registers(lanes: int, dtype: DType) -> None:
    text = f"""kernel transposed()
    read x: {dtype}[{lanes}, {lanes}]
    write y: {dtype}[{lanes}, {lanes}]
    allocate register square: {dtype}[{lanes}, {lanes}]
    unroll i in 0:{lanes}
        vector lane in 0:{lanes}
            square[i, lane] = x[i, lane]
    unroll i in 0:{lanes}
        vector lane in 0:{lanes}
            y[i, lane] = square[lane, i]
"""
    values = np.arange(lanes * lanes).reshape(lanes, lanes).astype(dtype.numpy)
    _check(text, TARGETS[0], [values, np.zeros_like(values)], [])


# Text ---------------------------------------------------------------------------------------------


def test_text_of_a_small_kernel() -> None:
    kernel = parse("""kernel scale(n0)
    read x: float32[n0, 4]
    write y: float32[n0, 4]
    parallel i in 0:n0
        vector lane in 0:4
            y[i, lane] = (x[i, lane] * float32(2.0))
""")
    assert (
        generate(kernel, TARGETS[0])
        == """\
define void @scale(ptr %buffers, ptr %sizes, i64 %begin, i64 %end, ptr %workspace) #0 {
entry:
  %t1 = getelementptr inbounds i64, ptr %sizes, i64 0
  %t2 = load i64, ptr %t1, align 8
  %t4 = getelementptr inbounds ptr, ptr %buffers, i64 0
  %t5 = load ptr, ptr %t4, align 8
  %t6 = getelementptr inbounds ptr, ptr %buffers, i64 1
  %t7 = load ptr, ptr %t6, align 8
  %enter10 = icmp slt i64 %begin, %end
  br i1 %enter10, label %loop10, label %after10
loop10:
  %i10 = phi i64 [%begin, %entry], [%t17, %loop10]
  %t12 = mul nsw i64 %i10, 4
  %t13 = getelementptr inbounds float, ptr %t5, i64 %t12
  %t14 = load <4 x float>, ptr %t13, align 4
  %t15 = fmul <4 x float> %t14, splat (float 0x4000000000000000)
  %t16 = getelementptr inbounds float, ptr %t7, i64 %t12
  store <4 x float> %t15, ptr %t16, align 4
  %t17 = add nsw i64 %i10, 1
  %t18 = icmp slt i64 %t17, %end
  br i1 %t18, label %loop10, label %after10
after10:
  ret void
}"""
    )


def test_the_tiled_form_is_refused() -> None:
    kernel = parse("""kernel total(n0)
    read x: float32[n0]
    write y: float32[1]
    sweep k in n0
        fold s = add(x[k]) ascending
    y[0] = s
""")
    with pytest.raises(InternalError, match="cannot be generated"):
        generate(kernel, TARGETS[0])


def test_transcendental_functions_must_be_expanded_first() -> None:
    kernel = parse(_elementwise(4, [float32], float32, ["exp($x)"]))
    with pytest.raises(InternalError, match="must be expanded"):
        generate(kernel, TARGETS[0])


def test_a_wrong_instruction_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: subtraction with its operands exchanged."""
    right = Arithmetic._two

    def exchanged(self: Arithmetic, instruction: str, left: Emitted, other: str) -> Emitted:
        if instruction == "fsub":
            left, other = replace(left, text=other), left.text
        return right(self, instruction, left, other)

    _elementwise_check(TARGETS[-1], [float32, float32], float32, ["($x - $y)"])
    monkeypatch.setattr(Arithmetic, "_two", exchanged)
    with pytest.raises(AssertionError):
        _elementwise_check(TARGETS[-1], [float32, float32], float32, ["($x - $y)"])
