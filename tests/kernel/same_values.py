"""Two kernels on the same random memory, compared bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.kernel.interpreter import interpret
from graphdl.kernel.nodes import Kernel
from graphdl.kernel.parser import parse
from graphdl.kernel.printer import text
from graphdl.kernel.verifier import verify
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import Size, Symbol, evaluate

Array = NDArray[Any]


def kernel_of(body: str) -> Kernel:
    """A kernel from text that may be indented; sizes need not be in order."""
    lines = body.strip("\n").splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    kernel = parse("\n".join(line[indent:] for line in lines) + "\n")
    verify(kernel)
    return kernel


def random_memory(dtype: DType, count: int, rng: np.random.Generator) -> Array:
    """Numbers with both signs; integers are small, so that some are indices."""
    if dtype.is_bool:
        return np.asarray(rng.integers(0, 2, count), dtype=bool)
    if dtype.is_floating:
        return np.asarray(rng.standard_normal(count), dtype=dtype.numpy)
    return np.asarray(rng.integers(0, 4, count), dtype=dtype.numpy)


def assert_same_values(
    before: Kernel,
    after: Kernel,
    sizes: Mapping[Symbol, int],
    *,
    names: Sequence[str] | None = None,
    values: Sequence[Size] | None = None,
    seed: int = 0,
) -> None:
    """Both leave the same bits in every buffer. `names` are the buffers of `before` behind those of
    `after`, and `values` the sizes of `after` over those of `before`; by default they are the same.
    Also checks that `after` is well formed and that its text reads back."""
    verify(after)
    plain = replace(after, lines=(), notes=())
    assert parse(text(plain)) == plain
    rng = np.random.default_rng(seed)
    names = [buffer.name for buffer in after.buffers] if names is None else names
    before = replace(before, sizes=tuple(sizes))
    first = [_memory(buffer.shape, buffer.dtype, sizes, rng) for buffer in before.buffers]
    by_name = dict(zip((buffer.name for buffer in before.buffers), first, strict=True))
    numbers = [evaluate(size, sizes) for size in (after.sizes if values is None else values)]
    bound = dict(zip(after.sizes, numbers, strict=True))
    second = [
        by_name[name].copy().reshape([evaluate(size, bound) for size in buffer.shape])
        for name, buffer in zip(names, after.buffers, strict=True)
    ]
    interpret(before, first, list(sizes.values()))
    interpret(after, second, numbers)
    for name, found in zip(names, second, strict=True):
        assert by_name[name].tobytes() == found.tobytes(), f"{name} differs:\n{text(after)}"


def _memory(
    shape: Sequence[Size], dtype: DType, sizes: Mapping[Symbol, int], rng: np.random.Generator
) -> Array:
    numbers = [evaluate(size, sizes) for size in shape]
    return random_memory(dtype, prod(numbers), rng).reshape(numbers)
