"""From what a user hands to `gd.function` to one Graph: cut at the inputs, with every new value
that a variable gets, and with all that is wrong about it said at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from graphdl.errors import ArgumentError, DTypeError, ShapeError
from graphdl.graph.constant_value import ConstantValue
from graphdl.graph.describe import describe, name_of
from graphdl.graph.nodes import (
    Graph,
    Node,
    StateWrite,
    Tensor,
    Update,
    build_node,
    topological_order,
)
from graphdl.graph.rebuild import substitute, substitute_sizes, transform, with_roots
from graphdl.graph.structure import leaves_of
from graphdl.ops import leaves
from graphdl.ops.arguments import as_tensor, broadcast, cast, size_tensor
from graphdl.ops.elementwise import bitwise_and, bitwise_not, bitwise_or, select
from graphdl.ops.movement import broadcast_in_dim, reshape
from graphdl.typesystem.expression import Expression, Size, Symbol, free_symbols

Key = tuple[int, int]

RESERVED = re.compile(r"[a-z]\d+|one|task")
"""What kernels call their loops; a named size of this form is renamed before it is compiled."""


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """How a function is called: its input tensors, their names, and whether by keyword only."""

    inputs: tuple[Tensor, ...]
    names: tuple[str, ...]
    keyword_only: bool


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A function before compilation. `outputs` has the user's structure, with tensors; `graph` is
    the user's, `fixed` the same with the sizes of `dims` as numbers: what is compiled."""

    signature: Signature
    outputs: Any
    graph: Graph
    fixed: Graph
    training: bool


def trace(
    inputs: object,
    outputs: object,
    updates: object,
    training: bool | None,
    dims: Mapping[str, int] | None,
    name: str,
) -> Traced:
    """Collect a function's graph. Raises ArgumentError, ShapeError or DTypeError."""
    signature = read_inputs(inputs)
    is_training = updates is not None if training is None else training
    structure = plain_structure(outputs)
    leaves_given = [] if outputs is None else leaves_of(structure)
    tensors = tuple(map(_as_value, leaves_given))
    wanted = read_updates(updates)
    graph = Graph(signature.inputs, tensors, tuple(wanted), name)
    graph = with_state_writes(graph, is_training)
    graph = with_defaults(graph)
    check_inputs(graph, signature)
    check_sizes(graph)
    fixed = with_fixed_sizes(graph, {**_reserved_sizes(graph), **_fixed_sizes(graph, dims or {})})
    return Traced(signature, structure, graph, fixed, is_training)


# Inputs -------------------------------------------------------------------------------------------


def read_inputs(inputs: object) -> Signature:
    """A list is called by position or name, a dict by keyword; a single tensor counts as a list."""
    if isinstance(inputs, Mapping):
        tensors, names = list(inputs.values()), [str(name) for name in inputs]
    else:
        given = [inputs] if isinstance(inputs, Tensor) else inputs
        if not isinstance(given, Iterable):
            raise ArgumentError(f"function: inputs must be tensors, got {given!r}")
        tensors = list(given)
        names = []
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise ArgumentError(
                f"function: an input must be a tensor, got {tensor!r}",
                hint='make one: x = gd.placeholder("x", shape)',
            )
    if not names:
        names = [name_of(tensor.node) or f"input{at}" for at, tensor in enumerate(tensors)]
    _refuse_repeated(tensors, names)
    return Signature(tuple(tensors), tuple(names), isinstance(inputs, Mapping))


def _refuse_repeated(tensors: Sequence[Tensor], names: Sequence[str]) -> None:
    seen: dict[Key, Tensor] = {}
    named: dict[str, Tensor] = {}
    for tensor, name in zip(tensors, names, strict=True):
        if tensor.key in seen:
            raise ArgumentError(
                f'function: "{name}" is an input twice', details=(describe(tensor),)
            )
        if name in named:
            raise ArgumentError(
                f'function: two inputs are called "{name}"',
                details=(describe(named[name]), describe(tensor)),
                hint="pass a dict: gd.function({name: tensor, …}, …)",
            )
        seen[tensor.key] = named[name] = tensor


def check_inputs(graph: Graph, signature: Signature) -> None:
    """Every placeholder that is needed is an input, and every input is used."""
    nodes = graph.nodes()
    cut = {tensor.key for tensor in graph.inputs}
    for node in nodes:
        if node.op is leaves.placeholder and Tensor(node).key not in cut:
            tensor = Tensor(node)
            raise ArgumentError(
                f'function: "{node.attributes["name"]}" is needed but is not an input',
                details=(describe(tensor), *_needed_by(tensor, nodes)),
                hint="add it to the inputs, or give it a default",
            )
    used = {operand.key for node in nodes for operand in node.operands}
    used.update(root.key for root in graph.roots)
    needed = _mentioned(nodes) - _sizes_of(tensor for tensor in graph.inputs if tensor.key in used)
    for tensor, name in zip(graph.inputs, signature.names, strict=True):
        if tensor.key not in used and not needed & _sizes_of([tensor]):
            raise ArgumentError(
                f'function: no output or update depends on the input "{name}"',
                details=(describe(tensor),),
                hint="remove it from the inputs",
            )


