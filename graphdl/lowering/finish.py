"""The last step of lowering: simple indices, collapsed axes, sizes as symbols, canonical names."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

from graphdl.kernel.nodes import Kernel
from graphdl.kernel.printer import text
from graphdl.kernel.simplify import simplify_kernel
from graphdl.kernel.transforms.abstract_sizes import abstract_sizes
from graphdl.kernel.transforms.canonicalize import canonicalize
from graphdl.kernel.transforms.collapse_axes import collapse_axes
from graphdl.kernel.transforms.resolve_divisions import resolve_divisions
from graphdl.typesystem.expression import Size


def finish(kernel: Kernel) -> tuple[Kernel, tuple[str, ...], tuple[Size, ...]]:
    """(canonical kernel, the old name of each of its buffers, the value of each of its sizes)."""
    collapsed = collapse_axes(resolve_divisions(simplify_kernel(kernel)))
    abstract, values = abstract_sizes(collapsed)
    value_of = dict(zip(abstract.sizes, values, strict=True))
    canonical, buffers, sizes = canonicalize(abstract)
    canonical = replace(canonical, name=content_name(canonical))
    return canonical, buffers, tuple(value_of[size] for size in sizes)


def content_name(kernel: Kernel) -> str:
    """A name that says the kind and is the same for equal kernels everywhere."""
    plain = replace(kernel, lines=(), notes=())
    return f"{kernel.name}_{blake2b(text(plain).encode(), digest_size=5).hexdigest()}"
