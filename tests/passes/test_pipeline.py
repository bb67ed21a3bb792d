"""The whole pipeline: same values, records, switches, what it shows, and what it costs."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from graphdl.autodiff.reverse import grad
from graphdl.config import configure
from graphdl.errors import InternalError
from graphdl.graph.nodes import Graph, Tensor, Update
from graphdl.graph.op import Op
from graphdl.graph.parser import parse
from graphdl.graph.printer import text
from graphdl.graph.rebuild import transform_graph
from graphdl.graph.verifier import verify
from graphdl.ops import composite
from graphdl.ops import elementwise as e
from graphdl.ops.arguments import broadcast, filled
from graphdl.ops.contraction import dot_general
from graphdl.ops.reduction import reduce_sum
from graphdl.ops.table import OPS
from graphdl.passes import pipeline
from graphdl.passes.pipeline import PIPELINE, Pass, all_passes, optimize, run_passes
from graphdl.typesystem.dtype import float32
from tests.graph.random_graphs import N, graphs, leaf
from tests.graph.same_values import assert_equal_bits, assert_same_values, evaluate_random

MATRICES = {"lhs_contract": (1,), "rhs_contract": (0,), "lhs_batch": (), "rhs_batch": ()}


def ops_of(graph: Graph) -> set[Op]:
    """The ops in a graph, regions included."""
    regions = (region for node in graph.nodes() for region in node.regions)
    return {node.op for node in graph.nodes()}.union(*map(ops_of, regions))


def training_graph(layers: int) -> Graph:
    """Dense layers with relu, softmax cross-entropy, and momentum updates of every variable."""
    x, y = (leaf("placeholder", name, float32, (N, 64)) for name in "xy")
    h, parameters = e.multiply(x, filled(0.01, float32, x.shape)), []
    for layer in range(layers):
        w = leaf("variable", f"w{layer}", float32, (64, 64))
        b = leaf("variable", f"b{layer}", float32, (64,))
        parameters += [w, b]
        h = composite.relu(e.add(dot_general(h, w, **MATRICES), broadcast(b, (N, 64))))
    cost = reduce_sum(e.negative(e.multiply(y, e.log(composite.softmax(h)))), axes=(0, 1))
    updates: list[Update] = []
    for parameter, gradient in zip(parameters, grad(cost, parameters), strict=True):
        updates += momentum(parameter, gradient)
    return Graph((x, y), (cost,), tuple(updates), "step")


def momentum(parameter: Tensor, gradient: Tensor) -> list[Update]:
    name, shape = parameter.node.attributes["name"], parameter.shape
    velocity = leaf("variable", f"{name}.velocity", float32, shape)
    decayed = e.multiply(velocity, filled(0.9, float32, shape))
    new = e.add(decayed, e.multiply(gradient, filled(0.1, float32, shape)))
    step = e.multiply(new, filled(0.01, float32, shape))
    return [Update(velocity, new), Update(parameter, e.subtract(parameter, step))]


@hypothesis_settings(max_examples=80, deadline=None)
@given(graphs(14))
def test_random_graphs_keep_every_bit_in_exact_mode(graph: Graph) -> None:
    new, _ = optimize(graph, "exact")
    verify(new)
    if e.power not in ops_of(graph):
        assert_same_values(graph, new, seeds=(0,))
    again, _ = optimize(new, "exact")
    assert again is new


@hypothesis_settings(max_examples=60, deadline=None)
@given(graphs(14))
def test_random_graphs_in_fast_mode_are_well_formed(graph: Graph) -> None:
    new, _ = optimize(graph, "fast")
    verify(new)
    assert text(parse(text(new), OPS)) == text(new)
    if not {e.exp, e.log, e.logistic, e.power, e.fma} & (ops_of(graph) | ops_of(new)):
        assert_same_values(graph, new, seeds=(0,))


@pytest.mark.parametrize("numerics", ["exact", "fast"])
def test_a_training_step_keeps_its_values(numerics: pipeline.Numerics) -> None:
    graph = training_graph(2)
    new, _ = optimize(graph, numerics, training=True)
    verify(new)
    before, after = (evaluate_random(g, 0, special=False) for g in (graph, new))
    pairs = zip(before.outputs + before.updates, after.outputs + after.updates, strict=True)
    for left, right in pairs:
        scale = abs(left).max() + 1e-6
        assert abs(left - right).max() <= 1e-5 * scale


def test_a_wrong_pass_is_caught_by_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def drop_log(graph: Graph) -> Graph:
        return transform_graph(graph, lambda node, operands: operands if node.op is e.log else None)

    monkeypatch.setattr(pipeline, "PIPELINE", (*PIPELINE, Pass(drop_log)))
    graph = training_graph(1)
    new, _ = optimize(graph, "exact")
    verify(new)
    with pytest.raises(AssertionError):
        assert_equal_bits(*(evaluate_random(g, 0, special=False).outputs[0] for g in (graph, new)))


def test_records_say_what_happened() -> None:
    graph = training_graph(2)
    new, records = optimize(graph, "fast", training=True)
    names = [record.name for record in records]
    assert names[:4] == [
        "fold_training", "merge_loops", "eliminate_dead_code", "inline_regions",
    ]  # fmt: skip
    assert records[0].nodes_before == len(graph.nodes())
    assert records[-1].nodes_after == len(new.nodes())
    for earlier, later in itertools.pairwise(records):
        assert earlier.nodes_after == later.nodes_before
    assert all(record.seconds >= 0 for record in records)
    merged = [r for r in records if r.name == "eliminate_common_subexpressions"]
    assert merged[0].hits["eliminate_common_subexpressions"] > 10
    assert any("expand_log_of_softmax" in record.hits for record in records)
    assert any(record.hits.get("place_fma", 0) >= 8 for record in records)


def test_nothing_to_do_runs_each_pass_once() -> None:
    x = leaf("placeholder", "x", float32, (N,))
    graph = Graph((x,), (e.exp(x),))
    new, records = optimize(graph, "fast")
    assert new is graph
    names = [record.name for record in records]
    assert names.count("cancel_movement") == 1
    assert set(names) == {"fold_training"} | {step.name for step in all_passes()}


def test_passes_and_rules_are_switched_off() -> None:
    x = leaf("placeholder", "x", float32, (N,))
    graph = Graph((x,), (e.negative(e.negative(x)), e.add(e.exp(x), e.exp(x))))
    with configure(disable={"drop_double_negation", "eliminate_common_subexpressions"}):
        new, records = optimize(graph, "fast")
    assert new is graph
    assert "eliminate_common_subexpressions" not in [record.name for record in records]


def test_passes_run_by_name() -> None:
    x = leaf("placeholder", "x", float32, (N,))
    graph = Graph((x,), (e.negative(e.negative(x)),))
    assert run_passes(graph, ["fold_constants", "fold_training"]) is graph
    assert run_passes(graph, ["simplify_algebra"]).outputs[0].is_same(x)
    with pytest.raises(KeyError):
        run_passes(graph, ["no_such_pass"])


def test_print_after(capsys: pytest.CaptureFixture[str]) -> None:
    graph = training_graph(1)
    with configure(print_after="fold_training,stabilize"):
        optimize(graph, "fast")
    shown = capsys.readouterr().err
    assert "# after fold_training (unchanged)\ngraph step(x, y):" in shown
    assert "# after stabilize (unchanged)" in shown
    assert "# after place_fma" not in shown
    with configure(debug=3):
        optimize(graph, "fast")
    shown = capsys.readouterr().err
    assert "# after place_fma (changed)" in shown
    assert "(unchanged)" not in shown


def test_dump_dir_keeps_numbered_graphs(tmp_path: Path) -> None:
    with configure(dump_dir=str(tmp_path)):
        new, _ = optimize(training_graph(1), "fast")
    files = sorted(path.name for path in tmp_path.iterdir())
    assert all(re.fullmatch(r"step_\d\d_\w+\.txt", name) for name in files)
    assert (tmp_path / files[-1]).read_text() == text(new)


def broken(graph: Graph) -> Graph:
    """Leaves a product of the wrong type behind."""
    x = graph.inputs[0]
    node = e.exp(x).node
    object.__setattr__(node, "result_types", (filled(0, float32).type,))
    return Graph(graph.inputs, node.results, (), graph.name)


def crash(graph: Graph) -> Graph:
    raise KeyError("lost")


@pytest.mark.parametrize(
    ("wrong", "why"), [(broken, "V2"), (crash, "lost")], ids=["ill-formed", "crash"]
)
def test_a_failing_pass_leaves_a_reproduction(
    wrong: object, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    x = leaf("placeholder", "x", float32, (N,))
    graph = Graph((x,), (e.exp(x),), (), "g")
    monkeypatch.setattr(pipeline, "PIPELINE", (*PIPELINE, Pass(wrong)))  # type: ignore[arg-type]
    with configure(verify=True, dump_dir=str(tmp_path)), pytest.raises(InternalError) as caught:
        optimize(graph, "exact")
    message = str(caught.value)
    name = wrong.__name__  # type: ignore[attr-defined]
    assert message.startswith(f"a bug in graphdl: pass {name} (after fold_training, ")
    assert why in message
    path = re.search(rf"python -m graphdl opt -p {name} (\S+)`", message)
    assert path is not None
    assert text(parse(Path(path[1]).read_text(), OPS)) == text(graph)


@pytest.mark.parametrize(("layers", "nodes", "budget"), [(7, 280, 0.060), (48, 1700, 0.300)])
def test_the_pipeline_is_quick(layers: int, nodes: int, budget: float) -> None:
    graph = training_graph(layers)
    assert len(graph.nodes()) >= nodes
    times = []
    for _ in range(4):
        start = time.process_time()
        optimize(graph, "fast", training=True)
        times.append(time.process_time() - start)
    assert min(times) <= budget


def test_a_pass_that_changes_nothing_is_quick() -> None:
    graph, _ = optimize(training_graph(48), "fast")
    count = len(graph.nodes())
    for step in all_passes():
        times = []
        for _ in range(4):
            start = time.process_time()
            assert step.run(graph) is graph
            times.append(time.process_time() - start)
        assert min(times) / count <= 8e-6, step.name
