"""Every kind of group, every op: the kernels compute what the graph's interpreter computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphdl as gd
from graphdl.graph.nodes import Graph, Tensor, Update
from graphdl.graph.op import OpKind
from graphdl.kernel.nodes import Access
from graphdl.lowering import lower as lower_module
from graphdl.lowering.lower import BODIES, VALUES
from graphdl.ops.table import OPS
from graphdl.schedule.groups import GroupKind
from tests.schedule.build_program import assert_program_agrees, build_program

RNG = np.random.default_rng(7)


def placeholder(*shape: object, dtype: str = "float32", name: str = "x") -> Tensor:
    return gd.placeholder(name, shape, dtype)


def agrees(*outputs: Tensor, inputs: dict[str, Any] | None = None, size: int = 5) -> None:
    """The program of these outputs has the graph's values."""
    nodes = Graph((), outputs).nodes()
    leaves = tuple(Tensor(node) for node in nodes if node.op.name == "placeholder")
    graph = Graph(leaves, outputs)
    if inputs is None:
        assert_program_agrees(graph, size=size)
        return
    arrays = [np.asarray(inputs[leaf.node.attributes["name"]], leaf.dtype.numpy) for leaf in leaves]
    assert_program_agrees(graph, inputs=arrays)


def test_every_kind_of_op_has_a_lowering() -> None:
    with_loops = {OpKind.REDUCTION, OpKind.CUMULATIVE, OpKind.CONTRACTION, OpKind.SCATTER}
    others = {OpKind.EFFECT, OpKind.REGION}
    assert {op.kind for op in OPS.values()} == set(VALUES) | with_loops | others
    assert set(BODIES) == {kind for kind in GroupKind if kind.is_kernel}


FLOAT_UNARY = (
    "negative abs sign floor ceil round trunc exp expm1 log log1p sqrt rsqrt sin cos tan asin acos "
    "atan sinh cosh tanh erf sigmoid isfinite"
).split()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_unary_ops(dtype: str) -> None:
    x = placeholder("n", 3, dtype=dtype)
    agrees(*(getattr(gd, name)(x) for name in FLOAT_UNARY), size=7)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "uint8", "int64"])
def test_binary_ops(dtype: str) -> None:
    x, y = (placeholder("n", dtype=dtype, name=name) for name in "xy")
    names = "add subtract multiply floor_divide remainder maximum minimum less equal".split()
    outputs = [getattr(gd, name)(x, y) for name in names]
    if dtype.startswith("float"):
        outputs += [gd.divide(x, y), gd.atan2(x, y), gd.pow(gd.abs(x), y)]
    else:
        outputs += [x & y, x | y, x ^ y, x << (y & 3), x >> (y & 3)]
    agrees(*outputs, gd.where(x < y, x, y), size=9)


@pytest.mark.parametrize("source", ["bool", "int8", "uint16", "int64", "float16", "float32"])
def test_conversions(source: str) -> None:
    x = placeholder("n", dtype=source)
    names = "bool int8 uint8 int32 uint64 float16 bfloat16 float32 float64".split()
    agrees(*(gd.astype(x, name) for name in names))


MOVEMENTS: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda x: gd.permute_dims(x, (2, 0, 1)),
    "merged": lambda x: gd.reshape(x, ("n", 12)) * 2,
    "split": lambda x: gd.reshape(x * 2, ("n", 4, 3)),
    "flat": lambda x: gd.reshape(gd.permute_dims(x, (1, 0, 2)), (-1,)) + 1,
    "sliced": lambda x: x[:, 1:, ::2] + 0,
    "mirrored": lambda x: x[::-1, :, ::-1] * 1.5,
    "padded": lambda x: gd.pad(x, ((1, 0), (0, 2), (1, 1)), value=3.0) - 1,
    "joined": lambda x: gd.concat([x, gd.exp(x), x * 2], axis=1),
    "joined at a named size": lambda x: gd.concat([x, x + 1], axis=0) * 2,
    "stacked": lambda x: gd.stack([x, -x], axis=1),
    "rolled": lambda x: gd.roll(x, 2, axis=2) * x,
    "repeated": lambda x: gd.broadcast_to(x[:, None], ("n", 2, 3, 4)) * 2,
    "picked": lambda x: x[0, 1] + x[-1, 2],
    "padded twice": lambda x: gd.pad(gd.pad(x, ((0, 0), (1, 1), (0, 0))), ((0, 0), (0, 0), (2, 0))),
}


