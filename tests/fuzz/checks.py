"""What every random program must satisfy; whatever does not is written down with its graph."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.backends.cpu.target import CpuTarget, host_target
from graphdl.compiler import Compilation
from graphdl.config import configure
from graphdl.graph.interpreter import Evaluation
from graphdl.graph.nodes import Graph
from graphdl.graph.parser import parse
from graphdl.graph.printer import text
from graphdl.graph.verifier import verify
from graphdl.ops.table import OPS
from graphdl.typesystem.arithmetic import widen
from tests.fuzz.closeness import disagreement_in_value
from tests.fuzz.random_cases import Case
from tests.fuzz.runs import (
    Data,
    Native,
    Result,
    compile_case,
    is_index_outside,
    make_data,
    run_graph,
    run_program,
)
from tests.fuzz.yardstick import has_contraction, ulp_errors, with_compiled_numerics

Array = NDArray[Any]
Yardstick = tuple[Result, Evaluation | None]


class Disagreement(AssertionError):
    """Two ways of computing one program gave different results."""


def check_case(
    case: Case,
    targets: Sequence[CpuTarget] = (),
    *,
    with_native: bool = True,
) -> None:
    """Interpreter, passes, Program interpreter and native code agree; see the checks below."""
    try:
        with configure(verify=True):
            _check_text(case.graph)
            calls = [make_data(case, sizes, number) for number, sizes in enumerate(case.calls)]
            targets = targets or (host_target(),)
            _check_numerics(case, "exact", calls, targets, with_native)
            fast = _check_numerics(case, "fast", calls, targets[:1], with_native)
            _check_meaning_of_fast(case, fast)
    except Exception as error:
        raise Disagreement(f"{error}\n\n{_saved(case)}") from error


def _saved(case: Case) -> str:
    """The graph's text in a file, and where that is."""
    graph = text(case.graph)
    directory = Path(tempfile.mkdtemp(prefix="graphdl-fuzz-"))
    calls = "".join(f"# called with {_named(sizes)}\n" for sizes in case.calls)
    head = f"# seed {case.seed}, training {case.training}\n{calls}"
    (directory / "graph.txt").write_text(head + graph, encoding="utf-8")
    return f"{head}{graph}\nsaved in {directory / 'graph.txt'}"


