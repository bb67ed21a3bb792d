"""Scans: PARALLEL over the other axes, a SERIAL loop that carries the running value."""

from __future__ import annotations

from graphdl.graph.nodes import Tensor
from graphdl.kernel.folding import reducer_identity
from graphdl.kernel.nodes import (
    Binary,
    Carry,
    Constant,
    Loop,
    LoopKind,
    Select,
    Statement,
    Unary,
    Value,
    Variable,
)
from graphdl.lowering.elementwise import is_half, narrow, widen
from graphdl.lowering.emitter import Emitter, Index
from graphdl.lowering.loops import parallel_nest
from graphdl.schedule.groups import Domain
from graphdl.typesystem.dtype import DType, float32
from graphdl.typesystem.expression import Size, Symbol
from graphdl.typesystem.tensor_type import Shape


def lower_scan(emitter: Emitter) -> tuple[Statement, ...]:
    """PARALLEL over the other axes; a SERIAL loop carries the running value in float32 or wider."""
    (node,) = emitter.group.anchors
    domain = emitter.group.domain
    axis: int = node.attributes["axis"]
    size = domain.shape[axis]
    step = Symbol("s0")
    others = [domain.index[other] for other in domain.kept]
    emitter.bind_symbols([symbol for symbol in others if isinstance(symbol, Symbol)])
    scan = _Scan(emitter)
    if size == 1:
        scan.take(scan.start, 0)
        return parallel_nest(emitter, domain.kept)
    carried = Variable(emitter.name("c"), scan.dtype)
    place = size - 1 - step if node.attributes.get("reverse", False) else step
    with emitter.inner_scope([step]) as inside:
        running = scan.take(carried, place)
    carry = Carry(carried.name, scan.start, running)
    loop = Loop(step, 0, size, 1, LoopKind.SERIAL, tuple(inside.statements), (carry,))
    emitter.scope.statements.append(loop)
    return parallel_nest(emitter, domain.kept)


class _Scan:
    """One scan: how a running value takes an element, and what is written then."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        (self.node,) = emitter.group.anchors
        result = self.node.result_types[0].dtype
        self.dtype = float32 if is_half(result) else result
        assert self.node.op.reducer is not None
        self.reducer = self.node.op.reducer
        self.start = _start(self.reducer, self.dtype)

    def take(self, before: Value, place: Size) -> Value:
        """Combine the element at `place` with those before it, write what follows from it."""
        emitter, domain = self.emitter, self.emitter.group.domain
        index = _scan_index(domain, domain.shape, place)
        element = widen(emitter.value(self.node.operands[0], index))
        running = emitter.let(self._combine(before, element))
        result = narrow(running, self.node.result_types[0].dtype)
        emitter.know(Tensor(self.node), index, emitter.let(result))
        outputs = emitter.group.outputs
        emitter.store_all([(each, _scan_index(domain, each.shape, place)) for each in outputs])
        return running

    def _combine(self, before: Value, element: Value) -> Value:
        if self.reducer != "logaddexp":
            return Binary(self.reducer, before, element)
        return _log_add_exp(before, self.emitter.let(element))


def _start(reducer: str, dtype: DType) -> Constant:
    if reducer == "logaddexp":
        return Constant(float("-inf"), dtype)
    return Constant(reducer_identity(reducer, dtype), dtype)


def _log_add_exp(before: Value, x: Value) -> Value:
    """The larger plus log1p(exp(-distance)); equal infinities have the distance 0."""
    gap = Unary("negative", Unary("abs", Binary("subtract", before, x)))
    nearness = Select(Binary("equal", before, x), Constant(0.0, x.dtype), gap)
    return Binary("add", Binary("maximum", before, x), Unary("log1p", Unary("exp", nearness)))


def _scan_index(domain: Domain, shape: Shape, place: Size) -> Index:
    """The index of a tensor in a scan's loops, which stand at `place` on the scanned axis."""
    index = domain.index_of(shape)
    assert index is not None
    return tuple(place if part == domain.index[domain.swept[0]] != 0 else part for part in index)
