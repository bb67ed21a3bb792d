"""What every optimiser has: a step counter, a learning rate, slots, and `minimize`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.graph.structure import leaves_of
from graphdl.ops.arguments import operand_lines
from graphdl.ops.functions.creation import variable
from graphdl.ops.functions.elementwise import astype
from graphdl.ops.state import Variable

Schedule = Callable[[Tensor], Tensor]
"""From `optimizer.iterations` (int64, 0-d) to a 0-d floating tensor."""

Setting = float | Tensor | Schedule
Updates = dict[Variable, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One parameter in one update; `size` is the step size in the parameter's dtype."""

    path: str
    parameter: Variable
    gradient: Tensor
    size: Tensor


class Optimizer(ABC):
    """Base of the optimisers.

    `learning_rate` and `weight_decay` are numbers, 0-d tensors, or functions of `iterations`. A
    number becomes a variable, so that `optimizer.learning_rate.assign(1e-4)` takes effect in
    functions that are compiled already. `weight_decay` is decoupled from the gradient: parameters
    shrink by learning_rate * weight_decay in each step (Loshchilov and Hutter, 2019).
    """

    iterations: Variable
    """The updates made so far: int64, 0-d."""
    learning_rate: Any
    """A variable, or the tensor that was given or scheduled."""
    weight_decay: Any
    """None, a variable, or the tensor that was given or scheduled."""

    def __init__(self, learning_rate: Setting, *, weight_decay: Setting | None = None) -> None:
        self.iterations = variable(np.int64(0), name="iterations", trainable=False)
        self.learning_rate = self._setting("learning_rate", learning_rate)
        self.weight_decay = None
        if weight_decay is not None:
            self.weight_decay = self._setting("weight_decay", weight_decay)
        self._slots: dict[tuple[str, int], tuple[str, Variable]] = {}

    def minimize(self, cost: Tensor, parameters: Any) -> Updates:
        """The new values after one step that makes `cost` smaller.

        `cost` is a 0-d floating tensor; `parameters` are variables: one, a list, a dict
        (`layer.parameters()`), or anything with `.parameters()`. The result goes to
        `gd.function(updates=…)`. Raises GradientError when the cost does not depend on one of them.
        """
        named = named_variables(parameters)
        return self.updates(named, grad(cost, named))

    def updates(self, parameters: Any, gradients: Any) -> Updates:
        """The new values after one step, given a gradient for each parameter.

        `gradients` are tensors of the parameters' dtypes and shapes, in the same structure. Raises
        ArgumentError when their numbers differ or a parameter is given twice.
        """
        named = named_variables(parameters)
        flat = leaves_of(gradients)
        if len(flat) != len(named):
            raise ArgumentError(f"updates: {len(flat)} gradients for {len(named)} parameters")
        _require_different(named)
        if not named:
            raise ArgumentError(
                "updates: there are no parameters",
                hint="layers make their variables when they are first called on a tensor",
            )
        size = self.step_size()
        result: Updates = {}
        for (path, parameter), gradient in zip(named.items(), flat, strict=True):
            _require_gradient(path, parameter, gradient)
            step = Step(path, parameter, gradient, astype(size, parameter.dtype))
            result |= self._decayed(step, self.step(step))
        result[self.iterations] = self.iterations + 1
        return result

    def variables(self) -> dict[str, Variable]:
        """Everything to save: the step counter, settings that are variables, and the slots."""
        named = {"iterations": self.iterations}
        for name in ("learning_rate", "weight_decay"):
            setting = getattr(self, name)
            if isinstance(setting, Variable):
                named[name] = setting
        return named | dict(self._slots.values())

    def step_size(self) -> Tensor:
        """The 0-d factor of every step: the learning rate, corrected where an optimiser does so."""
        return astype(self.learning_rate, "float32")

    @abstractmethod
    def step(self, step: Step) -> Updates:
        """The new values of one parameter and its slots."""

    def slot(self, name: str, step: Step) -> Variable:
        """A zero variable that belongs to this optimiser and one parameter; made once."""
        parameter = step.parameter
        key = (name, id(parameter.storage))
        if key not in self._slots:
            zeros = np.zeros(parameter.storage.array.shape, parameter.dtype.numpy)
            path = f"{name}/{step.path}"
            made = variable(zeros, name=path, dtype=parameter.dtype, trainable=False)
            self._slots[key] = (path, made)
        return self._slots[key][1]

    def _decayed(self, step: Step, values: Updates) -> Updates:
        if self.weight_decay is None:
            return values
        dtype = step.parameter.dtype
        decay = astype(self.learning_rate, dtype) * astype(self.weight_decay, dtype)
        return values | {step.parameter: values[step.parameter] - step.parameter * decay}

    def _setting(self, name: str, value: Setting) -> Tensor:
        if callable(value) and not isinstance(value, Tensor):
            value = value(self.iterations)
        if not isinstance(value, Tensor):
            return variable(np.float32(value), name=name, trainable=False)
        if value.ndim != 0 or not value.dtype.is_floating:
            raise ArgumentError(
                f"{type(self).__name__}: {name} must be a 0-d floating tensor, got {value.type}",
                details=operand_lines(**{name: value}),
            )
        return value


def named_variables(what: Any, prefix: str = "") -> dict[str, Variable]:
    """{path: variable} of a variable, a structure of them, or anything with `.parameters()`.

    A path is made of dict keys and list indices, joined by "/".
    """
    if isinstance(what, Variable):
        return {prefix or what.name: what}
    if hasattr(what, "parameters"):
        what = what.parameters()
    if isinstance(what, Mapping):
        items = [(str(key), value) for key, value in what.items()]
    elif isinstance(what, list | tuple):
        items = [(str(index), value) for index, value in enumerate(what)]
    else:
        raise ArgumentError(f"an optimiser changes variables, got {what!r}")
    named: dict[str, Variable] = {}
    for name, value in items:
        named |= named_variables(value, f"{prefix}/{name}" if prefix else name)
    return named


def _require_different(named: dict[str, Variable]) -> None:
    paths: dict[int, str] = {}
    for path, parameter in named.items():
        first = paths.setdefault(id(parameter.storage), path)
        if first != path:
            raise ArgumentError(f'updates: "{first}" and "{path}" are the same variable')


def _require_gradient(path: str, parameter: Variable, gradient: object) -> None:
    if not isinstance(gradient, Tensor):
        raise ArgumentError(f'updates: the gradient of "{path}" is {gradient!r}, not a tensor')
    if gradient.type == parameter.type:
        return
    kind = ShapeError if gradient.shape != parameter.shape else DTypeError
    raise kind(
        f'updates: the gradient of "{path}" must be {parameter.type}, got {gradient.type}',
        details=operand_lines(parameter=parameter, gradient=gradient),
    )
