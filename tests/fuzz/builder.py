"""A graph that grows step by step: what steps draw from and what they add to."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

from graphdl.graph.nodes import Tensor, build_node
from graphdl.ops import creation, leaves, reduction
from graphdl.ops.arguments import broadcast, cast, filled, literal
from graphdl.ops.state import Variable, make_variable
from graphdl.typesystem.dtype import ALL, DType, bfloat16, float16, float32, float64, int32, int64
from graphdl.typesystem.expression import Size, Symbol, evaluate
from graphdl.typesystem.tensor_type import Shape

Draw = Callable[[st.SearchStrategy[Any]], Any]
Element = TypeVar("Element")

N, M = Symbol("n"), Symbol("m")
FLOATS = (float32, float64, float16, bfloat16)
DTYPES = (*(float32,) * 8, *(float64,) * 3, int32, int64, float16, bfloat16, *ALL)
MOST_ELEMENTS = 3000
"""Elements of one tensor when every named size is `_TYPICAL`."""
_TYPICAL = {N: 5, M: 7}
NUMBERS = (0.0, 1.0, -1.0, 2.0, 0.5, 3.0, -0.0, -2.5, 1e-3, 100.0, float("inf"), float("nan"))


@dataclass(slots=True)
class Builder:
    """What a graph under construction has so far.

    `states` are the variables of generators, which keep their first values. `is_smooth` asks for
    ops with a derivative only, on tame numbers; `may_be_empty` says that named sizes can be 0, so
    that nothing may need an element of theirs.
    """

    draw: Draw
    dtypes: Sequence[DType]
    names: tuple[Symbol, ...]
    is_smooth: bool = False
    may_be_empty: bool = False
    salt: int = 0
    inputs: list[Tensor] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    states: list[Variable] = field(default_factory=list)
    pool: list[Tensor] = field(default_factory=list)

    # Choices --------------------------------------------------------------------------------------

    def choose(self, options: Sequence[Element]) -> Element:
        """One of the options, the first being the simplest.

        Hypothesis prefers small numbers, so the salt of a case says which option number 0 is.
        """
        options = list(options)
        number: int = self.draw(st.integers(0, len(options) - 1))
        first = random.Random(self.salt * 64 + len(options)).randrange(len(options))
        return options[(number + (first if self.salt else 0)) % len(options)]

    def integer(self, low: int, high: int) -> int:
        """low to high, both included."""
        number: int = self.draw(st.integers(low, high))
        return number

    def flip(self) -> bool:
        """True or False."""
        return bool(self.draw(st.booleans()))

    def subset(self, options: Sequence[Element]) -> list[Element]:
        """Some of the options, in their order."""
        return [option for option in options if self.flip()]

    def permutation(self, count: int) -> tuple[int, ...]:
        """0, 1, … in some order."""
        return tuple(self.draw(st.permutations(range(count))))

    # Sizes ----------------------------------------------------------------------------------------

    def size(self) -> Size:
        """A size of an axis: fixed, named, or an expression of names."""
        named: list[Size] = [*self.names]
        if self.names:
            named += [2 * self.names[0] + 1, self.names[-1] + 2]
        return self.choose([2, 1, 3, 5, 0 if self.may_be_empty else 4, *named, *self.names])

    def shape(self, most_axes: int = 3) -> Shape:
        """A shape that is not too large."""
        shape = tuple(self.size() for _ in range(self.integer(0, most_axes)))
        return shape if is_small(shape) else shape[:1]

    def can_be_empty(self, shape: Shape) -> bool:
        """Whether some call may give the shape no elements."""
        if any(size == 0 for size in shape):
            return True
        return self.may_be_empty and any(not isinstance(size, int) for size in shape)

    # Tensors --------------------------------------------------------------------------------------

    def tensor(self, is_wanted: Callable[[Tensor], bool] = lambda tensor: True) -> Tensor | None:
        """A tensor of the pool that is wanted, often the latest; None where there is none."""
        found = [tensor for tensor in reversed(self.pool) if is_wanted(tensor)]
        if not found:
            return None
        return found[0] if self.flip() else self.choose(found)

    def number(self) -> Tensor | None:
        """A tensor of anything but bool."""
        return self.tensor(lambda tensor: not tensor.dtype.is_bool)

    def floating(self) -> Tensor | None:
        """A floating tensor."""
        return self.tensor(lambda tensor: tensor.dtype.is_floating)

    def like(self, dtype: DType, shape: Shape) -> Tensor:
        """A tensor of this type: from the pool, by conversion or broadcast, or a new leaf."""
        same = [t for t in self.pool if t.dtype == dtype and t.shape == shape]
        choices: list[Callable[[], Tensor]] = []
        if same:
            choices += [lambda: self.choose(same[::-1])] * 3
        castable = [t for t in self.pool if t.shape == shape and t.dtype.is_floating]
        if castable:
            choices.append(lambda: cast(self.choose(castable), dtype))
        scalars = [t for t in self.pool if t.ndim == 0 and t.dtype == dtype]
        if scalars:
            choices.append(lambda: broadcast(self.choose(scalars), shape))
        choices.append(lambda: filled(self.literal_number(dtype), dtype, shape))
        has_derivative = not self.is_smooth or dtype.is_floating
        if len(self.inputs) < 5 and has_derivative and is_determined(shape, self.names):
            choices.append(lambda: self.input(dtype, shape))
        if not dtype.is_bool and shape and (dtype.is_integer or not self.is_smooth):
            choices.append(lambda: self.iota(dtype, shape))
        return self.choose(choices)()

    def literal_number(self, dtype: DType) -> float | bool | int:
        """A number of a dtype."""
        if dtype.is_bool:
            return self.flip()
        if dtype.is_integer:
            return self.integer(0 if dtype.name.startswith("u") else -3, 5)
        return self.choose(NUMBERS[1:7] if self.is_smooth else NUMBERS)

    def input(self, dtype: DType, shape: Shape) -> Tensor:
        """A new placeholder."""
        name = f"x{len(self.inputs)}"
        attributes = {"name": name, "dtype": dtype, "shape": shape, "default": None}
        tensor = build_node(leaves.placeholder, (), attributes).results[0]
        self.inputs.append(tensor)
        self.pool.append(tensor)
        return tensor

    def variable(self, dtype: DType, shape: tuple[int, ...]) -> Variable:
        """A new variable, of zeros until a run fills it."""
        made = make_variable(np.zeros(shape, dtype.numpy), f"w{len(self.variables)}", True)
        self.variables.append(made)
        self.pool.append(made)
        return made

    def iota(self, dtype: DType, shape: Shape) -> Tensor:
        """0, 1, 2, … along one axis."""
        axis = self.integer(0, len(shape) - 1)
        attributes = {"shape": shape, "axis": axis, "dtype": dtype}
        return build_node(creation.iota, (), attributes).results[0]

    def constant(self, dtype: DType, shape: tuple[int, ...]) -> Tensor:
        """A literal array of small numbers."""
        numbers = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape) % 5 - 2
        return literal(numbers.astype(np.float32).astype(dtype.numpy))

    def scalar(self, x: Tensor) -> Tensor:
        """The sum of a tensor."""
        if x.ndim == 0:
            return x
        total: Tensor = reduction.reduce_sum(x, axes=tuple(range(x.ndim)))
        return total


def is_small(shape: Shape) -> bool:
    """Whether a tensor of this shape has few elements when named sizes are typical."""
    count = 1
    for size in shape:
        count *= max(1, evaluate(size, _TYPICAL))
    return len(shape) <= 5 and count <= MOST_ELEMENTS


def is_determined(shape: Shape, names: tuple[Symbol, ...]) -> bool:
    """Whether arrays of this shape fit whatever the names are."""
    simple = {*names, *(2 * name + 1 for name in names), *(name + 2 for name in names)}
    return all(isinstance(size, int) or size in simple for size in shape)
