"""Layer: a part of a model that owns variables and other layers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from graphdl.errors import ArgumentError, DTypeError, ShapeError, hides_internal_frames
from graphdl.graph.nodes import current_scope, name_scope
from graphdl.nn.initializers import InitializerLike, as_initializer
from graphdl.ops.arguments import operand_lines
from graphdl.ops.functions.creation import fix_training, variable
from graphdl.ops.state import Variable
from graphdl.typesystem.dtype import as_dtype


class Layer:
    """Base of the layers: subclasses write `call` and make weights with `self.variable`.

    Variables are found through attributes: layers, variables, and lists, tuples and dicts of them.
    Their paths are attribute names, keys and indices ("encoder/blocks/3/query/kernel"). `name`
    replaces the attribute's name in pictures; `trainable = False` freezes a layer and its parts.

    >>> class Scale(gd.nn.Layer):
    ...     def call(self, x):
    ...         return x * self.variable("factor", (x.shape[-1],), "ones")
    >>> layer = Scale()
    >>> y = layer(gd.placeholder("x", ("batch", 3)))
    >>> list(layer.variables())
    ['factor']
    """

    name: str | None = None
    trainable: bool = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wrong arguments of a layer's constructor are told at the user's line."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            type.__setattr__(cls, "__init__", hides_internal_frames(vars(cls)["__init__"]))

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's result; written by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} has no method call(self, x)")

    @hides_internal_frames
    def __call__(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Build the graph of `call`.

        `training=True` or `False` fixes `gd.is_training()` for this call; None leaves it to
        `gd.function`.
        """
        # Backwards: a layer with two names goes by the first.
        for label, child in reversed(list(self._labelled_children())):
            child._label = label
        with ExitStack() as stack:
            stack.enter_context(name_scope(self.name or self._label or snake_case(type(self))))
            if training is not None:
                stack.enter_context(fix_training(training))
            return self.call(*args, **kwargs)

    def variable(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: InitializerLike = "glorot_uniform",
        trainable: bool = True,
        dtype: object = "float32",
    ) -> Variable:
        """The variable `name` of this layer: made at the first call, the same one ever after.

        `initializer` is a name, an Initializer, a number, or an array. Raises ShapeError when a
        size is not a whole number or differs from the first call, DTypeError for another dtype.
        """
        known = self._variables.get(name)
        if known is not None:
            self._require_unchanged(name, known, shape, dtype)
            return known
        sizes = self._known_sizes(name, shape)
        element = as_dtype(dtype)
        value = as_initializer(initializer)(sizes, element)
        scoped = "/".join((*current_scope(), name))
        made = variable(value, name=scoped, dtype=element, trainable=trainable)
        self._variables[name] = made
        return made

    def variables(self) -> dict[str, Variable]:
        """Every variable in this layer and its parts by path; a shared one under its first path."""
        return {path: found for path, found, _ in self._find_variables()}

    def parameters(self) -> dict[str, Variable]:
        """The variables that optimisers change: trainable ones of layers that are not frozen."""
        return {path: found for path, found, trains in self._find_variables() if trains}

    @property
    def _variables(self) -> dict[str, Variable]:
        # Made on demand, so that subclasses need not call super().__init__().
        made: dict[str, Variable] = self.__dict__.setdefault("_own_variables", {})
        return made

    _label: str | None = None

    def _labelled_children(self) -> Iterator[tuple[str, Layer]]:
        """The layers directly in this one, with the names of their scopes."""
        for path, child in _parts_of(self):
            if isinstance(child, Layer):
                yield "_".join(path), child

    def _find_variables(self) -> Iterator[tuple[str, Variable, bool]]:
        finder = _Finder()
        return finder.search(self, (), True)

    def _known_sizes(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        for size in shape:
            if not isinstance(size, int):
                raise ShapeError(
                    f'{type(self).__name__}: variable "{name}" cannot have the named size {size}',
                    hint="give that axis of the input a number for its size",
                )
        return tuple(shape)

    def _require_unchanged(
        self, name: str, known: Variable, shape: tuple[int, ...], dtype: object
    ) -> None:
        label = f'{type(self).__name__}: variable "{name}"'
        if tuple(shape) != known.shape:
            sizes = ", ".join(map(str, shape))
            raise ShapeError(
                f"{label} was made with shape {list(known.shape)} and is now needed as [{sizes}]",
                details=operand_lines(variable=known),
                hint="one layer serves inputs of one size; make a second layer for the other",
            )
        if as_dtype(dtype) != known.dtype:
            raise DTypeError(f"{label} is {known.dtype} and is now needed as {dtype}")


@dataclass(slots=True)
class _Finder:
    """One walk over a layer; each variable and each container is met once."""

    storages: set[int] = field(default_factory=set)
    containers: set[int] = field(default_factory=set)

    def search(
        self, what: Any, path: tuple[str, ...], trains: bool
    ) -> Iterator[tuple[str, Variable, bool]]:
        if isinstance(what, Variable):
            if id(what.storage) not in self.storages:
                self.storages.add(id(what.storage))
                yield "/".join(path), what, trains and what.trainable
            return
        if id(what) in self.containers:
            return
        self.containers.add(id(what))
        if isinstance(what, Layer):
            trains = trains and what.trainable
            for name, own in what._variables.items():
                yield from self.search(own, (*path, name), trains)
        for part, inner in _parts_of(what):
            yield from self.search(inner, (*path, *part), trains)


def _parts_of(what: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What hangs directly on a layer, or in containers on it, with its path from there."""
    if isinstance(what, Layer):
        attributes = {k: v for k, v in vars(what).items() if k != "_own_variables"}
        for name, value in attributes.items():
            yield from _expand((name,), value)
    elif callable(getattr(what, "variables", None)):
        for path, found in what.variables().items():
            yield (path,), found


def _expand(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _expand((*path, str(key)), inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _expand((*path, str(index)), inner)
    elif isinstance(value, Layer | Variable) or callable(getattr(value, "variables", None)):
        yield path, value


def snake_case(kind: type) -> str:
    """LayerName as layer_name."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()


def require_known_size(layer: Layer, size: object, what: str) -> int:
    """`size` as an int. Raises ShapeError for a named size."""
    if isinstance(size, int):
        return size
    raise ShapeError(
        f"{type(layer).__name__}: {what} must be a known number, it is {size}",
        hint="give that axis of the input a number for its size",
    )


def require_positive(kind: str, name: str, value: object) -> int:
    """`value` as a whole number >= 1. Raises ArgumentError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(f"{kind}: {name} must be a whole number >= 1, got {value!r}")
    return value
