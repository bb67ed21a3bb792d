"""Batched creation: what depends on nothing has no batch; random bits are drawn for each example.

`random_bits` of a generator draws for all examples at once. With one key for each example it is
Philox written out in elementwise operations, so that each example has the numbers that its key
has alone (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.autodiff.rules import batch_rule, batched
from graphdl.graph.nodes import Node, Tensor, build_node
from graphdl.ops.arguments import broadcast, cast, filled
from graphdl.ops.creation import iota
from graphdl.ops.elementwise import add, bitwise_xor, multiply, multiply_high, shift_right_logical
from graphdl.ops.movement import broadcast_in_dim, concatenate, reshape, slice_
from graphdl.ops.random import KEY_STEPS, MULTIPLIERS, ROUNDS, random_bits
from graphdl.typesystem.dtype import int64, uint32
from graphdl.typesystem.expression import Size, product
from graphdl.typesystem.tensor_type import Shape


@batch_rule(random_bits)
def random_bits_batch(
    node: Node, operands: tuple[Tensor, ...], has_batch: tuple[bool, ...], size: Size
) -> Sequence[Tensor]:
    """The bits of each example's key and counter."""
    shape: Shape = node.attributes["shape"]
    keys, counters = (batched(x, has, size) for x, has in zip(operands, has_batch, strict=True))
    count = product(shape)
    blocks = (count + 3) // 4
    block = build_node(iota, (), {"shape": (blocks,), "axis": 0, "dtype": int64}).results[0]
    high = shift_right_logical(block, filled(32, int64, (blocks,)))
    grid = (size, blocks)
    low, upper = (
        broadcast_in_dim(cast(word, uint32), shape=grid, broadcast_dimensions=(1,))
        for word in (block, high)
    )
    counter = (low, upper, _word(counters, 0, grid), _word(counters, 1, grid))
    words = _philox(counter, (_word(keys, 0, grid), _word(keys, 1, grid)))
    joined = concatenate(*(reshape(word, shape=(*grid, 1)) for word in words), axis=2)
    flat = reshape(joined, shape=(size, blocks * 4))
    kept = slice_(flat, starts=(0, 0), stops=(size, count), steps=(1, 1))
    return (reshape(kept, shape=(size, *shape)),)


def _word(pairs: Tensor, place: int, grid: Shape) -> Tensor:
    """One of the two words of each example, repeated over the blocks."""
    column = slice_(pairs, starts=(0, place), stops=(pairs.shape[0], place + 1), steps=(1, 1))
    return broadcast(column, grid)


def _philox(counter: tuple[Tensor, ...], key: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Four random words for each counter: philox4x32-10."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    shape = c0.shape
    first, second = (filled(number, uint32, shape) for number in MULTIPLIERS)
    steps = [filled(number, uint32, shape) for number in KEY_STEPS]
    for _ in range(ROUNDS):
        low, high = multiply(c2, second), multiply(c0, first)
        c0, c2 = (
            bitwise_xor(bitwise_xor(multiply_high(c2, second), c1), k0),
            bitwise_xor(bitwise_xor(multiply_high(c0, first), c3), k1),
        )
        c1, c3 = low, high
        k0, k1 = add(k0, steps[0]), add(k1, steps[1])
    return c0, c1, c2, c3
