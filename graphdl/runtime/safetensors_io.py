"""Named arrays in a safetensors file; the only module that imports that library."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from graphdl.errors import ArtifactError, RuntimeFailure

Array = NDArray[Any]


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write named arrays to `path`, replacing a file there only once all is written.

    Raises RuntimeFailure when the file cannot be written.
    """
    target = Path(path)
    dense = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        try:
            save_file(dense, temporary)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except (OSError, SafetensorError) as error:
        raise RuntimeFailure(f"cannot write {target}: {error}") from None


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The named arrays of a file. Raises ArtifactError when it is missing or damaged."""
    try:
        arrays: dict[str, Array] = load_file(path)
    except FileNotFoundError:
        raise ArtifactError(f"there is no file {os.fspath(path)}") from None
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{os.fspath(path)} is no safetensors file: {error}") from None
    return arrays
