"""Movement against NumPy, and every index map against the reference, element by element."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.op import Attributes, OpKind
from graphdl.ops.reshape_map import match_groups, reshape_index
from graphdl.ops.table import OPS
from graphdl.typesystem.dtype import as_dtype, float32, int32
from graphdl.typesystem.expression import Symbol, evaluate
from graphdl.typesystem.index_map import IndexMap, axis_symbols
from graphdl.typesystem.tensor_type import TensorType
from tests.plugins.cases import CASES, Case, cases_of

MOVEMENTS = [case for case in CASES if case.op.kind is OpKind.MOVEMENT]


def computed(case: Case) -> Any:
    assert case.op.reference is not None
    return case.op.reference(*case.arrays, **case.attributes)


def through_index_maps(case: Case) -> Any:
    """The result read through the op's index maps; an element that no map reaches stays -1."""
    assert case.op.index_map is not None
    types = tuple(TensorType(as_dtype(a.dtype), a.shape) for a in case.arrays)
    (type_,) = case.op.infer(*types, **case.attributes)
    result = np.full(type_.shape, -1, case.arrays[0].dtype)
    order = reversed(range(len(case.arrays)))  # a padding value first, what covers it after
    for position in order:
        index_map = case.op.index_map(types, Attributes(case.attributes), position)
        for index in itertools.product(*map(range, type_.shape)):
            place, conditions = index_map.apply(index)
            if all(condition.holds({}) for condition in conditions):
                result[index] = case.arrays[position][place]
    return result


@pytest.mark.parametrize("case", MOVEMENTS, ids=str)
def test_index_maps_say_what_references_do(case: Case) -> None:
    np.testing.assert_array_equal(through_index_maps(case), computed(case))


def test_a_wrong_index_map_is_caught() -> None:
    case = next(c for c in cases_of("reverse") if c.attributes["axes"] == (0, 2))
    symbols = axis_symbols(3)
    wrong = replace(
        case.op, index_map=lambda types, attributes, position: IndexMap(symbols, symbols)
    )
    case = replace(case, op=wrong)
    assert not np.array_equal(through_index_maps(case), computed(case))


ORACLES: dict[str, Any] = {
    "reshape": lambda x, shape: np.reshape(x, shape),
    "transpose": lambda x, permutation: np.transpose(x, permutation),
    "reverse": lambda x, axes: np.flip(x, axes),
    "pad": lambda x, value, low, high: np.pad(
        x, list(zip(low, high, strict=True)), constant_values=value
    ),
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    "slice": lambda x, starts, stops, steps: x[tuple(map(slice, starts, stops, steps))],
}


@pytest.mark.parametrize("name", ORACLES)
def test_values_are_numpys(name: str) -> None:
    for case in cases_of(name):
        wanted = ORACLES[name](*case.arrays, **case.attributes)
        np.testing.assert_array_equal(computed(case), wanted, err_msg=str(case))


def test_results_are_dense_copies() -> None:
    for case in MOVEMENTS:
        if case.op.name not in ("reshape", "stop_gradient"):
            assert computed(case).flags.c_contiguous, str(case)


BATCH, TIME = Symbol("batch"), Symbol("time")


