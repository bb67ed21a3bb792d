"""The interpreter against NumPy, effects in build order, one instant for all updates."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.errors import ArgumentError, InternalError, NumericsError, ShapeError
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Update, build_node
from graphdl.graph.op import Op, OpKind
from graphdl.graph.parser import StorageName, parse
from graphdl.ops import creation, leaves, movement, reduction
from graphdl.ops import elementwise as e
from graphdl.ops.arguments import filled
from graphdl.ops.contraction import dot_general
from graphdl.ops.effect import check, print_
from graphdl.ops.table import OPS
from graphdl.typesystem.dtype import float32, int64
from graphdl.typesystem.expression import Symbol
from tests.graph.random_graphs import leaf

N = Symbol("n")
REGIONS = """\
graph g(x):
  x: float32[n] = placeholder(name="x", dtype=float32, shape=(n,), default=None)
  %1: float32[n] = remat(x) regions:
    graph body(%0):
      %0: float32[n] = parameter(position=0, dtype=float32, shape=(n,))
      %1: float32[] = constant(value=float32(3.0))
      %2: float32[n] = broadcast_in_dim(%1, shape=(n,), broadcast_dimensions=())
      %3: float32[n] = multiply(%0, %2)
      return %3
  %2: float32[n] = custom_gradient(%1, arguments=(0,), captures=0) regions:
    graph forward(%0):
      %0: float32[n] = parameter(position=0, dtype=float32, shape=(n,))
      %1: float32[n] = negative(%0)
      return %1
    graph backward(%0, %1):
      %0: float32[n] = parameter(position=0, dtype=float32, shape=(n,))
      %1: float32[n] = parameter(position=1, dtype=float32, shape=(n,))
      return %1
  return %2
