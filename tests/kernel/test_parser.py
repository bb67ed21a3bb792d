"""Kernels survive being printed and parsed, and unreadable text is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from graphdl.errors import InternalError
from graphdl.kernel.nodes import Constant, Kernel
from graphdl.kernel.parser import parse
from graphdl.kernel.printer import text
from graphdl.typesystem.dtype import ALL, float32, float64
from tests.kernel.random_kernels import kernels

EVERYTHING = """kernel everything(n0, n1)
    read b0: float32[n0, 2*n1+1]
    update b1: bool[]
    write b2: bfloat16[n0]
    parallel i0 in 0:n0
        allocate register r0: float32[64]
        allocate thread update t0: int32[n1, 4]
        serial i1 in i0+1:min(8*i0, n0):4
            carry c0 = float32(-inf)
            carry c1 = int64(0)
            let v0 = masked(b0[i1, (2*i0+i1)%n1], i1 < n0, 0 <= i0-1, i0 != i1)
            if i0 == 0 and c1 <= n1//(max(i1, 1))
                b2[i0] = cast(fma(v0, c0, float32(nan)), bfloat16) if i1 < 3
            else
                b1[()] = (all(i0 < 3) & bool(True))
            next c0 = select((v0 >= c0), negative(v0), atan2(v0, c0))
            next c1 = (c1 + index(i1, int64))
        unroll i2 in 0:4
            vector i3 in 0:16
                r0[16*i2+i3] = bitcast(shift_left(uint32(7), uint32(2)), float32)
        join v1 = add(r0)
        call tile(b0[64*i0], n1, 6)
"""

TILED = """kernel tiled(n0)
    read b0: float64[n0]
    write b1: int32[()]
    sweep i0 in n0, i1 in 3
        let v0 = exp(b0[i0])
        fold v1, v2 = argmax(v0, index(i0, int32)) interleaved
        fold v3 = add(v0) ascending
    b1[()] = v2
""".replace("int32[()]", "int32[]")


@pytest.mark.parametrize("source", [EVERYTHING, TILED])
def test_text_is_read_back_as_it_was(source: str) -> None:
    assert text(parse(source)) == source


@settings(max_examples=100)
@given(kernel=kernels())
def test_round_trip(kernel: Kernel) -> None:
    assert parse(text(kernel)) == kernel


def test_comments_are_notes_and_lines() -> None:
    kernel = parse("# softmax\n\n" + TILED)
    assert kernel == parse(TILED)


@pytest.mark.parametrize("number", [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, 0.1])
def test_floating_constants_keep_their_bits(number: float) -> None:
    source = f"kernel k()\n    write b: float32[]\n    b[()] = float32({number!r})\n"
    assert text(parse(source)) == source


def test_constants_are_equal_by_bits() -> None:
    assert Constant(math.nan, float32) == Constant(float("nan"), float32)
    assert Constant(0.0, float32) != Constant(-0.0, float32)
    assert Constant(1, float64) == Constant(1.0, float64)
    assert Constant(1, float32) != Constant(1, float64)
    assert len({Constant(0.0, float32), Constant(-0.0, float32)}) == 2


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_every_dtype_has_constants(dtype: object) -> None:
    source = f"kernel k()\n    write b: {dtype}[]\n    b[()] = {dtype}(1)\n"
    (store,) = parse(source).body
    assert parse(text(parse(source))).body == (store,)


@pytest.mark.parametrize(
    "line",
    [
        "let v = frobnicate(b[0])",
        "let v = (b[0] @ b[0])",
        "let v = unbound",
        "let v = b[0",
        "let v",
        "let v = c[0]",
        "let v = exp(b[0], b[1])",
        "parallel i0 over n0",
        "sweep i0",
        "allocate somewhere t: float32[2]",
        "b[0] = float33(1)",
        "nonsense",
        "let v = b[0.5]",
        "let v = masked(b[0], 1 > 0 > 1)",
    ],
)
def test_unreadable_lines_are_bugs_of_graphdl(line: str) -> None:
    with pytest.raises(InternalError):
        parse(f"kernel k()\n    read b: float32[4]\n    {line}\n")
