"""Transcendental functions become arithmetic that every backend has.

Why: no backend then needs a math library, and CPU, GPU and interpreter share one set of
polynomials. float16 and bfloat16 are computed in float32 and rounded once.

    before   tanh(b0[i0])
    after    let t0 = …    (about twenty adds, multiplies, fused multiply-adds and bit operations)
             …
             bitcast((bitcast((t4 / (t4 + float32(1.0))), uint32) | t1), float32)

Ensures: every op left is one that hardware or a few integer instructions provide; same dtype; at
most 2 ulp (float32) or 4 ulp (float64) from the true value; the same bits at every vector width.
"""

from __future__ import annotations

from collections.abc import Callable

from graphdl.kernel.math.division import emit_floor_divide, emit_remainder
from graphdl.kernel.math.emitter import Emitter
from graphdl.kernel.math.error_function import emit_erf
from graphdl.kernel.math.exponential import (
    emit_cosh,
    emit_exp,
    emit_expm1,
    emit_logistic,
    emit_sinh,
    emit_tanh,
)
from graphdl.kernel.math.inverse_trigonometry import (
    emit_acos,
    emit_asin,
    emit_atan,
    emit_atan2,
)
from graphdl.kernel.math.logarithm import emit_log, emit_log1p
from graphdl.kernel.math.power import emit_power, emit_rsqrt
from graphdl.kernel.math.trigonometry import emit_cos, emit_sin, emit_tan
from graphdl.kernel.nodes import (
    Binary,
    Bitcast,
    Cast,
    Fma,
    Let,
    Select,
    Unary,
    Value,
)
from graphdl.typesystem.dtype import float32

Fresh = Callable[[], str]

UNARY_EXPANSIONS: dict[str, Callable[[Emitter, Value], Value]] = {
    "exp": emit_exp,
    "expm1": emit_expm1,
    "log": emit_log,
    "log1p": emit_log1p,
    "sinh": emit_sinh,
    "cosh": emit_cosh,
    "tanh": emit_tanh,
    "logistic": emit_logistic,
    "erf": emit_erf,
    "rsqrt": emit_rsqrt,
    "sin": emit_sin,
    "cos": emit_cos,
    "tan": emit_tan,
    "asin": emit_asin,
    "acos": emit_acos,
    "atan": emit_atan,
}
"""op -> how to write it for one operand that is a name or a constant."""

BINARY_EXPANSIONS: dict[str, Callable[[Emitter, Value, Value], Value]] = {
    "atan2": emit_atan2,
    "floor_divide": emit_floor_divide,
    "remainder": emit_remainder,
    "power": emit_power,
}
"""op -> the same for two operands."""


def expand_math(value: Value, fresh: Fresh) -> tuple[tuple[Let, ...], Value]:
    """`value` without transcendental functions, and the Lets to put before it.

    `fresh` gives names that nothing else in the kernel has.
    """
    lets: list[Let] = []
    result = _expand(value, fresh, lets)
    return tuple(lets), result


def _expand(value: Value, fresh: Fresh, lets: list[Let]) -> Value:
    match value:
        case Unary(op, operand):
            inner = _expand(operand, fresh, lets)
            emit = UNARY_EXPANSIONS.get(op)
            if emit is None or not inner.dtype.is_floating:
                return value if inner is operand else Unary(op, inner)
            return _compute(emit, (inner,), fresh, lets)
        case Binary(op, left, right):
            operands = (_expand(left, fresh, lets), _expand(right, fresh, lets))
            emit_both = BINARY_EXPANSIONS.get(op)
            if emit_both is None or not operands[0].dtype.is_floating:
                is_same = operands[0] is left and operands[1] is right
                return value if is_same else Binary(op, *operands)
            return _compute(emit_both, operands, fresh, lets)
    return _expand_inside(value, fresh, lets)


def _expand_inside(value: Value, fresh: Fresh, lets: list[Let]) -> Value:
    match value:
        case Fma(a, b, c):
            parts = [_expand(part, fresh, lets) for part in (a, b, c)]
            return Fma(*parts)
        case Select(condition, on_true, on_false):
            parts = [_expand(part, fresh, lets) for part in (condition, on_true, on_false)]
            return Select(*parts)
        case Cast(operand, dtype):
            return Cast(_expand(operand, fresh, lets), dtype)
        case Bitcast(operand, dtype):
            return Bitcast(_expand(operand, fresh, lets), dtype)
    return value


def _compute(
    emit: Callable[..., Value], operands: tuple[Value, ...], fresh: Fresh, lets: list[Let]
) -> Value:
    """Emit in float32 or float64, rounding to the operands' 16-bit dtype at the end."""
    dtype = operands[0].dtype
    if dtype.bits >= 32:
        emitter = Emitter(dtype, fresh, lets)
        return emit(emitter, *map(emitter.share, operands))
    emitter = Emitter(float32, fresh, lets)
    wide = [emitter.share(Cast(operand, float32)) for operand in operands]
    return Cast(emit(emitter, *wide), dtype)