def _needed_by(tensor: Tensor, nodes: Sequence[Node]) -> list[str]:
    for node in nodes:
        if any(operand.is_same(tensor) for operand in node.operands):
            return [f"needed by {describe(Tensor(node))}"]
    return []


def _mentioned(nodes: Sequence[Node]) -> set[Symbol]:
    shapes = (size for node in nodes for type_ in node.result_types for size in type_.shape)
    values = (node.attributes["value"] for node in nodes if node.op is leaves.size)
    return {symbol for size in (*shapes, *values) for symbol in free_symbols(size)}


def _sizes_of(tensors: Iterable[Tensor]) -> set[Symbol]:
    return {symbol for tensor in tensors for size in tensor.shape for symbol in free_symbols(size)}


def with_defaults(graph: Graph) -> Graph:
    """Placeholders that are no inputs stand for their default, where they have one."""
    cut = {tensor.key for tensor in graph.inputs}
    replacements: dict[Key, Tensor] = {}
    for node in graph.nodes():
        if node.op is not leaves.placeholder or Tensor(node).key in cut:
            continue
        default = node.attributes.get("default")
        if isinstance(default, ConstantValue):
            constant = build_node(
                leaves.constant, (), {"value": default}, location=node.location, name=name_of(node)
            )
            replacements[Tensor(node).key] = constant.results[0]
    if not replacements:
        return graph
    roots = transform(graph.roots, lambda node, operands: None, cut, replacements=replacements)
    return with_roots(graph, roots)


# Outputs ------------------------------------------------------------------------------------------


def plain_structure(outputs: object) -> Any:
    """Outputs with dataclasses written as dicts."""
    if isinstance(outputs, Mapping):
        return {key: plain_structure(value) for key, value in outputs.items()}
    if is_dataclass(outputs) and not isinstance(outputs, type | Tensor | Expression):
        return {each.name: plain_structure(getattr(outputs, each.name)) for each in fields(outputs)}
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        return type(outputs)(*map(plain_structure, outputs))
    if isinstance(outputs, list | tuple):
        return type(outputs)(map(plain_structure, outputs))
    return outputs


def _as_value(leaf: Any) -> Tensor:
    """A tensor, a number, an array or a size as a tensor."""
    return size_tensor(leaf) if isinstance(leaf, Expression) else as_tensor(leaf, "function")


# Updates ------------------------------------------------------------------------------------------


def read_updates(updates: object) -> list[Update]:
    """The new values in a dict, or in a list of dicts; each variable once."""
    if updates is None:
        return []
    given = [updates] if isinstance(updates, Mapping) else updates
    if not isinstance(given, Iterable):
        raise ArgumentError(f"function: updates must be {{variable: new value}}, got {updates!r}")
    found: dict[int, Update] = {}
    for part in given:
        if not isinstance(part, Mapping):
            raise ArgumentError(f"function: updates must be dicts, got {part!r}")
        for variable, value in part.items():
            update = _read_update(variable, value)
            storage = id(update.variable.node.attributes["storage"])
            if storage in found:
                _refuse_two(found[storage], update)
            found[storage] = update
    return list(found.values())


def _read_update(variable: object, value: object) -> Update:
    if not isinstance(variable, Tensor) or variable.node.op is not leaves.variable:
        what = describe(variable) if isinstance(variable, Tensor) else repr(variable)
        raise ArgumentError(f"function: only variables can be updated, got {what}")
    tensor = _as_value(value)
    if not isinstance(value, Tensor) and tensor.dtype != variable.dtype:
        tensor = cast(tensor, variable.dtype)
    if tensor.ndim == 0 and variable.ndim and not isinstance(value, Tensor):
        tensor = broadcast(tensor, variable.shape)
    lines = (describe(variable), describe(tensor))
    if tensor.shape != variable.shape:
        raise ShapeError(
            f"function: the new value of a variable has type {tensor.type}, not {variable.type}",
            details=lines,
        )
    if tensor.dtype != variable.dtype:
        raise DTypeError(
            f"function: the new value of a {variable.dtype} variable is {tensor.dtype}",
            details=lines,
            hint=f'convert it: gd.astype(value, "{variable.dtype}")',
        )
    return Update(variable, tensor)


def _refuse_two(first: Update, second: Update) -> None:
    name = name_of(first.variable.node) or "variable"
    raise ArgumentError(
        f'function: variable "{name}" gets two new values',
        details=(
            f"variable  {describe(first.variable)}",
            f"first     {describe(first.value)}",
            f"second    {describe(second.value)}",
        ),
    )


