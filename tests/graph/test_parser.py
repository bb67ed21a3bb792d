"""Text round-trips exactly; what is not understood is named with its line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from graphdl.errors import ArgumentError
from graphdl.graph.constant_value import ConstantValue
from graphdl.graph.nodes import Graph, StateWrite, build_node, gradient_of, name_scope
from graphdl.graph.parser import parse
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.ops import elementwise as e
from graphdl.ops import leaves
from graphdl.ops.arguments import literal
from graphdl.ops.effect import print_
from graphdl.ops.table import OPS
from graphdl.source_location import SourceLocation
from graphdl.typesystem.dtype import ALL, float32, float64
from tests.graph.random_graphs import graphs, leaf
from tests.graph.same_values import assert_same_values, constant_array
from tests.plugins.golden import Golden

MULTIPLE = """\
graph "two results"(x, y):
  x: float32[n, 4] = placeholder(name="x", dtype=float32, shape=(n, 4), default=None)  # a.py:1
  y: float32[4] = placeholder(name="y", dtype=float32, shape=(4,), default=None)
  %2.0: float32[n, 4], %2.1: float32[4] = optimization_barrier(x, y)  # a.py:2 in block/inner
  h: float32[n, 4] = exp(%2.0)  # a.py:3, gradient of log a.py:2
  %4: float32[n, 4] = remat(h) regions:
    graph body(%0):
      %0: float32[n, 4] = parameter(position=0, dtype=float32, shape=(n, 4))
      %1: float32[n, 4] = exp(%0)
      return %1
  %5: float32[4] = negative(%2.1) as "h"  # nowhere in block
  return %4, %5
