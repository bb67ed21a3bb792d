"""The pipeline as a whole: stages kept, settings obeyed, a wrong compiler caught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphdl as gd
from graphdl.compiler import collect_guards, compile_graph
from graphdl.errors import ShapeError
from graphdl.function import function_of_graph
from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.parser import parse
from graphdl.graph.printer import text
from graphdl.ops.table import OPS
from graphdl.program.interpreter import interpret
from graphdl.typesystem.expression import Symbol


def graph() -> Graph:
    x = gd.placeholder("x", ("n", 4))
    return Graph((x,), (gd.softmax(x * 2) + 1,), (), "rows")


def test_every_step_is_timed_and_kept() -> None:
    result = compile_graph(graph(), name="rows")
    assert list(result.seconds) == ["passes", "schedule", "lowering", "program", "code"]
    assert result.program.name == "rows"
    assert len(result.launches) == 1
    assert result.native is not None


def test_the_reference_target_needs_no_backend() -> None:
    assert compile_graph(graph(), target="reference").native is None


def test_stages_are_printed_by_debug_level(capsys: pytest.CaptureFixture[str]) -> None:
    with gd.configure(debug=4):
        compile_graph(graph(), target="reference", name="rows")
    shown = capsys.readouterr().err
    assert "# rows: program" in shown
    assert "# rows: kernels" in shown
    assert "ms" in shown


def test_stages_are_written_to_the_dump_directory(tmp_path: Path) -> None:
    with gd.configure(dump_dir=tmp_path, verify=True):
        compile_graph(graph(), name="rows")
    names = [path.name for path in tmp_path.iterdir() if "stage" in path.name]
    assert "rows_stage2_program.txt" in names
    assert "rows_stage4_llvm.txt" in names


def test_guards_are_collected_once_each() -> None:
    x = gd.placeholder("x", ("n",))
    halves = gd.reshape(x, (2, -1))
    found = collect_guards(Graph((x,), (halves, gd.reshape(x, (2, -1)) + 1)))
    assert len(found) == 1


def test_a_guard_that_can_never_hold_is_an_error() -> None:
    x = gd.placeholder("x", ("n",))
    with pytest.raises(ShapeError, match="element counts differ"):
        gd.function([x], gd.reshape(x, (2, -1)), dims={"n": 5})


def test_a_parsed_graph_is_a_function() -> None:
    f = function_of_graph(parse(text(graph()), OPS))
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    wanted = np.exp(2 * x) / np.exp(2 * x).sum(1, keepdims=True) + 1
    np.testing.assert_allclose(f(x)[0], wanted, rtol=1e-5)


def test_native_code_and_the_program_interpreter_agree_bit_for_bit() -> None:
    x = gd.placeholder("x", ("n", 5))
    w = gd.variable(np.random.default_rng(1).standard_normal((5, 3)))
    f = gd.function([x], [gd.relu(x @ w), gd.sum(x, axis=0)], numerics="exact")
    data = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    states = [slot.value.array for slot in f.program.variables]
    expected = interpret(f.program, [data], states, {Symbol("n"): 7})
    for left, right in zip(f(data), expected, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_planted_wrong_kernel_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lowering that drops the scale of softmax gives other numbers than the interpreter."""
    import graphdl.lowering.elementwise as lowering

    original = lowering._apply

    def wrong(name: str, operands: list[object]) -> object:
        return operands[0] if name == "multiply" else original(name, operands)  # type: ignore[arg-type]

    monkeypatch.setattr(lowering, "_apply", wrong)
    monkeypatch.setattr("graphdl.lowering.assemble._templates", {})
    x = gd.placeholder("x", ("n", 4))
    data = np.arange(8, dtype=np.float32).reshape(2, 4)
    outputs: list[Tensor] = [gd.softmax(x * 2)]
    native = gd.function([x], outputs)
    reference = gd.function([x], outputs, target="reference")
    assert not np.allclose(native(data)[0], reference(data)[0])
