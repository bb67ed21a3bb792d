"""Triton text of tiled kernels: compiled without a GPU, and run in Triton's interpreter."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphdl as gd
from graphdl.backends.triton.driver import LaunchRequest, RecordingDriver
from graphdl.backends.triton.generate import TritonFunction, generate
from graphdl.backends.triton.recipes import Recipe
from graphdl.kernel.interpreter import interpret
from graphdl.kernel.nodes import Kernel
from graphdl.kernel.parser import parse
from graphdl.program.nodes import Launch
from graphdl.typesystem.expression import Symbol, evaluate

WORKER = Path(__file__).with_name("interpret_worker.py")
Array = np.ndarray[Any, Any]

ELEMENTWISE = """\
kernel elementwise(n0, n1)
    read b0: float32[n0, n1]
    read b1: float32[n1]
    write b2: float32[n0, n1]
    parallel i0 in 0:n0
        parallel i1 in 0:n1
            b2[i0, i1] = tanh((b0[i0, i1] + b1[i1]))
"""
SOFTMAX = """\
kernel softmax(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n0, n1]
    parallel i0 in 0:n0
        sweep i1 in n1
            fold m = maximum(b0[i0, i1]) interleaved
        allocate thread t0: float32[n1]
        sweep i1 in n1
            let e = exp((b0[i0, i1] - m))
            t0[i1] = e
            fold s = add(e) interleaved
        sweep i1 in n1
            b1[i0, i1] = (t0[i1] / s)
"""
COLUMN_SUM = """\
kernel column_sum(n0, n1)
    read b0: float32[n0, n1]
    write b1: float32[n1]
    parallel i1 in 0:n1
        sweep i0 in n0
            fold s = add(b0[i0, i1]) ascending
        b1[i1] = s
"""
CONTRACTION = """\
kernel contraction(n0, n1, n2)
    read b0: float32[n0, n2]
    read b1: float32[n2, n1]
    read b2: float32[n1]
    write b3: float32[n0, n1]
    parallel i0 in 0:n0
        parallel i1 in 0:n1
            sweep i2 in n2
                fold acc = add((b0[i0, i2] * b1[i2, i1])) ascending
            b3[i0, i1] = maximum((acc + b2[i1]), float32(0.0))
"""
KERNELS = {
    "elementwise": (ELEMENTWISE, Recipe.LANES, (7, 33)),
    "softmax": (SOFTMAX, Recipe.ROW, (5, 1100)),
    "column_sum": (COLUMN_SUM, Recipe.LANES, (19, 37)),
    "contraction": (CONTRACTION, Recipe.CONTRACTION, (70, 65, 33)),
}


def arrays_for(kernel: Kernel, sizes: dict[str, int]) -> list[Array]:
    """Random inputs, and NaN where outputs must be written."""
    random = np.random.default_rng(0)
    values = {Symbol(name): size for name, size in sizes.items()}
    arrays = []
    for buffer in kernel.buffers:
        shape = tuple(evaluate(size, values) for size in buffer.shape)
        drawn = np.asarray(np.abs(random.standard_normal(shape)))
        array = drawn.astype(buffer.dtype.numpy)
        is_blank = buffer.access.value == "write" and buffer.dtype.is_floating
        arrays.append(np.full_like(array, np.nan) if is_blank else array)
    return arrays


Job = tuple[tuple[TritonFunction, ...], list[Array], dict[str, int]]


def run_in_interpreter(
    jobs: list[Job], directory: Path
) -> tuple[list[list[Array]], subprocess.CompletedProcess[str]]:
    """Run generated functions in a process with Triton's interpreter; the buffers of each job."""
    requests = []
    for functions, arrays, sizes in jobs:
        values = {Symbol(name): size for name, size in sizes.items()}
        calls = []
        for function in functions:
            grid = evaluate(function.grid, values)
            scratch = 8 * evaluate(function.scratch_words, values) * max(grid, 1)
            call = (function.name, function.source, grid, function.signature, function.constants)
            calls.append((*call, scratch))
        requests.append((calls, arrays, sizes))
    path = directory / "request.pickle"
    path.write_bytes(pickle.dumps(requests))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, str(WORKER), str(path)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return (pickle.loads(path.read_bytes()) if result.returncode == 0 else []), result


def test_interpreted_text_agrees_with_the_loop_ir(tmp_path: Path) -> None:
    jobs, expected = [], []
    for source, recipe, shape in KERNELS.values():
        kernel = parse(source)
        sizes = {symbol.name: size for symbol, size in zip(kernel.sizes, shape, strict=True)}
        arrays = arrays_for(kernel, sizes)
        functions = generate(kernel)
        assert [function.recipe for function in functions] == [recipe]
        jobs.append((functions, arrays, sizes))
        expected.append([np.array(array) for array in arrays])
        interpret(kernel, expected[-1], list(shape))
    found, result = run_in_interpreter(jobs, tmp_path)
    assert result.returncode == 0, result.stderr
    for ours, theirs in zip(found, expected, strict=True):
        for left, right in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(left, right, rtol=3e-6, atol=3e-6)


