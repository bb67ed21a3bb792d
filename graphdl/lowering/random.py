"""Random bits: Philox 4x32-10, one block of four words for each iteration.

Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). What the group
makes of a word is computed four times, once for each word of the block.
"""

from __future__ import annotations

from graphdl.graph.nodes import Node, Tensor
from graphdl.kernel.nodes import (
    Binary,
    Cast,
    Constant,
    IndexValue,
    Loop,
    LoopKind,
    Statement,
    Value,
)
from graphdl.lowering.emitter import Emitter, Index, Mask, Scope
from graphdl.ops.random import KEY_STEPS, MULTIPLIERS, ROUNDS
from graphdl.typesystem.dtype import int64, uint32
from graphdl.typesystem.expression import Comparison, Symbol, modulo, product

WORDS = 4


def lower_random(emitter: Emitter) -> tuple[Statement, ...]:
    """PARALLEL over blocks; outputs are written as flat arrays."""
    group = emitter.group
    anchor = next(node for node in group.nodes if node.op.name == "random_bits")
    count = product(group.domain.shape)
    block = Symbol("d0")
    emitter.bind_symbols([block])
    words = philox_words(emitter, anchor, block)
    outer = emitter.scope
    for position, word in enumerate(words):
        place = block * WORDS + position
        mask = () if modulo(count, WORDS) == 0 else (Comparison(place, "<", count),)
        emitter.scopes[-1] = Scope(outer.statements, dict(outer.values))
        emitter.know(Tensor(anchor), group.domain.index, word)
        for output in group.outputs:
            value = emitter.value(output, emitter.places[output.key])
            emitter.store(output, (place,), value, mask, (count,))
    emitter.scopes[-1] = outer
    blocks = (count + (WORDS - 1)) // WORDS
    return (Loop(block, 0, blocks, 1, LoopKind.PARALLEL, tuple(outer.statements)),)


def philox_words(emitter: Emitter, node: Node, block: Symbol) -> tuple[Value, ...]:
    """The four words of one block, each bound to a name."""
    key, counter = node.operands
    number = IndexValue(block, int64)
    low = Cast(number, uint32)
    high = Cast(Binary("shift_right_logical", number, Constant(32, int64)), uint32)
    c: list[Value] = [
        low,
        high,
        emitter.let(emitter.value(counter, (0,))),
        emitter.let(emitter.value(counter, (1,))),
    ]
    k = [emitter.let(emitter.value(key, (position,))) for position in (0, 1)]
    for turn in range(ROUNDS):
        c = _turn(emitter, [emitter.let(word) for word in c], _turn_keys(k, turn))
    return tuple(emitter.let(word) for word in c)


def _turn_keys(key: list[Value], turn: int) -> list[Value]:
    if turn == 0:
        return key
    steps = (Constant(turn * step & 0xFFFFFFFF, uint32) for step in KEY_STEPS)
    return [Binary("add", word, step) for word, step in zip(key, steps, strict=True)]


def _turn(emitter: Emitter, c: list[Value], k: list[Value]) -> list[Value]:
    """One round: two widening multiplications, then four words mixed crosswise."""
    first, second = (Constant(number, uint32) for number in MULTIPLIERS)
    return [
        _xor(Binary("multiply_high", c[2], second), c[1], k[0]),
        Binary("multiply", c[2], second),
        _xor(Binary("multiply_high", c[0], first), c[3], k[1]),
        Binary("multiply", c[0], first),
    ]


def _xor(a: Value, b: Value, c: Value) -> Value:
    return Binary("bitwise_xor", Binary("bitwise_xor", a, b), c)


def lower_random_bits(emitter: Emitter, node: Node, index: Index, mask: Mask) -> Value:
    """Never asked for: the group's loops know every word before anything reads it."""
    raise AssertionError("random bits outside of their group")