def test_splitting_and_merging_axes_divide_only_within_them() -> None:
    d0, d1, d2, d3 = axis_symbols(4)
    split = reshape_index((BATCH, 64), (BATCH, 8, 8), (d0, d1, d2))
    assert split == (d0, 8 * d1 + d2)
    merge = reshape_index((BATCH, TIME, 8, 16), (BATCH, TIME, 128), (d0, d1, d2))
    assert merge == (d0, d1, d2 // 16, d2 % 16)
    flatten = reshape_index((BATCH, TIME, 8), (BATCH * TIME, 8), (d0, d1))
    assert flatten == (d0 // TIME, d0 % TIME, d1)
    unit = reshape_index((BATCH, 1, 8), (1, BATCH, 8, 1), (d0, d1, d2, d3))
    assert unit == (d1, 0, d2)


def test_groups_of_axes_are_the_shortest() -> None:
    assert match_groups((BATCH, 4, 6), (BATCH, 2, 12)) == (((0,), (0,)), ((1, 2), (1, 2)))
    assert match_groups((BATCH, 3), (3, BATCH)) == (((0, 1), (0, 1)),)
    assert match_groups((BATCH,), (BATCH // 2, 2)) is None


@pytest.mark.parametrize(
    ("before", "after", "batch"),
    [
        ((BATCH, 6), (BATCH // 2, 2, 6), 4),
        ((BATCH * 2, 3), (BATCH, 6), 5),
        ((3, BATCH), (BATCH, 3), 4),
        ((BATCH,), (1, BATCH, 1), 3),
    ],
)
def test_named_reshapes_read_the_right_elements(before: Any, after: Any, batch: int) -> None:
    sizes = {BATCH: batch}
    source = tuple(evaluate(size, sizes) for size in before)
    target = tuple(evaluate(size, sizes) for size in after)
    x = np.arange(int(np.prod(source))).reshape(source)
    wanted = x.reshape(target)
    for index in itertools.product(*map(range, target)):
        place = reshape_index(before, after, index)
        assert x[tuple(evaluate(p, sizes) for p in place)] == wanted[index]


def test_named_reshapes_are_guarded() -> None:
    guards = OPS["reshape"].guards
    assert guards is not None
    x = TensorType(float32, (BATCH, 3))
    assert guards(x, shape=(3 * BATCH,)) == ()
    (guard,) = guards(x, shape=(BATCH * 3 // 2, 2))
    assert guard.condition.holds({BATCH: 4})
    assert not guard.condition.holds({BATCH: 3})


def test_slices_of_named_sizes_are_guarded() -> None:
    guards = OPS["slice"].guards
    assert guards is not None
    x = TensorType(float32, (BATCH, 3))
    (guard,) = guards(x, starts=(2, 0), stops=(5, 3), steps=(1, 1))
    assert str(guard.condition) == "5 <= batch"
    assert guards(x, starts=(0, 0), stops=(BATCH, 3), steps=(2, 1)) == ()
    messages = {
        str(g.condition) for g in guards(x, starts=(BATCH - 2, 0), stops=(BATCH, 3), steps=(1, 1))
    }
    assert messages == {"0 <= batch-2"}


def test_type_rules_refuse_by_their_constraints() -> None:
    x = TensorType(float32, (2, 3))
    refusals: list[tuple[str, type[Exception], str, tuple[TensorType, ...], dict[str, Any]]] = [
        ("reshape", ShapeError, r"C1", (x,), {"shape": (7,)}),
        ("transpose", ArgumentError, r"C1", (x,), {"permutation": (0, 0)}),
        (
            "broadcast_in_dim",
            ArgumentError,
            r"C1",
            (x,),
            {"shape": (2, 3), "broadcast_dimensions": (0,)},
        ),
        (
            "broadcast_in_dim",
            ArgumentError,
            r"C2",
            (x,),
            {"shape": (3, 2), "broadcast_dimensions": (1, 0)},
        ),
        (
            "broadcast_in_dim",
            ShapeError,
            r"C3",
            (x,),
            {"shape": (2, 4), "broadcast_dimensions": (0, 1)},
        ),
        ("slice", ArgumentError, r"C1", (x,), {"starts": (0,), "stops": (1,), "steps": (1,)}),
        ("slice", ArgumentError, r"C2", (x,), {"starts": (0, 0), "stops": (1, 1), "steps": (1, 0)}),
        ("slice", ShapeError, r"C3", (x,), {"starts": (0, 0), "stops": (3, 1), "steps": (1, 1)}),
        ("reverse", ArgumentError, r"C1", (x,), {"axes": (2,)}),
        ("pad", ShapeError, r"C1", (x, x), {"low": (0, 0), "high": (0, 0)}),
        ("pad", DTypeError, r"C2", (x, TensorType(int32, ())), {"low": (0, 0), "high": (0, 0)}),
        (
            "pad",
            ArgumentError,
            r"C3",
            (x, TensorType(float32, ())),
            {"low": (0, -1), "high": (0, 0)},
        ),
        ("concatenate", DTypeError, r"C2", (x, TensorType(int32, (2, 3))), {"axis": 0}),
        ("concatenate", ArgumentError, r"C3", (x, x), {"axis": 2}),
        ("concatenate", ShapeError, r"C4", (x, TensorType(float32, (2, 4))), {"axis": 0}),
    ]
    for name, kind, constraint, types, attributes in refusals:
        with pytest.raises(kind, match=rf"{name} \({constraint}\)"):
            OPS[name].infer(*types, **attributes)
