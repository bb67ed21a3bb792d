"""What gd.print writes."""

from __future__ import annotations

import numpy as np

from graphdl.typesystem.printed_array import printed_line


def test_the_message_stands_before_the_array() -> None:
    assert printed_line("x is", np.array([1, 2])) == "x is [1 2]"
    assert printed_line("x is", np.asarray(True)) == "x is True"


def test_without_a_message_there_is_no_space() -> None:
    assert printed_line("", np.array([1.5, -0.0])) == "[ 1.5 -0. ]"


def test_large_arrays_are_shortened() -> None:
    assert printed_line("", np.arange(64)).count("...") == 0
    assert printed_line("", np.arange(65)) == "[ 0  1  2 ... 62 63 64]"
