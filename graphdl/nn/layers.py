"""The layers that every network uses."""

from __future__ import annotations

from graphdl.autodiff.rules import is_filled
from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.nn.activations import ActivationLike, as_activation
from graphdl.nn.initializers import InitializerLike, as_initializer
from graphdl.nn.layer import Layer, require_known_size, require_positive
from graphdl.ops.arguments import operand_lines
from graphdl.ops.functions.contraction import matmul
from graphdl.ops.functions.creation import is_training
from graphdl.ops.functions.elementwise import astype, where
from graphdl.ops.functions.movement import reshape
from graphdl.ops.functions.random import Generator, bernoulli
from graphdl.typesystem.expression import product


class Dense(Layer):
    """activation(x @ kernel + bias) along the last axis.

    From (…, n) to (…, units); `kernel` is (n, units) and `bias` (units,), made at the first call,
    when n is known. Raises ShapeError when n is a named size.

    >>> layer = gd.nn.Dense(10, activation="relu")
    >>> layer(gd.placeholder("x", ("batch", 64))).shape
    (batch, 10)
    >>> {path: variable.shape for path, variable in layer.variables().items()}
    {'kernel': (64, 10), 'bias': (10,)}
    """

    def __init__(
        self,
        units: int,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        *,
        name: str | None = None,
    ) -> None:
        self.units = require_positive("Dense", "units", units)
        self.activation = as_activation(activation)
        self.use_bias = use_bias
        self.kernel_initializer = as_initializer(kernel_initializer)
        self.bias_initializer = as_initializer(bias_initializer)
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """The result for one input of at least one axis and a floating dtype."""
        require_floating_input("Dense", x)
        if x.ndim == 0:
            raise ShapeError("Dense: the input has no axes", details=operand_lines(x=x))
        inputs = require_known_size(self, x.shape[-1], "the last axis of the input")
        shape = (inputs, self.units)
        kernel = self.variable("kernel", shape, self.kernel_initializer, dtype=x.dtype)
        result = matmul(x, kernel)
        if self.use_bias:
            bias = self.variable("bias", (self.units,), self.bias_initializer, dtype=x.dtype)
            result = result + bias
        return self.activation(result)


class Activation(Layer):
    """A function of one tensor as a layer: a name ("relu") or a function.

    >>> x = gd.placeholder("x", (2,))
    >>> gd.nn.Activation("relu")(x).eval({x: [-1.0, 2.0]})
    array([0., 2.], dtype=float32)
    """

    def __init__(self, activation: ActivationLike, *, name: str | None = None) -> None:
        self.activation = as_activation(activation)
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """The function's result."""
        return self.activation(x)


class Dropout(Layer):
    """While training, a fraction `rate` of the elements is 0 and the rest is scaled by 1/(1-rate).

    Otherwise the input itself. Which elements differs from call to call and is decided by
    `generator`, by default the one that `gd.random.seed` sets. Srivastava et al. (2014), inverted.

    >>> x = gd.placeholder("x", (3,))
    >>> gd.nn.Dropout(0.5)(x).eval({x: [1.0, 2.0, 3.0]})
    array([1., 2., 3.], dtype=float32)
    """

    def __init__(
        self, rate: float, *, generator: Generator | None = None, name: str | None = None
    ) -> None:
        if not 0 <= rate < 1:
            raise ArgumentError(f"Dropout: the rate must be in [0, 1), got {rate!r}")
        self.rate = float(rate)
        self.generator = generator
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """The input with elements dropped, or the input."""
        require_floating_input("Dropout", x)
        training = is_training()
        if self.rate == 0 or is_filled(training, False):
            return x
        is_kept = bernoulli(x.shape, p=1 - self.rate, key=self.generator)
        # One factor, so that the gradient has one path and prediction multiplies by a constant 1.
        factor = where(is_kept, 1 / (1 - self.rate), 0.0)
        return x * astype(where(training, factor, 1.0), x.dtype)


class Flatten(Layer):
    """All axes but the first joined: (batch, a, b) becomes (batch, a*b).

    >>> gd.nn.Flatten()(gd.placeholder("image", ("batch", 28, 28))).shape
    (batch, 784)
    """

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def call(self, x: Tensor) -> Tensor:
        """The input with two axes."""
        if x.ndim == 0:
            raise ShapeError("Flatten: the input has no axes", details=operand_lines(x=x))
        return reshape(x, (x.shape[0], product(x.shape[1:])))


def require_floating_input(kind: str, x: Tensor) -> None:
    """Raises ArgumentError for what is no tensor, and DTypeError for other than floating dtypes."""
    if not isinstance(x, Tensor):
        raise ArgumentError(
            f"{kind}: a layer is called on tensors, got {type(x).__name__}",
            hint="call it on a gd.placeholder, and the compiled function on data",
        )
    if not x.dtype.is_floating:
        raise DTypeError(
            f"{kind}: the input must be floating, got {x.dtype}",
            details=operand_lines(x=x),
            hint="convert it: gd.astype(x, 'float32')",
        )
