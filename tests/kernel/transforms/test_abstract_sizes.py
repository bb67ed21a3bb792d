"""Sizes become symbols wherever they stand, and equal nests of other sizes are equal text."""

from __future__ import annotations

import pytest

from graphdl.kernel.printer import text
from graphdl.kernel.simplify import simplify_kernel
from graphdl.kernel.transforms.abstract_sizes import abstract_sizes
from graphdl.kernel.transforms.canonicalize import canonicalize
from graphdl.typesystem.expression import Symbol
from tests.kernel.same_values import assert_same_values, kernel_of

REVERSED = """
    kernel elementwise(batch)
        read b0: float32[batch, {m}]
        write b1: float32[batch, {m}]
        parallel i0 in 0:batch
            parallel i1 in 0:{m}
                b1[i0, i1] = b0[i0, {m}-1-i1]
"""
JOINED = """
    kernel elementwise(batch)
        read b0: float32[batch, {m}]
        read b1: float32[batch, {n}]
        read b2: float32[batch, {n}]
        write b3: float32[batch, {m}+{n}+{n}]
        parallel i0 in 0:batch
            parallel i1 in 0:{m}+{n}+{n}
                let v0 = masked(b0[i0, i1], i1 < {m})
                let v1 = masked(b1[i0, i1-{m}], {m} <= i1, i1 < {m}+{n})
                let v2 = masked(b2[i0, i1-{m}-{n}], {m}+{n} <= i1)
                let v3 = select(all(i1 < {m}+{n}), v1, v2)
                b3[i0, i1] = select(all(i1 < {m}), v0, v3)
"""
PADDED = """
    kernel elementwise(batch)
        read b0: float32[batch, {m}]
        write b1: float32[batch, {m}+8]
        parallel i0 in 0:batch
            parallel i1 in 0:{m}+8
                b1[i0, i1] = masked(b0[i0, i1-3], 3 <= i1, i1 < {m}+3)
"""
GATHERED = """
    kernel elementwise(batch)
        read b0: int64[batch]
        read b1: float32[{m}, {n}]
        write b2: float32[batch, {n}]
        parallel i0 in 0:batch
            parallel i1 in 0:{n}
                let g = minimum(maximum(b0[i0], int64(0)), index({m}-1, int64))
                b2[i0, i1] = b1[g, i1]
"""
COUNTED = """
    kernel random(batch)
        write b0: float32[{m}]
        parallel i0 in 0:({m}+3)//4
            b0[4*i0] = index(i0, float32)
            b0[4*i0+1] = index(i0, float32) if 4*i0+1 < {m}
            b0[4*i0+2] = index(i0, float32) if 4*i0+2 < {m}
            b0[4*i0+3] = index(i0, float32) if 4*i0+3 < {m}
"""
SQUARE = """
    kernel elementwise(batch)
        read b0: float32[{m}, {n}]
        write b1: float32[{n}, {m}]
        parallel i0 in 0:{n}
            parallel i1 in 0:{m}
                b1[i0, i1] = b0[i1, i0]
"""
SOURCES = {
    "reversed": REVERSED,
    "joined": JOINED,
    "padded": PADDED,
    "gathered": GATHERED,
    "counted": COUNTED,
    "square": SQUARE,
}
BATCH = Symbol("batch")


@pytest.mark.parametrize("name", SOURCES)
def test_equal_nests_of_other_sizes_have_equal_text(name: str) -> None:
    found = set()
    for m, n in (("13", "7"), ("9", "22"), ("21", "21"), ("batch", "11"), ("(2*batch+5)", "batch")):
        before = kernel_of(SOURCES[name].format(m=m, n=n))
        after, values = abstract_sizes(before)
        for batch in (4, 1):
            assert_same_values(before, after, {BATCH: batch}, values=values)
        found.add(text(canonicalize(after)[0]))
    assert len(found) == 1, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("reversed", "b1[i0, i1] = b0[i0, -i1+n1-1]"),
        ("joined", "let v2 = masked(b2[i0, i1-n1-n2], n1+n2 <= i1)"),
        ("padded", "b1[i0, i1] = masked(b0[i0, i1-3], 3 <= i1, i1-3 < n1)"),
        ("gathered", "let v0 = minimum(maximum(b0[i0], int64(0)), index(n1-1, int64))"),
        ("counted", "b0[4*i0+3] = index(i0, float32) if 4*i0+3 < n0"),
        ("square", "read b0: float32[n0, n1]"),
    ],
)
def test_offsets_and_limits_are_written_with_sizes(name: str, line: str) -> None:
    kernel = simplify_kernel(kernel_of(SOURCES[name].format(m=13, n=7)))
    assert line in text(canonicalize(abstract_sizes(kernel)[0])[0])


def test_numbers_that_are_no_sizes_stay() -> None:
    kernel = kernel_of("""
        kernel elementwise()
            read b0: float32[40]
            read b1: uint32[2]
            write b2: float32[10]
            parallel i0 in 0:10
                b2[i0] = (b0[2*i0+7] + (index(i0+784, float32) * float32(10.0)))
    """)
    after, values = abstract_sizes(kernel)
    assert values == (40, 2, 10)
    assert "(b0[2*i0+7] + (index(i0+784, float32) * float32(10.0)))" in text(after)
    assert_same_values(kernel, after, {}, values=values)


def test_extents_inside_a_kernel_stay_what_they_are() -> None:
    """A loop as long as another loop's index has no size."""
    kernel = kernel_of("""
        kernel triangle(n)
            read b0: float32[n, n]
            write b1: float32[n]
            parallel i0 in 0:n
                sweep k0 in i0+1
                    fold v0 = add(b0[i0, k0]) ascending
                b1[i0] = v0
    """)
    after, values = abstract_sizes(kernel)
    assert values == (Symbol("n"), Symbol("n"))
    assert "sweep k0 in i0+1" in text(after)
    assert_same_values(kernel, after, {Symbol("n"): 5}, values=values)


def test_sweeps_with_one_symbol_and_two_extents() -> None:
    kernel = kernel_of("""
        kernel row(n)
            read b0: float32[n]
            read b1: float32[6]
            write b2: float32[]
            sweep k0 in n
                fold v0 = add(b0[k0]) ascending
            sweep k0 in 6
                fold v1 = add(b1[k0]) ascending
            b2[()] = (v0 * v1)
    """)
    after, values = abstract_sizes(kernel)
    for n in (0, 1, 9):
        assert_same_values(kernel, after, {Symbol("n"): n}, values=values)
