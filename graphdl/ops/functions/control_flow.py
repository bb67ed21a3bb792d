"""Loops and branches as operations: regions, each compiled once, whatever the number of steps."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphdl.errors import ArgumentError, DTypeError, ShapeError, UserError
from graphdl.graph.describe import describe
from graphdl.graph.nodes import StateWrite, Tensor, build_node, take_serial, topological_order
from graphdl.graph.structure import leaves_of, map_leaves, restructure
from graphdl.ops import control_flow as ops
from graphdl.ops.arguments import Operand, as_tensor, broadcast, cast, operand_lines
from graphdl.ops.functions.creation import arange
from graphdl.ops.functions.elementwise import clip
from graphdl.ops.functions.movement import concat, moveaxis, reshape, slice_axis, stack
from graphdl.ops.region_tracing import Traced, close, inside_loop, make_parameters
from graphdl.typesystem.dtype import int32, int64
from graphdl.typesystem.expression import Size, maximum
from graphdl.typesystem.shape import as_size, canonical_axis
from graphdl.typesystem.tensor_type import TensorType

Step = Callable[[Any, Any], Any]


def scan(
    step: Step,
    init: Any,
    xs: Any = None,
    *,
    length: Any = None,
    reverse: bool = False,
    axis: int = 0,
    unroll: int = 1,
    remat: bool | None = None,
) -> tuple[Any, Any]:
    """`step(carry, x) -> (carry, y)` over slices of `xs`: `(last carry, stacked ys)`.

    `init`, `xs` and what `step` returns are tensors in nested dicts, lists and tuples; `xs` may be
    None (then `length` says how many steps; x is None) and so may y. Slices are taken, and results
    stacked, along `axis`; `reverse` goes from the last slice to the first, results stay at the
    place of their slice. A carry keeps its dtype and shape. `unroll` steps are written out per turn
    of the loop. For the gradient the values that it reads are kept for each step; with
    `remat=True` only the carries, the rest is computed again. Random draws differ from step to
    step. Raises ShapeError, DTypeError or ArgumentError for carries that change and sequences of
    different lengths.

    >>> x = gd.placeholder("x", ("steps", 3))
    >>> last, sums = gd.scan(lambda total, row: (total + row, total + row), gd.zeros(3), x)
    >>> sums.eval({x: [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]})
    array([[1., 2., 3.],
           [2., 3., 4.]], dtype=float32)
    """
    carries = _operands(init)
    sequences = [] if xs is None else [_front(x, axis) for x in _operands(xs)]
    count = _length(sequences, length)
    if type(unroll) is not int or unroll < 1:
        raise ArgumentError(f"scan: unroll must be a whole number above 0, got {unroll!r}")
    loop = _Loop(step, init, xs, reverse, axis, bool(remat))
    if unroll > 1 and isinstance(count, int) and count > 1:
        return _unrolled(loop, carries, sequences, count, min(unroll, count))
    return loop.build(carries, sequences, count)


def fori_loop(lower: Any, upper: Any, body: Callable[[Tensor, Any], Any], init: Any) -> Any:
    """`carry = body(i, carry)` for i in [lower, upper): the last carry.

    The bounds are ints or named sizes; i is a 0-d int64. Carries are as for `scan`.

    >>> x = gd.placeholder("x", ())
    >>> gd.fori_loop(0, 3, lambda i, total: total * x, gd.ones(())).eval({x: 2.0})
    array(8., dtype=float32)
    """
    first, last = as_size(lower, op="fori_loop"), as_size(upper, op="fori_loop")
    steps = arange(first, maximum(first, last), dtype="int64")
    return scan(lambda carry, i: (body(i, carry), None), init, steps)[0]


def map(function: Callable[[Any], Any], xs: Any, *, axis: int = 0) -> Any:
    """`function` of each slice of `xs` along `axis`, one after the other; the results stacked.

    >>> x = gd.placeholder("x", ("n", 2))
    >>> gd.map(lambda row: gd.sum(row), x).eval({x: [[1.0, 2.0], [3.0, 4.0]]})
    array([3., 7.], dtype=float32)
    """
    return scan(lambda carry, x: (carry, function(x)), (), xs, axis=axis)[1]


def cond(
    condition: Operand,
    if_true: Callable[..., Any],
    if_false: Callable[..., Any],
    *operands: Any,
) -> Any:
    """`if_true(*operands)` where the 0-d bool `condition` holds, else `if_false(*operands)`.

    Only the chosen branch runs. Both return tensors of the same types in the same structure; Python
    numbers become what the other branch returns. Raises ArgumentError, ShapeError or DTypeError.

    >>> x = gd.placeholder("x", ())
    >>> gd.cond(x > 0.0, gd.sqrt, gd.zeros_like, x).eval({x: 4.0})
    array(2., dtype=float32)
    """
    chosen = as_tensor(condition, "cond")
    if not chosen.dtype.is_bool or chosen.ndim:
        raise DTypeError("cond: needs a 0-d bool", details=operand_lines(condition=chosen))
    return _choose("cond", cast(chosen, int32), (if_false, if_true), operands)


def switch(index: Operand, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)`; the 0-d integer `index` is clamped to the range.

    Branches and errors are as for `cond`.

    >>> i = gd.placeholder("i", (), dtype="int32")
    >>> gd.switch(i, [lambda: 1.0, lambda: 2.0, lambda: gd.exp(0.0)]).eval({i: 1})
    array(2., dtype=float32)
    """
    number = as_tensor(index, "switch")
    if not number.dtype.is_integer or number.ndim:
        raise DTypeError("switch: needs a 0-d integer index", details=operand_lines(index=number))
    if not branches:
        raise ArgumentError("switch: there are no branches")
    return _choose("switch", cast(clip(number, 0, len(branches) - 1), int32), branches, operands)


