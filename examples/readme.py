"""The program of the README, and the picture and texts that the README shows of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import graphdl as gd

image = gd.placeholder("image", ("batch", 64))
label = gd.placeholder("label", ("batch",), dtype="int64")
model = gd.nn.Sequential([gd.nn.Dense(128, activation="relu"), gd.nn.Dropout(0.2), gd.nn.Dense(10)])
logits = model(image)
loss = gd.nn.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)

updates = gd.optim.Adam(1e-3).minimize(loss, model.parameters())
train_step = gd.function([image, label], loss, updates=updates)
predict = gd.function([image], gd.softmax(logits), name="digits")

if __name__ == "__main__":
    random = np.random.default_rng(0)
    x, y = random.random((32, 64), np.float32), random.integers(0, 10, 32)
    print(train_step(x, y), predict(x[:1]).shape)
    print(train_step.explain())
    picture = Path(__file__).with_name("pictures") / "train_step.svg"
    gd.draw(train_step, picture, depth=2)
