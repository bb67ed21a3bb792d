"""The array API's data type functions against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError
from graphdl.ops.functions import data_types as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.typesystem.dtype import ALL, as_dtype


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_limits_are_numpys(dtype: str) -> None:
    found, wanted = gd.finfo(dtype), np.finfo(dtype)
    assert (found.bits, found.eps, found.max, found.min) == (
        wanted.bits, float(wanted.eps), float(wanted.max), float(wanted.min),
    )  # fmt: skip
    assert found.smallest_normal == float(wanted.smallest_normal)
    assert found.dtype == as_dtype(dtype)
    assert gd.finfo("bfloat16").eps == 2.0**-7
    assert gd.finfo(placeholder("x", (), dtype)) == found


@pytest.mark.parametrize("dtype", [each.name for each in ALL if each.is_integer])
def test_integer_limits_are_numpys(dtype: str) -> None:
    found, wanted = gd.iinfo(dtype), np.iinfo(dtype)
    assert (found.bits, found.max, found.min) == (wanted.bits, wanted.max, wanted.min)


def test_limits_of_the_wrong_kind() -> None:
    with pytest.raises(DTypeError, match="finfo: int8 is not a floating dtype"):
        gd.finfo("int8")
    with pytest.raises(DTypeError, match="iinfo: float32 is not an integer dtype"):
        gd.iinfo("float32")


KINDS = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "numeric"]


@pytest.mark.parametrize("kind", [*KINDS, "complex floating"])
def test_kinds_are_numpys(kind: str) -> None:
    for dtype in ALL:
        if dtype.name != "bfloat16":
            assert gd.isdtype(dtype, kind) == np.isdtype(dtype.numpy, kind), dtype
    assert gd.isdtype("bfloat16", "real floating")
    assert gd.isdtype("int8", ("bool", "int8"))
    with pytest.raises(ArgumentError, match="isdtype: unknown kind 'whole'"):
        gd.isdtype("int8", "whole")


def test_casts_and_results_promote() -> None:
    assert gd.can_cast("int8", "int32")
    assert not gd.can_cast("int32", "int8")
    assert not gd.can_cast("uint64", "int64")
    assert gd.can_cast(placeholder("x", (), "uint8"), "int16")
    assert gd.result_type("int8", "uint8") == as_dtype("int16")
    assert gd.result_type(placeholder("x", (), "float16"), 2.5) == as_dtype("float16")
    assert gd.result_type("int8", 2.5) == as_dtype("float32")
    assert gd.result_type("bool", int) == as_dtype("int64")
    with pytest.raises(ArgumentError, match="needs at least one"):
        gd.result_type()


def test_the_description_names_every_dtype() -> None:
    info = gd.__array_namespace_info__()
    assert set(info.dtypes()) == {dtype.name for dtype in ALL}
    assert set(info.dtypes(kind="bool")) == {"bool"}
    assert info.default_dtypes()["integral"] == as_dtype("int64")
    assert info.devices() == [info.default_device()]
    assert info.capabilities()["boolean indexing"] is False
