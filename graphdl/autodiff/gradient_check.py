"""Derivatives compared with finite differences: for users who write their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.autodiff.forward import jvp
from graphdl.autodiff.reverse import require_floating, require_tensor, vjp
from graphdl.errors import ArgumentError, GradientError
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.structure import leaves_of
from graphdl.ops.arguments import operand_lines
from graphdl.ops.functions.evaluate import evaluate
from graphdl.ops.region_tracing import make_parameters

Array = NDArray[Any]
Feed = Mapping[Tensor, Any]


def gradient_check(
    outputs: Any,
    wrt: Any,
    feed: Feed | None = None,
    *,
    order: int = 1,
    step: float | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> float:
    """Compare reverse and forward derivatives of `outputs` with central differences.

    Each tensor of `wrt` moves in a random direction, one at a time, and with it whatever is
    computed from it; the outputs (floating, any shapes) are weighted at random. `wrt` and `outputs`
    are tensors in nested dicts, lists and tuples; `feed` gives the inputs as in
    `tensor.eval(feed)`, variables have their present values, training is off. `order=2` checks
    second derivatives too. `step` is how far they move, by default the cube root of the dtype's
    resolution, `tolerance` the largest relative difference, by default its square root times 3 per
    order; float64 graphs are the ones worth checking. Returns the largest difference found. Raises
    GradientError with both numbers for a wrong derivative. (Press et al., Numerical Recipes, 3rd
    ed., section 5.7.)

    >>> x = gd.placeholder("x", (3,), dtype="float64")
    >>> gd.gradient_check(gd.sum(gd.tanh(x)), x, {x: [0.1, 0.2, 0.3]}, order=2) < 1e-6
    True
    """
    if order < 1:
        raise ArgumentError(f"gradient_check: order={order}; it starts at 1")
    flat, targets = leaves_of(outputs), leaves_of(wrt)
    for role, tensors in (("output", flat), ("wrt", targets)):
        for tensor in tensors:
            require_tensor(tensor, f"gradient_check: {role}")
            require_floating(role, tensor, "gradient_check")
    given = dict(feed or {})
    places = {target: evaluate(target, given) for target in targets}
    generator = np.random.default_rng(seed)
    resolution = max(_resolution(tensor) for tensor in (*flat, *targets))
    worst = 0.0
    for target in targets:
        (tangent,) = make_parameters([target.type])
        direction = _direction(places[target], generator)
        distance = resolution ** (1 / 3) if step is None else step
        trial = _Trial(target, tangent, direction, {**given, target: places[target]}, distance)
        limit = 3 * order * resolution**0.5 if tolerance is None else tolerance
        worst = max(worst, trial.check(flat, generator, order, limit))
    return worst


def _resolution(tensor: Tensor) -> float:
    return {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10}.get(
        tensor.dtype.name, 2.0**-7
    )


def _direction(like: Array, generator: np.random.Generator) -> Array:
    direction: Array = generator.normal(size=like.shape).astype(like.dtype)
    return direction


@dataclass(frozen=True, slots=True)
class _Trial:
    """One tensor moved in one direction, and with it what is computed from it."""

    target: Tensor
    tangent: Tensor
    direction: Array
    feed: Feed
    step: float

    def check(
        self,
        outputs: Sequence[Tensor],
        generator: np.random.Generator,
        order: int,
        limit: float,
    ) -> float:
        """The largest relative difference up to `order`."""
        worst = 0.0
        for degree in range(1, order + 1):
            weights = [_direction(value, generator) for value in self.values(outputs)]
            expected = self.difference(outputs, weights)
            seeds = make_parameters(output.type for output in outputs)
            pulled = vjp(outputs, self.target, seeds, disconnected="zero")
            pushed = jvp(outputs, self.target, self.tangent, disconnected="zero")
            seeded = dict(zip(seeds, weights, strict=True))
            found = {
                "reverse": _dot(self.values([pulled], seeded), [self.direction]),
                "forward": _dot(self.values(pushed), weights),
            }
            for mode, slope in found.items():
                error = abs(slope - expected) / max(1.0, abs(expected))
                if not error <= limit:
                    self.fail(degree, mode, slope, expected)
                worst = max(worst, error)
            outputs = pushed
        return worst

    def difference(self, outputs: Sequence[Tensor], weights: Sequence[Array]) -> float:
        """The central difference of the weighted outputs."""
        place = self.feed[self.target]
        steps = [shift * self.direction for shift in (self.step, -self.step)]
        ends = [_dot(self.values(outputs, {self.target: place + s}), weights) for s in steps]
        return (ends[0] - ends[1]) / (2 * self.step)

    def values(self, outputs: Sequence[Tensor], changed: Feed | None = None) -> list[Array]:
        """The outputs for the feed with changes; the graph is cut at whatever is fed."""
        feed = {**self.feed, self.tangent: self.direction, **(changed or {})}
        graph = Graph(tuple(feed), tuple(outputs))
        return interpret(graph, list(feed.values())).outputs

    def fail(self, degree: int, mode: str, found: float, expected: float) -> None:
        """Tell which derivative is wrong."""
        raise GradientError(
            f"gradient_check: {mode} derivative of order {degree} is {found:.6g}, "
            f"finite differences give {expected:.6g}",
            details=operand_lines(wrt=self.target),
            hint="a kink or a jump nearby differs too: try another point or step",
        )


def _dot(values: Sequence[Array], weights: Sequence[Array]) -> float:
    pairs = zip(values, weights, strict=True)
    return float(sum(np.sum(v.astype(np.float64) * w.astype(np.float64)) for v, w in pairs))
