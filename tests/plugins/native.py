"""Functions of arrays compiled for the CPU against the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphdl.function import function as compile_function
from graphdl.graph.structure import leaves_of
from graphdl.ops.functions.creation import placeholder
from graphdl.typesystem.dtype import as_dtype
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import named_shape, run


def assert_native(
    function: Callable[..., Any], *arrays: Any, rtol: float = 1e-5, atol: float = 1e-6
) -> None:
    """One native function of named sizes gives what the interpreter gives for every leaf."""
    given = [np.asarray(array) for array in arrays]
    inputs = [
        placeholder(f"x{place}", named_shape(array), as_dtype(array.dtype))
        for place, array in enumerate(given)
    ]
    leaves = leaves_of(function(*inputs))
    found = compile_function(inputs, leaves)(*given)
    wanted = leaves_of(run(function, *given, named=True))
    for place, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one.dtype == other.dtype, f"leaf {place}"
        try:
            assert_close(one, other, rtol=rtol, atol=atol)
        except AssertionError as error:
            raise AssertionError(f"leaf {place}: {error}") from None
