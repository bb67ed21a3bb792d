"""Every function is within its ulps over the full range, in NumPy and in native code."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from graphdl.kernel.math import exponential, trigonometry
from graphdl.typesystem.dtype import DType, float32, float64
from tools.ulp import FUNCTIONS, compiled_function, expanded_function, inputs_for, measure

LIMITS = {float32: 2.0, float64: 4.0}
COUNTS = {float32: 20_000, float64: 300}


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_expansions_are_within_their_ulps(name: str, dtype: DType) -> None:
    found = measure(name, dtype, COUNTS[dtype])
    assert found.largest <= LIMITS[dtype], str(found)


@pytest.mark.nightly
@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_expansions_are_within_their_ulps_on_many_inputs(name: str, dtype: DType) -> None:
    found = measure(name, dtype, 1_000_000 if dtype == float32 else 20_000)
    assert found.largest <= LIMITS[dtype], str(found)


@pytest.mark.parametrize("name", ["exp", "tanh", "erf", "log1p", "sin", "power"])
def test_native_code_has_the_bits_of_the_expansion(name: str) -> None:
    count = FUNCTIONS[name].operands
    arrays = [inputs_for(float32, 3000, FUNCTIONS[name].limit, seed) for seed in range(count)]
    expected = expanded_function(name, float32)(*arrays)
    got = compiled_function(name, float32)(*arrays)
    np.testing.assert_array_equal(got, expected)
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[is_number]), np.signbit(expected[is_number]))


SPECIAL: dict[str, list[tuple[float, ...]]] = {
    "exp": [(-math.inf, 0.0), (math.inf, math.inf), (0.0, 1.0), (89.0, math.inf), (-104.0, 0.0)],
    "expm1": [(-math.inf, -1.0), (-0.0, -0.0), (1e-45, 1e-45), (math.inf, math.inf)],
    "log": [(0.0, -math.inf), (-0.0, -math.inf), (-1.0, math.nan), (math.inf, math.inf)],
    "log1p": [(-1.0, -math.inf), (-0.0, -0.0), (-2.0, math.nan), (1e-45, 1e-45)],
    "tanh": [(math.inf, 1.0), (-math.inf, -1.0), (-0.0, -0.0), (1e-45, 1e-45)],
    "logistic": [(-math.inf, 0.0), (math.inf, 1.0), (0.0, 0.5)],
    "sin": [(-0.0, -0.0), (math.inf, math.nan), (1e-45, 1e-45)],
    "cos": [(0.0, 1.0), (-math.inf, math.nan)],
    "asin": [(1.0, math.pi / 2), (-0.0, -0.0), (1.1, math.nan)],
    "acos": [(1.0, 0.0), (-1.0, math.pi), (-1.1, math.nan)],
    "atan": [(math.inf, math.pi / 2), (-0.0, -0.0)],
    "erf": [(math.inf, 1.0), (-math.inf, -1.0), (-0.0, -0.0)],
    "sinh": [(-math.inf, -math.inf), (-0.0, -0.0)],
    "cosh": [(-math.inf, math.inf), (0.0, 1.0)],
    "rsqrt": [(0.0, math.inf), (math.inf, 0.0), (-1.0, math.nan)],
    "power": [
        (0.0, 0.0, 1.0), (math.nan, 0.0, 1.0), (1.0, math.nan, 1.0), (-1.0, math.inf, 1.0),
        (-2.0, 3.0, -8.0), (-2.0, 0.5, math.nan), (-0.0, -3.0, -math.inf), (0.0, -2.0, math.inf),
        (-math.inf, 3.0, -math.inf), (-math.inf, -0.5, 0.0), (0.5, math.inf, 0.0),
    ],
    "atan2": [
        (0.0, -1.0, math.pi), (-0.0, -1.0, -math.pi), (0.0, 0.0, 0.0), (-0.0, 0.0, -0.0),
        (0.0, -0.0, math.pi), (math.inf, math.inf, math.pi / 4), (1.0, 0.0, math.pi / 2),
        (-1.0, math.inf, -0.0), (math.nan, 1.0, math.nan),
    ],
}  # fmt: skip


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("name", SPECIAL)
def test_special_values(name: str, dtype: DType) -> None:
    function = expanded_function(name, dtype)
    for *operands, wanted in SPECIAL[name]:
        arrays = [np.array([operand], dtype.numpy) for operand in operands]
        if dtype == float64 and name == "exp":
            arrays = [array * 10 for array in arrays]  # the limits lie further out
        (got,) = function(*arrays)
        expected = dtype.numpy.type(wanted)
        assert got == expected or (np.isnan(got) and np.isnan(expected)), operands
        assert np.isnan(got) or np.signbit(got) == np.signbit(expected), operands


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sines_stay_within_their_bounds(name: str, dtype: DType) -> None:
    far = np.array([1e8, 1e20, 3e38, -7e30], dtype.numpy)
    peaks = (np.arange(20_000) * (np.pi / 2)).astype(dtype.numpy)
    near = np.linspace(-1e-3, 1e-3, 20_000).astype(dtype.numpy)
    everything = np.concatenate([far, peaks, near, near + dtype.numpy.type(np.pi / 2)])
    assert (np.abs(expanded_function(name, dtype)(everything)) <= 1).all()


def test_a_wrong_coefficient_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = exponential._SINGLE
    wide = (*tables.wide[:-1], tables.wide[-1] * 1.01)
    monkeypatch.setattr(exponential, "_SINGLE", replace(tables, wide=wide))
    assert measure("exp", float32, 2000).largest > 2


def test_a_reduction_with_too_few_bits_of_pi_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = trigonometry._SINGLE
    monkeypatch.setattr(trigonometry, "_SINGLE", replace(tables, pi=(*tables.pi[:2], 0.0)))
    assert measure("sin", float32, 100_000).largest > 2