@pytest.mark.parametrize("name", MOVEMENTS)
def test_movements_are_index_arithmetic(name: str) -> None:
    x = placeholder("n", 3, 4)
    agrees(MOVEMENTS[name](x))
    agrees(gd.sum(MOVEMENTS[name](x), axis=-1), gd.sum(MOVEMENTS[name](x), axis=0))


@pytest.mark.parametrize("axis", [0, 1, 2, (0, 2), (1, 2), None])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int16"])
def test_folds(axis: Any, dtype: str) -> None:
    x = placeholder("n", 3, 70, dtype=dtype)
    outputs = [gd.sum(x, axis=axis), gd.max(x, axis=axis), gd.min(x, axis=axis)]
    outputs += [gd.prod(x, axis=axis), gd.any(x > 1, axis=axis), gd.all(x > 1, axis=axis)]
    agrees(*outputs)


@pytest.mark.parametrize("axis", [0, 1, None])
def test_arguments_of_extremes(axis: Any) -> None:
    x = placeholder("n", 70)
    agrees(gd.argmax(x, axis=axis), gd.argmin(x, axis=axis), gd.max(x, axis=axis))


def test_rows() -> None:
    x = placeholder("n", 70)
    agrees(gd.softmax(x), gd.log_softmax(x * 2), gd.std(x, axis=1), gd.logsumexp(x, axis=1))
    centred = x - gd.mean(x, axis=1, keepdims=True)
    agrees(centred * gd.rsqrt(gd.mean(centred * centred, axis=1, keepdims=True) + 1e-5), centred)


@pytest.mark.parametrize("shape", [("n", 1), (1, "n"), (1, 1), ("n",), (1,)])
def test_rows_with_sizes_of_one(shape: tuple[object, ...]) -> None:
    x = placeholder(*shape)
    agrees(gd.softmax(x), gd.sum(x, axis=0), gd.sum(x, axis=-1, keepdims=True) * x)


def test_a_dear_value_is_kept_between_sweeps() -> None:
    program = build_program(Graph((x := placeholder("n", 8),), (gd.softmax(x),)))
    (kernel,) = program.kernels.values()
    assert sum(type(each).__name__ == "Allocate" for each in kernel.body[0].body) == 1


CONTRACTIONS = {
    "nn": "ij,jk->ik",
    "nt": "ij,kj->ik",
    "tn": "ji,jk->ik",
    "tt": "ji,kj->ki",
    "batch": "bij,bjk->bik",
    "outer": "i,j->ij",
    "inner": "i,i->",
    "two axes": "ijk,jkl->il",
}


