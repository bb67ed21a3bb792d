"""CPU targets: names, widths and what they refuse."""

from __future__ import annotations

import pytest

from graphdl.backends.cpu.target import (
    executable_targets,
    host_target,
    parse_target,
    with_vector_bits,
)
from graphdl.errors import TargetError


def test_the_host_is_the_default() -> None:
    assert parse_target(None) == parse_target("host") == host_target()


def test_levels_have_their_widths() -> None:
    assert parse_target("x86-64-v3").vector_bits == 256
    assert parse_target("x86-64-v4").vector_bits == 512
    assert parse_target("x86-64-v4/128").lanes(32) == 4
    assert parse_target("x86-64-v3").has("fma")
    assert not parse_target("x86-64-v3").has("avx512f")


def test_widths_of_the_host_go_down_to_128_bits() -> None:
    targets = executable_targets()
    assert targets[0] == host_target()
    assert [target.vector_bits for target in targets][-1] == 128
    assert len({str(target) for target in targets}) == len(targets)


def test_the_register_tile_fits_the_registers() -> None:
    for target in executable_targets():
        registers = 32 if target.vector_bits == 512 else 16
        sums = target.block_rows * target.block_vectors
        assert sums + target.block_vectors + 1 <= registers


@pytest.mark.parametrize("text", ["pentium", "x86-64-v3/512", "host/64", "host/wide", ""])
def test_unknown_targets(text: str) -> None:
    if not text:
        assert parse_target(text) == host_target()
        return
    with pytest.raises(TargetError):
        parse_target(text)


def test_a_narrower_width_is_a_different_target() -> None:
    host = host_target()
    assert with_vector_bits(host, 128) != host
    assert str(with_vector_bits(host, 128)).endswith("/128")
