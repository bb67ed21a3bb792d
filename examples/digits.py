"""Train a network on real handwritten digits, look inside it, and hand it to a C program.

1797 images of 8×8 pixels (scikit-learn's copy of the UCI digits), a quarter held out for the test.
Everything it writes goes into the directory given (default: build/digits).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import graphdl as gd

EPOCHS = 60
BATCH = 32
Array = np.ndarray[Any, Any]


def load_images() -> tuple[Array, Array, Array, Array]:
    """Images in [0, 1] as float32 and their labels: train and test parts."""
    digits = load_digits()
    images = (digits.data / 16.0).astype(np.float32)
    parts = train_test_split(images, digits.target, test_size=0.25, random_state=0)
    return parts[0], parts[1], parts[2], parts[3]


def build() -> tuple[gd.Function, gd.Function, gd.nn.Layer]:
    """The training step and the predictor of one 64-128-64-10 network."""
    image = gd.placeholder("image", ("batch", 64))
    label = gd.placeholder("label", ("batch",), dtype="int64")
    model = gd.nn.Sequential(
        [
            gd.nn.Dense(128, activation="relu"),
            gd.nn.Dropout(0.2),
            gd.nn.Dense(64, activation="relu"),
            gd.nn.Dense(10),
        ]
    )
    logits = model(image)
    loss = gd.nn.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)
    updates = gd.optim.Adam(1e-3).minimize(loss, model.parameters())
    train_step = gd.function([image, label], loss, updates=updates, name="train_step")
    predict = gd.function([image], {"probabilities": gd.softmax(logits)}, name="digits")
    return train_step, predict, model


def accuracy(predict: gd.Function, images: Array, labels: Array) -> float:
    """The share of images whose most probable digit is the label."""
    return float(np.mean(predict(images)["probabilities"].argmax(axis=1) == labels))


def train(train_step: gd.Function, images: Array, labels: Array) -> float:
    """Run all epochs with a progress bar; returns the seconds it took."""
    batches = gd.data.Batches(images, labels, batch_size=BATCH, seed=0)
    columns = (
        TextColumn("training"), BarColumn(), TextColumn("epoch {task.completed}/{task.total}"),
        TextColumn("loss {task.fields[loss]:.4f}"), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    start = time.perf_counter()
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=EPOCHS, loss=float("nan"))
        for _ in range(EPOCHS):
            losses = [train_step(*batch) for batch in batches]
            progress.update(task, advance=1, loss=float(np.mean(losses)))
    return time.perf_counter() - start


C_PROGRAM = """\
#include <stdio.h>
#include <stdlib.h>
#include "digits.h"

/* Reads images (float32, 64 a row) from a file; prints the most probable digit of each. */
int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int64_t batch = atoll(argv[3]);
    const void *weights = NULL;
    int code = digits_map_weights(argv[1], &weights);
    if (code) { fprintf(stderr, "%s\\n", digits_error(code)); return 1; }
    float *image = malloc(sizeof(float) * 64 * batch);
    float *probabilities = malloc(sizeof(float) * 10 * batch);
    void *scratch = aligned_alloc(64, digits_scratch_bytes(batch));
    FILE *file = fopen(argv[2], "rb");
    if (!file || fread(image, sizeof(float) * 64, batch, file) != (size_t)batch) return 2;
    code = digits_run(weights, scratch, batch, image, probabilities);
    if (code) { fprintf(stderr, "%s\\n", digits_error(code)); return 1; }
    for (int64_t i = 0; i < batch; i++) {
        int best = 0;
        for (int j = 1; j < 10; j++)
            if (probabilities[10 * i + j] > probabilities[10 * i + best]) best = j;
        printf("%d\\n", best);
    }
    return 0;
}
"""


def run_in_c(directory: Path, images: Array) -> Array:
    """Build the C program against the artifact and let it predict."""
    artifact = directory / "artifact"
    source, program, data = directory / "main.c", directory / "main", directory / "images.bin"
    source.write_text(C_PROGRAM)
    images.tofile(data)
    rpath = f"-Wl,-rpath,{artifact.resolve()}"
    command = ["cc", "-O1", f"-I{artifact}", str(source), f"-L{artifact}", "-ldigits", rpath]
    subprocess.run([*command, "-o", str(program)], check=True)
    arguments = [str(program), str(artifact / "weights.safetensors"), str(data), str(len(images))]
    result = subprocess.run(arguments, check=True, capture_output=True, text=True)
    return np.array([int(line) for line in result.stdout.split()])


def main(directory: Path) -> None:
    """The whole tour."""
    directory.mkdir(parents=True, exist_ok=True)
    train_images, test_images, train_labels, test_labels = load_images()
    gd.random.seed(0)
    start = time.perf_counter()
    train_step, predict, _ = build()
    print(f"compiled two functions in {time.perf_counter() - start:.2f} s")
    seconds = train(train_step, train_images, train_labels)
    steps = EPOCHS * (len(train_images) // BATCH)
    print(f"trained {steps} steps in {seconds:.2f} s")
    print(f"test accuracy: {accuracy(predict, test_images, test_labels):.4f}")

    print(train_step.explain())
    for name, stage in (("forward_backward", "graph"), ("program", "program")):
        for suffix in ("svg", "html"):
            path = directory / f"{name}.{suffix}"
            gd.draw(train_step, path, stage=stage)
            print(f"picture: {path}")

    gd.export(predict, directory / "artifact", overwrite=True)
    for file in sorted((directory / "artifact").iterdir()):
        print(f"{file.stat().st_size:9d} bytes  {file}")
    python = predict(test_images)["probabilities"].argmax(axis=1)
    if shutil.which("cc") is None:
        loaded = gd.load(directory / "artifact")(test_images)["probabilities"].argmax(axis=1)
        print(
            "no C compiler here; the artifact loaded by gd.load agrees:", (loaded == python).all()
        )
        return
    agrees = bool((run_in_c(directory, test_images) == python).all())
    print(f"C predictions equal Python's on {len(python)} test images: {agrees}")
    if not agrees:
        raise SystemExit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/digits"))
