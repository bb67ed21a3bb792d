"""Broadcasting: which shape operands of different shapes agree on.

Shapes are aligned at their last axes. Two sizes agree when they are the same expression, or when
one of them is the literal 1. A named size never broadcasts: "batch" fits "batch" and 1, never 64
and never another name, because the call that makes them differ may come later.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.errors import ShapeError
from graphdl.typesystem.expression import Size
from graphdl.typesystem.tensor_type import Shape


def broadcast_shapes(
    *shapes: Shape,
    op: str = "broadcast",
    names: Sequence[str] = (),
    details: Sequence[str] = (),
) -> Shape:
    """The shape that all `shapes` broadcast to; () for none.

    `op` and `names` (one per shape) word the error, `details` are its operand lines. Raises
    ShapeError with the operands, axes and sizes that differ.
    """
    if all(shape == shapes[0] for shape in shapes):
        return shapes[0] if shapes else ()
    rank = max(map(len, shapes))
    return tuple(
        _agreed_size(shapes, axis - rank, op, names or _operand_names(len(shapes)), details)
        for axis in range(rank)
    )


def broadcast_dimensions(rank: int, target_rank: int) -> tuple[int, ...]:
    """The target axes that the axes of a shape of `rank` become: the last ones, in order."""
    return tuple(range(target_rank - rank, target_rank))


def can_broadcast_to(shape: Shape, target: Shape) -> bool:
    """Whether `shape` broadcasts to exactly `target`."""
    if len(shape) > len(target):
        return False
    pairs = zip(reversed(shape), reversed(target), strict=False)
    return all(size in (1, goal) for size, goal in pairs)


def _operand_names(count: int) -> tuple[str, ...]:
    return ("lhs", "rhs") if count == 2 else tuple(f"operand {n}" for n in range(count))


def _agreed_size(
    shapes: tuple[Shape, ...], axis: int, op: str, names: Sequence[str], details: Sequence[str]
) -> Size:
    """The size of one axis, counted from the end."""
    agreed: Size = 1
    source = 0
    for position, shape in enumerate(shapes):
        if len(shape) < -axis or shape[axis] in (1, agreed):
            continue
        if agreed != 1:
            sides = [
                f"{names[number]} axis {len(shapes[number]) + axis} is {shapes[number][axis]}"
                for number in (source, position)
            ]
            raise ShapeError(
                f"{op}: sizes differ: {sides[0]}, {sides[1]}",
                details=details,
                hint=_hint(agreed, shape[axis]),
            )
        agreed, source = shape[axis], position
    return agreed


def _hint(left: Size, right: Size) -> str:
    if isinstance(left, int) and isinstance(right, int):
        return "sizes must be equal, or one of them 1"
    return "a named size never broadcasts: sizes must be the same expression, or one of them 1"
