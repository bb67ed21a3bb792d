"""Scalar values of the loop IR as Triton expressions.

Every number is computed in its own dtype, except that 16-bit floats are widened by explicit Casts
before they get here. Functions that Triton's language lacks are expanded into arithmetic by
`expand_math`, so that CPU and GPU share their polynomials.
"""

from __future__ import annotations

import math

from graphdl.errors import TargetError
from graphdl.kernel.nodes import (
    Binary,
    Bitcast,
    Cast,
    Condition,
    Constant,
    Fma,
    IndexValue,
    Load,
    Select,
    Unary,
    Value,
    Variable,
)
from graphdl.typesystem.dtype import DType, Kind
from graphdl.typesystem.expression import (
    Comparison,
    Expression,
    FloorDivide,
    Maximum,
    Minimum,
    Modulo,
    Size,
    Sum,
    Symbol,
)

LANGUAGE_TYPE = {
    "bool": "tl.int1",
    "bfloat16": "tl.bfloat16",
    **{f"float{bits}": f"tl.float{bits}" for bits in (16, 32, 64)},
    **{f"int{bits}": f"tl.int{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"tl.uint{bits}" for bits in (8, 16, 32, 64)},
}
POINTER_TYPE = {
    "bool": "*i8",
    "bfloat16": "*bf16",
    **{f"float{bits}": f"*fp{bits}" for bits in (16, 32, 64)},
    **{f"int{bits}": f"*i{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"*u{bits}" for bits in (8, 16, 32, 64)},
}

NATIVE_UNARY = {
    "exp": "tl.exp({0})",
    "log": "tl.log({0})",
    "sqrt": "tl.sqrt_rn({0})",
    "sin": "tl.sin({0})",
    "cos": "tl.cos({0})",
    "erf": "tl.erf({0})",
    "floor": "tl.floor({0})",
    "ceil": "tl.ceil({0})",
    "abs": "tl.abs({0})",
    "negative": "(-{0})",
    "bitwise_not": "(~{0})",
}
"""Functions of Triton's language; the transcendental ones hold for float32 and float64 alone."""

BINARY_OPERATORS = {
    "add": "+", "subtract": "-", "multiply": "*",
    "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">",
    "greater_equal": ">=", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
}  # fmt: skip

TRANSCENDENTAL = frozenset(
    "exp expm1 log log1p sin cos tan asin acos atan sinh cosh tanh erf logistic".split()
)


def constant_text(constant: Constant) -> str:
    """A literal with its exact type."""
    value = constant.value
    name = LANGUAGE_TYPE[constant.dtype.name]
    if constant.dtype.is_bool:
        return f"tl.full([], {int(bool(value))}, tl.int1)"
    if constant.dtype.is_floating:
        number = float(value)
        if math.isnan(number):
            return f"tl.full([], float('nan'), {name})"
        if math.isinf(number):
            return f"tl.full([], float('{'-' if number < 0 else ''}inf'), {name})"
        return f"tl.full([], {number!r}, {name})"
    return f"tl.full([], {int(value)}, {name})"


def size_text(size: Size, symbols: dict[Symbol, str]) -> str:
    """An integer expression; its symbols stand for the texts given."""
    match size:
        case int():
            return str(size)
        case Symbol():
            return symbols[size]
        case FloorDivide(left, right):
            return f"({size_text(left, symbols)} // {size_text(right, symbols)})"
        case Modulo(left, right):
            return f"({size_text(left, symbols)} % {size_text(right, symbols)})"
        case Minimum(terms) | Maximum(terms):
            function = "tl.minimum" if isinstance(size, Minimum) else "tl.maximum"
            texts = [size_text(term, symbols) for term in terms]
            text = texts[0]
            for other in texts[1:]:
                text = f"{function}({text}, {other})"
            return text
        case Sum(terms, constant):
            parts = [_product_text(coefficient, atoms, symbols) for coefficient, atoms in terms]
            if constant:
                parts.append(str(constant))
            return f"({' + '.join(parts)})"
    raise AssertionError(f"not an integer expression: {size!r}")


def _product_text(
    coefficient: int, atoms: tuple[Expression, ...], symbols: dict[Symbol, str]
) -> str:
    factors = [size_text(atom, symbols) for atom in atoms]
    if coefficient != 1:
        factors.insert(0, f"({coefficient})" if coefficient < 0 else str(coefficient))
    return " * ".join(factors)


def comparison_text(comparisons: tuple[Comparison, ...], symbols: dict[Symbol, str]) -> str:
    """The conjunction of index comparisons."""
    texts = [
        f"({size_text(c.left, symbols)} {c.relation} {size_text(c.right, symbols)})"
        for c in comparisons
    ]
    return " & ".join(texts)


def needs_expansion(value: Unary | Binary) -> bool:
    """Whether Triton's language lacks this function for this dtype."""
    if isinstance(value, Binary):
        is_float = value.left.dtype.is_floating
        return is_float and value.op in ("power", "atan2", "remainder", "floor_divide")
    if value.op not in TRANSCENDENTAL:
        return False
    return value.op not in NATIVE_UNARY or value.operand.dtype.bits not in (32, 64)


def unary_text(value: Unary, operand: str) -> str:
    """One unary op on an operand's text."""
    dtype = value.operand.dtype
    match value.op:
        case "negative" if dtype.is_floating:
            return f"(-{operand})"
        case "bitwise_not" if dtype.is_bool:
            return f"({operand} == 0)"
        case "floor" | "ceil" | "round" | "trunc" if not dtype.is_floating:
            return operand
        case "is_finite":
            return f"(tl.abs({operand}) < float('inf'))"
        case "sign":
            return _sign_text(operand, dtype)
        case "rsqrt":
            return (
                f"(1.0 / tl.sqrt_rn({operand}))"
                if dtype.bits == 32
                else f"(1.0 / tl.sqrt({operand}))"
            )
        case "sqrt" if dtype.bits != 32:
            return f"tl.sqrt({operand})"
        case "trunc":
            return f"tl.where({operand} < 0, tl.ceil({operand}), tl.floor({operand}))"
        case "round":
            return _round_text(operand, dtype)
    return NATIVE_UNARY[value.op].format(operand)


def _sign_text(operand: str, dtype: DType) -> str:
    one = f"tl.full([], 1, {LANGUAGE_TYPE[dtype.name]})"
    chosen = f"tl.where({operand} > 0, {one}, tl.where({operand} < 0, -{one}, {operand}))"
    return chosen if dtype.kind is not Kind.UINT else f"tl.where({operand} > 0, {one}, {operand})"


def _round_text(operand: str, dtype: DType) -> str:
    shift = float(2 ** (52 if dtype.bits == 64 else 23))
    rounded = f"((tl.abs({operand}) + {shift}) - {shift})"
    signed = f"tl.where({operand} < 0, -{rounded}, {rounded})"
    return f"tl.where(tl.abs({operand}) < {shift}, {signed}, {operand})"


def binary_text(value: Binary, left: str, right: str) -> str:
    """One binary op on its operands' texts."""
    dtype = value.left.dtype
    if value.op in BINARY_OPERATORS:
        return f"({left} {BINARY_OPERATORS[value.op]} {right})"
    match value.op:
        case "divide":
            return f"tl.div_rn({left}, {right})" if dtype.bits == 32 else f"({left} / {right})"
        case "maximum" | "minimum":
            nan = ", propagate_nan=tl.PropagateNan.ALL" if dtype.is_floating else ""
            return f"tl.{value.op}({left}, {right}{nan})"
        case "multiply_high":
            return f"tl.umulhi({left}, {right})"
        case "shift_left" | "shift_right_logical" | "shift_right_arithmetic":
            return _shift_text(value.op, dtype, left, right)
        case "floor_divide" | "remainder" | "power":
            return f"_{value.op}({left}, {right})"
    raise TargetError(f"the cuda target has no code for {value.op} on {dtype}")


def _shift_text(op: str, dtype: DType, left: str, right: str) -> str:
    if op == "shift_left":
        return f"tl.where({right} < {dtype.bits}, {left} << {right}, 0)"
    if op == "shift_right_arithmetic":
        return f"({left} >> tl.minimum({right}, {dtype.bits - 1}))"
    unsigned = f"tl.uint{dtype.bits}"
    shifted = f"({left}.to({unsigned}, bitcast=True) >> {right}.to({unsigned}, bitcast=True))"
    shifted = f"{shifted}.to({LANGUAGE_TYPE[dtype.name]}, bitcast=True)"
    return f"tl.where({right} < {dtype.bits}, {shifted}, 0)"


def cast_text(value: Cast, operand: str) -> str:
    """A conversion; float to int saturates."""
    source, target = value.operand.dtype, value.dtype
    if target.is_bool:
        return f"({operand} != 0)"
    if source.is_floating and target.is_integer:
        low = 0 if target.kind is Kind.UINT else -(2 ** (target.bits - 1))
        high = 2 ** (target.bits - (0 if target.kind is Kind.UINT else 1)) - 1
        clean = f"tl.where({operand} == {operand}, {operand}, 0.0)"
        inside = f"tl.minimum(tl.maximum({clean}, {float(low)}), {float(high)})"
        converted = f"{inside}.to({LANGUAGE_TYPE[target.name]})"
        return f"tl.where({clean} >= {float(high)}, {high}, {converted})"
    return f"{operand}.to({LANGUAGE_TYPE[target.name]})"


def children(value: Value) -> tuple[Value, ...]:
    """The operands of a value, in order."""
    match value:
        case Constant() | IndexValue() | Variable() | Load() | Condition():
            return ()
        case Unary(_, operand) | Cast(operand, _) | Bitcast(operand, _):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Fma(a, b, c):
            return (a, b, c)
        case Select(condition, on_true, on_false):
            return (condition, on_true, on_false)
