"""Who uses a block of memory: the lock word that variables share with compiled code.

A word is 0 when nobody uses the memory, n while n readers do, and at most `-WRITING + readers that
are about to give up` while a writer does. It changes only under the GIL, by one C call at a time,
so compiled code that holds the GIL can test and change it without atomic instructions.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

WRITING = 1 << 32
"""What a writer subtracts from the word."""

_PAUSE = 20e-6


class StateWord:
    """A readers-writer lock in one 64-bit word at a fixed address.

    Compiled functions take it while they run without the GIL. Not reentrant: a thread that writes
    must not read or write again before it has left.
    """

    __slots__ = ("_word", "address")

    def __init__(self) -> None:
        self._word = np.zeros((), np.int64)
        self.address: int = self._word.ctypes.data

    @property
    def value(self) -> int:
        """The present word."""
        return int(self._word)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Wait until nobody writes; several readers may be inside."""
        self._enter(1, lambda word: word > 0)
        try:
            yield
        finally:
            self._add(-1)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Wait until nobody reads or writes; one writer may be inside."""
        self._enter(-WRITING, lambda word: word == -WRITING)
        try:
            yield
        finally:
            self._add(WRITING)

    def _enter(self, amount: int, is_free: object) -> None:
        assert callable(is_free)
        while not is_free(self._add(amount)):
            self._add(-amount)
            time.sleep(_PAUSE)

    def _add(self, amount: int) -> int:
        """Change the word; one C call under the GIL, so no other thread comes between."""
        return int(np.add(self._word, amount, out=self._word))
