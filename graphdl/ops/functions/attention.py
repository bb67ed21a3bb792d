"""Attention, rotary positions and embeddings, written from contractions, softmax and gathers."""

from __future__ import annotations

import math

import numpy as np

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.ops import contraction, movement
from graphdl.ops import elementwise as raw
from graphdl.ops.arguments import (
    Operand,
    as_operand,
    as_tensor,
    broadcast,
    cast,
    filled,
    literal,
    operand_lines,
    promote_operands,
)
from graphdl.ops.composite import softmax
from graphdl.ops.functions.creation import iota
from graphdl.ops.functions.indexing import as_indices, take
from graphdl.ops.functions.movement import concat, slice_axis, stack
from graphdl.ops.functions.random import Generator, bernoulli
from graphdl.ops.functions.reduction import max as max_of
from graphdl.ops.functions.reduction import mean as mean_of
from graphdl.ops.functions.reduction import sum as sum_of
from graphdl.ops.functions.spatial import require_floating
from graphdl.typesystem.broadcasting import can_broadcast_to
from graphdl.typesystem.dtype import DType, float32, float64, int64
from graphdl.typesystem.shape import canonical_axis

# Attention ----------------------------------------------------------------------------------------


def scaled_dot_product_attention(
    query: Operand,
    key: Operand,
    value: Operand,
    mask: Operand | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    dropout_p: float = 0.0,
    generator: Generator | None = None,
) -> Tensor:
    """softmax(query @ key^T * scale) @ value, from (…, heads, time, size) tensors.

    `mask` is bool (True: attend) or is added to the scores, and broadcasts to (…, heads, query
    time, key time). A query that may attend to nothing gives zeros. `is_causal` lets query t see
    keys up to t. `scale` is 1 / sqrt(size) by default. With `enable_gqa` the heads of the query are
    a multiple of those of key and value, which serve as many neighbouring heads each. Vaswani et
    al. (2017); grouped heads: Ainslie et al. (2023).

    >>> x = gd.ones((1, 2, 3, 4))
    >>> gd.scaled_dot_product_attention(x, x, x, is_causal=True).shape
    (1, 2, 3, 4)
    """
    op = "scaled_dot_product_attention"
    q, k, v = promote_operands(op, query, key, value, names=("query", "key", "value"))
    require_floating(op, q)
    groups = _require_heads(op, q, k, v, enable_gqa)
    scores = _scores(q, k, groups)
    factor = scale if scale is not None else 1 / math.sqrt(_known(op, q, q.shape[-1]))
    scaled: Tensor = raw.multiply(scores, filled(factor, q.dtype, scores.shape))
    weights = masked_softmax(op, scaled, mask, is_causal)
    if dropout_p:
        kept = bernoulli(weights.shape, p=1 - dropout_p, key=generator)
        zeros = filled(0, weights.dtype, weights.shape)
        bigger = raw.multiply(weights, filled(1 / (1 - dropout_p), weights.dtype, weights.shape))
        weights = raw.select(kept, bigger, zeros)
    return _mix(weights, v, groups)


def _known(op: str, x: Tensor, size: object) -> int:
    if not isinstance(size, int):
        raise ShapeError(
            f"{op}: the last axis must have a known size, or give a scale",
            details=operand_lines(query=x),
        )
    return max(size, 1)


def _require_heads(op: str, q: Tensor, k: Tensor, v: Tensor, is_grouped: bool) -> int:
    """How many query heads share a key head. Raises ShapeError."""
    lines = operand_lines(query=q, key=k, value=v)
    if not q.ndim == k.ndim == v.ndim or q.ndim < 2:
        raise ShapeError(f"{op}: query, key and value need equal ranks, at least 2", details=lines)
    if k.shape[:-1] != v.shape[:-1]:
        raise ShapeError(f"{op}: key and value differ in more than the last axis", details=lines)
    if q.shape[-1] != k.shape[-1]:
        raise ShapeError(
            f"{op}: the last axis is {q.shape[-1]} in query and {k.shape[-1]} in key", details=lines
        )
    if not is_grouped:
        if q.shape[:-2] != k.shape[:-2]:
            raise ShapeError(
                f"{op}: the leading axes of query and key differ",
                details=lines,
                hint="enable_gqa=True lets several heads of the query share one of the key",
            )
        return 1
    if q.ndim < 3 or q.shape[:-3] != k.shape[:-3]:
        raise ShapeError(f"{op}: the leading axes of query and key differ", details=lines)
    many, few = q.shape[-3], k.shape[-3]
    if not isinstance(many, int) or not isinstance(few, int) or few < 1 or many % few:
        raise ShapeError(
            f"{op}: {many} heads of the query are no multiple of {few} of the key", details=lines
        )
    return many // few


