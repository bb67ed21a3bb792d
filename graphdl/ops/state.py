"""Variable: the tensor of persistent state, as the user holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdl.errors import DTypeError, ShapeError, hides_internal_frames
from graphdl.graph.nodes import Node, Tensor, build_node
from graphdl.ops import leaves
from graphdl.ops.arguments import as_array, operand_lines
from graphdl.runtime.variable import VariableStorage
from graphdl.typesystem.arithmetic import convert
from graphdl.typesystem.dtype import DType, as_dtype


class Variable(Tensor):
    """State that outlives calls: read in graphs like any tensor, changed by updates or `assign`."""

    __slots__ = ()

    def __init__(self, node: Node) -> None:
        super().__init__(node, 0)

    @property
    def storage(self) -> VariableStorage:
        """Where the value lives."""
        storage: VariableStorage = self.node.attributes["storage"]
        return storage

    @property
    def name(self) -> str:
        """The label given by the user; "variable" without one."""
        return str(self.node.attributes["name"])

    @property
    def trainable(self) -> bool:
        """Whether optimisers change it."""
        return bool(self.node.attributes["trainable"])

    def numpy(self) -> NDArray[Any]:
        """A copy of the present value."""
        return self.storage.read()

    @hides_internal_frames
    def assign(self, value: object) -> None:
        """Replace the value; what NumPy casts `same_kind` is cast.

        Raises ShapeError for another shape and DTypeError for another kind.
        """
        array = as_array(value, "assign")
        if array.shape != self.shape:
            raise ShapeError(
                f"assign: a value of shape {list(array.shape)} for a variable of type {self.type}",
                details=operand_lines(variable=self),
            )
        self.storage.write(cast_same_kind(array, self.dtype, "assign"))


def cast_same_kind(array: NDArray[Any], dtype: DType, op: str) -> NDArray[Any]:
    """The array as `dtype` where no kind is lost: float to float, integer to wider kinds.

    Integers are checked to be in range. Raises DTypeError otherwise.
    """
    given = as_dtype(array.dtype)
    if given == dtype:
        return array
    is_allowed = given.is_bool or dtype.is_floating or (given.is_integer and dtype.is_integer)
    if given.is_floating and not dtype.is_floating:
        is_allowed = False
    if not is_allowed:
        raise DTypeError(f"{op}: {given} data for {dtype}", hint=f"convert it: a.astype('{dtype}')")
    if given.is_integer and dtype.is_integer and array.size:
        limits = np.iinfo(dtype.numpy)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            raise DTypeError(f"{op}: integers between {array.min()} and {array.max()} for {dtype}")
    return convert(array, dtype)


def make_variable(array: NDArray[Any], name: str | None, trainable: bool) -> Variable:
    """A variable holding a copy of `array`, of exactly its dtype."""
    label = name or "variable"
    attributes = {
        "storage": VariableStorage(label, array),
        "name": label,
        "dtype": as_dtype(array.dtype),
        "shape": array.shape,
        "trainable": trainable,
    }
    return Variable(build_node(leaves.variable, (), attributes))
