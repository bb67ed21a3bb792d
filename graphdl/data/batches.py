"""Seeded, shuffled batches of arrays in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphdl.errors import ArgumentError, ShapeError

Array = NDArray[Any]


class Batches:
    """The samples of some arrays, batch by batch; each pass over them is one epoch.

    `arrays` have their samples along axis 0. Every epoch visits each sample once, in an order that
    depends on `seed` and the number of the epoch alone, so that an interrupted training continues
    as it would have: `epoch` is the number of the next pass and can be set. The last batch is
    smaller where `batch_size` does not divide the samples, or left out with `drop_last`. Raises
    ShapeError when the arrays differ in samples, ArgumentError for an impossible batch size.

    >>> batches = gd.data.Batches([1, 2, 3, 4, 5], batch_size=2, shuffle=False)
    >>> [numbers.tolist() for (numbers,) in batches]
    [[1, 2], [3, 4], [5]]
    """

    def __init__(
        self,
        *arrays: ArrayLike,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.arrays: tuple[Array, ...] = tuple(np.asarray(array) for array in arrays)
        self.samples = _count_samples(self.arrays)
        if not _is_whole(batch_size) or batch_size < 1:
            raise ArgumentError(
                f"Batches: batch_size must be a whole number >= 1, got {batch_size!r}"
            )
        if not _is_whole(seed) or seed < 0:
            raise ArgumentError(f"Batches: the seed must be a whole number >= 0, got {seed!r}")
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.epoch = 0

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(self.samples, self.batch_size)
        return whole if self.drop_last or rest == 0 else whole + 1

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        """The batches of the next epoch, each a tuple with one array for each given array."""
        order = self.order(self.epoch)
        self.epoch += 1
        return self._batches_in(order)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The sample numbers in the order in which an epoch visits them."""
        if not self.shuffle:
            return np.arange(self.samples, dtype=np.int64)
        generator = np.random.Generator(
            np.random.Philox(np.random.SeedSequence([self.seed, epoch]))
        )
        return generator.permutation(self.samples).astype(np.int64)

    def _batches_in(self, order: NDArray[np.int64]) -> Iterator[tuple[Array, ...]]:
        for number in range(len(self)):
            chosen = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield tuple(array[chosen] for array in self.arrays)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _count_samples(arrays: tuple[Array, ...]) -> int:
    if not arrays:
        raise ArgumentError("Batches: no arrays given")
    for array in arrays:
        if array.ndim == 0:
            raise ShapeError("Batches: an array needs an axis 0 to hold the samples, got a number")
    counts = [len(array) for array in arrays]
    if len(set(counts)) != 1:
        raise ShapeError(f"Batches: the arrays have different numbers of samples: {counts}")
    return counts[0]
