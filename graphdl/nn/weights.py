"""Weights to and from safetensors files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.ops.arguments import operand_lines
from graphdl.ops.state import Variable, cast_same_kind
from graphdl.runtime.safetensors_io import read_arrays, write_arrays

Path = str | os.PathLike[str]
Rename = Mapping[str, str] | Callable[[str], str]
Array = NDArray[Any]


def save_weights(what: Any, path: Path) -> None:
    """Write the values of all variables of `what` to a safetensors file.

    `what` is anything with `.variables()` (a layer, an optimiser), or a dict {path: variable}; its
    paths become the names in the file. Raises RuntimeFailure when the file cannot be written.

    >>> import tempfile
    >>> w = gd.variable([1.0, 2.0])
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     gd.save_weights({"w": w}, f"{directory}/model.safetensors")
    ...     w.assign([0.0, 0.0])
    ...     gd.load_weights({"w": w}, f"{directory}/model.safetensors")
    >>> w.numpy()
    array([1., 2.], dtype=float32)
    """
    write_arrays(path, {name: variable.numpy() for name, variable in _variables_of(what).items()})


def load_weights(
    what: Any, path: Path, *, strict: bool = True, rename: Rename | None = None
) -> None:
    """Give all variables of `what` the values in a safetensors file.

    `rename` maps names in the file to paths of `what`: a dict, or a function of the name. Values
    are cast within their kind (float64 to float32). Everything is checked before the first value is
    assigned. With `strict` the names must be the same on both sides; otherwise only those on both
    sides are loaded. Raises ArtifactError for a damaged file, ArgumentError for missing or
    unexpected names, ShapeError and DTypeError for values that do not fit.
    """
    variables = _variables_of(what)
    arrays = _renamed(read_arrays(path), rename)
    if strict:
        _require_same_names(set(variables), set(arrays), path)
    shared = [name for name in variables if name in arrays]
    _require_shapes({name: (variables[name], arrays[name]) for name in shared}, path)
    values = {name: _cast(name, arrays[name], variables[name]) for name in shared}
    for name, value in values.items():
        variables[name].assign(value)


def _variables_of(what: Any) -> dict[str, Variable]:
    found = what.variables() if hasattr(what, "variables") else what
    if not isinstance(found, Mapping):
        raise ArgumentError(
            f"weights: {type(what).__name__} has no variables",
            hint="give a layer, an optimiser, or a dict {path: variable}",
        )
    for name, variable in found.items():
        if not isinstance(variable, Variable):
            raise ArgumentError(f'weights: "{name}" is {variable!r}, not a variable')
    return {str(name): variable for name, variable in found.items()}


def _renamed(arrays: dict[str, Array], rename: Rename | None) -> dict[str, Array]:
    if rename is None:
        return arrays
    result: dict[str, Array] = {}
    for name, array in arrays.items():
        new = rename(name) if callable(rename) else rename.get(name, name)
        if new in result:
            raise ArgumentError(f'load_weights: two arrays are renamed to "{new}"')
        result[new] = array
    return result


def _require_same_names(wanted: set[str], given: set[str], path: Path) -> None:
    missing, unexpected = sorted(wanted - given), sorted(given - wanted)
    if not missing and not unexpected:
        return
    details = [f'missing in the file  "{name}"' for name in missing]
    details += [f'only in the file     "{name}"' for name in unexpected]
    raise ArgumentError(
        f"load_weights: the names in {os.fspath(path)} are not those of the variables",
        details=details,
        hint="pass rename={name in the file: path}, or strict=False to load what fits",
    )


def _require_shapes(pairs: dict[str, tuple[Variable, Array]], path: Path) -> None:
    details = [
        f"{name}  {list(array.shape)} in the file, {list(variable.shape)} here"
        for name, (variable, array) in pairs.items()
        if array.shape != variable.shape
    ]
    if details:
        raise ShapeError(f"load_weights: {os.fspath(path)} does not fit", details=details)


def _cast(name: str, array: Array, variable: Variable) -> Array:
    try:
        return cast_same_kind(array, variable.dtype, f'load_weights: "{name}"')
    except DTypeError as error:
        lines = operand_lines(variable=variable)
        raise DTypeError(error.message, details=lines, hint=error.hint) from None
