"""Tensors from nothing: inputs, variables, literals and patterns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from graphdl.errors import ArgumentError, DTypeError
from graphdl.graph.constant_value import ConstantValue
from graphdl.graph.nodes import Tensor, build_node
from graphdl.ops import creation, leaves
from graphdl.ops.arguments import (
    Operand,
    as_array,
    as_operand,
    broadcast,
    cast,
    constant_tensor,
    filled,
    literal,
    promoted_dtype,
    size_tensor,
    with_dtype,
)
from graphdl.ops.elementwise import add, equal, greater_equal, multiply, select
from graphdl.ops.state import Variable, cast_same_kind, make_variable
from graphdl.typesystem import arithmetic
from graphdl.typesystem.dtype import DType, as_dtype, float32, int64
from graphdl.typesystem.expression import Expression, Size
from graphdl.typesystem.shape import as_size, parse_shape
from graphdl.typesystem.tensor_type import Shape


def placeholder(
    name: object, shape: object = (), dtype: object = "float32", *, default: object = None
) -> Tensor:
    """A symbolic input: `gd.placeholder("image", ("batch", 64))`.

    A size is an int, a name, or an expression of names such as "2*batch+1"; one name is one size
    everywhere in a function. `default` is the value of an input that a call leaves out.

    >>> gd.placeholder("image", ("batch", 64)).shape
    (batch, 64)
    """
    if not (isinstance(name, str) and name):
        raise ArgumentError(f"placeholder: the name must be a text, got {name!r}")
    element = as_dtype(dtype)
    sizes = parse_shape(shape, op="placeholder")
    value = None
    if default is not None:
        array = cast_same_kind(as_array(default, "placeholder"), element, "placeholder")
        value = ConstantValue(array)
        _require_default_fits(name, array.shape, sizes)
    attributes = {"name": name, "dtype": element, "shape": sizes, "default": value}
    return build_node(leaves.placeholder, (), attributes).results[0]


def _require_default_fits(name: str, given: tuple[int, ...], shape: Shape) -> None:
    fits = len(given) == len(shape) and all(
        size == known for size, known in zip(given, shape, strict=True) if isinstance(known, int)
    )
    if not fits:
        wanted = ", ".join(map(str, shape))
        raise ArgumentError(
            f'placeholder: the default of "{name}" has shape {list(given)}, not [{wanted}]'
        )


def variable(
    initial: object, *, name: str | None = None, dtype: object = None, trainable: bool = True
) -> Variable:
    """Persistent state with a first value. float64 data becomes float32 unless `dtype` is given.

    Integers and bools are never trained, whatever `trainable` says.

    >>> weight = gd.variable([1.0, 2.0], name="weight")
    >>> weight.assign([3, 4])
    >>> (weight + 1).eval().tolist()
    [4.0, 5.0]
    """
    if isinstance(initial, Tensor):
        raise ArgumentError(
            "variable: the first value must be data, not a tensor",
            hint="evaluate it first: gd.variable(x.eval())",
        )
    array = as_array(initial, "variable")
    if dtype is None:
        element = float32 if array.dtype == np.float64 else as_dtype(array.dtype)
    else:
        element = as_dtype(dtype)
    trains = trainable and element.is_floating
    return make_variable(arithmetic.convert(array, element), name, trains)


def constant(value: object, dtype: object = None) -> Tensor:
    """A literal. float64 data becomes float32 unless `dtype` is given; ints are int64.

    >>> gd.constant([1.5, 2]).dtype
    float32
    """
    if isinstance(value, Tensor):
        raise ArgumentError("constant: the value must be data, not a tensor")
    return constant_tensor(value, dtype)


def is_training() -> Tensor:
    """The 0-d bool that is true in functions compiled for training, or what `fix_training` says.

    >>> gd.is_training().eval().item()
    False
    """
    fixed = _fixed_training.get()
    if fixed is not None:
        return literal(np.asarray(fixed))
    return build_node(leaves.is_training).results[0]


_fixed_training: ContextVar[bool | None] = ContextVar("fixed_training", default=None)


@contextmanager
def fix_training(training: bool) -> Iterator[None]:
    """`gd.is_training()` is a constant inside."""
    token = _fixed_training.set(bool(training))
    try:
        yield
    finally:
        _fixed_training.reset(token)


def full(shape: object, value: Operand, dtype: object = None) -> Tensor:
    """`shape` full of one 0-d value.

    >>> gd.full((2, 2), 7).eval().tolist()
    [[7, 7], [7, 7]]
    """
    sizes = parse_shape(shape, op="full")
    operand = as_operand(value, "full", keep_float64=False)
    element = promoted_dtype("full", [operand], ["value"]) if dtype is None else as_dtype(dtype)
    tensor = with_dtype(operand, element, "full")
    if tensor.ndim != 0:
        raise ArgumentError(f"full: the value must be 0-d, got {tensor.type}")
    return broadcast(tensor, sizes)


def zeros(shape: object, dtype: object = "float32") -> Tensor:
    """`shape` full of 0.

    >>> gd.zeros((2, 2)).eval().tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """
    return filled(0, as_dtype(dtype), parse_shape(shape, op="zeros"))


def ones(shape: object, dtype: object = "float32") -> Tensor:
    """`shape` full of 1.

    >>> gd.ones(2, dtype="int32").eval().tolist()
    [1, 1]
    """
    return filled(1, as_dtype(dtype), parse_shape(shape, op="ones"))


def zeros_like(x: Tensor, dtype: object = None) -> Tensor:
    """0 in the shape (and dtype) of `x`.

    >>> gd.zeros_like(gd.constant([1, 2])).eval().tolist()
    [0, 0]
    """
    return filled(0, x.dtype if dtype is None else as_dtype(dtype), x.shape)


def ones_like(x: Tensor, dtype: object = None) -> Tensor:
    """1 in the shape (and dtype) of `x`.

    >>> gd.ones_like(gd.constant([5, 6])).eval().tolist()
    [1, 1]
    """
    return filled(1, x.dtype if dtype is None else as_dtype(dtype), x.shape)


def full_like(x: Tensor, value: Operand, dtype: object = None) -> Tensor:
    """One 0-d value in the shape (and dtype) of `x`.

    >>> gd.full_like(gd.constant([5, 6]), 3).eval().tolist()
    [3, 3]
    """
    return full(x.shape, value, x.dtype if dtype is None else dtype)


def arange(
    start: Operand, stop: Operand = None, step: Operand = 1, *, dtype: object = None
) -> Tensor:
    """start, start + step, … up to but without stop: 1-d.

    Sizes may be named (`gd.arange(x.shape[0])`) when step is an int; float bounds must be numbers.
    Element i is start + i*step. ints give int64 and floats float32 unless `dtype` is given.

    >>> gd.arange(2, 8, 3).eval().tolist()
    [2, 5]
    >>> x = gd.placeholder("x", ("batch", 3))
    >>> gd.arange(x.shape[0]).shape
    (batch,)
    """
    if stop is None:
        start, stop = 0, start
    for bound in (start, stop, step):
        if isinstance(bound, bool) or not isinstance(bound, int | float | Expression):
            raise ArgumentError(f"arange: {bound!r} is not a number or a size")
    if step == 0:
        raise ArgumentError("arange: the step is 0")
    if dtype is None:
        element = float32 if any(isinstance(b, float) for b in (start, stop, step)) else int64
    else:
        element = as_dtype(dtype)
    return _progression(_arange_count(start, stop, step), start, step, element)


def _arange_count(start: Operand, stop: Operand, step: Operand) -> Size:
    if all(isinstance(bound, int | float) for bound in (start, stop, step)):
        return max(0, int(np.ceil((stop - start) / step)))
    if not isinstance(step, int) or step != 1 or any(isinstance(b, float) for b in (start, stop)):
        raise ArgumentError("arange: with named sizes the bounds must be sizes and the step 1")
    return as_size(stop - start, op="arange")


def _progression(count: Size, start: Operand, step: Operand, dtype: DType) -> Tensor:
    """start + i*step for i below count."""
    if dtype.is_bool:
        raise DTypeError("arange: a range of bools")
    inner = dtype if dtype.bits != 16 or not dtype.is_floating else float32
    result = iota((count,), 0, inner)
    if step != 1:
        result = multiply(result, filled(step, inner, (count,)))
    if start != 0:
        offset = (
            size_tensor(start, inner) if isinstance(start, Expression) else filled(start, inner)
        )
        result = add(result, broadcast(offset, (count,)))
    return cast(result, dtype)


def iota(shape: Shape, axis: int, dtype: DType) -> Tensor:
    """0, 1, 2, … along an axis."""
    attributes = {"shape": shape, "axis": axis, "dtype": dtype}
    return build_node(creation.iota, (), attributes).results[0]


def linspace(
    start: float, stop: float, num: int, *, dtype: object = None, endpoint: bool = True
) -> Tensor:
    """`num` numbers evenly spaced from start to stop, which is left out unless `endpoint`.

    >>> gd.linspace(0, 1, 5).eval().tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    count = as_size(num, op="linspace")
    if not isinstance(count, int):
        raise ArgumentError("linspace: num must be a number, not a named size")
    array = np.linspace(float(start), float(stop), count, endpoint=endpoint)
    return constant_tensor(array, float32 if dtype is None else dtype)


