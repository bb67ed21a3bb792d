"""Turning, stacking and gridding: NumPy's names for movement that the array API writes longer."""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import movement as raw
from graphdl.ops.arguments import Operand, as_tensor, operand_lines
from graphdl.ops.functions.movement import (
    concat,
    expand_dims,
    flip,
    permute_dims,
    reshape,
    stack,
    swapaxes,
)
from graphdl.ops.functions.reduction import located_axis


def flipud(x: Operand) -> Tensor:
    """The elements of the first axis in opposite order. Raises ShapeError for 0-d.

    >>> gd.flipud([[1, 2], [3, 4]]).eval().tolist()
    [[3, 4], [1, 2]]
    """
    return flip(_with_rank("flipud", x, 1), axis=0)


def fliplr(x: Operand) -> Tensor:
    """The elements of the second axis in opposite order. Raises ShapeError below 2-d.

    >>> gd.fliplr([[1, 2], [3, 4]]).eval().tolist()
    [[2, 1], [4, 3]]
    """
    return flip(_with_rank("fliplr", x, 2), axis=1)


def _with_rank(name: str, x: Operand, rank: int) -> Tensor:
    tensor = as_tensor(x, name)
    if tensor.ndim < rank:
        raise ShapeError(
            f"{name}: needs at least {rank} axes, got {tensor.ndim}",
            details=operand_lines(x=tensor),
        )
    return tensor


def rot90(x: Operand, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """Turned by k quarter turns in the plane of two axes, from the first towards the second.

    Raises ArgumentError for axes that are out of range or equal.

    >>> gd.rot90([[1, 2], [3, 4]]).eval().tolist()
    [[2, 4], [1, 3]]
    """
    tensor = _with_rank("rot90", x, 2)
    if len(axes) != 2:
        raise ArgumentError(f"rot90: {axes!r} is not a pair of axes")
    first, second = (located_axis("rot90", tensor, axis) for axis in axes)
    if first == second:
        raise ArgumentError(f"rot90: axis {first} is named twice", details=operand_lines(x=tensor))
    match k % 4:
        case 1:
            return swapaxes(flip(tensor, axis=second), first, second)
        case 2:
            return flip(tensor, axis=(first, second))
        case 3:
            return flip(swapaxes(tensor, first, second), axis=second)
    return tensor


def meshgrid(*tensors: Operand, indexing: str = "xy") -> list[Tensor]:
    """Coordinate grids from 1-d coordinates; "xy" has the second one along axis 0, "ij" the first.

    Raises ShapeError for other than 0-d and 1-d, and ArgumentError for another `indexing`.

    >>> [x.eval().tolist() for x in gd.meshgrid([1, 2], [3, 4, 5])]
    [[[1, 2], [1, 2], [1, 2]], [[3, 3], [4, 4], [5, 5]]]
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f'meshgrid: indexing {indexing!r} is not "xy" or "ij"')
    given = [as_tensor(x, "meshgrid") for x in tensors]
    for place, x in enumerate(given):
        if x.ndim > 1:
            raise ShapeError(
                f"meshgrid: coordinates must be 1-d, operand {place} is {x.ndim}-d",
                details=operand_lines(**{f"operand {place}": x}),
            )
    rows = [x if x.ndim else reshape(x, (1,)) for x in given]
    shape = tuple(row.shape[0] for row in rows)
    grids: list[Tensor] = [
        raw.broadcast_in_dim(row, shape=shape, broadcast_dimensions=(place,))
        for place, row in enumerate(rows)
    ]
    return (
        [swapaxes(grid, 0, 1) for grid in grids] if indexing == "xy" and len(grids) > 1 else grids
    )


def atleast_1d(x: Operand) -> Tensor:
    """A 0-d tensor as 1-d; others as they are.

    >>> gd.atleast_1d(3).shape
    (1,)
    """
    tensor = as_tensor(x, "atleast_1d")
    return reshape(tensor, (1,)) if tensor.ndim == 0 else tensor


def atleast_2d(x: Operand) -> Tensor:
    """At least 2-d, with new axes in front.

    >>> gd.atleast_2d([1, 2]).shape
    (1, 2)
    """
    tensor = atleast_1d(x)
    return expand_dims(tensor, 0) if tensor.ndim == 1 else tensor


def atleast_3d(x: Operand) -> Tensor:
    """At least 3-d: n becomes (1, n, 1) and (m, n) becomes (m, n, 1).

    >>> gd.atleast_3d([1, 2]).shape
    (1, 2, 1)
    """
    tensor = atleast_2d(x)
    return expand_dims(tensor, 2) if tensor.ndim == 2 else tensor


def hstack(tensors: Sequence[Operand]) -> Tensor:
    """Joined along the second axis, 1-d tensors along their only one.

    >>> gd.hstack([[1, 2], [3]]).eval().tolist()
    [1, 2, 3]
    """
    rows = [atleast_1d(x) for x in tensors]
    return concat(rows, axis=0 if rows and rows[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Operand]) -> Tensor:
    """Joined along the first axis, 1-d tensors as rows.

    >>> gd.vstack([[1, 2], [3, 4]]).eval().tolist()
    [[1, 2], [3, 4]]
    """
    return concat([atleast_2d(x) for x in tensors], axis=0)


def dstack(tensors: Sequence[Operand]) -> Tensor:
    """Joined along the third axis.

    >>> gd.dstack([[1, 2], [3, 4]]).eval().tolist()
    [[[1, 3], [2, 4]]]
    """
    return concat([atleast_3d(x) for x in tensors], axis=2)


def column_stack(tensors: Sequence[Operand]) -> Tensor:
    """1-d tensors as the columns of a matrix; 2-d ones beside each other.

    >>> gd.column_stack([[1, 2], [3, 4]]).eval().tolist()
    [[1, 3], [2, 4]]
    """
    columns = [atleast_1d(x) for x in tensors]
    if all(column.ndim == 1 for column in columns):
        return stack(columns, axis=1)
    return concat([expand_dims(x, 1) if x.ndim == 1 else x for x in columns], axis=1)


def rollaxis(x: Operand, axis: int, start: int = 0) -> Tensor:
    """`axis` moved back until it stands before axis `start`, as in NumPy.

    >>> gd.rollaxis(gd.ones((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    tensor = as_tensor(x, "rollaxis")
    along = located_axis("rollaxis", tensor, axis)
    place = start + tensor.ndim if start < 0 else start
    if not 0 <= place <= tensor.ndim:
        raise ArgumentError(
            f"rollaxis: start {start} is out of range", details=operand_lines(x=tensor)
        )
    order = [each for each in range(tensor.ndim) if each != along]
    order.insert(place - (along < place), along)
    return permute_dims(tensor, order)
