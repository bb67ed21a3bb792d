"""What fusion decides: groups of nodes that become one kernel, and why boundaries are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from graphdl.graph.nodes import Graph, Node, Tensor
from graphdl.typesystem.expression import Size, Symbol
from graphdl.typesystem.tensor_type import Shape


class GroupKind(Enum):
    """The closed set of loop forms."""

    ELEMENTWISE = "elementwise"
    RANDOM = "random"  # four words of one random block per iteration
    ROW = "row"  # sweeps over the innermost axis, several in turn
    COLUMN = "column"  # one sweep over outer axes
    CONTRACTION = "contraction"
    SCAN = "scan"
    SCATTER = "scatter"
    HOST = "host"  # print, check
    LOOP = "loop"  # a body of its own, compiled once
    BRANCH = "branch"  # several bodies, of which one runs

    @property
    def has_bodies(self) -> bool:
        """Whether the group is regions rather than a kernel."""
        return self in (GroupKind.LOOP, GroupKind.BRANCH)

    @property
    def is_kernel(self) -> bool:
        """Whether the group is one kernel."""
        return self is not GroupKind.HOST and not self.has_bodies


class RefusalReason(Enum):
    """Why two nodes that touch each other do not share a kernel."""

    SHAPE = "the result has another shape than the loops"
    INDEX = "an element is needed before the loops have made it"
    CYCLE = "something outside would have to run between the two"
    SECOND_SWEEP = "a second pass over columns would read everything again from memory"
    WHOLE_SUM = "every element needs a fold of all elements, which would leave one task"
    INCOMPLETE = "a scatter's result is complete only after its last update"
    RANDOM_BLOCK = "random words are made four at a time, without other arrays"
    CONTRACTION_OPERAND = "a contraction reads its operands many times: computed once and stored"
    CONTRACTION_RESULT = "a fold needs more of the contraction's result than one tile holds"
    OTHER_SWEEP = "the folds run over different axes"
    TOO_LARGE = "one kernel would touch too many arrays or compute too many values"
    BARRIER = "optimization_barrier, print and check are never crossed"
    COPIED_ORDER = "a contraction cannot read this order of elements in place"


@dataclass(frozen=True, slots=True, eq=False)
class Refusal:
    """Two neighbours kept apart: `producer` is stored and `consumer` reads it from memory."""

    producer: Node
    consumer: Node
    reason: RefusalReason

    def __str__(self) -> str:
        before, after = self.producer, self.consumer
        return (
            f"{before.op.name} ({before.location}) | {after.op.name} ({after.location}): "
            f"{self.reason.value}"
        )


@dataclass(frozen=True, slots=True)
class Domain:
    """The iteration space of a group: `shape`, of which the `swept` axes are folded."""

    shape: Shape
    swept: tuple[int, ...] = ()

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes of the parallel loops."""
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.swept)

    @property
    def kept_shape(self) -> Shape:
        """The sizes of the parallel loops."""
        return tuple(self.shape[axis] for axis in self.kept)

    @property
    def index(self) -> tuple[Size, ...]:
        """One index per axis: 0 where the size is 1."""
        return tuple(0 if size == 1 else Symbol(f"d{axis}") for axis, size in enumerate(self.shape))

    def index_of(self, shape: Shape) -> tuple[Size, ...] | None:
        """The index of a tensor of `shape` in these loops; None when it does not belong here.

        A tensor belongs when its sizes, those of 1 aside, are those of the kept or of all axes.
        """
        index = self.index
        kept = self.kept
        if shape == self.shape and (kept or not shape):
            return index
        for axes in (kept, range(len(self.shape))):
            found = _align(shape, [(self.shape[axis], index[axis]) for axis in axes])
            if found is not None:
                return found
        return None

    def is_kept_level(self, index: tuple[Size, ...]) -> bool:
        """Whether an index mentions no swept axis."""
        swept = {Symbol(f"d{axis}") for axis in self.swept}
        return not any(part in swept for part in index)


def _align(shape: Shape, axes: list[tuple[Size, Size]]) -> tuple[Size, ...] | None:
    """`axes` are (size, index); sizes of 1 may be missing or added anywhere."""
    rest = [axis for axis in axes if axis[0] != 1]
    index: list[Size] = []
    for size in shape:
        if size == 1:
            index.append(0)
        elif rest and rest[0][0] == size:
            index.append(rest.pop(0)[1])
        else:
            return None
    return None if rest else tuple(index)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Nodes that one kernel computes.

    `anchors` are the folds, contractions, scans and scatters; `inputs` are read from memory;
    `outputs` are stored because another group or the caller needs them, each at its index in
    `places`; `nodes` lists everything evaluated, operands first (a cheap node may belong to several
    groups).
    """

    number: int
    kind: GroupKind
    domain: Domain
    anchors: tuple[Node, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    places: tuple[tuple[Size, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The groups of a graph, producers first, and where each stored tensor is made."""

    graph: Graph
    groups: tuple[Group, ...]
    refusals: tuple[Refusal, ...]
    makers: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """Tensor key -> position in `groups` of the group that stores it."""
    cut: frozenset[tuple[int, int]] = frozenset()
    """Keys of the graph's inputs."""
