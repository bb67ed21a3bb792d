"""Batches: coverage, determinism, order."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.data.batches import Batches
from graphdl.errors import ArgumentError, ShapeError


def test_an_epoch_visits_each_sample_once_and_keeps_rows_together() -> None:
    x = np.arange(10.0).reshape(10, 1)
    y = np.arange(10)
    seen = []
    for features, labels in Batches(x, y, batch_size=3, seed=7):
        assert np.array_equal(features[:, 0], labels)
        seen.extend(labels.tolist())
    assert sorted(seen) == list(range(10))
    assert seen != list(range(10))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    x = np.arange(50)
    first, second = Batches(x, seed=3), Batches(x, seed=3)
    epochs = [np.concatenate([batch for (batch,) in first]) for _ in range(2)]
    assert not np.array_equal(epochs[0], epochs[1])
    second.epoch = 1
    assert np.array_equal(np.concatenate([batch for (batch,) in second]), epochs[1])
    assert not np.array_equal(Batches(x, seed=4).order(0), Batches(x, seed=3).order(0))


@pytest.mark.parametrize(
    ("samples", "drop", "count"), [(10, False, 4), (10, True, 3), (9, False, 3)]
)
def test_length_counts_the_batches(samples: int, drop: bool, count: int) -> None:
    batches = Batches(np.zeros(samples), batch_size=3, drop_last=drop)
    assert len(batches) == count == len(list(batches))


def test_no_samples_give_no_batches() -> None:
    assert list(Batches(np.zeros((0, 3)))) == []


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(ShapeError, match=r"\[3, 4\]"):
        Batches(np.zeros(3), np.zeros(4))
    with pytest.raises(ArgumentError, match="batch_size"):
        Batches(np.zeros(3), batch_size=0)
    with pytest.raises(ArgumentError, match="no arrays"):
        Batches()
