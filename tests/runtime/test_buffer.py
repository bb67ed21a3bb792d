"""The lock word that variables share with compiled code."""

from __future__ import annotations

import ctypes
import threading

import numpy as np

from graphdl.runtime.buffer import WRITING, StateWord
from graphdl.runtime.variable import VariableStorage


def test_readers_share_and_a_writer_excludes() -> None:
    word = StateWord()
    with word.reading(), word.reading():
        assert word.value == 2
    with word.writing():
        assert word.value == -WRITING
    assert word.value == 0


def test_the_word_lies_at_its_address() -> None:
    word = StateWord()
    with word.reading():
        assert ctypes.c_int64.from_address(word.address).value == 1


def test_writers_come_one_after_the_other() -> None:
    word = StateWord()
    counts = [0]

    def add() -> None:
        for _ in range(200):
            with word.writing():
                before = counts[0]
                counts[0] = before + 1

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [600]
    assert word.value == 0


def test_a_read_waits_for_a_writer() -> None:
    storage = VariableStorage("w", np.zeros(3, np.float32))
    seen: list[float] = []
    reader = threading.Thread(target=lambda: seen.append(float(storage.read()[0])))
    with storage.word.writing():
        reader.start()
        reader.join(timeout=0.05)
        assert not seen
        storage.array[...] = 7
    reader.join()
    assert seen == [7.0]
