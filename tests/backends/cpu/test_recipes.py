"""Recipes: native code of each kind of kernel against the tiled form's interpreter, bit for bit, at
every vector width, with canaries around every buffer."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from graphdl.backends.cpu.generate import generate, module_text
from graphdl.backends.cpu.load import Library, compile_object, link
from graphdl.backends.cpu.recipes import Expander, tile
from graphdl.backends.cpu.target import CpuTarget, executable_targets, parse_target
from graphdl.backends.cpu.tiled import TiledKernel
from graphdl.kernel.interpreter import interpret
from graphdl.kernel.nodes import Access, Buffer, Kernel, Store
from graphdl.kernel.parser import parse
from graphdl.kernel.verifier import verify
from graphdl.typesystem.expression import evaluate

Array = np.ndarray[Any, Any]

KERNELS = {
    "add": """kernel add(n0)
    read b0: float32[n0]
    read b1: float32[n0]
    write b2: float32[n0]
    parallel i0 in 0:n0
        b2[i0] = (b0[i0] + b1[i0])
""",
    "exp_tanh": """kernel exp_tanh(n0)
    read b0: float32[n0]
    write b2: float32[n0]
    parallel i0 in 0:n0
        b2[i0] = (exp(b0[i0]) + tanh(b0[i0]))
""",
    "int8": """kernel int8(n0)
    read b0: int8[n0]
    read b1: bool[n0]
    write b2: int8[n0]
    parallel i0 in 0:n0
        b2[i0] = select(b1[i0], (b0[i0] * b0[i0]), (b0[i0] + int8(100)))
""",
    "half": """kernel half(n0)
    read b0: float16[n0]
    write b2: float16[n0]
    parallel i0 in 0:n0
        b2[i0] = ((b0[i0] * b0[i0]) + float16(1.5))
""",
    "bias": """kernel bias(n0, n1)
    read b0: float32[n0, n1]
    read b1: float32[n1]
    read b3: float32[n0]
    write b2: float32[n0, n1]
    parallel i0 in 0:n0
        parallel i1 in 0:n1
            b2[i0, i1] = ((b0[i0, i1] + b1[i1]) * b3[i0])
""",
    "scalar": """kernel scalar()
    read b0: float32[]
    write b1: float32[]
    b1[()] = (b0[()] + float32(1.0))
""",
    "transpose": """kernel transpose(n0, n1, n2)
    read b0: float64[n0, n1, n2]
    write b1: float64[n2, n0, n1]
    parallel i0 in 0:n0
        parallel i1 in 0:n1
            parallel i2 in 0:n2
                b1[i2, i0, i1] = b0[i0, i1, i2]
""",
    "reverse": """kernel reverse(n0)
    read b0: int32[n0]
    write b1: int32[n0]
    parallel i0 in 0:n0
        b1[i0] = b0[n0 - i0 - 1]
""",
    "pad": """kernel pad(n0)
    read b0: float32[n0]
    write b1: float32[n0 + 5]
    parallel i0 in 0:n0 + 5
        b1[i0] = masked(b0[i0 - 2], 2 <= i0, i0 < n0 + 2)
""",
    "column_sum": """kernel column_sum(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n1]
    parallel i0 in 0:n1
        sweep i1 in n0
            fold s = add(b0[i1, i0]) ascending
        b1[i0] = (s * float32(2.0))
""",
    "column_argmax": """kernel column_argmax(n0, n1, n2)
    read b0: float32[n0, n1, n2]
    write b1: int64[n2]
    write b2: float32[n2]
    parallel i0 in 0:n2
        sweep i1 in n0, i2 in n1
            fold v, x = argmax(b0[i1, i2, i0], index(i1*n1 + i2, int64)) ascending
            fold s = add(b0[i1, i2, i0]) ascending
        b1[i0] = x
        b2[i0] = (v + s)
""",
    "row_argmin": """kernel row_argmin(n0, n1)
    read b0: float32[n0, n1]
    write b1: int64[n0]
    write b2: float32[n0]
    parallel i0 in 0:n0
        sweep i1 in n1
            fold v, x = argmin(b0[i0, i1], index(i1, int64)) interleaved
            fold high = maximum(b0[i0, i1]) interleaved
        b1[i0] = x
        b2[i0] = (v - high)
