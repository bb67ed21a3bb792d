"""Patterns: small expressions with holes, written by calling ops on pattern variables.

    x, y = variables("x", "y")
    inner, outer = attribute_variables("inner", "outer")
    transpose(transpose(x, permutation=inner), permutation=outer)
    add(literal(1.0), x)              # both orders, because add is commutative

An op asks its operand's class what a call means, so the graph need not know of patterns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from graphdl.graph.nodes import Tensor
from graphdl.graph.op import Op

Bindings = dict[str, Any]
"""Pattern variables to tensors, scalars to NumPy scalars, attribute variables to values."""

_REPEATING = frozenset(("broadcast_in_dim", "reshape", "transpose", "reverse"))
"""Movements of an array whose elements are all equal give such an array."""
_LARGEST_UNIFORM = 4096


class Pattern:
    """Base of everything that stands for a tensor in a pattern."""

    __slots__ = ()

    def apply_op(self, op: Op, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
        """A pattern for a node of `op`."""
        return OpPattern(op, tuple(operands), tuple(attributes.items()))


@dataclass(frozen=True, slots=True)
class PatternVariable(Pattern):
    """Matches any tensor; twice in one pattern, the same tensor."""

    name: str


@dataclass(frozen=True, slots=True)
class ScalarVariable(Pattern):
    """Matches a tensor whose elements are one constant; binds its NumPy scalar."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal(Pattern):
    """Matches a tensor whose elements are all this constant, sign of zero included."""

    value: float | int | bool


@dataclass(frozen=True, slots=True)
class OpPattern(Pattern):
    """Matches a node of `op` whose operands and named attributes match."""

    op: Op
    operands: tuple[Pattern, ...]
    attributes: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class NodeVariable(Pattern):
    """Matches a tensor that `op` computes from any operands; binds the tensor."""

    op: Op
    name: str


@dataclass(frozen=True, slots=True)
class AttributeVariable:
    """Matches any value of an attribute; twice in one pattern, equal values."""

    name: str


def variables(*names: str) -> tuple[PatternVariable, ...]:
    """One PatternVariable per name."""
    return tuple(PatternVariable(name) for name in names)


def attribute_variables(*names: str) -> tuple[AttributeVariable, ...]:
    """One AttributeVariable per name."""
    return tuple(AttributeVariable(name) for name in names)


def literal(value: float | int | bool) -> Literal:
    """The pattern of a constant, or of a broadcast of one."""
    return Literal(value)


def scalar(name: str) -> ScalarVariable:
    """The pattern of any constant with equal elements, bound as a NumPy scalar."""
    return ScalarVariable(name)


def node_of(op: Op, name: str) -> NodeVariable:
    """The pattern of any application of `op`, for rules that look at operands themselves."""
    return NodeVariable(op, name)


def expand_commutative(pattern: Pattern) -> Iterator[Pattern]:
    """The pattern with the operands of commutative ops in every order."""
    if not isinstance(pattern, OpPattern):
        yield pattern
        return
    for operands in product(*map(expand_commutative, pattern.operands)):
        yield OpPattern(pattern.op, operands, pattern.attributes)
        if pattern.op.commutative and len(operands) == 2 and operands[0] != operands[1]:
            yield OpPattern(pattern.op, operands[::-1], pattern.attributes)


def match(
    pattern: Pattern,
    tensor: Tensor,
    bindings: Bindings,
    opaque: Set[tuple[int, int]] = frozenset(),
) -> bool:
    """Whether `tensor` matches; fills `bindings`. Operands are matched in the order written.

    Tensors in `opaque` match variables only. So do nodes with state writes, which must not vanish.
    """
    match pattern:
        case PatternVariable(name):
            found = bindings.setdefault(name, tensor)
            return found is tensor or bool(found.is_same(tensor))
        case OpPattern(op, operands, attributes):
            node = tensor.node
            if node.op is not op or len(node.operands) != len(operands) or node.writes:
                return False
            if opaque and tensor.key in opaque:
                return False
            return _match_attributes(attributes, node.attributes, bindings) and all(
                match(inner, operand, bindings, opaque)
                for inner, operand in zip(operands, node.operands, strict=True)
            )
        case NodeVariable(op, name):
            if tensor.node.op is not op or tensor.node.writes or tensor.key in opaque:
                return False
            found = bindings.setdefault(name, tensor)
            return found is tensor or bool(found.is_same(tensor))
        case Literal(value):
            return _is_literal(uniform_value(tensor, opaque), value)
        case ScalarVariable(name):
            value = uniform_value(tensor, opaque)
            bindings[name] = value
            return value is not None
    raise AssertionError(f"not a pattern: {pattern!r}")


def _match_attributes(
    wanted: tuple[tuple[str, Any], ...], given: Mapping[str, Any], bindings: Bindings
) -> bool:
    for key, value in wanted:
        if isinstance(value, AttributeVariable):
            value = bindings.setdefault(value.name, given[key])
        if given[key] != value:
            return False
    return True


def _is_literal(value: Any, wanted: float | int | bool) -> bool:
    if value is None or isinstance(wanted, bool) != isinstance(value, np.bool_):
        return False
    return bool(value == wanted) and bool(np.signbit(value)) == bool(np.signbit(wanted))


def uniform_value(tensor: Tensor, opaque: Set[tuple[int, int]] = frozenset()) -> Any:
    """The NumPy scalar that every element of `tensor` is known to be; None when there is none."""
    while tensor.node.op.name in _REPEATING and tensor.key not in opaque:
        tensor = tensor.node.operands[0]
    if tensor.node.op.name != "constant" or tensor.key in opaque:
        return None
    array = tensor.node.attributes["value"].array
    if array.size == 1:
        return array.reshape(())[()]
    if not 0 < array.size <= _LARGEST_UNIFORM:
        return None
    first = array.ravel()[:1]
    return first[0] if first.tobytes() * array.size == array.tobytes() else None