"""


def roundtrip(graph: Graph) -> Graph:
    once = text(graph)
    again = parse(once, OPS)
    assert text(again) == once
    return again


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_random_graphs_come_back(graph: Graph) -> None:
    again = roundtrip(graph)
    verify(again)
    assert_same_values(graph, again, seeds=(0,))


def test_text_comes_back() -> None:
    assert text(parse(MULTIPLE, OPS)) == MULTIPLE


def test_provenance_comes_back() -> None:
    graph = parse(MULTIPLE, OPS)
    h = graph.outputs[0].node.operands[0].node
    assert h.name == "h"
    assert h.location == SourceLocation("a.py", 3)
    assert h.origin is not None
    assert h.origin.op is e.log
    assert h.origin.location == SourceLocation("a.py", 2)
    assert h.operands[0].node.scope == ("block", "inner")
    assert graph.outputs[1].node.name == "h"


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_constants_of_every_dtype_come_back(dtype: object) -> None:
    numbers = np.array([0, 1, 2, 100]).astype(dtype.numpy)  # type: ignore[attr-defined]
    large = np.arange(200).astype(dtype.numpy)  # type: ignore[attr-defined]
    for array in (numbers, numbers[1], large.reshape(10, 20), np.zeros((0, 2), numbers.dtype)):
        again = roundtrip(Graph((), (literal(np.asarray(array)),)))
        assert ConstantValue(constant_array(again.outputs[0])) == ConstantValue(array)


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7FC00001, 0xFFC00000, 0x80000000, 1, 0x3DCCCCCD])
def test_float_bits_come_back(bits: int) -> None:
    array = np.array(bits, np.uint32).view(np.float32)
    again = roundtrip(Graph((), (literal(array),)))
    assert constant_array(again.outputs[0]).view(np.uint32) == bits


@pytest.mark.parametrize(
    "label",
    ["plain", "a/b", "two words", 'quo"te', "a.b", "%3", "return", "naïve", "x#y", "a, b: c"],
)
def test_labels_come_back(label: str) -> None:
    x = leaf("placeholder", label, float32, (2,))
    first = build_node(e.exp, (x,), name=label)
    second = build_node(e.log, first.results, name=label)
    again = roundtrip(Graph((x,), second.results, (), label))
    assert again.name == label
    assert again.outputs[0].node.name == label
    assert again.inputs[0].node.attributes["name"] == label


def test_a_cut_input_becomes_a_parameter() -> None:
    x = leaf("placeholder", "x", float64, (3,))
    h = e.exp(x)
    graph = Graph((h,), (e.log(h),))
    again = roundtrip(graph)
    assert again.inputs[0].node.op is leaves.parameter
    assert again.inputs[0].node.location == SourceLocation("test_parser.py", h.node.location.line)


def test_state_writes_come_back() -> None:
    state = leaf("variable", "moving", float32, ())
    x = leaf("placeholder", "x", float32, ())
    write = StateWrite(state, e.add(state, x), training_only=True)
    node = build_node(e.exp, (x,), writes=(write, replace(write, once=True)))
    (first, second) = roundtrip(Graph((x,), node.results)).outputs[0].node.writes
    assert (first.training_only, first.once, second.once) == (True, False, True)
    assert first.value.node.op is e.add


def test_variables_of_one_name_stay_apart() -> None:
    class Storage:
        name = "w"

    nodes = [leaf("variable", "w", float32, ()).node for _ in range(2)]
    attributes = [{**node.attributes, "storage": Storage()} for node in nodes]
    first, second = (build_node(leaves.variable, (), a).results[0] for a in attributes)
    again = roundtrip(Graph((), (first, second, first)))
    assert again.outputs[0].is_same(again.outputs[2])
    storages = [tensor.node.attributes["storage"] for tensor in again.outputs]
    assert storages[0] != storages[1]


def test_known_storages_are_used() -> None:
    storage = object()
    graph = Graph((), (leaf("variable", "w", float32, ()),))
    again = parse(text(graph), OPS, {"w": storage})
    assert again.outputs[0].node.attributes["storage"] is storage


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("exp(%2.0)", "exp(%9)", "line 5: %9 is not defined above"),
        ("h: float32[n, 4]", "h: float64[n, 4]", "line 5: exp gives float32"),
        ("exp(%2.0)", "exp(%2.0, y)", "line 5: exp: exp: needs 1 operands, got 2"),
        ("= exp(%2.0)", "= expo(%2.0)", "line 5: unknown op 'expo'"),
        ("y: float32[4]", "y: float33[4]", "line 3: 'float33[4]' is not a type"),
        ('graph "two', 'grapf "two', "line 1: expected `graph name"),
        ("  return %4, %5", "", "expected an equation or `return`"),
        ("negative(%2.1)", "negative(%2.1", "line 11: a parenthesis is not closed"),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, complaint: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parse(MULTIPLE.replace(old, new, 1), OPS)
    assert complaint in str(caught.value)


def test_nothing_may_follow() -> None:
    with pytest.raises(ArgumentError, match="line 13: nothing may follow"):
        parse(MULTIPLE + "  junk\n", OPS)


def test_effects_keep_their_order() -> None:
    x = leaf("placeholder", "x", float32, ())
    first, second, third = (print_(x, message=word) for word in ("first", "second", "third"))
    graph = Graph((x,), (third, first, second))
    assert text(graph, with_comments=False).count(" step ") == 3
    again = roundtrip(graph)
    messages = sorted(again.nodes(), key=lambda node: node.serial)
    assert [node.attributes["message"] for node in messages] == ["first", "second", "third"]
    in_order = Graph((x,), (first, second, third))
    assert " step " not in text(in_order)


def test_text_is_golden(golden: Golden) -> None:
    attributes = leaf("placeholder", "image", float32, (2, 3)).node.attributes
    line = SourceLocation("/home/train.py", 6)
    x = build_node(leaves.placeholder, (), attributes, location=line).results[0]
    with name_scope("encoder"), name_scope("dense"):
        h = build_node(e.exp, (x,), name="h", location=SourceLocation("/home/train.py", 7))
    with gradient_of(h):
        g = e.negative(h.results[0])
    assert text(Graph((x,), (g,))) == golden
