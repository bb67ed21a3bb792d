"""The entry: one Group to one canonical tiled Kernel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from graphdl.graph.nodes import Node, Tensor
from graphdl.graph.op import OpKind
from graphdl.kernel.nodes import Access, Kernel, Loop, Statement, Store, Sweep
from graphdl.lowering.contraction import lower_contraction
from graphdl.lowering.creation import lower_iota, lower_size
from graphdl.lowering.cumulative import lower_scan
from graphdl.lowering.elementwise import lower_elementwise
from graphdl.lowering.emitter import Emitter, Key, ValueRule, without_ones
from graphdl.lowering.finish import finish
from graphdl.lowering.indexing import lower_gather, lower_scatter
from graphdl.lowering.loops import lower_elementwise_group
from graphdl.lowering.lowered import LoweredKernel
from graphdl.lowering.movement import lower_movement
from graphdl.lowering.random import lower_random
from graphdl.lowering.reduction import lower_folds
from graphdl.schedule.groups import Group, GroupKind

BODIES: dict[GroupKind, Callable[[Emitter], tuple[Statement, ...]]] = {
    GroupKind.ELEMENTWISE: lower_elementwise_group,
    GroupKind.RANDOM: lower_random,
    GroupKind.ROW: lower_folds,
    GroupKind.COLUMN: lower_folds,
    GroupKind.CONTRACTION: lower_contraction,
    GroupKind.SCAN: lower_scan,
    GroupKind.SCATTER: lower_scatter,
}
"""The loops of each kind of group."""

VALUES: dict[OpKind, ValueRule] = {
    OpKind.ELEMENTWISE: lower_elementwise,
    OpKind.MOVEMENT: lower_movement,
    OpKind.GATHER: lower_gather,
    OpKind.CREATION: lower_iota,
    OpKind.LEAF: lower_size,
}
"""How one element of a pointwise node is computed."""


def value_rule(node: Node) -> ValueRule:
    """The rule for a node; folds and random words are known before anything asks for them."""
    rule = VALUES.get(node.op.kind)
    assert rule is not None, f"{node.op.name} is read before its loops have made it"
    return rule


def lower(
    group: Group,
    makers: Mapping[Key, int],
    cut: Collection[Key],
    in_place: Mapping[Key, Tensor],
    variable_of: Callable[[Tensor], object],
) -> LoweredKernel:
    """Write one group as loops.

    `in_place` maps stored tensors to the variables whose memory they are written to: such a
    variable's buffer is read and updated when every read is at the index of the write.
    """
    emitter = Emitter(group, value_rule, makers, cut)
    body = BODIES[group.kind](emitter)
    buffers = {buffer.name: buffer for buffer in emitter.buffers.values()}
    elsewhere: set[Key] = set()
    for output in group.outputs:
        variable = in_place.get(output.key)
        if variable is None or group.kind is GroupKind.SCATTER:
            continue
        merged = _merge_buffers(emitter, output, variable_of(variable), variable_of)
        if merged is None:
            elsewhere.add(output.key)
        elif merged:
            old, new = merged
            body = _rename_stores(body, new, old)
            buffers[old] = replace(buffers[old], access=Access.UPDATE)
            del buffers[new]
    raw = Kernel(
        _kernel_name(group),
        (),
        tuple(buffers.values()),
        body,
        lines=tuple(dict.fromkeys(n.location for n in group.nodes if n.location is not None)),
        notes=tuple(dict.fromkeys(node.op.name for node in group.nodes)),
    )
    kernel, order, sizes = finish(raw)
    tensors = tuple(emitter.tensors[name] for name in order)
    return LoweredKernel(kernel, tensors, sizes, frozenset(elsewhere))


def _kernel_name(group: Group) -> str:
    return group.kind.value


def _merge_buffers(
    emitter: Emitter, output: Tensor, storage: object, variable_of: Callable[[Tensor], object]
) -> tuple[str, str] | tuple[()] | None:
    """(the variable's buffer, the output's buffer) to become one; () when the variable is not read;
    None when it is read at another place than it is written."""
    old = {name for name, tensor in emitter.tensors.items() if variable_of(tensor) is storage}
    loads = [touch for touch in emitter.loads if touch.buffer in old]
    if not loads:
        return ()
    new = emitter.buffers[(output.key, without_ones(output.shape, output.shape))].name
    stores = [touch for touch in emitter.stores if touch.buffer == new]
    place = stores[0]
    is_same = len(old) == 1 and all(
        touch.index == place.index and touch.scope is place.scope for touch in (*loads, *stores)
    )
    by_name = {buffer.name: buffer for buffer in emitter.buffers.values()}
    (name, *_) = old
    if not is_same or by_name[name].shape != by_name[new].shape:
        return None
    return name, new


def _rename_stores(body: tuple[Statement, ...], old: str, new: str) -> tuple[Statement, ...]:
    """`body` with every store to `old` going to `new`."""
    return tuple(_renamed(statement, old, new) for statement in body)


def _renamed(statement: Statement, old: str, new: str) -> Statement:
    match statement:
        case Store(buffer) if buffer == old:
            return replace(statement, buffer=new)
        case Loop() | Sweep():
            return replace(statement, body=_rename_stores(statement.body, old, new))
    return statement