def _named(sizes: dict[Any, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items()) or "fixed sizes"


def _check_text(graph: Graph) -> None:
    """The graph is well formed, and its text is the graph."""
    verify(graph)
    plain = text(graph, with_comments=False)
    again = text(parse(plain, OPS), with_comments=False)
    if again != plain:
        raise Disagreement(f"the text is not read back as it was written:\n{again}")


# Bit for bit --------------------------------------------------------------------------------------


def _check_numerics(
    case: Case,
    numerics: Any,
    calls: Sequence[Data],
    targets: Sequence[CpuTarget],
    with_native: bool,
) -> Compilation:
    """With "exact", passes keep every bit. The Program has the bits of the optimised graph, and
    native code those of the yardstick, at every width and with one and two threads."""
    compilation = compile_case(case, numerics)
    verify(compilation.optimized)
    yardstick = with_compiled_numerics(compilation.optimized, numerics)
    natives = [Native(compilation, target) for target in targets] if with_native else []
    for data in calls:
        optimized, _ = run_graph(compilation.optimized, data, case.training)
        if numerics == "exact":
            _check_passes(case, compilation.optimized, optimized, data)
        if is_index_outside(compilation, data, case.training):
            optimized = Result(refusal="NumericsError")
        program = run_program(compilation, data)
        _require_same(optimized, program, "the Program", "the optimised graph", data)
        if natives:
            _check_native(compilation, natives, yardstick, data, case.training)
    return compilation


def _check_passes(case: Case, optimized: Graph, found: Result, data: Data) -> None:
    """Exact passes change no bit, but for powers that have become products."""
    wanted, _ = run_graph(case.graph, data, case.training)
    if _count_powers(optimized) == _count_powers(case.graph) or wanted.refusal or found.refusal:
        _require_same(wanted, found, "the optimised graph", "the graph", data)
        return
    why = disagreement_in_value(case.graph, found.arrays, data, case.training)
    if why:
        raise Disagreement(f"the optimised graph is not close to the graph: {why}")


def _count_powers(graph: Graph) -> int:
    return sum(node.op.name == "power" for node in graph.nodes())


def _check_native(
    compilation: Compilation,
    natives: Sequence[Native],
    yardstick: Graph,
    data: Data,
    training: bool,
) -> None:
    wanted, evaluation = run_graph(yardstick, data, training)
    if is_index_outside(compilation, data, training):
        wanted = Result(refusal="NumericsError")
    elif evaluation is not None:
        errors = ulp_errors(yardstick, evaluation)
        if errors:
            raise Disagreement("\n".join(errors))
    if compilation.numerics == "fast" and has_contraction(yardstick):
        wanted = _settle_contractions(compilation, natives[0], wanted, data, training)
    for native in natives:
        for threads in (1, 2):
            found = native.run(data, threads)
            _require_same(wanted, found, f"{native}, {threads} threads", "the interpreter", data)


def _settle_contractions(
    compilation: Compilation, native: Native, wanted: Result, data: Data, training: bool
) -> Result:
    """What other runs must equal: sums of products are fused only where they are a register tile's,
    so "fast" code may keep either rounding, and must be close to both."""
    found = native.run(data)
    if wanted.refusal or found.refusal or _difference(wanted, found) is None:
        return wanted
    graph = with_compiled_numerics(compilation.optimized, "exact")
    why = disagreement_in_value(graph, found.arrays, data, training)
    if why:
        raise Disagreement(f"{native} is not close to the interpreter: {why}")
    return found


def _require_same(wanted: Result, found: Result, name: str, other: str, data: Data) -> None:
    """Raise Disagreement unless both refuse, or give the same bits."""
    if wanted.refusal or found.refusal:
        if wanted.refusal != found.refusal:
            raise Disagreement(f"{name} raised {found.refusal}, {other} {wanted.refusal}; {data}")
        return
    why = _difference(wanted, found)
    if wanted.printed != found.printed:
        why = f"it printed\n{found.printed}\ninstead of\n{wanted.printed}"
    if why:
        raise Disagreement(f"{name} differs from {other} with {_named(data.sizes)}: {why}")


def _difference(wanted: Result, found: Result) -> str | None:
    for number, (left, right) in enumerate(zip(wanted.arrays, found.arrays, strict=True)):
        why = describe_difference(left, right)
        if why:
            is_update = number >= len(wanted.outputs)
            place = number - len(wanted.outputs) if is_update else number
            return f"{'new value' if is_update else 'output'} {place}: {why}"
    return None


def describe_difference(wanted: Array, found: Array) -> str | None:
    """Where two arrays differ in dtype, shape or bits; one NaN equals another."""
    wanted, found = np.asarray(wanted), np.asarray(found)
    if wanted.dtype != found.dtype or wanted.shape != found.shape:
        return f"{found.dtype}{list(found.shape)} for {wanted.dtype}{list(wanted.shape)}"
    left, right = widen(wanted), widen(found)
    is_same = left == right
    if left.dtype.kind == "f":
        is_same = is_same & (np.signbit(left) == np.signbit(right))
        is_same = is_same | (np.isnan(left) & np.isnan(right))
    if is_same.all():
        return None
    at = tuple(int(place) for place in np.argwhere(~is_same)[0])
    count = int((~is_same).sum())
    first = f"the first at {at}: {found[at]!r}, wanted {wanted[at]!r}"
    return f"{count} of {is_same.size} elements, {first}"


# Within tolerances --------------------------------------------------------------------------------


def _check_meaning_of_fast(case: Case, compilation: Compilation) -> None:
    """What "fast" passes make of a graph has its value, as far as rounding leaves it defined."""
    for number, sizes in enumerate(case.calls):
        data = make_data(case, sizes, number, is_tame=True)
        found, _ = run_graph(compilation.optimized, data, case.training)
        if found.refusal:
            continue
        why = disagreement_in_value(case.graph, found.arrays, data, case.training)
        if why:
            raise Disagreement(f'numerics="fast" changes a value with {_named(sizes)}: {why}')
