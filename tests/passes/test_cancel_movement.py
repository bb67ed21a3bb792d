"""Merged movements give the same bits; what cannot be merged stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphdl.graph.nodes import Graph, Tensor
from graphdl.ops import elementwise as e
from graphdl.ops import movement as m
from graphdl.ops.arguments import filled
from graphdl.ops.contraction import dot_general
from graphdl.passes.cancel_movement import RULES, cancel_movement
from graphdl.typesystem.dtype import float32, int32
from tests.graph.random_graphs import leaf
from tests.graph.same_values import assert_same_values
from tests.passes.rule_cases import Case, N, check_case, check_untouched, missing_rules
from tests.plugins.golden import Golden

BATCHED = {"lhs_contract": (2,), "rhs_contract": (1,), "lhs_batch": (0,), "rhs_batch": (0,)}
MATRICES = {"lhs_contract": (1,), "rhs_contract": (0,), "lhs_batch": (), "rhs_batch": ()}


def sliced(x: Tensor, *bounds: tuple[object, object, int]) -> Tensor:
    starts, stops, steps = zip(*bounds, strict=True)
    return m.slice_(x, starts=starts, stops=stops, steps=steps)  # type: ignore[no-any-return]


def turned(x: Tensor, *order: int) -> Tensor:
    return m.transpose(x, permutation=order)  # type: ignore[no-any-return]


def spread(x: Tensor, shape: tuple[object, ...], *axes: int) -> Tensor:
    return m.broadcast_in_dim(x, shape=shape, broadcast_dimensions=axes)  # type: ignore[no-any-return]


def padded(x: Tensor, low: int, high: int, value: Tensor) -> Tensor:
    return m.pad(x, value, low=(low,) * x.ndim, high=(high,) * x.ndim)  # type: ignore[no-any-return]


def padded_twice(x: Tensor) -> Tensor:
    value = filled(7, x.dtype)
    return padded(padded(x, 1, 0, value), 2, 3, value)


ALL = (0, N, 1)
CASES = (
    Case("drop_stop_gradient", lambda x, y: e.exp(m.stop_gradient(x))),
    Case("drop_same_shape", lambda x, y: m.reshape(x, shape=(N, 4))),
    Case("drop_same_shape", lambda x, y: spread(x, (N, 4), 0, 1), label="broadcast"),
    Case("merge_reshapes", lambda x, y: m.reshape(m.reshape(x, shape=(N * 4,)), shape=(N, 2, 2))),
    Case("drop_identity_transpose", lambda x, y: turned(x, 0, 1)),
    Case("merge_transposes", lambda x, y: turned(turned(x, 2, 0, 1), 0, 2, 1), shape=(N, 2, 4)),
    Case("drop_idle_reverse", lambda x, y: m.reverse(x, axes=(0,)), shape=(1, N)),
    Case("drop_idle_reverse", lambda x, y: m.reverse(x, axes=(0, 1)), shape=(1, N), label="some"),
    Case("merge_reverses", lambda x, y: m.reverse(m.reverse(x, axes=(0, 1)), axes=(1,))),
    Case(
        "merge_broadcasts", lambda x, y: spread(spread(x, (N, 2, 4), 0, 2), (3, N, 2, 4), 1, 2, 3)
    ),
    Case(
        "merge_broadcasts",
        lambda x, y: spread(spread(x, (2, 1, N), 1, 2), (2, 5, N), 0, 1, 2),
        shape=(1, N),
        label="ones",
    ),
    Case(
        "broadcast_past_new_axes",
        lambda x, y: spread(m.reshape(x, shape=(N, 1, 4)), (N, 3, 4), 0, 1, 2),
    ),
    Case("broadcast_transposed", lambda x, y: turned(spread(x, (2, N, 4), 1, 2), 1, 0, 2)),
    Case(
        "broadcast_less", lambda x, y: sliced(spread(x, (9, N, 4), 1, 2), (1, 8, 3), ALL, (0, 4, 1))
    ),
    Case("drop_whole_slice", lambda x, y: sliced(x, ALL, (0, 4, 1))),
    Case("merge_slices", lambda x, y: sliced(sliced(x, ALL, (1, 4, 1)), ALL, (0, 3, 2))),
    Case(
        "merge_slices",
        lambda x, y: sliced(sliced(x, (1, 20, 3)), (1, 6, 2)),
        shape=(20,),
        label="steps",
    ),
    Case(
        "merge_slices",
        lambda x, y: sliced(sliced(x, (1, 20, 3)), (2, 2, 2)),
        shape=(20,),
        label="empty",
    ),
    Case("drop_empty_pad", lambda x, y: padded(x, 0, 0, filled(1, x.dtype))),
    Case("merge_pads", lambda x, y: padded_twice(x)),
    Case(
        "drop_cut_padding",
        lambda x, y: sliced(padded(x, 2, 1, filled(1, x.dtype)), (2, N + 2, 1), (2, 6, 1)),
    ),
    Case("drop_single_concatenate", lambda x, y: m.concatenate(x, axis=0)),
    Case(
        "slice_one_part",
        lambda x, y: sliced(m.concatenate(x, y, x, axis=1), ALL, (5, 8, 2)),
    ),
    Case(
        "slice_one_part",
        lambda x, y: sliced(m.concatenate(x, y, axis=0), (N, 2 * N, 1), (1, 3, 1)),
        label="named",
    ),
    Case(
        "contract_transposed_left",
        lambda x, y: dot_general(turned(x, 0, 2, 1), y, **BATCHED),
        shape=(N, 4, 4),
    ),
    Case(
        "contract_transposed_right",
        lambda x, y: dot_general(x, turned(y, 1, 0), **MATRICES),
    ),
    Case(
        "swap_operands",
        lambda x, y: turned(dot_general(x, y, **BATCHED), 0, 2, 1),
        shape=(N, 4, 4),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule(case: Case, golden: Golden) -> None:
    check_case(case, cancel_movement, golden)


def test_every_rule_has_a_case() -> None:
    assert missing_rules(RULES, CASES) == []


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda x, y: m.reshape(x, shape=(4, N)), id="another shape"),
        pytest.param(lambda x, y: turned(x, 1, 0), id="transpose"),
        pytest.param(lambda x, y: m.reverse(x, axes=(0,)), id="reverse"),
        pytest.param(
            lambda x, y: spread(m.reshape(x, shape=(2, 2, N)), (3, 2, 2, N), 1, 2, 3),
            id="a reshape that does more than insert axes",
        ),
        pytest.param(lambda x, y: turned(spread(x, (2, N, 4), 1, 2), 0, 2, 1), id="turned inside"),
        pytest.param(
            lambda x, y: sliced(spread(x, (2, N, 4), 1, 2), (0, 2, 1), ALL, (1, 4, 1)),
            id="a slice of an axis that is there",
        ),
        pytest.param(
            lambda x, y: sliced(m.concatenate(x, y, axis=1), ALL, (3, 6, 1)), id="over the seam"
        ),
        pytest.param(
            lambda x, y: padded(padded(x, 1, 0, filled(1, x.dtype)), 1, 1, filled(2, x.dtype)),
            id="two paddings",
        ),
    ],
)
def test_what_cannot_be_merged_stays(build: Callable[[Tensor, Tensor], Tensor]) -> None:
    check_untouched(build, cancel_movement, float32)


def test_free_axes_keep_their_order() -> None:
    x, y = (leaf("placeholder", name, float32, (2, 3, 4)) for name in "xy")
    axes = {"lhs_contract": (2,), "rhs_contract": (2,), "lhs_batch": (), "rhs_batch": ()}
    graph = Graph((x, y), (dot_general(turned(x, 1, 0, 2), y, **axes),))
    assert cancel_movement(graph) is graph
    several = Graph((x, y), (turned(dot_general(x, y, **axes), 2, 3, 0, 1),))
    assert cancel_movement(several) is not several
    assert_same_values(several, cancel_movement(several))


def test_two_contracted_axes_keep_their_order() -> None:
    x, y = leaf("placeholder", "x", float32, (3, 5, 2)), leaf("placeholder", "y", float32, (5, 3))
    axes = {"lhs_contract": (1, 2), "rhs_contract": (1, 0), "lhs_batch": (), "rhs_batch": ()}
    graph = Graph((x, y), (dot_general(turned(x, 2, 0, 1), y, **axes),))
    new = cancel_movement(graph)
    assert new.outputs[0].node.attributes["lhs_contract"] == (0, 1)
    assert_same_values(graph, new)


@st.composite
def chains(draw: Callable[..., int]) -> Graph:
    """A placeholder under several random movements."""
    x = leaf("placeholder", "x", int32, (2, 3, 4))
    z = x
    for _ in range(draw(st.integers(2, 6))):
        z = _moved(draw, z)
    return Graph((x,), (z,))


def _moved(draw: Callable[..., int], z: Tensor) -> Tensor:
    sizes = [int(size) for size in z.shape]  # type: ignore[arg-type]
    match draw(st.integers(0, 5)):
        case 0:
            return turned(z, *draw(st.permutations(range(z.ndim))))  # type: ignore[misc]
        case 1:
            return m.reverse(z, axes=tuple(range(draw(st.integers(0, z.ndim)))))  # type: ignore[no-any-return]
        case 2:
            bounds = []
            for size in sizes:
                start = draw(st.integers(0, size))
                bounds.append((start, draw(st.integers(start, size)), draw(st.integers(1, 2))))
            return sliced(z, *bounds)
        case 3:
            return padded(z, draw(st.integers(0, 1)), draw(st.integers(0, 2)), filled(9, z.dtype))
        case 4:
            place = draw(st.integers(0, z.ndim))
            shape = (*sizes[:place], draw(st.integers(1, 2)), *sizes[place:])
            axes = tuple(axis for axis in range(z.ndim + 1) if axis != place)
            return spread(z, shape, *axes)
    place = draw(st.integers(0, z.ndim))
    return m.reshape(z, shape=(*sizes[:place], 1, *sizes[place:]))  # type: ignore[no-any-return]


@settings(max_examples=150, deadline=None)
@given(chains())
def test_random_chains_keep_their_values(graph: Graph) -> None:
    assert_same_values(graph, cancel_movement(graph), seeds=(0,))
