"""Philox against the published test vectors, and its place in the op."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphdl.errors import DTypeError, ShapeError
from graphdl.ops.random import philox
from graphdl.ops.table import OPS
from graphdl.typesystem.dtype import float32, uint32
from graphdl.typesystem.tensor_type import TensorType
from tests.plugins.cases import cases_of

VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
"""Random123's known answers for philox4x32-10."""


@pytest.mark.parametrize(("counter", "key", "wanted"), VECTORS, ids=["zeros", "ones", "pi"])
def test_philox_gives_the_published_words(counter: Any, key: Any, wanted: Any) -> None:
    words = philox(tuple(np.array([word], np.uint32) for word in counter), key)  # type: ignore[arg-type]
    assert tuple(int(word[0]) for word in words) == wanted


def test_elements_are_words_of_blocks() -> None:
    for case in cases_of("random_bits"):
        key, counter = case.arrays
        assert case.op.reference is not None
        bits = case.op.reference(key, counter, **case.attributes).ravel()
        for element, value in enumerate(bits.tolist()):
            block = tuple(
                np.array([word], np.uint32) for word in (element // 4, 0, counter[0], counter[1])
            )
            words = philox(block, (int(key[0]), int(key[1])))  # type: ignore[arg-type]
            assert value == int(words[element % 4][0])


def test_the_type_rule_refuses_by_its_constraints() -> None:
    infer = OPS["random_bits"].infer
    word = TensorType(uint32, (2,))
    assert infer(word, word, shape=(3,)) == (TensorType(uint32, (3,)),)
    with pytest.raises(DTypeError, match=r"\(C1\): the key must be uint32"):
        infer(TensorType(float32, (2,)), word, shape=(3,))
    with pytest.raises(ShapeError, match=r"\(C2\): the counter must be uint32\[2\]"):
        infer(word, TensorType(uint32, (3,)), shape=(3,))


def test_a_wrong_number_of_rounds_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphdl.ops.random.ROUNDS", 9)
    counter, key, wanted = VECTORS[0]
    words = philox(tuple(np.array([word], np.uint32) for word in counter), key)  # type: ignore[arg-type]
    assert tuple(int(word[0]) for word in words) != wanted
