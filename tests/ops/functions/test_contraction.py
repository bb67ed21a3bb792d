"""matmul, tensordot, vecdot, outer and einsum against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.ops.functions import contraction as gd
from graphdl.ops.functions import linalg
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.einsum import einsum
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both


def array(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


MATMULS = [
    ((3, 4), (4, 5)),
    ((4,), (4,)),
    ((4,), (4, 5)),
    ((3, 4), (4,)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (7, 4, 5)),
    ((1, 3, 4), (6, 4, 5)),
    ((6, 3, 4), (1, 4, 5)),
    ((4,), (2, 4, 5)),
    ((2, 3, 4), (4,)),
    ((3, 0), (0, 5)),
    ((0, 4), (4, 5)),
    ((2, 3, 4, 5), (2, 3, 5, 6)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize(("left", "right"), MATMULS, ids=str)
def test_matmul_is_numpys(left: Any, right: Any) -> None:
    x, y = array(*left), array(*right, seed=1)
    assert_close(run_both(gd.matmul, x, y), x @ y)


def test_matmul_of_a_batch_by_one_matrix_has_no_batch_axis() -> None:
    x, w = placeholder("x", ("batch", "time", 8)), placeholder("w", (8, 4))
    product = gd.matmul(x, w)
    assert product.node.op.name == "dot_general"
    assert product.node.attributes["lhs_batch"] == ()


def test_matmul_promotes_and_refuses() -> None:
    x, y = placeholder("x", (2, 3), "int32"), placeholder("y", (3, 2), "float16")
    assert gd.matmul(x, y).dtype == y.dtype
    with pytest.raises(
        ShapeError, match="matmul: contracted sizes differ: lhs axis 1 is 3, rhs axis 0 is 2"
    ):
        gd.matmul(x, x)
    with pytest.raises(ShapeError, match="matmul: the rhs has no axes"):
        gd.matmul(x, 2)
    with pytest.raises(
        ShapeError, match="matmul: batch sizes differ: lhs axis 0 is 2, rhs axis 0 is 4"
    ):
        gd.matmul(placeholder("a", (2, 3, 4)), placeholder("b", (4, 4, 5)))
    with pytest.raises(
        ShapeError, match="batch sizes differ: lhs axis 0 is batch, rhs axis 0 is 4"
    ):
        gd.matmul(placeholder("a", ("batch", 3, 4)), placeholder("b", (4, 4, 5)))
    flags = placeholder("f", (2, 2), "bool")
    with pytest.raises(DTypeError, match="matmul: both operands are bool"):
        gd.matmul(flags, flags)


@pytest.mark.parametrize("axes", [0, 1, 2, ([1, 0], [0, 1]), ([-1], [-2])], ids=str)
def test_tensordot_is_numpys(axes: Any) -> None:
    x, y = array(3, 4) if axes != 2 else array(4, 3), array(4, 3, seed=1)
    wanted = np.tensordot(x, y, axes) if axes != ([-1], [-2]) else np.tensordot(x, y, ([1], [0]))
    assert_close(run_both(lambda a, b: gd.tensordot(a, b, axes=axes), x, y), wanted)


def test_tensordot_refuses() -> None:
    x, y = placeholder("x", (3, 4)), placeholder("y", (3, 4))
    with pytest.raises(ShapeError, match="tensordot: contracted sizes differ"):
        gd.tensordot(x, y, axes=1)
    with pytest.raises(ArgumentError, match="axes=3 is more than both have"):
        gd.tensordot(x, y, axes=3)


@pytest.mark.parametrize("axis", [-1, 0])
def test_vecdot_is_numpys(axis: int) -> None:
    x, y = array(3, 4), array(3, 4, seed=1)
    assert_close(run_both(lambda a, b: gd.vecdot(a, b, axis=axis), x, y), (x * y).sum(axis))
    assert_close(
        run(gd.vecdot, array(2, 3, 4), array(4, seed=1)), array(2, 3, 4) @ array(4, seed=1)
    )


def test_outer_is_numpys() -> None:
    assert_close(run_both(gd.outer, array(3), array(5)), np.outer(array(3), array(5)))
    with pytest.raises(ShapeError, match="must be 1-d"):
        gd.outer(placeholder("x", (2, 2)), placeholder("y", (2,)))


EINSUMS = [
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("ij,jk", (3, 4), (4, 5)),
    ("ij->ji", (3, 4)),
    ("ij->", (3, 4)),
    ("ij->j", (3, 4)),
    ("ii->i", (4, 4)),
    ("ii", (4, 4)),
    ("iij->ij", (4, 4, 3)),
    ("iii", (3, 3, 3)),
    ("i,j->ij", (3,), (4,)),
    ("i,i->", (3,), (3,)),
    ("i,i->i", (3,), (3,)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
    ("...ij,jk->...ik", (6, 2, 3, 4), (4, 5)),
    ("...ij,...jk", (1, 3, 4), (2, 4, 5)),
    ("...i,...i->...", (2, 1, 4), (3, 4)),
    ("i...->...", (3, 4, 5)),
    ("ij,kl->", (3, 4), (2, 5)),
    ("ijk,jil->kl", (3, 4, 5), (4, 3, 2)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("ba,ab->ab", (3, 4), (4, 3)),
    ("ii,ij->j", (3, 3), (3, 4)),
    ("ij , jk -> ki", (3, 4), (4, 5)),
    ("...->...", (2, 3)),
    ("i,ij,j", (3,), (3, 4), (4,)),
    (",i->i", (), (3,)),
    ("...ij->...", (2, 3, 4)),
    ("ij,ij->ij", (1, 4), (1, 4)),
    ("...,...->...", (1, 3), (2, 1)),
]


@pytest.mark.parametrize("case", EINSUMS, ids=lambda case: case[0])
def test_einsum_is_numpys(case: Any) -> None:
    subscripts, *shapes = case
    arrays = [array(*shape, seed=n) for n, shape in enumerate(shapes)]
    result = run_both(lambda *xs: einsum(subscripts, *xs), *arrays)
    assert_close(result, np.einsum(subscripts, *arrays), atol=1e-5)


@pytest.mark.parametrize(
    ("subscripts", "message"),
    [
        ("ij,jk->ik", "2 terms"),
        ("ijk->i", "names 3 axes of a 2-d operand"),
        ("ij->ik", "result letter 'k'"),
        ("ij->ii", "is repeated"),
        ("i1->i", "is not letters"),
        ("i->i", "names 1 axes"),
        ("ii->i", "index 'i'"),
    ],
)
def test_einsum_refuses(subscripts: str, message: str) -> None:
    with pytest.raises((ArgumentError, ShapeError), match=message):
        einsum(subscripts, placeholder("x", (3, 4)))


def test_einsum_sizes_must_agree() -> None:
    x, y = placeholder("x", (3, 4)), placeholder("y", (5, 6))
    with pytest.raises(ShapeError, match="index 'j' of 'ij,jk->ik' is 4, and 5 in operand 1"):
        einsum("ij,jk->ik", x, y)
    with pytest.raises(ArgumentError, match="write the subscripts first"):
        einsum("ij")


@pytest.mark.parametrize("offset", [0, 1, -2])
def test_diagonals_and_traces_are_numpys(offset: int) -> None:
    x = array(2, 4, 5)
    wanted = np.diagonal(x, offset, 1, 2)
    assert_close(run(lambda a: linalg.diagonal(a, offset=offset), x), wanted)
    assert_close(run(lambda a: linalg.trace(a, offset=offset), x), wanted.sum(-1))


@pytest.mark.parametrize("order", [0, 1, 2, 3, np.inf, -np.inf])
def test_norms_are_numpys(order: float) -> None:
    x = array(3, 4)
    result = run_both(lambda a: linalg.vector_norm(a, axis=1, ord=order), x)
    assert_close(result, np.linalg.norm(x, order, axis=1))
