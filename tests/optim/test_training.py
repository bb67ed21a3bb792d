"""A small network learns, through the interpreter: layers, loss, gradient, optimiser, batches."""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.data.batches import Batches
from graphdl.nn.layers import Dense, Dropout
from graphdl.nn.losses import sparse_categorical_crossentropy
from graphdl.nn.sequential import Sequential
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.random import seed
from graphdl.ops.functions.reduction import argmax
from graphdl.optim.adam import Adam
from graphdl.optim.optimizer import Optimizer
from graphdl.optim.sgd import SGD
from tests.plugins.steps import run_step, value_of


@pytest.mark.parametrize("optimizer", [SGD(0.5, momentum=0.9), Adam(0.05)], ids=["sgd", "adam"])
def test_two_moons_are_told_apart(optimizer: Optimizer) -> None:
    seed(0)
    generator = np.random.default_rng(0)
    angle = generator.uniform(0, np.pi, 120)
    labels = np.arange(120) % 2
    points = np.stack([np.cos(angle), np.sin(angle)], 1) * (1 - 2 * labels)[:, None]
    points = (points + labels[:, None] * [1.0, 0.5]).astype(np.float32)

    x, label = placeholder("x", ("batch", 2)), placeholder("label", ("batch",), "int64")
    model = Sequential([Dense(16, activation="tanh"), Dropout(0.1), Dense(2)])
    logits = model(x)
    loss = sparse_categorical_crossentropy(label, logits, from_logits=True)
    updates = optimizer.minimize(loss, model.parameters())
    batches = Batches(points, labels, batch_size=40, seed=1)
    for _ in range(60):
        for features, classes in batches:
            run_step(updates, [loss], {x: features, label: classes})
    found = value_of(argmax(logits, axis=1), {x: points})
    assert (found == labels).mean() >= 0.97
