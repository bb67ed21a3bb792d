"""Contractions: native code against the tiled interpreter, at every vector width, for all layouts,
odd sizes and cuts into tasks, with canaries around every buffer."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from graphdl.backends.cpu.contraction import tile_contraction
from graphdl.backends.cpu.contraction_panel import shared_kernels
from graphdl.backends.cpu.generate import generate, module_text
from graphdl.backends.cpu.load import Library, compile_object, link
from graphdl.backends.cpu.nests import peel
from graphdl.backends.cpu.target import CpuTarget, executable_targets, parse_target
from graphdl.backends.cpu.tiled import THREADS, TiledKernel
from graphdl.kernel.interpreter import interpret
from graphdl.kernel.nodes import Kernel
from graphdl.kernel.parser import parse
from graphdl.kernel.printer import text
from graphdl.kernel.verifier import verify
from graphdl.typesystem.dtype import float32
from graphdl.typesystem.expression import Symbol, evaluate

Array = np.ndarray[Any, Any]

_HOST = executable_targets()
_OLDER = parse_target("x86-64-v3")
TARGETS = tuple(_OLDER if each.vector_bits == 256 else each for each in _HOST)
"""The host's widths; at 256 bits without what only wider processors have."""
CANARY = 256


def _matmul(left: str, right: str, dtype: str = "float32", store: str = "s") -> str:
    shapes = {"i, k": "n0, n2", "k, i": "n2, n0", "k, j": "n2, n1", "j, k": "n1, n2"}
    return f"""kernel matmul(n0, n1, n2)
    read b0: {dtype}[{shapes[left]}]
    read b1: {dtype}[{shapes[right]}]
    read b3: {dtype}[n1]
    read b4: {dtype}[n0, n1]
    write b2: {dtype}[n0, n1]
    parallel i in 0:n0
        parallel j in 0:n1
            sweep k in n2
                fold s = add((b0[{left}] * b1[{right}])) ascending
            b2[i, j] = {store}
"""


