"""One small graph per rule: what it turns into, and that the numbers stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.ops.arguments import filled
from graphdl.passes.pipeline import Numerics, optimize
from graphdl.rewrite.driver import Rule, counting_hits
from graphdl.typesystem.dtype import DType, float32
from graphdl.typesystem.expression import Symbol
from graphdl.typesystem.tensor_type import Shape
from tests.graph.random_graphs import leaf
from tests.graph.same_values import assert_same_values
from tests.plugins.golden import Golden

N = Symbol("n")


@dataclass(frozen=True)
class Case:
    """`build(x, y)` contains what the rule looks for; x and y have this dtype and shape."""

    rule: str
    build: Callable[[Tensor, Tensor], Tensor]
    dtypes: Sequence[DType] = (float32,)
    shape: Shape = (N, 4)
    label: str = ""

    def __str__(self) -> str:
        return f"{self.rule}-{self.label}" if self.label else self.rule

    def graph(self, dtype: DType) -> Graph:
        x, y = (leaf("placeholder", name, dtype, self.shape) for name in "xy")
        return Graph((x, y), (self.build(x, y),))


def like(value: float, x: Tensor) -> Tensor:
    """A tensor of x's type full of one number."""
    return filled(value, x.dtype, x.shape)


def check_case(
    case: Case,
    run: Callable[[Graph], Graph],
    golden: Golden,
    *,
    numerics: Numerics = "exact",
    tolerance: float | None = None,
    special: bool = True,
) -> None:
    """The rule fires, the text is golden, the values stay: alone and in the whole pipeline."""
    for dtype in case.dtypes:
        before = case.graph(dtype)
        with counting_hits() as hits:
            after = run(before)
        assert hits[case.rule] >= 1, f"{case.rule} did not fire: {dict(hits)}"
        verify(after)
        if dtype == case.dtypes[0]:
            shown = (text(graph, with_comments=False) for graph in (before, after))
            assert "->\n".join(shown) == golden
        assert_same_values(before, after, tolerance=tolerance, special=special)
        whole, _ = optimize(before, numerics)
        verify(whole)
        assert_same_values(before, whole, tolerance=tolerance, special=special)


def check_untouched(
    build: Callable[[Tensor, Tensor], Tensor], run: Callable[[Graph], Graph], dtype: DType
) -> None:
    """The pass leaves the graph alone, and so do its values."""
    graph = Case("", build).graph(dtype)
    assert run(graph) is graph


def missing_rules(rules: Sequence[Rule], cases: Sequence[Case]) -> list[str]:
    """Rules without a case."""
    covered = {case.rule for case in cases}
    return [rule.name for rule in rules if rule.name not in covered]
