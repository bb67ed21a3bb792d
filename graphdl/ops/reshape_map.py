"""Where an element of a reshaped tensor comes from, with as little division as can be.

Both shapes are cut into the shortest groups of neighbouring axes with equal element counts: a group
that splits one axis, merges several into one, or keeps one needs no row-major number of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.typesystem.expression import Size, modulo, product
from graphdl.typesystem.tensor_type import Shape

Group = tuple[tuple[int, ...], tuple[int, ...]]


def match_groups(before: Shape, after: Shape) -> tuple[Group, ...] | None:
    """Groups of (before axes, after axes) with equal products, in order; axes of size 1 apart.

    None when the products never meet (a guard decides at the call whether they are equal).
    """
    left = [axis for axis, size in enumerate(before) if size != 1]
    right = [axis for axis, size in enumerate(after) if size != 1]
    groups: list[Group] = []
    while left or right:
        count = _shortest_match([before[a] for a in left], [after[a] for a in right])
        if count is None:
            return None
        groups.append((tuple(left[: count[0]]), tuple(right[: count[1]])))
        left, right = left[count[0] :], right[count[1] :]
    return tuple(groups)


def _shortest_match(left: Sequence[Size], right: Sequence[Size]) -> tuple[int, int] | None:
    right_products = {product(right[:count]): count for count in range(len(right), 0, -1)}
    for count in range(1, len(left) + 1):
        found = right_products.get(product(left[:count]))
        if found is not None:
            return count, found
    return None


def reshape_index(before: Shape, after: Shape, index: Sequence[Size]) -> tuple[Size, ...]:
    """The operand index that `index` of the result names."""
    groups = match_groups(before, after)
    if groups is None or 0 in before:
        everything = (tuple(range(len(before))), tuple(range(len(after))))
        groups = (everything,)
    result: list[Size] = [0] * len(before)
    for left, right in groups:
        number = _linear([after[axis] for axis in right], [index[axis] for axis in right])
        for axis, part in zip(left, _parts(number, [before[a] for a in left]), strict=True):
            result[axis] = part
    return tuple(result)


def _linear(sizes: Sequence[Size], index: Sequence[Size]) -> Size:
    """The row-major number of `index` in `sizes`."""
    number: Size = 0
    for size, position in zip(sizes, index, strict=True):
        number = number * size + position
    return number


def _parts(number: Size, sizes: Sequence[Size]) -> list[Size]:
    """The index in `sizes` of a row-major number: one division and remainder per inner axis."""
    parts: list[Size] = []
    for size in reversed(sizes[1:]):
        if size == 0:
            parts.append(0)
            continue
        parts.append(modulo(number, size))
        number = number // size
    return [number, *reversed(parts)] if sizes else []
