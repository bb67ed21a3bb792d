"""Saving and loading weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from graphdl.errors import ArgumentError, ArtifactError, DTypeError, RuntimeFailure, ShapeError
from graphdl.nn.layers import Dense
from graphdl.nn.sequential import Sequential
from graphdl.nn.weights import load_weights, save_weights
from graphdl.ops.functions.creation import placeholder, variable


def _model() -> Sequential:
    model = Sequential([Dense(3, activation="relu"), Dense(2)])
    model(placeholder("x", ("batch", 4)))
    return model


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    first, second = _model(), _model()
    save_weights(first, path)
    assert set(load_file(path)) == set(first.variables())
    load_weights(second, path)
    for name, found in second.variables().items():
        assert np.array_equal(found.numpy(), first.variables()[name].numpy())
    assert list(tmp_path.iterdir()) == [path]


def test_every_dtype_and_rank_survives(tmp_path: Path) -> None:
    arrays = {"a": np.float64(3), "b": np.arange(3), "c": np.zeros((0, 2), bool)}
    saved = {name: variable(array, dtype=array.dtype) for name, array in arrays.items()}
    saved["d"] = variable(np.array([1.5, 2.5]), dtype="bfloat16")
    save_weights(saved, tmp_path / "w")
    loaded = {name: variable(v.numpy() * 0, dtype=v.dtype) for name, v in saved.items()}
    load_weights(loaded, tmp_path / "w")
    for name in saved:
        assert np.array_equal(loaded[name].numpy(), saved[name].numpy())


def test_nothing_is_assigned_unless_all_shapes_fit(tmp_path: Path) -> None:
    model = _model()
    before = {name: found.numpy() for name, found in model.variables().items()}
    arrays = {name: np.ones_like(array) for name, array in before.items()}
    arrays["layers/1/kernel"] = np.ones((3, 5), np.float32)
    save_file(arrays, tmp_path / "w")
    with pytest.raises(ShapeError, match=r"layers/1/kernel  \[3, 5\] in the file, \[3, 2\] here"):
        load_weights(model, tmp_path / "w")
    arrays["layers/1/kernel"] = np.ones((3, 2), np.int64) * 3
    arrays["layers/1/bias"] = np.ones(2, np.float64)
    save_file(arrays, tmp_path / "w")
    load_weights(model, tmp_path / "w")
    assert model.variables()["layers/1/kernel"].numpy().tolist() == [[3, 3]] * 3
    count = {"count": variable(np.int64(0))}
    save_file({"count": np.ones((), np.float32)}, tmp_path / "w")
    with pytest.raises(DTypeError, match='"count"'):
        load_weights(count, tmp_path / "w")
    assert count["count"].numpy() == 0


def test_names_are_strict_unless_told_otherwise(tmp_path: Path) -> None:
    model = _model()
    arrays = {name: np.ones_like(found.numpy()) for name, found in model.variables().items()}
    arrays["old/bias"] = arrays.pop("layers/1/bias")
    save_file(arrays, tmp_path / "w")
    with pytest.raises(ArgumentError) as caught:
        load_weights(model, tmp_path / "w")
    assert 'missing in the file  "layers/1/bias"' in str(caught.value)
    assert 'only in the file     "old/bias"' in str(caught.value)
    load_weights(model, tmp_path / "w", strict=False)
    assert model.variables()["layers/0/bias"].numpy().tolist() == [1, 1, 1]
    assert model.variables()["layers/1/bias"].numpy().tolist() == [0, 0]
    load_weights(model, tmp_path / "w", rename={"old/bias": "layers/1/bias"})
    assert model.variables()["layers/1/bias"].numpy().tolist() == [1, 1]
    load_weights(model, tmp_path / "w", rename=lambda name: name.replace("old", "layers/1"))
    with pytest.raises(ArgumentError, match="renamed to"):
        load_weights(model, tmp_path / "w", rename=lambda name: "one")


def test_files_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    model = _model()
    with pytest.raises(ArtifactError, match="there is no file"):
        load_weights(model, tmp_path / "missing")
    (tmp_path / "noise").write_bytes(b"not safetensors")
    with pytest.raises(ArtifactError, match="no safetensors file"):
        load_weights(model, tmp_path / "noise")
    with pytest.raises(RuntimeFailure, match="cannot write"):
        save_weights(model, tmp_path / "no" / "such" / "directory")
    with pytest.raises(ArgumentError, match="int has no variables"):
        save_weights(3, tmp_path / "w")
    with pytest.raises(ArgumentError, match="not a variable"):
        save_weights({"a": 3}, tmp_path / "w")