def test_a_kernel_without_its_mask_is_caught_by_the_canaries(tmp_path: Path) -> None:
    kernel = parse(ELEMENTWISE)
    sizes = {"n0": 7, "n1": 33}
    (function,) = generate(kernel)
    broken = replace(function, source=function.source.replace(", mask=inside)", ")"))
    assert broken.source != function.source
    _, result = run_in_interpreter([((broken,), arrays_for(kernel, sizes), sizes)], tmp_path)
    assert result.returncode != 0
    assert "outside its buffer" in result.stderr


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("name", KERNELS)
def test_compiles_without_a_gpu(name: str, capability: int) -> None:
    adapter = pytest.importorskip("graphdl.backends.triton.adapter")
    for function in generate(parse(KERNELS[name][0])):
        compiled = adapter.compile_function(
            function.name,
            function.source,
            function.signature,
            function.constants,
            capability=capability,
            warps=function.warps,
            stages=function.stages,
        )
        runtime_arguments = [kind for kind in function.signature.values() if kind != "constexpr"]
        entry = compiled.ptx[compiled.ptx.index(".entry") : compiled.ptx.index("{")]
        parameters = re.findall(r"\.param \.(\w+)", entry)
        assert len(parameters) == len(runtime_arguments) + 2  # global and profile scratch
        assert set(parameters) == {"u64"}
        assert compiled.cubin[:4] == b"\x7fELF"
        assert compiled.shared_bytes <= adapter.SHARED_BYTES[capability]
        assert compiled.warps * 32 <= 1024
        assert adapter.read_resources(compiled).stack_bytes == 0
        assert "ld.global" in compiled.ptx


def test_equal_kernels_give_equal_text() -> None:
    assert generate(parse(SOFTMAX)) == generate(parse(SOFTMAX))


def test_the_recording_driver_keeps_memory_and_launches() -> None:
    driver = RecordingDriver()
    address = driver.allocate(16)
    driver.upload(address, bytes(range(16)))
    assert address % 256 == 0
    assert driver.download(address, 4) == b"\0\1\2\3"
    request = LaunchRequest(driver.load(b"", "k", 0), 3, 128, 0, (address, 4))
    driver.launch(request)
    driver.synchronize()
    assert driver.launches == [request]
    driver.free(address)
    assert address not in driver.memory


def build_functions() -> dict[str, gd.Function]:
    """Functions with elementwise, row, column, contraction, gather, scan and random kernels."""
    x = gd.placeholder("x", ("n", 12))
    label = gd.placeholder("label", ("n",), dtype="int64")
    weight = gd.variable(np.linspace(-1, 1, 60).reshape(12, 5), name="weight")
    bias = gd.variable(np.linspace(-1, 1, 5), name="bias")
    logits = gd.gelu(x @ weight + bias)
    loss = gd.nn.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)
    updates = gd.optim.Adam(1e-2).minimize(loss, {"weight": weight, "bias": bias})
    centred = x - gd.mean(x, axis=1, keepdims=True)
    norm = centred * gd.rsqrt(gd.mean(centred * centred, axis=1, keepdims=True) + 1e-5)
    generator = gd.random.Generator(3)
    return {
        "training step": gd.function([x, label], loss, updates=updates),
        "layer norm": gd.function([x], norm),
        "cumulative": gd.function([x], gd.cumulative_sum(x, axis=0)),
        "argmax": gd.function([x], gd.argmax(x, axis=1)),
        "random": gd.function([x], x + gd.random.uniform(x.shape, key=generator)),
        # Not bfloat16: Triton's interpreter truncates where a GPU rounds.
        "float16": gd.function([x], gd.astype(gd.astype(x, "float16") * 3, "float32")),
    }


def test_kernels_of_real_functions(tmp_path: Path) -> None:
    jobs, expected = [], []
    for function in build_functions().values():
        for launch in function.program.statements:
            if not isinstance(launch, Launch):
                continue
            kernel = function.program.kernels[launch.kernel]
            values = [evaluate(size, {Symbol("n"): 7}) for size in launch.sizes]
            sizes = dict(zip((symbol.name for symbol in kernel.sizes), values, strict=True))
            arrays = arrays_for(kernel, sizes)
            functions = generate(kernel)
            jobs.append((functions, arrays, sizes))
            expected.append([np.array(array) for array in arrays])
            interpret(kernel, expected[-1], list(sizes.values()))
    assert {f.recipe for functions, _, _ in jobs for f in functions} == set(Recipe)
    found, result = run_in_interpreter(jobs, tmp_path)
    assert result.returncode == 0, result.stderr
    for (functions, _, _), ours, theirs in zip(jobs, found, expected, strict=True):
        for left, right in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(
                left.astype(float), right.astype(float), rtol=2e-5, atol=2e-5,
                err_msg=functions[0].source[-1500:],
            )  # fmt: skip


def test_stages_hold_the_gpu_code() -> None:
    x = gd.placeholder("x", ("n", 12))
    function = gd.function([x], gd.softmax(x))
    assert "tl.exp" in function.stages["triton"]
    assert ".entry" in function.stages["ptx"]
