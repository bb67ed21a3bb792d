"""Every primitive compiled for the CPU against its definition: in "exact" the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from graphdl.function import function
from graphdl.graph.interpreter import interpret
from graphdl.graph.op import OpKind
from graphdl.ops.table import OPS
from graphdl.typesystem.arithmetic import widen
from graphdl.typesystem.dtype import float32
from tests.plugins.cases import CASES, Case, numbers
from tests.plugins.compare import assert_same_bits

SKIPPED = (OpKind.LEAF, OpKind.EFFECT, OpKind.REGION)
ULPS = {"float16": 1, "bfloat16": 1, "float32": 4, "float64": 8}
"""How far a compiled transcendental function may be from NumPy's, which errs itself."""


def chosen() -> Iterator[Case]:
    """Elementwise ops once per dtype, on special values too; the others in full for float32."""
    seen: set[tuple[object, ...]] = set()
    for case in CASES:
        op, arrays = case.op, case.arrays
        if op.kind in SKIPPED:
            continue
        dtypes = tuple(str(array.dtype) for array in arrays)
        is_special = bool(arrays) and arrays[0].size in (6, 11, 36, 121)
        key: tuple[object, ...] = (op.name, dtypes, case.attributes.get("dtype"), is_special)
        if op.kind is not OpKind.ELEMENTWISE and dtypes[:1] == ("float32",):
            key = (str(case),)
        if key not in seen:
            seen.add(key)
            yield inside(case)


def inside(case: Case) -> Case:
    """The case with indices in range: an index input outside is an error at the call."""
    if case.op.kind not in (OpKind.GATHER, OpKind.SCATTER):
        return case
    array, indices, *rest = case.arrays
    top = max(array.shape[case.attributes["axis"]] - 1, 0)
    return replace(case, arrays=(array, np.clip(indices, 0, top), *rest))


def assert_within(case: Case, actual: np.ndarray, wanted: np.ndarray) -> None:
    """Equal up to ULPS (of 1 at least after a scan), and equal where either is not finite."""
    left, right = widen(actual).astype(np.float64), widen(wanted).astype(np.float64)
    finite = np.isfinite(right)
    np.testing.assert_array_equal(left[~finite], right[~finite], err_msg=str(case))
    digits = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}[actual.dtype.name]
    limit = ULPS[actual.dtype.name] * 2.0**-digits
    least = 1e-37 if case.op.kind is OpKind.ELEMENTWISE else limit
    np.testing.assert_allclose(
        left[finite], right[finite], rtol=limit, atol=least, err_msg=str(case)
    )


@pytest.mark.parametrize("name", sorted({case.op.name for case in chosen()}))
def test_compiled_code_computes_what_the_definition_says(name: str) -> None:
    for case in chosen():
        if case.op.name != name:
            continue
        graph = case.graph()
        (wanted,) = interpret(graph, list(case.arrays)).outputs
        compiled = function(list(graph.inputs), graph.outputs[0], numerics="exact")
        actual = compiled(*case.arrays)
        if case.op.is_transcendental and wanted.dtype.kind in "fV":
            assert_within(case, actual, wanted)
        else:
            assert_same_bits(actual, wanted, case)


def test_a_wrong_definition_is_caught() -> None:
    """A product that differs in its last bit is not what compiled code computes."""
    x, y = numbers(float32, (7,)), numbers(float32, (7,), seed=1)
    graph = Case(OPS["multiply"], (x, y)).graph()
    actual = function(list(graph.inputs), graph.outputs[0], numerics="exact")(x, y)
    assert_same_bits(actual, x * y)
    with pytest.raises(AssertionError):
        assert_same_bits(actual, np.nextafter(x * y, np.float32(np.inf)))
