"""Divisions in subscripts go where reshaping can make them go, and values stay."""

from __future__ import annotations

import re

import pytest

from graphdl.errors import InternalError
from graphdl.kernel.nodes import Axis, Kernel
from graphdl.kernel.printer import text
from graphdl.kernel.transforms import resolve_divisions as module
from graphdl.kernel.transforms.resolve_divisions import exact_quotient, resolve_divisions
from graphdl.typesystem.expression import Size, Symbol
from tests.kernel.same_values import assert_same_values, kernel_of

M, N = Symbol("m"), Symbol("n")
SIZES = [{M: 3, N: 4}, {M: 1, N: 1}, {M: 2, N: 0}, {M: 0, N: 3}]


def elementwise(shape: str, result: str, loops: str, line: str) -> str:
    """A kernel that moves b0 to b1; `loops` are extents."""
    head = [
        "kernel elementwise(m, n)",
        f"    read b0: float32[{shape}]",
        f"    write b1: float32[{result}]",
    ]
    extents = loops.split(", ")
    nest = [f"{'    ' * (k + 1)}parallel i{k} in 0:{extents[k]}" for k in range(len(extents))]
    return "\n".join([*head, *nest, "    " * (len(extents) + 1) + line])


RESOLVED = {
    "merged": (
        elementwise("m, 4, n", "m, 4*n", "m, 4*n", "b1[i0, i1] = b0[i0, i1//n, i1%n]"),
        ["b0: float32[m, 4*n]", "b1[i0, i1] = b0[i0, i1]"],
    ),
    "merged from three": (
        elementwise("m, 6, 5", "30*m", "30*m", "b1[i0] = b0[i0//30, i0//5%6, i0%5]"),
        ["b0: float32[30*m]", "b1[i0] = b0[i0]"],
    ),
    "split": (
        elementwise("m, n", "m*n", "m*n", "b1[i0] = b0[i0//n, n-1-i0%n]"),
        ["b1: float32[m, n]", "b1[i0, i0.1] = b0[i0, -i0.1+n-1]"],
    ),
    "split in three": (
        elementwise("5, 3, 4", "60", "60", "b1[i0] = b0[i0%5, i0//5%3, i0//15]"),
        ["b1: float32[4, 3, 5]", "b1[i0, i0.1, i0.1.2] = b0[i0.1.2, i0.1, i0]"],
    ),
    "a buffer split": (
        elementwise("m, 4*n", "4, m, n", "4, m, n", "b1[i0, i1, i2] = b0[i1, n*i0+i2]"),
        ["b0: float32[m, 4, n]", "b1[i0, i1, i2] = b0[i1, i0, i2]"],
    ),
    "windows": (
        elementwise("6*n", "3, 2*n", "3, 2*n", "b1[i0, i1] = b0[3*i1+i0]"),
        ["b0: float32[2*n, 3]", "b1[i0, i1] = b0[i1, i0]"],
    ),
    "between rows of other lengths": (
        elementwise("m, 12", "2*m, 6", "2*m, 6", "b1[i0, i1] = b0[(6*i0+i1)//12, (6*i0+i1)%12]"),
        ["b0: float32[2*m, 6]", "b1[i0, i1] = b0[i0, i1]"],
    ),
}
KEPT = {
    "no exact half": elementwise("m, 5", "7*m", "7*m", "b1[i0] = b0[i0//7, i0%5]"),
    "strided": elementwise("2*n", "n", "n", "b1[i0] = b0[2*i0+1]"),
    "overlapping windows": elementwise("3*n+3", "n, 5", "n, 5", "b1[i0, i1] = b0[3*i0+i1]").replace(
        "3*n+3", "3*n+6"
    ),
    "repeated": elementwise("m", "m, n", "m, n", "b1[i0, i1] = b0[i0]"),
}