def _scores(q: Tensor, k: Tensor, groups: int) -> Tensor:
    """query @ key^T: (…, heads, query time, key time)."""
    batch = tuple(range(q.ndim - 2))
    last = k.ndim - 1
    if groups == 1:
        plain: Tensor = contraction.dot_general(
            q, k, lhs_contract=(last,), rhs_contract=(last,), lhs_batch=batch, rhs_batch=batch
        )
        return plain
    heads = (*k.shape[:-2], groups, *q.shape[-2:])
    apart = movement.reshape(q, shape=heads)
    product = contraction.dot_general(
        apart, k, lhs_contract=(last + 1,), rhs_contract=(last,), lhs_batch=batch, rhs_batch=batch
    )
    result: Tensor = movement.reshape(product, shape=(*q.shape[:-1], k.shape[-2]))
    return result


def _mix(weights: Tensor, v: Tensor, groups: int) -> Tensor:
    """weights @ value."""
    batch = tuple(range(v.ndim - 2))
    last = v.ndim - 1
    if groups == 1:
        plain: Tensor = contraction.dot_general(
            weights,
            v,
            lhs_contract=(last,),
            rhs_contract=(last - 1,),
            lhs_batch=batch,
            rhs_batch=batch,
        )
        return plain
    apart = movement.reshape(weights, shape=(*v.shape[:-2], groups, *weights.shape[-2:]))
    product = contraction.dot_general(
        apart,
        v,
        lhs_contract=(last + 1,),
        rhs_contract=(last - 1,),
        lhs_batch=batch,
        rhs_batch=batch,
    )
    result: Tensor = movement.reshape(product, shape=(*weights.shape[:-1], v.shape[-1]))
    return result


def masked_softmax(op: str, scores: Tensor, mask: Operand | None, is_causal: bool) -> Tensor:
    """softmax over the last axis of what a mask lets through; rows of nothing are 0."""
    allowed = _causal(scores) if is_causal else None
    if mask is not None:
        given = as_tensor(as_operand(mask, op, keep_float64=scores.dtype == float64), op)
        if not can_broadcast_to(given.shape, scores.shape):
            raise ShapeError(
                f"{op}: the mask {given.type} does not broadcast to the scores {scores.type}",
                details=operand_lines(mask=given),
            )
        whole = broadcast(given, scores.shape)
        if not given.dtype.is_bool:
            require_floating(op, given)
            added = cast(whole, scores.dtype)
            is_open: Tensor = raw.not_equal(added, filled(-np.inf, added.dtype, added.shape))
            scores = raw.add(
                scores, raw.select(is_open, added, filled(0, added.dtype, added.shape))
            )
            whole = is_open
        allowed = whole if allowed is None else raw.bitwise_and(allowed, whole)
    if allowed is None:
        return softmax(scores)
    low = filled(_lowest(scores.dtype), scores.dtype, scores.shape)
    weights = softmax(raw.select(allowed, scores, low))
    result: Tensor = raw.select(allowed, weights, filled(0, scores.dtype, scores.shape))
    return result


def _lowest(dtype: DType) -> float:
    """Far below any score, and finite, so that differences of two are not NaN."""
    return -3e4 if str(dtype) == "float16" else -1e30


def _causal(scores: Tensor) -> Tensor:
    """Whether a key's time is not above the query's."""
    shape = scores.shape
    query = iota(shape, len(shape) - 2, int64)
    result: Tensor = raw.less_equal(iota(shape, len(shape) - 1, int64), query)
    return result


# Positions ----------------------------------------------------------------------------------------


