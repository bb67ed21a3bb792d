"""Every primitive on every dtype through native code: the interpreter's bits, ulps where stated.

All cases of an op are one function, so that each op is compiled once for each vector width.
"""

from __future__ import annotations

import numpy as np
import pytest

from graphdl.backends.cpu.compile import compile_program
from graphdl.backends.cpu.target import CpuTarget, executable_targets
from graphdl.compiler import compile_graph
from graphdl.config import configure
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Tensor, build_node
from graphdl.graph.op import OpKind
from graphdl.ops.arguments import literal
from tests.fuzz.checks import describe_difference
from tests.fuzz.yardstick import ulp_errors, with_compiled_numerics
from tests.plugins.cases import CASES, Array, Case, placeholder_like

WITH_INDICES = (OpKind.GATHER, OpKind.SCATTER)
# cumulative_logsumexp has no bits of its own: tests/conformance holds it to its ulps.
NAMES = tuple(
    dict.fromkeys(case.op.name for case in CASES if case.op.name != "cumulative_logsumexp")
)
TARGETS = executable_targets()


def join(cases: list[Case]) -> tuple[Graph, list[Array]]:
    """One graph of all cases, and its inputs. Indices are constants, which may lie outside."""
    inputs: list[Tensor] = []
    arrays: list[Array] = []
    outputs: list[Tensor] = []
    for case in cases:
        operands = []
        for place, array in enumerate(case.arrays):
            if case.op.kind in WITH_INDICES and place == 1:
                operands.append(literal(array))
                continue
            inputs.append(placeholder_like(array, f"x{len(inputs)}"))
            arrays.append(np.array(array, order="C"))
            operands.append(inputs[-1])
        outputs += build_node(case.op, operands, case.attributes).results
    return Graph(tuple(inputs), tuple(outputs), name="cases"), arrays


@pytest.mark.parametrize("name", NAMES)
def test_native_code_has_the_bits_of_the_interpreter(name: str) -> None:
    graph, arrays = join([case for case in CASES if case.op.name == name])
    with configure(verify=True):
        compilation = compile_graph(graph, target="reference", numerics="exact")
        yardstick = with_compiled_numerics(compilation.optimized, "exact")
        evaluation = interpret(yardstick, arrays)
        assert not ulp_errors(yardstick, evaluation)
        for target in TARGETS:
            native = compile_program(compilation.program, target, "exact")
            call = native.connect(refuse, show=lambda *_: None, threads=1).call
            found = call(*arrays)
            outputs = found if isinstance(found, tuple) else (found,)
            compare(outputs, evaluation.outputs, graph, target)


def refuse(*arguments: object) -> None:
    pytest.fail(f"{len(arguments)} arguments were refused")


def compare(found: tuple[Array, ...], wanted: list[Array], graph: Graph, target: CpuTarget) -> None:
    """All outputs have the same bits."""
    differences = []
    for tensor, left, right in zip(graph.outputs, wanted, found, strict=True):
        why = describe_difference(left, right)
        if why:
            differences.append(f"{tensor} on {target}: {why}")
    assert not differences, "\n".join(differences)
