"""Scans against a plain loop, and their type rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

from graphdl.errors import ArgumentError, DTypeError
from graphdl.graph.interpreter import interpret
from graphdl.ops import cumulative
from graphdl.ops.table import OPS
from graphdl.typesystem.arithmetic import widen
from graphdl.typesystem.dtype import bool_, float32, int32
from graphdl.typesystem.tensor_type import TensorType
from tests.plugins.cases import Case, cases_of
from tests.plugins.compare import assert_same_bits

Array = np.ndarray[Any, Any]


def computed(case: Case) -> Array:
    """What the interpreter gives for a case."""
    return np.asarray(interpret(case.graph(), list(case.arrays)).outputs[0])


EXACT: dict[str, tuple[Callable[[Array, Array], Array], Any]] = {
    "cumulative_sum": (np.add, 0),
    "cumulative_prod": (np.multiply, 1),
    "cumulative_max": (np.maximum, None),
    "cumulative_min": (np.minimum, None),
}


@pytest.mark.parametrize("name", EXACT)
def test_running_folds_take_one_element_after_the_other(name: str) -> None:
    combine, start = EXACT[name]
    for case in cases_of(name):
        (array,) = case.arrays
        axis, reverse = case.attributes["axis"], case.attributes["reverse"]
        wide = np.moveaxis(widen(array), axis, 0)
        total = None if start is None else np.full(wide.shape[1:], start, wide.dtype)
        wanted = np.empty_like(wide)
        steps = range(wide.shape[0])
        with np.errstate(all="ignore"):
            for step in reversed(steps) if reverse else steps:
                total = wide[step] if total is None else combine(total, wide[step])
                wanted[step] = total
        wanted = np.moveaxis(wanted, 0, axis).astype(array.dtype)
        assert_same_bits(computed(case) + array.dtype.type(0), wanted + array.dtype.type(0), case)


def test_running_logarithms_of_sums_do_not_overflow() -> None:
    x = np.array([-np.inf, 900.0, -np.inf, 901.0, 10.0, np.inf, 0.0])
    wanted = [scipy.special.logsumexp(x[: stop + 1]) for stop in range(len(x))]
    case = Case(OPS["cumulative_logsumexp"], (x,), {"axis": 0, "reverse": False})
    np.testing.assert_allclose(computed(case), wanted, rtol=1e-15)
    flipped = Case(OPS["cumulative_logsumexp"], (x[::-1],), {"axis": 0, "reverse": True})
    np.testing.assert_allclose(computed(flipped), wanted[::-1], rtol=1e-15)


@pytest.mark.parametrize("op", cumulative.OPS, ids=lambda op: op.name)
def test_type_rules_refuse_by_their_constraints(op: Any) -> None:
    with pytest.raises(ArgumentError, match=rf"{op.name} \(C2\): axis 2 of a 2-d operand"):
        op.infer(TensorType(float32, (3, 0)), axis=2)
    with pytest.raises(DTypeError, match=rf"{op.name} \(C1\)"):
        op.infer(TensorType(bool_, (3,)), axis=0)
    if op.is_transcendental:
        with pytest.raises(DTypeError, match=rf"{op.name} \(C1\)"):
            op.infer(TensorType(int32, (3,)), axis=0)
