"""`gd.export`: a function as object code, shared library, C header, weights and manifest."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from graphdl.backends.cpu.artifact import (
    CHECKSUM_PRIME,
    CHECKSUM_START,
    GUARD_CODES,
    STATEMENT_CODES,
    ArtifactLayout,
)
from graphdl.backends.cpu.artifact_object import build_object, statement_messages
from graphdl.backends.cpu.c_header import header_text
from graphdl.backends.cpu.target import CpuTarget, host_target, parse_target
from graphdl.errors import ArgumentError, TargetError
from graphdl.function import Function
from graphdl.kernel.nodes import Access
from graphdl.program.nodes import Copy, HostCall, Launch, Print, Program, Slot, Storage, Swap, View
from graphdl.program.verifier import flatten
from graphdl.runtime.artifact import SCHEMA_VERSION, file_checksum, manifest_checksum
from graphdl.runtime.safetensors_io import write_arrays
from graphdl.typesystem.expression import (
    FloorDivide,
    Maximum,
    Minimum,
    Modulo,
    Size,
    Sum,
    Symbol,
)

Array = np.ndarray[Any, Any]
PADDING = "padding"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: the directory, its files, and why anything is missing."""

    directory: Path
    files: tuple[str, ...]
    note: str = ""


def export(
    function: Function,
    directory: str | Path,
    *,
    target: str | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a compiled function that runs without Python.

    directory: made here; an existing one is replaced only with overwrite=True, and only once the
    new one is complete. target: "x86-64-v3", "x86-64-v4" or "host"; None is the highest level that
    this CPU has. Named sizes are int64_t arguments; the caller owns scratch memory and state. The
    shared library needs the C compiler `cc`; without one the note says so and the rest is written.

    Raises ArgumentError for a directory that exists and for a function whose name is no C name,
    TargetError for a function that prints or calls NumPy while it runs.
    """
    directory = Path(directory)
    _check_request(function, directory, overwrite)
    program = _with_output_names(function)
    chosen = parse_target(target) if target else _level_of_host()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}.") as made:
        fresh = Path(made) / directory.name
        fresh.mkdir()
        note = _write_files(function, program, chosen, fresh)
        if directory.exists():
            shutil.rmtree(directory)
        fresh.rename(directory)
    files = tuple(sorted(path.name for path in directory.iterdir()))
    return Exported(directory, files, note)


def _check_request(function: Function, directory: Path, overwrite: bool) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", function.name):
        raise ArgumentError(
            f"export: {function.name!r} cannot be the prefix of C functions",
            hint='give the function a C name: gd.function(..., name="predict")',
        )
    if directory.exists() and not overwrite:
        raise ArgumentError(f"export: {directory} exists", hint="pass overwrite=True to replace it")
    for statement in flatten(function.program.statements):
        if isinstance(statement, Print | HostCall):
            raise TargetError(
                f"export: {function.name} has a {type(statement).__name__} statement, which needs "
                "Python while it runs",
                hint="remove gd.print from what is exported",
            )


def _with_output_names(function: Function) -> Program:
    """The program, its outputs named by the keys that lead to them."""
    program = function.program
    names = output_names(function.output_positions)
    renamed = zip(names, program.outputs, strict=True)
    return replace(program, outputs=tuple(replace(slot, name=name) for name, slot in renamed))


def output_names(structure: Any, path: tuple[str, ...] = ()) -> list[str]:
    """A name for each output: the keys and positions that lead to it, or "output"."""
    if isinstance(structure, Mapping):
        entries = [(str(key), value) for key, value in structure.items()]
    elif isinstance(structure, list | tuple):
        entries = [(str(position), value) for position, value in enumerate(structure)]
    else:
        return ["_".join(path) or "output"]
    return [name for key, value in entries for name in output_names(value, (*path, key))]


def structure_entry(structure: Any) -> Any:
    """Nested outputs as JSON: a position, {"dict": [[key, …]]}, {"list": […]} or {"tuple": […]}."""
    if isinstance(structure, Mapping):
        return {"dict": [[key, structure_entry(value)] for key, value in structure.items()]}
    if isinstance(structure, list | tuple):
        kind = "list" if isinstance(structure, list) else "tuple"
        return {kind: [structure_entry(value) for value in structure]}
    return structure


def _level_of_host() -> CpuTarget:
    is_wide = host_target().vector_bits == 512
    return parse_target("x86-64-v4" if is_wide else "x86-64-v3")


def _write_files(function: Function, program: Program, target: CpuTarget, place: Path) -> str:
    name = function.name
    weights = place / "weights.safetensors"
    offsets = _write_weights(program, weights)
    layout = _layout(name, program, offsets, weights, target)
    (place / f"{name}.o").write_bytes(build_object(program, layout, target, function.numerics))
    (place / f"{name}.h").write_text(header_text(layout, program), encoding="utf-8")
    note = _link(place, name)
    _write_manifest(function, program, layout, target, place)
    return note


# Weights ------------------------------------------------------------------------------------------


def _stored(program: Program) -> list[tuple[str, Array]]:
    """Names and values of the variables, then of the constants."""
    variables = [(slot.name, slot.value.read()) for slot in program.variables]
    constants = [(f"constant/{i}", _array_of(slot)) for i, slot in enumerate(program.constants)]
    return variables + constants


def _array_of(slot: Slot) -> Array:
    return np.ascontiguousarray(getattr(slot.value, "array", slot.value))


def _write_weights(program: Program, path: Path) -> dict[str, int]:
    """Write the safetensors file, a whole number of 8-byte words; returns offsets in the file."""
    arrays = dict(_stored(program))
    filler = -sum(array.nbytes for array in arrays.values()) % 8 or 8
    write_arrays(path, {**arrays, PADDING: np.zeros(filler, np.uint8)})
    path.chmod(0o644)
    data = path.read_bytes()
    header_bytes = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + header_bytes])
    start = 8 + header_bytes
    return {name: start + header[name]["data_offsets"][0] for name in arrays}


def weights_checksum(data: bytes) -> int:
    """The checksum that the library verifies: for each little-endian 64-bit word w,
    sum = (sum + w) * PRIME modulo 2^64."""
    words = np.frombuffer(data, "<u8")
    if len(words) == 0:
        return CHECKSUM_START
    with np.errstate(over="ignore"):
        primes = np.full(len(words), CHECKSUM_PRIME, np.uint64)
        powers = np.multiply.accumulate(primes)
        total = np.sum(words * powers[::-1], dtype=np.uint64)
        return int(np.uint64(CHECKSUM_START) * powers[-1] + total)


# Layout -------------------------------------------------------------------------------------------


def _layout(
    name: str, program: Program, offsets: Mapping[str, int], weights: Path, target: CpuTarget
) -> ArtifactLayout:
    stored = _stored(program)
    written = written_variables(program)
    places: list[int | None] = []
    state: list[tuple[int, int, int, int]] = []
    state_bytes = 0
    for position, (slot_name, array) in enumerate(stored):
        if position not in written:
            places.append(offsets[slot_name])
            continue
        places.append(None)
        state.append((position, state_bytes, offsets[slot_name], array.nbytes))
        state_bytes += -(-array.nbytes // 64) * 64
    data = weights.read_bytes()
    return ArtifactLayout(
        name=name,
        sizes=tuple(symbol.name for symbol in program.sizes),
        inputs=len(program.inputs),
        outputs=len(program.outputs),
        weights=tuple(places),
        state=tuple(state),
        state_bytes=state_bytes,
        weights_bytes=len(data),
        weights_checksum=weights_checksum(data),
        features=target.features,
        messages=_messages(program),
    )


def written_variables(program: Program) -> frozenset[int]:
    """Positions of the variables that the program gives new values."""
    written: set[int] = set()

    def note(view: View) -> None:
        if view.storage is Storage.VARIABLE:
            written.add(view.position)

    for statement in flatten(program.statements):
        match statement:
            case Launch(kernel, views):
                buffers = program.kernels[kernel].buffers
                for buffer, view in zip(buffers, views, strict=True):
                    if buffer.access is not Access.READ:
                        note(view)
            case Copy(_, target):
                note(target)
            case Swap(first, second):
                note(first)
                note(second)
    return frozenset(written)


def _messages(program: Program) -> dict[int, str]:
    guards = {GUARD_CODES + i: guard.message for i, guard in enumerate(program.guards, 1)}
    failures = {STATEMENT_CODES + i: text for i, text in statement_messages(program).items()}
    return {**guards, **failures}


# Linking and the manifest -------------------------------------------------------------------------


def _link(place: Path, name: str) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        return f"no C compiler (cc) here, so lib{name}.so was not linked; gd.load runs {name}.o"
    library = place / f"lib{name}.so"
    command = [compiler, "-shared", "-nostartfiles", "-Wl,-z,noexecstack", "-Wl,-s"]
    result = subprocess.run(
        [*command, f"-Wl,-soname,lib{name}.so", "-o", str(library), str(place / f"{name}.o")],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        return f"cc could not link lib{name}.so: {result.stderr.strip()}; gd.load runs {name}.o"
    return ""


def _write_manifest(
    function: Function, program: Program, layout: ArtifactLayout, target: CpuTarget, place: Path
) -> None:
    stored = _stored(program)
    body = {
        "schema": SCHEMA_VERSION,
        "name": function.name,
        "target": target.name,
        "features": list(target.features),
        "sizes": list(layout.sizes),
        "inputs": [_port_entry(slot) for slot in program.inputs],
        "outputs": [_port_entry(slot) for slot in program.outputs],
        "output_structure": structure_entry(function.output_positions),
        "state": [
            {
                "name": stored[position][0],
                "dtype": str(stored[position][1].dtype),
                "shape": list(stored[position][1].shape),
                "offset": offset,
            }
            for position, offset, _, _ in layout.state
        ],
        "files": {path.name: file_checksum(path) for path in sorted(place.iterdir())},
    }
    manifest = {**body, "checksum": manifest_checksum(body)}
    (place / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _port_entry(slot: Slot) -> dict[str, Any]:
    shape = [size_entry(size) for size in slot.type.shape]
    return {"name": slot.name, "dtype": slot.type.dtype.name, "shape": shape}


def size_entry(size: Size) -> int | str | list[Any]:
    """A size as the manifest writes it: a number, a name, or [operator, size, …]."""
    match size:
        case int():
            return size
        case Symbol(name):
            return name
        case FloorDivide(left, right):
            return ["//", size_entry(left), size_entry(right)]
        case Modulo(left, right):
            return ["%", size_entry(left), size_entry(right)]
        case Minimum(terms):
            return ["min", *map(size_entry, terms)]
        case Maximum(terms):
            return ["max", *map(size_entry, terms)]
        case Sum(terms, constant):
            products = [_product_entry(factor, atoms) for factor, atoms in terms]
            parts = [*products, *([constant] if constant else [])]
            return parts[0] if len(parts) == 1 else ["+", *parts]
    raise AssertionError(f"not a size: {size!r}")


def _product_entry(coefficient: int, atoms: Sequence[Size]) -> int | str | list[Any]:
    factors = [*([coefficient] if coefficient != 1 else []), *map(size_entry, atoms)]
    return factors[0] if len(factors) == 1 else ["*", *factors]
