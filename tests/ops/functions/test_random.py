"""Generators, keys and distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

from graphdl import random as gd
from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Tensor, Update
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.random import next_initial_draw
from tests.plugins.evaluate import run

COUNT = 20_000


def call(*outputs: Tensor, generator: gd.Generator) -> list[Any]:
    """One call of a function with these outputs: the values, and the position afterwards."""
    nodes = Graph((), outputs).nodes()
    writes = {id(write.value): write for node in nodes for write in node.writes}
    updates = tuple(Update(write.variable, write.value) for write in writes.values())
    result = interpret(Graph((), outputs, updates), [])
    for update, value in zip(updates, result.updates, strict=True):
        assert update.variable.is_same(generator.position)
        generator.position.assign(value)
    return result.outputs


def test_draws_differ_and_repeat_with_the_seed() -> None:
    first, second = gd.Generator(7), gd.Generator(7)
    a, b = gd.uniform((5,), key=first), gd.uniform((5,), key=first)
    c = gd.uniform((5,), key=second)
    assert a.eval().tolist() != b.eval().tolist()
    assert a.eval().tolist() == c.eval().tolist()
    assert gd.uniform((5,), key=gd.Generator(8)).eval().tolist() != a.eval().tolist()
    assert gd.Generator(7 + 2**32).key.numpy().tolist() == [7, 1]


def test_a_call_advances_the_position_once() -> None:
    generator = gd.Generator(1)
    a, b = gd.uniform((3,), key=generator), gd.normal((3,), key=generator)
    first = call(a, b, generator=generator)
    assert generator.position.numpy() == 1
    second = call(a, b, generator=generator)
    assert generator.position.numpy() == 2
    assert all((x != y).any() for x, y in zip(first, second, strict=True))


def test_an_added_output_changes_no_other_number() -> None:
    generator, other = gd.Generator(1), gd.Generator(1)
    a, _ = gd.uniform((3,), key=generator), gd.uniform((3,), key=generator)
    c, d = gd.uniform((3,), key=other), gd.uniform((3,), key=other)
    assert call(a, generator=generator)[0].tolist() == call(c, d, generator=other)[0].tolist()


def test_seeding_starts_again_even_what_is_built() -> None:
    gd.seed(3)
    initial = next_initial_draw()
    x = gd.uniform((4,))
    before = x.eval().tolist()
    gd.default_generator().position.assign(np.uint32(5))
    assert x.eval().tolist() != before
    gd.seed(3)
    assert x.eval().tolist() == before
    assert gd.uniform((4,)).eval().tolist() == before
    assert next_initial_draw() == initial == (3, 0, 0)
    assert next_initial_draw() == (3, 0, 1)
    with pytest.raises(ArgumentError, match="the seed must be a whole number"):
        gd.seed(1.5)  # type: ignore[arg-type]


def test_generators_list_their_state() -> None:
    generator = gd.Generator(2)
    assert list(generator.variables()) == ["key", "position"]
    assert not generator.key.trainable


def test_keys_split_and_fold() -> None:
    key = gd.key(11)
    children = gd.split(key, 3)
    assert children.shape == (3, 2)
    values = {tuple(row) for row in children.eval().tolist()}
    values |= {tuple(gd.fold_in(key, step).eval().tolist()) for step in range(20)}
    values.add(tuple(key.eval().tolist()))
    assert len(values) == 24
    step = placeholder("step", (), "int32")
    folded = gd.fold_in(key, step).eval({step: 4})
    assert folded.tolist() == gd.fold_in(key, 4).eval().tolist()
    assert gd.bits((3,), key=children[1]).eval().dtype == np.uint32


@pytest.mark.parametrize(
    ("dtype", "digits"), [("float32", 24), ("float64", 53), ("float16", 11), ("bfloat16", 8)]
)
def test_uniform_numbers_are_whole_steps(dtype: str, digits: int) -> None:
    x = gd.uniform((COUNT,), dtype=dtype, key=gd.key(5)).eval().astype(np.float64)
    assert x.min() >= 0
    assert x.max() < 1
    steps = x * 2.0**digits
    assert (steps == np.floor(steps)).all()
    assert scipy.stats.kstest(x, "uniform").statistic < 0.015


def test_uniform_numbers_take_bounds() -> None:
    x = gd.uniform((COUNT,), minval=-3, maxval=5, key=gd.key(6)).eval()
    assert scipy.stats.kstest(x, scipy.stats.uniform(-3, 8).cdf).statistic < 0.015
    low = placeholder("low", (2,))
    columns = gd.uniform((100, 2), minval=low, maxval=10.0, key=gd.key(6)).eval({low: [0, 9]})
    assert columns[:, 1].min() >= 9


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_normal_numbers_are_normal(dtype: str) -> None:
    x = gd.normal((COUNT,), dtype=dtype, key=gd.key(7)).eval().astype(np.float64)
    assert np.isfinite(x).all()
    assert scipy.stats.kstest(x, "norm").statistic < 0.015
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 0.02
    assert abs(scipy.stats.kurtosis(x)) < 0.15
    scaled = gd.normal((COUNT,), mean=10, stddev=0.5, dtype=dtype, key=gd.key(7)).eval()
    assert abs(scaled.astype(np.float64).mean() - 10) < 0.02


@pytest.mark.parametrize("p", [0.0, 0.2, 1.0])
def test_bernoulli_has_its_probability(p: float) -> None:
    x = gd.bernoulli((COUNT,), p=p, key=gd.key(8)).eval()
    assert x.dtype == bool
    assert abs(x.mean() - p) < 0.01
    assert gd.bernoulli((2,), dtype="float32", key=gd.key(8)).dtype.name == "float32"


def test_whole_numbers_are_even() -> None:
    x = gd.randint((COUNT,), -2, 3, key=gd.key(9)).eval()
    values, counts = np.unique(x, return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    assert scipy.stats.chisquare(counts).pvalue > 1e-4
    with pytest.raises(ArgumentError, match=r"no numbers in \[3, 3\)"):
        gd.randint((2,), 3, 3)


def test_named_shapes() -> None:
    x = run(lambda t: gd.normal((t.shape[0], 3), key=gd.key(1)), np.zeros(7), named=True)
    assert x.shape == (7, 3)


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match="must be a key tensor or a Generator, got int"):
        gd.uniform((2,), key=3)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"a key is uint32\[2\]"):
        gd.uniform((2,), key=placeholder("x", (2,)))
    with pytest.raises(DTypeError, match=r"random\.uniform: needs a floating dtype, got int32"):
        gd.uniform((2,), dtype="int32")
    with pytest.raises(DTypeError, match=r"random\.randint: needs an integer dtype"):
        gd.randint((2,), 0, 3, dtype="float32")
    with pytest.raises(ArgumentError, match="fold_in: the number must be a 0-d integer"):
        gd.fold_in(gd.key(1), 0.5)


def test_correlated_words_are_caught() -> None:
    """The normality test notices the second word used twice."""
    bits = np.random.default_rng(0).random(COUNT)
    wrong = np.sqrt(-2 * np.log(1 - bits)) * np.cos(2 * np.pi * bits)
    assert scipy.stats.kstest(wrong, "norm").statistic > 0.01
