"""Inputs for every primitive: what the op table test asks for, and what compiled code is run on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphdl.errors import UserError
from graphdl.graph.constant_value import ConstantValue
from graphdl.graph.nodes import Graph, Tensor, build_node
from graphdl.graph.op import Op
from graphdl.ops import cumulative, leaves
from graphdl.ops.table import OPS
from graphdl.typesystem.arithmetic import convert
from graphdl.typesystem.dtype import (
    ALL,
    DType,
    as_dtype,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int32,
    int64,
    uint8,
    uint32,
)
from graphdl.typesystem.tensor_type import TensorType

Array = np.ndarray[Any, Any]
FLOATS = (float16, bfloat16, float32, float64)
INTEGERS = tuple(dtype for dtype in ALL if dtype.is_integer)
NUMBERS = INTEGERS + FLOATS


@dataclass(frozen=True)
class Case:
    """One application of a primitive to arrays."""

    op: Op
    arrays: tuple[Array, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        operands = ",".join(f"{a.dtype}{list(a.shape)}" for a in self.arrays)
        extra = ",".join(f"{key}={value}" for key, value in self.attributes.items())
        return f"{self.op.name}({operands}{';' if extra else ''}{extra})"

    def graph(self) -> Graph:
        """The case with a placeholder for each array."""
        inputs = tuple(placeholder_like(array, f"x{n}") for n, array in enumerate(self.arrays))
        node = build_node(self.op, inputs, self.attributes)
        return Graph(inputs, node.results)


def placeholder_like(array: Array, name: str, shape: Sequence[Any] | None = None) -> Tensor:
    """An input for an array; `shape` may name sizes."""
    sizes = tuple(array.shape if shape is None else shape)
    attributes = {"name": name, "dtype": as_dtype(array.dtype), "shape": sizes, "default": None}
    return build_node(leaves.placeholder, (), attributes).results[0]


# Data ---------------------------------------------------------------------------------------------

SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (7,), (3, 5), (2, 0, 3), (2, 3, 65))
SPECIAL = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5, -0.5, 1.5, 2.5)


def numbers(
    dtype: DType, shape: tuple[int, ...], *, low: float = -4, high: float = 4, seed: int = 0
) -> Array:
    """Random numbers; integers over their whole range unless bounds are narrower than 100."""
    generator = np.random.default_rng([seed, len(shape), dtype.bits, sum(shape)])
    if dtype.is_bool:
        return generator.random(shape) < 0.5
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        return generator.integers(limits.min, limits.max, shape, dtype.numpy, endpoint=True)
    return convert(generator.uniform(low, high, shape), dtype)


def special(dtype: DType) -> Array:
    """Zeros, infinities, NaN, halves, and the extremes of the dtype."""
    if dtype.is_bool:
        return np.array([False, True])
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        return np.array([limits.min, limits.max, 0, 1, 2, limits.max - 1], dtype.numpy)
    return convert(np.array(SPECIAL), dtype)


def pairs(values: Array) -> tuple[Array, Array]:
    """Every value with every value."""
    left, right = np.meshgrid(values, values)
    return left.ravel().copy(), right.ravel().copy()


# Cases --------------------------------------------------------------------------------------------

_DOMAINS: dict[str, tuple[float, float]] = {
    "log": (0.01, 50), "sqrt": (0, 50), "rsqrt": (0.01, 50), "log1p": (-0.99, 50),
    "asin": (-1, 1), "acos": (-1, 1), "exp": (-20, 20), "sinh": (-10, 10), "cosh": (-10, 10),
    "floor": (-50, 50), "ceil": (-50, 50), "round": (-50, 50), "trunc": (-50, 50),
}  # fmt: skip


def accepts(op: Op, *dtypes: DType) -> bool:
    """Whether the op's type rule takes 0-d operands of these dtypes."""
    try:
        op.infer(*(TensorType(dtype, ()) for dtype in dtypes))
    except UserError:
        return False
    return True


def _elementwise_cases(op: Op, arity: int) -> Iterator[Case]:
    low, high = _DOMAINS.get(op.name, (-4, 4))
    for dtype in ALL:
        if not accepts(op, *(dtype,) * arity):
            continue
        shapes = SHAPES if dtype in (float32, int32) else ((3, 5),)
        for shape in shapes:
            arrays = [numbers(dtype, shape, low=low, high=high, seed=n) for n in range(arity)]
            yield Case(op, tuple(arrays))
        values = special(dtype)
        yield Case(op, (values,) if arity == 1 else pairs(values))


