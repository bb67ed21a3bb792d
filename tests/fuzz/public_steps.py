"""Steps that call public functions: composites, einsum, random draws, regions, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphdl as gd
from graphdl.graph.nodes import Tensor
from graphdl.ops import elementwise as e
from graphdl.ops.arguments import cast, filled
from graphdl.ops.regions import optimization_barrier
from graphdl.typesystem.dtype import bool_, float32
from graphdl.typesystem.expression import Size
from tests.fuzz.builder import Builder, is_small

ACTIVATIONS: tuple[Callable[..., Tensor], ...] = (
    gd.relu, gd.sigmoid, gd.softplus, gd.silu, gd.leaky_relu, gd.elu, gd.gelu, gd.log_sigmoid,
    gd.mish, gd.selu, gd.hard_sigmoid, gd.relu6, gd.softsign, gd.square, gd.reciprocal,
)  # fmt: skip
ROWS: tuple[Callable[..., Tensor], ...] = (gd.softmax, gd.log_softmax)
STATISTICS: tuple[Callable[..., Tensor], ...] = (gd.mean, gd.var, gd.std, gd.sum, gd.prod)


def activation(builder: Builder) -> Tensor | None:
    """A named composite of one tensor."""
    x = builder.floating()
    return None if x is None else builder.choose(ACTIVATIONS[:13])(x)


def row_function(builder: Builder) -> Tensor | None:
    """softmax and log_softmax."""
    x = builder.tensor(lambda tensor: tensor.ndim >= 1 and tensor.dtype.is_floating)
    if x is None:
        return None
    axis = builder.integer(-1, x.ndim - 1)
    if builder.can_be_empty((x.shape[axis],)):
        return None
    return builder.choose(ROWS)(x, axis=axis)


def statistic(builder: Builder) -> Tensor | None:
    """Sums and means over axes, reduced or kept; the kept ones combined with what they came from,
    as normalisation does."""
    x = builder.floating() if builder.is_smooth else builder.number()
    if x is None:
        return None
    axes = tuple(builder.subset(range(x.ndim)))
    function = builder.choose(STATISTICS[:2] if builder.is_smooth else STATISTICS)
    if not builder.flip():
        return function(x, axis=axes)
    reduced = function(x, axis=axes, keepdims=True)
    if reduced.dtype != x.dtype:
        return reduced
    return builder.choose((gd.subtract, gd.multiply, gd.add))(x, reduced)


def logsumexp(builder: Builder) -> Tensor | None:
    """log(sum(exp(x)))."""
    x = builder.tensor(lambda tensor: tensor.ndim >= 1 and tensor.dtype.is_floating)
    if x is None or builder.can_be_empty((x.shape[-1],)):
        return None
    return gd.logsumexp(x, axis=-1, keepdims=builder.flip())


def cross_entropy(builder: Builder) -> Tensor | None:
    """The negative log probability of labels under a softmax."""
    x = builder.tensor(lambda tensor: tensor.ndim == 2 and tensor.dtype.is_floating)
    if x is None or builder.can_be_empty((x.shape[1],)):
        return None
    labels = e.remainder(builder.like(_int64, (x.shape[0],)), _filled_size(x, 1))
    logs = gd.log_softmax(x, axis=1) if builder.flip() else gd.log(gd.softmax(x, axis=1))
    picked = gd.take_along_axis(logs, gd.expand_dims(labels, axis=1), axis=1)
    return gd.negative(gd.sum(picked))


_int64 = gd.int64


def _filled_size(x: Tensor, axis: int) -> Tensor:
    return gd.full((x.shape[0],), x.shape[axis], dtype="int64")


def elementwise(builder: Builder) -> Tensor | None:
    """Functions that promote and broadcast."""
    x = builder.number()
    if x is None:
        return None
    shape = builder.choose((x.shape, x.shape[1:], x.shape[-1:], ()))
    y = builder.like(x.dtype, shape)
    functions: tuple[Callable[..., Tensor], ...] = (gd.add, gd.multiply, gd.subtract, gd.maximum)
    if not builder.is_smooth:
        functions += (gd.divide, gd.floor_divide, gd.remainder, gd.less, gd.logical_xor)
    return builder.choose(functions)(x, y)


def with_number(builder: Builder) -> Tensor | None:
    """A Python number or a size on one side."""
    x = builder.number()
    if x is None:
        return None
    if builder.is_smooth:
        return x * builder.choose((2.0, 0.5, -1.0)) + 1.0
    size: Size = builder.size()
    function: Callable[[], Any] = builder.choose(
        (
            lambda: x + 1,
            lambda: 2 - x,
            lambda: x**2,
            lambda: gd.clip(x, -1, 2),
            lambda: x * size,
            lambda: x / (size + 1),
            lambda: gd.where(x > 1, x, 0),
        )
    )
    result: Tensor = function()
    return result


def move(builder: Builder) -> Tensor | None:
    """Movements composed of primitives."""
    x = builder.tensor(lambda tensor: tensor.ndim >= 1)
    if x is None:
        return None
    axis = builder.integer(0, x.ndim - 1)
    function: Callable[[], Tensor] = builder.choose(
        (
            lambda: gd.flip(x, axis=axis),
            lambda: x[..., ::-1],
            lambda: x[::2],
            lambda: gd.expand_dims(x, axis=axis),
            lambda: gd.repeat(x, 2, axis=axis),
            lambda: gd.tile(x, (2,) * x.ndim),
            lambda: gd.moveaxis(x, axis, 0),
            lambda: gd.stack([x, gd.flip(x, axis=axis)], axis=axis),
            lambda: gd.roll(x, 1, axis=axis) if isinstance(x.shape[axis], int) else x,
            lambda: gd.tril(x) if x.ndim >= 2 else x,
        )
    )
    result = function()
    return result if is_small(result.shape) else None


_EQUATIONS = ("ij,jk->ik", "ij,kj->ik", "ij,ij->i", "ij,j->ij", "ij->ji", "ij,ik->jk", "ij,j->")


def einsum(builder: Builder) -> Tensor | None:
    """einsum of a matrix and what fits it."""
    x = builder.tensor(lambda tensor: tensor.ndim == 2 and not tensor.dtype.is_bool)
    if x is None:
        return None
    equation = builder.choose(_EQUATIONS)
    terms = equation.split("->")[0].split(",")
    sizes = {"i": x.shape[0], "j": x.shape[1], "k": builder.size()}
    others = [builder.like(x.dtype, tuple(sizes[c] for c in term)) for term in terms[1:]]
    return gd.einsum(equation, x, *others)


def draw(builder: Builder) -> Tensor | None:
    """Numbers of a generator, whose position is a variable."""
    generator = gd.random.Generator(builder.integer(0, 2**32 + 1))
    shape = builder.shape(2)
    function: Callable[[], Tensor] = builder.choose(
        (
            lambda: gd.random.uniform(shape, key=generator),
            lambda: gd.random.bits(shape, key=generator),
            lambda: gd.random.bernoulli(shape, p=0.3, key=generator),
            lambda: gd.random.normal(shape, key=generator),
            lambda: gd.random.randint(shape, -3, 9, key=generator),
            lambda: gd.random.uniform(shape, key=gd.random.fold_in(gd.random.key(3), 5)),
        )
    )
    result = function()
    for state in (generator.key, generator.position):
        builder.states.append(state)
    return result


def training(builder: Builder) -> Tensor | None:
    """Something else while training."""
    x = builder.tensor()
    if x is None:
        return None
    return gd.where(gd.is_training(), x, builder.like(x.dtype, x.shape))


def check(builder: Builder) -> Tensor | None:
    """A check of something that mostly holds."""
    x = builder.tensor()
    if x is None or x.dtype.is_bool:
        return None
    condition = gd.all(gd.less_equal(x, builder.like(x.dtype, x.shape))) if builder.flip() else True
    always = filled(True, bool_) if condition is True else gd.logical_or(condition, builder.flip())
    return gd.check(x, always, "a check of the fuzzer")


def show(builder: Builder) -> Tensor | None:
    """A print."""
    x = builder.tensor()
    return None if x is None else gd.print(x, builder.choose(("", "x is", "y:")))


# Regions and gradients ----------------------------------------------------------------------------


def region(builder: Builder) -> Tensor | None:
    """remat, custom_gradient or a barrier around a small function."""
    x = builder.floating()
    if x is None:
        return None
    kind = builder.integer(0, 2)
    if kind == 0:
        result: Tensor = optimization_barrier(x)
        return result
    y = builder.like(x.dtype, x.shape)
    op = builder.choose((e.tanh, e.sin, e.logistic, e.negative))

    def body(left: Tensor, right: Tensor) -> Tensor:
        total: Tensor = e.add(e.multiply(op(left), right), y)
        return total

    if kind == 1 or builder.is_smooth:
        return gd.remat(body)(x, y)
    return gd.custom_gradient(lambda left, right: (body(left, right), lambda g: (g * left, g)))(
        x, y
    )


def gradient(builder: Builder) -> Tensor | None:
    """The derivative of a sum with respect to something below it."""
    y = builder.floating()
    if y is None:
        return None
    cost = builder.scalar(e.multiply(y, builder.like(y.dtype, y.shape)))
    wanted = [t for t in builder.pool if t.dtype.is_floating]
    wrt = builder.choose(wanted)
    result: Tensor = gd.grad(cost, wrt, disconnected="zero")
    return result


def widen(builder: Builder) -> Tensor | None:
    """A half float as a float, as mixed precision does."""
    x = builder.tensor(lambda tensor: tensor.dtype.is_floating and tensor.dtype.bits == 16)
    return None if x is None else cast(x, float32)


SMOOTH_STEPS = (
    activation, row_function, statistic, logsumexp, cross_entropy, elementwise, with_number, move,
    einsum, region,
)  # fmt: skip
STEPS = (*SMOOTH_STEPS, draw, training, check, show, gradient, gradient, widen)
