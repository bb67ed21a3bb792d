"""einsum: the general contraction, written with a letter for each axis."""

from __future__ import annotations

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import indexing, movement
from graphdl.ops.arguments import Operand, broadcast, operand_lines, promote_operands
from graphdl.ops.functions.contraction import (
    Label,
    Labelled,
    Labels,
    contract,
    order_axes,
    sum_unwanted,
)
from graphdl.ops.functions.creation import iota
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.expression import Size

ELLIPSIS = "..."


def einsum(subscripts: str, *operands: Operand) -> Tensor:
    """Sums of products by index letters: `gd.einsum("bik,bkj->bij", x, y)`.

    A letter used twice in one operand takes its diagonal, "..." stands for leading axes that are
    broadcast, and without "->" the result has the letters used once, in alphabetical order.
    Operands are contracted from left to right.

    >>> gd.einsum("ii->i", [[1, 2], [3, 4]]).eval().tolist()
    [1, 4]
    """
    if not operands:
        raise ArgumentError('einsum: write the subscripts first: gd.einsum("ij,jk->ik", x, y)')
    names = tuple(f"operand {place}" for place in range(len(operands)))
    tensors = promote_operands("einsum", *operands, names=names)
    lines = operand_lines(**dict(zip(names, tensors, strict=True)))
    if tensors[0].dtype.is_bool:
        raise DTypeError("einsum: all operands are bool", details=lines)
    terms, result = _parse(subscripts, tensors)
    sizes = _label_sizes(subscripts, terms, tensors, lines)
    labelled = [
        _take_diagonals(_drop_broadcast(Labelled(tensor, term), sizes))
        for tensor, term in zip(tensors, terms, strict=True)
    ]
    return _contract_all(labelled, result, sizes)


def _contract_all(operands: list[Labelled], result: Labels, sizes: dict[Label, Size]) -> Tensor:
    total = operands[0]
    for place, operand in enumerate(operands[1:], 1):
        later = (label for other in operands[place + 1 :] for label in other.labels)
        total = contract(total, operand, (*result, *later))
    total = sum_unwanted(total, result)
    missing = tuple(label for label in result if label not in total.labels)
    if missing:  # axes of size 1 everywhere, dropped as broadcast
        shape = (*(sizes[label] for label in missing), *total.tensor.shape)
        total = Labelled(broadcast(total.tensor, shape), (*missing, *total.labels))
    return order_axes(total, result)


# Parsing ------------------------------------------------------------------------------------------


def _parse(subscripts: str, tensors: tuple[Tensor, ...]) -> tuple[list[Labels], Labels]:
    """The labels of each operand and of the result; axes under "..." are numbered from the end."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(tensors):
        raise ArgumentError(
            f"einsum: {len(parts)} terms in {subscripts!r}, {len(tensors)} operands"
        )
    terms = [
        _term_labels(subscripts, part, tensor) for part, tensor in zip(parts, tensors, strict=True)
    ]
    result = _result_labels(subscripts, right, terms) if arrow else _implicit_result(terms)
    return terms, result


def _letters(subscripts: str, part: str) -> tuple[str, bool, str]:
    before, dots, after = part.partition(ELLIPSIS)
    if not all(letter.isascii() and letter.isalpha() for letter in before + after):
        raise ArgumentError(f"einsum: {part!r} in {subscripts!r} is not letters and one ...")
    return before, bool(dots), after


def _term_labels(subscripts: str, part: str, tensor: Tensor) -> Labels:
    before, has_dots, after = _letters(subscripts, part)
    hidden = tensor.ndim - len(before) - len(after)
    if hidden < 0 or (hidden > 0 and not has_dots):
        raise ShapeError(
            f"einsum: {part!r} names {len(before) + len(after)} axes of a {tensor.ndim}-d operand",
            details=operand_lines(operand=tensor),
        )
    return (*before, *range(-hidden, 0), *after)


def _hidden(terms: list[Labels]) -> list[Label]:
    numbers = {label for term in terms for label in term if isinstance(label, int)}
    return list(sorted(numbers))


def _result_labels(subscripts: str, text: str, terms: list[Labels]) -> Labels:
    before, has_dots, after = _letters(subscripts, text)
    known = {label for term in terms for label in term}
    for letter in before + after:
        if letter not in known:
            raise ArgumentError(
                f"einsum: result letter {letter!r} of {subscripts!r} is no operand's"
            )
        if text.count(letter) > 1:
            raise ArgumentError(f"einsum: result letter {letter!r} of {subscripts!r} is repeated")
    return (*before, *(_hidden(terms) if has_dots else ()), *after)


def _implicit_result(terms: list[Labels]) -> Labels:
    letters = [label for term in terms for label in term if isinstance(label, str)]
    return (
        *_hidden(terms),
        *sorted(letter for letter in set(letters) if letters.count(letter) == 1),
    )


# Sizes --------------------------------------------------------------------------------------------


def _label_sizes(
    subscripts: str, terms: list[Labels], tensors: tuple[Tensor, ...], lines: tuple[str, ...]
) -> dict[Label, Size]:
    """The size of each label; letters must agree, axes under "..." may also be 1."""
    sizes: dict[Label, Size] = {}
    for place, (term, tensor) in enumerate(zip(terms, tensors, strict=True)):
        for label, size in zip(term, tensor.shape, strict=True):
            agreed = sizes.setdefault(label, size)
            if agreed == size or (isinstance(label, int) and size == 1):
                continue
            if isinstance(label, str) or agreed != 1:
                name = f"index {label!r}" if isinstance(label, str) else "an axis under ..."
                raise ShapeError(
                    f"einsum: {name} of {subscripts!r} is {agreed}, and {size} in operand {place}",
                    details=lines,
                )
            sizes[label] = size
    return sizes


def _drop_broadcast(operand: Labelled, sizes: dict[Label, Size]) -> Labelled:
    """Without axes under "..." whose size 1 stands for a larger size of another operand."""
    shape = operand.tensor.shape
    kept = [
        axis
        for axis, label in enumerate(operand.labels)
        if isinstance(label, str) or shape[axis] == sizes[label]
    ]
    if len(kept) == len(shape):
        return operand
    smaller = movement.reshape(operand.tensor, shape=tuple(shape[axis] for axis in kept))
    return Labelled(smaller, tuple(operand.labels[axis] for axis in kept))


def _take_diagonals(operand: Labelled) -> Labelled:
    """Each label once: of a repeated label the elements with equal indices."""
    for place, label in enumerate(operand.labels):
        if label in operand.labels[:place]:
            first = operand.labels.index(label)
            return _take_diagonals(_take_diagonal(operand, first, place))
    return operand


def _take_diagonal(operand: Labelled, first: int, second: int) -> Labelled:
    x = operand.tensor
    others = tuple(axis for axis in range(x.ndim) if axis not in (first, second))
    moved = movement.transpose(x, permutation=(*others, first, second))
    rest = tuple(x.shape[axis] for axis in others)
    places = iota((*rest, x.shape[first], 1), len(rest), int64)
    diagonal = indexing.gather_elements(moved, places, axis=len(rest) + 1)
    flat: Tensor = movement.reshape(diagonal, shape=(*rest, x.shape[first]))
    labels = (*(operand.labels[axis] for axis in others), operand.labels[first])
    return Labelled(flat, labels)
