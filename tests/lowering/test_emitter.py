"""Where values are computed: once per row, once per reader, and inline otherwise."""

from __future__ import annotations

import graphdl as gd
from tests.lowering.lowered_text import body, kernel_lines


def test_a_value_of_the_row_is_computed_outside_the_sweep() -> None:
    x = gd.placeholder("x", ("n", 8))
    centred = x - gd.mean(x, axis=1, keepdims=True)
    assert body(centred * gd.rsqrt(gd.mean(centred * centred, axis=1, keepdims=True))) == (
        "parallel i0 in 0:n0\n"
        "    sweep i1 in n1\n"
        "        let v0 = b0[i0, i1]\n"
        "        fold v1 = add(v0) interleaved\n"
        "    let v2 = (v1 / float32(8.0))\n"
        "    sweep i2 in n1\n"
        "        let v3 = b0[i0, i2]\n"
        "        let v4 = (v3 - v2)\n"
        "        fold v5 = add((v4 * v4)) interleaved\n"
        "    let v6 = rsqrt((v5 / float32(8.0)))\n"
        "    sweep i3 in n1\n"
        "        let v7 = b0[i0, i3]\n"
        "        let v8 = (v7 - v2)\n"
        "        b1[i0, i3] = (v8 * v6)"
    )


def test_a_value_with_one_reader_stays_inline() -> None:
    x = gd.placeholder("x", ("n",))
    assert body(gd.exp(x * 2) + 1) == (
        "parallel i0 in 0:n0\n    b1[i0] = (exp((b0[i0] * float32(2.0))) + float32(1.0))"
    )


def test_a_shared_value_is_bound_to_a_name() -> None:
    x = gd.placeholder("x", ("n",))
    shared = gd.exp(x)
    assert body(shared * shared) == (
        "parallel i0 in 0:n0\n    let v0 = exp(b0[i0])\n    b1[i0] = (v0 * v0)"
    )


def test_axes_of_an_elementwise_kernel_are_one() -> None:
    x = gd.placeholder("x", ("n", 3, 4))
    assert body(gd.exp(x)) == "parallel i0 in 0:n0\n    b1[i0] = exp(b0[i0])"


def test_equal_kernels_of_different_sizes_are_equal_text() -> None:
    x, y = gd.placeholder("x", ("n", 3)), gd.placeholder("y", ("m", 5))
    assert len(kernel_lines(gd.softmax(x), gd.softmax(y))) == 1
