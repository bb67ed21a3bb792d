"""Whether two graphs mean the same number, as far as rounding errors leave it defined.

How far each output is defined is measured: the graph is computed again several times with a random
error of an ulp or two after every floating op. (Parker, "Monte Carlo Arithmetic", 1997.) What moves
much is not compared sharply, what becomes NaN or infinite not at all; nor is what depends on a
decision about computed floats, such as a comparison or a rounding to integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.graph.interpreter import Evaluation
from graphdl.graph.nodes import Graph, Node, Tensor, rebuild
from graphdl.graph.op import OpKind
from graphdl.graph.rebuild import transform_graph
from graphdl.typesystem.arithmetic import widen
from graphdl.typesystem.dtype import DType
from tests.fuzz.runs import Data, run_graph

Array = NDArray[Any]
ROUNDS = 4
UNITS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-22, "float64": 2.0**-50}
LEAST = {"float16": 6e-8, "bfloat16": 1e-38, "float32": 1e-38, "float64": 1e-300}
_MOVES = (
    OpKind.MOVEMENT,
    OpKind.LEAF,
    OpKind.CREATION,
    OpKind.GATHER,
    OpKind.REGION,
    OpKind.EFFECT,
)
_DECISIONS = frozenset(
    "floor ceil round trunc sign floor_divide remainder equal not_equal less less_equal greater "
    "greater_equal is_finite bitcast argmax argmin".split()
)


def disagreement_in_value(
    wanted: Graph, found: Sequence[Array], data: Data, training: bool
) -> str | None:
    """Where numbers for a graph's roots are off by more than rounding explains; else None."""
    first, evaluation = run_graph(wanted, data, training)
    if evaluation is None:
        return None
    defined = _defined_roots(wanted, evaluation)
    if not any(defined):
        return None
    runs = [run_graph(_with_errors(wanted, seed), data, training)[0] for seed in range(ROUNDS)]
    if any(run.refusal for run in runs):
        return None
    others = [run.arrays for run in runs]
    for number, (left, right) in enumerate(zip(first.arrays, found, strict=True)):
        dtype = wanted.roots[number].dtype
        if defined[number] and dtype.is_floating:
            why = _difference(dtype, left, right, [other[number] for other in others])
            if why:
                return f"root {number}: {why}"
    return None


def _difference(
    dtype: DType, wanted: Array, found: Array, perturbed: Sequence[Array]
) -> str | None:
    left, right, *moved = (widen(x).astype(np.float64) for x in (wanted, found, *perturbed))
    with np.errstate(all="ignore"):
        spread = np.max([np.abs(other - left) for other in moved], axis=0, initial=0)
        widest = np.max(spread, initial=0, where=np.isfinite(spread))
        allowed = 30 * spread + 0.05 * widest + 8 * UNITS[dtype.name] * np.abs(left)
        allowed = allowed + 30 * LEAST[dtype.name]
        is_wrong = np.isfinite(left) & np.isfinite(spread) & ~(np.abs(left - right) <= allowed)
    if not is_wrong.any():
        return None
    at = tuple(int(place) for place in np.argwhere(is_wrong)[0])
    return f"at {at} {right[at]!r}, wanted {left[at]!r} within {allowed[at]!r}"


def _defined_roots(graph: Graph, evaluation: Evaluation) -> list[bool]:
    """Which roots are free of NaN, infinities and decisions on the way."""
    vague: set[int] = set()
    for node in graph.nodes():
        below = any(id(operand.node) in vague for operand in node.operands)
        if below or _is_decision(node) or not _is_finite(node, evaluation):
            vague.add(id(node))
    return [id(root.node) not in vague for root in graph.roots]


def _is_decision(node: Node) -> bool:
    if not node.operands or not any(x.dtype.is_floating for x in node.operands):
        return False
    to_integer = node.op.name == "convert" and not node.result_types[0].dtype.is_floating
    computed = any(x.node.op.kind is not OpKind.LEAF for x in node.operands)
    return computed and (to_integer or node.op.name in _DECISIONS)


def _is_finite(node: Node, evaluation: Evaluation) -> bool:
    for result in node.results:
        value = evaluation.values.get(result.key)
        if value is None or value.dtype.kind in "biu":
            continue
        if not np.isfinite(widen(value)).all():
            return False
    return True


def _with_errors(graph: Graph, seed: int) -> Graph:
    """`graph` with a random error after each floating op."""
    rng = np.random.default_rng(seed)

    def visit(node: Node, operands: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        dtype = node.result_types[0].dtype
        reference = node.op.reference
        if node.op.kind in _MOVES or not dtype.is_floating or reference is None:
            return None

        def compute(*arrays: Array, **attributes: Any) -> Array:
            exact = np.asarray(reference(*arrays, **attributes))
            wide = widen(exact).astype(np.float64)
            errors = rng.uniform(0.5, 1, exact.shape) * rng.choice((-1, 1), exact.shape)
            with np.errstate(all="ignore"):
                wide = wide * (1 + UNITS[dtype.name] * errors) + LEAST[dtype.name] * errors
                return widen_back(wide, exact)

        return rebuild(node, operands, op=replace(node.op, reference=compute)).results

    return transform_graph(graph, visit)


def widen_back(wide: Array, like: Array) -> Array:
    """float64 numbers in the dtype of `like`."""
    narrow = wide.astype(np.float32) if like.dtype != np.float64 else wide
    return np.asarray(narrow.astype(like.dtype))
