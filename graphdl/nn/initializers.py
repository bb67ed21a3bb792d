"""First values of weights: NumPy arrays that depend on `gd.random.seed` alone.

Draw k after a seed has a Philox stream of its own, so a model built in the same order after the
same seed has the same weights, whatever random operations its graph contains.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import ArgumentError, ShapeError
from graphdl.ops.functions.random import next_initial_draw
from graphdl.typesystem.dtype import DType

Array = NDArray[Any]
Shape = tuple[int, ...]
InitializerLike = Any
"""A name ("glorot_uniform"), an Initializer, a number, or an array of the right shape."""

_TRUNCATED_STDDEV = 0.87962566103423978
"""The standard deviation of a standard normal cut off at -2 and 2."""


class Initializer(ABC):
    """Makes the first value of a variable: `initializer(shape, dtype) -> array`."""

    @abstractmethod
    def __call__(self, shape: Shape, dtype: DType) -> Array:
        """A new array of this shape and dtype."""


class Constant(Initializer):
    """One number everywhere."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Shape, dtype: DType) -> Array:
        """`value` everywhere."""
        return np.full(shape, self.value).astype(dtype.numpy)


class RandomUniform(Initializer):
    """Uniform between two bounds."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def __call__(self, shape: Shape, dtype: DType) -> Array:
        """Numbers in [minval, maxval)."""
        return _generator(self.seed).uniform(self.minval, self.maxval, shape).astype(dtype.numpy)


class RandomNormal(Initializer):
    """Normal with a mean and a standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape: Shape, dtype: DType) -> Array:
        """Normal numbers."""
        return _generator(self.seed).normal(self.mean, self.stddev, shape).astype(dtype.numpy)


class VarianceScaling(Initializer):
    """Random with a variance of scale / fan, so that activations keep their size across layers.

    `mode` says which fan: "fan_in", "fan_out" or "fan_avg". `distribution` is "uniform", "normal",
    or "truncated_normal", which redraws what lies beyond two standard deviations. A fan is the
    inputs (outputs) that one output (input) is connected to; axes before the last two are windows.

    >>> initializer = gd.nn.initializers.VarianceScaling(2.0, "fan_in", "uniform", seed=0)
    >>> kernel = gd.nn.Dense(8, kernel_initializer=initializer)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ArgumentError(f"VarianceScaling: unknown mode {mode!r}")
        if distribution not in ("uniform", "normal", "truncated_normal"):
            raise ArgumentError(f"VarianceScaling: unknown distribution {distribution!r}")
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, seed

    def __call__(self, shape: Shape, dtype: DType) -> Array:
        """Numbers of the variance scale / fan."""
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = sqrt(self.scale / max(1.0, fan))
        generator = _generator(self.seed)
        if self.distribution == "uniform":
            bound = sqrt(3.0) * stddev
            values = generator.uniform(-bound, bound, shape)
        elif self.distribution == "normal":
            values = generator.normal(0.0, stddev, shape)
        else:
            values = _truncated_normal(generator, shape) * (stddev / _TRUNCATED_STDDEV)
        return np.asarray(values).astype(dtype.numpy)


class GlorotUniform(VarianceScaling):
    """Uniform with the variance 2 / (fan_in + fan_out). Glorot and Bengio (2010)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)


class GlorotNormal(VarianceScaling):
    """Truncated normal with the variance 2 / (fan_in + fan_out). Glorot and Bengio (2010)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed)


class HeUniform(VarianceScaling):
    """Uniform with the variance 2 / fan_in, for relu. He et al. (2015)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed)


class HeNormal(VarianceScaling):
    """Truncated normal with the variance 2 / fan_in, for relu. He et al. (2015)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed)


class LecunUniform(VarianceScaling):
    """Uniform with the variance 1 / fan_in, for selu. LeCun et al. (1998)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed)


class LecunNormal(VarianceScaling):
    """Truncated normal with the variance 1 / fan_in, for selu. LeCun et al. (1998)."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed)


def fans(shape: Shape) -> tuple[int, int]:
    """(inputs of one output, outputs of one input) of a kernel (*window, inputs, outputs)."""
    if len(shape) == 0:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    window = prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


_BY_NAME: dict[str, type[Initializer]] = {
    "random_uniform": RandomUniform,
    "random_normal": RandomNormal,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
}


def as_initializer(what: InitializerLike) -> Initializer:
    """The initialiser that a name, a number or an array stands for. Raises ArgumentError."""
    if isinstance(what, Initializer):
        return what
    if isinstance(what, str):
        if what in ("zeros", "ones"):
            return Constant(1.0 if what == "ones" else 0.0)
        if what not in _BY_NAME:
            known = ", ".join(("zeros", "ones", *_BY_NAME))
            raise ArgumentError(f"unknown initializer {what!r}", hint=f"use one of {known}")
        return _BY_NAME[what]()
    if isinstance(what, int | float):
        return Constant(float(what))
    if isinstance(what, np.ndarray):
        return _Given(what)
    if callable(what):
        return _Called(what)
    raise ArgumentError(f"{what!r} is no initializer", hint="give a name, a number or an array")


class _Given(Initializer):
    """An array that is there already."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __call__(self, shape: Shape, dtype: DType) -> Array:
        if self.array.shape != shape:
            given, wanted = list(self.array.shape), list(shape)
            raise ShapeError(f"the first value has shape {given}, the variable {wanted}")
        return self.array.astype(dtype.numpy)


class _Called(Initializer):
    """A user's function of shape and dtype."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, shape: Shape, dtype: DType) -> Array:
        return _Given(np.asarray(self.function(shape, dtype)))(shape, dtype)


def _generator(seed: int | None) -> np.random.Generator:
    """The stream of one initialiser: its own seed, or the next draw of the default generator."""
    words = next_initial_draw() if seed is None else (seed,)
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def _truncated_normal(generator: np.random.Generator, shape: Shape) -> Array:
    """Standard normal numbers, those beyond 2 drawn again."""
    values = generator.normal(size=shape)
    outside = np.abs(values) > 2
    while outside.any():
        values = np.where(outside, generator.normal(size=shape), values)
        outside = np.abs(values) > 2
    return np.asarray(values)
