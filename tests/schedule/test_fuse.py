"""Which nodes share a kernel, found from primitives, and why others do not."""

from __future__ import annotations

import numpy as np
import pytest

import graphdl as gd
from graphdl.graph.nodes import Graph, Tensor, Update
from graphdl.ops.regions import optimization_barrier
from graphdl.passes.inline_regions import inline_regions
from graphdl.passes.pipeline import optimize
from graphdl.schedule import join as join_module
from graphdl.schedule.fuse import fuse
from graphdl.schedule.groups import Domain, GroupKind, RefusalReason, Schedule
from graphdl.typesystem.expression import Symbol
from tests.schedule.build_program import assert_program_agrees, build_program

N = "n"


def schedule(*outputs: Tensor, updates: tuple[Update, ...] = ()) -> Schedule:
    """The groups of a graph as it stands."""
    return fuse(inline_regions(Graph(_inputs(outputs, updates), outputs, updates)))


def _inputs(outputs: tuple[Tensor, ...], updates: tuple[Update, ...]) -> tuple[Tensor, ...]:
    nodes = Graph((), outputs, updates).nodes()
    return tuple(Tensor(node) for node in nodes if node.op.name == "placeholder")


def kinds(found: Schedule) -> list[str]:
    return [group.kind.value for group in found.groups]


def reasons(found: Schedule) -> set[RefusalReason]:
    return {refusal.reason for refusal in found.refusals}


def x(*shape: object, dtype: str = "float32") -> Tensor:
    return gd.placeholder("x", shape or (N, 64), dtype)


def layer_norm(value: Tensor) -> Tensor:
    centred = value - gd.mean(value, axis=-1, keepdims=True)
    variance = gd.mean(centred * centred, axis=-1, keepdims=True)
    return centred * gd.rsqrt(variance + 1e-5) * 2 + 1


@pytest.mark.parametrize(
    "build",
    [gd.softmax, gd.log_softmax, layer_norm, lambda t: gd.softmax(gd.exp(t) * 2) + t],
    ids=["softmax", "log_softmax", "layer_norm", "softmax of a chain, with a residual"],
)
def test_a_row_function_is_one_kernel(build: object) -> None:
    assert kinds(schedule(build(x()))) == ["row"]  # type: ignore[operator]


def test_cross_entropy_is_one_row_kernel_and_the_mean_over_the_batch() -> None:
    logits, label = x(N, 10), gd.placeholder("label", (N,), "int64")
    picked = gd.take_along_axis(gd.log_softmax(logits), label[:, None], axis=1)
    found = schedule(-gd.mean(picked))
    assert kinds(found) == ["row", "row"]
    assert [output.shape for output in found.groups[0].outputs] == [(Symbol(N), 1)]


def test_bias_activation_and_residual_are_the_contractions_epilogue() -> None:
    a = x(N, 32)
    w, b = gd.variable(np.ones((32, 32))), gd.variable(np.ones(32))
    found = schedule(gd.relu(a @ w + b) + a)
    assert kinds(found) == ["contraction"]


def test_a_contraction_writes_its_axes_in_another_order() -> None:
    """The heads of attention go straight to where the next layer reads them."""
    a = x(N, 4, 8)
    heads = gd.einsum("bqd,bkd->bqk", a, a) * 2
    found = schedule(gd.reshape(gd.permute_dims(heads + 1, (0, 2, 1)), (-1,)))
    assert kinds(found) == ["contraction"]
    assert_program_agrees(found.graph)


def test_two_layers_are_two_contractions_and_the_hidden_values_are_stored() -> None:
    w = gd.variable(np.ones((64, 64)))
    found = schedule(gd.relu(gd.relu(x() @ w) @ w))
    assert kinds(found) == ["contraction", "contraction"]
    assert RefusalReason.CONTRACTION_OPERAND in reasons(found)


