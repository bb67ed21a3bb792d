"""Every primitive has its homes: a reference, cases, a derivative or a refusal, and loops."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from graphdl.autodiff.table import RULES
from graphdl.graph.op import Op, OpKind
from graphdl.ops import leaves
from graphdl.ops.table import OPS
from tests.plugins.cases import CASES

WITHOUT_REFERENCE = (OpKind.LEAF, OpKind.REGION)
WITHOUT_DERIVATIVE = {op.name for op in leaves.OPS}


def missing(op: Op, lowered: frozenset[str] | None) -> Iterator[str]:
    """What an op lacks."""
    if op.reference is None and op.kind not in WITHOUT_REFERENCE:
        yield f"{op.name} has no reference"
    if op.kind not in WITHOUT_REFERENCE and not any(case.op.name == op.name for case in CASES):
        yield f"{op.name} has no cases"
    if op.is_differentiable and op not in RULES and op.name not in WITHOUT_DERIVATIVE:
        yield f"{op.name} has no derivative and is not declared without one"
    if op.kind is OpKind.MOVEMENT and op.index_map is None:
        yield f"{op.name} has no index map"
    if not op.doc:
        yield f"{op.name} has no doc"
    if lowered is not None and op.name not in lowered:
        yield f"{op.name} has no lowering"


def lowered_names() -> frozenset[str] | None:
    """The primitives that lowering knows; None while there is no lowering table."""
    try:
        table: ModuleType = importlib.import_module("graphdl.lowering.table")
    except ModuleNotFoundError:
        return None
    names: frozenset[str] = frozenset(table.LOWERED)
    return names


def test_every_primitive_has_its_homes() -> None:
    lowered = lowered_names()
    lacking = [line for op in OPS.values() for line in missing(op, lowered)]
    assert not lacking, "\n".join(lacking)


def test_names_are_the_table_keys() -> None:
    assert all(name == op.name for name, op in OPS.items())


def test_an_op_without_a_home_is_printed() -> None:
    bare = replace(OPS["add"], name="nothing", reference=None, doc="")
    assert list(missing(bare, frozenset())) == [
        "nothing has no reference",
        "nothing has no cases",
        "nothing has no derivative and is not declared without one",
        "nothing has no doc",
        "nothing has no lowering",
    ]


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_traits_agree_with_the_kind(op: Op) -> None:
    assert op.kind is not OpKind.REDUCTION or op.reducer is not None
    assert op.associative is False or op.commutative
    assert op.is_transcendental is False or op.kind is OpKind.ELEMENTWISE
    assert op.has_effect == (op.kind is OpKind.EFFECT)
