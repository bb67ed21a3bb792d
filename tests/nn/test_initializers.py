"""Initialisers: their moments, and what seeds decide."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.errors import ArgumentError, ShapeError
from graphdl.nn.initializers import (
    Constant,
    HeNormal,
    RandomNormal,
    RandomUniform,
    VarianceScaling,
    as_initializer,
    fans,
)
from graphdl.ops.functions.random import seed
from graphdl.typesystem.dtype import bfloat16, float32, float64

SHAPE = (200, 300)


@pytest.mark.parametrize(
    ("name", "variance", "bound"),
    [
        ("glorot_uniform", 2 / 500, np.sqrt(6 / 500)),
        ("glorot_normal", 2 / 500, None),
        ("he_uniform", 2 / 200, np.sqrt(6 / 200)),
        ("he_normal", 2 / 200, None),
        ("lecun_uniform", 1 / 200, np.sqrt(3 / 200)),
        ("lecun_normal", 1 / 200, None),
        ("random_normal", 0.05**2, None),
        ("random_uniform", 0.1**2 / 12, 0.05),
        ("zeros", 0, 0),
    ],
)
def test_the_variance_is_what_the_name_says(
    name: str, variance: float, bound: float | None
) -> None:
    seed(1)
    array = as_initializer(name)(SHAPE, float32)
    assert array.dtype == np.float32
    assert abs(array.mean()) < 3 * np.sqrt(variance / array.size) + 1e-9
    np.testing.assert_allclose(array.var(dtype=np.float64), variance, rtol=0.03)
    if bound is not None:
        assert np.abs(array).max() <= bound * (1 + 1e-6)


def test_truncated_normal_has_no_tail() -> None:
    array = HeNormal(seed=3)(SHAPE, float64)
    assert np.abs(array).max() <= 2 * np.sqrt(2 / 200) / 0.8796 + 1e-6


def test_the_seed_decides() -> None:
    def draw() -> list[np.ndarray]:
        return [as_initializer("glorot_uniform")((3, 4), float32) for _ in range(2)]

    seed(7)
    first = draw()
    seed(7)
    second = draw()
    seed(8)
    third = draw()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], third[0])
    assert np.array_equal(RandomNormal(seed=4)((5,), float32), RandomNormal(seed=4)((5,), float32))


def test_fans_count_the_window() -> None:
    assert fans(()) == (1, 1)
    assert fans((7,)) == (7, 7)
    assert fans((7, 9)) == (7, 9)
    assert fans((3, 3, 16, 32)) == (144, 288)


def test_other_kinds_of_initialisers() -> None:
    assert Constant(0.5)((2,), bfloat16).dtype == bfloat16.numpy
    assert as_initializer(2)((2,), float32).tolist() == [2, 2]
    assert as_initializer(lambda shape, dtype: np.full(shape, 3))((1,), float32).tolist() == [3]
    assert RandomUniform(1, 2)((0,), float32).shape == (0,)
    with pytest.raises(ShapeError, match=r"shape \[3\], the variable \[2\]"):
        as_initializer(np.zeros(3))((2,), float32)
    with pytest.raises(ArgumentError, match="unknown initializer"):
        as_initializer("glorot")
    with pytest.raises(ArgumentError, match="no initializer"):
        as_initializer(None)
    with pytest.raises(ArgumentError, match="unknown mode"):
        VarianceScaling(mode="fan")
    with pytest.raises(ArgumentError, match="unknown distribution"):
        VarianceScaling(distribution="cauchy")
