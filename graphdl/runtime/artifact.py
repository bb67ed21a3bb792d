"""Load and run an exported artifact. Needs NumPy alone.

An artifact is a directory:

    manifest.json         schema version, checksums, named inputs, outputs and sizes
    NAME.h, NAME.o        C header, object code
    libNAME.so            the object code linked, where a linker was at hand
    weights.safetensors   variables and constants, at offsets fixed in the object code

A size in the manifest is a number, a name, or [operator, size, …] with + * // % min max.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphdl.errors import ArgumentError, ArtifactError, DTypeError, ShapeError
from graphdl.runtime.object_file import load_object

SCHEMA_VERSION = 1
ALIGNMENT = 64
Array = np.ndarray[Any, Any]
ManifestSize = int | str | list[Any]


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of an artifact. bfloat16 arrays travel as uint16 bit patterns."""

    name: str
    dtype: str
    shape: tuple[ManifestSize, ...]

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype of the data."""
        return np.dtype("uint16" if self.dtype == "bfloat16" else self.dtype)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(size_text, self.shape))}]"


def size_text(size: ManifestSize) -> str:
    """A manifest size as a reader writes it: 2*batch+1."""
    if not isinstance(size, list):
        return str(size)
    operator, *operands = size
    texts = [size_text(operand) for operand in operands]
    return f"{operator}({', '.join(texts)})" if operator in ("min", "max") else operator.join(texts)


def evaluate_size(size: ManifestSize, sizes: Mapping[str, int]) -> int:
    """The number that a manifest size stands for. Raises KeyError for an unbound name."""
    if isinstance(size, int):
        return size
    if isinstance(size, str):
        return sizes[size]
    operator, *operands = size
    values = [evaluate_size(operand, sizes) for operand in operands]
    match operator:
        case "min" | "max":
            return min(values) if operator == "min" else max(values)
        case "+":
            return sum(values)
        case "*":
            return int(np.prod(values, dtype=object))
        case "//":
            return values[0] // values[1]
        case "%":
            return values[0] % values[1]
    raise ArtifactError(f"the manifest has an unknown size operator {operator!r}")


class LoadedFunction:
    """An artifact that can be called like the function that was exported.

    Takes the inputs by position or by name; returns what the exported function returned: one
    array, a list, a tuple, or a dict. Variables that the function updates live here, and
    `state()` and `set_state()` copy them out and in.
    """

    def __init__(self, directory: Path, manifest: Mapping[str, Any], library: Any) -> None:
        self.name: str = manifest["name"]
        self.sizes: tuple[str, ...] = tuple(manifest["sizes"])
        self.inputs = tuple(_port(entry) for entry in manifest["inputs"])
        self.outputs = tuple(_port(entry) for entry in manifest["outputs"])
        self._structure = manifest["output_structure"]
        self._state_entries = manifest["state"]
        self._library = library
        weights = ctypes.c_void_p()
        path = str(directory / "weights.safetensors").encode()
        self._check(self._function("map_weights")(path, ctypes.byref(weights)))
        self._weights = weights
        self._state = _aligned_bytes(int(self._function("state_bytes", ctypes.c_int64)()))
        self._check(self._function("initial_state")(self._weights, self._pointer(self._state)))

    def _function(self, suffix: str, result: Any = ctypes.c_int32) -> Any:
        function = self._library[f"{self.name}_{suffix}"]
        function.restype = result
        return function

    def _check(self, code: int) -> None:
        if code:
            message = self._function("error", ctypes.c_char_p)(ctypes.c_int32(code))
            raise ArtifactError(f"{self.name}: {message.decode()}")

    @staticmethod
    def _pointer(array: Array) -> ctypes.c_void_p:
        return ctypes.c_void_p(array.ctypes.data)

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        """Run once. Raises ArgumentError, ShapeError or DTypeError for inputs that do not fit."""
        inputs = self._arrange(arrays, named)
        sizes = self._bind_sizes(inputs)
        shapes = [tuple(evaluate_size(s, sizes) for s in port.shape) for port in self.outputs]
        outputs = [np.empty(s, p.numpy) for s, p in zip(shapes, self.outputs, strict=True)]
        values = [ctypes.c_int64(sizes[name]) for name in self.sizes]
        scratch = _aligned_bytes(int(self._function("scratch_bytes", ctypes.c_int64)(*values)))
        pointers = [self._pointer(array) for array in (*inputs, *outputs)]
        state = [self._pointer(self._state)] if self._state_entries else []
        run = self._function("run")
        self._check(run(self._weights, *state, self._pointer(scratch), *values, *pointers))
        return _restore(self._structure, outputs)

    def _arrange(self, arrays: tuple[Any, ...], named: Mapping[str, Any]) -> list[Array]:
        if len(arrays) > len(self.inputs):
            raise ArgumentError(f"{self.name} takes {len(self.inputs)} inputs, got {len(arrays)}")
        given = {port.name: array for port, array in zip(self.inputs, arrays, strict=False)}
        for name in named:
            if name in given or all(name != port.name for port in self.inputs):
                names = ", ".join(port.name for port in self.inputs)
                raise ArgumentError(f"{self.name} cannot take {name!r}; its inputs are {names}")
        given |= named
        missing = [port.name for port in self.inputs if port.name not in given]
        if missing:
            raise ArgumentError(f"{self.name} misses its input {missing[0]!r}")
        return [_convert(port, given[port.name]) for port in self.inputs]

    def _bind_sizes(self, inputs: list[Array]) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for port, array in zip(self.inputs, inputs, strict=True):
            for axis, size in enumerate(port.shape):
                if isinstance(size, str):
                    found = sizes.setdefault(size, array.shape[axis])
                    if found != array.shape[axis]:
                        raise ShapeError(
                            f"{self.name}: size {size!r} is {found} and, in input {port.name!r} "
                            f"axis {axis}, {array.shape[axis]}"
                        )
        for port, array in zip(self.inputs, inputs, strict=True):
            expected = tuple(evaluate_size(size, sizes) for size in port.shape)
            if expected != array.shape:
                raise ShapeError(
                    f"{self.name}: input {port.name!r} is {port}, got shape {array.shape}"
                )
        return sizes

    def state(self) -> dict[str, Array]:
        """Copies of the variables that the function updates, by path."""
        return {entry["name"]: self._state_view(entry).copy() for entry in self._state_entries}

    def set_state(self, arrays: Mapping[str, Array]) -> None:
        """Give new values to variables that the function updates; nothing changes on an error."""
        entries = {entry["name"]: entry for entry in self._state_entries}
        for name, array in arrays.items():
            if name not in entries:
                raise ArgumentError(f"{self.name} has no state {name!r}")
            if np.shape(array) != tuple(entries[name]["shape"]):
                raise ShapeError(f"{self.name}: state {name!r} has shape {entries[name]['shape']}")
        for name, array in arrays.items():
            self._state_view(entries[name])[...] = array

    def _state_view(self, entry: Mapping[str, Any]) -> Array:
        dtype = np.dtype("uint16" if entry["dtype"] == "bfloat16" else entry["dtype"])
        count = int(np.prod(entry["shape"], dtype=np.int64))
        start = entry["offset"]
        raw = self._state[start : start + count * dtype.itemsize]
        return raw.view(dtype).reshape(entry["shape"])


def load(directory: str | Path) -> LoadedFunction:
    """Load an artifact that `gd.export` wrote.

    Raises ArtifactError when a file is missing or changed, when the schema is another version, and
    when this CPU lacks what the code was compiled for.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    library_name = f"lib{manifest['name']}.so"
    if library_name in manifest["files"]:
        library: Any = ctypes.CDLL(str((directory / library_name).resolve()))
    else:
        library = load_object(directory / f"{manifest['name']}.o")
    return LoadedFunction(directory, manifest, library)