def _select_cases() -> Iterator[Case]:
    for dtype in ALL:
        yield Case(
            OPS["select"],
            (numbers(bool_, (3, 5)), numbers(dtype, (3, 5)), numbers(dtype, (3, 5), seed=1)),
        )


def _fma_cases() -> Iterator[Case]:
    for dtype in FLOATS:
        arrays = (numbers(dtype, (64,), seed=n) for n in range(3))
        yield Case(OPS["fma"], tuple(arrays))


def _convert_cases() -> Iterator[Case]:
    for source in ALL:
        for target in ALL:
            array = np.concatenate([numbers(source, (9,), low=-300, high=300), special(source)])
            yield Case(OPS["convert"], (array,), {"dtype": target})
            if source.bits == target.bits and not source.is_bool and not target.is_bool:
                yield Case(OPS["bitcast"], (array,), {"dtype": target})


_REDUCTION_SHAPES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((7,), (0,)), ((1,), (0,)), ((200,), (0,)), ((3, 5), (0,)), ((3, 5), (1,)), ((3, 5), (0, 1)),
    ((3, 5), ()), ((), ()), ((4, 3, 70), (2,)), ((4, 3, 70), (0, 2)), ((4, 3, 70), (1,)),
    ((130, 3), (0,)), ((2, 0), (0,)),
)  # fmt: skip


def _reduction_cases(op: Op) -> Iterator[Case]:
    for dtype in ALL:
        try:
            op.infer(TensorType(dtype, (3,)), axes=(0,))
        except TypeError:
            continue
        for shape, axes in (
            _REDUCTION_SHAPES
            if dtype in (float32, int32, bool_)
            else (
                ((3, 70), (1,)),
                ((70, 3), (0,)),
            )
        ):
            yield Case(op, (numbers(dtype, shape, low=-1, high=1),), {"axes": axes})
        is_extreme = op.name in ("reduce_max", "reduce_min")
        if not is_extreme:
            yield Case(op, (numbers(dtype, (2, 0)),), {"axes": (1,)})
        elif dtype.is_floating:
            yield Case(op, (np.tile(special(dtype)[:6], (2, 1)),), {"axes": (1,)})
            yield Case(op, (special(dtype),), {"axes": (0,)})


def _argument_cases(op: Op) -> Iterator[Case]:
    for dtype in NUMBERS:
        yield Case(op, (numbers(dtype, (3, 5)),), {"axis": 1})
        yield Case(op, (numbers(dtype, (5, 3)),), {"axis": 0})
    yield Case(op, (special(float32),), {"axis": 0})
    yield Case(op, (np.zeros((4, 3), np.float32),), {"axis": 0})
    yield Case(op, (numbers(float32, (2, 130)),), {"axis": 1})


def _cumulative_cases() -> Iterator[Case]:
    for op in cumulative.OPS:
        for dtype in FLOATS if op.is_transcendental else NUMBERS:
            yield Case(op, (numbers(dtype, (3, 5)),), {"axis": 1, "reverse": False})
        for axis in (0, 1, 2):
            for reverse in (False, True):
                array = numbers(float32, (3, 4, 7))
                yield Case(op, (array,), {"axis": axis, "reverse": reverse})
        yield Case(op, (numbers(float32, (0,)),), {"axis": 0, "reverse": False})
        yield Case(op, (special(float32),), {"axis": 0, "reverse": False})


def _dot_cases() -> Iterator[Case]:
    op = OPS["dot_general"]
    for dtype in (*FLOATS, int32, uint8):
        yield _dot(op, dtype, (5, 7), (7, 3), (1,), (0,))
    plain = [
        ((1, 1), (1, 1), (1,), (0,)), ((3, 0), (0, 4), (1,), (0,)), ((0, 3), (3, 4), (1,), (0,)),
        ((4,), (4,), (0,), (0,)), ((3,), (4,), (), ()), ((2, 3, 4), (4, 3, 5), (1, 2), (1, 0)),
        ((17, 33), (33, 19), (1,), (0,)), ((33, 17), (19, 33), (0,), (1,)),
    ]  # fmt: skip
    for lhs, rhs, left, right in plain:
        yield _dot(op, float32, lhs, rhs, left, right)
    yield _dot(op, float32, (2, 3, 4), (2, 4, 5), (2,), (1,), (0,), (0,))
    yield _dot(op, float32, (3, 4, 2), (5, 2, 4), (1,), (2,), (2,), (1,))


