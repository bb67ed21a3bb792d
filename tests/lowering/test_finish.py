"""Finished kernels: the same values as the raw ones, and equal text for equal nests."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import pytest
from hypothesis import given, settings

import graphdl as gd
from graphdl.compiler import compile_graph
from graphdl.errors import InternalError
from graphdl.graph.nodes import Graph, Tensor
from graphdl.kernel.nodes import Kernel
from graphdl.kernel.printer import text
from graphdl.kernel.transforms import collapse_axes as collapse_module
from graphdl.lowering import assemble, lower
from graphdl.lowering.finish import finish
from graphdl.ops.indexing import gather
from graphdl.typesystem.expression import Size, Symbol, evaluate
from tests.fuzz.random_cases import Case, cases
from tests.kernel.same_values import assert_same_values

Finished = tuple[Kernel, tuple[str, ...], tuple[Size, ...]]
MOST_ELEMENTS = 1 << 14


def lowered(graph: Graph, *, training: bool = False) -> list[tuple[Kernel, Finished]]:
    """Each raw kernel that the graph lowers to, and what it is finished as."""
    found: list[tuple[Kernel, Finished]] = []

    def keep(kernel: Kernel) -> Finished:
        result = finish(kernel)
        found.append((kernel, result))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lower, "finish", keep)
        patch.setattr(assemble, "_templates", {})
        compile_graph(graph, target="reference", numerics="exact", training=training)
    return found


def check(raw: Kernel, finished: Finished, sizes: dict[Symbol, int]) -> None:
    """The same bits, if the raw kernel works on such sizes and is not too large."""
    shapes = [[evaluate(size, sizes) for size in buffer.shape] for buffer in raw.buffers]
    if any(prod(shape) > MOST_ELEMENTS or min(shape, default=0) < 0 for shape in shapes):
        return
    kernel, names, values = finished
    assert_same_values(raw, kernel, sizes, names=names, values=values)


@settings(max_examples=60)
@given(cases())
def test_values_stay(case: Case) -> None:
    for raw, finished in lowered(case.graph, training=case.training):
        for sizes in case.calls[:2]:
            check(raw, finished, sizes)


def graph_of(*outputs: Tensor) -> Graph:
    nodes = Graph((), outputs).nodes()
    return Graph(tuple(Tensor(n) for n in nodes if n.op.name == "placeholder"), outputs)


def texts(*outputs: Tensor) -> list[str]:
    return [
        text(kernel).split("kernel ", 1)[1] for _, (kernel, _, _) in lowered(graph_of(*outputs))
    ]


def placeholders(*shapes: tuple[Any, ...]) -> list[Tensor]:
    return [gd.placeholder(f"x{k}", shape) for k, shape in enumerate(shapes)]


def dense(batch: Any, m: Any, n: Any) -> Tensor:
    x, w, b = placeholders((batch, m), (m, n), (n,))
    return gd.tanh(x @ w + b)


def normalized(batch: Any, m: Any, n: Any) -> Tensor:
    (x,) = placeholders((batch, m, n))
    return gd.softmax(x) * 2


def column_sums(batch: Any, m: Any, n: Any) -> Tensor:
    (x,) = placeholders((batch, m, n))
    return gd.max(x, axis=(0, 1))


def heads_merged(batch: Any, m: Any, n: Any) -> Tensor:
    (x,) = placeholders((m, batch, n))
    return gd.reshape(gd.permute_dims(gd.exp(x), (1, 0, 2)), (batch, m * n))


def joined(batch: Any, m: Any, n: Any) -> Tensor:
    x, y, z = placeholders((batch, m), (batch, n), (batch, m))
    return gd.concat([x, y, z], axis=1) * 2


def mirrored(batch: Any, m: Any, n: Any) -> Tensor:
    (x,) = placeholders((batch, m, n))
    return gd.flip(x, axis=(1, 2)) + 1


def looked_up(batch: Any, m: Any, n: Any) -> Tensor:
    (table,) = placeholders((m, n))
    found: Tensor = gather(table, gd.placeholder("indices", (batch,), dtype="int64"), axis=0)
    return found * 2


def summed_up(batch: Any, m: Any, n: Any) -> Tensor:
    (x,) = placeholders((batch, m, n))
    return gd.cumsum(x, axis=1)


NESTS = (dense, normalized, column_sums, heads_merged, joined, mirrored, looked_up, summed_up)


@pytest.mark.parametrize("nest", NESTS)
def test_equal_nests_of_other_sizes_have_equal_text(nest: Callable[..., Tensor]) -> None:
    first = texts(nest("n", 12, 7))[-1]
    a, b = Symbol("a"), Symbol("b")
    for sizes in ((a, 5, 30), (24, 32, 10), (b, 9, a), (9, a, 28), (a, a + 3, b)):
        assert texts(nest(*sizes))[-1] == first


def test_equal_nests_of_other_ranks_have_equal_text() -> None:
    shapes = [("n",), (6,), ("n", 4), (2, "n", 3), ("n", 1, 5), (1, 7)]
    found = {tuple(texts(gd.exp(x) * 2)) for x in (placeholders(shape)[0] for shape in shapes)}
    assert len(found) == 1
    assert "parallel i0 in 0:n0\n        b1[i0]" in next(iter(found))[0]


@pytest.mark.parametrize("nest", NESTS)
def test_sizes_of_zero_and_one(nest: Callable[..., Tensor]) -> None:
    names = tuple(map(Symbol, "abc"))
    for raw, finished in lowered(graph_of(nest(*names))):
        for sizes in ((1, 1, 1), (0, 2, 3), (2, 0, 3), (2, 3, 0), (0, 0, 0)):
            if nest is not looked_up or sizes[1] > 0:
                check(raw, finished, dict(zip(names, sizes, strict=True)))


def test_a_kernel_that_reads_wrong_elements_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting the offset of a subscript reads the wrong elements."""
    x, y = placeholders((5, 3), (4, 3))
    monkeypatch.setattr(collapse_module._Merger, "join", _forgetful(collapse_module._Merger.join))
    ((raw, finished),) = lowered(graph_of(x[1:] + y))
    with pytest.raises((AssertionError, InternalError)):
        check(raw, finished, {})


def _forgetful(join: Callable[..., Size | None]) -> Callable[..., Size | None]:
    def wrong(merger: collapse_module._Merger, index: Size) -> Size | None:
        joined = join(merger, index)
        return merger.outer if joined is not None and joined != index else joined

    return wrong


def test_finishing_twice_changes_no_text() -> None:
    for raw, (kernel, _, _) in lowered(graph_of(dense("n", 12, 7), joined(4, 5, 6))):
        again, buffers, sizes = finish(kernel)
        assert text(again).split("(", 1)[1] == text(kernel).split("(", 1)[1]
        assert buffers == tuple(buffer.name for buffer in kernel.buffers)
        assert sizes == kernel.sizes
        assert raw.notes == kernel.notes
