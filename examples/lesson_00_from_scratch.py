"""Lesson 0: graphdl in miniature. Build a graph, differentiate it, fuse it, run it.

Everything that graphdl does is here once, in plain Python and NumPy, small enough to read in one
sitting. The comments name the module that does the same thing for real. Run it:

    python examples/lesson_00_from_scratch.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Array = np.ndarray[Any, Any]


# 1. The graph -------------------------------------------------------------------------------------
# graphdl/graph/nodes.py: a Node is one application of an Op to other nodes; nothing is computed
# yet. The real one also carries a dtype, named sizes, several results and the user's line.


@dataclass(frozen=True, eq=False)
class Node:
    """The result of `op` applied to `operands`: symbolic, holds no data. Compared by identity."""

    op: str
    operands: tuple[Node, ...]
    shape: Shape
    attributes: dict[str, Any] = field(default_factory=dict)

    def __add__(self, other: Node) -> Node:
        return elementwise("add", self, other)

    def __sub__(self, other: Node) -> Node:
        return elementwise("subtract", self, other)

    def __mul__(self, other: Node) -> Node:
        return elementwise("multiply", self, other)

    def __matmul__(self, other: Node) -> Node:
        return matmul(self, other)


# 2. The ops ---------------------------------------------------------------------------------------
# graphdl/ops/elementwise.py, contraction.py, …: an Op is a record: a type rule that says what comes
# out, a kind that says how it touches memory, and its meaning in NumPy. About 60 are enough;
# everything else (softmax, layer norm, Adam) is composed of them.

ELEMENTWISE: dict[str, Callable[..., Array]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "tanh": np.tanh,
}


def placeholder(name: str, shape: Shape) -> Node:
    """An input, known when the function is called."""
    return Node("placeholder", (), shape, {"name": name})


def variable(value: Array) -> Node:
    """State that outlives a call. graphdl/ops/state.py, graphdl/runtime/variable.py."""
    return Node("variable", (), value.shape, {"storage": value.astype(np.float64)})


def full(value: float, shape: Shape) -> Node:
    """One number everywhere."""
    return Node("full", (), shape, {"value": value})


def elementwise(op: str, *operands: Node) -> Node:
    """result[i] from operand[i]. Wrong shapes are told here, at the line that builds the node."""
    shapes = {operand.shape for operand in operands}
    if len(shapes) != 1:
        raise ValueError(f"{op}: operand shapes differ: {sorted(shapes)}")
    return Node(op, operands, operands[0].shape)


def tanh(x: Node) -> Node:
    """The hyperbolic tangent."""
    return elementwise("tanh", x)


def matmul(a: Node, b: Node) -> Node:
    """Sums of products over the last axis of a and the first of b. graphdl: dot_general."""
    if a.shape[1] != b.shape[0]:
        raise ValueError(f"matmul: contracted sizes differ: {a.shape[1]} and {b.shape[0]}")
    return Node("matmul", (a, b), (a.shape[0], b.shape[1]))


def transpose(x: Node) -> Node:
    """The axes swapped. graphdl/ops/movement.py: movement costs nothing, it is an index map."""
    return Node("transpose", (x,), x.shape[::-1])


def broadcast_rows(x: Node, rows: int) -> Node:
    """The same row again and again. Broadcasting is explicit, so that its derivative is a sum."""
    return Node("broadcast_rows", (x,), (rows, *x.shape))


def sum_rows(x: Node) -> Node:
    """Reduce over axis 0. graphdl/ops/reduction.py."""
    return Node("sum_rows", (x,), x.shape[1:])


# 3. The interpreter -------------------------------------------------------------------------------
# graphdl/graph/interpreter.py: the meaning of a graph, one NumPy call per node. Slow, obvious, and
# what every later stage is tested against.


def topological_order(roots: Sequence[Node]) -> list[Node]:
    """Everything that the roots need, operands before their users."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, is_ready = stack.pop()
        if is_ready:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((operand, False) for operand in reversed(node.operands))
    return order


def meaning(node: Node, operands: Sequence[Array], inputs: dict[str, Array]) -> Array:
    """The value of one node from the values of its operands."""
    match node.op:
        case "placeholder":
            return inputs[node.attributes["name"]]
        case "variable":
            return np.asarray(node.attributes["storage"])
        case "full":
            return np.full(node.shape, node.attributes["value"])
        case "matmul":
            return np.asarray(operands[0] @ operands[1])
        case "transpose":
            return operands[0].T
        case "broadcast_rows":
            return np.broadcast_to(operands[0], node.shape)
        case "sum_rows":
            return np.asarray(operands[0].sum(axis=0))
    return ELEMENTWISE[node.op](*operands)


