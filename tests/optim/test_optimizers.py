"""Optimisers against torch, and the rules they keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, GradientError, ShapeError
from graphdl.ops.functions.creation import constant, variable
from graphdl.ops.functions.elementwise import astype, sin
from graphdl.ops.functions.reduction import sum as total
from graphdl.optim.adam import Adam
from graphdl.optim.optimizer import Optimizer
from graphdl.optim.sgd import SGD
from tests.plugins.steps import run_step, value_of

START = np.array([0.3, -1.2, 2.5])


def _follow(optimizer: Optimizer, steps: int = 5) -> Any:
    w = variable(START, dtype="float64")
    updates = optimizer.minimize(total(sin(w) * w), [w])
    for _ in range(steps):
        run_step(updates)
    assert optimizer.iterations.numpy() == steps
    return w.numpy()


def _follow_torch(make: Callable[..., torch.optim.Optimizer], steps: int = 5) -> Any:
    w = torch.tensor(START, requires_grad=True)
    optimizer = make([w])
    for _ in range(steps):
        optimizer.zero_grad()
        (torch.sin(w) * w).sum().backward()
        optimizer.step()
    return w.detach().numpy()


CASES: list[tuple[Optimizer, Callable[..., torch.optim.Optimizer]]] = [
    (SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    (SGD(0.1, momentum=0.9), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
    (
        SGD(0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    ),
    (Adam(0.1, epsilon=1e-30), lambda p: torch.optim.Adam(p, 0.1, eps=1e-30)),
    (
        Adam(0.1, 0.8, 0.95, 1e-30, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, 0.1, (0.8, 0.95), 1e-30, weight_decay=0.1),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=["sgd", "momentum", "nesterov", "adam", "adamw"])
def test_five_steps_equal_torch(
    case: tuple[Optimizer, Callable[..., torch.optim.Optimizer]],
) -> None:
    optimizer, make = case
    np.testing.assert_allclose(_follow(optimizer), _follow_torch(make), rtol=1e-5, atol=1e-6)


def test_adam_adds_epsilon_as_keras_does() -> None:
    w = variable(np.array([1.0]), dtype="float64")
    run_step(Adam(0.5, epsilon=0.1).updates([w], [constant([2.0], "float64")]))
    first, second = 0.1 * 2.0, 0.001 * 4.0
    size = 0.5 * np.sqrt(1 - 0.999) / (1 - 0.9)
    np.testing.assert_allclose(w.numpy(), 1 - size * first / (np.sqrt(second) + 0.1), rtol=1e-6)


def test_the_learning_rate_is_a_variable_a_tensor_or_a_schedule() -> None:
    w = variable(np.array([1.0]))
    one = constant([1.0])
    plain = SGD(0.5)
    updates = plain.updates([w], [one])
    plain.learning_rate.assign(0.25)
    run_step(updates)
    np.testing.assert_allclose(w.numpy(), [0.75])
    assert list(plain.variables()) == ["iterations", "learning_rate"]

    scheduled = SGD(lambda step: 1 / (1 + astype(step, "float32")))
    updates = scheduled.updates([w], [one])
    run_step(updates)
    run_step(updates)
    np.testing.assert_allclose(w.numpy(), [0.75 - 1 - 0.5])
    assert list(scheduled.variables()) == ["iterations"]

    with pytest.raises(ArgumentError, match="0-d floating"):
        SGD(constant([0.1, 0.2]))


def test_slots_belong_to_one_optimiser_and_one_variable() -> None:
    w, b = variable(np.ones((2, 3))), variable(np.ones(3))
    cost = total(w * w) + total(b)
    first, second = Adam(), Adam()
    parameters = {"layer/w": w, "layer/b": b}
    assert first.minimize(cost, parameters).keys() == first.minimize(cost, parameters).keys()
    second.minimize(cost, parameters)
    paths = list(first.variables())
    assert paths == [
        "iterations", "learning_rate", "first_moment/layer/w", "second_moment/layer/w",
        "first_moment/layer/b", "second_moment/layer/b",
    ]  # fmt: skip
    assert not set(first.variables().values()) & set(second.variables().values())
    assert first.variables()["first_moment/layer/w"].shape == (2, 3)


def test_float16_parameters_stay_float16() -> None:
    w = variable(np.ones(2), dtype="float16")
    updates = Adam().minimize(total(w * w), w)
    for updated, value in updates.items():
        assert updated.type == value.type
    run_step(updates)


def test_a_wrong_step_size_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Adam, "step_size", Optimizer.step_size)
    adam = Adam(0.1, epsilon=1e-30)
    expected = _follow_torch(lambda p: torch.optim.Adam(p, 0.1, eps=1e-30))
    assert not np.allclose(_follow(adam), expected, rtol=1e-3)


def test_wrong_use_is_told() -> None:
    w, other = variable(np.ones(2), name="w"), variable(np.ones(2), name="other")
    optimizer = SGD()
    with pytest.raises(GradientError, match="does not depend on"):
        optimizer.minimize(total(w), [w, other])
    with pytest.raises(ArgumentError, match="1 gradients for 2"):
        optimizer.updates([w, other], [grad(total(w), w)])
    with pytest.raises(ArgumentError, match="same variable"):
        optimizer.updates([w, w], [w, w])
    with pytest.raises(ShapeError, match="must be float32"):
        optimizer.updates([w], [total(w)])
    with pytest.raises(ArgumentError, match="changes variables"):
        optimizer.minimize(total(w), w * 2)
    with pytest.raises(ArgumentError, match="no parameters"):
        optimizer.minimize(total(w), {})
    with pytest.raises(ArgumentError, match="momentum"):
        SGD(momentum=2)
    assert value_of(w).tolist() == [1, 1]
