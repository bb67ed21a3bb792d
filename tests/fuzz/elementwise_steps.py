"""Steps that add elementwise ops."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.graph.nodes import Tensor
from graphdl.graph.op import Op
from graphdl.ops import elementwise as e
from graphdl.typesystem.dtype import ALL, DType, bool_
from tests.fuzz.builder import Builder, is_determined
from tests.plugins.cases import accepts

SPECIAL = (e.select, e.fma, e.convert, e.bitcast)
PLAIN = [op for op in e.OPS if op not in SPECIAL]
BY_ARITY: dict[tuple[DType, int], tuple[Op, ...]] = {
    (dtype, arity): tuple(op for op in PLAIN if accepts(op, *(dtype,) * arity))
    for dtype in ALL
    for arity in (1, 2)
}
SMOOTH_UNARY = (
    e.negative, e.exp, e.sin, e.cos, e.tanh, e.logistic, e.atan, e.erf, e.sinh, e.cosh, e.abs_,
    e.expm1, e.tan,
)  # fmt: skip
SMOOTH_BINARY = (e.add, e.multiply, e.subtract, e.maximum, e.minimum, e.atan2)


def unary(builder: Builder) -> Tensor | None:
    """f(x)."""
    x = builder.tensor()
    if x is None:
        return None
    ops: Sequence[Op] = SMOOTH_UNARY if builder.is_smooth else BY_ARITY[x.dtype, 1]
    result: Tensor = builder.choose(ops)(x)
    return result


def binary(builder: Builder) -> Tensor | None:
    """f(x, y), the operands in either order."""
    x = builder.tensor()
    if x is None:
        return None
    y = builder.like(x.dtype, x.shape)
    ops: Sequence[Op] = SMOOTH_BINARY if builder.is_smooth else BY_ARITY[x.dtype, 2]
    op = builder.choose(ops)
    result: Tensor = op(x, y) if builder.flip() else op(y, x)
    return result


def safe_division(builder: Builder) -> Tensor | None:
    """x / (y*y + 1), sqrt, log and powers where they are smooth."""
    x = builder.floating()
    if x is None:
        return None
    one = builder.like(x.dtype, x.shape)
    y = e.add(e.multiply(one, one), e.exp(e.tanh(x)))
    op = builder.choose((e.divide, e.sqrt, e.log, e.rsqrt, e.log1p, e.power))
    result: Tensor = op(x, y) if op is e.divide else op(y, x) if op is e.power else op(y)
    return result


def select(builder: Builder) -> Tensor | None:
    """where(condition, x, y)."""
    x = builder.tensor()
    if x is None:
        return None
    condition = builder.like(bool_, x.shape)
    if not x.dtype.is_bool and builder.flip():
        condition = e.less(x, builder.like(x.dtype, x.shape))
    result: Tensor = e.select(condition, x, builder.like(x.dtype, x.shape))
    return result


def fused(builder: Builder) -> Tensor | None:
    """fma(x, y, z)."""
    x = builder.number()
    if x is None:
        return None
    y, z = (builder.like(x.dtype, x.shape) for _ in range(2))
    result: Tensor = e.fma(x, y, z)
    return result


def convert(builder: Builder) -> Tensor | None:
    """Another dtype, or the same bits as one."""
    x = builder.tensor()
    if x is None:
        return None
    if not x.dtype.is_bool and builder.integer(0, 3) == 3:
        same = [d for d in ALL if d.bits == x.dtype.bits and not d.is_bool]
        bits: Tensor = e.bitcast(x, dtype=builder.choose(same))
        return bits
    result: Tensor = e.convert(x, dtype=builder.choose(builder.dtypes))
    return result


def muladd(builder: Builder) -> Tensor | None:
    """x * y + z: what fused multiply-adds are placed in."""
    x = builder.number()
    if x is None:
        return None
    y, z = (builder.like(x.dtype, x.shape) for _ in range(2))
    op = builder.choose((e.add, e.subtract))
    product = e.multiply(x, y)
    result: Tensor = op(product, z) if builder.flip() else op(z, product)
    return result


def compare(builder: Builder) -> Tensor | None:
    """A comparison, of other than constants where there are such."""
    x = builder.number()
    if x is None:
        return None
    others = [tensor for tensor in builder.pool if tensor.type == x.type]
    is_new = builder.flip() and len(builder.inputs) < 5 and is_determined(x.shape, builder.names)
    y = builder.input(x.dtype, x.shape) if is_new else builder.choose(others)
    op = builder.choose((e.less, e.less_equal, e.greater, e.greater_equal, e.equal, e.not_equal))
    result: Tensor = op(x, y)
    return result


STEPS = (unary, binary, binary, select, fused, convert, muladd, compare)
SMOOTH_STEPS = (unary, binary, safe_division, muladd, select)
