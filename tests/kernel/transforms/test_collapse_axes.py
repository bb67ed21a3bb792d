"""Axes become one where every index allows it, and nowhere else."""

from __future__ import annotations

import pytest

from graphdl.kernel.printer import text
from graphdl.kernel.transforms import collapse_axes as module
from graphdl.kernel.transforms.collapse_axes import collapse_axes
from graphdl.typesystem.expression import Size, Symbol, free_symbols
from tests.kernel.same_values import assert_same_values, kernel_of

SIZES = [{"n0": 3, "n1": 4, "n2": 5}, {"n0": 1, "n1": 1, "n2": 7}, {"n0": 2, "n1": 0, "n2": 3}]

ELEMENTWISE = """
    kernel elementwise(n0, n1, n2)
        read b0: float32[n0, n1, n2]
        read b1: float32[]
        write b2: float32[n0, n1, n2]
        parallel i0 in 0:n0
            parallel i1 in 0:n1
                parallel i2 in 0:n2
                    b2[i0, i1, i2] = (b0[i0, i1, i2] * b1[()])
"""
BROADCAST_ROW = """
    kernel elementwise(n0, n1, n2)
        read b0: float32[n0, n1, n2]
        read b1: float32[n2]
        write b2: float32[n0, n1, n2]
        parallel i0 in 0:n0
            parallel i1 in 0:n1
                parallel i2 in 0:n2
                    b2[i0, i1, i2] = (b0[i0, i1, i2] + b1[i2])
"""
BROADCAST_COLUMN = """
    kernel elementwise(n0, n1, n2)
        read b0: float32[n0, n1, n2]
        read b1: float32[n0]
        write b2: float32[n0, n1, n2]
        parallel i0 in 0:n0
            parallel i1 in 0:n1
                parallel i2 in 0:n2
                    b2[i0, i1, i2] = (b0[i0, i1, i2] + b1[i0])
"""
CONTRACTION = """
    kernel contraction(n0, n1, n2)
        read b0: float32[n0, n1, n2]
        read b1: float32[n2, 3]
        write b2: float32[n0, n1, 3]
        parallel i0 in 0:n0
            parallel i1 in 0:n1
                parallel i2 in 0:3
                    sweep i3 in n2
                        fold v0 = add((b0[i0, i1, i3] * b1[i3, i2])) ascending
                    b2[i0, i1, i2] = v0
"""
ROWS = """
    kernel row(n0, n1, n2)
        read b0: float32[n0, n1, n2]
        write b1: float32[n0, n1, n2]
        parallel i0 in 0:n0
            allocate thread update t0: float32[n1, n2]
            sweep k0 in n1, k1 in n2
                let v0 = exp(b0[i0, k0, k1])
                t0[k0, k1] = v0
                fold v1 = add(v0) interleaved
            sweep k0 in n1, k1 in n2
                b1[i0, k0, k1] = (t0[k0, k1] / v1)
"""
ROWS_OF_ROWS = """
    kernel row(n0, n1, n2)
        read b0: float32[n0, n1, n2]
        write b1: int64[n0, n1]
        parallel i0 in 0:n0
            parallel i1 in 0:n1
                sweep k0 in n2
                    fold v0, v1 = argmax(b0[i0, i1, k0], index(k0, int64)) interleaved
                b1[i0, i1] = v1
"""
POSITION = """
    kernel elementwise(n0, n1, n2)
        read b0: float32[n0, n1]
        write b1: float32[n0, n1]
        parallel i0 in 0:n0
            parallel i1 in 0:n1
                b1[i0, i1] = (b0[i0, i1] * index(n1*i0+i1+n2, float32))
"""
COLUMN_NUMBER = POSITION.replace("n1*i0+i1+n2", "i1+n2")
FLAT = """
    kernel elementwise(n0, n1, n2)
        read b0: float32[n0, n1*n2]
        write b1: float32[n0, n1, n2]
        parallel i0 in 0:n0
            parallel i1 in 0:n1
                parallel i2 in 0:n2
                    b1[i0, i1, i2] = b0[i0, n2*i1+i2]
"""
TRANSPOSE = """
    kernel elementwise(n0, n1, n2)
        read b0: float32[n1, n0, n2]
        write b1: float32[n0, n1, n2]
        parallel i0 in 0:n0
            parallel i1 in 0:n1
                parallel i2 in 0:n2
                    b1[i0, i1, i2] = b0[i1, i0, i2]
"""
PART = """
    kernel elementwise(n0, n1, n2)
        read b0: float32[n0, n1+n2]
        write b1: float32[n0, n1]
        parallel i0 in 0:n0
            parallel i1 in 0:n1
                b1[i0, i1] = b0[i0, i1+n2]
"""
MASK = """
    kernel elementwise(n0, n1, n2)
        read b0: float32[n0, n1]
        write b1: float32[n0, n1]
        parallel i0 in 0:n0
            parallel i1 in 0:n1
                b1[i0, i1] = masked(b0[i0, i1], i1 < n2)
"""
SERIAL = """
    kernel scatter(n0, n1, n2)
        read b0: int64[n0, n1]
        read b1: float32[n0, n1, n2]
        update b2: float32[4, n2]
        parallel i2 in 0:n2
            serial i0 in 0:n0
                serial i1 in 0:n1
                    let v0 = b0[i0, i1]
                    b2[v0, i2] = (b2[v0, i2] + b1[i0, i1, i2])
"""
SCAN = """
    kernel scan(n0, n1, n2)
        read b0: float32[n0, n1, n2]
        write b1: float32[n0, n1, n2]
        parallel i0 in 0:n0
            parallel i2 in 0:n2
                serial i1 in 0:n1
                    carry v0 = float32(0.0)
                    let v1 = (v0 + b0[i0, i1, i2])
                    b1[i0, i1, i2] = v1
                    next v0 = v1
"""
BETWEEN = """
    kernel elementwise(n0, n1, n2)
        read b0: float32[n0]
        write b1: float32[n0, n1]
        parallel i0 in 0:n0
            let v0 = b0[i0]
            parallel i1 in 0:n1
                b1[i0, i1] = v0
"""
CASES = {
    "elementwise": (ELEMENTWISE, ["i0 in 0:n0*n1*n2"]),
    "broadcast_row": (BROADCAST_ROW, ["i0 in 0:n0*n1", "i2 in 0:n2"]),
    "broadcast_column": (BROADCAST_COLUMN, ["i0 in 0:n0", "i1 in 0:n1*n2"]),
    "contraction": (CONTRACTION, ["i0 in 0:n0*n1", "i2 in 0:3", "i3 in n2"]),
    "rows": (ROWS, ["i0 in 0:n0", "k0 in n1*n2", "k0 in n1*n2"]),
    "rows_of_rows": (ROWS_OF_ROWS, ["i0 in 0:n0*n1", "k0 in n2"]),
    "position": (POSITION, ["i0 in 0:n0*n1"]),
    "column_number": (COLUMN_NUMBER, ["i0 in 0:n0", "i1 in 0:n1"]),
    "flat": (FLAT, ["i0 in 0:n0*n1*n2"]),
    "transpose": (TRANSPOSE, ["i0 in 0:n0", "i1 in 0:n1", "i2 in 0:n2"]),
    "part": (PART, ["i0 in 0:n0", "i1 in 0:n1"]),
    "mask": (MASK, ["i0 in 0:n0", "i1 in 0:n1"]),
    "serial": (SERIAL, ["i2 in 0:n2", "i0 in 0:n0*n1"]),
    "scan": (SCAN, ["i0 in 0:n0", "i2 in 0:n2", "i1 in 0:n1"]),
    "between": (BETWEEN, ["i0 in 0:n0", "i1 in 0:n1"]),
}


