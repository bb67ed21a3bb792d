"""Windows and diagonals: what their type rules refuse, what they guard, what undoes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.errors import ArgumentError, ShapeError, UserError
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph
from graphdl.ops.overlap import WindowForm, add_overlaps, dilate
from graphdl.ops.windows import diagonal, windows
from graphdl.typesystem.dtype import float64
from graphdl.typesystem.expression import Symbol
from graphdl.typesystem.tensor_type import TensorType
from tests.plugins.cases import placeholder_like

TIME = Symbol("time")
X = TensorType(float64, (2, 5, 6, 3))
FORMS = [
    ((1,), (2,), (1,), (1,)),
    ((1, 2), (3, 2), (2, 1), (1, 3)),
    ((1, 2), (2, 3), (2, 3), (1, 1)),
    ((1, 2), (1, 1), (2, 3), (1, 1)),
    ((0, 3), (2, 2), (1, 1), (1, 1)),
]


def attributes(axes: Any, sizes: Any, strides: Any, dilations: Any) -> dict[str, Any]:
    return {"axes": axes, "sizes": sizes, "strides": strides, "dilations": dilations}


@pytest.mark.parametrize(
    ("named", "message", "kind"),
    [
        (attributes((2, 1), (1, 1), (1, 1), (1, 1)), "C1", ArgumentError),
        (attributes((), (), (), ()), "C1", ArgumentError),
        (attributes((4,), (1,), (1,), (1,)), "C1", UserError),
        (attributes((1,), (1, 1), (1,), (1,)), "C2", ArgumentError),
        (attributes((1,), (0,), (1,), (1,)), "C3", ArgumentError),
        (attributes((1,), (3,), (1,), (3,)), "over 7 does not fit axis 1 of 5", ShapeError),
    ],
)
def test_windows_refuse_by_their_constraints(named: Any, message: str, kind: Any) -> None:
    with pytest.raises(kind, match=message):
        windows.infer(X, **named)


def test_named_axes_are_guarded() -> None:
    assert windows.guards is not None
    named = attributes((1,), (3,), (2,), (2,))
    x = TensorType(float64, (2, TIME, 4))
    (guard,) = windows.guards(x, **named)
    assert guard.condition.holds({TIME: 5})
    assert not guard.condition.holds({TIME: 4})
    (result,) = windows.infer(x, **named)
    assert str(result) == "float64[2, ((time+1)//2)-2, 3, 4]"
    assert windows.guards(X, **named) == ()


def test_diagonals_refuse_by_their_constraints() -> None:
    with pytest.raises(UserError, match="C1"):
        diagonal.infer(X, first=2, second=1)
    with pytest.raises(ShapeError, match="axis 1 is 5, axis 2 is 6"):
        diagonal.infer(X, first=1, second=2)


@pytest.mark.parametrize("form", FORMS)
def test_adding_overlaps_is_the_transpose_of_windows(form: Any) -> None:
    """<windows(x), g> equals <x, overlaps(g)> for all x and g."""
    random = np.random.default_rng(0)
    shape = tuple(int(str(size)) for size in X.shape)
    x = random.normal(size=shape)
    assert windows.reference is not None
    slid = windows.reference(x, **attributes(*form))
    g = random.normal(size=slid.shape)
    given = placeholder_like(g, "g")
    total = add_overlaps(given, WindowForm(shape, *form))
    (found,) = interpret(Graph((given,), (total,)), [g]).outputs
    assert found.shape == shape
    np.testing.assert_allclose((slid * g).sum(), (x * found).sum(), rtol=1e-12)


def test_dilation_puts_zeros_behind_elements() -> None:
    x = placeholder_like(np.arange(1.0, 4), "x")
    (found,) = interpret(Graph((x,), (dilate(x, 0, 3),)), [np.arange(1.0, 4)]).outputs
    assert found.tolist() == [1, 0, 0, 2, 0, 0, 3, 0, 0]