@pytest.mark.parametrize("name", CONTRACTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
def test_contractions(name: str, dtype: str) -> None:
    left, right = CONTRACTIONS[name].split("->")[0].split(",")
    sizes = {"i": "n", "j": 3, "k": 4, "l": 2, "b": "m"}
    x = placeholder(*(sizes[label] for label in left), dtype=dtype)
    y = placeholder(*(sizes[label] for label in right), dtype=dtype, name="y")
    product = gd.einsum(CONTRACTIONS[name], x, y)
    agrees(product, gd.maximum(product, 0) + 1)


@pytest.mark.parametrize(
    "shapes", [((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 1), (1, 3)), ((1, 1), (1, 1))]
)
def test_contractions_of_odd_sizes(shapes: Any) -> None:
    arrays = [RNG.standard_normal(shape).astype(np.float32) for shape in shapes]
    x, y = placeholder("a", "b"), placeholder("b", "c", name="y")
    agrees(x @ y + 1, inputs={"x": arrays[0], "y": arrays[1]})


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums(dtype: str, axis: int, reverse: bool) -> None:
    x = placeholder("n", 5, dtype=dtype)
    total = gd.cumulative_sum(x, axis=axis)
    if reverse:
        total = gd.flip(gd.cumulative_sum(gd.flip(x, axis=axis), axis=axis), axis=axis)
    agrees(total, total * 2)


IDS = np.array([3, 0, 3, 1, 2, 9, -7])


def test_gathers_clamp() -> None:
    x, ids = placeholder(4, 3), gd.placeholder("ids", ("m",), "int64")
    numbers = {"x": RNG.standard_normal((4, 3)), "ids": IDS}
    agrees(gd.take(gd.exp(x), ids, axis=0) * 2, gd.take(x, ids, axis=1), inputs=numbers)
    agrees(gd.take(x[::-1], gd.clip(ids, 0, 3), axis=0), inputs=numbers)


def test_elements_along_an_axis() -> None:
    x, ids = placeholder("m", 3), gd.placeholder("ids", ("m",), "int32")
    numbers = {"x": RNG.standard_normal((7, 3)), "ids": IDS}
    picked = gd.take_along_axis(gd.log_softmax(x), ids[:, None], axis=1)
    agrees(picked, gd.mean(picked), inputs=numbers)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
def test_scatters_add_in_order(dtype: str) -> None:
    x, ids = placeholder(4, 3, dtype=dtype), gd.placeholder("ids", ("m",), "int64")
    updates = placeholder("m", 3, dtype=dtype, name="u")
    numbers = {"x": np.ones((4, 3)), "ids": IDS, "u": RNG.standard_normal((7, 3)) * 4}
    once = gd.scatter_add(x, ids, updates)
    agrees(once, inputs=numbers)
    agrees(gd.scatter_add(once, ids, updates * 2), once + 1, inputs=numbers)
    agrees(gd.scatter_add(gd.zeros((4, 3), dtype), ids, updates), inputs=numbers)


@pytest.mark.parametrize("shape", [("n", 4), ("n", 3), (7,), (1,), (0,), ()])
def test_random_bits(shape: tuple[object, ...]) -> None:
    key = gd.random.key(5)
    x = placeholder("n")
    draws = [gd.random.bits(shape, key=key), gd.random.uniform(shape, key=key)]
    agrees(*draws, gd.random.bernoulli(shape, p=0.3, key=key), x + 0)


def test_normals_read_their_words_in_pairs() -> None:
    agrees(gd.random.normal((5, 3), key=gd.random.key(1)))


def test_creation() -> None:
    x = placeholder("n", 3)
    agrees(gd.arange(5) * 2, gd.eye(3), gd.tril(x), gd.zeros(("n", 2)) + x[:, :2], x / x.shape[0])
    for dtype in ("uint8", "int16", "bfloat16", "float64"):
        agrees(gd.arange(300, dtype=dtype))


def test_attention() -> None:
    x = placeholder("b", 4, 6)
    q = gd.permute_dims(gd.reshape(x, ("b", 4, 2, 3)), (0, 2, 1, 3))
    weights = gd.softmax(gd.einsum("bhqd,bhkd->bhqk", q, q) / 1.7)
    joined = gd.permute_dims(gd.einsum("bhqk,bhkd->bhqd", weights, q), (0, 2, 1, 3))
    agrees(gd.reshape(joined, ("b", 4, 6)) @ gd.ones((6, 2)))


def test_a_variable_that_is_read_and_written_is_one_buffer() -> None:
    w, gradient = gd.variable(np.ones((3, 4))), placeholder(3, 4)
    program = build_program(Graph((gradient,), (), (Update(w, w - 0.1 * gradient),)))
    (kernel,) = program.kernels.values()
    assert [buffer.access for buffer in kernel.buffers] == [Access.UPDATE, Access.READ]


def test_equal_groups_are_lowered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    original = lower_module.lower

    def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return original(*arguments)

    monkeypatch.setattr("graphdl.lowering.assemble.lower", counted)
    value: Tensor = placeholder("n", 37)
    for _ in range(6):
        value = gd.tanh(value @ gd.variable(RNG.standard_normal((37, 37))))
    program = build_program(Graph((_leaf(value),), (value,)))
    assert count == 1
    assert len(program.statements) == 6
    assert len(program.kernels) == 1


def _leaf(value: Tensor) -> Tensor:
    nodes = Graph((), (value,)).nodes()
    return next(Tensor(node) for node in nodes if node.op.name == "placeholder")


def test_a_planted_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lowering of movement that forgets the index is noticed."""
    x = placeholder("n", 4)
    graph = Graph((x,), (gd.exp(x[:, ::-1]),))
    numbers = [RNG.standard_normal((3, 4)).astype(np.float32)]
    assert_program_agrees(graph, inputs=numbers)

    def forgetful(emitter: Any, node: Any, index: Any, mask: Any) -> Any:
        return emitter.value(node.operands[0], index, mask)

    monkeypatch.setitem(VALUES, OpKind.MOVEMENT, forgetful)
    monkeypatch.setattr("graphdl.lowering.assemble._templates", {})
    with pytest.raises(AssertionError):
        assert_program_agrees(graph, inputs=numbers)
