"""What is timed, in each library's own words. Inputs are random and made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Call = Callable[[], object]
SQUARES = (64, 100, 128, 256, 512, 1024)
ROW_SHAPES = ((4096, 1024), (64, 1000), (4096, 64))


@dataclass(frozen=True, slots=True)
class Case:
    """A workload, the peer it is compared with, and the bound on the ratio or on the time."""

    name: str
    peer: str
    bound: float | None
    is_ratio: bool = True


def cases(group: str) -> list[Case]:
    """The workloads of one group."""
    if group == "gemm":
        shapes = [(n, n, n) for n in SQUARES] + [(64, 784, 512)]
        return [
            Case(
                f"matmul {m}x{k}·{k}x{n} {sizes}",
                "numpy",
                1 / 0.9 if m in (64, 100) and k == n else 1.0,
            )
            for m, k, n in shapes
            for sizes in ("fixed", "named")
        ]
    if group == "rows":
        return [
            Case(f"{name} {rows}x{columns}", "torch", 1.0)
            for name in ("softmax", "layernorm")
            for rows, columns in ROW_SHAPES
        ]
    return [Case("x + 1 on 4 elements", "numpy", 1.5e-6, is_ratio=False)]


def build(library: str, name: str, threads: int) -> Call:
    """A function that runs the workload once."""
    random = np.random.default_rng(0)
    words = name.split()
    builder = {"graphdl": _graphdl, "numpy": _numpy, "torch": _torch}[library]
    if words[0] == "matmul":
        left, right = (tuple(map(int, part.split("x"))) for part in words[1].split("·"))
        arrays = [random.standard_normal(shape, dtype=np.float32) for shape in (left, right)]
        return builder("matmul", arrays, words[2] == "named", threads)
    if words[0] in ("softmax", "layernorm"):
        shape = tuple(map(int, words[1].split("x")))
        arrays = [random.standard_normal(shape, dtype=np.float32)]
        if words[0] == "layernorm":
            arrays += [random.standard_normal(shape[1], dtype=np.float32) for _ in range(2)]
        return builder(words[0], arrays, True, threads)
    return builder("add1", [random.standard_normal(4, dtype=np.float32)], False, threads)


def _numpy(name: str, arrays: list[Any], named: bool, threads: int) -> Call:
    if name == "matmul":
        left, right = arrays
        out = np.empty((left.shape[0], right.shape[1]), np.float32)
        return lambda: np.matmul(left, right, out=out)
    (x,) = arrays
    return lambda: x + 1


def _torch(name: str, arrays: list[Any], named: bool, threads: int) -> Call:
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    tensors = [torch.from_numpy(array) for array in arrays]
    if name == "softmax":
        return lambda: torch.softmax(tensors[0], 1)
    x, gain, bias = tensors
    return lambda: torch.nn.functional.layer_norm(x, x.shape[1:], gain, bias, 1e-5)


def _graphdl(name: str, arrays: list[Any], named: bool, threads: int) -> Call:
    import graphdl as gd

    def size(array: Any, axis: int, label: str) -> int | str:
        return label if named else int(array.shape[axis])

    if name == "matmul":
        left, right = arrays
        a = gd.placeholder("a", (size(left, 0, "m"), size(left, 1, "k")))
        b = gd.placeholder("b", (size(right, 0, "k"), size(right, 1, "n")))
        function = gd.function([a, b], a @ b)
    elif name == "softmax":
        x = gd.placeholder("x", ("rows", "columns"))
        function = gd.function([x], gd.softmax(x, axis=1))
    elif name == "layernorm":
        function = _layer_norm(gd)
    else:
        x = gd.placeholder("x", (4,))
        function = gd.function([x], x + 1)
    return lambda: function(*arrays)


def _layer_norm(gd: Any) -> Any:
    x = gd.placeholder("x", ("rows", "columns"))
    gain, bias = (gd.placeholder(name, ("columns",)) for name in ("gain", "bias"))
    mean = gd.mean(x, axis=1, keepdims=True)
    centred = x - mean
    variance = gd.mean(centred * centred, axis=1, keepdims=True)
    return gd.function([x, gain, bias], centred * gd.rsqrt(variance + 1e-5) * gain + bias)