def _choose(
    op: str, number: Tensor, branches: Sequence[Callable[..., Any]], operands: tuple[Any, ...]
) -> Any:
    traced = []
    for branch in branches:
        first = take_serial()
        traced.append(Traced(op, [], [], branch(*operands), first))
    outline = _outline(traced[0].result)
    for each in traced[1:]:
        if _outline(each.result) != outline:
            raise ArgumentError(
                f"{op}: the branches return different structures",
                details=(f"{outline}", f"{_outline(each.result)}"),
            )
    columns = [_of_one_type(op, leaves) for leaves in zip(*_leaves(traced), strict=True)]
    outputs = [list(row) for row in zip(*columns, strict=True)] or [[] for _ in traced]
    captures: dict[tuple[int, int], Tensor] = {}
    writes: list[StateWrite] = []
    for each, tensors in zip(traced, outputs, strict=True):
        captures.update((tensor.key, tensor) for tensor in each.find_captures(tensors))
        writes += each.hoisted_writes(tensors)
    inside = list(captures.values())
    regions = tuple(close(tensors, inside) for tensors in outputs)
    node = build_node(ops.switch, [number, *inside], regions=regions, writes=tuple(writes))
    return restructure(traced[0].result, node.results)


def _leaves(traced: Sequence[Traced]) -> list[list[Any]]:
    return [leaves_of(each.result) for each in traced]


def _of_one_type(op: str, leaves: Sequence[Any]) -> list[Tensor]:
    """The same leaf of each branch, as tensors of one type."""
    wanted = next((leaf for leaf in leaves if isinstance(leaf, Tensor)), None)
    if wanted is None:
        wanted = as_tensor(leaves[0], op)
    tensors = [
        leaf
        if isinstance(leaf, Tensor)
        else broadcast(cast(as_tensor(leaf, op), wanted.dtype), wanted.shape)
        for leaf in leaves
    ]
    for tensor in tensors:
        if tensor.type != wanted.type:
            kind: type[UserError] = ShapeError if tensor.shape != wanted.shape else DTypeError
            raise kind(
                f"{op}: one branch returns {wanted.type}, another {tensor.type}",
                details=(describe(wanted), describe(tensor)),
            )
    return tensors


