"""vmap: a function of one example becomes a function of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

from graphdl.autodiff.batch import batch_graph
from graphdl.autodiff.rules import batched, from_front, to_front
from graphdl.autodiff.table import BATCH_RULES
from graphdl.errors import ArgumentError, ShapeError
from graphdl.graph.nodes import Tensor, take_serial
from graphdl.graph.structure import leaves_of, restructure
from graphdl.ops.arguments import as_tensor, operand_lines
from graphdl.ops.region_tracing import make_parameters
from graphdl.typesystem.expression import Size
from graphdl.typesystem.shape import canonical_axis
from graphdl.typesystem.tensor_type import TensorType

Function = Callable[..., Any]
Axes = Any
"""An axis, None, or a nested structure of them."""

assert BATCH_RULES, "importing the table loads the rules"


def vmap(f: Function, in_axes: Axes = 0, out_axes: Axes = 0) -> Function:
    """`f`, written for one example, as a function of whole batches: no loop, one graph.

    `in_axes` says along which axis of each argument the examples lie: an int for all arguments, or
    a tuple with one entry for each; an entry is an int, None (every example gets the whole
    argument), or a nested structure of them as the argument has it. Keyword arguments are mapped
    along axis 0. `f` takes and returns tensors in nested dicts, lists and tuples; `out_axes` says
    in the same way where the examples lie in each result, None that a result is the same for all.
    Dtypes stay. Tensors that `f` reads from outside are whole in every example. vmaps nest, and go
    around `gd.grad` (gradients per example) and inside it. Draws of a generator differ from example
    to example; a key tensor gives each example the same draws, a batch of keys its own. Raises
    ShapeError when the sizes of the mapped axes differ or an axis does not exist, ArgumentError
    when nothing is mapped, when a structure does not fit, and for an op that has no batched form.
    (Bradbury et al., "JAX: composable transformations of Python+NumPy programs", 2018.)

    >>> x, w = gd.placeholder("x", ("batch", 3)), gd.placeholder("w", (3,))
    >>> dots = gd.vmap(lambda row, weights: gd.sum(row * weights), in_axes=(0, None))(x, w)
    >>> dots.shape
    (batch,)
    >>> dots.eval({x: [[1, 2, 3], [4, 5, 6]], w: [1, 0, 1]}).tolist()
    [4.0, 10.0]
    """

    @wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        arguments = leaves_of((args, kwargs))
        axes = [*_argument_axes(in_axes, args), *(0 for _ in leaves_of(kwargs))]
        whole, size = _mapped_arguments(arguments, axes)
        first = take_serial()
        parameters = make_parameters(_example_type(tensor) for tensor in whole.values())
        examples = dict(zip(whole, parameters, strict=True))
        given = [examples.get(place, leaf) for place, leaf in enumerate(arguments)]
        new_args, new_kwargs = restructure((args, kwargs), given)
        result = f(*new_args, **new_kwargs)
        outputs = [as_tensor(leaf, "vmap") for leaf in leaves_of(result)]
        pairs = zip(parameters, whole.values(), strict=True)
        batches = batch_graph(outputs, {inner.key: outer for inner, outer in pairs}, size, first)
        wanted = _leaf_axes("out_axes", out_axes, result)
        each = zip(outputs, batches, wanted, strict=True)
        return restructure(result, [_placed(*entry, size) for entry in each])

    return mapped


def _argument_axes(in_axes: Axes, args: tuple[Any, ...]) -> list[int | None]:
    """The mapped axis of each leaf of the positional arguments."""
    if isinstance(in_axes, tuple | list):
        if len(in_axes) != len(args):
            raise ArgumentError(
                f"vmap: in_axes has {len(in_axes)} entries for {len(args)} arguments"
            )
        in_axes = tuple(in_axes)
    return list(_leaf_axes("in_axes", in_axes, args))


def _leaf_axes(name: str, axes: Axes, tree: Any) -> Iterator[int | None]:
    """The entry of `axes` for each leaf of `tree`; an entry stands for everything below it."""
    if axes is None or (isinstance(axes, int) and not isinstance(axes, bool)):
        yield from (axes for _ in leaves_of(tree))
        return
    children, below = _children(axes), _children(tree)
    if children is None or below is None or children.keys() != below.keys():
        raise ArgumentError(
            f"vmap: {name}={axes!r} does not fit the structure of what it is for",
            hint="give an int or None, or the same nested dicts, lists and tuples",
        )
    for key, child in below.items():
        yield from _leaf_axes(name, children[key], child)


def _children(tree: Any) -> dict[Any, Any] | None:
    if isinstance(tree, Mapping):
        return dict(tree)
    return dict(enumerate(tree)) if isinstance(tree, list | tuple) else None


def _mapped_arguments(
    arguments: Sequence[Any], axes: Sequence[int | None]
) -> tuple[dict[int, Tensor], Size]:
    """By place: each mapped argument with its examples on the first axis; and how many."""
    tensors: dict[int, Tensor] = {}
    sizes: dict[int, tuple[int, Size]] = {}
    for place, (argument, given) in enumerate(zip(arguments, axes, strict=True)):
        if given is None or _is_setting(argument):
            continue
        tensor = as_tensor(argument, "vmap")
        axis = _checked_axis(tensor, given, place)
        sizes[place] = (axis, tensor.shape[axis])
        tensors[place] = to_front(tensor, axis)
    if not sizes:
        raise ArgumentError(
            "vmap: no argument is mapped", hint="give at least one argument an axis in in_axes"
        )
    _require_equal_sizes(arguments, sizes)
    return tensors, next(iter(sizes.values()))[1]


def _is_setting(argument: Any) -> bool:
    """Whether an argument is no data: passed on as it is."""
    return argument is None or isinstance(argument, str | bool | int | float)


def _checked_axis(tensor: Tensor, given: int, place: int) -> int:
    try:
        return canonical_axis(given, tensor.ndim, op="vmap", name="in_axes")
    except (ShapeError, ArgumentError) as error:
        raise ShapeError(
            f"vmap: argument {place} has {tensor.ndim} axes, no axis {given} to map",
            details=operand_lines(argument=tensor),
            hint="use None for what every example gets whole",
        ) from error


def _require_equal_sizes(arguments: Sequence[Any], sizes: dict[int, tuple[int, Size]]) -> None:
    first, (axis, size) = next(iter(sizes.items()))
    for place, (other, count) in sizes.items():
        if count != size:
            lines = {f"argument {p}": arguments[p] for p in (first, place)}
            raise ShapeError(
                f"vmap: mapped sizes differ: argument {first} has {size} on axis {axis}, "
                f"argument {place} has {count} on axis {other}",
                details=operand_lines(**lines),
            )


def _example_type(whole: Tensor) -> TensorType:
    return TensorType(whole.dtype, whole.shape[1:])


def _placed(output: Tensor, whole: Tensor, axis: int | None, size: Size) -> Tensor:
    """A result with its examples along `axis`."""
    has_batch = whole.ndim > output.ndim
    if axis is None:
        if not has_batch:
            return whole
        raise ArgumentError(
            "vmap: out_axes=None for a result that differs between examples",
            details=operand_lines(result=output),
            hint="give it an axis, or reduce it over the examples outside",
        )
    place = canonical_axis(axis, output.ndim + 1, op="vmap", name="out_axes")
    return from_front(batched(whole, has_batch, size), place)
