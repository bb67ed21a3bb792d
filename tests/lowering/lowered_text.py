"""The text of the kernels that a graph lowers to."""

from __future__ import annotations

from graphdl.graph.nodes import Graph, Tensor
from graphdl.kernel.printer import text
from tests.schedule.build_program import build_program


def kernel_lines(*outputs: Tensor) -> list[list[str]]:
    """One list of lines for each kernel, comments and names left out."""
    nodes = Graph((), outputs).nodes()
    inputs = tuple(Tensor(node) for node in nodes if node.op.name == "placeholder")
    program = build_program(Graph(inputs, outputs))
    return [
        [line for line in text(kernel).splitlines()[1:] if not line.startswith(("#", "kernel"))]
        for kernel in program.kernels.values()
    ]


def body(*outputs: Tensor) -> str:
    """The statements of the only kernel."""
    (lines,) = kernel_lines(*outputs)
    declarations = ("    read", "    write", "    update")
    return "\n".join(line[4:] for line in lines if not line.startswith(declarations))