@dataclass(frozen=True, slots=True)
class _Loop:
    """A step function, the structures that it takes, and how it is run."""

    step: Step
    init: Any
    xs: Any
    reverse: bool
    axis: int
    remat: bool

    def call(self, carries: Sequence[Tensor], slices: Sequence[Tensor]) -> tuple[Any, Any]:
        """What the user's function returns: (carry, y)."""
        x = None if self.xs is None else restructure(self.xs, slices)
        returned = self.step(restructure(self.init, carries), x)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise ArgumentError(
                f"scan: the step must return (carry, y), got {type(returned).__name__}",
                hint="return (carry, None) when there is nothing to stack",
            )
        return returned

    def carries_of(self, carry: Any, wanted: Sequence[Tensor]) -> list[Tensor]:
        """The new carries, checked against those that the step was given."""
        if _outline(carry) != _outline(self.init):
            raise ArgumentError(
                "scan: the step returns a carry of another structure than init",
                details=(f"init    {_outline(self.init)}", f"carry   {_outline(carry)}"),
            )
        given = leaves_of(carry)
        return [_as_carry(value, old) for value, old in zip(given, wanted, strict=True)]

    def build(
        self, carries: list[Tensor], sequences: list[Tensor], length: Size
    ) -> tuple[Any, Any]:
        """One scan node over sequences along axis 0."""
        first = take_serial()
        slices = [TensorType(x.dtype, x.shape[1:]) for x in sequences]
        types = [*(c.type for c in carries), *slices, TensorType(int64, ())]
        *parameters, number = make_parameters(types)
        given = parameters[: len(carries)]
        with inside_loop(number):
            carry, y = self.call(given, parameters[len(carries) :])
        after = self.carries_of(carry, given)
        ys, places = _results(y)
        outputs = [*after, *ys]
        traced = Traced("scan", [*carries, *sequences], [*parameters, number], None, first)
        captures = traced.find_captures(outputs)
        steps = [arange(length, dtype="int64")] if _reaches(outputs, number) else []
        inside = [*parameters, *([number] if steps else []), *captures]
        node = build_node(
            ops.scan,
            [*carries, *sequences, *steps, *captures],
            {
                "carries": len(carries),
                "sequences": len(sequences) + len(steps),
                "length": length,
                "reverse": self.reverse,
                "remat": self.remat,
            },
            regions=(close(outputs, inside),),
            writes=traced.hoisted_writes(outputs),
        )
        final, stacked = node.results[: len(carries)], node.results[len(carries) :]
        found = [_back(result, self.axis) for result in stacked]
        filled = [None if place is None else found[place] for place in places]
        return restructure(self.init, final), restructure(y, filled)


