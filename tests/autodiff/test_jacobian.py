"""jacobian, hessian and hvp against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import graphdl as gd
from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.verifier import verify
from tests.plugins.steps import value_of

Array = np.ndarray[Any, Any]
_random = np.random.default_rng(0)
SHAPES = {"w1": (3, 4), "b1": (4,), "w2": (4, 2)}
WEIGHTS = {name: _random.normal(size=shape) for name, shape in SHAPES.items()}
DATA, LABELS = _random.normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])


def _network() -> tuple[Tensor, Tensor, dict[str, Any], dict[Tensor, Array]]:
    """Outputs and cost of two layers, with named sizes; the weights are nested."""
    x = gd.placeholder("x", ("batch", 3), "float64")
    w1 = gd.placeholder("w1", (3, "hidden"), "float64")
    b1 = gd.placeholder("b1", ("hidden",), "float64")
    w2 = gd.placeholder("w2", ("hidden", 2), "float64")
    label = gd.placeholder("label", ("batch",), "int64")
    logits = gd.tanh(x @ w1 + b1) @ w2
    chosen = gd.take_along_axis(gd.log_softmax(logits), gd.expand_dims(label, 1), axis=1)
    feed = {x: DATA, label: LABELS} | dict(zip((w1, b1, w2), WEIGHTS.values(), strict=True))
    return logits, -gd.mean(chosen), {"first": [w1, b1], "second": w2}, feed


def _torch_outputs(w1: Any, b1: Any, w2: Any) -> Any:
    return torch.tanh(torch.tensor(DATA) @ w1 + b1) @ w2


def _torch_cost(w1: Any, b1: Any, w2: Any) -> Any:
    return torch.nn.functional.cross_entropy(_torch_outputs(w1, b1, w2), torch.tensor(LABELS))


TENSORS = tuple(torch.tensor(array) for array in WEIGHTS.values())


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian_equals_pytorchs(mode: Any) -> None:
    logits, _, wrt, feed = _network()
    found = gd.jacobian(logits, wrt, mode=mode)
    flat = [*found["first"], found["second"]]
    wanted = torch.autograd.functional.jacobian(_torch_outputs, TENSORS)
    for one, other, target in zip(flat, wanted, [*wrt["first"], wrt["second"]], strict=True):
        assert one.shape == logits.shape + target.shape
        np.testing.assert_allclose(value_of(one, feed), other.numpy(), rtol=1e-9, atol=1e-12)
    verify(Graph(tuple(feed), tuple(flat)))


def test_hessian_of_a_two_layer_network_equals_pytorchs() -> None:
    _, cost, wrt, feed = _network()
    blocks = gd.hessian(cost, wrt)
    wanted = torch.autograd.functional.hessian(_torch_cost, TENSORS)
    rows = [*blocks["first"], blocks["second"]]
    targets = [*wrt["first"], wrt["second"]]
    for row, target, others in zip(rows, targets, wanted, strict=True):
        for block, second, other in zip(
            [*row["first"], row["second"]], targets, others, strict=True
        ):
            assert block.shape == target.shape + second.shape
            np.testing.assert_allclose(value_of(block, feed), other.numpy(), rtol=1e-8, atol=1e-11)


def test_hessian_vector_products_equal_pytorchs() -> None:
    _, cost, wrt, feed = _network()
    vectors = [_random.normal(size=shape) for shape in SHAPES.values()]
    v1, vb, v2 = (gd.placeholder("v", t.shape, "float64") for t in (*wrt["first"], wrt["second"]))
    found = gd.hvp(cost, wrt, {"first": [v1, vb], "second": v2})
    _, wanted = torch.autograd.functional.hvp(
        _torch_cost, TENSORS, tuple(torch.tensor(v) for v in vectors)
    )
    fed = feed | dict(zip((v1, vb, v2), vectors, strict=True))
    for one, other in zip([*found["first"], found["second"]], wanted, strict=True):
        np.testing.assert_allclose(value_of(one, fed), other.numpy(), rtol=1e-8, atol=1e-11)


def test_compiled_hessian() -> None:
    x = gd.placeholder("x", ("n",))
    hessian = gd.function([x], gd.hessian(gd.logsumexp(x * x), x))
    data = np.array([0.5, -1.0, 2.0], np.float32)
    wanted = torch.autograd.functional.hessian(
        lambda t: torch.logsumexp(t * t, 0), torch.tensor(data)
    )
    np.testing.assert_allclose(hessian(data), wanted.numpy(), rtol=1e-4, atol=1e-5)


def test_zero_and_disconnected_parts() -> None:
    x, y = gd.placeholder("x", (2,)), gd.placeholder("y", (3,))
    data = {x: np.ones(2, np.float32), y: np.ones(3, np.float32)}
    blocks = gd.hessian(gd.sum(x * x) + gd.sum(gd.exp(y)), [x, y])
    assert value_of(blocks[0][1], data).tolist() == [[0] * 3] * 2
    assert value_of(gd.hessian(gd.sum(x), x), data).tolist() == [[0, 0], [0, 0]]
    assert value_of(gd.jacobian(gd.floor(x), x), data).tolist() == [[0, 0], [0, 0]]
    assert value_of(gd.hvp(gd.sum(x), x, x), data).tolist() == [0, 0]
    parts = gd.hvp(gd.sum(x * x), [x, y], [x, y], disconnected="none")
    assert parts[1] is None
    assert value_of(parts[0], data).tolist() == [2, 2]
    with pytest.raises(gd.GradientError, match="do not depend on"):
        gd.jacobian(x, y)
    with pytest.raises(gd.GradientError, match="does not depend on"):
        gd.hessian(gd.sum(x), y)
    with pytest.raises(gd.ArgumentError, match="mode='up'"):
        gd.jacobian(x, x, mode="up")  # type: ignore[arg-type]
    with pytest.raises(gd.ShapeError, match="0-d"):
        gd.hessian(x, x)
    with pytest.raises(gd.ShapeError, match="must have its tensor's type"):
        gd.hvp(gd.sum(x * x), x, np.ones(3))


def test_draws_are_the_same_in_every_row() -> None:
    x = gd.placeholder("x", (3,), "float64")
    kept = gd.random.uniform((3,), dtype="float64")
    found = value_of(gd.jacobian(x * kept, x), {x: np.ones(3)})
    np.testing.assert_array_equal(found, np.diag(np.diag(found)))
    np.testing.assert_allclose(np.diag(found), value_of(x * kept, {x: np.ones(3)}))
