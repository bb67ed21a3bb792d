"""The Op record: what an operation is called, accepts, returns and means.

An Op knows neither its derivative (autodiff/) nor its loops (lowering/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from graphdl.typesystem.expression import Comparison
from graphdl.typesystem.index_map import IndexMap
from graphdl.typesystem.tensor_type import TensorType


class OpKind(Enum):
    """How an op touches memory; fusion and lowering ask this, never a list of names."""

    LEAF = "leaf"  # placeholder, variable, constant, parameter, size, is_training
    ELEMENTWISE = "elementwise"  # result[i] from operand[i] of every operand, same shapes
    MOVEMENT = "movement"  # result[i] = operand[index_map(i)]
    REDUCTION = "reduction"
    CUMULATIVE = "cumulative"
    CONTRACTION = "contraction"
    GATHER = "gather"
    SCATTER = "scatter"
    CREATION = "creation"  # result[i] from i alone: iota, random_bits
    EFFECT = "effect"  # identities that print or check
    REGION = "region"  # remat, custom_gradient, loops


class Attributes(Mapping[str, Any]):
    """An immutable, hashable, ordered mapping of an op's static arguments."""

    __slots__ = ("_hash", "_items")

    def __init__(self, items: Mapping[str, Any] | None = None) -> None:
        self._items = dict(items or {})
        self._hash: int | None = None

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(tuple(self._items.items()))
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attributes) and self._items == other._items

    def __repr__(self) -> str:
        return f"Attributes({self._items!r})"


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on named sizes that is checked when a function is called."""

    condition: Comparison
    message: str


TypeRule = Callable[..., tuple[TensorType, ...]]
"""(*operand_types, **attributes) -> result types; raises ShapeError or DTypeError."""

Reference = Callable[..., Any]
"""(*arrays, **attributes with sizes as ints) -> array, or a tuple of arrays."""

IndexMapRule = Callable[[tuple[TensorType, ...], Attributes, int], IndexMap]
"""(operand types, attributes, operand position) -> result index to operand index."""

GuardRule = Callable[..., tuple[Guard, ...]]
"""(*operand_types, **attributes) -> conditions that only a call can decide."""


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One primitive operation.

    `identity` and `annihilator` are numbers e with op(x, e) = x and op(x, e) = e; `reducer` is the
    scalar op that a reduction folds with ("add", "maximum", …).
    """

    name: str
    kind: OpKind
    infer: TypeRule
    reference: Reference | None
    doc: str = ""
    commutative: bool = False
    associative: bool = False
    identity: float | None = None
    annihilator: float | None = None
    reducer: str | None = None
    index_map: IndexMapRule | None = None
    guards: GuardRule | None = None
    is_differentiable: bool = True
    is_transcendental: bool = False
    has_effect: bool = False

    def __repr__(self) -> str:
        return f"Op({self.name})"

    def __call__(self, *operands: Any, **attributes: Any) -> Any:
        """Apply to tensors (a node is built) or to pattern variables (a pattern is built).

        The operand's class decides: it has `apply_op(op, operands, attributes)`.
        """
        for operand in operands:
            return operand.apply_op(self, operands, attributes)
        raise TypeError(f"{self.name} has no operands; build it with graphdl.graph.build_node")
