"""Random well-formed graphs, drawn by hypothesis so that failures shrink."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from graphdl.graph.nodes import Graph, Tensor, Update, build_node, name_scope
from graphdl.graph.parser import StorageName
from graphdl.ops import elementwise as e
from graphdl.ops import leaves, movement, reduction
from graphdl.ops.arguments import filled, literal
from graphdl.ops.contraction import dot_general
from graphdl.ops.regions import optimization_barrier, remat
from graphdl.typesystem.dtype import DType, bool_, float32, float64, int32
from graphdl.typesystem.expression import Size, Symbol
from graphdl.typesystem.tensor_type import Shape

N = Symbol("n")
UNARY = (e.negative, e.abs_, e.sign, e.floor, e.exp, e.tanh, e.logistic, e.sqrt, e.log)
INTEGER_UNARY = (e.negative, e.abs_, e.sign, e.bitwise_not)
BINARY = (e.add, e.subtract, e.multiply, e.maximum, e.minimum)
COMPARISONS = (e.equal, e.less, e.greater_equal, e.not_equal)
CONSTANTS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0)

Draw = Callable[[st.SearchStrategy[object]], object]


def leaf(op_name: str, name: str, dtype: DType, shape: Shape) -> Tensor:
    """A placeholder or a variable."""
    if op_name == "variable":
        attributes = {"storage": StorageName(name), "name": name, "dtype": dtype, "shape": shape}
        return build_node(leaves.variable, (), {**attributes, "trainable": True}).results[0]
    attributes = {"name": name, "dtype": dtype, "shape": shape, "default": None}
    return build_node(leaves.placeholder, (), attributes).results[0]


def _same_type(pool: list[Tensor], like: Tensor) -> list[Tensor]:
    return [tensor for tensor in pool if tensor.type == like.type]


def _grow(draw: Draw, pool: list[Tensor]) -> Tensor:
    """One more node over tensors in `pool`."""
    x: Tensor = draw(st.sampled_from(pool))  # type: ignore[assignment]
    steps = [_unary, _binary, _constant, _compare, _select, _move, _reduce, _contract, _region]
    step = draw(st.sampled_from(steps))
    return step(draw, pool, x)  # type: ignore[operator,no-any-return]


def _pick(draw: Draw, pool: list[Tensor], like: Tensor) -> Tensor:
    return draw(st.sampled_from(_same_type(pool, like)))  # type: ignore[return-value]


def _unary(draw: Draw, pool: list[Tensor], x: Tensor) -> Tensor:
    if x.dtype.is_bool:
        return e.bitwise_not(x)  # type: ignore[no-any-return]
    ops = UNARY if x.dtype.is_floating else INTEGER_UNARY
    return draw(st.sampled_from(ops))(x)  # type: ignore[operator,no-any-return]


def _binary(draw: Draw, pool: list[Tensor], x: Tensor) -> Tensor:
    y = _pick(draw, pool, x)
    if x.dtype.is_bool:
        return e.bitwise_and(x, y)  # type: ignore[no-any-return]
    return draw(st.sampled_from(BINARY))(x, y)  # type: ignore[operator,no-any-return]


def _constant(draw: Draw, pool: list[Tensor], x: Tensor) -> Tensor:
    value = draw(st.sampled_from(CONSTANTS))
    constant = filled(value, x.dtype, x.shape)  # type: ignore[arg-type]
    if x.dtype.is_bool:
        return e.bitwise_or(x, constant)  # type: ignore[no-any-return]
    ops = (*BINARY, e.divide, e.power) if x.dtype.is_floating else BINARY
    return draw(st.sampled_from(ops))(x, constant)  # type: ignore[operator,no-any-return]


def _compare(draw: Draw, pool: list[Tensor], x: Tensor) -> Tensor:
    if x.dtype.is_bool:
        return e.convert(x, dtype=draw(st.sampled_from((float32, int32))))  # type: ignore[no-any-return]
    return draw(st.sampled_from(COMPARISONS))(x, _pick(draw, pool, x))  # type: ignore[operator,no-any-return]


def _select(draw: Draw, pool: list[Tensor], x: Tensor) -> Tensor:
    shape = x.shape
    conditions = [t for t in pool if t.dtype == bool_ and t.shape == shape]
    condition = draw(st.sampled_from(conditions)) if conditions else filled(True, bool_, shape)
    return e.select(condition, x, _pick(draw, pool, x))  # type: ignore[no-any-return]


def _move(draw: Draw, pool: list[Tensor], x: Tensor) -> Tensor:
    choice = draw(st.integers(0, 5))
    if choice == 0:
        return movement.reshape(x, shape=(x.type.element_count,))  # type: ignore[no-any-return]
    if choice == 1:
        order = tuple(draw(st.permutations(range(x.ndim))))  # type: ignore[arg-type,var-annotated]
        return movement.transpose(x, permutation=order)  # type: ignore[no-any-return]
    if choice == 2:
        axes = tuple(range(1, x.ndim + 1))
        shape = (2, *x.shape)
        return movement.broadcast_in_dim(x, shape=shape, broadcast_dimensions=axes)  # type: ignore[no-any-return]
    if choice == 3:
        return movement.reverse(x, axes=tuple(range(x.ndim)))  # type: ignore[no-any-return]
    if choice == 4:
        value = filled(0, x.dtype)
        return movement.pad(x, value, low=(1,) * x.ndim, high=(0,) * x.ndim)  # type: ignore[no-any-return]
    starts, steps = (0,) * x.ndim, (1,) * x.ndim
    return movement.slice_(x, starts=starts, stops=x.shape, steps=steps)  # type: ignore[no-any-return]


def _reduce(draw: Draw, pool: list[Tensor], x: Tensor) -> Tensor:
    if x.ndim == 0:
        return x
    axis = draw(st.integers(0, x.ndim - 1))
    if x.dtype.is_bool:
        return reduction.reduce_or(x, axes=(axis,))  # type: ignore[no-any-return]
    op = draw(st.sampled_from((reduction.reduce_sum, reduction.reduce_max)))
    return op(x, axes=(axis,))  # type: ignore[operator,no-any-return]


def _contract(draw: Draw, pool: list[Tensor], x: Tensor) -> Tensor:
    if x.ndim == 0 or x.dtype.is_bool:
        return x
    axes = {"lhs_contract": (0,), "rhs_contract": (0,), "lhs_batch": (), "rhs_batch": ()}
    y = _pick(draw, pool, x)
    return dot_general(x, y, **axes) if x.ndim < 3 else x  # type: ignore[no-any-return]


def _region(draw: Draw, pool: list[Tensor], x: Tensor) -> Tensor:
    if draw(st.booleans()):
        barrier = optimization_barrier(x)
        return barrier  # type: ignore[no-any-return]
    attributes = {"position": 0, "dtype": x.dtype, "shape": x.shape}
    inner = build_node(leaves.parameter, (), attributes).results[0]
    body = _binary(draw, [inner], _unary(draw, [inner], inner))
    if body.type != x.type:
        return x
    return build_node(remat, (x,), regions=(Graph((inner,), (body,), (), "body"),)).results[0]


@st.composite
def graphs(draw: Draw, most_nodes: int = 12) -> Graph:
    """A graph over two placeholders and a variable, with labels, scopes and an update."""
    size: Size = draw(st.sampled_from((N, 3, 2 * N + 1)))  # type: ignore[assignment]
    dtype = draw(st.sampled_from((float32, float32, float64, int32)))
    shape: Shape = draw(st.sampled_from(((N, size), (N,), (N, 2))))  # type: ignore[assignment]
    inputs = [leaf("placeholder", name, dtype, shape) for name in ("x", "y")]  # type: ignore[arg-type]
    state = leaf("variable", "w", dtype, shape)  # type: ignore[arg-type]
    pool = [*inputs, state, literal(np.asarray(draw(st.sampled_from(CONSTANTS)), np.float32))]
    for number in range(draw(st.integers(1, most_nodes))):  # type: ignore[arg-type]
        with name_scope(f"block{number % 3}"):
            pool.append(_grow(draw, pool))
    updates = [tensor for tensor in pool[3:] if tensor.type == state.type][-1:]
    outputs = tuple(pool[-3:])
    return Graph(tuple(inputs), outputs, tuple(Update(state, value) for value in updates))
