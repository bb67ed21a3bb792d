"""Whatever is at hand as a tensor, and tensors whose values do not matter."""

from __future__ import annotations

from graphdl.graph.nodes import Tensor
from graphdl.ops.arguments import Operand, as_tensor, cast, constant_tensor
from graphdl.ops.functions.creation import eye, zeros, zeros_like
from graphdl.typesystem.dtype import as_dtype


def asarray(x: Operand, dtype: object = None) -> Tensor:
    """Data as a constant, a tensor as it is; converted where a dtype is given.

    >>> gd.asarray([1, 2], dtype="float32").eval().tolist()
    [1.0, 2.0]
    """
    if not isinstance(x, Tensor):
        return constant_tensor(x, dtype, "asarray")
    tensor = as_tensor(x, "asarray")
    return tensor if dtype is None else cast(tensor, as_dtype(dtype))


def empty(shape: object, dtype: object = "float32") -> Tensor:
    """`shape` of values that do not matter: zeros.

    >>> gd.empty((2,)).shape
    (2,)
    """
    return zeros(shape, dtype)


def empty_like(x: Tensor, dtype: object = None) -> Tensor:
    """Values that do not matter in the shape (and dtype) of `x`: zeros.

    >>> gd.empty_like(gd.constant([1, 2])).dtype
    int64
    """
    return zeros_like(x, dtype)


def identity(n: object, *, dtype: object = "float32") -> Tensor:
    """The n × n identity matrix.

    >>> gd.identity(2).eval().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return eye(n, dtype=dtype)
