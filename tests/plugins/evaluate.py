"""Public functions run on arrays through the interpreter, with fixed and with named sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphdl.graph.structure import leaves_of, restructure
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.evaluate import evaluate
from graphdl.typesystem.dtype import as_dtype

Array = np.ndarray[Any, Any]


def run(function: Callable[..., Any], *arrays: Any, named: bool = False) -> Any:
    """What `function` of inputs gives for arrays, in its structure.

    `named` gives every size above 1 a name, equal sizes the same one.
    """
    given = [np.asarray(array) for array in arrays]
    inputs = [
        placeholder(
            f"x{place}", named_shape(array) if named else array.shape, as_dtype(array.dtype)
        )
        for place, array in enumerate(given)
    ]
    result = function(*inputs)
    feed = dict(zip(inputs, given, strict=True))
    return restructure(result, [evaluate(leaf, feed) for leaf in leaves_of(result)])


def named_shape(array: Array) -> tuple[int | str, ...]:
    """A name for every size above 1: `n5` for 5."""
    return tuple(size if size <= 1 else f"n{size}" for size in array.shape)


def run_both(function: Callable[..., Any], *arrays: Any) -> Any:
    """`run` with fixed and with named sizes, which must agree."""
    fixed, named = run(function, *arrays), run(function, *arrays, named=True)
    for one, other in zip(leaves_of(fixed), leaves_of(named), strict=True):
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes() or np.isnan(one.astype(np.float64)).any()
    return fixed
