"""A small LeNet on real handwritten digits: convolutions, batch normalisation, pooling.

1797 images of 8×8 pixels (scikit-learn's copy of the UCI digits), a quarter held out for the test.
Forward, backward and Adam are one native function; see `train_step.explain()`: the windows of a
convolution are read in place, and both of its gradients are contractions, too.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import graphdl as gd

Array = np.ndarray[Any, Any]


def load_images() -> tuple[Array, Array, Array, Array]:
    """Images (count, 8, 8, 1) in [0, 1] as float32 and their labels: train and test parts."""
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[..., None]
    parts = train_test_split(images, digits.target, test_size=0.25, random_state=0)
    return parts[0], parts[1], parts[2], parts[3]


def build() -> tuple[gd.Function, gd.Function]:
    """The training step and the predictor."""
    image = gd.placeholder("image", ("batch", 8, 8, 1))
    label = gd.placeholder("label", ("batch",), dtype="int64")
    model = gd.nn.Sequential(
        [
            gd.nn.Conv2D(8, 3, padding="same", use_bias=False),
            gd.nn.BatchNormalization(momentum=0.9),
            gd.nn.Activation("relu"),
            gd.nn.MaxPooling2D(),
            gd.nn.Conv2D(16, 3, padding="same", activation="relu"),
            gd.nn.MaxPooling2D(),
            gd.nn.Flatten(),
            gd.nn.Dense(32, activation="relu"),
            gd.nn.Dense(10),
        ]
    )
    logits = model(image)
    loss = gd.nn.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)
    updates = gd.optim.Adam(2e-3).minimize(loss, model.parameters())
    train_step = gd.function([image, label], loss, updates=updates, name="train_step")
    predict = gd.function([image], gd.softmax(logits), name="predict")
    return train_step, predict


def main(epochs: int = 20) -> float:
    """Train, and return the share of test images whose most probable digit is right."""
    train_images, test_images, train_labels, test_labels = load_images()
    gd.random.seed(0)
    start = time.perf_counter()
    train_step, predict = build()
    print(f"compiled two functions in {time.perf_counter() - start:.2f} s")
    batches = gd.data.Batches(train_images, train_labels, batch_size=32, seed=0)
    start = time.perf_counter()
    for epoch in range(epochs):
        losses = [train_step(*batch) for batch in batches]
        print(f"epoch {epoch}: loss {np.mean(losses):.4f}")
    print(f"trained {epochs} epochs in {time.perf_counter() - start:.2f} s")
    accuracy = float(np.mean(predict(test_images).argmax(axis=1) == test_labels))
    print(f"test accuracy: {accuracy:.4f}")
    return accuracy


if __name__ == "__main__":
    main()
