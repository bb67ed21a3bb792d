"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from graphdl.errors import ArgumentError
from graphdl.optim.optimizer import Optimizer, Setting, Step, Updates


class SGD(Optimizer):
    """Gradient descent, with momentum (Polyak, 1964) and Nesterov's look-ahead where asked for.

    Without momentum: w -= learning_rate * g. With it: m = momentum * m - learning_rate * g, then
    w += m, or w += momentum * m - learning_rate * g with `nesterov` (Sutskever et al., 2013).

    >>> w = gd.variable([1.0, -2.0])
    >>> updates = gd.optim.SGD(0.1).minimize(gd.sum(w * w), [w])
    >>> updates[w].eval()
    array([ 0.8, -1.6], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: Setting = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        weight_decay: Setting | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay)
        if not 0 <= momentum <= 1:
            raise ArgumentError(f"SGD: momentum must be between 0 and 1, got {momentum}")
        self.momentum = momentum
        self.nesterov = nesterov

    def step(self, step: Step) -> Updates:
        """The new parameter, and its momentum."""
        move = step.size * step.gradient
        if self.momentum == 0:
            return {step.parameter: step.parameter - move}
        momentum = self.slot("momentum", step)
        velocity = momentum * self.momentum - move
        advance = velocity * self.momentum - move if self.nesterov else velocity
        return {step.parameter: step.parameter + advance, momentum: velocity}
