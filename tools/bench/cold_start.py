"""From a graph to its first result in fresh processes: with an empty disk cache and a full one.

Time runs from the defined graph, imports done, to the end of the first call.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

Entry = tuple[str, float, str, float, float | None, bool]

_MODELS = {
    "digits": """
features, classes = 64, 10
layers = [
    gd.nn.Dense(128, activation="relu"),
    gd.nn.Dropout(0.2),
    gd.nn.Dense(64, activation="relu"),
    gd.nn.Dense(10),
]
""",
    "dense48": """
layers = [gd.nn.Dense(256, activation="relu") for _ in range(48)]
features, classes = 256, 256
""",
}
_STEP = """
import sys, time
import numpy as np
import graphdl as gd
import graphdl.backends.cpu.compile, graphdl.function, graphdl.nn, graphdl.optim
{model}
image = gd.placeholder("image", ("batch", features))
label = gd.placeholder("label", ("batch",), dtype="int64")
random = np.random.default_rng(0)
images = random.standard_normal((32, features), dtype=np.float32)
labels = random.integers(0, classes, 32)
model = gd.nn.Sequential(layers)
loss = gd.nn.losses.sparse_categorical_crossentropy(label, model(image), from_logits=True)
updates = gd.optim.Adam(1e-3).minimize(loss, model.parameters())
start = time.perf_counter()
step = gd.function([image, label], loss, updates=updates)
step(images, labels)
print(time.perf_counter() - start)
"""

_IMPORT = """
import time
start = time.perf_counter()
import {name}
print(time.perf_counter() - start)
"""


def measure(rounds: int) -> list[Entry]:
    """Rows of the table: name, our seconds, peer, its seconds, bound, whether a ratio."""
    rounds = max(3, rounds // 2)
    entries: list[Entry] = []
    for name, title, cold_bound, warm_bound in (
        ("digits", "training step 64-128-64-10", 0.4, 0.06),
        ("dense48", "training step of 48 Dense(256)", 1.0, None),
    ):
        program = _STEP.format(model=_MODELS[name])
        cold, warm = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as cache:
                cold.append(_run(program, cache))
                warm.append(_run(program, cache))
        entries.append((f"{title}, cold", statistics.median(cold), "", 0.0, cold_bound, False))
        entries.append(
            (f"{title}, warm cache", statistics.median(warm), "", 0.0, warm_bound, False)
        )
    entries.append(_import_entry(rounds))
    return entries


def _run(program: str, cache: str) -> float:
    environment = {**os.environ, "GRAPHDL_CACHE_DIR": cache}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(result.stdout.split()[-1])


def _import_entry(rounds: int) -> Entry:
    seconds: dict[str, list[float]] = {"graphdl": [], "numpy": []}
    for _ in range(3 * rounds):
        for name, found in seconds.items():
            program = _IMPORT.format(name=name)
            found.append(_run(program, os.devnull))
    ours, theirs = (statistics.median(found) for found in seconds.values())
    return ("import", ours, "numpy", theirs, 1.6, True)
