"""The native code that a process loads once: thread pool, entry, and memory of large outputs."""

from __future__ import annotations

import atexit
import ctypes
from collections.abc import Mapping
from functools import cache

from graphdl.backends.cpu.entry import EXPORTS as ENTRY_EXPORTS
from graphdl.backends.cpu.entry import entry_text
from graphdl.backends.cpu.load import (
    DRIVER_LEVEL,
    KERNEL_LEVEL,
    compile_object,
    link,
    version,
)
from graphdl.backends.cpu.output_memory import EXPORTS as MEMORY_EXPORTS
from graphdl.backends.cpu.output_memory import make_handler, output_memory_text
from graphdl.backends.cpu.pool import EXPORTS as POOL_EXPORTS
from graphdl.backends.cpu.pool import SHUTDOWN, pool_text
from graphdl.backends.cpu.target import CpuTarget, host_target
from graphdl.config import settings
from graphdl.runtime.cache import ObjectCache, hash_key

EXPORTS = (*POOL_EXPORTS, *ENTRY_EXPORTS, *MEMORY_EXPORTS)


def object_cache() -> ObjectCache:
    """The disk cache that the settings name."""
    current = settings()
    return _cache_at(current.cache_dir, current.cache_bytes)


@cache
def _cache_at(directory: str, limit: int) -> ObjectCache:
    return ObjectCache(directory, limit)


_KEPT_OBJECTS = 2048
_kept: dict[str, bytes] = {}


def object_code(text: str, target: CpuTarget, level: int = KERNEL_LEVEL) -> bytes:
    """Object code of a module, from this process, the disk cache or LLVM."""
    key = hash_key((text, str(level), str(target), target.feature_text, version()))
    found = _kept.get(key)
    if found is None:
        store = object_cache()
        found = store.get(key)
        if found is None:
            found = compile_object(text, target, verify=settings().verify, level=level)
            store.put(key, found)
        if len(_kept) >= _KEPT_OBJECTS:
            _kept.clear()
        _kept[key] = found
    return found


@cache
def shared_addresses() -> Mapping[str, int]:
    """Addresses of the pool's and the entry's functions; loaded once and never unloaded."""
    target = host_target()
    texts = (pool_text(), entry_text(), output_memory_text())
    objects = [object_code(text, target, DRIVER_LEVEL) for text in texts]
    library = link(objects, EXPORTS)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(library.tracker))
    shutdown = ctypes.CFUNCTYPE(None)(library.addresses[SHUTDOWN])
    atexit.register(shutdown)
    return library.addresses


def output_handler() -> object:
    """The NumPy memory handler of large outputs."""
    return make_handler(*(shared_addresses()[name] for name in MEMORY_EXPORTS))