def _dot(
    op: Op,
    dtype: DType,
    lhs: tuple[int, ...],
    rhs: tuple[int, ...],
    left: tuple[int, ...],
    right: tuple[int, ...],
    left_batch: tuple[int, ...] = (),
    right_batch: tuple[int, ...] = (),
) -> Case:
    attributes = {
        "lhs_contract": left,
        "rhs_contract": right,
        "lhs_batch": left_batch,
        "rhs_batch": right_batch,
    }
    return Case(op, (numbers(dtype, lhs), numbers(dtype, rhs, seed=1)), attributes)


def _movement_cases() -> Iterator[Case]:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for shape in ((24,), (6, 4), (4, 6), (2, 12), (1, 2, 3, 4), (3, 8), (8, 3), (2, 2, 6)):
        yield Case(OPS["reshape"], (x,), {"shape": shape})
    yield Case(OPS["reshape"], (np.float32(3.0).reshape(()),), {"shape": (1, 1)})
    yield Case(OPS["reshape"], (np.zeros((0, 3), np.float32),), {"shape": (3, 0)})
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1), (2, 0, 1)):
        yield Case(OPS["transpose"], (x,), {"permutation": order})
    for shape, axes in (
        ((2, 3, 4), (0, 1, 2)),
        ((5, 2, 3, 4), (1, 2, 3)),
        ((2, 3, 4, 5), (0, 1, 2)),
    ):
        yield Case(OPS["broadcast_in_dim"], (x,), {"shape": shape, "broadcast_dimensions": axes})
    row = np.arange(4, dtype=np.float32).reshape(1, 4)
    for shape in ((3, 4), (0, 4)):
        yield Case(
            OPS["broadcast_in_dim"], (row,), {"shape": shape, "broadcast_dimensions": (0, 1)}
        )
    bounds = [
        ((0, 0, 0), (2, 3, 4), (1, 1, 1)), ((1, 1, 1), (2, 3, 4), (1, 1, 2)),
        ((0, 0, 3), (2, 3, 4), (1, 2, 1)), ((1, 0, 0), (1, 3, 4), (1, 1, 1)),
        ((0, 0, 0), (2, 3, 4), (5, 2, 3)),
    ]  # fmt: skip
    for starts, stops, steps in bounds:
        yield Case(OPS["slice"], (x,), {"starts": starts, "stops": stops, "steps": steps})
    for axes in ((), (0,), (0, 2), (0, 1, 2)):
        yield Case(OPS["reverse"], (x,), {"axes": axes})
    value = np.asarray(np.float32(9))
    for low, high in (((0, 0, 0), (0, 0, 0)), ((1, 0, 2), (0, 3, 1)), ((0, 1, 0), (0, 0, 0))):
        yield Case(OPS["pad"], (x, value), {"low": low, "high": high})
    yield Case(OPS["concatenate"], (x, x + 100), {"axis": 0})
    yield Case(OPS["concatenate"], (x, x[:, :0], x[:, 1:], x), {"axis": 1})
    yield Case(OPS["concatenate"], (x,), {"axis": 2})
    yield Case(OPS["stop_gradient"], (x,))


def _window_cases() -> Iterator[Case]:
    x = np.arange(2 * 5 * 7 * 3, dtype=np.float32).reshape(2, 5, 7, 3)
    for axes, sizes, strides, dilations in (
        ((1,), (2,), (1,), (1,)),
        ((1, 2), (2, 3), (1, 1), (1, 1)),
        ((1, 2), (2, 3), (2, 3), (1, 1)),
        ((1, 2), (3, 2), (1, 2), (2, 3)),
        ((0, 3), (1, 3), (1, 1), (1, 1)),
        ((2, 3), (7, 1), (1, 2), (1, 1)),
    ):
        attributes = {"axes": axes, "sizes": sizes, "strides": strides, "dilations": dilations}
        yield Case(OPS["windows"], (x,), attributes)
        yield Case(OPS["windows"], (x[:0] if 0 not in axes else x,), attributes)
    square = np.arange(2 * 3 * 4 * 3, dtype=np.float32).reshape(2, 3, 4, 3)
    yield Case(OPS["diagonal"], (square,), {"first": 1, "second": 3})
    yield Case(OPS["diagonal"], (square[0, :, 0],), {"first": 0, "second": 1})
    yield Case(OPS["diagonal"], (square[:, :0, :, :0],), {"first": 1, "second": 3})


