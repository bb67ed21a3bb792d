"""Counter-based random bits: Philox 4x32-10.

Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Element e of
the result is word e mod 4 of philox with counter (lo32(e//4), hi32(e//4), counter[0], counter[1]).
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import DTypeError, ShapeError
from graphdl.graph.op import Guard, Op, OpKind
from graphdl.ops.movement import guard_sizes
from graphdl.typesystem.dtype import uint32
from graphdl.typesystem.tensor_type import Shape, TensorType

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)

Words = NDArray[np.uint32]


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, ...]:
    """Four random words for each counter."""
    c0, c1, c2, c3 = (word.astype(np.uint64) for word in counter)
    k0, k1 = key
    mask, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(ROUNDS):
        first = c0 * np.uint64(MULTIPLIERS[0])
        second = c2 * np.uint64(MULTIPLIERS[1])
        c0 = (second >> shift) ^ c1 ^ np.uint64(k0)
        c2 = (first >> shift) ^ c3 ^ np.uint64(k1)
        c1, c3 = second & mask, first & mask
        k0, k1 = (k0 + KEY_STEPS[0]) & 0xFFFFFFFF, (k1 + KEY_STEPS[1]) & 0xFFFFFFFF
    return tuple(word.astype(np.uint32) for word in (c0, c1, c2, c3))


def _infer_random_bits(
    key: TensorType, counter: TensorType, *, shape: Shape
) -> tuple[TensorType, ...]:
    """C1: key and counter are uint32. C2: of shape (2,)."""
    for what, given in (("key", key), ("counter", counter)):
        if given.dtype != uint32:
            raise DTypeError(f"random_bits (C1): the {what} must be uint32, got {given.dtype}")
        if given.shape != (2,):
            raise ShapeError(f"random_bits (C2): the {what} must be uint32[2], got {given}")
    return (TensorType(uint32, shape),)


def _guard_random_bits(key: TensorType, counter: TensorType, *, shape: Shape) -> tuple[Guard, ...]:
    return guard_sizes("random_bits", shape)


def _random_bits(key: Words, counter: Words, *, shape: tuple[int, ...]) -> NDArray[Any]:
    count = prod(shape)
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    low = (blocks & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    high = (blocks >> np.uint64(32)).astype(np.uint32)
    upper = tuple(np.full_like(low, counter[position]) for position in (0, 1))
    words = philox((low, high, upper[0], upper[1]), (int(key[0]), int(key[1])))
    return np.stack(words, axis=1).reshape(-1)[:count].reshape(shape)


random_bits = Op(
    "random_bits",
    OpKind.CREATION,
    _infer_random_bits,
    _random_bits,
    "uniform uint32 from a key and a counter",
    guards=_guard_random_bits,
    is_differentiable=False,
)

OPS: tuple[Op, ...] = (random_bits,)
"""Every random primitive."""
