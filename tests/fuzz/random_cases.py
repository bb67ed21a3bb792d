"""Random programs: a graph with its variables, and the sizes to call it with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from graphdl.errors import UserError
from graphdl.graph.nodes import Graph, Tensor, Update, topological_order
from graphdl.graph.op import OpKind
from graphdl.ops.state import Variable
from graphdl.tracing import with_state_writes
from graphdl.typesystem.dtype import DType, float64
from graphdl.typesystem.expression import Size, Symbol, evaluate
from graphdl.typesystem.tensor_type import Shape
from tests.fuzz import elementwise_steps, movement_steps, public_steps, reduction_steps
from tests.fuzz.builder import DTYPES, Builder, Draw, M, N

Step = Callable[[Builder], Tensor | None]
FAMILIES: tuple[tuple[Step, ...], ...] = (
    elementwise_steps.STEPS,
    movement_steps.STEPS,
    reduction_steps.STEPS,
    public_steps.STEPS,
)
SMOOTH_FAMILIES: tuple[tuple[Step, ...], ...] = (
    elementwise_steps.SMOOTH_STEPS,
    movement_steps.SMOOTH_STEPS,
    reduction_steps.SMOOTH_STEPS,
    public_steps.SMOOTH_STEPS,
)
SIZES = (3, 1, 2, 5, 17, 8, 64, 33, 65, 131)
"""Values of named sizes: around the widths of vectors and the 64 partial sums."""
MOST_WORK = 60_000
"""Elements, and products of a contraction, that one node may have."""
ATTEMPTS = 4
"""Steps that are tried before a place in the graph stays empty."""


@dataclass(frozen=True, eq=False)
class Case:
    """A graph, the variables whose values a run chooses, and several sizes to call it with."""

    graph: Graph
    variables: tuple[Variable, ...]
    calls: tuple[dict[Symbol, int], ...]
    training: bool
    seed: int


@st.composite
def cases(draw: Draw, most_steps: int = 12) -> Case:
    """A program over all ops and dtypes."""
    builder = _start(draw)
    for _ in range(builder.integer(3, most_steps)):
        _grow(builder, FAMILIES)
    return _finish(builder)


@st.composite
def smooth_costs(draw: Draw, most_steps: int = 7) -> tuple[Tensor, list[Tensor], int]:
    """A 0-d float64 tensor that is differentiable almost everywhere, its inputs, and a seed."""
    builder = Builder(draw, (float64,), (), is_smooth=True, salt=draw(st.integers(0, 2**16)))
    for _ in range(2):
        builder.input(float64, builder.shape())
    for _ in range(builder.integer(1, most_steps)):
        _grow(builder, SMOOTH_FAMILIES)
    last = builder.floating()
    assert last is not None
    return builder.scalar(last), builder.inputs, builder.integer(0, 2**16)


def _start(draw: Draw) -> Builder:
    names: tuple[Symbol, ...] = draw(st.sampled_from(((N,), (), (N, M), (N, M))))
    dtypes: Sequence[DType] = draw(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=3))
    salt: int = draw(st.integers(0, 2**16))
    builder = Builder(draw, dtypes, names, may_be_empty=draw(st.booleans()), salt=salt)
    rest = builder.shape(2) if names else ()
    builder.input(builder.choose(dtypes), (*names[:1], *rest))
    if names[1:] and not any(size == M for size in rest):
        builder.input(builder.choose(dtypes), builder.choose(((M,), (N, M), (M, N), (M, 3))))
    if builder.flip():
        builder.input(builder.choose(dtypes), builder.shape())
    for _ in range(builder.integer(0, 2)):
        shape = builder.choose(((), (3,), (2, 5), (65,), (4, 1, 3), (0, 2)))
        builder.variable(builder.choose(dtypes), shape)
    return builder


def _grow(builder: Builder, families: Sequence[Sequence[Step]]) -> None:
    """One more node, unless the steps find nothing to work on or the ops refuse."""
    for _ in range(ATTEMPTS):
        step = builder.choose(builder.choose(families))
        try:
            made = step(builder)
        except UserError:
            continue
        if made is not None:
            builder.pool.append(made)
            return


def _finish(builder: Builder) -> Case:
    updates = tuple(_updates(builder))
    outputs = tuple(_outputs(builder, updates))
    training = builder.flip()
    graph = Graph(tuple(builder.inputs), tuple(outputs), updates)
    graph = with_state_writes(graph, training)
    calls = tuple(_call(builder, graph) for _ in range(3))
    return Case(graph, tuple(builder.variables), calls, training, builder.integer(0, 2**16))


def _outputs(builder: Builder, updates: Sequence[Update]) -> list[Tensor]:
    """What nothing else uses, and sometimes inputs, variables and values in between."""
    roots = [*builder.pool, *(update.value for update in updates)]
    used = {operand.key for node in topological_order(roots) for operand in node.operands}
    outputs = [tensor for tensor in builder.pool if tensor.key not in used][-5:]
    if builder.flip():
        outputs += builder.subset(builder.pool[:6])
    return outputs or ([] if updates else builder.pool[-1:])


def _updates(builder: Builder) -> list[Update]:
    """New values of some variables: swaps among them, or anything of their type."""
    variables = builder.variables
    updates = []
    for variable in variables:
        if builder.integer(0, 2) == 0:
            continue
        others = [v for v in variables if v is not variable and v.type == variable.type]
        if others and builder.flip():
            updates.append(Update(variable, others[0]))
        else:
            shape: Shape = variable.shape
            updates.append(Update(variable, builder.like(variable.dtype, shape)))
    return updates


def _call(builder: Builder, graph: Graph) -> dict[Symbol, int]:
    options = (*SIZES[:3], 0, *SIZES[3:]) if builder.may_be_empty else SIZES
    sizes = {name: builder.choose(options) for name in builder.names}
    while sizes and work(graph, sizes) > MOST_WORK:
        largest = max(sizes, key=lambda name: sizes[name])
        sizes[largest] //= 2
    return sizes


def work(graph: Graph, sizes: dict[Symbol, int]) -> int:
    """The elements of the largest tensor, or the products of the largest contraction."""
    most = 0
    for node in graph.nodes():
        for type_ in node.result_types:
            count = evaluate(type_.element_count, sizes)
            if node.op.kind is OpKind.CONTRACTION:
                contracted = node.operands[0].shape
                depth: Size = 1
                for axis in node.attributes["lhs_contract"]:
                    depth = depth * contracted[axis]
                count *= max(1, evaluate(depth, sizes))
            most = max(most, count)
    return most
