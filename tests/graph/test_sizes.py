"""Named sizes from shapes: solved where possible, every contradiction named with both inputs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphdl.errors import ShapeError
from graphdl.graph.sizes import bind_sizes
from graphdl.typesystem.dtype import float32
from graphdl.typesystem.expression import Size, Symbol
from graphdl.typesystem.tensor_type import TensorType

N, M = Symbol("n"), Symbol("m")


def bind(*pairs: tuple[tuple[Size, ...], tuple[int, ...]]) -> dict[Symbol, int]:
    types = [TensorType(float32, wanted) for wanted, _ in pairs]
    names = ["first", "second", "third"][: len(pairs)]
    return bind_sizes(types, [given for _, given in pairs], names)


def test_names_take_the_size_they_meet() -> None:
    assert bind(((N, 4), (3, 4)), ((M, N), (0, 3))) == {N: 3, M: 0}


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 5))
def test_linear_sizes_are_solved(n: int, m: int, factor: int) -> None:
    found = bind(((factor * N + 2,), (factor * n + 2,)), ((N + M, N * M), (n + m, n * m)))
    assert found == {N: n, M: m}


def test_an_undetermined_name_is_told() -> None:
    with pytest.raises(ShapeError, match="the inputs do not determine m, n"):
        bind(((N * M,), (6,)))


def test_two_sizes_name_both_inputs_and_lines() -> None:
    types = [TensorType(float32, (N, 784)), TensorType(float32, (N,))]
    lines = ['float32[n, 784]  placeholder "image"   train.py:3', "float32[n]  label   train.py:4"]
    with pytest.raises(ShapeError) as caught:
        bind_sizes(types, [(32, 784), (16,)], ["image", "label"], lines)
    message = str(caught.value)
    assert message.startswith('two sizes for n: "image" axis 0 is 32, "label" axis 0 is 16')
    assert all(line in message for line in lines)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (((N, 4), (3, 5)), '"first" axis 1 is 5, needs 4'),
        (((N, 4), (3,)), '"first" needs 2 axes, got shape [3]'),
        (((4,), (4, 1)), '"first" needs 1 axis, got shape [4, 1]'),
        (((2 * N,), (3,)), '"first" axis 0 is 3, which 2*n cannot be'),
        (((N + 2,), (1,)), '"first" axis 0 is 1, which n+2 cannot be'),
        (((N, N), (2, 3)), 'two sizes for n: "first" axis 0 is 2, "first" axis 1 is 3'),
        (((N, N // 2), (5, 3)), 'two sizes for n//2: "first" axis 0 is 5 = n, "first" axis 1 is 3'),
    ],
)
def test_contradictions(pair: tuple[tuple[Size, ...], tuple[int, ...]], message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        bind(pair)
    assert str(caught.value).startswith(message)