KERNELS = {
    "nn": _matmul("i, k", "k, j"),
    "nt": _matmul("i, k", "j, k"),
    "tn": _matmul("k, i", "k, j"),
    "tt": _matmul("k, i", "j, k"),
    "double": _matmul("i, k", "k, j", "float64"),
    "double_nt": _matmul("i, k", "j, k", "float64"),
    "integer": _matmul("i, k", "k, j", "int32"),
    "long": _matmul("k, i", "j, k", "int64"),
    "epilogue": _matmul("i, k", "k, j", store="(maximum((s + b3[j]), float32(0.0)) * b4[i, j])"),
    "epilogue_nt": _matmul("k, i", "j, k", store="(s - b3[j])"),
    "two_outputs": """kernel two_outputs(n0, n1, n2)
    read b0: float32[n0, n2]
    read b1: float32[n2, n1]
    update b2: float32[n0, n1]
    write b3: float64[n1, n0]
    parallel i in 0:n0
        parallel j in 0:n1
            sweep k in n2
                fold s = add((b0[i, k] * b1[k, j])) ascending
            let t = (b2[i, j] - (s * float32(0.5)))
            b2[i, j] = t
            b3[j, i] = cast((t + s), float64)
""",
    "transposed_result": """kernel transposed_result(n0, n1, n2)
    read b0: float32[n0, n2]
    read b1: float32[n2, n1]
    write b2: float32[n1, n0]
    parallel i in 0:n0
        parallel j in 0:n1
            sweep k in n2
                fold s = add((b0[i, k] * b1[k, j])) ascending
            b2[j, i] = s
""",
    "batch": """kernel batch(n0, n1, n2)
    read b0: float32[3, n0, 2, n2]
    read b1: float32[3, 2, n1, n2]
    write b2: float32[3, 2, n0, n1]
    parallel p in 0:3
        parallel q in 0:2
            parallel i in 0:n0
                parallel j in 0:n1
                    sweep k in n2
                        fold s = add((b0[p, i, q, k] * b1[p, q, j, k])) ascending
                    b2[p, q, i, j] = sqrt(abs(s))
""",
    "rows_of_two_axes": """kernel rows_of_two_axes(n0, n1, n2)
    read b0: float32[3, n2, n0]
    read b1: float32[n2, n1]
    write b2: float32[3, n0, n1]
    parallel p in 0:3
        parallel i in 0:n0
            parallel j in 0:n1
                sweep k in n2
                    fold s = add((b0[p, k, i] * b1[k, j])) ascending
                b2[p, i, j] = s
""",
    "matrix_vector": """kernel matrix_vector(n0, n1)
    read b0: float32[n0, n1]
    read b1: float32[n1]
    write b2: float32[n0]
    parallel i in 0:n0
        sweep k in n1
            fold s = add((b0[i, k] * b1[k])) ascending
        b2[i] = s
""",
    "vector_matrix": """kernel vector_matrix(n0, n1)
    read b0: float32[n1]
    read b1: float32[n1, n0]
    write b2: float32[n0]
    parallel j in 0:n0
        sweep k in n1
            fold s = add((b0[k] * b1[k, j])) ascending
        b2[j] = (s + float32(1.0))
""",
    "two_contracted_axes": """kernel two_contracted_axes(n0, n1, n2)
    read b0: float32[n0, 3, n2]
    read b1: float32[n2, 3, n1]
    write b2: float32[n0, n1]
    parallel i in 0:n0
        parallel j in 0:n1
            sweep k in 3, l in n2
                fold s = add((b0[i, k, l] * b1[l, k, j])) ascending
            b2[i, j] = (s + float32(1.0))
""",
    "two_joined_axes": """kernel two_joined_axes(n0, n1, n2)
    read b0: float32[n0, 3, n2]
    read b1: float32[3, n2, n1]
    write b2: float32[n0, n1]
    parallel i in 0:n0
        parallel j in 0:n1
            sweep k in 3, l in n2
                fold s = add((b0[i, k, l] * b1[k, l, j])) ascending
            b2[i, j] = s
""",
    "two_axes_transposed": """kernel two_axes_transposed(n0, n1, n2)
    read b0: float32[n0, 3, n2]
    read b1: float32[n1, n2, 3]
    write b2: float32[n0, n1]
    parallel i in 0:n0
        parallel j in 0:n1
            sweep k in 3, l in n2
                fold s = add((b0[i, k, l] * b1[j, l, k])) ascending
            b2[i, j] = (s * float32(2.0))
""",
    "convolution": """kernel convolution(n0, n1, n2)
    read b0: float32[n0 + 2, n2]
    read b1: float32[3, n2, n1]
    write b2: float32[n0, n1]
    parallel i in 0:n0
        parallel j in 0:n1
            sweep x in 3, k in n2
                fold s = add((b0[i + x, k] * b1[x, k, j])) ascending
            b2[i, j] = s
""",
    "padded_convolution": """kernel padded_convolution(n0, n1, n2)
    read b0: float32[n0, n2]
    read b1: float32[3, n2, n1]
    write b2: float32[n0, n1]
    parallel i in 0:n0
        parallel j in 0:n1
            sweep x in 3, k in n2
                let a = masked(b0[i + x - 1, k], i + x < n0 + 1, 0 < i + x)
                fold s = add((a * b1[x, k, j])) ascending
            b2[i, j] = s
""",
    "half": """kernel half(n0, n1, n2)
    read b0: float16[n0, n2]
    read b1: bfloat16[n2, n1]
    write b2: float16[n0, n1]
    parallel i in 0:n0
        parallel j in 0:n1
            sweep k in n2
                fold s = add((cast(b0[i, k], float32) * cast(b1[k, j], float32))) ascending
            b2[i, j] = cast(s, float16)
""",
    "computed_operands": """kernel computed_operands(n0, n1, n2)
    read b0: float32[n2, n0]
    read b1: float32[n1, n2]
    write b2: float32[n0, n1]
    parallel i in 0:n0
        parallel j in 0:n1
            sweep k in n2
                let x = (b0[k, i] + float32(1.0))
                fold s = add(((x * x) * abs(b1[j, k]))) ascending
            b2[i, j] = s
""",
    "strided_operands": """kernel strided_operands(n0, n1, n2)
    read b0: float32[n0, 2*n2]
    read b1: float32[2*n2, 3*n1]
    write b2: float32[n0, n1]
    parallel i in 0:n0
        parallel j in 0:n1
            sweep k in n2
                fold s = add((b0[i, 2*k + 1] * b1[2*n2 - 2*k - 1, 3*j])) ascending
            b2[i, j] = s
""",
}
SIZES = (
    (1, 37, 21),
    (0, 3, 2),
    (3, 0, 2),
    (3, 2, 0),
    (1, 1, 1),
    (7, 5, 3),
    (13, 49, 20),
    (34, 100, 33),
    (3, 17, 70),
)
LARGE = ((40, 530, 260), (26, 70, 1030))


@cache
def _compiled(name: str, target: CpuTarget, numerics: str) -> tuple[Kernel, TiledKernel, Library]:
    kernel = parse(KERNELS[name])
    tiled = tile_contraction(peel(kernel), target, numerics)
    assert tiled is not None, f"{name} is not recognised"
    return kernel, tiled, _load(tiled, target)


def _load(tiled: TiledKernel, target: CpuTarget) -> Library:
    texts = [each if isinstance(each, str) else generate(each, target) for each in tiled.functions]
    return link([_object(text, target) for text in texts], [tiled.symbol])


