"""Embedding and attention layers, with the names and defaults of Keras."""

from __future__ import annotations

from math import sqrt

from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor
from graphdl.nn.initializers import InitializerLike, RandomUniform, as_initializer
from graphdl.nn.layer import Layer, require_known_size, require_positive
from graphdl.nn.layers import Dropout, require_floating_input
from graphdl.ops.arguments import operand_lines
from graphdl.ops.functions.attention import embedding, masked_softmax
from graphdl.ops.functions.einsum import einsum
from graphdl.ops.functions.movement import expand_dims


class Embedding(Layer):
    """Rows of a trained table: integers (…) to (…, output_dim). `embeddings` is (input_dim, size).

    >>> gd.nn.Embedding(1000, 16)(gd.placeholder("words", ("batch", 20), "int64")).shape
    (batch, 20, 16)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: InitializerLike | None = None,
        *,
        name: str | None = None,
    ) -> None:
        self.input_dim = require_positive("Embedding", "input_dim", input_dim)
        self.output_dim = require_positive("Embedding", "output_dim", output_dim)
        uniform = RandomUniform(-0.05, 0.05)
        self.embeddings_initializer = as_initializer(
            uniform if embeddings_initializer is None else embeddings_initializer
        )
        self.name = name

    def call(self, indices: Tensor) -> Tensor:
        """The rows that `indices` name."""
        shape = (self.input_dim, self.output_dim)
        return embedding(indices, self.variable("embeddings", shape, self.embeddings_initializer))


class _Projection(Layer):
    """x times a kernel of several axes, by an einsum over the last axes."""

    def __init__(
        self, equation: str, shape: tuple[int, ...], use_bias: bool, initializer: InitializerLike
    ) -> None:
        self.equation, self.shape, self.use_bias = equation, shape, use_bias
        self.kernel_initializer = as_initializer(initializer)

    def call(self, x: Tensor, inputs: tuple[int, ...]) -> Tensor:
        """The product, with a bias over the new axes."""
        shape = (*inputs, *self.shape)
        kernel = self.variable("kernel", shape, self.kernel_initializer, dtype=x.dtype)
        result = einsum(self.equation, x, kernel)
        if self.use_bias:
            result = result + self.variable("bias", self.shape, "zeros", dtype=x.dtype)
        return result


class MultiHeadAttention(Layer):
    """Attention by several heads: layer(query, value, key=value) on (batch, time, size) tensors.

    `attention_mask` is bool (True: attend), (batch, query time, key time) or what broadcasts to it;
    `use_causal_mask` lets a query see keys up to its own time. The result has the query's last
    size, or `output_shape`. Kernels are (in, heads, size), as in Keras. Vaswani et al. (2017).

    >>> x = gd.placeholder("x", ("batch", 7, 16))
    >>> layer = gd.nn.MultiHeadAttention(num_heads=2, key_dim=8)
    >>> layer(x, x, use_causal_mask=True).shape
    (batch, 7, 16)
    >>> [path for path in layer.variables() if "kernel" in path]
    ['query/kernel', 'key/kernel', 'value/kernel', 'attention_output/kernel']
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | None = None,
        kernel_initializer: InitializerLike = "glorot_uniform",
        *,
        name: str | None = None,
    ) -> None:
        kind = "MultiHeadAttention"
        self.num_heads = require_positive(kind, "num_heads", num_heads)
        self.key_dim = require_positive(kind, "key_dim", key_dim)
        size = key_dim if value_dim is None else value_dim
        self.value_dim = require_positive(kind, "value_dim", size)
        self.use_bias, self.output_shape = use_bias, output_shape
        self.kernel_initializer = as_initializer(kernel_initializer)
        heads, initializer = "btd,dhk->bthk", self.kernel_initializer
        self.query = _Projection(heads, (num_heads, key_dim), use_bias, initializer)
        self.key = _Projection(heads, (num_heads, key_dim), use_bias, initializer)
        self.value = _Projection(heads, (num_heads, size), use_bias, initializer)
        self.dropout = Dropout(dropout)
        self.attention_output: _Projection | None = None
        self.name = name

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        attention_mask: Tensor | None = None,
        use_causal_mask: bool = False,
    ) -> Tensor:
        """What each query time gathers from the values."""
        key = value if key is None else key
        roles = (("query", self.query, query), ("value", self.value, value), ("key", self.key, key))
        q, v, k = (project(x, (self._size(x, role),)) for role, project, x in roles)
        scores = einsum("bthk,bshk->bhts", q * (1 / sqrt(self.key_dim)), k)
        mask = None if attention_mask is None else _with_heads(attention_mask)
        weights = masked_softmax("MultiHeadAttention", scores, mask, use_causal_mask)
        mixed = einsum("bhts,bshk->bthk", self.dropout(weights), v)
        return self._join(mixed, self._size(query, "query"))

    def _join(self, mixed: Tensor, inputs: int) -> Tensor:
        if self.attention_output is None:
            size = inputs if self.output_shape is None else self.output_shape
            self.attention_output = _Projection(
                "bthk,hkd->btd", (size,), self.use_bias, self.kernel_initializer
            )
            self.attention_output.name = "attention_output"
        result: Tensor = self.attention_output(mixed, (self.num_heads, self.value_dim))
        return result

    def _size(self, x: Tensor, role: str) -> int:
        require_floating_input("MultiHeadAttention", x)
        if x.ndim != 3:
            raise ShapeError(
                f"MultiHeadAttention: the {role} must be (batch, time, size), got {x.type}",
                details=operand_lines(**{role: x}),
            )
        return require_known_size(self, x.shape[-1], f"the last axis of the {role}")


def _with_heads(mask: Tensor) -> Tensor:
    """A mask of 2 or 3 axes with an axis for the heads."""
    if not isinstance(mask, Tensor):
        raise ArgumentError("MultiHeadAttention: attention_mask must be a tensor")
    return expand_dims(mask, mask.ndim - 2) if mask.ndim == 3 else mask
