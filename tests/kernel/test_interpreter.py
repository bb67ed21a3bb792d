"""The interpreter against a second one that runs point by point, and against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphdl.errors import InternalError
from graphdl.kernel import folding
from graphdl.kernel import interpreter as interpreter_module
from graphdl.kernel.interpreter import interpret
from graphdl.kernel.nodes import Kernel
from graphdl.kernel.parser import parse
from graphdl.kernel.verifier import verify
from tests.kernel.random_kernels import arrays_for, kernels, same_bits
from tests.kernel.scalar_interpreter import ScalarInterpreter

SOFTMAX = """
kernel softmax(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n0, n1]
    parallel i0 in 0:n0
        allocate thread t0: float32[n1]
        sweep i1 in n1
            fold m = maximum(b0[i0, i1]) interleaved
        sweep i1 in n1
            let e = exp((b0[i0, i1] - m))
            t0[i1] = e
            fold s = add(e) interleaved
        sweep i1 in n1
            b1[i0, i1] = (t0[i1] / s)
"""

MATMUL = """
kernel matmul(n0, n1, n2)
    read b0: float64[n0, n2]
    read b1: float64[n2, n1]
    write b2: float64[n0, n1]
    parallel i0 in 0:n0
        parallel i1 in 0:n1
            sweep i2 in n2
                fold a = add((b0[i0, i2] * b1[i2, i1])) ascending
            b2[i0, i1] = a
"""

SCATTER = """
kernel scatter(n0, n1)
    read b0: int64[n0]
    read b1: float32[n0]
    update b2: float32[n1]
    serial i0 in 0:n0
        let g = minimum(maximum(b0[i0], int64(0)), index(n1-1, int64))
        b2[g] = (b2[g] + b1[i0])
"""

VECTOR = """
kernel row_sum(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n0]
    parallel i0 in 0:n0
        allocate register r0: float32[64]
        unroll u in 0:4
            vector v in 0:16
                r0[16*u+v] = float32(0.0)
        serial k in 0:n1:64
            unroll u in 0:4
                vector v in 0:16
                    let x = masked(b0[i0, k+16*u+v], k+16*u+v < n1)
                    r0[16*u+v] = (r0[16*u+v] + x)
        join s = add(r0)
        b1[i0] = s
"""


def run(text: str, *arrays: np.ndarray, sizes: tuple[int, ...]) -> None:
    kernel = parse(text)
    verify(kernel, form="vector" if "register" in text else "tiled")
    interpret(kernel, arrays, sizes)


@settings(max_examples=100)
@given(kernel=kernels(), rows=st.integers(0, 4), columns=st.sampled_from((1, 3, 70)))
def test_both_interpreters_agree(kernel: Kernel, rows: int, columns: int) -> None:
    verify(kernel)
    arrays = arrays_for(kernel, rows, columns)
    expected = [array.copy() for array in arrays]
    interpret(kernel, arrays, (rows, columns))
    ScalarInterpreter(kernel, expected, (rows, columns)).run()
    for buffer, got, wanted in zip(kernel.buffers, arrays, expected, strict=True):
        assert same_bits(got, wanted), buffer.name


def test_softmax_is_numpys() -> None:
    x = np.random.default_rng(0).standard_normal((5, 77)).astype(np.float32)
    result = np.empty_like(x)
    run(SOFTMAX, x, result, sizes=(5, 77))
    powers = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(result, powers / powers.sum(1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("sizes", [(3, 4, 5), (1, 1, 1), (2, 3, 0), (0, 3, 2)])
def test_matmul_is_numpys(sizes: tuple[int, int, int]) -> None:
    m, n, k = sizes
    random = np.random.default_rng(1)
    left, right = random.standard_normal((m, k)), random.standard_normal((k, n))
    result = np.full((m, n), np.nan)
    run(MATMUL, left, right, result, sizes=sizes)
    np.testing.assert_allclose(result, left @ right, rtol=1e-14)


def test_points_in_chunks_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    x = random.standard_normal((7, 300)).astype(np.float32)
    whole, parts = np.empty_like(x), np.empty_like(x)
    run(SOFTMAX, x, whole, sizes=(7, 300))
    monkeypatch.setattr(interpreter_module, "_POINTS_AT_ONCE", 128)
    run(SOFTMAX, x, parts, sizes=(7, 300))
    assert same_bits(whole, parts)


def test_scatter_adds_duplicates_in_order() -> None:
    index = np.array([1, 0, 1, 9, -3])
    value = np.array([1e8, 2, -1e8, 3, 4], np.float32)
    result = np.ones(3, np.float32)
    run(SCATTER, index, value, result, sizes=(5, 3))
    assert result.tolist() == [7, 0, 4]  # 1 is lost in 1e8


def test_interleaved_fold_is_six_lines_of_numpy() -> None:
    x = np.random.default_rng(3).standard_normal((4, 1000)).astype(np.float32)
    partials = np.zeros((4, 64), np.float32)
    for begin in range(0, 1000, 64):
        part = x[:, begin : begin + 64]
        partials[:, : part.shape[1]] += part
    while partials.shape[1] > 1:
        partials = partials[:, : partials.shape[1] // 2] + partials[:, partials.shape[1] // 2 :]
    result = np.empty(4, np.float32)
    run(VECTOR, x, result, sizes=(4, 1000))
    assert same_bits(result, partials[:, 0])


@pytest.mark.parametrize(("row", "best"), [([1, 5, 5], 1), ([1, np.nan, np.nan], 1), ([3], 0)])
@pytest.mark.parametrize("order", ["ascending", "interleaved"])
def test_argmax_takes_the_first_nan_or_the_first_maximum(
    row: list[float], best: int, order: str
) -> None:
    text = f"""
