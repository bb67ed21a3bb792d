"""Every derivative rule against finite differences, first and second order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphdl.autodiff.rules import RULES, zeros_like
from graphdl.autodiff.table import FAMILIES
from graphdl.autodiff.trace import custom_gradient, remat
from graphdl.graph.nodes import build_node
from graphdl.ops import (
    contraction,
    control_flow,
    cumulative,
    effect,
    elementwise,
    indexing,
    movement,
    regions,
    windows,
)
from graphdl.ops.arguments import filled, literal
from graphdl.ops.table import OPS
from graphdl.typesystem.dtype import bool_, float32, float64
from tests.plugins.gradients import check_gradient

Array = np.ndarray[Any, Any]
Case = tuple[str, Callable[..., Any], tuple[Array, ...]]
_random = np.random.default_rng(1)


def _uniform(low: float, high: float, *shape: int) -> Array:
    return _random.uniform(low, high, shape)


def _distinct(*shape: int) -> Array:
    """Numbers far enough apart that a small step changes no order."""
    return _random.permutation(np.linspace(-2, 2, int(np.prod(shape)))).reshape(shape)


_UNARY = {
    "negative": (-2, 2), "abs": (0.5, 2), "sign": (0.5, 2), "floor": (0.1, 0.9),
    "ceil": (0.1, 0.9), "round": (0.6, 0.9), "trunc": (0.1, 0.9), "exp": (-2, 2),
    "expm1": (-2, 2), "log": (0.5, 3), "log1p": (-0.5, 2), "sqrt": (0.5, 3), "rsqrt": (0.5, 3),
    "sin": (-2, 2), "cos": (-2, 2), "tan": (-1, 1), "asin": (-0.8, 0.8), "acos": (-0.8, 0.8),
    "atan": (-2, 2), "sinh": (-2, 2), "cosh": (-2, 2), "tanh": (-2, 2), "erf": (-2, 2),
    "logistic": (-3, 3),
}  # fmt: skip
_BINARY = {
    "add": (-2, 2), "subtract": (-2, 2), "multiply": (-2, 2), "divide": (0.5, 2),
    "floor_divide": (1.1, 1.9), "remainder": (2.1, 2.4), "power": (0.5, 2), "atan2": (0.5, 2),
}  # fmt: skip


def _elementwise_cases() -> list[Case]:
    cases: list[Case] = [(n, OPS[n], (_uniform(*r, 3, 4),)) for n, r in _UNARY.items()]
    cases += [(n, OPS[n], (_uniform(*r, 3, 4), _uniform(*r, 3, 4))) for n, r in _BINARY.items()]
    pair = _distinct(2, 3, 4)
    cases += [
        ("maximum", elementwise.maximum, (pair[0], pair[1])),
        ("minimum", elementwise.minimum, (pair[0], pair[1])),
        ("fma", elementwise.fma, tuple(_uniform(-2, 2, 3, 4) for _ in range(3))),
        ("select", elementwise.select, (_uniform(0, 1, 3, 4) > 0.5, *_uniform(-1, 1, 2, 3, 4))),
        ("power", lambda x: elementwise.power(x, filled(3, float64, (4,))), (_uniform(-2, 2, 4),)),
        ("convert", _through_int_free_convert, (_uniform(-2, 2, 3),)),
    ]
    return cases


def _through_int_free_convert(x: Any) -> Any:
    return elementwise.multiply(x, elementwise.convert(x, dtype=float64))


def _reduction_cases() -> list[Case]:
    x = _distinct(3, 4, 5)
    cases: list[Case] = []
    for name in ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min"):
        for axes in ((0,), (1, 2), (2,), (0, 1, 2)):
            cases.append((name, lambda t, n=name, a=axes: OPS[n](t, axes=a), (x,)))
    for op in cumulative.OPS:
        for axis in (0, 2):
            for is_reverse in (False, True):
                cases.append(
                    (op.name, lambda t, o=op, a=axis, r=is_reverse: o(t, axis=a, reverse=r), (x,))
                )
    holes = x.copy()
    holes[:, :, 2] = 0
    cases.append(
        ("cumulative_prod", lambda t: cumulative.cumulative_prod(t, axis=2), (holes,)),
    )
    return cases


def _dot(*axes: tuple[int, ...]) -> Callable[..., Any]:
    names = ("lhs_contract", "rhs_contract", "lhs_batch", "rhs_batch")
    return lambda a, b: contraction.dot_general(a, b, **dict(zip(names, axes, strict=True)))


def _contraction_cases() -> list[Case]:
    name = "dot_general"
    return [
        (name, _dot((1,), (0,), (), ()), (_uniform(-1, 1, 3, 4), _uniform(-1, 1, 4, 5))),
        (name, _dot((0,), (1,), (), ()), (_uniform(-1, 1, 4, 3), _uniform(-1, 1, 5, 4))),
        (name, _dot((), (), (), ()), (_uniform(-1, 1, 3), _uniform(-1, 1, 4))),
        (name, _dot((0,), (0,), (), ()), (_uniform(-1, 1, 3), _uniform(-1, 1, 3))),
        (
            name,
            _dot((3, 1), (0, 3), (0,), (2,)),
            (_uniform(-1, 1, 2, 3, 4, 5), _uniform(-1, 1, 5, 6, 2, 3)),
        ),
        (name, _dot((1,), (1,), (0,), (0,)), (_uniform(-1, 1, 2, 3), _uniform(-1, 1, 2, 3, 4))),
        (
            name,
            _dot((1,), (3,), (2, 0), (0, 1)),
            (_uniform(-1, 1, 2, 3, 4, 5), _uniform(-1, 1, 4, 2, 6, 3)),
        ),
        (name, _dot((1,), (0,), (), ()), (_uniform(-1, 1, 3, 0), _uniform(-1, 1, 0, 5))),
    ]


def _movement_cases() -> list[Case]:
    x = _uniform(-1, 1, 2, 3, 4)

    def sliced(starts: Any, stops: Any, steps: Any) -> Callable[..., Any]:
        return lambda t: movement.slice_(t, starts=starts, stops=stops, steps=steps)

    def broadcast(shape: Any, dimensions: Any) -> Callable[..., Any]:
        return lambda t: movement.broadcast_in_dim(t, shape=shape, broadcast_dimensions=dimensions)

    return [
        ("reshape", lambda t: movement.reshape(t, shape=(4, 6)), (x,)),
        ("transpose", lambda t: movement.transpose(t, permutation=(1, 2, 0)), (x,)),
        ("broadcast_in_dim", broadcast((5, 2, 3, 4), (1, 2, 3)), (x,)),
        ("broadcast_in_dim", broadcast((3, 5, 4), (0, 1, 2)), (_uniform(-1, 1, 3, 1, 4),)),
        ("broadcast_in_dim", broadcast((3, 1, 4), (0, 2)), (_uniform(-1, 1, 1, 4),)),
        ("broadcast_in_dim", broadcast((3, 2), ()), (np.array(0.5),)),
        ("slice", sliced((0, 1, 2), (2, 3, 4), (1, 1, 1)), (x,)),
        ("slice", sliced((0, 1, 0), (2, 3, 4), (1, 2, 3)), (x,)),
        ("slice", sliced((0, 0, 1), (1, 0, 4), (2, 2, 2)), (x,)),
        ("slice", sliced((3,), (10,), (3,)), (_uniform(-1, 1, 11),)),
        ("reverse", lambda t: movement.reverse(t, axes=(0, 2)), (x,)),
        (
            "pad",
            lambda t, v: movement.pad(t, v, low=(1, 0, 2), high=(0, 3, 1)),
            (x, np.array(0.5)),
        ),
        (
            "concatenate",
            lambda a, b, c: movement.concatenate(a, b, c, axis=1),
            (x, _uniform(-1, 1, 2, 1, 4), _uniform(-1, 1, 2, 0, 4)),
        ),
    ]


def _window_cases() -> list[Case]:
    x = _uniform(-1, 1, 2, 7, 6, 2)
    kernel = _uniform(-1, 1, 3, 2, 2, 3)

    def sliding(sizes: Any, strides: Any, dilations: Any) -> Callable[..., Any]:
        return lambda t: windows.windows(
            t, axes=(1, 2), sizes=sizes, strides=strides, dilations=dilations
        )

    def convolving(strides: Any, dilations: Any) -> Callable[..., Any]:
        slide = sliding((3, 2), strides, dilations)
        return lambda t, k: _dot((3, 4, 5), (0, 1, 2), (), ())(slide(t), k)

    cases: list[Case] = [
        ("windows", sliding(*form), (x,))
        for form in (
            ((3, 2), (1, 1), (1, 1)),
            ((3, 2), (2, 3), (1, 2)),
            ((2, 3), (2, 3), (1, 1)),
            ((1, 1), (2, 3), (1, 1)),
            ((1, 2), (3, 4), (1, 1)),
        )
    ]
    for steps in (((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 2), (2, 3)), ((3, 1), (3, 1))):
        cases.append(("windows", convolving(*steps), (x, kernel)))
    square = _uniform(-1, 1, 3, 2, 3)
    cases.append(("diagonal", lambda t: windows.diagonal(t, first=0, second=2), (square,)))
    return cases


def _indexing_cases() -> list[Case]:
    x = _uniform(-1, 1, 4, 3)
    rows = np.array([[0, 3], [3, 9]])
    along = np.array([[0, 2, 2], [1, -1, 0]])
    return [
        ("gather", lambda t, i: indexing.gather(t, i, axis=0), (x, rows)),
        ("gather", lambda t, i: indexing.gather(t, i, axis=1), (x, np.array(2))),
        ("gather_elements", lambda t, i: indexing.gather_elements(t, i, axis=0), (x, along)),
        (
            "gather_elements",
            lambda t, i: indexing.gather_elements(t, i, axis=1),
            (x, np.array([[0], [2], [7], [-3]])),
        ),
        (
            "scatter_add",
            lambda t, i, u: indexing.scatter_add(t, i, u, axis=0),
            (x, rows, _uniform(-1, 1, 2, 2, 3)),
        ),
        (
            "scatter_add_elements",
            lambda t, i, u: indexing.scatter_add_elements(t, i, u, axis=0),
            (x, along, _uniform(-1, 1, 2, 3)),
        ),
    ]


def _cube(x: Any) -> Any:
    return elementwise.multiply(x, elementwise.multiply(x, x))


def _cube_with_rule(x: Any) -> Any:
    multiply = elementwise.multiply
    slope = multiply(filled(3, x.dtype, x.shape), multiply(x, x))
    return _cube(x), lambda g: multiply(g, slope)


def _barrier(x: Any, y: Any) -> Any:
    held = build_node(regions.optimization_barrier, (x, y)).results
    return elementwise.multiply(held[0], held[1])


def _other_cases() -> list[Case]:
    x = _uniform(-1, 1, 3)
    yes = literal(np.asarray(True))
    return [
        ("print", lambda t: effect.print_(t, message="never shown"), (np.zeros((0, 2)),)),
        ("check", lambda t: effect.check(_cube(t), yes, message="always true"), (x,)),
        ("optimization_barrier", _barrier, (x, _uniform(-1, 1, 3))),
        ("remat", lambda t: remat(lambda u: elementwise.sin(_cube(u)))(t), (x,)),
        ("custom_gradient", lambda t: custom_gradient(_cube_with_rule)(t), (x,)),
    ]


CASES = [
    *_elementwise_cases(), *_reduction_cases(), *_contraction_cases(), *_movement_cases(),
    *_window_cases(), *_indexing_cases(), *_other_cases(),
]  # fmt: skip


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{name}-{number}" for number, (name, *_) in enumerate(CASES)]
)
def test_derivatives_equal_finite_differences(case: Case) -> None:
    _, function, arrays = case
    check_gradient(function, *arrays)


def test_every_differentiable_op_has_a_rule_and_a_case() -> None:
    assert FAMILIES
    cases = {name for name, *_ in CASES}
    for op in OPS.values():
        has_operands = op.kind is not OPS["constant"].kind
        if op.is_differentiable and has_operands:
            assert op in RULES, f"{op.name} has no derivative rule"
            is_tested = op.name in cases or op in control_flow.OPS  # test_control_flow.py
            assert is_tested, f"{op.name} has no case here"
        else:
            assert op not in RULES, f"{op.name} is not differentiable but has a rule"


def test_a_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        RULES,
        elementwise.tanh,
        lambda node, g: (elementwise.multiply(g[0], node.results[0]),),
    )
    with pytest.raises(AssertionError):
        check_gradient(elementwise.tanh, _uniform(-2, 2, 3))


def test_a_rule_that_forgets_an_operand_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        RULES,
        elementwise.multiply,
        lambda node, g: (elementwise.multiply(g[0], node.operands[1]), zeros_like(g[0])),
    )
    with pytest.raises(AssertionError):
        check_gradient(elementwise.multiply, _uniform(1, 2, 3), _uniform(1, 2, 3))


def test_convert_keeps_the_operands_dtype() -> None:
    check_gradient(
        lambda x: elementwise.convert(elementwise.convert(_cube(x), dtype=float32), dtype=float64),
        _uniform(1, 2, 3),
        order=1,
        tolerance=3e-1,
    )
    assert bool_.is_bool
