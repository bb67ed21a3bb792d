"""Whole Jacobians and Hessians, as batches of directional derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from graphdl.autodiff.batch import batch_graph
from graphdl.autodiff.forward import jvp
from graphdl.autodiff.push import push_forward
from graphdl.autodiff.reverse import Disconnected, grad, require_floating, require_tensor, vjp
from graphdl.autodiff.rules import batched, from_front, zeros_like
from graphdl.errors import ArgumentError
from graphdl.graph.nodes import Tensor, build_node
from graphdl.graph.structure import leaves_of, restructure
from graphdl.ops.creation import iota
from graphdl.ops.elementwise import convert, equal
from graphdl.ops.movement import reshape
from graphdl.ops.region_tracing import make_parameters
from graphdl.typesystem.dtype import int64
from graphdl.typesystem.tensor_type import TensorType

Mode = Literal["auto", "forward", "reverse"]


def jacobian(output: Tensor, wrt: Any, *, mode: Mode = "auto") -> Any:
    """The derivative of every element of `output` with respect to every element of `wrt`.

    `output` is one floating tensor of any shape, `wrt` a tensor or tensors in nested dicts, lists
    and tuples. The result has the structure of `wrt`, shapes `output.shape + x.shape` and the
    dtypes of `wrt`; sizes may be named. `mode`: "reverse" pulls back each element of the output,
    "forward" pushes each element of `wrt`, all at once as one batch; "auto" takes forward where
    `wrt` is known to have fewer elements (Griewank and Walther, Evaluating Derivatives, 2008,
    chapter 3). Raises GradientError as `gd.grad` does, ArgumentError for another mode.

    >>> x = gd.placeholder("x", (2,))
    >>> gd.jacobian(gd.exp(x), x).eval({x: [0.0, 0.0]}).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ArgumentError(f"jacobian: mode={mode!r}", hint='use "auto", "forward" or "reverse"')
    require_tensor(output, "jacobian: the output")
    require_floating("output", output, "jacobian")
    (seed,) = make_parameters([output.type])
    pulled = leaves_of(vjp(output, wrt, seed))
    targets = leaves_of(wrt)
    if mode == "forward" or (mode == "auto" and _is_narrow(output, targets)):
        found = [columns([output], target)[0] for target in targets]
    else:
        found = _rows(output, seed, pulled)
    pairs = zip(found, targets, strict=True)
    return restructure(wrt, [_cast_to(part, target) for part, target in pairs])


def hessian(cost: Tensor, wrt: Any) -> Any:
    """The second derivatives of a 0-d `cost` with respect to every pair of elements of `wrt`.

    For one tensor the shape is `x.shape + x.shape`. For tensors in nested dicts, lists and tuples
    the result has the structure of `wrt`, each leaf again in that structure: `h["w"]["b"]` has the
    shape `w.shape + b.shape`. Sizes may be named. Forward over reverse (Pearlmutter, "Fast exact
    multiplication by the Hessian", 1994), all directions as one batch. Raises what `gd.grad` does.

    >>> x = gd.placeholder("x", (2,))
    >>> gd.hessian(gd.sum(x * x * x), x).eval({x: [1.0, 2.0]}).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    targets = leaves_of(wrt)
    slopes = leaves_of(grad(cost, wrt))
    blocks = [columns(slopes, target) for target in targets]
    rows = [
        restructure(wrt, [blocks[j][i] for j in range(len(targets))]) for i in range(len(slopes))
    ]
    return restructure(wrt, rows)


def hvp(cost: Tensor, wrt: Any, vectors: Any, *, disconnected: Disconnected = "raise") -> Any:
    """The Hessian of a 0-d `cost` times `vectors`, without the Hessian.

    `wrt` is a tensor or tensors in nested dicts, lists and tuples; `vectors` has its structure,
    dtypes and shapes, and None is zero. So has the result. Forward over reverse (Pearlmutter,
    "Fast exact multiplication by the Hessian", 1994): about twice the work of a gradient. `wrt`,
    `disconnected` and errors are as for `gd.grad`; where the cost is linear the result is zero.

    >>> x = gd.placeholder("x", (2,))
    >>> gd.hvp(gd.sum(x * x * x), x, gd.constant([1.0, 10.0])).eval({x: [1.0, 2.0]})
    array([  6., 120.], dtype=float32)
    """
    slopes = grad(cost, wrt, disconnected=disconnected)
    if disconnected != "none":
        return jvp(slopes, wrt, vectors, disconnected="zero")
    flat = leaves_of(slopes)
    known = jvp([s for s in flat if s is not None], wrt, vectors, disconnected="zero")
    remaining = iter(known)
    return restructure(wrt, [None if s is None else next(remaining) for s in flat])


def columns(outputs: Sequence[Tensor], target: Tensor) -> list[Tensor]:
    """The Jacobian of each output by `target`, in forward mode; zeros where there is none."""
    count = target.type.element_count
    (seed,) = make_parameters([target.type])
    found = push_forward(outputs, [target], [seed])
    tangents = [
        zeros_like(output) if tangent is None else tangent
        for output, tangent in zip(outputs, found, strict=True)
    ]
    whole = batch_graph(tangents, {seed.key: basis(target.type)}, count)
    results: list[Tensor] = []
    for output, tangent in zip(outputs, whole, strict=True):
        moved = from_front(batched(tangent, tangent.ndim > output.ndim, count), output.ndim)
        results.append(reshape(moved, shape=output.shape + target.shape))
    return results


def _rows(output: Tensor, seed: Tensor, pulled: Sequence[Tensor]) -> list[Tensor]:
    """The Jacobian of the output by each tensor, in reverse mode."""
    count = output.type.element_count
    whole = batch_graph(pulled, {seed.key: basis(output.type)}, count)
    return [
        reshape(batched(rows, rows.ndim > part.ndim, count), shape=output.shape + part.shape)
        for rows, part in zip(whole, pulled, strict=True)
    ]


def basis(type_: TensorType) -> Tensor:
    """Every unit tensor of a type, one after the other on a new first axis."""
    count = type_.element_count
    square = {"shape": (count, count), "dtype": int64}
    row, column = (build_node(iota, (), {**square, "axis": axis}).results[0] for axis in (0, 1))
    units = convert(equal(row, column), dtype=type_.dtype)
    result: Tensor = reshape(units, shape=(count, *type_.shape))
    return result


def _is_narrow(output: Tensor, targets: Sequence[Tensor]) -> bool:
    """Whether `wrt` is known to have fewer elements than the output."""
    counts = [target.type.element_count for target in targets]
    total, wanted = sum(counts), output.type.element_count
    return isinstance(total, int) and isinstance(wanted, int) and total < wanted


def _cast_to(part: Tensor, target: Tensor) -> Tensor:
    if part.dtype == target.dtype:
        return part
    result: Tensor = convert(part, dtype=target.dtype)
    return result