def rotary_embedding(
    x: Operand,
    positions: Operand | None = None,
    *,
    base: float = 10000.0,
    axis: int = -2,
    interleaved: bool = False,
) -> Tensor:
    """Pairs of elements of the last axis turned by angles that grow with the position along `axis`.

    Pair i of d/2 turns by position * base ** (-2i/d). A pair is element i and i + d/2, or, when
    `interleaved`, neighbours. `positions` are 0, 1, 2, … by default. Su et al. (2021).

    >>> gd.rotary_embedding(gd.ones((2, 4))).eval()[0].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    tensor = as_tensor(x, "rotary_embedding")
    require_floating("rotary_embedding", tensor)
    size = tensor.shape[-1] if tensor.ndim else None
    if tensor.ndim < 2 or not isinstance(size, int) or size % 2:
        raise ShapeError(
            f"rotary_embedding: the last axis must have a known even size, got {tensor.type}",
            details=operand_lines(x=tensor),
        )
    along = canonical_axis(axis, tensor.ndim, op="rotary_embedding")
    cosine, sine = _rotations(tensor, positions, along, size // 2, base)
    last = tensor.ndim - 1
    if interleaved:
        left, right = slice_axis(tensor, last, 0, size, 2), slice_axis(tensor, last, 1, size, 2)
    else:
        half = size // 2
        left, right = slice_axis(tensor, last, 0, half), slice_axis(tensor, last, half, size)
    first = raw.subtract(raw.multiply(left, cosine), raw.multiply(right, sine))
    second = raw.add(raw.multiply(right, cosine), raw.multiply(left, sine))
    if not interleaved:
        return concat([first, second], axis=last)
    result: Tensor = movement.reshape(stack([first, second], axis=last + 1), shape=tensor.shape)
    return result


def _rotations(
    x: Tensor, positions: Operand | None, axis: int, pairs: int, base: float
) -> tuple[Tensor, Tensor]:
    """cos and sin of the angles, in the shape of half of x; computed in float32 or wider."""
    dtype = float32 if x.dtype.bits == 16 else x.dtype
    shape = (*x.shape[:-1], pairs)
    if positions is None:
        place = iota(shape, axis, dtype)
    else:
        given = cast(as_tensor(positions, "rotary_embedding"), dtype)
        if given.shape != (x.shape[axis],):
            raise ShapeError(
                f"rotary_embedding: {x.shape[axis]} positions are needed, got {given.type}",
                details=operand_lines(x=x, positions=given),
            )
        place = movement.broadcast_in_dim(given, shape=shape, broadcast_dimensions=(axis,))
    speeds = base ** (-np.arange(pairs) / pairs)
    speed = movement.broadcast_in_dim(
        literal(speeds.astype(dtype.numpy)),
        shape=shape,
        broadcast_dimensions=(len(shape) - 1,),
    )
    angle = raw.multiply(place, speed)
    return cast(raw.cos(angle), x.dtype), cast(raw.sin(angle), x.dtype)


# Embeddings ---------------------------------------------------------------------------------------


def embedding(indices: Operand, weight: Operand, *, padding_idx: int | None = None) -> Tensor:
    """Rows of a (count, size) table: result shape is that of `indices`, then size.

    The row `padding_idx` gets no gradient.

    >>> gd.embedding([2, 0], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).eval().tolist()
    [[5.0, 6.0], [1.0, 2.0]]
    """
    table = _table("embedding", weight)
    rows = take(table, indices, axis=0)
    if padding_idx is None:
        return rows
    places = as_indices(indices, table.shape[0], "embedding")
    number = _row_number(table, padding_idx)
    is_padding = raw.equal(places, filled(number, places.dtype, places.shape))
    spread = movement.broadcast_in_dim(
        is_padding, shape=rows.shape, broadcast_dimensions=tuple(range(places.ndim))
    )
    result: Tensor = raw.select(spread, movement.stop_gradient(rows), rows)
    return result


def _table(op: str, weight: Operand) -> Tensor:
    table = as_tensor(weight, op)
    if table.ndim != 2:
        raise ShapeError(
            f"{op}: the table must be (count, size), got {table.type}",
            details=operand_lines(weight=table),
        )
    return table


def _row_number(table: Tensor, index: int) -> int:
    count = table.shape[0]
    if isinstance(count, int) and not -count <= index < count:
        raise ArgumentError(f"embedding: padding_idx {index} is outside a table of {count} rows")
    return index + count if index < 0 and isinstance(count, int) else index


def embedding_bag(
    indices: Operand,
    weight: Operand,
    *,
    mode: str = "mean",
    per_sample_weights: Operand | None = None,
) -> Tensor:
    """The sum, mean or max of the rows that each row of a 2-d `indices` names.

    `per_sample_weights` (mode "sum" only) has the shape of `indices`.

    >>> gd.embedding_bag([[2, 0]], [[1.0], [3.0], [5.0]]).eval().tolist()
    [[3.0]]
    """
    folds = {"sum": sum_of, "mean": mean_of, "max": max_of}
    if mode not in folds:
        raise ArgumentError(f'embedding_bag: mode must be "sum", "mean" or "max", got {mode!r}')
    rows = embedding(indices, weight)
    if rows.ndim != 3:
        raise ShapeError("embedding_bag: the indices must be 2-d", details=operand_lines(rows=rows))
    if per_sample_weights is not None:
        if mode != "sum":
            raise ArgumentError('embedding_bag: per_sample_weights are for mode "sum"')
        factor = cast(as_tensor(per_sample_weights, "embedding_bag"), rows.dtype)
        if factor.shape != rows.shape[:2]:
            raise ShapeError(
                "embedding_bag: per_sample_weights must have the shape of indices",
                details=operand_lines(per_sample_weights=factor),
            )
        spread = movement.broadcast_in_dim(factor, shape=rows.shape, broadcast_dimensions=(0, 1))
        rows = raw.multiply(rows, spread)
    return folds[mode](rows, axis=1)
