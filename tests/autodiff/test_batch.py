"""Every batching rule against one run per example, stacked: the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from graphdl.autodiff.table import BATCH_RULES
from graphdl.autodiff.vmap import vmap
from graphdl.errors import ArgumentError
from graphdl.graph.nodes import StateWrite, Tensor, build_node
from graphdl.graph.op import OpKind
from graphdl.ops.functions.creation import placeholder, variable
from graphdl.ops.functions.effect import check
from graphdl.ops.table import OPS
from graphdl.typesystem.dtype import as_dtype, bfloat16
from graphdl.typesystem.tensor_type import TensorType
from tests.plugins.cases import CASES, Case
from tests.plugins.gradients import evaluate

Array = np.ndarray[Any, Any]
COUNT = 3
PER_OP = 5
ELSEWHERE = {"remat", "custom_gradient", "scan", "switch"}
"""Ops with regions: batched by the walk itself, tested with vmap."""


def _chosen() -> Iterator[Case]:
    """Some cases of every op, spread over what its list has."""
    for op in OPS.values():
        cases = [case for case in CASES if case.op is op and case.arrays]
        yield from cases[:: max(1, len(cases) // PER_OP)]


def _examples(array: Array) -> list[Array]:
    """The array with its elements in other orders."""
    flat = array.reshape(-1)
    return [np.roll(flat, 2 * k)[:: -1 if k else 1].reshape(array.shape) for k in range(COUNT)]


def _masks(count: int) -> Iterator[tuple[bool, ...]]:
    if count > 3:
        yield (True, *(False,) * (count - 1))
        yield (True,) * count
    else:
        yield from (mask for mask in product((False, True), repeat=count) if any(mask))


def _plain(array: Array) -> Array:
    """16-bit floats in float32: NumPy does not know bfloat16's NaN."""
    return array.astype(np.float32) if as_dtype(array.dtype) == bfloat16 else array


CHOSEN = list(_chosen())


@pytest.mark.parametrize("case", CHOSEN, ids=[f"{c.op.name}-{i}" for i, c in enumerate(CHOSEN)])
def test_a_batch_is_a_stack_of_examples(case: Case) -> None:
    def function(*operands: Tensor) -> Any:
        return list(build_node(case.op, operands, case.attributes).results)

    for mask in _masks(len(case.arrays)):
        examples = [_examples(array) for array in case.arrays]
        given = [
            np.stack(each) if has else array
            for each, array, has in zip(examples, case.arrays, mask, strict=True)
        ]
        inputs = [placeholder(f"x{i}", a.shape, as_dtype(a.dtype)) for i, a in enumerate(given)]
        axes = tuple(0 if has else None for has in mask)
        found = evaluate(vmap(function, in_axes=axes)(*inputs), inputs, given)
        for number in range(COUNT):
            arrays = [
                each[number] if has else array
                for each, array, has in zip(examples, case.arrays, mask, strict=True)
            ]
            single = [
                placeholder(f"x{i}", a.shape, as_dtype(a.dtype)) for i, a in enumerate(arrays)
            ]
            wanted = evaluate(function(*single), single, arrays)
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(_plain(one[number]), _plain(other), strict=True)


def test_every_op_with_operands_has_a_batching_rule() -> None:
    tested = {case.op.name for case in CHOSEN}
    without = set()
    for op in OPS.values():
        if op.kind is OpKind.LEAF or op.name == "iota":
            continue
        if op not in BATCH_RULES:
            without.add(op.name)
        else:
            assert op.name in tested, f"{op.name} has no case"
    assert without <= ELSEWHERE


def test_a_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    op = OPS["cumulative_sum"]
    wrong = lambda node, operands, has, size: (op(*operands, axis=0),)  # noqa: E731
    monkeypatch.setitem(BATCH_RULES, op, wrong)
    (case,) = [c for c in CHOSEN if c.op is op and c.arrays[0].shape == (3, 4, 7)][:1]
    with pytest.raises(AssertionError):
        test_a_batch_is_a_stack_of_examples(case)


def test_an_op_without_a_rule_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(BATCH_RULES, OPS["sin"])
    x = placeholder("x", (3,))
    with pytest.raises(ArgumentError, match="sin has no batching rule"):
        vmap(OPS["sin"])(x)


def test_a_variable_that_examples_would_write_is_told() -> None:
    x = placeholder("x", ("n", 3))
    mean = variable(np.zeros(3))

    def normalized(row: Tensor) -> Tensor:
        node = build_node(OPS["negative"], (row,), writes=(StateWrite(mean, row),))
        return node.results[0]

    with pytest.raises(ArgumentError, match="examples would give it several"):
        vmap(normalized)(x)


def test_sizes_stay_named() -> None:
    x = placeholder("x", ("batch", "n", 4), "float64")
    found = vmap(lambda m: OPS["reduce_sum"](m, axes=(1,)))(x)
    assert found.type == TensorType(as_dtype("float64"), x.shape[:2])
    checked = vmap(lambda m: check(m, OPS["is_finite"](OPS["reduce_sum"](m, axes=(0, 1))), ""))(x)
    assert checked.type == x.type