def with_state_writes(graph: Graph, training: bool) -> Graph:
    """`graph` with the new values that its nodes give to variables.

    Only nodes that are reached when the training flag is `training` count. Repeated writes chain in
    build order: each sees the value that the one before it gave.
    """
    writes = _reached_writes(graph, training)
    if not writes:
        return graph
    chains: dict[int, list[tuple[Node, StateWrite]]] = {}
    for node, write in writes:
        storage = id(write.variable.node.attributes["storage"])
        chains.setdefault(storage, []).append((node, write))
    taken = {id(u.variable.node.attributes["storage"]): u for u in graph.updates}
    updates = list(graph.updates)
    for storage, chain in chains.items():
        update = _chained(sorted(chain, key=lambda pair: pair[0].serial))
        if storage in taken:
            _refuse_two(taken[storage], update)
        updates.append(update)
    return Graph(graph.inputs, graph.outputs, tuple(updates), graph.name)


def _chained(chain: list[tuple[Node, StateWrite]]) -> Update:
    _, first = chain[0]
    value = first.value
    for _, write in chain[1:]:
        if write.once:
            continue
        (value,) = substitute((write.value,), {first.variable.key: value})
    return Update(first.variable, value)


def _reached_writes(graph: Graph, training: bool) -> list[tuple[Node, StateWrite]]:
    """The writes of all nodes reached from the roots, and from the written values in turn."""
    cut = {tensor.key for tensor in graph.inputs}
    found: dict[int, tuple[Node, StateWrite]] = {}
    seen: set[int] = set()
    pending = list(graph.roots)
    while pending:
        for node in _live_nodes(pending, cut, seen, training):
            for write in node.writes:
                if id(write) not in found and (training or not write.training_only):
                    found[id(write)] = (node, write)
        values = [write.value for _, write in found.values()]
        pending = [value for value in values if id(value.node) not in seen]
    return list(found.values())


def _live_nodes(
    roots: Iterable[Tensor], cut: set[Key], seen: set[int], training: bool
) -> list[Node]:
    """Nodes reached from the roots, selections by the training flag taken one way only."""
    result: list[Node] = []
    stack = list(roots)
    while stack:
        tensor = stack.pop()
        node = tensor.node
        if tensor.key in cut or id(node) in seen:
            continue
        seen.add(id(node))
        result.append(node)
        chosen = _known(node.operands[0], training) if node.op is select else None
        if chosen is None:
            stack.extend(node.operands)
        else:
            stack.append(node.operands[1 if chosen else 2])
    return result


def _known(tensor: Tensor, training: bool) -> bool | None:
    """The value of a condition that follows from the training flag and constants alone."""
    node = tensor.node
    if node.op is leaves.is_training:
        return training
    if node.op is leaves.constant:
        array = node.attributes["value"].array
        return bool(array.reshape(-1)[0]) if array.size == 1 else None
    if node.op in (broadcast_in_dim, reshape):
        return _known(node.operands[0], training)
    if node.op is bitwise_not and tensor.dtype.is_bool:
        below = _known(node.operands[0], training)
        return None if below is None else not below
    if node.op in (bitwise_and, bitwise_or) and tensor.dtype.is_bool:
        sides = [_known(operand, training) for operand in node.operands]
        decisive = node.op is bitwise_or
        if decisive in sides:
            return decisive
        return None if None in sides else not decisive
    return None


# Sizes --------------------------------------------------------------------------------------------


def with_fixed_sizes(graph: Graph, replacements: Mapping[Symbol, Size]) -> Graph:
    """`graph` with some named sizes as numbers, or under other names."""
    return substitute_sizes(graph, replacements) if replacements else graph


def _fixed_sizes(graph: Graph, dims: Mapping[str, int]) -> dict[Symbol, Size]:
    names = _sizes_of(graph.inputs)
    replacements: dict[Symbol, Size] = {}
    for name, value in dims.items():
        if Symbol(name) not in names:
            known = ", ".join(sorted(symbol.name for symbol in names)) or "none"
            raise ArgumentError(f'function: dims names "{name}"; the inputs have {known}')
        if type(value) is not int or value < 0:
            raise ArgumentError(f'function: dims gives "{name}" the size {value!r}')
        replacements[Symbol(name)] = value
    return replacements


def _reserved_sizes(graph: Graph) -> dict[Symbol, Size]:
    """Names that kernels use for loops get a longer name."""
    return {
        symbol: Symbol(f"size_{symbol.name}")
        for symbol in _sizes_of(graph.inputs)
        if RESERVED.fullmatch(symbol.name)
    }


def check_sizes(graph: Graph) -> None:
    """Every named size can be found from the shapes of the inputs."""
    known = _sizes_of(graph.inputs)
    for node in topological_order(graph.roots, {tensor.key for tensor in graph.inputs}):
        for type_ in node.result_types:
            missing = [s for size in type_.shape for s in free_symbols(size) if s not in known]
            if missing:
                raise ShapeError(
                    f"function: no input has the size {missing[0]}",
                    details=(describe(Tensor(node)),),
                    hint="add an input with that size, or fix it with dims=",
                )
