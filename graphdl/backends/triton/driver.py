"""The seam between compiled functions and a GPU.

A Driver loads cubins, owns device memory and launches. `RecordingDriver` keeps a list of what it
was asked to do, so that launch plans can be checked on a machine without a GPU.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Protocol

from graphdl.errors import TargetError


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """One launch: `arguments` are device addresses and 64-bit sizes in the function's order."""

    function: int
    grid: int
    threads: int
    shared_bytes: int
    arguments: tuple[int, ...]


class Driver(Protocol):
    """What the cuda target needs from a GPU."""

    def load(self, cubin: bytes, name: str, shared_bytes: int) -> int:
        """Load one function; returns its handle."""

    def allocate(self, byte_count: int) -> int:
        """Device memory aligned to 256 bytes; returns its address."""

    def free(self, address: int) -> None:
        """Give memory back."""

    def upload(self, address: int, data: bytes) -> None:
        """Copy host bytes to the device."""

    def download(self, address: int, byte_count: int) -> bytes:
        """Copy device bytes to the host."""

    def launch(self, request: LaunchRequest) -> None:
        """Start one grid on the driver's stream."""

    def synchronize(self) -> None:
        """Wait for everything launched so far."""


@dataclass(slots=True)
class RecordingDriver:
    """A Driver without a device: memory is host bytes and launches are only written down."""

    memory: dict[int, bytearray] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    launches: list[LaunchRequest] = field(default_factory=list)
    next_address: int = 256

    def load(self, cubin: bytes, name: str, shared_bytes: int) -> int:
        """Note the name; returns its number."""
        self.loaded.append(name)
        return len(self.loaded)

    def allocate(self, byte_count: int) -> int:
        """Reserve host bytes under a new address."""
        address = self.next_address
        self.next_address += -(-max(byte_count, 1) // 256) * 256
        self.memory[address] = bytearray(byte_count)
        return address

    def free(self, address: int) -> None:
        """Forget the bytes."""
        del self.memory[address]

    def upload(self, address: int, data: bytes) -> None:
        """Keep the bytes."""
        self.memory[address][: len(data)] = data

    def download(self, address: int, byte_count: int) -> bytes:
        """Give the bytes back."""
        return bytes(self.memory[address][:byte_count])

    def launch(self, request: LaunchRequest) -> None:
        """Note the request."""
        self.launches.append(request)

    def synchronize(self) -> None:
        """Nothing is ever pending."""
        return


def require_device() -> None:
    """Raise TargetError unless an NVIDIA driver with at least one GPU is here."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise TargetError(
            'target="cuda" cannot run here: there is no NVIDIA driver (libcuda.so.1)',
            hint='use target="cpu"; stages["triton"] and stages["ptx"] work without a GPU',
        ) from None
    count = ctypes.c_int(0)
    if (
        library.cuInit(0) != 0
        or library.cuDeviceGetCount(ctypes.byref(count)) != 0
        or not count.value
    ):
        raise TargetError(
            'target="cuda" cannot run here: the NVIDIA driver reports no GPU',
            hint='use target="cpu"',
        )
    raise TargetError(
        'target="cuda" compiles for this GPU but cannot launch on it in this version',
        hint='use target="cpu"; stages["triton"] and stages["ptx"] hold the GPU code',
    )
