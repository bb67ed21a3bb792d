"""Print how far each function errs: `python tools/ulp.py [--quick] [--compiled] [function …]`.

Each line: function, dtype, vector operations, largest and mean error in ulps of the exact result,
the worst input, and how many inputs were tried. float32 results are compared with float64 ones over
every exponent, random bit patterns and special values; float64 results with mpmath. The expanded
arithmetic runs in NumPy, or with --compiled in native code; `measure` takes any implementation.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

import graphdl as gd
from graphdl.kernel.evaluator import evaluate_with_lets
from graphdl.kernel.nodes import Binary, Let, Unary, Value, Variable
from graphdl.kernel.transforms.count_operations import count_operations
from graphdl.kernel.transforms.expand_math import expand_math
from graphdl.ops.table import OPS
from graphdl.typesystem.dtype import DType, float32, float64

Array = NDArray[Any]
Implementation = Callable[..., Array]
"""Arrays of one dtype in, an array of that dtype out."""

mpmath.mp.prec = 140
TRIGONOMETRIC_LIMIT = 1e5
BATCH = 1 << 17


@dataclass(frozen=True)
class Function:
    """An op of the kernel IR and what it should give."""

    exact64: Callable[..., Any]
    exact: Callable[..., Any]
    limit: float = math.inf
    operands: int = 1


def _logistic64(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1.0) / (1.0 + small)


def _erf64(x: Array) -> Array:
    return np.array([math.erf(each) for each in x.ravel()]).reshape(x.shape)


FUNCTIONS: dict[str, Function] = {
    "exp": Function(np.exp, mpmath.exp),
    "expm1": Function(np.expm1, mpmath.expm1),
    "log": Function(np.log, mpmath.log),
    "log1p": Function(np.log1p, lambda x: mpmath.log(1 + x) if abs(x) > 1e-9 else x - x * x / 2),
    "rsqrt": Function(lambda x: 1 / np.sqrt(x), lambda x: 1 / mpmath.sqrt(x)),
    "logistic": Function(_logistic64, lambda x: 1 / (1 + mpmath.exp(-x))),
    "tanh": Function(np.tanh, mpmath.tanh),
    "sinh": Function(np.sinh, mpmath.sinh),
    "cosh": Function(np.cosh, mpmath.cosh),
    "erf": Function(_erf64, mpmath.erf),
    "sin": Function(np.sin, mpmath.sin, TRIGONOMETRIC_LIMIT),
    "cos": Function(np.cos, mpmath.cos, TRIGONOMETRIC_LIMIT),
    "tan": Function(np.tan, mpmath.tan, TRIGONOMETRIC_LIMIT),
    "asin": Function(np.arcsin, mpmath.asin),
    "acos": Function(np.arccos, mpmath.acos),
    "atan": Function(np.arctan, mpmath.atan),
    "atan2": Function(np.arctan2, mpmath.atan2, operands=2),
    "power": Function(np.power, mpmath.power, operands=2),
}


@dataclass(frozen=True)
class Measurement:
    """One line of the table."""

    name: str
    dtype: DType
    operations: int
    largest: float
    mean: float
    worst: tuple[float, ...]
    inputs: int

    def __str__(self) -> str:
        worst = ", ".join(repr(x) for x in self.worst)
        return (
            f"{self.name:9} {self.dtype!s:8} {self.operations:4} ops  max {self.largest:9.3f}  "
            f"mean {self.mean:.3f}  at {worst}  ({self.inputs} inputs)"
        )


def expansion(name: str, dtype: DType) -> tuple[tuple[Let, ...], Value, tuple[str, ...]]:
    """The function as arithmetic: Lets, the value, and the names of its operands."""
    names = ("x", "y")[: FUNCTIONS[name].operands]
    operands = [Variable(operand, dtype) for operand in names]
    value: Value = Unary(name, operands[0]) if len(names) == 1 else Binary(name, *operands)
    counter = itertools.count()
    lets, result = expand_math(value, lambda: f"t{next(counter)}")
    return lets, result, names


def expanded_function(name: str, dtype: DType) -> Implementation:
    """The expansion of a function, run in NumPy."""
    lets, value, names = expansion(name, dtype)

    def compute(*arrays: Array) -> Array:
        with np.errstate(all="ignore"):
            return evaluate_with_lets(lets, value, dict(zip(names, arrays, strict=True)))

    return compute


def compiled_function(name: str, dtype: DType) -> Implementation:
    """The function in native code of this machine."""
    names = ("x", "y")[: FUNCTIONS[name].operands]
    operands = [gd.placeholder(each, ("size",), dtype) for each in names]
    function = gd.function(operands, OPS[name](*operands), numerics="exact")
    return lambda *arrays: np.asarray(function(*arrays))


SPECIAL = (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0)


def inputs_for(dtype: DType, count: int, limit: float, seed: int = 0) -> Array:
    """Special values, their neighbours, every exponent evenly, random bits, and small numbers."""
    kind = dtype.numpy.type
    random = np.random.default_rng(seed)
    integer = np.dtype(f"u{dtype.itemsize}")
    bits = random.integers(0, 1 << dtype.bits, count, dtype=integer).view(dtype.numpy)
    fraction_bits = 23 if dtype == float32 else 52
    exponents = np.arange(0, 1 << (dtype.bits - 1 - fraction_bits), dtype=np.uint64)
    per_exponent = max(2, count // len(exponents) // 2)
    mantissas = random.integers(
        0, 1 << fraction_bits, (len(exponents), per_exponent), dtype=np.uint64
    )
    grid = ((exponents[:, None] << np.uint64(fraction_bits)) | mantissas).ravel()
    positive = grid.astype(integer).view(dtype.numpy)
    special = np.array(SPECIAL, dtype=dtype.numpy)
    with np.errstate(all="ignore"):
        near = np.concatenate([np.nextafter(special, kind(9)), np.nextafter(special, kind(-9))])
        moderate = random.uniform(-20, 20, count).astype(dtype.numpy)
        wide = random.uniform(-120, 120, count // 4).astype(dtype.numpy)
        reach = min(limit, 800.0)
        far = random.uniform(-reach, reach, count // 4).astype(dtype.numpy)
        unit = random.uniform(-1.1, 1.1, count // 2).astype(dtype.numpy)
        quarter_turns = (np.arange(int(limit / np.pi * 2) if limit < 1e9 else 0) + 1) * np.pi / 2
        turning = quarter_turns.astype(dtype.numpy)[:: max(1, len(quarter_turns) // count)]
    everything = np.concatenate(
        [special, near, positive, -positive, bits, moderate, wide, far, unit, turning]
    )
    is_inside = ~(np.abs(everything) > limit) | np.isinf(everything)
    return np.asarray(everything[is_inside])


def operands_for(name: str, dtype: DType, count: int) -> tuple[Array, ...]:
    """Inputs for every operand; pairs mix special values, all scales and moderate numbers."""
    function = FUNCTIONS[name]
    first = inputs_for(dtype, count, function.limit)
    if function.operands == 1:
        return (first,)
    random = np.random.default_rng(5)
    second = random.permutation(inputs_for(dtype, count, function.limit, seed=1))
    size = min(len(first), len(second))
    left, right = np.meshgrid(np.array(SPECIAL, dtype.numpy), np.array(SPECIAL, dtype.numpy))
    base = np.exp(random.uniform(-9, 9, count)).astype(dtype.numpy)
    exponent = random.uniform(-9, 9, count).astype(dtype.numpy)
    near_one = (1 + random.uniform(-1e-3, 1e-3, count)).astype(dtype.numpy)
    large = random.uniform(-1e5, 1e5, count).astype(dtype.numpy)
    whole = np.round(exponent)
    return (
        np.concatenate([left.ravel(), first[:size], base, near_one, -base]),
        np.concatenate([right.ravel(), second[:size], exponent, large, whole]),
    )


def errors32(got: Array, exact: Array) -> Array:
    """Distances of float32 results from float64 ones in ulps of the latter; infinite where one is
    NaN or infinite and the other is not, or where a zero has the wrong sign."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        exponent = np.maximum(np.frexp(np.abs(exact))[1] - 1, -126)
        error = np.abs(got.astype(np.float64) - exact) / np.ldexp(1.0, exponent - 23)
    return _with_specials(error, got, rounded)


