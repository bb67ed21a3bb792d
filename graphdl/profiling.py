"""How long each kernel takes: every launch run by itself, on arrays of the sizes of a real call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphdl.compiler import Compilation
from graphdl.errors import TargetError, aligned
from graphdl.program.nodes import Launch, Program, Slot, Storage, View
from graphdl.runtime.variable import VariableStorage
from graphdl.targets import generate_code
from graphdl.typesystem.expression import Symbol, evaluate
from graphdl.typesystem.tensor_type import TensorType

REPEATS = 7
"""Measurements; the fastest counts."""

LEAST_SECONDS = 2e-4
"""Calls are repeated within one measurement until it takes this long."""


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """The best time of one launch."""

    number: int
    kernel: str
    label: str
    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Profile:
    """Times of all launches of one call, at `sizes`."""

    name: str
    sizes: dict[str, int]
    rows: tuple[ProfileRow, ...]

    @property
    def seconds(self) -> float:
        """All launches together."""
        return sum(row.seconds for row in self.rows)

    def __str__(self) -> str:
        total = self.seconds or 1.0
        cells = [("#", "kernel", "results", "µs", "share", "GB/s")]
        for row in self.rows:
            share = f"{100 * row.seconds / total:.0f} %"
            speed = f"{row.bytes / max(row.seconds, 1e-12) / 1e9:.1f}"
            microseconds = f"{1e6 * row.seconds:.2f}"
            cells.append((str(row.number), row.kernel, row.label, microseconds, share, speed))
        sizes = ", ".join(f"{name} = {value}" for name, value in self.sizes.items())
        head = f"{self.name} ({sizes}): {1e6 * self.seconds:.1f} µs in {len(self.rows)} launches"
        return "\n".join([head, *aligned(cells)])


def profile(compilation: Compilation, sizes: Mapping[Symbol, int]) -> Profile:
    """Time every launch of a program. Raises TargetError for a target without native code."""
    if compilation.native is None:
        raise TargetError(f'profile: target "{compilation.target}" runs no native code')
    rows = []
    for number, group in enumerate(compilation.order.groups):
        if group.kind.is_kernel:
            rows.append(_time(number, compilation.launches[number], compilation, sizes))
    named = {symbol.name: value for symbol, value in sizes.items()}
    return Profile(compilation.program.name, named, tuple(rows))


def _time(
    number: int, launch: Launch, compilation: Compilation, sizes: Mapping[Symbol, int]
) -> ProfileRow:
    program = single_launch(launch, compilation.program, sizes)
    native = generate_code(program, compilation.target, compilation.numerics)
    seconds = _best_time(native.connect(_refuse).strict)
    moved = sum(slot.value.array.nbytes for slot in program.variables)
    return ProfileRow(number, launch.kernel, launch.label, seconds, moved)


def _refuse(*arguments: Any) -> Any:
    raise TargetError("profile: a launch takes no arguments")


def single_launch(launch: Launch, program: Program, sizes: Mapping[Symbol, int]) -> Program:
    """A program of one launch, whose buffers are variables of known sizes filled with zeros."""
    slots: dict[tuple[Storage, int, int], Slot] = {}
    views = []
    for view in launch.views:
        shape = tuple(evaluate(size, sizes) for size in view.type.shape)
        type_ = TensorType(view.type.dtype, shape)
        place = (view.storage, view.position, evaluate(view.offset, sizes))
        if place not in slots:
            storage = VariableStorage("buffer", np.zeros(shape, view.type.dtype.numpy))
            slots[place] = Slot(f"buffer{len(slots)}", type_, storage)
        position = list(slots).index(place)
        views.append(View(Storage.VARIABLE, position, 0, type_))
    numbers = tuple(evaluate(size, sizes) for size in launch.sizes)
    kernels = {launch.kernel: program.kernels[launch.kernel]}
    alone = Launch(launch.kernel, tuple(views), numbers)
    return Program(program.name, (), (), (), tuple(slots.values()), (), (), 0, kernels, (alone,))


def _best_time(call: Any) -> float:
    call()
    count, elapsed = 1, 0.0
    while elapsed < LEAST_SECONDS:
        start = time.perf_counter()
        for _ in range(count):
            call()
        elapsed = time.perf_counter() - start
        count *= 2
    count //= 2
    best = elapsed / count
    for _ in range(REPEATS - 1):
        start = time.perf_counter()
        for _ in range(count):
            call()
        best = min(best, (time.perf_counter() - start) / count)
    return best
