"""`import graphdl` loads NumPy and little else."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.test_layers import IMPORTED_BY


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded after `statement`."""
    code = f"{statement}\nimport sys\nprint(*sorted({{n.split('.')[0] for n in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_graphdl_loads_no_heavy_library() -> None:
    assert loaded_by("import graphdl") & (IMPORTED_BY.keys() | {"safetensors"}) == set()


def test_planted_fault_is_noticed() -> None:
    assert "llvmlite" in loaded_by("import graphdl, llvmlite.binding")