def _with_specials(error: Array, got: Array, rounded: Array) -> Array:
    is_same = (got == rounded) & (np.signbit(got) == np.signbit(rounded))
    is_same |= np.isnan(got) & np.isnan(rounded)
    is_wrong = np.isnan(got) != np.isnan(rounded)
    is_wrong |= (got == 0) & (rounded == 0) & (np.signbit(got) != np.signbit(rounded))
    is_special = ~np.isfinite(rounded) | ~np.isfinite(got) | (rounded == 0) & (got == 0)
    error = np.where(is_special, np.where(is_same, 0.0, np.inf), error)
    return np.where(is_wrong, np.inf, error)


def errors64(got: Array, name: str, operands: tuple[Array, ...]) -> Array:
    """Distances of float64 results from mpmath's."""
    function = FUNCTIONS[name]
    with np.errstate(all="ignore"):
        rough = np.asarray(function.exact64(*operands))
    error = np.zeros(len(got))
    is_ordinary = np.all([np.isfinite(x) & (x != 0) for x in operands], axis=0)
    for k in np.flatnonzero(np.isfinite(rough) & np.isfinite(got) & (rough != 0)):
        arguments = [mpmath.mpf(float(x[k])) for x in operands]
        exact = function.exact(*arguments)
        if not is_ordinary[k] or not mpmath.isnormal(exact):  # signed zeros are NumPy's
            exact = mpmath.mpf(float(rough[k]))
        exponent = max(int(mpmath.frexp(exact)[1]) - 1, -1022)
        error[k] = float(abs(mpmath.mpf(float(got[k])) - exact) / mpmath.ldexp(1, exponent - 52))
    return _with_specials(error, got, rough)


