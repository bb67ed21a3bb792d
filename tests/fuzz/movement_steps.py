"""Steps that add movements and creations."""

from __future__ import annotations

from graphdl.graph.nodes import Tensor, build_node
from graphdl.ops import creation, leaves, movement, random
from graphdl.ops import windows as window_ops
from graphdl.ops.arguments import filled
from graphdl.typesystem.dtype import int32, int64, uint32
from graphdl.typesystem.expression import Size, product
from tests.fuzz.builder import Builder, is_small


def reshape(builder: Builder) -> Tensor | None:
    """Neighbouring axes joined, or axes of size 1 put in."""
    x = builder.tensor()
    if x is None:
        return None
    shape = list(x.shape)
    if len(shape) >= 2 and builder.flip():
        at = builder.integer(0, len(shape) - 2)
        shape[at : at + 2] = [product(shape[at : at + 2])]
    elif shape and builder.flip():
        at = builder.integer(0, len(shape) - 1)
        shape[at : at + 1] = _split(builder, shape[at])
    else:
        shape.insert(builder.integer(0, len(shape)), 1)
    result: Tensor = movement.reshape(x, shape=tuple(shape))
    return result


def _split(builder: Builder, size: Size) -> list[Size]:
    """Factors of a size."""
    for factor in (2, 3, *builder.names):
        if not isinstance(size, int) and size == product((size // factor, factor)):
            return [size // factor, factor]
        if isinstance(size, int) and isinstance(factor, int) and size % factor == 0:
            return [size // factor, factor]
    return [1, size]


def transpose(builder: Builder) -> Tensor | None:
    """Axes in another order."""
    x = builder.tensor(lambda tensor: tensor.ndim >= 2)
    if x is None:
        return None
    result: Tensor = movement.transpose(x, permutation=builder.permutation(x.ndim))
    return result


def broadcast(builder: Builder) -> Tensor | None:
    """New axes anywhere, axes of size 1 repeated."""
    x = builder.tensor()
    if x is None:
        return None
    shape: list[Size] = [builder.size() if size == 1 else size for size in x.shape]
    places = list(range(x.ndim))
    for _ in range(builder.integer(0, 2)):
        at = builder.integer(0, len(shape))
        shape.insert(at, builder.size())
        places = [place + (place >= at) for place in places]
    if not is_small(tuple(shape)):
        return None
    attributes = {"shape": tuple(shape), "broadcast_dimensions": tuple(places)}
    result: Tensor = movement.broadcast_in_dim(x, **attributes)
    return result


def slice_(builder: Builder) -> Tensor | None:
    """Every step-th element from a start to a stop."""
    x = builder.tensor(lambda tensor: tensor.ndim >= 1)
    if x is None:
        return None
    starts, stops, steps = [], [], []
    for size in x.shape:
        low, high = _bounds(builder, size)
        starts.append(low)
        stops.append(high)
        steps.append(builder.integer(1, 3))
    attributes = {"starts": tuple(starts), "stops": tuple(stops), "steps": tuple(steps)}
    result: Tensor = movement.slice_(x, **attributes)
    return result


def _bounds(builder: Builder, size: Size) -> tuple[Size, Size]:
    """A start and a stop inside an axis, whatever the named sizes are."""
    if isinstance(size, int):
        low = builder.integer(0, size)
        return low, builder.integer(low, size)
    least = 0 if builder.may_be_empty else 1
    if size not in builder.names:
        least = {2 * name + 1: 1 for name in builder.names}.get(size, 0)
    return builder.choose([(0, size), (least, size), (0, size - least)])


def reverse(builder: Builder) -> Tensor | None:
    """The opposite order along some axes."""
    x = builder.tensor(lambda tensor: tensor.ndim >= 1)
    if x is None:
        return None
    result: Tensor = movement.reverse(x, axes=tuple(builder.subset(range(x.ndim))))
    return result


def pad(builder: Builder) -> Tensor | None:
    """Some of one number around a tensor."""
    x = builder.tensor(lambda tensor: tensor.ndim >= 1)
    if x is None:
        return None
    value = filled(builder.literal_number(x.dtype), x.dtype)
    scalars = [t for t in builder.pool if t.ndim == 0 and t.dtype == x.dtype]
    if scalars and builder.flip():
        value = builder.choose(scalars)
    widths: list[Size] = [0, 1, 2, *builder.names]
    low, high = (tuple(builder.choose(widths) for _ in x.shape) for _ in range(2))
    sizes = tuple(a + s + b for a, s, b in zip(low, x.shape, high, strict=True))
    if not is_small(sizes):
        return None
    result: Tensor = movement.pad(x, value, low=low, high=high)
    return result


def concatenate(builder: Builder) -> Tensor | None:
    """Tensors one after the other."""
    x = builder.tensor(lambda tensor: tensor.ndim >= 1)
    if x is None:
        return None
    axis = builder.integer(0, x.ndim - 1)
    parts = [x]
    for _ in range(builder.integer(1, 2)):
        fitting = [t for t in builder.pool if _fits(t, x, axis)]
        if builder.flip() and fitting:
            parts.append(builder.choose(fitting))
        else:
            shape = (*x.shape[:axis], builder.size(), *x.shape[axis + 1 :])
            parts.append(builder.like(x.dtype, shape))
    total: Size = 0
    for part in parts:
        total = total + part.shape[axis]
    if not is_small((*x.shape[:axis], total, *x.shape[axis + 1 :])):
        return None
    result: Tensor = movement.concatenate(*parts, axis=axis)
    return result


def _fits(other: Tensor, x: Tensor, axis: int) -> bool:
    rest = (*x.shape[:axis], *x.shape[axis + 1 :])
    others = (*other.shape[:axis], *other.shape[axis + 1 :])
    return other.dtype == x.dtype and other.ndim == x.ndim and rest == others


def windows(builder: Builder) -> Tensor | None:
    """Every place of a sliding window along some axes."""
    x = builder.tensor(lambda tensor: 1 <= tensor.ndim <= 3)
    if x is None:
        return None
    axes = tuple(builder.subset(range(x.ndim))) or (0,)
    sizes, strides, dilations = (tuple(builder.integer(1, 3) for _ in axes) for _ in range(3))
    made: Tensor = window_ops.windows(
        x, axes=axes, sizes=sizes, strides=strides, dilations=dilations
    )
    return made if is_small(made.shape) else None


def diagonal(builder: Builder) -> Tensor | None:
    """The elements where two axes have one index."""
    x = builder.tensor(lambda tensor: len(set(tensor.shape)) < tensor.ndim)
    if x is None:
        return None
    pairs = [(i, j) for j in range(x.ndim) for i in range(j) if x.shape[i] == x.shape[j]]
    first, second = builder.choose(pairs)
    result: Tensor = window_ops.diagonal(x, first=first, second=second)
    return result


def stop_gradient(builder: Builder) -> Tensor | None:
    """The same numbers, constant for derivatives."""
    x = builder.tensor()
    return None if x is None else movement.stop_gradient(x)


def iota(builder: Builder) -> Tensor | None:
    """0, 1, 2, … along an axis."""
    shape = builder.shape()
    dtypes = [dtype for dtype in builder.dtypes if not dtype.is_bool]
    return builder.iota(builder.choose(dtypes), shape) if shape and dtypes else None


def random_bits(builder: Builder) -> Tensor | None:
    """Philox bits from a constant or computed key and counter."""
    key, counter = (builder.like(uint32, (2,)) for _ in range(2))
    result: Tensor = random.random_bits(key, counter, shape=builder.shape())
    return result


def size(builder: Builder) -> Tensor | None:
    """A named size as a number."""
    if not builder.names:
        return None
    dtype = builder.choose((int64, int32))
    attributes = {"value": builder.choose((*builder.names, builder.names[0] + 3)), "dtype": dtype}
    return build_node(leaves.size, (), attributes).results[0]


def constant(builder: Builder) -> Tensor | None:
    """A literal array."""
    shape = tuple(builder.integer(1, 4) for _ in range(builder.integer(0, 2)))
    return builder.constant(builder.choose(builder.dtypes), shape)


SMOOTH_STEPS = (
    reshape, transpose, broadcast, slice_, reverse, pad, concatenate, windows, diagonal,
)  # fmt: skip
STEPS = (*SMOOTH_STEPS, stop_gradient, iota, random_bits, size, constant)
assert (creation.iota,) == creation.OPS, "a new creation op needs a step"
assert set(movement.OPS) == {
    movement.reshape, movement.transpose, movement.broadcast_in_dim, movement.slice_,
    movement.reverse, movement.pad, movement.concatenate, movement.stop_gradient,
}, "a new movement needs a step"  # fmt: skip
assert set(window_ops.OPS) == {window_ops.windows, window_ops.diagonal}, "a new view needs a step"