def _unrolled(
    loop: _Loop, carries: list[Tensor], sequences: list[Tensor], length: int, turns: int
) -> tuple[Any, Any]:
    """A loop whose body is `turns` steps, then a loop for the steps that are left."""
    rest = length % turns
    start, stop = (rest, length) if loop.reverse else (0, length - rest)
    blocks = [_block(x, start, stop, turns) for x in sequences]
    carry, ys = _chunked(loop, turns).build(carries, blocks, (length - rest) // turns)
    joined = [None if y is None else _joined(y) for y in leaves_of(ys)]
    if rest:
        left = (0, rest) if loop.reverse else (stop, length)
        tail = [slice_axis(x, 0, *left) for x in sequences]
        front = replace(loop, axis=0)
        carry, others = front.build(leaves_of(carry), tail, rest)
        pairs = zip(joined, leaves_of(others), strict=True)
        joined = [None if y is None else _in_order(y, other, loop.reverse) for y, other in pairs]
    placed = [None if y is None else _back(y, loop.axis) for y in joined]
    return carry, restructure(ys, placed)


def _chunked(loop: _Loop, turns: int) -> _Loop:
    def step(carry: Any, slices: Any) -> tuple[Any, Any]:
        found: list[Any] = [None] * turns
        order = range(turns)
        for turn in reversed(order) if loop.reverse else order:
            given = leaves_of(carry)
            after, found[turn] = loop.call(given, [x[turn] for x in slices])
            carry = restructure(loop.init, loop.carries_of(after, given))
        columns = zip(*builtins.map(leaves_of, found), strict=True)
        stacked = [None if column[0] is None else stack(column) for column in columns]
        return carry, restructure(found[0], stacked)

    xs = None if loop.xs is None else leaves_of(loop.xs)
    return _Loop(step if xs is not None else lambda c, x: step(c, []), loop.init, xs,
                 loop.reverse, 0, loop.remat)  # fmt: skip


def _block(x: Tensor, start: int, stop: int, turns: int) -> Tensor:
    part = slice_axis(x, 0, start, stop)
    return reshape(part, ((stop - start) // turns, turns, *x.shape[1:]))


def _joined(y: Tensor) -> Tensor:
    count, turns, *shape = y.shape
    return reshape(y, (count * turns, *shape))


def _in_order(main: Tensor, rest: Tensor, reverse: bool) -> Tensor:
    return concat([rest, main] if reverse else [main, rest])


def _reaches(outputs: Sequence[Tensor], tensor: Tensor) -> bool:
    return any(node is tensor.node for node in topological_order(outputs))


def _operands(tree: Any) -> list[Tensor]:
    """The leaves as tensors; Python numbers become 0-d constants."""
    return [as_tensor(leaf, "scan") for leaf in leaves_of(tree)]


def _front(x: Tensor, axis: int) -> Tensor:
    if x.ndim == 0:
        raise ShapeError("scan: a 0-d tensor has no slices", details=operand_lines(xs=x))
    return moveaxis(x, canonical_axis(axis, x.ndim, op="scan"), 0) if axis else x


def _back(y: Tensor, axis: int) -> Tensor:
    return moveaxis(y, 0, canonical_axis(axis, y.ndim, op="scan")) if axis else y


def _length(sequences: list[Tensor], length: Any) -> Size:
    """The number of steps that `length=` and the sequences agree on."""
    given = None if length is None else as_size(length, op="scan")
    if given is None and not sequences:
        raise ArgumentError("scan: without xs, length= must say how many steps")
    for x in sequences:
        given = x.shape[0] if given is None else given
        if x.shape[0] != given:
            lines = [describe(each) for each in sequences]
            what = f"length is {given}" if length is not None else f"another has {given}"
            raise ShapeError(f"scan: a sequence has {x.shape[0]} steps, {what}", details=lines)
    assert given is not None
    return given


def _outline(tree: Any) -> Any:
    """The structure alone."""
    return map_leaves(lambda leaf: "·", tree)


def _as_carry(value: Any, old: Tensor) -> Tensor:
    """A new carry; a Python number becomes what the old one was."""
    if not isinstance(value, Tensor):
        return broadcast(cast(as_tensor(value, "scan"), old.dtype), old.shape)
    if value.type == old.type:
        return value
    error: type[UserError] = ShapeError if value.shape != old.shape else DTypeError
    raise error(
        f"scan: a carry starts as {old.type} and becomes {value.type} after one step",
        details=operand_lines(carry=value),
        hint="a carry keeps its dtype and shape: start with the type that the step returns",
    )


def _results(y: Any) -> tuple[list[Tensor], list[int | None]]:
    """The tensors of y, and for each leaf which of them it is; None stays None."""
    tensors: list[Tensor] = []
    places: list[int | None] = []
    for leaf in leaves_of(y):
        places.append(None if leaf is None else len(tensors))
        if leaf is not None:
            tensors.append(as_tensor(leaf, "scan"))
    return tensors, places