"""


def test_a_dense_layer_is_numpys() -> None:
    x, w = leaf("placeholder", "x", float32, (N, 4)), leaf("variable", "w", float32, (4, 2))
    axes = {"lhs_contract": (1,), "rhs_contract": (0,), "lhs_batch": (), "rhs_batch": ()}
    y = e.tanh(dot_general(x, w, **axes))
    rng = np.random.default_rng(0)
    data, weights = (rng.standard_normal(s).astype(np.float32) for s in ((5, 4), (4, 2)))
    run = interpret(Graph((x,), (y,)), [data], {StorageName("w"): weights})
    np.testing.assert_allclose(run.outputs[0], np.tanh(data @ weights), rtol=1e-5)
    assert run.sizes == {N: 5}
    np.testing.assert_array_equal(run.value(x), data)
    np.testing.assert_allclose(run.value(y.node.operands[0]), data @ weights, rtol=1e-5)


def test_regions_compute_their_forward_graph() -> None:
    graph = parse(REGIONS, OPS)
    run = interpret(graph, [[1.0, 2.0]])
    np.testing.assert_array_equal(run.outputs[0], [-3, -6])
    inner = graph.outputs[0].node.operands[0].node.regions[0].outputs[0]
    np.testing.assert_array_equal(run.values[inner.key], [3, 6])


def test_sizes_become_numbers_in_attributes() -> None:
    x = leaf("placeholder", "x", float32, (N, 2))
    count = build_node(leaves.size, (), {"value": N * 2 + 1, "dtype": int64}).results[0]
    numbers = build_node(creation.iota, (), {"shape": (N,), "axis": 0, "dtype": int64}).results[0]
    flat = movement.reshape(x, shape=(N * 2,))
    run = interpret(Graph((x,), (count, numbers, flat)), [np.ones((3, 2))])
    assert run.outputs[0] == 7
    np.testing.assert_array_equal(run.outputs[1], [0, 1, 2])
    assert run.outputs[2].shape == (6,)


def test_updates_see_the_values_before() -> None:
    a, b = leaf("variable", "a", float32, ()), leaf("variable", "b", float32, ())
    values = {StorageName("a"): np.float32(1), StorageName("b"): np.float32(2)}
    run = interpret(Graph((), (a,), (Update(a, b), Update(b, a))), [], values)
    assert [float(array) for array in run.updates] == [2.0, 1.0]
    assert run.outputs[0] == 1
    assert values[StorageName("a")] == 1


def test_a_cut_input_is_not_computed() -> None:
    x = leaf("placeholder", "x", float32, (2,))
    h = e.exp(x)
    run = interpret(Graph((h,), (e.negative(h),)), [[1.0, 2.0]])
    np.testing.assert_array_equal(run.outputs[0], [-1, -2])
    assert x.key not in run.values


def test_defaults_and_missing_inputs() -> None:
    x = leaf("placeholder", "x", float32, ())
    with pytest.raises(ArgumentError, match='placeholder "x" is needed but is not an input'):
        interpret(Graph((), (x,)), [])
    with pytest.raises(ArgumentError, match='variable "w" has no value'):
        interpret(Graph((), (leaf("variable", "w", float32, ()),)), [])


def test_training_flag() -> None:
    flag = build_node(leaves.is_training).results[0]
    assert interpret(Graph((), (flag,)), [], training=True).outputs[0]
    assert not interpret(Graph((), (flag,)), []).outputs[0]


def test_effects_run_in_build_order(capsys: pytest.CaptureFixture[str]) -> None:
    x = leaf("placeholder", "x", float32, ())
    first = print_(x, message="first")
    second = print_(x, message="second")
    interpret(Graph((x,), (e.add(second, first),)), [1.5])
    assert capsys.readouterr().out == "first 1.5\nsecond 1.5\n"


def test_a_failed_check_names_the_line_that_built_it() -> None:
    x = leaf("placeholder", "x", float32, ())
    y = check(x, e.greater(x, filled(0, float32)), message="x must be positive")
    interpret(Graph((x,), (y,)), [1.0])
    with pytest.raises(NumericsError, match="x must be positive") as caught:
        interpret(Graph((x,), (y,)), [-1.0])
    assert caught.value.location == y.node.location
    assert 'placeholder "x"' in str(caught.value)


def test_guards_are_checked_first() -> None:
    x = leaf("placeholder", "x", float32, (N,))
    halves = movement.reshape(x, shape=(N // 2, 2))
    assert interpret(Graph((x,), (halves,)), [np.ones(4)]).outputs[0].shape == (2, 2)
    with pytest.raises(ShapeError, match="does not fit") as caught:
        interpret(Graph((x,), (halves,)), [np.ones(5)])
    assert "n = 5" in str(caught.value)


def test_an_op_that_breaks_its_type_is_caught() -> None:
    liar = Op("liar", OpKind.ELEMENTWISE, lambda t: (t,), lambda array: array.astype(np.float64))
    x = leaf("placeholder", "x", float32, (2,))
    with pytest.raises(InternalError, match=r"computed float64\[2\], its type is float32\[2\]"):
        interpret(Graph((x,), (liar(x),)), [np.ones(2)])


def test_deep_graphs_do_not_recurse() -> None:
    x = leaf("placeholder", "x", float32, ())
    y = x
    for _ in range(5000):
        y = e.negative(y)
    assert interpret(Graph((x,), (y,)), [2.0]).outputs[0] == 2


def test_sums_keep_the_fixed_order() -> None:
    x = leaf("placeholder", "x", float32, (200,))
    data = np.random.default_rng(0).standard_normal(200).astype(np.float32)
    lanes = np.zeros(64, np.float32)
    for start in range(0, 200, 64):
        part = data[start : start + 64]
        lanes[: part.size] += part
    while lanes.size > 1:
        lanes = lanes[: lanes.size // 2] + lanes[lanes.size // 2 :]
    run = interpret(Graph((x,), (reduction.reduce_sum(x, axes=(0,)),)), [data])
    assert run.outputs[0] == lanes[0]