def test_a_cheap_conversion_is_computed_while_a_contraction_reads_it() -> None:
    w = gd.variable(np.ones((64, 64), np.float32))
    found = schedule(gd.astype(x(N, 64, dtype="int8"), "float32") @ w)
    assert kinds(found) == ["contraction"]


def test_an_elementwise_chain_with_several_outputs_is_one_kernel() -> None:
    a = x()
    b = gd.exp(a) + 1
    assert kinds(schedule(b * 2, b - a, gd.sin(b))) == ["elementwise"]


def test_kernels_over_the_same_array_merge_sideways() -> None:
    a = x()
    assert kinds(schedule(gd.exp(a), gd.sin(a))) == ["elementwise"]


def test_kernels_that_share_nothing_stay_apart() -> None:
    a, b = x(), gd.placeholder("y", (N, 64))
    assert kinds(schedule(gd.exp(a), gd.sin(b))) == ["elementwise", "elementwise"]


def test_cheap_values_are_computed_again_and_dear_ones_stored() -> None:
    a = x(N, 8)
    for function, count in ((lambda t: t + 1, 2), (gd.tanh, 3)):
        shared = function(a)
        found = schedule(gd.sum(shared, axis=0), gd.matrix_transpose(shared))
        assert len(found.groups) == count, function


def test_producers_are_computed_inside_a_fold() -> None:
    assert kinds(schedule(gd.sum(gd.exp(x()) * 2, axis=1))) == ["row"]
    assert kinds(schedule(gd.sum(gd.exp(x()) * 2, axis=0))) == ["column"]


def test_folds_of_one_array_share_a_sweep() -> None:
    a = x()
    assert kinds(schedule(gd.sum(a, axis=1), gd.max(a, axis=1))) == ["row"]
    assert kinds(schedule(gd.sum(a, axis=0), gd.sum(a * a, axis=0))) == ["column"]


def test_single_numbers_are_computed_together_once() -> None:
    rate, step = gd.variable(0.1), gd.variable(3.0)
    a, b = x(), gd.placeholder("y", (N,))
    scaled = rate * gd.sqrt(step)
    found = schedule(a * scaled, b * scaled * (1 / (step + 1)))
    assert kinds(found).count("elementwise") == 3
    (numbers,) = [group for group in found.groups if not group.domain.shape]
    assert len(numbers.outputs) == 2


def test_a_reduced_row_that_is_needed_whole_is_stored() -> None:
    found = schedule(gd.flip(gd.softmax(x()), axis=1))
    assert kinds(found) == ["row", "elementwise"]
    assert reasons(found) & {RefusalReason.INDEX, RefusalReason.SHAPE}


def test_a_second_pass_over_columns_is_refused() -> None:
    found = schedule(gd.softmax(x(), axis=0))
    assert "row" not in kinds(found)
    assert RefusalReason.SECOND_SWEEP in reasons(found)


def test_a_sum_of_everything_does_not_serialise_what_follows() -> None:
    a = x()
    found = schedule(a / gd.sum(a))
    assert len(found.groups) == 2
    assert RefusalReason.WHOLE_SUM in reasons(found)
    small = gd.placeholder("x", (100,))
    assert kinds(schedule(small / gd.sum(small))) == ["row"]


def test_a_barrier_is_never_crossed() -> None:
    a = x()
    inner = gd.exp(a)
    found = schedule(inner * optimization_barrier(inner))
    assert kinds(found) == ["elementwise", "elementwise"]
    assert RefusalReason.BARRIER in reasons(found)


def test_nothing_joins_across_a_value_that_must_run_in_between() -> None:
    """exp(a) feeds a contraction whose result meets exp(a) again."""
    a = x(64, 64)
    shared = gd.exp(a)
    found = schedule(shared + shared @ shared)
    assert kinds(found) == ["elementwise", "contraction"]


def test_prints_stand_alone_and_hold_what_they_show() -> None:
    a = x()
    found = schedule(gd.print(gd.exp(a), "e") + 1)
    assert kinds(found) == ["elementwise", "host", "elementwise"]


