"""Activations by name."""

from __future__ import annotations

from collections.abc import Callable

from graphdl.errors import ArgumentError
from graphdl.graph.nodes import Tensor
from graphdl.ops import composite
from graphdl.ops.functions import elementwise

Function = Callable[[Tensor], Tensor]
ActivationLike = str | Function | None
"""A name ("relu"), a function of a tensor, or None for no activation."""


def linear(x: Tensor) -> Tensor:
    """`x` itself."""
    return x


_BY_NAME: dict[str, Function] = {
    "linear": linear,
    "relu": composite.relu,
    "relu6": composite.relu6,
    "leaky_relu": composite.leaky_relu,
    "elu": composite.elu,
    "selu": composite.selu,
    "gelu": composite.gelu,
    "softplus": composite.softplus,
    "softsign": composite.softsign,
    "sigmoid": composite.sigmoid,
    "hard_sigmoid": composite.hard_sigmoid,
    "log_sigmoid": composite.log_sigmoid,
    "silu": composite.silu,
    "swish": composite.silu,
    "mish": composite.mish,
    "softmax": composite.softmax,
    "log_softmax": composite.log_softmax,
    "tanh": elementwise.tanh,
    "exponential": elementwise.exp,
}


def as_activation(what: ActivationLike) -> Function:
    """The function that a name stands for; a function stands for itself. Raises ArgumentError."""
    if what is None:
        return linear
    if callable(what):
        return what
    if what not in _BY_NAME:
        raise ArgumentError(
            f"unknown activation {what!r}", hint=f"use one of {', '.join(sorted(_BY_NAME))}"
        )
    return _BY_NAME[what]
