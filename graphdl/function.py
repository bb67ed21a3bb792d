"""`gd.function`: a graph compiled once, called with arrays."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from graphdl.call_arguments import arrange, bind_call, convert_arguments
from graphdl.compiler import Compilation, compile_graph
from graphdl.errors import (
    ArgumentError,
    GraphdlError,
    NumericsError,
    TargetError,
    hides_internal_frames,
    trim_frames,
)
from graphdl.explanation import Explanation, explain
from graphdl.function_memory import FunctionMemory, measure_memory
from graphdl.graph.describe import describe
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Tensor
from graphdl.graph.structure import leaves_of, restructure
from graphdl.inspection import Inspection, inspect
from graphdl.ops.effect import check as check_op
from graphdl.ops.state import Variable
from graphdl.passes.guard_indices import IndexCheck
from graphdl.passes.pipeline import Numerics
from graphdl.profiling import Profile, profile
from graphdl.program.nodes import Program
from graphdl.schedule.groups import Schedule
from graphdl.targets import TARGETS, Stages
from graphdl.tracing import Signature, Traced, trace
from graphdl.typesystem.expression import evaluate

Array = NDArray[Any]
NUMERICS = ("fast", "exact", "approximate")


def function(
    inputs: Any,
    outputs: Any = None,
    *,
    updates: Any = None,
    training: bool | None = None,
    target: str = "cpu",
    dims: Mapping[str, int] | None = None,
    hints: Mapping[str, Any] | None = None,
    numerics: Numerics = "fast",
    check_numerics: bool = False,
    name: str | None = None,
) -> Function:
    """Compile a graph, here and once.

    inputs: any tensors (the graph is cut there); a list is called by position or name, a dict by
    keyword. outputs: tensors in nested dicts, lists, tuples or dataclasses; a call returns arrays
    in that structure. updates: {variable: new value}, or a list of such dicts; all variables change
    together after the call. training: what gd.is_training() is; None means on when there are
    updates. target: "cpu", "cuda" or "reference" (the NumPy interpreter). dims: named sizes to fix.
    hints: guide decisions, never correctness. numerics: "fast", "exact" or "approximate".
    check_numerics: stop with NumericsError at the first value that is NaN or infinite.

    Raises ArgumentError for a missing or repeated input and for a variable with two new values,
    ShapeError and DTypeError for updates that do not fit, TargetError.

    >>> x = gd.placeholder("x", ("n",))
    >>> double = gd.function([x], x * 2)
    >>> double(np.array([1.0, 2.0], np.float32))
    array([2., 4.], dtype=float32)
    """
    if numerics not in NUMERICS:
        raise ArgumentError(
            f"function: numerics is {numerics!r}", hint=f"use {', '.join(NUMERICS)}"
        )
    if hints is not None and not isinstance(hints, Mapping):
        raise ArgumentError(f"function: hints must be a dict, got {hints!r}")
    if target not in TARGETS:
        raise TargetError(f"there is no target {target!r}", hint=f"use {', '.join(TARGETS)}")
    with _without_collections():
        traced = trace(inputs, outputs, updates, training, dims, name or "function")
        compilation = compile_graph(
            traced.fixed,
            training=traced.training,
            target=target,
            numerics=numerics,
            check_numerics=check_numerics,
            name=traced.graph.name,
        )
    return Function(traced, compilation)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Compiling makes many small objects and few cycles; searching for them costs a third."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def function_of_graph(graph: Graph, name: str | None = None) -> Function:
    """A graph that is complete already (parsed text, say) as a function of its inputs."""
    updates = {update.variable: update.value for update in graph.updates} or None
    return function(
        list(graph.inputs), list(graph.outputs), updates=updates, name=name or graph.name
    )


class Function:
    """A compiled graph. Call it with one array per input; it returns fresh arrays.

    Inputs take what NumPy casts `same_kind` (integers are range-checked); strided arrays are
    copied, Python numbers fill 0-d inputs. Anything else raises DTypeError, ShapeError or
    ArgumentError before a kernel runs. Calls from several threads are safe: those that change one
    variable run one after the other.
    """

    def __init__(self, traced: Traced, compilation: Compilation) -> None:
        self._traced = traced
        self._compilation = compilation
        self._checks = {check.message: check for check in compilation.index_checks}
        self._is_plain = not traced.signature.keyword_only
        self._native = None
        if compilation.native is not None:
            self._native = compilation.native.connect(self._convert_and_call)
            self._call = _with_structure(self._native.call, traced.outputs)
        else:
            self._call = _with_structure(self._interpret, traced.outputs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run once. Arguments by position or by name."""
        try:
            try:
                if kwargs or not self._is_plain:
                    args = tuple(arrange(self.signature, args, kwargs))
                return self._call(*args)
            except NumericsError as error:
                raise self._explained(error, args) from None
        except GraphdlError as error:
            trim_frames(error)
            raise

    def _convert_and_call(self, *args: Any) -> Any:
        """Arguments that are not exactly the arrays that native code takes."""
        arrays = self._arrays(args)
        self.sizes(arrays)
        assert self._native is not None
        return self._native.strict(*arrays)

    def _arrays(self, args: Sequence[Any]) -> list[Array]:
        arguments = arrange(self.signature, args, {}) if self._is_plain else list(args)
        return convert_arguments(self.signature, self._traced.fixed.inputs, arguments)

    def sizes(self, arrays: Sequence[Array]) -> dict[Any, int]:
        """The named sizes of a call with these arrays. Raises ShapeError."""
        guards = self.program.guards
        return bind_call(self.signature, self._traced.fixed.inputs, arrays, guards)

    def _interpret(self, *args: Any) -> Any:
        """target="reference": every node by its NumPy meaning."""
        arrays = self._arrays(args)
        sizes = self.sizes(arrays)
        for check in self._compilation.index_checks:
            _check_indices(check, self._compilation.optimized, arrays, sizes)
        graph = self._traced.fixed
        storages = [update.variable.node.attributes["storage"] for update in graph.updates]
        with ExitStack() as stack:
            for storage in sorted(storages, key=id):
                stack.enter_context(storage.lock)
            result = interpret(graph, arrays, training=self.training)
            outputs = [np.array(output, order="C") for output in result.outputs]
            for storage, value in zip(storages, result.updates, strict=True):
                storage.write(value)
        return _as_native(outputs)

    def _explained(self, error: NumericsError, args: Sequence[Any]) -> GraphdlError:
        """A failed check with what was checked: an index input's value, or the user's tensor."""
        check = self._checks.get(error.message)
        if check is None:
            return self._explained_check(error)
        arrays = self._arrays(args)
        try:
            _check_indices(check, self._compilation.optimized, arrays, self.sizes(arrays))
        except ArgumentError as explained:
            return explained
        return error

    def _explained_check(self, error: NumericsError) -> NumericsError:
        for node in self.graph.nodes():
            if node.op is check_op and node.attributes["message"] == error.message:
                return NumericsError(
                    f"check failed: {error.message}",
                    details=(describe(node.operands[0]),),
                    location=node.location,
                )
        return error

    # What it is -----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name given to gd.function."""
        return self.graph.name

    @property
    def signature(self) -> Signature:
        """The inputs, their names, and whether they are given by keyword only."""
        return self._traced.signature

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The input tensors in order."""
        return self.signature.inputs

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names by which inputs can be given."""
        return self.signature.names

    @property
    def outputs(self) -> Any:
        """The output tensors in their structure."""
        return self._traced.outputs

    @property
    def output_positions(self) -> Any:
        """The structure of the outputs, with the number of each output in place of its tensor."""
        return restructure(self.outputs, range(len(leaves_of(self.outputs))))

    @property
    def updates(self) -> dict[Variable, Tensor]:
        """{variable: new value}, state writes of nodes included."""
        updates = self.graph.updates
        return {cast(Variable, update.variable): update.value for update in updates}

    @property
    def graph(self) -> Graph:
        """The graph as the user wrote it, forward and backward."""
        return self._traced.graph

    @property
    def training(self) -> bool:
        """What gd.is_training() is in this function."""
        return self._traced.training

    @property
    def target(self) -> str:
        """What it was compiled for."""
        return self._compilation.target

    @property
    def numerics(self) -> str:
        """The numerics mode."""
        return self._compilation.numerics

    @property
    def schedule(self) -> Schedule:
        """The groups of nodes that share kernels."""
        return self._compilation.order.schedule

    @property
    def program(self) -> Program:
        """What one call does, statement by statement."""
        return self._compilation.program

    @property
    def compilation(self) -> Compilation:
        """Everything that the pipeline made."""
        return self._compilation

    @property
    def stages(self) -> Stages:
        """The text of each stage by name: graph, optimized, program, kernels, llvm, assembly."""
        return self._compilation.stages

    @property
    def memory(self) -> FunctionMemory:
        """Bytes of the arena, inputs, outputs, variables and constants, as expressions of sizes."""
        return measure_memory(self._compilation)

    # Looking inside -------------------------------------------------------------------------------

    def explain(self) -> Explanation:
        """A table of the kernels: user lines, what fused, what did not and why, bytes, flops."""
        return explain(self._compilation)

    @hides_internal_frames
    def inspect(self, *args: Any, **kwargs: Any) -> Inspection:
        """Run the interpreter once, without updating variables: every node's value."""
        arrays = self._arrays(arrange(self.signature, args, kwargs))
        self.sizes(arrays)
        return inspect(self.graph, arrays, self.training)

    @hides_internal_frames
    def profile(self, *args: Any, **kwargs: Any) -> Profile:
        """Time each kernel on arrays of the sizes of these arguments. Variables do not change."""
        arrays = self._arrays(arrange(self.signature, args, kwargs))
        return profile(self._compilation, self.sizes(arrays))

    def __repr__(self) -> str:
        inputs = ", ".join(
            f"{name}: {tensor.type}"
            for name, tensor in zip(self.signature.names, self._traced.fixed.inputs, strict=True)
        )
        return f"<graphdl function {self.name}({inputs})>"


