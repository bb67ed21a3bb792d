"""Printing, checking, labelling, evaluating and substituting."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.errors import ArgumentError, NumericsError, ShapeError
from graphdl.ops.functions import effect as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.evaluate import substitute
from graphdl.ops.functions.reduction import sum as sum_of


def test_print_is_an_identity(capsys: pytest.CaptureFixture[str]) -> None:
    x = placeholder("x", (2,))
    result = (gd.print(x, "x is") + 1).eval({x: [1, 2]})
    assert result.tolist() == [2, 3]
    assert capsys.readouterr().out == "x is [1. 2.]\n"


def test_check_is_an_identity_or_an_error() -> None:
    x = placeholder("x", (2,))
    checked = gd.check(x, x > 0, "x must be positive")
    assert checked.eval({x: [1, 2]}).tolist() == [1, 2]
    with pytest.raises(NumericsError, match="x must be positive"):
        checked.eval({x: [1, -2]})
    with pytest.raises(ArgumentError, match="the condition must be bool, got float32"):
        gd.check(x, x)


def test_a_name_is_on_the_node_itself() -> None:
    x = placeholder("x", (2,))
    h = (x + 1).named("h")
    assert h.node.op.name == "add"
    assert h.node.name == "h"
    assert repr(h).startswith("h: float32[2] = add(x,")
    assert h.named("h") is h


def test_a_leaf_keeps_its_name_under_a_label() -> None:
    x = placeholder("x", (2,))
    label = x.named("pixels")
    assert label.node.name == "pixels"
    assert label.node.operands[0].is_same(x)
    assert label.eval({x: [1, 2]}).tolist() == [1, 2]
    with pytest.raises(ArgumentError, match="the name must be a text"):
        x.named("")


def test_eval_cuts_the_graph_at_what_is_fed() -> None:
    x = placeholder("x", ("batch",))
    h = x * 2
    cost = sum_of(h + 1)
    assert cost.eval({x: [1, 2, 3]}) == 15
    assert cost.eval({h: [1, 1]}) == 4


def test_eval_refuses() -> None:
    x = placeholder("x", (2,))
    with pytest.raises(
        ArgumentError, match=r'no value for input "x"\n  input  float32\[2\]  placeholder'
    ):
        (x + 1).eval()
    with pytest.raises(ShapeError, match=r"2-d data of shape \[1, 2\] for float32\[2\]"):
        x.eval({x: [[1, 2]]})
    with pytest.raises(ShapeError):
        x.eval({x: [1, 2, 3]})
    with pytest.raises(ArgumentError, match="'x' is not a tensor"):
        x.eval({"x": 1})


def test_substitute_replaces_inside() -> None:
    x, y = placeholder("x", (2,)), placeholder("y", (2,))
    changed = substitute({"a": [x + 1, x * 2]}, {x: y})
    assert changed["a"][0].eval({y: [1, 2]}).tolist() == [2, 3]
    constant = substitute(x + 1, {x: np.array([5, 6], np.float32)})
    assert constant.eval().tolist() == [6, 7]
    with pytest.raises(ShapeError, match=r"float32\[3\] in place of float32\[2\]"):
        substitute(x, {x: placeholder("z", (3,))})
