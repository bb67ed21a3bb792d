"""Every primitive has its homes: a reference, cases, a derivative or a refusal, and loops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from graphdl.autodiff.table import RULES
from graphdl.graph.op import Op, OpKind
from graphdl.lowering.assemble import lower_schedule
from graphdl.ops import leaves
from graphdl.ops.table import OPS
from graphdl.schedule.fuse import fuse
from graphdl.schedule.order import order
from tests.plugins.cases import CASES, Case

WITHOUT_REFERENCE = (OpKind.LEAF, OpKind.REGION)
WITHOUT_LOOPS = (OpKind.LEAF, OpKind.REGION, OpKind.EFFECT)
WITHOUT_DERIVATIVE = {op.name for op in leaves.OPS}


def missing(op: Op) -> Iterator[str]:
    """What an op lacks."""
    cases = [case for case in CASES if case.op.name == op.name]
    if op.reference is None and op.kind not in WITHOUT_REFERENCE:
        yield f"{op.name} has no reference"
    if op.kind not in WITHOUT_REFERENCE and not cases:
        yield f"{op.name} has no cases"
    if op.is_differentiable and op not in RULES and op.name not in WITHOUT_DERIVATIVE:
        yield f"{op.name} has no derivative and is not declared without one"
    if op.kind is OpKind.MOVEMENT and op.index_map is None:
        yield f"{op.name} has no index map"
    if not op.doc:
        yield f"{op.name} has no doc"
    if op.kind not in WITHOUT_LOOPS and not any(is_lowered(case) for case in cases[:1]):
        yield f"{op.name} has no lowering"


def is_lowered(case: Case) -> bool:
    """Whether loops can be written for a case."""
    try:
        lower_schedule(order(fuse(case.graph())))
    except AssertionError:
        return False
    return True


def test_every_primitive_has_its_homes() -> None:
    lacking = [line for op in OPS.values() for line in missing(op)]
    assert not lacking, "\n".join(lacking)


def test_names_are_the_table_keys() -> None:
    assert all(name == op.name for name, op in OPS.items())


def test_an_op_without_a_home_is_printed() -> None:
    bare = replace(OPS["add"], name="nothing", reference=None, doc="")
    assert list(missing(bare)) == [
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
    kinds = (OpKind.ELEMENTWISE, OpKind.CUMULATIVE)
    assert op.is_transcendental is False or op.kind in kinds
    assert op.has_effect == (op.kind is OpKind.EFFECT)
