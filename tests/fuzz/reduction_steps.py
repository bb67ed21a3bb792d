"""Steps that add reductions, scans, contractions, gathers and scatters."""

from __future__ import annotations

from graphdl.graph.nodes import Tensor
from graphdl.ops import cumulative as scans
from graphdl.ops import elementwise as e
from graphdl.ops import indexing, reduction
from graphdl.ops.arguments import broadcast, cast, filled, size_tensor
from graphdl.ops.contraction import dot_general
from graphdl.typesystem.dtype import bool_, int32, int64
from graphdl.typesystem.tensor_type import Shape
from tests.fuzz.builder import Builder, is_small

SUMS = (reduction.reduce_sum, reduction.reduce_prod)
EXTREMES = (reduction.reduce_max, reduction.reduce_min)
BITS = (reduction.reduce_and, reduction.reduce_or)
# cumulative_logsumexp is left out: its steps are transcendental, so that no bits are given for it.
SCANS = (
    scans.cumulative_sum, scans.cumulative_prod, scans.cumulative_max, scans.cumulative_min,
)  # fmt: skip


def reduce(builder: Builder) -> Tensor | None:
    """A fold over any axes."""
    x = builder.tensor()
    if x is None:
        return None
    axes = tuple(builder.subset(range(x.ndim)))
    if x.ndim and builder.flip():
        axes = (x.ndim - 1,)
    ops = [] if x.dtype.is_bool else [*SUMS]
    if not x.dtype.is_bool and not builder.can_be_empty(tuple(x.shape[axis] for axis in axes)):
        ops += EXTREMES
    if not x.dtype.is_floating:
        ops += BITS
    result: Tensor = builder.choose(ops)(x, axes=axes)
    return result


def argument(builder: Builder) -> Tensor | None:
    """argmax or argmin."""
    x = builder.tensor(lambda tensor: tensor.ndim >= 1 and not tensor.dtype.is_bool)
    if x is None:
        return None
    axis = builder.integer(0, x.ndim - 1)
    if builder.can_be_empty((x.shape[axis],)):
        return None
    result: Tensor = builder.choose((reduction.argmax, reduction.argmin))(x, axis=axis)
    return result


def cumulative(builder: Builder) -> Tensor | None:
    """Running sums, products and extremes."""
    x = builder.tensor(lambda tensor: tensor.ndim >= 1 and not tensor.dtype.is_bool)
    if x is None:
        return None
    axis, is_reverse = builder.integer(0, x.ndim - 1), builder.flip()
    result: Tensor = builder.choose(SCANS)(x, axis=axis, reverse=is_reverse)
    return result


# Contractions -------------------------------------------------------------------------------------


def contract(builder: Builder) -> Tensor | None:
    """dot_general of a tensor with another of the pool, over any axes that match."""
    x = builder.number()
    if x is None:
        return None
    y = builder.tensor(lambda tensor: tensor.dtype == x.dtype)
    assert y is not None
    left, right = list(range(x.ndim)), list(range(y.ndim))
    pairs: dict[str, list[tuple[int, int]]] = {"contract": [], "batch": []}
    for kind in ("contract", "batch", "contract"):
        matching = [(i, j) for i in left for j in right if x.shape[i] == y.shape[j]]
        if not matching or (kind == "batch" and not builder.flip()):
            continue
        pair = builder.choose(matching)
        pairs[kind].append(pair)
        left.remove(pair[0])
        right.remove(pair[1])
    free = [x.shape[i] for i in left] + [y.shape[j] for j in right]
    shape = (*(x.shape[i] for i, _ in pairs["batch"]), *free)
    return _dot(x, y, pairs) if is_small(shape) else None


def _dot(x: Tensor, y: Tensor, pairs: dict[str, list[tuple[int, int]]]) -> Tensor:
    result: Tensor = dot_general(
        x,
        y,
        lhs_contract=tuple(i for i, _ in pairs["contract"]),
        rhs_contract=tuple(j for _, j in pairs["contract"]),
        lhs_batch=tuple(i for i, _ in pairs["batch"]),
        rhs_batch=tuple(j for _, j in pairs["batch"]),
    )
    return result


