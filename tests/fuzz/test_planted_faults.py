"""A wrong rule, a wrong derivative, a wrong kernel: the fuzzer's checks must notice each.

What fails with a fault in place must pass without it, so that the fault is why it failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from graphdl.autodiff.table import RULES as DERIVATIVES
from graphdl.backends.cpu.generate_arithmetic import Arithmetic, Emitted
from graphdl.backends.cpu.target import host_target
from graphdl.graph.nodes import Node, Tensor
from graphdl.graph.op import Op
from graphdl.kernel.nodes import Order
from graphdl.lowering import assemble
from graphdl.lowering import reduction as lower_reduction
from graphdl.ops import elementwise as e
from graphdl.ops import movement
from graphdl.ops.contraction import dot_general
from graphdl.passes import simplify_algebra
from graphdl.rewrite.driver import Rule, rule
from graphdl.rewrite.pattern import variables
from tests.fuzz.checks import Disagreement, check_case
from tests.fuzz.derivatives import WrongDerivative, check_derivative
from tests.fuzz.random_cases import Case, cases, smooth_costs
from tests.fuzz.runs import own_target

x, y = variables("x", "y")
SmoothCost = tuple[Tensor, list[Tensor], int]


def find_failure(cases_: st.SearchStrategy[Any], check: Callable[[Any], None], count: int) -> Any:
    """The first of some cases that fails the check."""
    found: list[Any] = []

    @settings(max_examples=count, phases=[Phase.generate], database=None, derandomize=True)
    @given(cases_)
    def search(case: Any) -> None:
        try:
            check(case)
        except (Disagreement, WrongDerivative):
            found.append(case)
            raise

    with pytest.raises((Disagreement, WrongDerivative)):
        search()
    return found[-1]


def check_without_code(case: Case) -> None:
    check_case(case, with_native=False)


def check_slope(case: SmoothCost) -> None:
    check_derivative(*case)


# Rules --------------------------------------------------------------------------------------------


@rule(e.abs_(x))
def drop_abs(x: Tensor) -> Tensor:
    return x


@rule(e.less(x, y))
def negate_comparison(x: Tensor, y: Tensor) -> Tensor:
    """Right but for NaN."""
    result: Tensor = e.bitwise_not(e.greater_equal(x, y))
    return result


@rule(e.subtract(x, y))
def forget_negative_zero(x: Tensor, y: Tensor, root: Tensor) -> Tensor | None:
    """Right but for the sign of x - x."""
    return e.negative(e.subtract(y, x)) if x.dtype.is_floating else None


@rule(e.bitwise_not(x))
def forget_width(x: Tensor) -> Tensor | None:
    """Right for signed integers only."""
    return None if x.dtype.is_bool else e.negative(x)


@pytest.mark.parametrize(
    "wrong", [drop_abs, negate_comparison, forget_negative_zero, forget_width], ids=lambda r: r.name
)
def test_a_wrong_rule_is_caught(wrong: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simplify_algebra, "RULES", (wrong, *simplify_algebra.RULES))
    case = find_failure(cases(), check_without_code, 300)
    monkeypatch.undo()
    check_without_code(case)


# Derivatives --------------------------------------------------------------------------------------

Vjp = Callable[[Node, Sequence[Tensor]], Sequence[Tensor]]


def _swap_factors(node: Node, cotangents: Sequence[Tensor]) -> Sequence[Tensor]:
    (g,), (left, right) = cotangents, node.operands
    return e.multiply(g, left), e.multiply(g, right)


def _forget_sign(node: Node, cotangents: Sequence[Tensor]) -> Sequence[Tensor]:
    return (e.multiply(cotangents[0], e.sin(node.operands[0])),)


def _forget_to_sum(node: Node, cotangents: Sequence[Tensor]) -> Sequence[Tensor]:
    (g,) = cotangents
    return (g, g)


def _forget_order(node: Node, cotangents: Sequence[Tensor]) -> Sequence[Tensor]:
    return (cotangents[0],)


@pytest.mark.parametrize(
    ("op", "wrong"),
    [
        (e.multiply, _swap_factors),
        (e.cos, _forget_sign),
        (e.subtract, _forget_to_sum),
        (movement.reverse, _forget_order),
    ],
    ids=lambda each: each.name if isinstance(each, Op) else "",
)
def test_a_wrong_derivative_is_caught(op: Op, wrong: Vjp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DERIVATIVES, op, wrong)  # type: ignore[arg-type]
    case = find_failure(smooth_costs(), check_slope, 300)
    monkeypatch.undo()
    check_slope(case)


def test_a_wrong_derivative_of_a_contraction_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = DERIVATIVES[dot_general]

    def double(node: Node, cotangents: tuple[Tensor, ...]) -> Sequence[Any]:
        first, *others = right(node, cotangents)
        return e.add(first, first), *others

    monkeypatch.setitem(DERIVATIVES, dot_general, double)
    case = find_failure(smooth_costs(), check_slope, 300)
    monkeypatch.undo()
    check_slope(case)


# Kernels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong"), [("subtract", "add"), ("less", "less_equal"), ("shift_left", "multiply")]
)
def test_a_wrong_instruction_is_caught(
    right: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit = Arithmetic.binary

    def swapped(self: Arithmetic, op: str, left: Emitted, right_: Emitted) -> Emitted:
        return emit(self, wrong if op == right else op, left, right_)

    monkeypatch.setattr(Arithmetic, "binary", swapped)
    target = own_target(host_target(), 1 + len(right))
    case = find_failure(cases(), lambda case: check_case(case, (target,)), 200)
    monkeypatch.undo()
    check_case(case)


def test_a_wrong_order_of_sums_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnlyAscending:
        INTERLEAVED = Order.ASCENDING
        ASCENDING = Order.ASCENDING

    monkeypatch.setattr(lower_reduction, "Order", OnlyAscending)
    monkeypatch.setattr(assemble, "_templates", {})  # kernels of equal groups, kept between calls
    case = find_failure(cases(), check_without_code, 300)
    monkeypatch.undo()
    check_without_code(case)
