"""iota against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError
from graphdl.ops.table import OPS
from graphdl.typesystem.dtype import bool_, float32
from tests.plugins.cases import Case, cases_of


@pytest.mark.parametrize("case", cases_of("iota"), ids=str)
def test_iota_counts_along_its_axis(case: Case) -> None:
    shape, axis, dtype = (case.attributes[name] for name in ("shape", "axis", "dtype"))
    assert case.op.reference is not None
    result = case.op.reference(**case.attributes)
    np.testing.assert_array_equal(result.astype(np.int64), np.indices(shape)[axis])
    assert result.dtype == dtype.numpy


def test_the_type_rule_refuses_by_its_constraints() -> None:
    with pytest.raises(DTypeError, match=r"iota \(C1\)"):
        OPS["iota"].infer(shape=(3,), axis=0, dtype=bool_)
    with pytest.raises(ArgumentError, match=r"iota \(C2\)"):
        OPS["iota"].infer(shape=(3,), axis=1, dtype=float32)