def multiply_matrices(builder: Builder) -> Tensor | None:
    """x @ y for a matrix x, with a y that fits; either may be transposed."""
    x = builder.tensor(lambda tensor: tensor.ndim == 2 and not tensor.dtype.is_bool)
    if x is None:
        return None
    axis = builder.integer(0, 1)
    columns = builder.size()
    shape: Shape = (x.shape[axis], columns) if builder.flip() else (columns, x.shape[axis])
    other = shape.index(x.shape[axis])
    y = builder.like(x.dtype, shape)
    if not is_small((x.shape[1 - axis], columns)):
        return None
    return _dot(x, y, {"contract": [(axis, other)], "batch": []})


# Gathers and scatters -----------------------------------------------------------------------------


def _source(builder: Builder) -> tuple[Tensor, int] | None:
    x = builder.tensor(lambda tensor: tensor.ndim >= 1)
    if x is None:
        return None
    axis = builder.integer(0, x.ndim - 1)
    return None if builder.can_be_empty((x.shape[axis],)) else (x, axis)


def _indices(builder: Builder, x: Tensor, axis: int, shape: Shape) -> Tensor:
    """Places along an axis: computed ones, also outside, or an input's, which lie inside."""
    dtype = builder.choose((int64, int32))
    if shape and builder.flip():
        counted = builder.iota(dtype, shape)
        moved: Tensor = e.subtract(counted, filled(builder.integer(0, 3), dtype, shape))
        return moved
    indices = builder.like(dtype, shape)
    count = broadcast(size_tensor(x.shape[axis], dtype), shape)
    inside: Tensor = e.remainder(indices, count)
    return inside


def gather(builder: Builder) -> Tensor | None:
    """Slices at computed places."""
    source = _source(builder)
    if source is None:
        return None
    x, axis = source
    shape = builder.shape(2)
    if not is_small((*x.shape[:axis], *shape, *x.shape[axis + 1 :])):
        return None
    result: Tensor = indexing.gather(x, _indices(builder, x, axis, shape), axis=axis)
    return result


def gather_elements(builder: Builder) -> Tensor | None:
    """Single elements at computed places."""
    source = _source(builder)
    if source is None:
        return None
    x, axis = source
    shape = (*x.shape[:axis], builder.size(), *x.shape[axis + 1 :])
    if not is_small(shape):
        return None
    result: Tensor = indexing.gather_elements(x, _indices(builder, x, axis, shape), axis=axis)
    return result


def scatter(builder: Builder) -> Tensor | None:
    """Slices added at computed places."""
    source = _source(builder)
    if source is None or source[0].dtype == bool_:
        return None
    x, axis = source
    shape = builder.shape(2)
    wanted = (*x.shape[:axis], *shape, *x.shape[axis + 1 :])
    if not is_small(wanted):
        return None
    updates = builder.like(x.dtype, wanted)
    indices = _indices(builder, x, axis, shape)
    result: Tensor = indexing.scatter_add(x, indices, updates, axis=axis)
    return result


def scatter_elements(builder: Builder) -> Tensor | None:
    """Single elements added at computed places."""
    source = _source(builder)
    if source is None or source[0].dtype == bool_:
        return None
    x, axis = source
    shape = (*x.shape[:axis], builder.size(), *x.shape[axis + 1 :])
    if not is_small(shape):
        return None
    updates = builder.like(x.dtype, shape)
    indices = _indices(builder, x, axis, shape)
    result: Tensor = indexing.scatter_add_elements(x, indices, updates, axis=axis)
    return result


def count(builder: Builder) -> Tensor | None:
    """How many elements are true, as an integer."""
    x = builder.tensor(lambda tensor: tensor.dtype == bool_)
    return None if x is None else builder.scalar(cast(x, int32))


SMOOTH_STEPS = (
    reduce, cumulative, contract, multiply_matrices, gather, gather_elements, scatter,
    scatter_elements,
)  # fmt: skip
STEPS = (reduce, reduce, multiply_matrices, *SMOOTH_STEPS, argument, count)
assert set(indexing.OPS) == {
    indexing.gather, indexing.gather_elements, indexing.scatter_add, indexing.scatter_add_elements,
}, "a new gather or scatter needs a step"  # fmt: skip
assert set(reduction.OPS) == {
    *SUMS, *EXTREMES, *BITS, reduction.argmax, reduction.argmin,
}, "a new reduction needs a step"  # fmt: skip
assert set(scans.OPS) == {*SCANS, scans.cumulative_logsumexp}, "a new scan needs a step"
