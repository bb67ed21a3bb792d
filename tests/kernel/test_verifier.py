"""The verifier accepts what is well formed and names the line that is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graphdl.errors import InternalError
from graphdl.kernel.nodes import (
    Binary,
    Bitcast,
    Buffer,
    Constant,
    Fma,
    Let,
    Load,
    Select,
    Store,
    Unary,
    Value,
    Variable,
)
from graphdl.kernel.parser import parse
from graphdl.kernel.verifier import Form, verify
from graphdl.typesystem.dtype import bool_, float32, float64, int32, int64

HEADER = """
kernel k(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n0]
    parallel i0 in 0:n0
"""

WRONG: dict[str, tuple[Form, str, str]] = {
    "unbound symbol": ("tiled", "b1[i1] = float32(0.0)", "symbol i1 is not bound"),
    "rank": ("tiled", "b1[i0, 0] = float32(0.0)", "rank 1, not 2"),
    "read only": ("tiled", "b0[i0, 0] = float32(0.0)", "only read"),
    "stored dtype": ("tiled", "b1[i0] = int32(0)", "is int32, not float32"),
    "unknown buffer": ("tiled", "b7[i0] = float32(0.0)", "no buffer b7"),
    "unroll in tiled form": ("tiled", "unroll i1 in 0:4", "unroll loop is not tiled"),
    "vector in tiled form": ("tiled", "vector i1 in 0:4", "vector loop is not tiled"),
    "step in tiled form": ("tiled", "serial i1 in 0:4:2", "runs from 0 by 1"),
    "sweep in vector form": ("vector", "sweep i1 in n1", "sweep belongs to the tiled form"),
    "vector extent": ("vector", "vector i1 in 0:n1", "not constant"),
    "unroll extent": ("vector", "unroll i1 in 0:n1", "not constant"),
    "register in tiled form": ("tiled", "allocate register r: float32[4]", "vector form"),
    "register shape": ("vector", "allocate register r: float32[n1]", "not constant"),
    "argument": ("tiled", "allocate argument r: float32[4]", "is an argument"),
    "call in tiled form": ("tiled", "call f(n0)", "call belongs to the vector form"),
    "call of an unknown view": ("vector", "call f(b9[0], n0)", "no buffer b9"),
    "symbol bound twice": ("tiled", "serial i0 in 0:n1", "i0 is bound twice"),
    "mask": ("tiled", "b1[i0] = float32(0.0) if i9 < n0", "i9 is not bound"),
    "carry of a parallel loop": (
        "tiled",
        "parallel i1 in 0:n1\n            carry c = int32(0)\n            next c = c",
        "parallel loop carries",
    ),
    "next of another dtype": (
        "tiled",
        "serial i1 in 0:n1\n            carry c = int32(0)\n            next c = b0[i0, i1]",
        "the next c is float32, not int32",
    ),
    "name bound twice": (
        "tiled",
        "let v = b0[i0, 0]\n        let v = b0[i0, 0]",
        "v is bound twice",
    ),
    "reducer": (
        "tiled",
        "sweep i1 in n1\n            fold s = subtract(b0[i0, i1]) ascending",
        "no reducer subtract",
    ),
    "bits of floats": (
        "tiled",
        "sweep i1 in n1\n            fold s = bitwise_or(b0[i0, i1]) ascending",
        "bitwise_or of float32",
    ),
    "argmax without an index": (
        "tiled",
        "sweep i1 in n1\n            fold s = argmax(b0[i0, i1]) ascending",
        "argmax has 1 values",
    ),
    "join of too few": (
        "vector",
        "allocate register r: float32[4]\n        join s = add(r)",
        "does not hold 64 partials",
    ),
    "register subscript": (
        "vector",
        "allocate register r: float32[4]\n        r[i0] = float32(0.0)",
        "subscripted by i0",
    ),
}


@pytest.mark.parametrize(("form", "line", "message"), WRONG.values(), ids=WRONG)
def test_ill_formed_lines_are_named(form: Form, line: str, message: str) -> None:
    kernel = parse(f"{HEADER}        {line}\n")
    with pytest.raises(InternalError, match=message) as caught:
        verify(kernel, form)
    assert "`" in str(caught.value)


X, N = Variable("x", float32), Variable("n", int64)
WRONG_VALUES: dict[str, Value] = {
    "dtypes of a binary": Binary("add", X, Constant(1, float64)),
    "unknown op": Unary("frobnicate", X),
    "unknown binary": Binary("frobnicate", X, X),
    "divide of integers": Binary("divide", N, N),
    "exp of integers": Unary("exp", N),
    "bits of floats": Binary("bitwise_and", X, X),
    "shift of floats": Binary("shift_left", X, X),
    "negative bool": Unary("negative", Constant(True, bool_)),
    "sum of bools": Binary("add", Constant(True, bool_), Constant(True, bool_)),
    "high half of signed": Binary("multiply_high", N, N),
    "select by a number": Select(X, X, X),
    "select of two dtypes": Select(Constant(True, bool_), X, N),
    "bitcast to another width": Bitcast(X, int64),
    "fma of bools": Fma(*[Constant(True, bool_)] * 3),
    "variable of another dtype": Variable("x", int32),
    "unbound variable": Variable("y", float32),
    "load of another dtype": Load("b0", (0, 0), float64),
    "constant out of range": Constant(300, int64.__class__("int8", int64.kind, 8)),
}


@pytest.mark.parametrize("value", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_ill_typed_values_are_refused(value: Value) -> None:
    kernel = parse(f"{HEADER}        let x = b0[i0, 0]\n        let n = index(i0, int64)\n")
    (loop,) = kernel.body
    good = replace(kernel, body=(loop,))
    verify(good)
    bad = replace(loop, body=(*loop.body, Let("bad", value)))  # type: ignore[arg-type,union-attr]
    with pytest.raises(InternalError):
        verify(replace(kernel, body=(bad,)))


def test_names_end_with_their_body() -> None:
    text = f"{HEADER}        if i0 < 1\n            let v = b0[i0, 0]\n        b1[i0] = b0[i0, 0]\n"
    kernel = parse(text)
    verify(kernel)
    (loop,) = kernel.body
    store = Store("b1", (0,), Variable("v", float32))
    wrong = replace(loop, body=(*loop.body, store))  # type: ignore[arg-type,union-attr]
    with pytest.raises(InternalError, match="v is not bound"):
        verify(replace(kernel, body=(wrong,)))


def test_sizes_and_buffers_are_declared_once() -> None:
    kernel = parse(HEADER)
    with pytest.raises(InternalError, match="declared twice"):
        verify(replace(kernel, sizes=(*kernel.sizes, kernel.sizes[0])))
    with pytest.raises(InternalError, match="declared twice"):
        verify(replace(kernel, buffers=(*kernel.buffers, Buffer("b0", float32, ()))))