""",
    "sum_all": """kernel sum_all(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[]
    sweep i1 in n0, i2 in n1
        fold s = add(b0[i1, i2]) interleaved
    b1[()] = s
""",
    "outer_argmax": """kernel outer_argmax(n0, n1, n2)
    read b0: float32[n0, n1, n2]
    write b1: int64[n1]
    write b2: float32[n1]
    parallel i0 in 0:n1
        sweep i1 in n0, i2 in n2
            fold v, x = argmax(b0[i1, i0, i2], index(i1*n2 + i2, int64)) interleaved
            fold s = add((b0[i1, i0, i2] * b0[i1, i0, i2])) interleaved
        b1[i0] = x
        b2[i0] = (v + s)
""",
    "softmax": """kernel softmax(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n0, n1]
    parallel i0 in 0:n0
        allocate thread row: float32[n1]
        sweep i1 in n1
            fold m = maximum(b0[i0, i1]) interleaved
        sweep i2 in n1
            let e = exp((b0[i0, i2] - m))
            row[i2] = e
            fold s = add(e) interleaved
        sweep i3 in n1
            b1[i0, i3] = (row[i3] / s)
""",
    "normalize": """kernel normalize(n0, n1)
    read b0: float32[n0, n1]
    read b2: float32[n1]
    write b1: float32[n0, n1]
    parallel i0 in 0:n0
        sweep i1 in n1
            fold s0 = add(b0[i0, i1]) interleaved
        let mean = (s0 / cast(index(n1, int64), float32))
        sweep i2 in n1
            let d = (b0[i0, i2] - mean)
            fold s1 = add((d * d)) interleaved
        let r = sqrt((s1 + float32(1e-05)))
        sweep i3 in n1
            b1[i0, i3] = (((b0[i0, i3] - mean) / r) * b2[i3])
""",
    "float64_rows": """kernel float64_rows(n0, n1)
    read b0: float32[n0, n1]
    write b1: float64[n0]
    parallel i0 in 0:n0
        sweep i1 in n1
            fold s = add(cast(b0[i0, i1], float64)) interleaved
            fold q = multiply((cast(b0[i0, i1], float64) + float64(0.5))) interleaved
        b1[i0] = (s + q)
""",
    "mixed_orders": """kernel mixed_orders(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n0]
    parallel i0 in 0:n0
        sweep i1 in n1
            fold s = add(b0[i0, i1]) interleaved
            fold q = add(b0[i0, i1]) ascending
        b1[i0] = (s - q)
""",
    "scan_rows": """kernel scan_rows(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n0, n1]
    parallel i0 in 0:n0
        serial i1 in 0:n1
            carry s = float32(0.0)
            let t = (s + b0[i0, i1])
            b1[i0, i1] = t
            next s = t
""",
    "scan_columns": """kernel scan_columns(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n0, n1]
    parallel i1 in 0:n1
        serial i0 in 0:n0
            carry s = float32(0.0)
            let t = (s + b0[i0, i1])
            b1[i0, i1] = t
            next s = t
""",
    "gather_rows": """kernel gather_rows(n0, n1, n2)
    read b0: float32[n0, n1]
    read b1: int64[n2]
    write b2: float32[n2, n1]
    parallel i0 in 0:n2
        let x = minimum(maximum(b1[i0], int64(0)), index(n0 - 1, int64))
        parallel i1 in 0:n1
            b2[i0, i1] = b0[x, i1]
""",
    "gather_elements": """kernel gather_elements(n0, n1)
    read b0: float32[n0]
    read b1: int64[n1]
    write b2: float32[n1]
    parallel i0 in 0:n1
        let x = minimum(maximum(b1[i0], int64(0)), index(n0 - 1, int64))
        b2[i0] = b0[x]
""",
    "scatter": """kernel scatter(n0, n1, n2)
    update b0: float32[n0, n1]
    read b1: int64[n2]
    read b2: float32[n2, n1]
    serial i0 in 0:n2
        let x = minimum(maximum(b1[i0], int64(0)), index(n0 - 1, int64))
        serial i1 in 0:n1
            b0[x, i1] = (b0[x, i1] + b2[i0, i1])
""",
}
NEEDS_ELEMENTS = ("gather_rows", "gather_elements", "scatter")

SIZES = (
    (0, 1, 2), (1, 1, 1), (3, 5, 7), (2, 64, 3), (17, 65, 100), (70, 129, 1), (4, 1000, 2),
    (1025, 3, 0), (5, 0, 3), (200, 3, 65), (5, 2, 67), (3, 2, 200),
)  # fmt: skip
TARGETS = executable_targets()
CANARY = 256


@cache
def _compiled(name: str, target: CpuTarget) -> tuple[Kernel, TiledKernel, Library]:
    kernel = parse(KERNELS[name])
    verify(kernel)
    tiled = tile(kernel, target)
    for function in tiled.functions:
        if isinstance(function, Kernel):
            verify(function, "vector")
    return kernel, tiled, _load(tiled, target)


def _load(tiled: TiledKernel, target: CpuTarget) -> Library:
    texts = [each if isinstance(each, str) else generate(each, target) for each in tiled.functions]
    return link([compile_object(module_text(texts, target), target, verify=True)], [tiled.symbol])


def _inputs(kernel: Kernel, sizes: tuple[int, ...], seed: int = 0) -> list[Array]:
    random = np.random.default_rng(seed)
    bound = dict(zip(kernel.sizes, sizes, strict=False))
    return [
        _array(random, buffer, [evaluate(n, bound) for n in buffer.shape])
        for buffer in kernel.buffers
    ]


def _array(random: np.random.Generator, buffer: Buffer, shape: list[int]) -> Array:
    if not buffer.dtype.is_floating:
        return np.asarray(random.integers(-3, 10, shape)).astype(buffer.dtype.numpy)
    array = np.asarray(random.standard_normal(shape)).astype(buffer.dtype.numpy)
    if array.size > 20:
        for special in (np.nan, np.inf, -0.0, 1e-40):
            array.flat[random.integers(array.size)] = special
    return array


def _run(
    library: Library,
    tiled: TiledKernel,
    arrays: list[Array],
    bound: dict[Any, int],
    tasks: range | None = None,
) -> list[Array]:
    """The buffers after running on copies; every byte around them must stay as it was."""
    guarded = [np.full(array.nbytes + 2 * CANARY, 0xAB, np.uint8) for array in arrays]
    inner = [whole[CANARY : whole.size - CANARY] for whole in guarded]
    for bytes_, array in zip(inner, arrays, strict=True):
        bytes_[...] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    workspace = np.full(evaluate(tiled.workspace, bound) + 2 * CANARY, 0xAB, np.uint8)
    skipped = -workspace.ctypes.data % 64 + CANARY // 2
    pointers = np.array([each.ctypes.data for each in inner] + [0], np.int64)
    sizes = np.array([*bound.values(), 0], np.int64)
    types = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2 + [ctypes.c_void_p]
    run = ctypes.CFUNCTYPE(None, *types)(library.addresses[tiled.symbol])
    tasks = tasks if tasks is not None else range(evaluate(tiled.count, bound))
    first = workspace.ctypes.data + skipped
    run(pointers.ctypes.data, sizes.ctypes.data, tasks.start, tasks.stop, first)
    for whole in [*guarded, workspace]:
        assert (whole[: CANARY // 2] == 0xAB).all(), "written before a buffer"
        assert (whole[len(whole) - CANARY // 2 :] == 0xAB).all(), "written behind a buffer"
    return [
        bytes_.copy().view(array.dtype).reshape(array.shape)
        for bytes_, array in zip(inner, arrays, strict=True)
    ]


def _assert_same(expected: Array, found: Array, what: str) -> None:
    is_floating = expected.dtype.kind == "f"
    np.testing.assert_array_equal(found, expected, err_msg=what)
    if is_floating:
        known = ~np.isnan(expected)
        assert (np.signbit(found) == np.signbit(expected))[known].all(), f"{what}: sign of zero"


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_native_code_equals_the_tiled_interpreter(name: str, target: CpuTarget) -> None:
    kernel, tiled, library = _compiled(name, target)
    expanded = replace(kernel, body=Expander().body(kernel.body))
    for sizes in SIZES:
        if name in NEEDS_ELEMENTS and sizes[0] == 0:
            continue
        arrays = _inputs(kernel, sizes)
        expected = [array.copy() for array in arrays]
        with np.errstate(all="ignore"):
            interpret(expanded, expected, sizes[: len(kernel.sizes)])
        bound = dict(zip(kernel.sizes, sizes, strict=False))
        found = _run(library, tiled, arrays, bound)
        for buffer, left, right in zip(kernel.buffers, expected, found, strict=True):
            _assert_same(left, right, f"{name} {sizes} {buffer.name}")


@pytest.mark.parametrize("name", KERNELS)
def test_the_vector_form_means_what_the_tiled_form_means(name: str) -> None:
    kernel, tiled, _ = _compiled(name, TARGETS[-1])
    (function,) = tiled.functions
    assert isinstance(function, Kernel)
    expanded = replace(kernel, body=Expander().body(kernel.body))
    arrays = _inputs(kernel, (7, 37, 5))
    expected, found = [[array.copy() for array in arrays] for _ in range(2)]
    with np.errstate(all="ignore"):
        interpret(expanded, expected, (7, 37, 5)[: len(kernel.sizes)])
        interpret(function, found, (7, 37, 5)[: len(kernel.sizes)])
    for left, right in zip(expected, found, strict=True):
        np.testing.assert_array_equal(right, left)


@pytest.mark.parametrize("name", ["add", "softmax", "column_sum", "transpose", "scan_rows"])
def test_tasks_are_independent(name: str) -> None:
    kernel, tiled, library = _compiled(name, TARGETS[0])
    sizes = (130, 67, 40)[: len(kernel.sizes)]
    bound = dict(zip(kernel.sizes, sizes, strict=True))
    arrays = _inputs(kernel, sizes)
    whole = _run(library, tiled, arrays, bound)
    count = evaluate(tiled.count, bound)
    for task in reversed(range(count)):
        arrays = _run(library, tiled, arrays, bound, range(task, task + 1))
    for left, right in zip(whole, arrays, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_planted_fault_is_noticed() -> None:
    kernel, _, _ = _compiled("add", TARGETS[0])
    wrong = tile(parse(KERNELS["add"].replace("+", "-")), TARGETS[0])
    arrays = _inputs(kernel, (70,))
    expected = [array.copy() for array in arrays]
    interpret(kernel, expected, (70,))
    found = _run(_load(wrong, TARGETS[0]), wrong, arrays, {kernel.sizes[0]: 70})
    with pytest.raises(AssertionError):
        _assert_same(expected[2], found[2], "add")


def test_a_missing_mask_is_noticed() -> None:
    kernel = parse(KERNELS["add"].replace("write b2: float32[n0]", "write b2: float32[n0 + 200]"))
    kernel = replace(kernel, buffers=(*kernel.buffers[:2], parse(KERNELS["add"]).buffers[2]))
    overrun = KERNELS["add"].replace("0:n0", "0:n0 + 40").replace("b1[i0]", "float32(1.0)")
    tiled = tile(parse(overrun.replace("b0[i0]", "float32(1.0)")), TARGETS[0])
    assert isinstance(tiled.functions[0], Kernel)
    assert kernel.buffers[2].access is Access.WRITE
    with pytest.raises(AssertionError, match="behind a buffer"):
        _run(_load(tiled, TARGETS[0]), tiled, _inputs(kernel, (8,)), {kernel.sizes[0]: 8})


def test_equal_structure_gets_the_recipe_of_its_kind() -> None:
    names = ("add", "bias", "softmax", "column_sum", "transpose", "scatter")
    target = parse_target("x86-64-v4")
    assert {name: str(tile(parse(KERNELS[name]), target).count) for name in names} == {
        "add": "(n0+1023)//1024",
        "bias": "n0",
        "softmax": "n0",
        "column_sum": "(n1+63)//64",
        "transpose": "((n2+15)//16)*n0",
        "scatter": "1",
    }


def test_stores_are_masked_in_tails_only() -> None:
    tiled = tile(parse(KERNELS["add"]), TARGETS[0])
    (function,) = tiled.functions
    assert isinstance(function, Kernel)
    (task,) = function.body
    masks = [bool(store.mask) for loop in task.body for vector in loop.body  # type: ignore[union-attr]
             for store in vector.body if isinstance(store, Store)]  # type: ignore[union-attr]  # fmt: skip
    assert masks == [False, True]
