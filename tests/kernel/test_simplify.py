"""Simplified kernels mean the same and have fewer masks and divisions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphdl.errors import InternalError
from graphdl.kernel import simplify as simplify_module
from graphdl.kernel.interpreter import interpret
from graphdl.kernel.nodes import Binary, Bitcast, Constant, Kernel, Unary
from graphdl.kernel.parser import parse
from graphdl.kernel.printer import text
from graphdl.kernel.simplify import folded, simplify_kernel
from graphdl.kernel.verifier import verify
from graphdl.typesystem.dtype import float32, int32
from tests.kernel.random_kernels import arrays_for, kernels, same_bits

BEFORE = """kernel f(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n0, n1]
    parallel i0 in 0:n0
        parallel i1 in 0:n1
            parallel i2 in 0:1
                let v0 = masked(b0[(n1*i0+i1+i2)//n1, (n1*i0+i1)%n1], i1 < n1+1, i0 <= i1)
                let v1 = select(all(i1 < 0), float32(1.0), (v0 + (float32(2.0) * float32(3.0))))
                b1[i0, i1] = v1 if i0 < n0
                b1[i0, i1] = v1 if n0 < i0
                if 0 <= i2
                    b1[i0, i1] = masked(b0[i0, i1], i1 < 0)
                else
                    b1[i0, i1] = v1
"""
AFTER = """kernel f(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n0, n1]
    parallel i0 in 0:n0
        parallel i1 in 0:n1
            let v0 = masked(b0[i0, i1], i0 <= i1)
            let v1 = (v0 + float32(6.0))
            b1[i0, i1] = v1
            b1[i0, i1] = float32(0.0)
"""


def test_what_the_bounds_decide_goes_away() -> None:
    assert text(simplify_kernel(parse(BEFORE))) == AFTER


def test_a_simple_kernel_stays_as_it_is() -> None:
    kernel = parse(AFTER)
    assert simplify_kernel(kernel) == kernel


def test_sweep_axes_of_one_point_go_but_never_the_last() -> None:
    source = """kernel f(n0)
    read b0: float32[n0]
    write b1: float32[]
    sweep i0 in 1, i1 in n0
        fold v0 = add(b0[(i0 + i1)]) ascending
    sweep i2 in 1
        fold v1 = add(b0[i2]) ascending
    b1[()] = (v0 + v1)
"""
    after = source.replace("i0 in 1, ", "").replace("(i0 + i1)", "i1")
    assert text(simplify_kernel(parse(source))) == after


def test_an_index_from_data_is_not_taken_for_a_size() -> None:
    source = """kernel f(n0)
    read b0: int64[n0]
    read b1: float32[n0]
    write b2: float32[n0]
    parallel i0 in 0:n0
        let g = b0[i0]
        b2[i0] = masked(b1[g], 0 <= g, g < n0)
"""
    assert text(simplify_kernel(parse(source))) == source


@settings(max_examples=80)
@given(kernel=kernels(), rows=st.integers(1, 4), columns=st.sampled_from((1, 3, 70)))
def test_values_stay(kernel: Kernel, rows: int, columns: int) -> None:
    simple = simplify_kernel(kernel)
    verify(simple)
    assert simplify_kernel(simple) == simple
    arrays, expected = (arrays_for(kernel, rows, columns) for _ in range(2))
    interpret(simple, arrays, (rows, columns))
    interpret(kernel, expected, (rows, columns))
    assert all(map(same_bits, arrays, expected))


def test_constants_fold_with_the_interpreters_numerics() -> None:
    third = Binary("divide", Constant(1, float32), Constant(3, float32))
    assert folded(third) == Constant(0.3333333432674408, float32)
    assert folded(Unary("negative", Constant(0, float32))) == Constant(-0.0, float32)
    assert folded(Bitcast(Constant(1.0, float32), int32)) == Constant(0x3F800000, int32)
    by_zero = Binary("floor_divide", Constant(5, int32), Constant(0, int32))
    assert folded(by_zero) == Constant(0, int32)


def test_index_arithmetic_in_values_becomes_indices() -> None:
    source = """kernel f(n0)
    read b0: float32[n0]
    write b1: float32[n0]
    parallel i0 in 0:n0
        let v0 = (index(n0, int64) - (index(i0, int64) + int64(1)))
        let v1 = minimum(maximum(v0, int64(0)), index(n0-1, int64))
        b1[i0] = b0[v1]
"""
    after = """kernel f(n0)
    read b0: float32[n0]
    write b1: float32[n0]
    parallel i0 in 0:n0
        b1[i0] = b0[-i0+n0-1]
"""
    assert text(simplify_kernel(parse(source))) == after


def test_large_integers_are_no_indices() -> None:
    """int64 values wrap, indices do not."""
    source = """kernel f(n0)
    write b0: int64[n0]
    parallel i0 in 0:n0
        b0[i0] = (index(i0, int64) * int64(6364136223846793005))
"""
    assert text(simplify_kernel(parse(source))) == source


def test_clamped_data_is_known_to_be_inside() -> None:
    source = """kernel f(n0)
    read b0: int64[n0]
    read b1: float32[n0]
    write b2: float32[n0]
    parallel i0 in 0:n0
        let g = minimum(maximum(b0[i0], int64(0)), index(n0-1, int64))
        b2[i0] = masked(b1[g], 0 <= g, g < n0)
"""
    after = source.replace("masked(b1[g], 0 <= g, g < n0)", "b1[g]")
    assert text(simplify_kernel(parse(source))) == after


def test_names_that_nothing_uses_go_away() -> None:
    source = """kernel f(n0)
    read b0: float32[n0]
    write b1: float32[n0]
    parallel i0 in 0:n0
        let v0 = exp(b0[i0])
        let v1 = (v0 + float32(1.0))
        let v2 = float32(2.0)
        serial i1 in 0:n0
            carry v3 = v2
            let v4 = b0[i1]
            let v5 = (v4 * v1)
            next v3 = (v3 + v4)
        b1[i0] = select(all(i0 < n0), v3, v1)
"""
    after = """kernel f(n0)
    read b0: float32[n0]
    write b1: float32[n0]
    parallel i0 in 0:n0
        serial i1 in 0:n0
            carry v3 = float32(2.0)
            let v4 = b0[i1]
            next v3 = (v3 + v4)
        b1[i0] = v3
"""
    assert text(simplify_kernel(parse(source))) == after


def test_one_name_in_two_bodies_has_two_meanings() -> None:
    source = """kernel f(n0)
    read b0: float32[n0]
    write b1: float32[n0]
    parallel i0 in 0:n0
        if i0 < 3
            let v0 = float32(2.0)
            b1[i0] = v0
        else
            let v0 = b0[i0]
            b1[i0] = v0
"""
    after = source.replace("            let v0 = float32(2.0)\n            b1[i0] = v0", "", 1)
    after = after.replace("if i0 < 3\n", "if i0 < 3\n            b1[i0] = float32(2.0)")
    assert text(simplify_kernel(parse(source))) == after


def test_a_mask_dropped_too_early_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were "unknown" taken for "always", the kernel would read outside."""
    monkeypatch.setattr(simplify_module, "prove", lambda comparison, ranges: True)
    source = """kernel f(n0)
    read b0: float32[3]
    write b1: float32[n0]
    parallel i0 in 0:n0
        b1[i0] = masked(b0[i0], i0 < 3)
"""
    wrong = simplify_kernel(parse(source))
    arrays = [np.zeros(3, np.float32), np.zeros(5, np.float32)]
    with pytest.raises(InternalError, match="outside"):
        interpret(wrong, arrays, (5,))