def _as_native(outputs: list[Array]) -> Any:
    """What native code returns for these outputs."""
    if not outputs:
        return None
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _with_structure(call: Callable[..., Any], outputs: Any) -> Callable[..., Any]:
    """`call`, whose flat results come back in the structure of `outputs`."""
    if outputs is None or isinstance(outputs, Tensor):
        return call
    count = len(leaves_of(outputs))
    if isinstance(outputs, tuple) and len(outputs) == count > 1 and type(outputs) is tuple:
        return call
    if count == 0:
        return lambda *args: (call(*args), restructure(outputs, ()))[1]
    if count == 1:
        return lambda *args: restructure(outputs, (call(*args),))
    return lambda *args: restructure(outputs, call(*args))


def _check_indices(
    check: IndexCheck, graph: Graph, arrays: Sequence[Array], sizes: Mapping[Any, int]
) -> None:
    """Raise ArgumentError when an input holds an index out of range."""
    cut = Graph(graph.inputs, (check.indices,))
    (indices,) = interpret(cut, arrays).outputs
    size = evaluate(check.size, sizes)
    is_bad = (indices < 0) | (indices >= size)
    if not is_bad.any():
        return
    position = next(at for at, each in enumerate(graph.inputs) if each.is_same(check.source))
    given = arrays[position]
    shown = given[is_bad][0] if given.shape == indices.shape else indices[is_bad][0]
    name = check.message.split('"')[1]
    user = check.user
    raise ArgumentError(
        f'"{name}" holds {shown}, outside [0, {size})',
        details=(describe(check.source), f"used by {describe(Tensor(user))}"),
        location=user.location,
    )
