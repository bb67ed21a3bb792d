"""What compiled code must give, bit for bit: the interpreter with the code's own polynomials.

Transcendental functions may differ from the interpreter's by some ulps, and whatever is computed
from them may then differ by anything. So each one is checked against its reference on equal
operands, within its ulps, and everything else is computed from what the expansion gives: then all
bits of the outputs are known. "fast" code adds the products of contractions with fused
multiply-adds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.graph.interpreter import Evaluation
from graphdl.graph.nodes import Graph, Node, Tensor, rebuild
from graphdl.graph.op import OpKind
from graphdl.graph.rebuild import transform_graph
from graphdl.kernel.evaluator import evaluate_with_lets
from graphdl.kernel.nodes import Binary, Unary, Value, Variable
from graphdl.kernel.transforms.expand_math import expand_math
from graphdl.ops.contraction import dot_general, free_axes
from graphdl.ops.table import OPS
from graphdl.typesystem.arithmetic import widen
from graphdl.typesystem.dtype import DType, as_dtype
from graphdl.typesystem.fused_multiply_add import fused_multiply_add

Array = NDArray[Any]
Reference = Callable[..., Array]
ULPS = {"float16": 1.0, "bfloat16": 1.0, "float32": 2.5, "float64": 5.0}
"""What an expansion may differ from a reference that itself errs by at most one ulp in float64."""


@cache
def expanded_reference(name: str, dtype: DType, arity: int) -> Reference:
    """The arithmetic that compiled code computes a transcendental function with, in NumPy."""
    operands = [Variable(each, dtype) for each in ("x", "y")[:arity]]
    value: Value = Unary(name, operands[0]) if arity == 1 else Binary(name, *operands)
    numbers = itertools.count()
    lets, result = expand_math(value, lambda: f"t{next(numbers)}")

    def compute(*arrays: Array) -> Array:
        with np.errstate(all="ignore"):
            names = dict(zip(("x", "y"), map(np.asarray, arrays), strict=False))
            return np.asarray(evaluate_with_lets(lets, result, names))

    return compute


def is_expanded(node: Node) -> bool:
    """Whether a node computes a transcendental function of floats, element by element."""
    is_function = node.op.is_transcendental and node.op.kind is OpKind.ELEMENTWISE
    return is_function and node.result_types[0].dtype.is_floating


def has_contraction(graph: Graph) -> bool:
    """Whether a graph adds up products of floats."""
    nodes = graph.nodes()
    return any(
        node.op.name == "dot_general" and node.operands[0].dtype.is_floating for node in nodes
    )


def with_compiled_numerics(graph: Graph, numerics: str) -> Graph:
    """`graph` whose interpretation has the bits of code compiled with these numerics."""

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        reference: Reference | None = None
        if is_expanded(node):
            dtype = node.result_types[0].dtype
            reference = expanded_reference(node.op.name, dtype, len(operands))
        elif node.op is dot_general and numerics == "fast" and operands[0].dtype.is_floating:
            reference = _fused_dot_general
        if reference is None:
            return None
        return rebuild(node, operands, op=replace(node.op, reference=reference)).results

    return transform_graph(graph, visit)


def _fused_dot_general(lhs: Array, rhs: Array, **axes: Any) -> Array:
    """dot_general whose every step is one fused multiply-add, ascending from +0."""
    contract = (axes["lhs_contract"], axes["rhs_contract"])
    batch = (axes.get("lhs_batch", ()), axes.get("rhs_batch", ()))
    free = [free_axes(x.ndim, *pair) for x, *pair in zip((lhs, rhs), contract, batch, strict=True)]
    shape = [lhs.shape[axis] for axis in (*batch[0], *free[0])]
    shape += [rhs.shape[axis] for axis in free[1]]
    sides = []
    for x, outer, depth, inner in zip((lhs, rhs), batch, contract, free, strict=True):
        counts = [int(np.prod([x.shape[a] for a in group])) for group in (depth, outer, inner)]
        sides.append(widen(x).transpose(depth + outer + inner).reshape(counts))
    left, right = sides[0][:, :, :, None], sides[1][:, :, None, :]
    total = np.zeros((left.shape[1], left.shape[2], right.shape[3]), left.dtype)
    with np.errstate(all="ignore"):
        for k in range(left.shape[0]):
            product = np.broadcast_arrays(left[k], right[k], total)
            total = fused_multiply_add(*(np.ascontiguousarray(each) for each in product))
        return total.reshape(shape).astype(lhs.dtype)


# Ulps ---------------------------------------------------------------------------------------------


def ulp_errors(graph: Graph, evaluation: Evaluation) -> list[str]:
    """Every transcendental node that errs by more than its ulps on the operands that it got."""
    errors = []
    for node in graph.nodes():
        if not is_expanded(node):
            continue
        operands = [evaluation.value(operand) for operand in node.operands]
        original = OPS[node.op.name].reference
        assert original is not None
        wanted, found = np.asarray(original(*operands)), evaluation.value(Tensor(node))
        if _is_outside_trigonometric_range(node, operands):
            continue
        error = ulp_distance(found, wanted)
        allowed = ULPS[node.result_types[0].dtype.name]
        if error.size and error.max() > allowed:
            at = np.unravel_index(int(error.argmax()), error.shape)
            given = ", ".join(str(np.broadcast_to(x, error.shape)[at]) for x in operands)
            errors.append(
                f"{node.op.name}({given}) of {node.result_types[0].dtype} is {found[at]}, "
                f"not {wanted[at]}: {error[at]:.1f} ulps"
            )
    return errors


def _is_outside_trigonometric_range(node: Node, operands: Sequence[Array]) -> bool:
    if node.op.name not in ("sin", "cos", "tan"):
        return False
    with np.errstate(all="ignore"):
        wide = np.abs(widen(operands[0]).astype(np.float64))
    return bool(np.any(np.isfinite(wide) & (wide > 1e5)))


def ulp_distance(found: Array, wanted: Array) -> Array:
    """The difference in ulps of the wanted numbers; 0 for equal NaN, infinities and zeros."""
    dtype = as_dtype(wanted.dtype)
    left, right = (widen(x).astype(np.float64) for x in (found, wanted))
    with np.errstate(all="ignore"):
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        unit = _unit(right, dtype)
        return np.where(same, 0.0, np.nan_to_num(np.abs(left - right) / unit, nan=np.inf))


_DIGITS = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}
_LEAST = {"float16": -14, "bfloat16": -126, "float32": -126, "float64": -1022}


def _unit(numbers: Array, dtype: DType) -> Array:
    """The distance between neighbours at these magnitudes."""
    exponent = np.frexp(np.where(np.isfinite(numbers), numbers, 1.0))[1] - 1
    exponent = np.maximum(exponent, _LEAST[dtype.name])
    return np.ldexp(1.0, exponent - _DIGITS[dtype.name])