def _indexing_cases() -> Iterator[Case]:
    for dtype in (float32, float16, int64, bool_):
        x = numbers(dtype, (4, 5, 3))
        for axis in (0, 1, 2):
            places = np.array([[0, 3, -7], [9, 1, 1]], np.int64)
            yield Case(OPS["gather"], (x, places), {"axis": axis})
            along = np.clip(numbers(int32, (4, 5, 3)) % 7, -1, 6).astype(np.int32)
            along = np.take(along, [0, 1], axis=axis)
            yield Case(OPS["gather_elements"], (x, along), {"axis": axis})
            if dtype == bool_:
                continue
            wanted = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
            updates = numbers(dtype, wanted, seed=2)
            yield Case(OPS["scatter_add"], (x, places, updates), {"axis": axis})
            updates = numbers(dtype, along.shape, seed=2)
            yield Case(OPS["scatter_add_elements"], (x, along, updates), {"axis": axis})
    x, none = numbers(float32, (4, 3)), np.zeros((0,), np.int64)
    yield Case(OPS["gather"], (x, none), {"axis": 0})
    yield Case(OPS["gather"], (x, np.asarray(2, np.int64)), {"axis": 0})
    yield Case(OPS["scatter_add"], (x, none, np.zeros((0, 3), np.float32)), {"axis": 0})


def _creation_cases() -> Iterator[Case]:
    for dtype in NUMBERS:
        yield Case(OPS["iota"], (), {"shape": (3, 5), "axis": 1, "dtype": dtype})
    yield Case(OPS["iota"], (), {"shape": (0,), "axis": 0, "dtype": int32})
    yield Case(OPS["iota"], (), {"shape": (4, 2, 3), "axis": 0, "dtype": float32})
    key, counter = np.array([7, 8], np.uint32), np.array([1, 2], np.uint32)
    for shape in ((), (1,), (5,), (3, 7), (0, 2)):
        yield Case(OPS["random_bits"], (key, counter), {"shape": shape})


def _other_cases() -> Iterator[Case]:
    x = numbers(float32, (3,))
    yield Case(OPS["print"], (x,), {"message": "x is"})
    yield Case(OPS["check"], (x, np.asarray(True)), {"message": "never"})
    yield Case(OPS["optimization_barrier"], (x, numbers(uint32, (2,))))
    yield Case(OPS["constant"], (), {"value": ConstantValue(x)})
    yield Case(OPS["size"], (), {"value": 5, "dtype": int64})


def all_cases() -> list[Case]:
    """Every case of every primitive that computes without regions or state."""
    cases: list[Case] = []
    for op in OPS.values():
        if op.kind.value != "elementwise" or op.name in ("select", "fma", "convert", "bitcast"):
            continue
        cases += _elementwise_cases(op, 1 if accepts(op, float32) or accepts(op, int32) else 2)
    for name in (
        "reduce_sum",
        "reduce_prod",
        "reduce_max",
        "reduce_min",
        "reduce_and",
        "reduce_or",
    ):
        cases += _reduction_cases(OPS[name])
    for name in ("argmax", "argmin"):
        cases += _argument_cases(OPS[name])
    for family in (
        _select_cases, _fma_cases, _convert_cases, _cumulative_cases, _dot_cases,
        _movement_cases, _window_cases, _indexing_cases, _creation_cases, _other_cases,
    ):  # fmt: skip
        cases += family()
    return cases


CASES: tuple[Case, ...] = tuple(all_cases())
"""Every case."""


def cases_of(*names: str) -> list[Case]:
    """The cases of these primitives."""
    return [case for case in CASES if case.op.name in names]
