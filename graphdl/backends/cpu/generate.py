"""Vector-form kernels to LLVM text: explicit vectors, no pass beyond SROA needed.

Every kernel becomes `void @name(ptr %buffers, ptr %sizes, i64 %begin, i64 %end, ptr %workspace)`:
iterations [begin, end) of its PARALLEL loop, over `buffers[i]` = address of argument buffer i and
`sizes[i]` = size symbol i. `workspace` is the calling thread's own memory (`workspace_bytes`).
A shared function (one that CallFunction calls) has all its buffers and sizes as arguments instead:
`void @name(ptr %buffer0, …, i64 %size0, …)`.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphdl.backends.cpu.generate_code import Unsupported
from graphdl.backends.cpu.generate_space import rounded_bytes, workspace_buffers
from graphdl.backends.cpu.generate_statements import Statements
from graphdl.backends.cpu.target import CpuTarget
from graphdl.errors import InternalError
from graphdl.kernel.nodes import Kernel, Loop, LoopKind
from graphdl.typesystem.expression import Size


def task_count(kernel: Kernel) -> Size:
    """Iterations of the kernel's PARALLEL loop, over its size symbols; 1 without such a loop."""
    for loop in kernel.body:
        if isinstance(loop, Loop) and loop.kind is LoopKind.PARALLEL:
            return (loop.stop - loop.start + (loop.step - 1)) // loop.step
    return 1


def workspace_bytes(kernel: Kernel) -> Size:
    """Bytes of workspace that each thread needs, over the kernel's size symbols."""
    return sum((rounded_bytes(buffer) for buffer in workspace_buffers(kernel.body)), start=0)


def generate(kernel: Kernel, target: CpuTarget, *, shared: bool = False) -> str:
    """The LLVM definition of a vector-form kernel, preceded by the declarations it needs.

    `shared` makes a function for CallFunction. Raises InternalError for a kernel outside the
    vector form.
    """
    try:
        return Statements(kernel, target, shared).text()
    except (Unsupported, KeyError) as error:
        raise InternalError(f"kernel {kernel.name} cannot be generated: {error!r}") from error


def module_text(functions: Sequence[str], target: CpuTarget) -> str:
    """A module of generated definitions: what they call elsewhere declared once, the definitions,
    and their attributes."""
    declarations: dict[str, str] = {}
    definitions: dict[str, str] = {}
    for function in functions:
        head, _, body = function.partition("define ")
        declarations.update({_symbol_of(line): line for line in head.splitlines() if line})
        definitions[_symbol_of(body)] = f"define {body}"
    foreign = [line for symbol, line in declarations.items() if symbol not in definitions]
    return "\n".join([*foreign, *definitions.values(), attributes_text(target), ""])


def _symbol_of(text: str) -> str:
    """The name in the first line of a declaration or definition."""
    return text[text.index("@") + 1 : text.index("(", text.index("@"))]


def attributes_text(target: CpuTarget) -> str:
    """Attribute group #0 of every definition: the processor and its vector width."""
    return (
        f'attributes #0 = {{ nounwind "target-cpu"="{target.name}" '
        f'"target-features"="{target.feature_text}" "prefer-vector-width"="{target.vector_bits}" }}'
    )
