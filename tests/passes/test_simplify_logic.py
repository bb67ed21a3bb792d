"""Known conditions are decided; conversions go only where no value changes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph
from graphdl.ops import elementwise as e
from graphdl.passes.simplify_logic import RULES, simplify_logic
from graphdl.typesystem.dtype import ALL, DType, bool_, float32, int32, int64, uint8, uint32
from tests.graph.random_graphs import leaf
from tests.graph.same_values import assert_equal_bits
from tests.passes.rule_cases import Case, check_case, check_untouched, like, missing_rules
from tests.plugins.golden import Golden

INTEGERS = (int32, uint8)
ANY = (float32, int32)
BOOL = (bool_,)

CASES = (
    Case("decide_select", lambda x, y: e.select(like(True, e.less(x, y)), x, y), ANY),
    Case("decide_select", lambda x, y: e.select(e.less(x, y), y, y), ANY, label="equal"),
    Case(
        "decide_select",
        lambda x, y: e.select(like(False, e.less(x, y)), x, y),
        ANY,
        label="false",
    ),
    Case("swap_branches", lambda x, y: e.select(e.bitwise_not(x), x, y), BOOL),
    Case(
        "merge_selects",
        lambda x, y: e.select(e.bitwise_and(x, y), e.select(e.bitwise_and(x, y), x, y), y),
        BOOL,
        label="not shared",
    ),
    Case("keep_condition", lambda x, y: e.select(x, like(True, x), like(False, x)), BOOL),
    Case("negate_condition", lambda x, y: e.select(x, like(False, x), like(True, x)), BOOL),
    Case("drop_double_not", lambda x, y: e.bitwise_not(e.bitwise_not(x)), (bool_, int32)),
    Case("drop_neutral_bits", lambda x, y: e.bitwise_and(x, like(True, x)), BOOL),
    Case("drop_neutral_bits", lambda x, y: e.bitwise_or(x, like(0, x)), INTEGERS, label="or"),
    Case("drop_neutral_bits", lambda x, y: e.bitwise_xor(x, like(0, x)), INTEGERS, label="xor"),
    Case("drop_neutral_bits", lambda x, y: e.shift_left(x, like(0, x)), INTEGERS, label="shift"),
    Case("drop_neutral_bits", lambda x, y: e.bitwise_and(x, x), (bool_, int32), label="same"),
    Case("clear_bits", lambda x, y: e.bitwise_and(x, like(0, x)), INTEGERS),
    Case("clear_bits", lambda x, y: e.bitwise_xor(x, x), (bool_, int32), label="xor"),
    Case("set_truth", lambda x, y: e.bitwise_or(x, like(True, x)), BOOL),
    Case("make_not", lambda x, y: e.bitwise_xor(x, like(True, x)), BOOL),
    Case("oppose_comparison", lambda x, y: e.bitwise_not(e.equal(x, y)), (float32, int32, bool_)),
    Case("oppose_comparison", lambda x, y: e.bitwise_not(e.less(x, y)), INTEGERS, label="less"),
    Case("refuse_strict_order", lambda x, y: e.less(x, x), ANY),
    Case("accept_equality", lambda x, y: e.less_equal(x, x), INTEGERS),
    Case("refuse_difference", lambda x, y: e.not_equal(x, x), INTEGERS),
    Case("drop_same_conversion", lambda x, y: e.convert(x, dtype=x.dtype), ANY),
    Case(
        "merge_conversions",
        lambda x, y: e.convert(e.convert(x, dtype=int64), dtype=uint8),
        (int32, uint32, bool_),
    ),
    Case(
        "merge_bitcasts",
        lambda x, y: e.bitcast(e.bitcast(x, dtype=uint32), dtype=int32),
        (float32,),
    ),
)


def _same_condition(case: Case) -> Case:
    """merge_selects wants one condition node, as the pass for equal expressions makes it."""
    return Case(
        case.rule,
        lambda x, y: (lambda c: e.select(c, e.select(c, x, y), y))(e.bitwise_and(x, y)),
        case.dtypes,
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule(case: Case, golden: Golden) -> None:
    check_case(
        _same_condition(case) if case.label == "not shared" else case, simplify_logic, golden
    )


def test_every_rule_has_a_case() -> None:
    assert missing_rules(RULES, CASES) == []


def test_orders_of_floats_are_not_opposed() -> None:
    check_untouched(lambda x, y: e.bitwise_not(e.less(x, y)), simplify_logic, float32)
    check_untouched(lambda x, y: e.equal(x, x), simplify_logic, float32)
    check_untouched(lambda x, y: e.not_equal(x, x), simplify_logic, float32)


HARD = (0, 1, -1, 0.5, -0.0, 1e9, -1e9, 3e38, np.inf, -np.inf, np.nan, 127, 128, 255, 256, 65504)
HARD_INTEGERS = (0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, 127, 128, 255, 256, 2**24 + 1, 2**53 + 1)


def hard_numbers(dtype: DType) -> np.ndarray:  # type: ignore[type-arg]
    if dtype.is_floating:
        with np.errstate(all="ignore"):
            return np.array(HARD, np.float64).astype(dtype.numpy)
    if dtype.is_bool:
        return np.array([False, True])
    return np.array(HARD_INTEGERS, np.int64).astype(dtype.numpy)


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_no_merged_conversion_changes_a_value(dtype: DType) -> None:
    x = leaf("placeholder", "x", dtype, hard_numbers(dtype).shape)
    for between, last in itertools.product(ALL, ALL):
        graph = Graph((x,), (e.convert(e.convert(x, dtype=between), dtype=last),))
        runs = [interpret(g, [hard_numbers(dtype)]) for g in (graph, simplify_logic(graph))]
        assert_equal_bits(runs[0].outputs[0], runs[1].outputs[0])