def interpret(roots: Sequence[Node], inputs: dict[str, Array]) -> list[Array]:
    """The values of the roots."""
    values: dict[Node, Array] = {}
    for node in topological_order(roots):
        values[node] = meaning(node, [values[operand] for operand in node.operands], inputs)
    return [values[root] for root in roots]


# 4. The derivative --------------------------------------------------------------------------------
# graphdl/autodiff/: a rule per op says how a cotangent (the derivative of the cost with respect to
# the node) goes to the operands. The rules build nodes, so a gradient is part of the graph: it is
# optimised and fused with the forward pass, drawn beside it, and can be differentiated again.


def pull_back(node: Node, g: Node) -> tuple[Node, ...]:
    """The contribution of `node` to the cotangent of each operand. autodiff/<family>.py."""
    match node.op, node.operands:
        case "add", _:
            return g, g
        case "subtract", _:
            return g, g * full(-1.0, g.shape)
        case "multiply", (x, y):
            return g * y, g * x
        case "tanh", _:
            return (g * (full(1.0, g.shape) - node * node),)
        case "matmul", (a, b):
            return g @ transpose(b), transpose(a) @ g
        case "transpose", _:
            return (transpose(g),)
        case "broadcast_rows", _:
            return (sum_rows(g),)
        case "sum_rows", (x,):
            return (broadcast_rows(g, x.shape[0]),)
    return ()


def grad(cost: Node, wrt: Sequence[Node]) -> list[Node]:
    """The reverse sweep: users before operands, contributions added. autodiff/sweep.py."""
    cotangents: dict[Node, Node] = {cost: full(1.0, cost.shape)}
    for node in reversed(topological_order([cost])):
        if node not in cotangents:
            continue
        contributions = pull_back(node, cotangents[node])
        for operand, contribution in zip(node.operands, contributions, strict=True):
            known = cotangents.get(operand)
            cotangents[operand] = contribution if known is None else known + contribution
    missing = [node.op for node in wrt if node not in cotangents]
    if missing:
        raise ValueError(f"grad: the cost does not depend on {missing}")
    return [cotangents[node] for node in wrt]


# 5. A pass ----------------------------------------------------------------------------------------
# graphdl/passes/: functions Graph -> Graph, in the order that passes/pipeline.py lists. This one
# merges equal nodes (eliminate_common_subexpressions.py) and applies two rules (simplify….py),
# which graphdl writes as patterns and graphdl/rewrite/ matches.


def optimize(roots: Sequence[Node]) -> list[Node]:
    """The same values from fewer nodes."""
    new: dict[Node, Node] = {}
    known: dict[object, Node] = {}
    for node in topological_order(roots):
        operands = tuple(new[operand] for operand in node.operands)
        rebuilt = simplify(Node(node.op, operands, node.shape, node.attributes))
        identity = id(node) if node.op == "variable" else repr(rebuilt.attributes)
        key = (rebuilt.op, rebuilt.operands, rebuilt.shape, identity)
        new[node] = known.setdefault(key, rebuilt)
    return [new[root] for root in roots]


def simplify(node: Node) -> Node:
    """x * 1 is x; a number repeated is that number in a larger shape."""
    match node.op, node.operands:
        case "multiply", (x, y) if y.op == "full" and y.attributes["value"] == 1.0:
            return x
        case "multiply", (x, y) if x.op == "full" and x.attributes["value"] == 1.0:
            return y
        case "broadcast_rows", (x,) if x.op == "full":
            return full(x.attributes["value"], node.shape)
    return node


# 6. Fusion ----------------------------------------------------------------------------------------
# graphdl/schedule/fuse.py: which nodes share a kernel. A value that is used inside one kernel only
# never reaches memory. Here: elementwise nodes, with movement and constants as index maps, are
# computed where they are used; contractions, reductions and values used twice are stored. The real
# fusion also takes epilogues into contractions and keeps a reason for each refusal.


def find_stored(roots: Sequence[Node]) -> list[Node]:
    """The nodes that are kernels: their values go to memory. The rest lives in registers."""
    order = topological_order(roots)
    users: dict[Node, int] = {}
    for node in order:
        for operand in node.operands:
            users[operand] = users.get(operand, 0) + 1
    leaves = {"placeholder", "variable", "full"}
    free = {"transpose", "broadcast_rows", *leaves}
    heavy = {"matmul", "sum_rows"}
    return [
        node
        for node in order
        if node.op in heavy
        or (node in roots and node.op not in leaves)
        or (node.op not in free and users[node] > 1)
    ]


# 7. Lowering --------------------------------------------------------------------------------------
# graphdl/lowering/: a kernel becomes a loop nest (graphdl/kernel/nodes.py); graphdl/backends/cpu/
# tiles and vectorises the nest and writes LLVM text. Here the nest is printed as Python loops.

Index = tuple[str, ...]
SYMBOLS = {"add": "+", "subtract": "-", "multiply": "*"}