def readable(found: str) -> Kernel:
    """The kernel, with names for the halves of axes that the parser takes."""
    return kernel_of(re.sub(r"([ik]\d)\.(\d)(\.(\d))?", r"\1_\2\4", found))


@pytest.mark.parametrize("name", RESOLVED)
def test_divisions_go(name: str) -> None:
    source, lines = RESOLVED[name]
    before = kernel_of(source)
    after = resolve_divisions(before)
    found = text(after)
    assert not set("/%") & set(found)
    for line in lines:
        assert line in found
    for sizes in SIZES:
        assert_same_values(before, readable(found), sizes)


@pytest.mark.parametrize("name", KEPT)
def test_what_no_reshape_helps_stays(name: str) -> None:
    kernel = kernel_of(KEPT[name])
    assert resolve_divisions(kernel) is kernel


def test_a_contracted_axis_is_split() -> None:
    """The heads of attention, joined on the way into the next product."""
    before = kernel_of("""
        kernel contraction(m, n)
            read b0: float32[3, m, 4]
            read b1: float32[12, n]
            write b2: float32[m, n]
            parallel i0 in 0:m
                parallel i1 in 0:n
                    sweep k0 in 12
                        fold v0 = add((b0[k0//4, i0, k0%4] * b1[k0, i1])) ascending
                    b2[i0, i1] = v0
    """)
    found = text(resolve_divisions(before))
    assert "sweep k0 in 3, k0.3 in 4" in found
    assert "(b0[k0, i0, k0.3] * b1[k0, k0.3, i1])" in found
    for sizes in SIZES:
        assert_same_values(before, readable(found), sizes)


@pytest.mark.parametrize("fold", ["add(b0[k0%4, i0, k0//4]) interleaved", ""])
def test_lanes_and_carries_stay_in_one_axis(fold: str) -> None:
    sweep = f"""
        kernel row(m)
            read b0: float32[4, m, 3]
            write b1: float32[m]
            parallel i0 in 0:m
                sweep k0 in 12
                    fold v0 = {fold}
                b1[i0] = v0
    """
    scan = """
        kernel scan(m)
            read b0: float32[4, m, 3]
            write b1: float32[m]
            parallel i0 in 0:m
                serial k0 in 0:12
                    carry v0 = float32(0.0)
                    next v0 = (v0 + b0[k0%4, i0, k0//4])
                b1[i0] = v0
    """
    kernel = kernel_of(sweep if fold else scan)
    assert resolve_divisions(kernel) is kernel


def test_an_index_from_data_is_no_axis() -> None:
    kernel = kernel_of("""
        kernel elementwise(m, n)
            read b0: int64[n]
            read b1: float32[m, 4]
            write b2: float32[n]
            parallel i0 in 0:n
                let g = b0[i0]
                b2[i0] = b1[g%m, g//m]
    """)
    assert resolve_divisions(kernel) is kernel


@pytest.mark.parametrize(
    ("size", "divisor", "quotient"),
    [
        (12, 4, 3),
        (12, 5, None),
        (12, 12, None),
        (12, 1, None),
        (M * N, N, M),
        (M + N, N, None),
        (0, 0, None),
    ],
)
def test_exact_quotients(size: Size, divisor: Size, quotient: Size | None) -> None:
    assert exact_quotient(size, divisor) == quotient


def test_a_wrong_split_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Axes with each other's extents reach outside or miss elements."""
    right = module._Nest._insert

    def swapped(self: module._Nest, symbol: Symbol, halves: tuple[Axis, Axis]) -> None:
        slow, fast = halves
        moved = (Axis(slow.symbol, fast.extent), Axis(fast.symbol, slow.extent))
        right(self, symbol, moved)

    monkeypatch.setattr(module._Nest, "_insert", swapped)
    before = kernel_of(RESOLVED["split"][0])
    after = readable(text(resolve_divisions(before)))
    with pytest.raises((AssertionError, InternalError), match=r"outside|differs"):
        assert_same_values(before, after, {M: 2, N: 3})
