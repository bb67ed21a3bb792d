"""Artifacts: C and gd.load agree with the function, and damage is an error, never a crash."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphdl as gd
from graphdl.backends.cpu import artifact as artifact_code
from graphdl.runtime.artifact import manifest_checksum

HAS_CC = shutil.which("cc") is not None
Array = np.ndarray[Any, Any]


def random(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def predictor() -> gd.Function:
    """A two-layer network with a named size, two outputs and a label input."""
    image = gd.placeholder("image", ("batch", 12))
    hidden = gd.relu(image @ gd.variable(random(12, 7), name="first"))
    logits = hidden @ gd.variable(random(7, 3), name="second")
    outputs = {"probabilities": gd.softmax(logits), "best": gd.argmax(logits, axis=1)}
    return gd.function([image], outputs, name="predict")


def training_step() -> gd.Function:
    """One SGD step of a linear model: an artifact with state."""
    x = gd.placeholder("x", ("batch", 4))
    y = gd.placeholder("y", ("batch",))
    weight = gd.variable(np.zeros(4), name="weight")
    loss = gd.mean((x @ weight - y) ** 2)
    updates = gd.optim.SGD(0.1).minimize(loss, {"weight": weight})
    return gd.function([x, y], loss, updates=updates, name="train")


@pytest.mark.parametrize("batch", [0, 1, 5, 67])
def test_loaded_equals_the_function(batch: int, tmp_path: Path) -> None:
    function = predictor()
    gd.export(function, tmp_path / "a")
    loaded = gd.load(tmp_path / "a")
    expected, found = function(random(batch, 12)), loaded(random(batch, 12))
    assert list(found) == ["probabilities", "best"]
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], rtol=1e-6)
    np.testing.assert_array_equal(found["best"], expected["best"])


def test_without_a_compiler_the_object_itself_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    function = predictor()
    written = gd.export(function, tmp_path / "a")
    assert "no C compiler" in written.note
    assert not any(name.endswith(".so") for name in written.files)
    found = gd.load(tmp_path / "a")(image=random(5, 12))
    expected = function(random(5, 12))
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], rtol=1e-6)


def test_a_training_step_learns_where_it_is_loaded(tmp_path: Path) -> None:
    function = training_step()
    gd.export(function, tmp_path / "a")
    loaded = gd.load(tmp_path / "a")
    x, target = random(50, 4), random(50, 4) @ np.array([1, -2, 3, 0.5], np.float32)
    ours = [float(function(x, target)) for _ in range(20)]
    theirs = [float(loaded(x, target)) for _ in range(20)]
    np.testing.assert_allclose(theirs, ours, rtol=1e-5)
    assert theirs[-1] < 0.1 * theirs[0]
    state = loaded.state()
    assert any(name.endswith("weight") for name in state)
    fresh = gd.load(tmp_path / "a")
    fresh.set_state(state)
    assert float(fresh(x, target)) == float(loaded(x, target))


C_PROGRAM = """\
#include <stdio.h>
#include <stdlib.h>
#include "predict.h"
int main(int argc, char **argv) {
    int64_t batch = atoll(argv[2]);
    const void *weights;
    int code = predict_map_weights(argv[1], &weights);
    if (code) { puts(predict_error(code)); return code; }
    float *image = malloc(48 * batch + 1), *probabilities = malloc(12 * batch + 1);
    int64_t *best = malloc(8 * batch + 1);
    for (int64_t i = 0; i < 12 * batch; i++) image[i] = (float)(i % 17) - 8;
    void *scratch = malloc(predict_scratch_bytes(batch));
    code = predict_run(weights, scratch, batch, image, probabilities, best);
    if (code) { puts(predict_error(code)); return code; }
    for (int64_t i = 0; i < 3 * batch; i++) printf("%.9g\\n", probabilities[i]);
    for (int64_t i = 0; i < batch; i++) printf("%d\\n", (int)best[i]);
    predict_unmap_weights(weights);
    return 0;
}
"""


def build_c(directory: Path) -> Path:
    """Compile the C program against the artifact in `directory`."""
    source, program = directory.parent / "main.c", directory.parent / "main"
    source.write_text(C_PROGRAM)
    flags = ["-Wall", "-Werror", f"-I{directory}", f"-L{directory}", f"-Wl,-rpath,{directory}"]
    command = ["cc", *flags, str(source), "-lpredict", "-o", str(program)]
    subprocess.run(command, check=True)
    return program


@pytest.mark.skipif(not HAS_CC, reason="there is no C compiler here")
def test_a_c_program_agrees_with_python(tmp_path: Path) -> None:
    function = predictor()
    directory = tmp_path / "a"
    gd.export(function, directory)
    program = build_c(directory)
    needed = subprocess.run(
        ["ldd", str(directory / "libpredict.so")], capture_output=True, text=True, check=True
    )
    libraries = [line.split()[0] for line in needed.stdout.splitlines()]
    assert all("libc.so" in name or "linux" in name for name in libraries)
    batch = 9
    result = subprocess.run(
        [str(program), str(directory / "weights.safetensors"), str(batch)],
        capture_output=True,
        text=True,
        check=True,
    )
    numbers = np.array([float(line) for line in result.stdout.split()])
    image = ((np.arange(12 * batch) % 17) - 8).astype(np.float32).reshape(batch, 12)
    expected = function(image)
    np.testing.assert_allclose(
        numbers[: 3 * batch], expected["probabilities"].ravel(), rtol=1e-5, atol=1e-7
    )
    np.testing.assert_array_equal(numbers[3 * batch :], expected["best"])


@pytest.mark.skipif(not HAS_CC, reason="there is no C compiler here")
def test_changed_weights_are_an_error_code_in_c(tmp_path: Path) -> None:
    directory = tmp_path / "a"
    gd.export(predictor(), directory)
    program = build_c(directory)
    weights = directory / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    for position in (0, 9, len(data) // 2, len(data) - 1):
        changed = bytearray(data)
        changed[position] ^= 1
        weights.write_bytes(changed)
        result = subprocess.run(
            [str(program), str(weights), "2"], capture_output=True, text=True, check=False
        )
        assert result.returncode == 2
        assert "was changed" in result.stdout
    weights.write_bytes(data[:-8])
    assert subprocess.run([str(program), str(weights), "2"], check=False).returncode == 2
    assert subprocess.run([str(program), "/nowhere", "2"], check=False).returncode == 1


def test_any_changed_byte_is_an_error(tmp_path: Path) -> None:
    directory = tmp_path / "a"
    written = gd.export(predictor(), directory)
    for name in written.files:
        path = directory / name
        data = path.read_bytes()
        changed = bytearray(data)
        changed[len(data) // 3] ^= 4
        path.write_bytes(changed)
        with pytest.raises(gd.ArtifactError):
            gd.load(directory)
        path.write_bytes(data)
    gd.load(directory)


def test_missing_file_wrong_version_and_no_artifact(tmp_path: Path) -> None:
    directory = tmp_path / "a"
    gd.export(predictor(), directory)
    with pytest.raises(gd.ArtifactError, match="no manifest"):
        gd.load(tmp_path)
    manifest = json.loads((directory / "manifest.json").read_text())
    body = {**manifest, "schema": 999}
    del body["checksum"]
    text = json.dumps({**body, "checksum": manifest_checksum(body)})
    (directory / "manifest.json").write_text(text)
    with pytest.raises(gd.ArtifactError, match="schema version 999"):
        gd.load(directory)
    (directory / "manifest.json").write_text(json.dumps(manifest))
    (directory / "weights.safetensors").unlink()
    with pytest.raises(gd.ArtifactError, match="cannot be read"):
        gd.load(directory)


def test_a_cpu_without_the_features_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bit 22 of cpuid leaf 7 EBX belonged to PCOMMIT, which no processor has.
    bits = {**artifact_code._FEATURE_BITS, "avx": (7, "ebx", 22)}
    monkeypatch.setattr(artifact_code, "_FEATURE_BITS", bits)
    gd.export(predictor(), tmp_path / "a")
    with pytest.raises(gd.ArtifactError, match="CPU lacks"):
        gd.load(tmp_path / "a")(random(2, 12))


def test_bad_arrays_are_errors(tmp_path: Path) -> None:
    gd.export(training_step(), tmp_path / "a")
    loaded = gd.load(tmp_path / "a")
    with pytest.raises(gd.ShapeError, match="size 'batch' is 3"):
        loaded(random(3, 4), random(2))
    with pytest.raises(gd.ShapeError):
        loaded(random(3, 5), random(3))
    with pytest.raises(gd.DTypeError):
        loaded(random(3, 4), np.ones(3, complex))
    with pytest.raises(gd.ArgumentError, match="misses its input 'y'"):
        loaded(random(3, 4))
    with pytest.raises(gd.ArgumentError, match="cannot take 'z'"):
        loaded(random(3, 4), z=random(3))


def test_requests_that_cannot_be_met(tmp_path: Path) -> None:
    function = predictor()
    gd.export(function, tmp_path / "a")
    with pytest.raises(gd.ArgumentError, match="exists"):
        gd.export(function, tmp_path / "a")
    gd.export(function, tmp_path / "a", overwrite=True)
    x = gd.placeholder("x", (2,))
    with pytest.raises(gd.TargetError, match="Print"):
        gd.export(gd.function([x], gd.print(x, "x"), name="shown"), tmp_path / "b")
    with pytest.raises(gd.ArgumentError, match="C functions"):
        gd.export(gd.function([x], x + 1, name="two words"), tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_loading_needs_numpy_alone(tmp_path: Path) -> None:
    gd.export(predictor(), tmp_path / "a")
    program = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        heavy = ("llvmlite", "networkx", "rich", "graphviz", "safetensors", "ml_dtypes", "scipy")
        if name.split(".")[0] in heavy:
            raise ImportError(name + " was imported")
sys.meta_path.insert(0, Refuse())
import numpy as np
import graphdl as gd
result = gd.load({str(tmp_path / "a")!r})(np.ones((2, 12), np.float32))
print(sorted(result))
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "['best', 'probabilities']"
