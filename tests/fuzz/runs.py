"""One program run by every oracle, on the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.backends.cpu.compile import Connected, compile_program
from graphdl.backends.cpu.target import CpuTarget
from graphdl.compiler import Compilation, compile_graph
from graphdl.errors import NumericsError, ShapeError
from graphdl.graph.interpreter import Evaluation
from graphdl.graph.interpreter import interpret as interpret_graph
from graphdl.graph.nodes import Graph
from graphdl.passes.pipeline import Numerics
from graphdl.program.interpreter import interpret as interpret_program
from graphdl.runtime.variable import VariableStorage
from graphdl.typesystem.arithmetic import convert
from graphdl.typesystem.dtype import DType
from graphdl.typesystem.expression import Symbol, evaluate
from tests.fuzz.random_cases import Case

Array = NDArray[Any]
Arrays = list[Array]
SPECIAL = (
    0.0, -0.0, 1.0, -1.0, np.nan, np.inf, np.nan, -np.inf, 1e-30, -0.5, 2.0, 3e38, 1e-42, 65504.0,
)  # fmt: skip
KINDS = ("special", "halves", "normal")


class Refused(Exception):
    """What stands for a call that is refused: a guard, a check, an index outside."""


@dataclass(slots=True)
class Data:
    """The numbers of one call: inputs, and values of all variables by their storage."""

    sizes: dict[Symbol, int]
    inputs: Arrays
    variables: dict[VariableStorage, Array]

    def restore(self) -> None:
        """Give every variable its value before the call."""
        for storage, array in self.variables.items():
            storage.array[...] = array


@dataclass(slots=True)
class Result:
    """Outputs and the values of updated variables, in the graph's order; or why there are none."""

    outputs: Arrays = field(default_factory=list)
    updates: Arrays = field(default_factory=list)
    refusal: str | None = None
    printed: str = ""

    @property
    def arrays(self) -> Arrays:
        """Everything that a call gives."""
        return self.outputs + self.updates


def make_data(case: Case, sizes: dict[Symbol, int], number: int, *, is_tame: bool = False) -> Data:
    """Random numbers for a call: with special ones, multiples of a half (which are often equal), or
    from a normal distribution."""
    rng = np.random.default_rng([case.seed, number])
    kind = "normal" if is_tame else KINDS[number % len(KINDS)]

    def numbers(dtype: DType, shape: Sequence[Any]) -> Array:
        return random_numbers(rng, dtype, [evaluate(s, sizes) for s in shape], kind)

    inputs = [numbers(tensor.dtype, tensor.shape) for tensor in case.graph.inputs]
    storages = {variable.storage: variable for variable in case.variables}
    values = {storage: numbers(v.dtype, v.shape) for storage, v in storages.items()}
    for node in case.graph.nodes() + [u.variable.node for u in case.graph.updates]:
        if node.op.name == "variable" and node.attributes["storage"] not in values:
            storage = node.attributes["storage"]
            values[storage] = _first_value(storage)
    return Data(sizes, inputs, values)


_FIRST: dict[int, tuple[VariableStorage, Array]] = {}


def _first_value(storage: VariableStorage) -> Array:
    """What a generator's state held when it was first seen."""
    if id(storage) not in _FIRST:
        _FIRST[id(storage)] = (storage, storage.array.copy())
    return _FIRST[id(storage)][1]


def random_numbers(
    rng: np.random.Generator, dtype: DType, shape: Sequence[int], kind: str
) -> Array:
    """Numbers of a dtype: floats near 0, integers small or over their whole range."""
    if dtype.is_bool:
        return np.asarray(rng.random(shape) < 0.5)
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        small = np.asarray(rng.integers(max(limits.min, -4), 7, shape)).astype(dtype.numpy)
        if kind != "special":
            return small
        wide = rng.integers(limits.min, limits.max, shape, dtype.numpy, endpoint=True)
        return np.where(rng.random(shape) < 0.3, wide, small)
    array = np.asarray(rng.standard_normal(shape) * 2)
    if kind == "halves":
        array = np.asarray(np.round(2 * array) / 2)
    if kind == "special":
        array = np.where(rng.random(shape) < 0.5, rng.choice(SPECIAL, shape), array)
    return convert(array, dtype)


# Oracles ------------------------------------------------------------------------------------------


def run_graph(graph: Graph, data: Data, training: bool) -> tuple[Result, Evaluation | None]:
    """The graph's interpreter."""
    try:
        with redirect_stdout(StringIO()) as screen:
            found = interpret_graph(graph, data.inputs, data.variables, training)
    except (ShapeError, NumericsError) as error:
        return Result(refusal=type(error).__name__), None
    return Result(found.outputs, found.updates, printed=screen.getvalue()), found


def run_program(compilation: Compilation, data: Data) -> Result:
    """The Program's interpreter."""
    program = compilation.program
    variables = [data.variables[slot.value].copy() for slot in program.variables]
    try:
        with redirect_stdout(StringIO()) as screen:
            outputs = interpret_program(program, data.inputs, variables, data.sizes)
    except (ShapeError, NumericsError) as error:
        return Result(refusal=type(error).__name__)
    places = {
        id(slot.value): array for slot, array in zip(program.variables, variables, strict=True)
    }
    updates = [places[id(storage)] for storage in _updated(compilation.graph)]
    return Result(outputs, updates, printed=screen.getvalue())


def _updated(graph: Graph) -> list[VariableStorage]:
    return [update.variable.node.attributes["storage"] for update in graph.updates]


class Native:
    """Compiled code of one program."""

    def __init__(self, compilation: Compilation, target: CpuTarget) -> None:
        self.compilation, self.target = compilation, target
        native = compile_program(compilation.program, target, compilation.numerics)
        self.connected: Connected = native.connect(_refuse, threads=1)

    def run(self, data: Data, threads: int = 1) -> Result:
        """One call."""
        data.restore()
        self.connected.set_threads(threads)
        try:
            with redirect_stdout(StringIO()) as screen:
                found = self.connected.call(*data.inputs)
        except Refused:
            return Result(refusal="ShapeError")
        except NumericsError:
            return Result(refusal="NumericsError")
        outputs = [] if found is None else list(found) if isinstance(found, tuple) else [found]
        updates = [storage.read() for storage in _updated(self.compilation.graph)]
        data.restore()
        return Result(outputs, updates, printed=screen.getvalue())

    def __str__(self) -> str:
        return f'numerics="{self.compilation.numerics}" on {self.target}'


def own_target(target: CpuTarget, number: int) -> CpuTarget:
    """The target under another key, so that code made under a patch and code made without one are
    never taken for each other."""
    features = target.features
    return replace(target, features=(*features[number:], *features[:number]))


def _refuse(*arguments: object) -> None:
    raise Refused(len(arguments))


def compile_case(case: Case, numerics: Numerics) -> Compilation:
    """Everything up to the program."""
    return compile_graph(
        case.graph, training=case.training, target="reference", numerics=numerics, name="fuzz"
    )


def is_index_outside(compilation: Compilation, data: Data, training: bool) -> bool:
    """Whether an input holds an index that the compiled function must refuse."""
    for check in compilation.index_checks:
        graph = Graph(compilation.optimized.inputs, (check.indices,))
        result, _ = run_graph(graph, data, training)
        (indices,) = result.outputs
        size = evaluate(check.size, data.sizes)
        if np.any((indices < 0) | (indices >= size)):
            return True
    return False


Oracle = Callable[[Data], Result]