@cache
def _object(function: str, target: CpuTarget) -> bytes:
    return compile_object(module_text([function], target), target, verify=True)


def _inputs(kernel: Kernel, sizes: tuple[int, ...], seed: int = 0) -> list[Array]:
    random = np.random.default_rng(seed)
    bound = dict(zip(kernel.sizes, sizes, strict=False))
    arrays = []
    for buffer in kernel.buffers:
        shape = [evaluate(size, bound) for size in buffer.shape]
        values = (
            random.integers(-9, 9, shape)
            if buffer.dtype.is_integer
            else random.standard_normal(shape)
        )
        arrays.append(np.asarray(values).astype(buffer.dtype.numpy))
    return arrays


def _run(
    library: Library,
    tiled: TiledKernel,
    kernel: Kernel,
    arrays: list[Array],
    sizes: tuple[int, ...],
    threads: int = 1,
    cuts: tuple[int, ...] = (),
) -> list[Array]:
    """The buffers after running on copies, in the ranges of tasks between `cuts`; every byte around
    the buffers must stay as it was."""
    bound = {**dict(zip(kernel.sizes, sizes, strict=False)), THREADS: threads}
    guarded = [np.full(array.nbytes + 2 * CANARY, 0xAB, np.uint8) for array in arrays]
    inner = [whole[CANARY : whole.size - CANARY] for whole in guarded]
    for content, array in zip(inner, arrays, strict=True):
        content[...] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    workspace = np.full(evaluate(tiled.workspace, bound) + 2 * CANARY, 0xAB, np.uint8)
    start = workspace.ctypes.data + CANARY // 2
    start += -start % 64
    pointers = np.array([each.ctypes.data for each in inner] + [0], np.int64)
    numbers = np.array(list(bound.values()), np.int64)
    types = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2 + [ctypes.c_void_p]
    run = ctypes.CFUNCTYPE(None, *types)(library.addresses[tiled.symbol])
    count = evaluate(tiled.count, bound)
    bounds = sorted({0, count, *(cut for cut in cuts if cut < count)})
    for begin, end in pairwise(bounds):
        run(pointers.ctypes.data, numbers.ctypes.data, begin, end, start)
    for whole in [*guarded, workspace]:
        assert (whole[: CANARY // 2] == 0xAB).all(), "written before a buffer"
        assert (whole[len(whole) - CANARY // 2 :] == 0xAB).all(), "written behind a buffer"
    return [
        content.copy().view(array.dtype).reshape(array.shape)
        for content, array in zip(inner, arrays, strict=True)
    ]


def _expected(kernel: Kernel, arrays: list[Array], sizes: tuple[int, ...]) -> list[Array]:
    results = [array.copy() for array in arrays]
    interpret(kernel, results, sizes[: len(kernel.sizes)])
    return results


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_exact_code_equals_the_tiled_interpreter(name: str, target: CpuTarget) -> None:
    kernel, tiled, library = _compiled(name, target, "exact")
    for sizes in SIZES:
        arrays = _inputs(kernel, sizes)
        found = _run(library, tiled, kernel, arrays, sizes)
        for left, right in zip(_expected(kernel, arrays, sizes), found, strict=True):
            np.testing.assert_array_equal(right, left, err_msg=f"{name} {sizes}")


@pytest.mark.parametrize("sizes", [*LARGE, (65, 300, 500)], ids=str)
@pytest.mark.parametrize("name", ["nn", "nt", "tn", "tt", "double_nt", "epilogue", "half"])
def test_fast_bits_depend_on_nothing_but_the_values(name: str, sizes: tuple[int, ...]) -> None:
    kernel = parse(KERNELS[name])
    arrays = _inputs(kernel, sizes)
    position = [buffer.name for buffer in kernel.buffers].index("b2")
    expected = _expected(kernel, arrays, sizes)[position].astype(np.float64)
    results = []
    for target in TARGETS:
        _, tiled, library = _compiled(name, target, "fast")
        results.append(_run(library, tiled, kernel, arrays, sizes)[position])
        results.append(_run(library, tiled, kernel, arrays, sizes, 3, (1, 2, 4))[position])
    np.testing.assert_allclose(results[0].astype(np.float64), expected, rtol=2e-3, atol=2e-3)
    for result in results[1:]:
        np.testing.assert_array_equal(result.view(np.uint8), results[0].view(np.uint8))


def test_fast_code_rounds_each_step_once() -> None:
    kernel = parse(KERNELS["double"])
    sizes = (5, 9, 40)
    arrays = _inputs(kernel, sizes)
    left, right = arrays[0], arrays[1]
    _, tiled, library = _compiled("double", TARGETS[0], "fast")
    found = _run(library, tiled, kernel, arrays, sizes)[4]
    for i, j in np.ndindex(found.shape):
        total = Fraction(0)
        for k in range(sizes[2]):
            total = Fraction(float(total + Fraction(left[i, k]) * Fraction(right[k, j])))
        assert found[i, j] == float(total)


@pytest.mark.parametrize("name", ["nn", "epilogue_nt", "two_contracted_axes", "computed_operands"])
def test_the_vector_form_means_what_the_tiled_form_means(name: str) -> None:
    target = TARGETS[-1]
    kernel, tiled, _ = _compiled(name, target, "exact")
    (function,) = (each for each in tiled.functions if isinstance(each, Kernel))
    verify(function, "vector")
    for sizes in ((3, 5, 4), (7, 21, 6), (2, 3, 0)):
        arrays = _inputs(kernel, sizes)
        found = [array.copy() for array in arrays]
        interpret(function, found, (*sizes, 1), shared_kernels(float32, target, "exact"))
        for left, right in zip(_expected(kernel, arrays, sizes), found, strict=True):
            np.testing.assert_array_equal(right, left)


def test_the_shape_of_the_code() -> None:
    """Packing where it pays, the shared product, the epilogue behind the last block of depth."""
    _, tiled, _ = _compiled("epilogue", TARGETS[-1], "fast")
    function = tiled.functions[0]
    assert isinstance(function, Kernel)
    lines = text(function).splitlines()
    kept = [line[4:].split("(")[0].split("[")[0] for line in lines if "    let " not in line]
    assert [line for line in kept if "allocate" not in line][7:] == [
        "    serial block in 0:blocks",
        "        if is_packed == 1",
        "            call graphdl_pack_rows_float32",
        "        serial strip in 0:row_count:24",
        "            if is_packed == 1",
        "                call graphdl_strip_float32_fused",
        "            else",
        "                call graphdl_strip_float32_fused",
        "            if block+1 == blocks",
        "                serial tile_row in 0:min",
        "                    serial tile_column in 0:4*",
        "                        vector lane in 0:4",
        "                            b2",
        "                    if 4*",
        "                        vector lane in 0:4",
        "                            b2",
    ]


def test_shared_functions_are_well_formed_and_round_trip() -> None:
    for target in TARGETS:
        for kernel in shared_kernels(float32, target, "fast").values():
            lengths = [Symbol(str(buffer.shape[0])) for buffer in kernel.buffers]
            verify(replace(kernel, sizes=(*kernel.sizes, *lengths)), "vector")
            assert parse(text(kernel)) == kernel


def test_contractions_of_one_dtype_share_their_functions() -> None:
    texts = [_compiled(name, TARGETS[0], "exact")[1].functions for name in ("nn", "tn", "epilogue")]
    shared = [{each for each in functions if isinstance(each, str)} for functions in texts]
    assert shared[0] == shared[1] == shared[2]
    assert len(texts[0]) == 7


@pytest.mark.parametrize(
    "change",
    [
        (
            "fold s = add((b0[i, k] * b1[k, j])) ascending",
            "fold s = maximum((b0[i, k] * b1[k, j])) ascending",
        ),
        (
            "fold s = add((b0[i, k] * b1[k, j])) ascending",
            "fold s = add((b0[i, k] + b1[k, j])) ascending",
        ),
        (
            "fold s = add((b0[i, k] * b1[k, j])) ascending",
            "fold s = add((b0[i, k] * b1[k, j])) interleaved",
        ),
    ],
)
def test_other_folds_are_left_to_other_recipes(change: tuple[str, str]) -> None:
    kernel = parse(KERNELS["nn"].replace(*change))
    assert tile_contraction(peel(kernel), TARGETS[0], "fast") is None


def test_a_wrong_panel_product_is_noticed() -> None:
    """A planted fault: the depth of the shared product runs one step short."""
    target = TARGETS[-1]
    kernel, tiled, _ = _compiled("nn", target, "exact")
    wrong = [
        each if isinstance(each, Kernel) else _one_step_short(each) for each in tiled.functions
    ]
    library = _load(replace(tiled, functions=tuple(wrong)), target)
    arrays = _inputs(kernel, (5, 6, 7))
    found = _run(library, tiled, kernel, arrays, (5, 6, 7))
    assert not np.array_equal(found[4], _expected(kernel, arrays, (5, 6, 7))[4])


def _one_step_short(function: str) -> str:
    if "@graphdl_panel_" not in function.partition("define ")[2].partition("(")[0]:
        return function
    lines = function.splitlines()
    start = lines.index("entry:")
    lines[start + 1 : start + 1] = ["  %short = sub i64 %size2, 1"]
    rest = "\n".join(lines[start + 2 :]).replace("%size2", "%short")
    return "\n".join([*lines[: start + 2], rest])
