"""Equal nests get equal text, whatever they were called and however large they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from graphdl.kernel.interpreter import interpret
from graphdl.kernel.nodes import Kernel
from graphdl.kernel.parser import parse
from graphdl.kernel.printer import text
from graphdl.kernel.simplify import simplify_kernel
from graphdl.kernel.transforms import abstract_sizes as abstract_module
from graphdl.kernel.transforms.abstract_sizes import abstract_sizes
from graphdl.kernel.transforms.canonicalize import canonicalize
from graphdl.kernel.transforms.collapse_axes import collapse_axes
from graphdl.kernel.verifier import verify
from graphdl.typesystem.expression import Symbol, evaluate
from tests.kernel.random_kernels import arrays_for, kernels, same_bits

BIAS = """kernel elementwise({sizes})
    read {x}: float32[{m}, {n}]
    read {b}: float32[{n}]
    write {y}: float32[{m}, {n}]
    parallel {i} in 0:{m}
        parallel {j} in 0:{n}
            let {v} = ({x}[{i}, {j}] + {b}[{j}])
            {y}[{i}, {j}] = ({v} * {v})
"""
CANONICAL = """kernel elementwise(n0, n1)
    read b0: float32[n0, n1]
    read b1: float32[n1]
    write b2: float32[n0, n1]
    parallel i0 in 0:n0
        parallel i1 in 0:n1
            let v0 = (b0[i0, i1] + b1[i1])
            b2[i0, i1] = (v0 * v0)
"""


def canonical(source: str) -> str:
    return text(canonicalize(abstract_sizes(parse(source))[0])[0])


@pytest.mark.parametrize(
    "names",
    [
        {"sizes": "batch", "m": "batch", "n": "64"},
        {"sizes": "n1, n0", "m": "n1", "n": "n0"},
        {"sizes": "", "m": "64", "n": "64"},
        {"sizes": "n", "m": "n", "n": "n"},
        {"sizes": "a, b", "m": "a*b", "n": "2*a+1"},
    ],
)
def test_equal_nests_have_equal_text(names: dict[str, str]) -> None:
    other = {"x": "p", "b": "q", "y": "r", "i": "row", "j": "column", "v": "sum", **names}
    assert canonical(BIAS.format(**other)) == CANONICAL


def test_axes_that_walk_one_size_share_its_symbol() -> None:
    source = """kernel gram(n)
    read x: float32[n, 8]
    write y: float32[n, n]
    parallel i in 0:n
        parallel j in 0:n
            sweep k in 8
                fold s = add((x[i, k] * x[j, k])) ascending
            y[i, j] = s
"""
    kernel, values = abstract_sizes(parse(source))
    assert [str(size) for size in kernel.buffers[0].shape] == ["n0", "n1"]
    assert [str(size) for size in kernel.buffers[1].shape] == ["n0", "n0"]
    assert values == (Symbol("n"), 8)


def test_sizes_inside_indices_keep_their_meaning() -> None:
    source = """kernel flip(n)
    read x: float32[2*n]
    write y: float32[n]
    parallel i in 0:n
        y[i] = masked(x[n-1-i], i+3 < n)
"""
    kernel, values = abstract_sizes(parse(source))
    canonical_kernel, buffers, sizes = canonicalize(kernel)
    assert buffers == ("x", "y")
    number = dict(zip(kernel.sizes, values, strict=True))
    numbers = [evaluate(number[size], {Symbol("n"): 5}) for size in sizes]
    x = np.arange(10, dtype=np.float32)
    result = np.empty(5, np.float32)
    interpret(canonical_kernel, [x, result], numbers)
    assert result.tolist() == [4, 3, 0, 0, 0]


def test_unused_buffers_and_sizes_go_away() -> None:
    source = """kernel k(n0, n1)
    read b0: float32[n1]
    write b1: float32[n0]
    parallel i0 in 0:n0
        b1[i0] = float32(0.0)
"""
    kernel, buffers, sizes = canonicalize(parse(source))
    assert buffers == ("b1",)
    assert sizes == (Symbol("n0"),)
    assert kernel.sizes == (Symbol("n0"),)


def test_extents_of_one_stay() -> None:
    kernel, values = abstract_sizes(
        parse("kernel k(n)\n    write b: float32[1, n]\n    b[0, n-1] = float32(0.0)\n")
    )
    assert kernel.buffers[0].shape[0] == 1
    assert values[0] == Symbol("n")


def run_finished(kernel: Kernel, rows: int, columns: int) -> list[NDArray[Any]]:
    """The arrays after the kernel has been through every transform."""
    abstract, values = abstract_sizes(collapse_axes(simplify_kernel(kernel)))
    number = dict(zip(abstract.sizes, values, strict=True))
    final, buffers, sizes = canonicalize(abstract)
    verify(final)
    assert canonicalize(final)[0] == final
    known = {Symbol("rows"): rows, Symbol("columns"): columns}
    numbers = [evaluate(number[size], known) for size in sizes]
    arrays = arrays_for(kernel, rows, columns)
    by_name = {buffer.name: a for buffer, a in zip(kernel.buffers, arrays, strict=True)}
    bound = dict(zip(final.sizes, numbers, strict=True))
    views = []
    for name, buffer in zip(buffers, final.buffers, strict=True):
        shape = tuple(evaluate(size, bound) for size in buffer.shape)
        views.append(by_name[name].reshape(shape))
    interpret(final, views, numbers)
    return arrays


@settings(max_examples=80)
@given(kernel=kernels(), rows=st.integers(1, 4), columns=st.sampled_from((1, 3, 70)))
def test_values_stay(kernel: Kernel, rows: int, columns: int) -> None:
    expected = arrays_for(kernel, rows, columns)
    interpret(kernel, expected, (rows, columns))
    assert all(map(same_bits, run_finished(kernel, rows, columns), expected))


def test_one_symbol_for_two_sizes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were all extents given the first symbol, a kernel of 4 x 3 would reach outside."""
    original = abstract_module._Renamer._new

    def confuse(self: Any, key: object, value: Any) -> Any:
        return next(iter(self.known.values()), None) or original(self, key, value)

    monkeypatch.setattr(abstract_module._Renamer, "_new", confuse)
    kernel = parse(BIAS.format(x="x", b="b", y="y", i="i", j="j", v="v", m=4, n=3, sizes=""))
    wrong, values = abstract_sizes(kernel)
    assert values == (4,)
    assert wrong.buffers[1].shape == (Symbol("n0"),)
    assert text(canonicalize(wrong)[0]) != CANONICAL
