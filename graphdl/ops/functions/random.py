"""Random tensors: keys, generators and distributions over counter-based bits.

Draw number k of a generator (counted while building) reads counter (k, position) under the
generator's key; the position, a variable, advances once in every call that reaches a draw. So dead
code or an added output changes no other number. Inside a loop the key also folds in the step. A key
tensor is used with counter (0, 0).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import StateWrite, Tensor, build_node
from graphdl.ops import elementwise as raw
from graphdl.ops import movement
from graphdl.ops import random as bits_of
from graphdl.ops.arguments import (
    Operand,
    as_tensor,
    broadcast,
    cast,
    filled,
    literal,
    operand_lines,
    with_dtype,
)
from graphdl.ops.functions.logic import less
from graphdl.ops.region_tracing import current_steps
from graphdl.ops.state import Variable, make_variable
from graphdl.typesystem.dtype import DType, as_dtype, bool_, float32, float64, uint32
from graphdl.typesystem.promotion import weak_type
from graphdl.typesystem.shape import as_size, parse_shape
from graphdl.typesystem.tensor_type import Shape

_SPLIT = (0x53504C54, 0xFFFFFFFF)
_FOLD = 0x464F4C44
_DEFAULT_SEED = 0


def _words(number: int) -> NDArray[np.uint32]:
    return np.array([number & 0xFFFFFFFF, (number >> 32) & 0xFFFFFFFF], np.uint32)


class Generator:
    """A stream of random numbers with state: a key and a position, both variables.

    >>> generator = gd.random.Generator(7)
    >>> noise = gd.random.normal(("batch", 64), key=generator)
    """

    def __init__(self, seed: int = _DEFAULT_SEED) -> None:
        self.key: Variable = make_variable(_words(seed), "random_key", False)
        self.position: Variable = make_variable(np.zeros((), np.uint32), "random_position", False)
        self._advanced: Tensor = raw.add(self.position, filled(1, uint32))
        self._draws = itertools.count()
        self._host_draws = itertools.count()

    def seed(self, seed: int) -> None:
        """Start again: functions that are compiled already follow, and draws are counted from 0."""
        self.key.assign(_words(seed))
        self.position.assign(np.zeros((), np.uint32))
        self._draws = itertools.count()
        self._host_draws = itertools.count()

    def variables(self) -> dict[str, Variable]:
        """The state, for saving."""
        return {"key": self.key, "position": self.position}

    def draw(self, shape: Shape) -> Tensor:
        """Uniform uint32 bits of `shape`: the next draw of this generator."""
        number = literal(np.array([next(self._draws)], np.uint32))
        counter = movement.concatenate(number, movement.reshape(self.position, shape=(1,)), axis=0)
        write = StateWrite(self.position, self._advanced, once=True)
        key: Tensor = self.key
        for step in current_steps():
            key = fold_in(key, step)
        node = build_node(bits_of.random_bits, (key, counter), {"shape": shape}, writes=(write,))
        return node.results[0]

    def next_initial_draw(self) -> tuple[int, int, int]:
        """(seed low, seed high, k) for draw k of the initialisers, which happens now.

        Counted apart from graph draws; advances nothing that compiled functions read.
        """
        low, high = (int(word) for word in self.key.numpy())
        return low, high, next(self._host_draws)


@dataclass(slots=True)
class _Default:
    generator: Generator | None = None


_default = _Default()

Key = Tensor | Generator | None


def default_generator() -> Generator:
    """The generator that draws without a key use."""
    if _default.generator is None:
        _default.generator = Generator()
    return _default.generator


def seed(seed: int) -> None:
    """Start the default generator again at `seed`; initialisers follow it too.

    >>> gd.random.seed(7)
    """
    default_generator().seed(_checked_seed(seed))


def _checked_seed(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ArgumentError(f"random: the seed must be a whole number, got {seed!r}")
    return int(seed)


def next_initial_draw() -> tuple[int, int, int]:
    """The next draw of the default generator for an initialiser."""
    return default_generator().next_initial_draw()


# Keys ---------------------------------------------------------------------------------------------


def key(seed: int) -> Tensor:
    """The key of a seed (64 bits are used): uint32[2].

    >>> gd.random.key(7).eval().tolist()
    [7, 0]
    """
    return literal(_words(_checked_seed(seed)))


def _require_key(op: str, value: object) -> Tensor:
    if not isinstance(value, Tensor):
        raise ArgumentError(
            f"{op}: the key must be a key tensor or a Generator, got {type(value).__name__}",
            hint="make one: gd.random.key(7)",
        )
    if value.dtype != uint32 or value.shape != (2,):
        raise ShapeError(f"{op}: a key is uint32[2]", details=operand_lines(key=value))
    return value


def _key_bits(value: Tensor, counter: Tensor, shape: Shape) -> Tensor:
    bits: Tensor = bits_of.random_bits(value, counter, shape=shape)
    return bits


def split(key: Tensor, num: int = 2) -> Tensor:
    """`num` independent keys: uint32[num, 2]. Do not use `key` itself afterwards.

    >>> gd.random.split(gd.random.key(7), 3).shape
    (3, 2)
    """
    counter = literal(np.array(_SPLIT, np.uint32))
    return _key_bits(_require_key("split", key), counter, (as_size(num, op="split"), 2))


def fold_in(key: Tensor, data: Operand) -> Tensor:
    """The key for a number, such as a step or a layer: uint32[2].

    >>> gd.random.fold_in(gd.random.key(7), 3).shape
    (2,)
    """
    number = as_tensor(data, "fold_in")
    if not number.dtype.is_integer or number.ndim != 0:
        raise ArgumentError(f"fold_in: the number must be a 0-d integer, got {number.type}")
    first = movement.reshape(cast(number, uint32), shape=(1,))
    counter = movement.concatenate(first, literal(np.array([_FOLD], np.uint32)), axis=0)
    return _key_bits(_require_key("fold_in", key), counter, (2,))


# Distributions ------------------------------------------------------------------------------------


def bits(shape: object, *, key: Key = None) -> Tensor:
    """Uniform uint32: every bit is fair.

    >>> gd.random.bits(2, key=gd.random.key(7)).eval().tolist()
    [4099963437, 3221879260]
    """
    return _draw("bits", parse_shape(shape, op="random.bits"), key)


def _draw(op: str, shape: Shape, key: Key) -> Tensor:
    if key is None:
        return default_generator().draw(shape)
    if isinstance(key, Generator):
        return key.draw(shape)
    return _key_bits(_require_key(op, key), literal(np.zeros(2, np.uint32)), shape)


def _float_dtype(op: str, dtype: object) -> DType:
    element = float32 if dtype is None else as_dtype(dtype)
    if not element.is_floating:
        raise DTypeError(f"random.{op}: needs a floating dtype, got {element}")
    return element


def uniform(
    shape: object,
    *,
    minval: Operand = 0.0,
    maxval: Operand = 1.0,
    dtype: object = None,
    key: Key = None,
) -> Tensor:
    """Uniform in [minval, maxval): as many equal steps as the dtype has digits.

    >>> gd.random.uniform(2, key=gd.random.key(7)).eval()
    array([0.9545971, 0.7501522], dtype=float32)
    """
    element = _float_dtype("uniform", dtype)
    sizes = parse_shape(shape, op="random.uniform")
    unit = _unit_uniform(sizes, element, key)
    if _is_number(minval, 0.0) and _is_number(maxval, 1.0):
        return unit
    low, high = (_parameter(value, element, sizes, "uniform") for value in (minval, maxval))
    result: Tensor = raw.add(raw.multiply(unit, raw.subtract(high, low)), low)
    return result


def _is_number(value: object, wanted: float) -> bool:
    return isinstance(value, int | float) and value == wanted


def _parameter(value: Operand, dtype: DType, shape: Shape, op: str) -> Tensor:
    """A parameter of a distribution, repeated to the wanted shape."""
    plain = value if weak_type(value) is not None else as_tensor(value, op)
    tensor = with_dtype(plain, dtype, op)
    if tensor.ndim > len(shape):
        raise ShapeError(f"random.{op}: a parameter of type {tensor.type} for shape {shape}")
    return broadcast(tensor, shape)


def _unit_uniform(shape: Shape, dtype: DType, key: Key) -> Tensor:
    """Uniform in [0, 1): a whole number of digits bits, scaled exactly."""
    if dtype == float64:
        pair = _draw("uniform", (*shape, 2), key)
        return _wide_uniform(_word(pair, 0), _word(pair, 1))
    return _scaled_uniform(_draw("uniform", shape, key), dtype)


def _word(words: Tensor, place: int) -> Tensor:
    """One of the words on the last axis."""
    rank = words.ndim
    starts = (*(0,) * (rank - 1), place)
    stops = (*words.shape[:-1], place + 1)
    part = movement.slice_(words, starts=starts, stops=stops, steps=(1,) * rank)
    result: Tensor = movement.reshape(part, shape=words.shape[:-1])
    return result


def _scaled_uniform(words: Tensor, dtype: DType) -> Tensor:
    digits = {"float32": 24, "float16": 11, "bfloat16": 8}[dtype.name]
    kept = raw.shift_right_logical(words, filled(32 - digits, uint32, words.shape))
    number = cast(kept, dtype)
    result: Tensor = raw.multiply(number, filled(2.0**-digits, dtype, words.shape))
    return result


def _wide_uniform(first: Tensor, second: Tensor) -> Tensor:
    """53 bits from two words."""
    shape = first.shape
    high = cast(raw.shift_right_logical(first, filled(5, uint32, shape)), float64)
    low = cast(raw.shift_right_logical(second, filled(6, uint32, shape)), float64)
    number = raw.add(raw.multiply(high, filled(2.0**26, float64, shape)), low)
    result: Tensor = raw.multiply(number, filled(2.0**-53, float64, shape))
    return result


def normal(
    shape: object,
    *,
    mean: Operand = 0.0,
    stddev: Operand = 1.0,
    dtype: object = None,
    key: Key = None,
) -> Tensor:
    """Normally distributed. Box, Muller, "A note on the generation of random normal deviates"
    (1958): sqrt(-2 log u) cos(2 pi v) from two uniform numbers.

    >>> gd.random.normal(("batch", 3), stddev=0.1).shape
    (batch, 3)
    """
    element = _float_dtype("normal", dtype)
    sizes = parse_shape(shape, op="random.normal")
    result = cast(_unit_normal(sizes, float64 if element == float64 else float32, key), element)
    if not _is_number(stddev, 1.0):
        result = raw.multiply(result, _parameter(stddev, element, sizes, "normal"))
    if not _is_number(mean, 0.0):
        result = raw.add(result, _parameter(mean, element, sizes, "normal"))
    return result


def _unit_normal(shape: Shape, dtype: DType, key: Key) -> Tensor:
    if dtype == float64:
        words = _draw("normal", (*shape, 4), key)
        radius_part = raw.add(
            _wide_uniform(_word(words, 0), _word(words, 1)), filled(2.0**-54, dtype, shape)
        )
        angle_part = _wide_uniform(_word(words, 2), _word(words, 3))
    else:
        words = _draw("normal", (*shape, 2), key)
        wide = raw.add(cast(_word(words, 0), dtype), filled(0.5, dtype, shape))
        radius_part = raw.multiply(wide, filled(2.0**-32, dtype, shape))
        angle_part = _scaled_uniform(_word(words, 1), dtype)
    squared = raw.multiply(raw.log(radius_part), filled(-2.0, dtype, shape))
    angle = raw.multiply(angle_part, filled(2 * pi, dtype, shape))
    result: Tensor = raw.multiply(raw.sqrt(squared), raw.cos(angle))
    return result


def bernoulli(
    shape: object, *, p: Operand = 0.5, dtype: object = "bool", key: Key = None
) -> Tensor:
    """True with probability p.

    >>> gd.random.bernoulli(4, key=gd.random.key(7)).eval().tolist()
    [False, False, True, True]
    """
    sizes = parse_shape(shape, op="random.bernoulli")
    chance = _parameter(p, float32, sizes, "bernoulli")
    drawn: Tensor = less(_unit_uniform(sizes, float32, key), chance)
    element = as_dtype(dtype)
    return drawn if element == bool_ else cast(drawn, element)


def randint(
    shape: object, minval: int, maxval: int, *, dtype: object = "int64", key: Key = None
) -> Tensor:
    """Whole numbers in [minval, maxval), at most 2**32 of them.

    Multiplies and keeps the upper half: each number's chance errs by at most 2**-32.

    >>> gd.random.randint(4, 0, 10, key=gd.random.key(7)).eval().tolist()
    [9, 7, 1, 0]
    """
    element = as_dtype(dtype)
    if not element.is_integer:
        raise DTypeError(f"random.randint: needs an integer dtype, got {element}")
    if not 0 < maxval - minval <= 2**32:
        raise ArgumentError(f"random.randint: no numbers in [{minval}, {maxval})")
    sizes = parse_shape(shape, op="random.randint")
    words = _draw("randint", sizes, key)
    span = maxval - minval
    if span < 2**32:
        words = raw.multiply_high(words, filled(span, uint32, sizes))
    drawn = cast(words, element)
    if minval == 0:
        return drawn
    result: Tensor = raw.add(drawn, filled(minval, element, sizes))
    return result