def expression(node: Node, index: Index, names: dict[Node, str], is_top: bool = False) -> str:
    """The scalar code for one element of `node`; movement only changes the index."""
    if node in names and not is_top:
        return f"{names[node]}[{', '.join(index) or '()'}]"
    operands = node.operands
    match node.op:
        case "full":
            return repr(node.attributes["value"])
        case "transpose":
            return expression(operands[0], index[::-1], names)
        case "broadcast_rows":
            return expression(operands[0], index[1:], names)
        case "tanh":
            return f"tanh({expression(operands[0], index, names)})"
    left, right = (expression(operand, index, names) for operand in operands)
    return f"({left} {SYMBOLS[node.op]} {right})"


def lower(node: Node, names: dict[Node, str]) -> list[str]:
    """The loops of one kernel."""
    index = tuple(f"i{axis}" for axis in range(len(node.shape)))
    lines = [f"{'    ' * axis}for i{axis} in range({n}):" for axis, n in enumerate(node.shape)]
    depth = "    " * len(index)
    target = f"{names[node]}[{', '.join(index) or '()'}]"
    match node.op, node.operands:
        case "matmul", (a, b):
            product = f"{expression(a, (index[0], 'k'), names)} * "
            product += expression(b, ("k", index[1]), names)
            lines.append(f"{depth}{target} = sum({product} for k in range({a.shape[1]}))")
        case "sum_rows", (x,):
            value = expression(x, ("k", *index), names)
            lines.append(f"{depth}{target} = sum({value} for k in range({x.shape[0]}))")
        case _:
            lines.append(f"{depth}{target} = {expression(node, index, names, is_top=True)}")
    return lines


# 8. The function ----------------------------------------------------------------------------------
# graphdl/compiler.py is this, readable on one screen: optimise, schedule, lower, generate, load.
# graphdl/function.py wraps the result: NumPy in, NumPy out, variables updated in place.


class Function:
    """A compiled graph: outputs, and new values for variables, in one call."""

    def __init__(self, output: Node, updates: dict[Node, Node]) -> None:
        roots = optimize([output, *updates.values(), *updates])
        count = 1 + len(updates)
        self.roots = roots[:count]
        self.variables = roots[count:]
        self.kernels = find_stored(self.roots)
        order = topological_order(roots)
        held = [node for node in order if node.op in ("placeholder", "variable")]
        self.names = {node: f"b{i}" for i, node in enumerate([*held, *self.kernels])}
        self.source = "\n".join(line for node in self.kernels for line in lower(node, self.names))
        self._code = compile(self.source, "<kernels>", "exec")

    def __call__(self, **inputs: Array) -> Array:
        """Run the kernels; write all variables together at the end."""
        buffers: dict[str, Any] = {"tanh": np.tanh}
        for node, name in self.names.items():
            is_leaf = node.op in ("placeholder", "variable")
            buffers[name] = meaning(node, (), inputs) if is_leaf else np.empty(node.shape)
        exec(self._code, buffers)
        output, *new_values = (buffers[self.names[root]] for root in self.roots)
        for variable_node, value in zip(self.variables, new_values, strict=True):
            variable_node.attributes["storage"][...] = value
        return np.asarray(output)


# 9. Training --------------------------------------------------------------------------------------
# What graphdl/nn/ and graphdl/optim/ do: layers and optimisers build graph, they compute nothing.


def main() -> float:
    """Learn the exclusive or with one hidden layer; returns the last cost."""
    generator = np.random.default_rng(0)
    x, y = placeholder("x", (4, 2)), placeholder("y", (4, 1))
    w1, b1 = variable(generator.normal(size=(2, 6))), variable(np.zeros(6))
    w2, b2 = variable(generator.normal(size=(6, 1))), variable(np.zeros(1))

    hidden = tanh(x @ w1 + broadcast_rows(b1, 4))
    difference = hidden @ w2 + broadcast_rows(b2, 4) - y
    cost = sum_rows(sum_rows(difference * difference))

    parameters = [w1, b1, w2, b2]
    gradients = grad(cost, parameters)
    updates = {p: p - full(0.05, p.shape) * g for p, g in zip(parameters, gradients, strict=True)}

    data = {
        "x": np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]),
        "y": np.array([[0.0], [1.0], [1.0], [0.0]]),
    }
    train_step = Function(cost, updates)
    nodes = len(topological_order([cost, *updates.values()]))
    print(f"{nodes} nodes became {len(train_step.kernels)} kernels:\n{train_step.source}\n")

    (expected,) = interpret([cost], data)
    assert np.allclose(train_step(**data), expected), "compiled and interpreted values differ"
    last = 0.0
    for step in range(400):
        last = float(train_step(**data))
        if step % 100 == 99:
            print(f"step {step + 1}: cost {last:.5f}")
    assert last < 0.01, "the network did not learn"
    return last


if __name__ == "__main__":
    main()