def read_manifest(directory: Path) -> Mapping[str, Any]:
    """The manifest, once its version and every file's checksum are right."""
    path = directory / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{directory} is not an artifact: it has no manifest.json") from None
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as failure:
        raise ArtifactError(f"{path} cannot be read: {failure}") from None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA_VERSION:
        found = manifest.get("schema") if isinstance(manifest, dict) else None
        raise ArtifactError(
            f"{path} has schema version {found}; this graphdl reads {SCHEMA_VERSION}",
            hint="export the function again with this version",
        )
    body = {key: value for key, value in manifest.items() if key != "checksum"}
    if manifest.get("checksum") != manifest_checksum(body):
        raise ArtifactError(f"{path} was changed after the export")
    for name, checksum in manifest["files"].items():
        _check_file(directory / name, checksum)
    return manifest


def manifest_checksum(body: Mapping[str, Any]) -> str:
    """SHA-256 of the manifest without its own checksum."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def file_checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_file(path: Path, checksum: str) -> None:
    try:
        found = file_checksum(path)
    except OSError as failure:
        raise ArtifactError(f"{path} cannot be read: {failure.strerror}") from None
    if found != checksum:
        raise ArtifactError(f"{path} was changed after the export", hint="export it again")


def _port(entry: Mapping[str, Any]) -> Port:
    return Port(entry["name"], entry["dtype"], tuple(entry["shape"]))


def _convert(port: Port, value: Any) -> Array:
    array = np.asarray(value)
    if port.dtype == "bfloat16" and array.dtype.name == "bfloat16":
        array = array.view(np.uint16)
    if array.dtype != port.numpy:
        is_python = not isinstance(value, np.ndarray | np.generic)
        if not np.can_cast(array.dtype, port.numpy, "unsafe" if is_python else "same_kind"):
            raise DTypeError(f"input {port.name!r} is {port}, got an array of {array.dtype}")
        array = array.astype(port.numpy)
    if array.ndim != len(port.shape):
        raise ShapeError(f"input {port.name!r} is {port}, got an array of shape {array.shape}")
    return np.ascontiguousarray(array).reshape(array.shape)


def _aligned_bytes(count: int) -> Array:
    raw = np.empty(count + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + count]


def _restore(structure: Any, outputs: list[Array]) -> Any:
    """Outputs in the structure that the manifest records: position, list, tuple or dict."""
    if structure is None:
        return None
    if isinstance(structure, int):
        array = outputs[structure]
        return array[()] if array.ndim == 0 else array
    if "dict" in structure:
        return {key: _restore(inner, outputs) for key, inner in structure["dict"]}
    items = [_restore(inner, outputs) for inner in structure.get("list", structure.get("tuple"))]
    return items if "list" in structure else tuple(items)
