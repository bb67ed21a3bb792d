"""Derivatives of random costs are the slopes of the costs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from graphdl.graph.nodes import Tensor
from tests.fuzz.derivatives import check_derivative
from tests.fuzz.random_cases import smooth_costs

SmoothCost = tuple[Tensor, list[Tensor], int]


@settings(max_examples=100)
@given(smooth_costs())
def test_derivatives_are_slopes(case: SmoothCost) -> None:
    check_derivative(*case)


@pytest.mark.nightly
@settings(max_examples=1000, derandomize=False)
@given(smooth_costs(most_steps=15))
def test_many_derivatives_are_slopes(case: SmoothCost) -> None:
    check_derivative(*case)
