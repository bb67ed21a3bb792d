"""The generator: vector-form kernels run natively against the interpreter, at every vector width."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphdl.backends.cpu.generate import generate, module_text, task_count, workspace_bytes
from graphdl.backends.cpu.load import Library, compile_object, link
from graphdl.backends.cpu.target import CpuTarget, executable_targets
from graphdl.errors import InternalError
from graphdl.kernel.interpreter import interpret
from graphdl.kernel.nodes import Kernel
from graphdl.kernel.parser import parse
from graphdl.kernel.verifier import verify
from graphdl.typesystem.dtype import ALL, DType, Kind, bfloat16, float16
from graphdl.typesystem.expression import evaluate

Array = np.ndarray[Any, Any]

TARGETS = executable_targets()
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
    for left, right in zip(expected, found, strict=True):
        np.testing.assert_array_equal(right, left)
        if left.dtype.kind == "f":
            known = ~np.isnan(left)
            assert (np.signbit(left) == np.signbit(right))[known].all(), "sign of zero"


def _lanes(target: CpuTarget, *dtypes: DType) -> int:
    return target.lanes(max(32, *(dtype.bits for dtype in dtypes)))


def _elementwise(lanes: int, operands: Sequence[DType], result: DType, value: str) -> str:
    """c[i] = value of x and y, in masked vectors."""
    names = "xyz"[: len(operands)]
    reads = "\n".join(
        f"    read {name}: {dtype}[n0]" for name, dtype in zip(names, operands, strict=True)
    )
    index = f"{lanes}*task+lane"
    lets = "\n".join(
        f"            let {name}_value = masked({name}[{index}], {index} < n0)" for name in names
    )
    for name in names:
        value = value.replace(f"${name}", f"{name}_value")
    return f"""kernel elementwise(n0)
{reads}
    write c: {result}[n0]
    parallel task in 0:(n0+{lanes - 1})//{lanes}
        vector lane in 0:{lanes}
{lets}
            c[{index}] = {value} if {index} < n0
"""


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
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, 1.5, 2.5, -0.5, -2.5, 1e-42, 1e30, -1e30]
    with np.errstate(over="ignore"):
        values[: len(special)] = np.array(special).astype(dtype.numpy)
    return np.asarray(random.permutation(values))


def _elementwise_check(
    target: CpuTarget, operands: Sequence[DType], result: DType, value: str
) -> None:
    text = _elementwise(_lanes(target, *operands, result), operands, result, value)
    arrays = [_samples(dtype, seed=seed) for seed, dtype in enumerate(operands)]
    _check(text, target, [*arrays, np.zeros(67, result.numpy)], [67])


# Arithmetic ---------------------------------------------------------------------------------------

INTEGER_BINARY = (
    "($x + $y)", "($x - $y)", "($x * $y)", "maximum($x, $y)", "minimum($x, $y)",
    "floor_divide($x, $y)", "remainder($x, $y)", "bitwise_and($x, $y)", "bitwise_or($x, $y)",
    "bitwise_xor($x, $y)", "shift_left($x, $y)", "shift_right_logical($x, $y)",
    "shift_right_arithmetic($x, $y)", "select(($x < $y), $y, $x)", "select(($x >= $y), $y, -$x)",
)  # fmt: skip
INTEGER_UNARY = ("abs($x)", "sign($x)", "-$x", "bitwise_not($x)", "select(is_finite($x), $x, -$x)")
FLOAT_BINARY = (
    "($x + $y)", "($x - $y)", "($x * $y)", "($x / $y)", "maximum($x, $y)", "minimum($x, $y)",
    "select(($x == $y), $y, $x)", "select(($x != $y), $y, $x)", "select(($x <= $y), $y, $x)",
    "select(($x > $y), $y, $x)",
)  # fmt: skip
FLOAT_UNARY = (
    "abs($x)", "sign($x)", "-$x", "floor($x)", "ceil($x)", "round($x)", "trunc($x)", "sqrt($x)",
    "rsqrt($x)", "select(is_finite($x), $x, -$x)",
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integers(dtype: DType, target: CpuTarget) -> None:
    values = [*INTEGER_BINARY, *(each for each in INTEGER_UNARY)]
    for value in _accepted(values, [dtype, dtype]):
        _elementwise_check(target, [dtype, dtype], dtype, value)


@pytest.mark.parametrize("target", [*TARGETS, SOFT_HALF], ids=str)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_floats(dtype: DType, target: CpuTarget) -> None:
    for value in _accepted([*FLOAT_BINARY, *FLOAT_UNARY], [dtype, dtype]):
        _elementwise_check(target, [dtype, dtype], dtype, value)


def _accepted(values: Sequence[str], operands: Sequence[DType]) -> list[str]:
    """The values that the kernel language has for these dtypes; most of them."""
    found = []
    for value in values:
        try:
            parse(_elementwise(4, operands, operands[0], value))
        except InternalError:
            continue
        found.append(value)
    assert len(found) > len(values) // 2
    return found
