"""CPU targets: what the host or a target string offers, and the tile shape of each width."""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphdl.backends.cpu.load import host_cpu
from graphdl.errors import TargetError


@dataclass(frozen=True, slots=True)
class CpuTarget:
    """A processor to compile for.

    `name` and `features` are LLVM's; `vector_bits` is the width that recipes tile for;
    `block_rows` x `block_vectors` is the register tile of a contraction, in vectors of columns.
    """

    name: str
    features: tuple[str, ...]
    vector_bits: int
    block_rows: int
    block_vectors: int

    def lanes(self, bits: int) -> int:
        """Elements of `bits` bits in one vector register."""
        return self.vector_bits // bits

    def has(self, feature: str) -> bool:
        """Whether the processor has an LLVM feature such as "avx512f"."""
        return feature in self.features

    @property
    def feature_text(self) -> str:
        """The features as LLVM's attribute text."""
        return ",".join(f"+{feature}" for feature in self.features)

    def __str__(self) -> str:
        return f"{self.name}/{self.vector_bits}"


_TILES = {512: (8, 3), 256: (6, 2), 128: (6, 2)}
"""Register tiles: with 32 registers 8 x 3 accumulators + 3 columns + 1 broadcast, with 16 registers
6 x 2 + 2 + 1."""

_X86_64_V3 = "avx avx2 bmi bmi2 f16c fma lzcnt movbe popcnt sse3 sse4.1 sse4.2 ssse3 cx16".split()
_X86_64_V4 = [*_X86_64_V3, *"avx512f avx512bw avx512cd avx512dq avx512vl evex512".split()]

_LEVELS = {
    "x86-64-v3": (tuple(_X86_64_V3), 256),
    "x86-64-v4": (tuple(_X86_64_V4), 512),
}
_UNWANTED = ("amx", "avx10", "evex512")
"""Features that change nothing we emit and that not every LLVM release knows."""


def host_target() -> CpuTarget:
    """The processor this process runs on, at its full vector width. Raises TargetError for an x86
    processor without fused multiply-add (those made before 2013)."""
    name, features = host_cpu()
    kept = tuple(sorted(f for f in features if not f.startswith(_UNWANTED)))
    if "sse2" in kept and "fma" not in kept:
        raise TargetError(f"{name} has no fused multiply-add", hint='use target="reference"')
    if "avx512vl" in kept and "avx512dq" in kept:
        return _with_width(name, kept, 512)
    return _with_width(name, kept, 256 if "avx2" in kept else 128)


def _with_width(name: str, features: tuple[str, ...], bits: int) -> CpuTarget:
    rows, vectors = _TILES[bits]
    return CpuTarget(name, features, bits, rows, vectors)


def parse_target(text: str | None) -> CpuTarget:
    """The target that a string names: `None` or "host", a level ("x86-64-v3", "x86-64-v4"), each
    optionally followed by "/512", "/256" or "/128" for the vector width. Raises TargetError."""
    name, _, width = (text or "host").partition("/")
    if name == "host":
        target = host_target()
    elif name in _LEVELS:
        features, bits = _LEVELS[name]
        target = _with_width(name, features, bits)
    else:
        known = ", ".join(["host", *_LEVELS])
        raise TargetError(f"unknown CPU target {text!r}", hint=f"use one of {known}, or host/256")
    return with_vector_bits(target, width) if width else target


def with_vector_bits(target: CpuTarget, width: str | int) -> CpuTarget:
    """The same processor, tiled for narrower vectors. Raises TargetError."""
    bits = int(width) if str(width).isdecimal() else 0
    if bits not in _TILES or bits > target.vector_bits:
        raise TargetError(
            f"{target.name} cannot use vectors of {width} bits", hint="use 512, 256 or 128"
        )
    rows, vectors = _TILES[bits]
    return replace(target, vector_bits=bits, block_rows=rows, block_vectors=vectors)


def executable_targets() -> tuple[CpuTarget, ...]:
    """The host at each vector width that it can run, widest first."""
    host = host_target()
    return tuple(
        with_vector_bits(host, bits)
        for bits in sorted(_TILES, reverse=True)
        if bits <= host.vector_bits
    )
