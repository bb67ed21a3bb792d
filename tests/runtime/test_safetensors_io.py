"""Named arrays on disk."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from graphdl.errors import ArtifactError
from graphdl.runtime.safetensors_io import read_arrays, write_arrays


def test_arrays_come_back_with_dtype_shape_and_bits(tmp_path: Path) -> None:
    arrays = {
        "a/b": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "scalar": np.array(np.nan),
        "empty": np.zeros((0, 4), np.uint32),
        "brain": np.array([1.5, -0.0], ml_dtypes.bfloat16),
        "flags": np.array([True, False]),
    }
    write_arrays(tmp_path / "w.safetensors", arrays)
    found = read_arrays(tmp_path / "w.safetensors")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w"
    write_arrays(path, {"a": np.zeros(2)})

    def fail(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("graphdl.runtime.safetensors_io.save_file", fail)
    with pytest.raises(KeyboardInterrupt):
        write_arrays(path, {"a": np.ones(2)})
    assert read_arrays(path)["a"].tolist() == [0, 0]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("change", ["truncated", "header"])
def test_damaged_files_are_told(tmp_path: Path, change: str) -> None:
    path = tmp_path / "w"
    write_arrays(path, {"a": np.zeros(100)})
    data = path.read_bytes()
    path.write_bytes(data[:-8] if change == "truncated" else b"\xff" * 8 + data[8:])
    with pytest.raises(ArtifactError, match="no safetensors file"):
        read_arrays(path)
