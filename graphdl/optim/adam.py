"""Adam: steps scaled by running moments of the gradient."""

from __future__ import annotations

import math

from graphdl.errors import ArgumentError
from graphdl.graph.nodes import Tensor
from graphdl.ops.functions.elementwise import astype, expm1, sqrt
from graphdl.optim.optimizer import Optimizer, Setting, Step, Updates


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), in the form and with the defaults of Keras.

    With t the number of this step: m += (g - m)(1 - beta_1), v += (g² - v)(1 - beta_2), and
    w -= learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon).

    >>> w = gd.variable([1.0, -2.0])
    >>> optimizer = gd.optim.Adam(0.5)
    >>> optimizer.minimize(gd.sum(w * w), [w])[w].eval().round(3)
    array([ 0.5, -1.5], dtype=float32)
    >>> optimizer.learning_rate.assign(0.25)
    """

    def __init__(
        self,
        learning_rate: Setting = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        weight_decay: Setting | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay)
        for name, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= beta < 1:
                raise ArgumentError(f"Adam: {name} must be in [0, 1), got {beta}")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def step_size(self) -> Tensor:
        """The learning rate with the bias correction of both moments."""
        number = astype(self.iterations + 1, "float32")
        correction = sqrt(_complement(self.beta_2, number)) / _complement(self.beta_1, number)
        return astype(self.learning_rate, "float32") * correction

    def step(self, step: Step) -> Updates:
        """The new parameter and its two moments."""
        gradient = step.gradient
        first, second = self.slot("first_moment", step), self.slot("second_moment", step)
        new_first = first + (gradient - first) * (1 - self.beta_1)
        new_second = second + (gradient * gradient - second) * (1 - self.beta_2)
        moved = step.parameter - step.size * new_first / (sqrt(new_second) + self.epsilon)
        return {step.parameter: moved, first: new_first, second: new_second}


def _complement(beta: float, number: Tensor) -> Tensor:
    """1 - beta^number, without the cancellation of writing it so."""
    return -expm1(number * (math.log(beta) if beta > 0 else -math.inf))