def eye(rows: object, columns: object = None, *, k: int = 0, dtype: object = "float32") -> Tensor:
    """Ones on diagonal `k` (0 the main one, 1 above it) of a rows × columns matrix of zeros.

    >>> gd.eye(2, 3).eval().tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    shape = _matrix_shape("eye", rows, columns)
    row, column = iota(shape, 0, int64), iota(shape, 1, int64)
    is_diagonal: Tensor = equal(add(row, filled(k, int64, shape)), column)
    return cast(is_diagonal, as_dtype(dtype))


def tri(rows: object, columns: object = None, *, k: int = 0, dtype: object = "float32") -> Tensor:
    """Ones at and below diagonal `k` of a rows × columns matrix of zeros.

    >>> gd.tri(3, dtype="int32").eval().tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    return cast(_lower_mask(_matrix_shape("tri", rows, columns), k), as_dtype(dtype))


def _matrix_shape(op: str, rows: object, columns: object) -> Shape:
    first = as_size(rows, op=op)
    return (first, first if columns is None else as_size(columns, op=op))


def _lower_mask(shape: Shape, k: int) -> Tensor:
    """Whether column <= row + k, over the last two axes."""
    row, column = iota(shape, len(shape) - 2, int64), iota(shape, len(shape) - 1, int64)
    mask: Tensor = greater_equal(add(row, filled(k, int64, shape)), column)
    return mask


def _triangle(op: str, x: Tensor, k: int, keeps_lower: bool) -> Tensor:
    if x.ndim < 2:
        raise ArgumentError(f"{op}: needs a matrix or a batch of them, got {x.type}")
    mask = _lower_mask(x.shape[-2:], k if keeps_lower else k - 1)
    mask = broadcast(mask, x.shape)
    zero = filled(0, x.dtype, x.shape)
    result: Tensor = select(mask, x, zero) if keeps_lower else select(mask, zero, x)
    return result


def tril(x: Tensor, *, k: int = 0) -> Tensor:
    """The matrices of `x` with zeros above diagonal `k`.

    >>> gd.tril(gd.ones((2, 2))).eval().tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return _triangle("tril", x, k, keeps_lower=True)


def triu(x: Tensor, *, k: int = 0) -> Tensor:
    """The matrices of `x` with zeros below diagonal `k`.

    >>> gd.triu(gd.ones((2, 2)), k=1).eval().tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    return _triangle("triu", x, k, keeps_lower=False)
