"""A directory of compiled code, named by the hash of what it was compiled from.

Entries are written whole under a temporary name and then renamed, so that readers of any process
see all of an entry or none; each carries its checksum. When the directory outgrows its bound, the
entries used least recently go first. A directory that cannot be written is only read.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import time
from collections.abc import Iterable, Iterator

_DIGEST = 32
_SUFFIX = ".bin"
_TEMPORARY = ".tmp"
_FRESH = 600.0  # seconds during which a use need not be noted again
_STALE = 3600.0  # age of temporary files that a crashed process left
_KEEP = 0.8  # share of the bound that stays after a clean-up

_numbers = itertools.count()


def hash_key(parts: Iterable[str | bytes]) -> str:
    """The key of what the parts describe, in this order."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


class ObjectCache:
    """Bytes by key in `directory`, at most `limit` bytes of them; 0 keeps nothing."""

    def __init__(self, directory: str, limit: int) -> None:
        self.directory = directory
        self.limit = limit
        self._size: int | None = None

    def get(self, key: str) -> bytes | None:
        """The bytes stored under `key`; None when there are none, or when they are damaged."""
        if not self.limit:
            return None
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                content = file.read()
                age = time.time() - os.fstat(file.fileno()).st_mtime
        except OSError:
            return None
        data = content[_DIGEST:]
        if hashlib.sha256(data).digest() != content[:_DIGEST]:
            _remove(path)
            return None
        if age > _FRESH:
            with contextlib.suppress(OSError):
                os.utime(path)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Store bytes under `key`; does nothing where the directory cannot be written."""
        if len(data) + _DIGEST > self.limit:
            return
        path = self._path(key)
        temporary = f"{path}.{os.getpid()}.{next(_numbers)}{_TEMPORARY}"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(hashlib.sha256(data).digest() + data)
            os.replace(temporary, path)
        except OSError:
            _remove(temporary)
            return
        self._grow(len(data) + _DIGEST)

    def _path(self, key: str) -> str:
        return os.path.join(self.directory, key[:2], key[2:] + _SUFFIX)

    def _grow(self, count: int) -> None:
        if self._size is None:
            self._size = sum(size for _, size, _ in self._entries())
        else:
            self._size += count
        if self._size > self.limit:
            self._size = self._clean()

    def _clean(self) -> int:
        """Remove the entries used least recently; other processes may do the same meanwhile."""
        entries = sorted(self._entries(), reverse=True)
        total = 0
        for position, (_, size, path) in enumerate(entries):
            total += size
            if position and total > self.limit * _KEEP:
                _remove(path)
                total -= size
        return total

    def _entries(self) -> Iterator[tuple[float, int, str]]:
        """(time of last use, bytes, path) of every entry; old temporary files are removed."""
        now = time.time()
        for folder, _, names in os.walk(self.directory):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    status = os.stat(path)
                    if name.endswith(_SUFFIX):
                        yield status.st_mtime, status.st_size, path
                    elif name.endswith(_TEMPORARY) and now - status.st_mtime > _STALE:
                        _remove(path)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.remove(path)
