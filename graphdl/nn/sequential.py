"""Sequential: layers one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from graphdl.errors import ArgumentError
from graphdl.graph.nodes import Tensor
from graphdl.nn.layer import Layer, snake_case


class Sequential(Layer):
    """`Sequential([first, second])(x)` is `second(first(x))`; also takes functions of a tensor.

    Paths of variables start with "layers/0", "layers/1", … Raises ArgumentError for anything that
    cannot be called.

    >>> model = gd.nn.Sequential([gd.nn.Dense(3, activation="relu"), gd.nn.Dense(1)])
    >>> model(gd.placeholder("x", ("batch", 2))).shape
    (batch, 1)
    >>> list(model.parameters())
    ['layers/0/kernel', 'layers/0/bias', 'layers/1/kernel', 'layers/1/bias']
    """

    def __init__(
        self,
        layers: Iterable[Layer | Callable[[Tensor], Tensor]] = (),
        *,
        name: str | None = None,
    ) -> None:
        self.layers: list[Layer | Callable[[Tensor], Tensor]] = []
        self.name = name
        for layer in layers:
            self.add(layer)

    def add(self, layer: Layer | Callable[[Tensor], Tensor]) -> None:
        """Append a layer."""
        _require_layer(layer)
        self.layers.append(layer)

    def call(self, x: Any) -> Any:
        """The last layer's result."""
        for layer in self.layers:
            x = layer(x)
        return x

    def _labelled_children(self) -> Iterator[tuple[str, Layer]]:
        for index, layer in enumerate(self.layers):
            if isinstance(layer, Layer):
                yield f"{snake_case(type(layer))}_{index}", layer


def _require_layer(layer: object) -> None:
    if isinstance(layer, type):
        raise ArgumentError(
            f"Sequential: {layer.__name__} is a class, not a layer",
            hint=f"call it: gd.nn.{layer.__name__}(…)",
        )
    if not callable(layer):
        raise ArgumentError(f"Sequential: {layer!r} is neither a layer nor a function")