kernel arg(n0)
    read b0: float32[n0]
    write b1: int64[1]
    sweep i0 in n0
        fold m, at = argmax(b0[i0], index(i0, int64)) {order}
    b1[0] = at
"""
    result = np.empty(1, np.int64)
    run(text, np.array(row, np.float32), result, sizes=(len(row),))
    assert result[0] == best


WRONG = {
    "an index outside a load": ("b1[i0] = b0[i0+1]", "outside 0..3"),
    "an index outside a store": ("b1[i0-1] = b0[i0]", "outside 0..3"),
    "two iterations writing one element": ("b1[0] = b0[i0]", "two parallel iterations"),
}


@pytest.mark.parametrize(("line", "message"), WRONG.values(), ids=WRONG)
def test_wrong_accesses_are_reported_with_their_line(line: str, message: str) -> None:
    text = f"""
kernel wrong(n0)
    read b0: float32[n0]
    write b1: float32[n0]
    parallel i0 in 0:n0
        {line}
"""
    x = np.ones(4, np.float32)
    with pytest.raises(InternalError, match=message) as caught:
        run(text, x, np.empty_like(x), sizes=(4,))
    assert line.split(" = ")[0] in str(caught.value)


def test_a_mask_guards_what_lies_outside() -> None:
    text = """
kernel shifted(n0)
    read b0: float32[n0]
    write b1: float32[n0]
    parallel i0 in 0:n0
        b1[i0] = masked(b0[i0+1], i0+1 < n0)
"""
    result = np.empty(3, np.float32)
    run(text, np.array([1, 2, 3], np.float32), result, sizes=(3,))
    assert result.tolist() == [2, 3, 0]


def test_uninitialised_memory_shows() -> None:
    text = """
kernel early(n0)
    write b0: float32[n0]
    parallel i0 in 0:n0
        allocate thread t0: float32[2]
        t0[0] = float32(1.0)
        b0[i0] = (t0[0] + t0[1])
"""
    result = np.zeros(3, np.float32)
    run(text, result, sizes=(3,))
    assert np.isnan(result).all()


def test_an_array_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(InternalError, match="was given"):
        run(SCATTER, *(np.zeros(3, np.float32) for _ in range(3)), sizes=(3, 3))


def test_loops_whose_bounds_differ_between_iterations() -> None:
    text = """
kernel triangle(n0)
    write b0: int64[n0]
    parallel i0 in 0:n0
        serial i1 in 0:i0+1
            carry c = int64(0)
            next c = (c + index(i1, int64))
        sweep i2 in i0
            fold s = add(index(1, int64)) ascending
        b0[i0] = (c + s)
"""
    result = np.zeros(5, np.int64)
    run(text, result, sizes=(5,))
    assert result.tolist() == [k * (k + 1) // 2 + k for k in range(5)]


def test_a_wrong_order_of_folding_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second interpreter notices an interleaved fold that adds in ascending order."""
    x = np.random.default_rng(4).standard_normal((3, 500)).astype(np.float32)
    kernel = parse(
        """
kernel row_sum(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n0]
    parallel i0 in 0:n0
        sweep i1 in n1
            fold s = add(b0[i0, i1]) interleaved
        b1[i0] = s
"""
    )
    expected, got = np.empty(3, np.float32), np.empty(3, np.float32)
    ScalarInterpreter(kernel, [x, expected], (3, 500)).run()
    interpret(kernel, [x, got], (3, 500))
    assert same_bits(got, expected)
    monkeypatch.setattr(folding, "LANES", 1)
    monkeypatch.setattr(interpreter_module, "LANES", 1)
    interpret(kernel, [x, got], (3, 500))
    assert not same_bits(got, expected)