def test_random_bits_are_made_apart_with_what_needs_only_them() -> None:
    a = x(N, 8)
    mask = gd.random.uniform((N, 8), key=gd.random.key(0)) < 0.5
    found = schedule(gd.where(mask, a, 0.0))
    assert kinds(found) == ["random", "elementwise"]
    assert found.groups[0].outputs[0].dtype == gd.bool_
    assert RefusalReason.RANDOM_BLOCK in reasons(found)


def test_a_scatters_result_is_complete_before_it_is_read() -> None:
    ids = gd.placeholder("ids", ("m",), "int64")
    table = gd.scatter_add(gd.zeros((5, 3)), ids, gd.placeholder("u", ("m", 3)))
    found = schedule(table * 2)
    assert kinds(found) == ["elementwise", "scatter", "elementwise"]
    assert RefusalReason.INCOMPLETE in reasons(found)


def test_a_running_sum_takes_its_neighbours_in() -> None:
    assert kinds(schedule(gd.cumulative_sum(gd.exp(x()), axis=1) * 2)) == ["scan"]


def train_step() -> Graph:
    image = gd.placeholder("image", ("batch", 64))
    label = gd.placeholder("label", ("batch",), dtype="int64")
    model = gd.nn.Sequential([gd.nn.Dense(128, activation="relu"), gd.nn.Dense(10)])
    losses = gd.nn.losses
    loss = losses.sparse_categorical_crossentropy(label, model(image), from_logits=True)
    updates = gd.optim.Adam(1e-3).minimize(loss, model.parameters())
    pairs = tuple(Update(variable, value) for variable, value in updates.items())
    return Graph((image, label), (loss,), pairs)


def test_a_training_step_has_the_kernels_one_would_write_by_hand() -> None:
    """Two layers forward, cross-entropy with its gradient, the mean; backward one gradient of the
    hidden values, and per parameter one kernel that computes its gradient and updates it."""
    graph, _ = optimize(train_step(), "fast", True)
    found = fuse(graph)
    assert sorted(kinds(found)) == [
        "column", "column", "contraction", "contraction", "contraction", "contraction",
        "contraction", "elementwise", "row", "row",
    ]  # fmt: skip
    updating = [group for group in found.groups if len(group.outputs) == 3]
    assert len(updating) >= 4, "weight, first and second moment in one kernel"


def test_fusion_is_deterministic() -> None:
    graph, _ = optimize(train_step(), "fast", True)
    first, second = fuse(graph), fuse(graph)
    assert [group.nodes for group in first.groups] == [group.nodes for group in second.groups]


def test_domain_index_of() -> None:
    domain = Domain((Symbol("n"), 1, 8), (2,))
    n, k = Symbol("d0"), Symbol("d2")
    assert domain.index == (n, 0, k)
    assert domain.index_of((Symbol("n"), 1)) == (n, 0)
    assert domain.index_of((Symbol("n"), 1, 8)) == (n, 0, k)
    assert domain.index_of((Symbol("n"), 8)) == (n, k)
    assert domain.index_of((8, Symbol("n"))) is None


def test_a_wrong_fusion_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the index test, a row would read the sum of another row before that is made."""
    a = gd.variable(np.arange(8.0).reshape(4, 2))
    graph = Graph((), (a * gd.flip(gd.sum(a, axis=1), axis=0)[:, None],))
    assert_program_agrees(graph)
    monkeypatch.setattr(join_module, "_can_compute", lambda *arguments: True)
    with pytest.raises(AssertionError):
        assert_program_agrees(graph)


def test_programs_of_all_kinds_agree_with_their_graphs() -> None:
    assert GroupKind.ROW.value in build_program(train_step_forward()).statements[0].kernel  # type: ignore[union-attr]
    assert_program_agrees(train_step_forward())


def train_step_forward() -> Graph:
    a = x(N, 8)
    return Graph((a,), (layer_norm(a),))
