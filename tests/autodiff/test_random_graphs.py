"""Gradients and second derivatives of random graphs against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphdl.autodiff.reverse import grad
from graphdl.autodiff.trace import remat
from graphdl.graph.nodes import Tensor
from graphdl.ops import composite
from graphdl.ops.functions import contraction, cumulative, elementwise, movement, reduction
from graphdl.ops.functions.creation import constant, placeholder
from tests.plugins.steps import run_step

Step = tuple[Callable[..., Any], Callable[..., Any]]
"""The same function of two (3, 4) values for graphdl and for torch."""

STEPS: list[Step] = [
    (lambda a, b: a + b, lambda a, b: a + b),
    (lambda a, b: a * b, lambda a, b: a * b),
    (lambda a, b: a / (b * b + 1), lambda a, b: a / (b * b + 1)),
    (lambda a, b: elementwise.tanh(a) - b, lambda a, b: torch.tanh(a) - b),
    (lambda a, b: elementwise.sin(a), lambda a, b: torch.sin(a)),
    (lambda a, b: elementwise.exp(-a * a), lambda a, b: torch.exp(-a * a)),
    (lambda a, b: composite.sigmoid(a), lambda a, b: torch.sigmoid(a)),
    (lambda a, b: composite.silu(b), lambda a, b: torch.nn.functional.silu(b)),
    (lambda a, b: composite.softplus(a), lambda a, b: torch.nn.functional.softplus(a)),
    (lambda a, b: elementwise.maximum(a, b), lambda a, b: torch.maximum(a, b)),
    (lambda a, b: elementwise.where(a > b, a, b * 2), lambda a, b: torch.where(a > b, a, b * 2)),
    (lambda a, b: elementwise.log(a * a + 1), lambda a, b: torch.log(a * a + 1)),
    (lambda a, b: elementwise.sqrt(a * a + b * b + 1), lambda a, b: (a * a + b * b + 1).sqrt()),
    (lambda a, b: composite.softmax(a, 1), lambda a, b: torch.softmax(a, 1)),
    (lambda a, b: composite.log_softmax(b, 0), lambda a, b: torch.log_softmax(b, 0)),
    (
        lambda a, b: a - reduction.logsumexp(b, axis=1, keepdims=True),
        lambda a, b: a - torch.logsumexp(b, 1, keepdim=True),
    ),
    (lambda a, b: a - reduction.mean(b, axis=0), lambda a, b: a - b.mean(0)),
    (
        lambda a, b: a * reduction.max(b, axis=1, keepdims=True),
        lambda a, b: a * b.max(1, keepdim=True).values,
    ),
    (
        lambda a, b: contraction.matmul(contraction.matmul(a, movement.permute_dims(b, (1, 0))), a),
        lambda a, b: a @ b.T @ a,
    ),
    (
        lambda a, b: movement.reshape(movement.permute_dims(a, (1, 0)), (3, 4)) * b,
        lambda a, b: a.T.reshape(3, 4) * b,
    ),
    (
        lambda a, b: movement.concat([a[1:], b[:1, ::-1]], axis=0),
        lambda a, b: torch.cat([a[1:], b[:1].flip(1)]),
    ),
    (
        lambda a, b: movement.pad(a[:, ::2], ((0, 0), (1, 1))),
        lambda a, b: torch.nn.functional.pad(a[:, ::2], (1, 1)),
    ),
    (
        lambda a, b: cumulative.cumulative_sum(a, axis=1, reverse=True) * 0.5,
        lambda a, b: a.flip(1).cumsum(1).flip(1) * 0.5,
    ),
    (
        lambda a, b: remat(lambda x, y: elementwise.tanh(x * y) + x)(a, b),
        lambda a, b: torch.tanh(a * b) + a,
    ),
]

plans = st.lists(
    st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 99), st.integers(0, 99)),
    min_size=1,
    max_size=8,
)


def _follow(plan: list[tuple[int, int, int]], values: list[Any], side: int) -> Any:
    values = list(values)
    for step, left, right in plan:
        function = STEPS[step][side]
        values.append(function(values[left % len(values)], values[right % len(values)]))
    return values[-1]


@settings(max_examples=120, deadline=None, derandomize=True)
@given(plans, st.integers(0, 2**16))
def test_first_and_second_derivatives_equal_torch(
    plan: list[tuple[int, int, int]], seed: int
) -> None:
    generator = np.random.default_rng(seed)
    arrays = [generator.normal(size=(3, 4)) for _ in range(2)]
    weights, direction = generator.normal(size=(2, 3, 4))

    inputs: list[Tensor] = [placeholder(name, (3, 4), "float64") for name in ("a", "b")]
    cost = reduction.sum(_follow(plan, inputs, 0) * constant(weights, "float64"))
    first = grad(cost, inputs, disconnected="zero")
    slope = reduction.sum((first[0] + first[1]) * constant(direction, "float64"))
    second = grad(slope, inputs, disconnected="zero")
    found = run_step({}, [*first, *second], dict(zip(inputs, arrays, strict=True)))

    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    torch_cost = (_follow(plan, tensors, 1) * torch.tensor(weights)).sum()
    torch_first = _torch_grad(torch_cost, tensors)
    torch_second = _torch_grad(
        ((torch_first[0] + torch_first[1]) * torch.tensor(direction)).sum(), tensors
    )
    for value, wanted in zip(found, [*torch_first, *torch_second], strict=True):
        expected = wanted.detach().numpy()
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(value, expected, rtol=1e-8, atol=1e-9 * scale)


def _torch_grad(cost: torch.Tensor, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    if not cost.requires_grad:
        return [torch.zeros_like(tensor) for tensor in tensors]
    found = torch.autograd.grad(cost, tensors, create_graph=True, allow_unused=True)
    return [
        torch.zeros_like(tensor) if gradient is None else gradient
        for gradient, tensor in zip(found, tensors, strict=True)
    ]
