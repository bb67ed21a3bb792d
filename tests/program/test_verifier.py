"""Each rule of the program verifier catches a program that breaks it."""

from __future__ import annotations

from dataclasses import replace

import pytest

import graphdl as gd
from graphdl.errors import InternalError
from graphdl.graph.nodes import Graph
from graphdl.program.nodes import Copy, Launch, Program, Storage, View
from graphdl.program.verifier import verify
from graphdl.typesystem.dtype import float64
from graphdl.typesystem.expression import Symbol
from graphdl.typesystem.tensor_type import TensorType
from tests.schedule.build_program import build_program


@pytest.fixture
def program() -> Program:
    """One launch between an input and an output."""
    x = gd.placeholder("x", ("n", 4))
    return build_program(Graph((x,), (gd.softmax(x),)))


def with_launch(program: Program, **changes: object) -> Program:
    (launch,) = program.statements
    assert isinstance(launch, Launch)
    return replace(program, statements=(replace(launch, **changes),))  # type: ignore[arg-type]


def with_view(program: Program, view: int, **changes: object) -> Program:
    (launch,) = program.statements
    assert isinstance(launch, Launch)
    views = list(launch.views)
    views[view] = replace(views[view], **changes)  # type: ignore[arg-type]
    return with_launch(program, views=tuple(views))


def test_a_sound_program_passes(program: Program) -> None:
    verify(program)


@pytest.mark.parametrize(
    ("rule", "view", "changes"),
    [
        ("C1", 0, {"position": 7}),
        ("C2", 1, {"storage": Storage.ARENA, "offset": 4}),
        ("C3", 0, {"type": TensorType(float64, (Symbol("n"), 4))}),
        ("C3", 0, {"type": TensorType(gd.float32, (Symbol("n"), 5))}),
        ("C4", 1, {"storage": Storage.INPUT}),
    ],
)
def test_a_wrong_view(program: Program, rule: str, view: int, changes: dict[str, object]) -> None:
    with pytest.raises(InternalError, match=rule):
        verify(with_view(program, view, **changes))


def test_a_missing_kernel(program: Program) -> None:
    with pytest.raises(InternalError, match="C3"):
        verify(replace(program, kernels={}))


def test_a_missing_size(program: Program) -> None:
    with pytest.raises(InternalError, match="C3"):
        verify(with_launch(program, sizes=()))


def test_a_copy_between_types(program: Program) -> None:
    source = View(Storage.INPUT, 0, 0, program.inputs[0].type)
    target = View(Storage.OUTPUT, 0, 0, TensorType(float64, source.type.shape))
    with pytest.raises(InternalError, match=r"C[25]"):
        verify(replace(program, statements=(Copy(source, target),)))


def test_an_unknown_size_in_the_arena(program: Program) -> None:
    with pytest.raises(InternalError, match="unknown names"):
        verify(replace(program, arena_bytes=Symbol("m")))
