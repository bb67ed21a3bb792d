"""Every value of one call, by the interpreter: where does the first NaN come from?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import ArgumentError
from graphdl.graph.describe import describe, name_of
from graphdl.graph.interpreter import interpret
from graphdl.graph.nodes import Graph, Node, Tensor

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """The values of one call. `inspection[tensor]` and `inspection["h"]` look one up; a name that
    several nodes have gives the first of them."""

    nodes: tuple[Node, ...]
    values: Mapping[tuple[int, int], Array]
    outputs: tuple[Array, ...]
    updates: tuple[Array, ...]

    def __getitem__(self, what: Tensor | str) -> Array:
        """One value. Raises ArgumentError for a tensor or name that the function does not reach."""
        if isinstance(what, str):
            return self.values[self._named(what).key]
        found = self.values.get(what.key)
        if found is None:
            raise ArgumentError("inspect: the function does not compute", details=(describe(what),))
        return found

    def _named(self, name: str) -> Tensor:
        for node in self.nodes:
            if name_of(node) == name and (id(node), 0) in self.values:
                return Tensor(node)
        names = sorted({name_of(node) or "" for node in self.nodes} - {""})
        raise ArgumentError(
            f'inspect: nothing is called "{name}"', hint=f"names: {', '.join(names)}"
        )

    @property
    def nan_counts(self) -> dict[str, int]:
        """How many elements of each node are NaN or infinite, where any are, in order."""
        found: dict[str, int] = {}
        for node in self.nodes:
            for tensor in node.results:
                count = self._bad(tensor)
                if count:
                    found[f"{describe(tensor)}"] = count
        return found

    @property
    def first_bad(self) -> Tensor | None:
        """The first value with a NaN or infinity: its `repr` names the op and the user's line."""
        for node in self.nodes:
            for tensor in node.results:
                if self._bad(tensor):
                    return tensor
        return None

    def _bad(self, tensor: Tensor) -> int:
        value = self.values.get(tensor.key)
        if value is None or not tensor.dtype.is_floating:
            return 0
        wide = value.astype(np.float32) if tensor.dtype.bits == 16 else value
        return int(np.size(wide) - np.count_nonzero(np.isfinite(wide)))

    def __repr__(self) -> str:
        bad = self.first_bad
        found = "all finite" if bad is None else f"first NaN or infinity: {describe(bad)}"
        return f"<{len(self.values)} values, {found}>"


def inspect(graph: Graph, arrays: Sequence[Array], training: bool) -> Inspection:
    """Interpret a graph once; variables keep their values."""
    result = interpret(graph, arrays, training=training)
    cut = [tensor.node for tensor in graph.inputs]
    nodes = tuple(dict.fromkeys([*cut, *graph.nodes()]))
    return Inspection(nodes, result.values, tuple(result.outputs), tuple(result.updates))
