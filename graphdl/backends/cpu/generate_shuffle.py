"""Transposition of a square tile held in vector registers."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.backends.cpu.generate_code import Code

_BITS = {"i8": 8, "i16": 16, "i32": 32, "i64": 64, "float": 32, "double": 64}


def _shuffle(
    code: Code, vector: str, lanes: int, left: str, right: str, order: Sequence[int]
) -> str:
    mask = ", ".join(f"i32 {lane}" for lane in order)
    return code.emit(f"shufflevector {vector} {left}, {vector} {right}, <{lanes} x i32> <{mask}>")


def _unpack(lanes: int, per_block: int, width: int, high: bool) -> list[int]:
    """Interleave groups of `width` elements of one half of every block of two vectors."""
    order: list[int] = []
    for block in range(0, lanes, per_block):
        start = block + (per_block // 2 if high else 0)
        for group in range(start, start + per_block // 2, width):
            order.extend(range(group, group + width))
            order.extend(range(lanes + group, lanes + group + width))
    return order


def _pick(lanes: int, width: int, odd: bool) -> list[int]:
    """Every second block of `width` elements of two vectors, one after the other."""
    starts = range(width if odd else 0, 2 * lanes, 2 * width)
    return [start + lane for start in starts for lane in range(width)]


def transpose(code: Code, rows: Sequence[str], type_: str) -> list[str]:
    """The columns of a square tile given by its rows. First within blocks of 128 bits by unpacking,
    then the blocks themselves by picking even and odd ones: the shuffles that x86 has."""
    lanes = len(rows)
    vector = f"<{lanes} x {type_}>"
    per_block = min(lanes, 128 // _BITS[type_])
    current = list(rows)
    width = 1
    while width < per_block:
        current = _exchange_within_blocks(code, vector, lanes, per_block, width, current)
        width *= 2
    return _exchange_blocks(code, vector, lanes, per_block, current)


def _exchange_within_blocks(
    code: Code, vector: str, lanes: int, per_block: int, width: int, rows: list[str]
) -> list[str]:
    result = list(rows)
    low, high = (_unpack(lanes, per_block, width, is_high) for is_high in (False, True))
    for group in range(0, lanes, per_block):
        merged = rows[group : group + per_block]
        for pair in range(0, per_block, 2 * width):
            for offset in range(width):
                left, right = merged[pair + offset], merged[pair + width + offset]
                place = group + pair + 2 * offset
                result[place] = _shuffle(code, vector, lanes, left, right, low)
                result[place + 1] = _shuffle(code, vector, lanes, left, right, high)
    return result


def _exchange_blocks(
    code: Code, vector: str, lanes: int, per_block: int, rows: list[str]
) -> list[str]:
    blocks = lanes // per_block
    result = list(rows)
    for offset in range(per_block):
        column = [rows[block * per_block + offset] for block in range(blocks)]
        for block, text in enumerate(_gather_blocks(code, vector, lanes, per_block, column)):
            result[block * per_block + offset] = text
    return result


def _gather_blocks(code: Code, vector: str, lanes: int, width: int, rows: list[str]) -> list[str]:
    """Transpose a square of blocks: evens of all rows, then odds, recursively."""
    if len(rows) == 1:
        return rows
    even, odd = (_pick(lanes, width, is_odd) for is_odd in (False, True))
    halves = []
    for order in (even, odd):
        merged = [
            _shuffle(code, vector, lanes, rows[i], rows[i + 1], order)
            for i in range(0, len(rows), 2)
        ]
        halves.append(_gather_blocks(code, vector, lanes, width, merged))
    result = [""] * len(rows)
    result[0::2], result[1::2] = halves[0], halves[1]
    return result
