"""Type rules of ops with sub-graphs, of effects and of leaves."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError, InternalError, ShapeError
from graphdl.graph.constant_value import ConstantValue
from graphdl.graph.nodes import Graph, Tensor, build_node
from graphdl.ops import leaves
from graphdl.ops.elementwise import add, multiply
from graphdl.ops.table import OPS
from graphdl.typesystem.dtype import DType, bool_, float32, int64
from graphdl.typesystem.expression import Symbol
from graphdl.typesystem.tensor_type import TensorType


def parameter(position: int, dtype: DType = float32) -> Tensor:
    attributes = {"position": position, "dtype": dtype, "shape": (3,)}
    return build_node(leaves.parameter, (), attributes).results[0]


X = TensorType(float32, (3,))


def test_remat_gives_its_regions_outputs() -> None:
    a, b = parameter(0), parameter(1)
    region = Graph((a, b), (add(a, b), multiply(a, b)))
    assert OPS["remat"].infer(X, X, regions=(region,)) == (X, X)
    with pytest.raises(InternalError, match=r"remat \(C2\)"):
        OPS["remat"].infer(X, regions=(region,))


def test_custom_gradient_checks_what_backward_returns() -> None:
    a, x, y = parameter(0), parameter(0), parameter(1)
    forward = Graph((a,), (add(a, a),))
    good, bad = Graph((x, y), (multiply(x, y),)), Graph((x, y), ())
    infer = OPS["custom_gradient"].infer
    assert infer(X, regions=(forward, good), arguments=(0,), captures=0) == (X,)
    with pytest.raises(ArgumentError, match=r"custom_gradient \(C3\): backward must return one"):
        infer(X, regions=(forward, bad), arguments=(0,), captures=0)


def test_barriers_are_identities() -> None:
    barrier = OPS["optimization_barrier"]
    assert barrier.infer(X, TensorType(int64, ())) == (X, TensorType(int64, ()))
    assert barrier.reference is not None
    x, y = np.ones(3), np.zeros(2)
    assert barrier.reference(x, y) == (x, y)


def test_effects_are_identities() -> None:
    flag = TensorType(bool_, ())
    assert OPS["check"].infer(X, flag, message="") == (X,)
    assert OPS["print"].infer(X, message="") == (X,)
    with pytest.raises(DTypeError, match=r"check \(C1\)"):
        OPS["check"].infer(X, X, message="")
    with pytest.raises(ShapeError, match=r"check \(C2\)"):
        OPS["check"].infer(X, TensorType(bool_, (3,)), message="")


def test_leaves_have_the_types_they_say() -> None:
    value = ConstantValue(np.ones((2, 3), np.float32))
    assert OPS["constant"].infer(value=value) == (TensorType(float32, (2, 3)),)
    assert OPS["size"].infer(value=Symbol("n"), dtype=float32) == (TensorType(float32, ()),)
    assert OPS["is_training"].infer() == (TensorType(bool_, ()),)
    size = OPS["size"].reference
    assert size is not None
    assert size(value=7, dtype=int64) == 7