def measure(
    name: str, dtype: DType, count: int, implementation: Implementation | None = None
) -> Measurement:
    """Try `implementation` (the expansion in NumPy by default) on about 3 * `count` inputs."""
    compute = implementation or expanded_function(name, dtype)
    operands = operands_for(name, dtype, count)
    errors = []
    for begin in range(0, len(operands[0]), BATCH):
        batch = tuple(operand[begin : begin + BATCH] for operand in operands)
        got = np.asarray(compute(*batch))
        if dtype == float32:
            with np.errstate(all="ignore"):
                wide = [operand.astype(np.float64) for operand in batch]
                exact = np.asarray(FUNCTIONS[name].exact64(*wide))
            errors.append(errors32(got, exact))
        else:
            errors.append(errors64(got, name, batch))
    error = np.concatenate(errors)
    worst = int(np.argmax(error))
    lets, value, _ = expansion(name, dtype)
    finite = error[np.isfinite(error)]
    return Measurement(
        name,
        dtype,
        count_operations((*(let.value for let in lets), value)),
        float(error[worst]),
        float(finite.mean()),
        tuple(float(operand[worst]) for operand in operands),
        len(error),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("functions", nargs="*", choices=[[], *FUNCTIONS])
    parser.add_argument("--quick", action="store_true", help="fewer inputs")
    parser.add_argument("--compiled", action="store_true", help="measure native code")
    parser.add_argument("--dtype", choices=["float32", "float64"])
    arguments = parser.parse_args()
    for dtype, count in ((float32, 1_000_000), (float64, 4000)):
        if arguments.dtype in (None, dtype.name):
            for name in arguments.functions or FUNCTIONS:
                function = compiled_function(name, dtype) if arguments.compiled else None
                size = count // 10 if arguments.quick else count
                print(measure(name, dtype, size, function), flush=True)


if __name__ == "__main__":
    main()
