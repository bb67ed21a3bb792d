"""Data and tensors as tensors."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.errors import DTypeError
from graphdl.ops.functions import conversion as gd
from graphdl.ops.functions.creation import placeholder
from tests.plugins.evaluate import run


def test_data_becomes_a_constant_and_tensors_stay() -> None:
    x = placeholder("x", (2,), "int32")
    assert gd.asarray(x) is x
    assert gd.asarray(x, "float32").dtype.name == "float32"
    assert gd.asarray(np.zeros((2,))).dtype.name == "float32"
    assert gd.asarray(3).shape == ()
    with pytest.raises(DTypeError, match="asarray: 'a' of dtype"):
        gd.asarray("a")


def test_shapes_and_dtypes() -> None:
    assert gd.empty(("n", 3), "int8").shape == placeholder("x", ("n", 3)).shape
    assert run(gd.empty_like, np.ones((0, 2), np.int16)).dtype == np.int16
    np.testing.assert_array_equal(run(lambda x: gd.identity(x.shape[0]), np.ones(3)), np.eye(3))
