"""Every rule keeps every bit, and does not touch what would change one."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as e
from graphdl.ops.reduction import reduce_sum
from graphdl.passes.simplify_algebra import RULES, simplify_algebra
from graphdl.typesystem.dtype import bfloat16, float16, float32, float64, int8, int32, uint8
from tests.passes.rule_cases import Case, check_case, check_untouched, like, missing_rules
from tests.plugins.golden import Golden

FLOATS = (float32, float16, bfloat16, float64)
INTEGERS = (int32, int8, uint8)
NUMBERS = (*FLOATS, *INTEGERS)
SIGNED = (*FLOATS, int32, int8)

CASES = (
    Case("drop_exact_zero", lambda x, y: e.add(like(-0.0, x), x), FLOATS),
    Case("drop_exact_zero", lambda x, y: e.subtract(x, like(0, x)), NUMBERS, label="subtract"),
    Case("drop_added_zero", lambda x, y: e.add(x, like(0, x)), INTEGERS),
    Case("drop_added_zero", lambda x, y: e.add(like(0, x), e.exp(x)), FLOATS, label="float"),
    Case("drop_one", lambda x, y: e.multiply(like(1, x), x), NUMBERS),
    Case("drop_one", lambda x, y: e.divide(x, like(1, x)), FLOATS, label="divide"),
    Case("drop_one", lambda x, y: e.power(x, like(1, x)), FLOATS, label="power"),
    Case("drop_infinite_bound", lambda x, y: e.maximum(x, like(-math.inf, x)), FLOATS),
    Case("drop_infinite_bound", lambda x, y: e.minimum(x, like(math.inf, x)), FLOATS, label="min"),
    Case("merge_equal_bounds", lambda x, y: e.maximum(x, x), NUMBERS),
    Case("merge_maxima", lambda x, y: e.maximum(like(0, x), e.maximum(x, like(2, x))), NUMBERS),
    Case("merge_minima", lambda x, y: e.minimum(like(0, x), e.minimum(x, like(2, x))), NUMBERS),
    Case("make_integer_zero", lambda x, y: e.multiply(x, like(0, x)), INTEGERS),
    Case("make_integer_zero", lambda x, y: e.subtract(x, x), INTEGERS, label="difference"),
    Case("make_integer_zero", lambda x, y: e.remainder(x, like(1, x)), INTEGERS, label="rest"),
    Case("drop_integer_divisor", lambda x, y: e.floor_divide(x, like(1, x)), INTEGERS),
    Case(
        "merge_integer_constants",
        lambda x, y: e.add(e.add(x, like(100, x)), like(100, x)),
        INTEGERS,
    ),
    Case("negate_integer", lambda x, y: e.subtract(like(0, x), x), INTEGERS),
    Case("swap_negated_difference", lambda x, y: e.negative(e.subtract(x, y)), INTEGERS),
    Case("drop_double_negation", lambda x, y: e.negative(e.negative(x)), NUMBERS),
    Case("make_negation", lambda x, y: e.multiply(x, like(-1, x)), SIGNED),
    Case("make_negation", lambda x, y: e.subtract(like(-0.0, x), x), FLOATS, label="zero"),
    Case("make_difference", lambda x, y: e.add(e.negative(x), y), NUMBERS),
    Case("make_sum", lambda x, y: e.subtract(x, e.negative(y)), NUMBERS),
    Case("cancel_signs", lambda x, y: e.multiply(e.negative(x), e.negative(y)), NUMBERS),
    Case("cancel_signs", lambda x, y: e.divide(e.negative(x), e.negative(y)), FLOATS, label="div"),
    Case("negate_factor", lambda x, y: e.multiply(e.negative(x), like(3, x)), SIGNED),
    Case("negate_factor", lambda x, y: e.negative(e.multiply(x, like(3, x))), SIGNED, label="out"),
    Case("negate_divisor", lambda x, y: e.negative(e.divide(x, like(3, x))), FLOATS),
    Case("drop_sign_in_abs", lambda x, y: e.abs_(e.negative(x)), SIGNED),
    Case("drop_repeated_rounding", lambda x, y: e.floor(e.round_(x)), FLOATS),
    Case("drop_repeated_rounding", lambda x, y: e.sign(e.sign(x)), SIGNED, label="sign"),
    Case("multiply_by_exact_reciprocal", lambda x, y: e.divide(x, like(4, x)), FLOATS),
    Case("raise_to_zero", lambda x, y: e.power(x, like(0, x)), NUMBERS),
    Case("make_square", lambda x, y: e.power(x, like(2, x)), (*FLOATS[:-1], *INTEGERS)),
    Case("make_cube", lambda x, y: e.power(x, like(3, x)), INTEGERS),
    Case("invert_power", lambda x, y: e.power(x, like(-1, x)), FLOATS[:-1]),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule(case: Case, golden: Golden) -> None:
    check_case(case, simplify_algebra, golden)


@pytest.mark.parametrize(
    ("rule", "exponent"), [("make_square", 2), ("make_cube", 3), ("invert_power", -1)]
)
def test_powers_stay_within_an_ulp(rule: str, exponent: int, golden: Golden) -> None:
    case = Case(rule, lambda x, y: e.power(x, like(exponent, x)), (float64,))
    check_case(case, simplify_algebra, golden, tolerance=5e-16)
    case = Case(rule, lambda x, y: e.power(x, like(exponent, x)), (float32,))
    check_case(case, simplify_algebra, golden("float32"), tolerance=2e-7)


def test_every_rule_has_a_case() -> None:
    assert missing_rules(RULES, CASES) == []


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda x, y: e.add(x, like(0, x)), id="x+0 makes -0 into 0"),
        pytest.param(lambda x, y: e.multiply(x, like(0, x)), id="inf*0 is NaN"),
        pytest.param(lambda x, y: e.subtract(x, x), id="inf-inf is NaN"),
        pytest.param(lambda x, y: e.subtract(like(0, x), x), id="0-0 is 0, -0 is not"),
        pytest.param(lambda x, y: e.negative(e.subtract(x, y)), id="-(x-x) is -0"),
        pytest.param(lambda x, y: e.divide(x, x), id="0/0 is NaN"),
        pytest.param(lambda x, y: e.divide(x, like(3, x)), id="1/3 is rounded"),
        pytest.param(lambda x, y: e.divide(x, like(2.0**127, x)), id="2**-127 is subnormal"),
        pytest.param(lambda x, y: e.divide(x, like(0, x)), id="1/0"),
        pytest.param(lambda x, y: e.divide(x, like(math.inf, x)), id="1/inf"),
        pytest.param(lambda x, y: e.power(x, like(0.5, x)), id="(-0)**0.5 is 0"),
        pytest.param(lambda x, y: e.floor_divide(x, like(1, x)), id="floor"),
        pytest.param(lambda x, y: e.add(e.add(x, like(1, x)), like(2, x)), id="rounded twice"),
        pytest.param(
            lambda x, y: e.maximum(e.maximum(x, like(math.nan, x)), like(1, x)), id="NaN bound"
        ),
        pytest.param(lambda x, y: reduce_sum(x, axes=()), id="an empty sum starts at 0"),
    ],
)
def test_floats_are_left_alone(build: Callable[[Tensor, Tensor], Tensor]) -> None:
    check_untouched(build, simplify_algebra, float32)