def axes_of(kernel_text: str) -> list[str]:
    """The loops and sweeps, as text."""
    lines = (line.split() for line in kernel_text.splitlines())
    found = [words for words in lines if words[0] in ("parallel", "serial", "sweep")]
    return [axis.strip() for words in found for axis in " ".join(words[1:]).split(", ")]


@pytest.mark.parametrize("name", CASES)
def test_axes_collapse_where_they_may(name: str) -> None:
    source, axes = CASES[name]
    before = kernel_of(source)
    after = collapse_axes(before)
    assert axes_of(text(after)) == axes
    for sizes in SIZES:
        assert_same_values(before, after, {Symbol(key): value for key, value in sizes.items()})


def test_a_sum_keeps_the_order_of_its_points() -> None:
    before = kernel_of("""
        kernel row(n0, n1)
            read b0: float32[n0, n1]
            write b1: float32[]
            sweep i0 in n0, i1 in n1
                fold v0 = add(b0[i0, i1]) interleaved
            b1[()] = v0
    """)
    after = collapse_axes(before)
    assert axes_of(text(after)) == ["i0 in n0*n1"]
    assert_same_values(before, after, {Symbol("n0"): 7, Symbol("n1"): 45})


def test_a_kernel_that_stays_is_the_same_object() -> None:
    kernel = kernel_of(TRANSPOSE)
    assert collapse_axes(kernel) is kernel


def test_collapsing_twice_changes_nothing_more() -> None:
    for source, _ in CASES.values():
        once = collapse_axes(kernel_of(source))
        assert collapse_axes(once) is once


def test_axes_of_size_one_leave_buffers() -> None:
    before = kernel_of("""
        kernel elementwise(n0)
            read b0: float32[1, n0, 1]
            write b1: float32[n0, 1]
            parallel i0 in 0:n0
                allocate thread update t0: float32[1]
                t0[0] = b0[0, i0, 0]
                b1[i0, 0] = t0[0]
    """)
    after = collapse_axes(before)
    assert [buffer.shape for buffer in after.buffers] == [(Symbol("n0"),), (Symbol("n0"),)]
    assert "t0[()] = b0[i0]" in text(after)
    assert_same_values(before, after, {Symbol("n0"): 5})


def test_text_of_a_collapsed_kernel() -> None:
    assert text(collapse_axes(kernel_of(BROADCAST_ROW))).splitlines() == [
        "kernel elementwise(n0, n1, n2)",
        "    read b0: float32[n0*n1, n2]",
        "    read b1: float32[n2]",
        "    write b2: float32[n0*n1, n2]",
        "    parallel i0 in 0:n0*n1",
        "        parallel i2 in 0:n2",
        "            b2[i0, i2] = (b0[i0, i2] + b1[i2])",
    ]


def test_a_wrong_merge_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking column-major neighbours for row-major ones gives other values."""
    right = module._Merger.join

    def careless(self: module._Merger, index: Size) -> Size | None:
        is_both = {self.outer, self.inner} <= free_symbols(index)
        return self.outer if is_both else right(self, index)

    monkeypatch.setattr(module._Merger, "join", careless)
    before = kernel_of("""
        kernel elementwise(n0, n1)
            read b0: float32[n1, n0]
            write b1: float32[n0, n1]
            parallel i0 in 0:n0
                parallel i1 in 0:n1
                    b1[i0, i1] = b0[i1, i0]
    """)
    after = collapse_axes(before)
    assert axes_of(text(after)) == ["i0 in 0:n0*n1"]
    with pytest.raises(AssertionError, match="b1 differs"):
        assert_same_values(before, after, {Symbol("n0"): 3, Symbol("n1"): 3})
