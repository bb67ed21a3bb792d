"""Special functions: ulps against mpmath, corners against SciPy, derivatives, compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
import torch

from graphdl.autodiff.reverse import grad
from graphdl.errors import ArgumentError
from graphdl.ops.functions import error_functions as errors
from graphdl.ops.functions import gamma_functions as gammas
from graphdl.ops.functions import special as gd
from graphdl.ops.functions.creation import placeholder
from graphdl.ops.functions.reduction import sum as sum_of
from graphdl.ops.functions.series import coefficients
from graphdl.ops.functions.special_tables import ERFC, LGAMMA_AT_2, Series
from tests.plugins.compare import assert_close
from tests.plugins.evaluate import run, run_both
from tests.plugins.gradients import check_gradient
from tests.plugins.native import assert_native
from tests.plugins.ulps import most_ulps

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(0)


def uniform(low: float, high: float, count: int = 120) -> Array:
    return RANDOM.uniform(low, high, count)


def powers(low: float, high: float, count: int = 60) -> Array:
    return np.asarray(10.0 ** RANDOM.uniform(low, high, count))


def exact_erfinv(x: Any) -> Any:
    if abs(x) < 0.99:
        return mpmath.erfinv(x)
    tail = mpmath.log(1 - abs(x))
    start = mpmath.sqrt(-tail)
    found = mpmath.findroot(lambda v: mpmath.log(mpmath.erfc(v)) - tail, start)
    return mpmath.sign(x) * found


def exact_ndtr(x: Any) -> Any:
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def exact_lgamma(x: Any) -> Any:
    return mpmath.re(mpmath.loggamma(x))


NEAR_2 = np.concatenate([1 + powers(-5, -1), 2 - powers(-5, -1), 1.46163 + powers(-5, -1)])
POSITIVE = np.concatenate([uniform(0, 9), powers(-5, 8), NEAR_2])
BELOW_1 = np.concatenate([uniform(-1, 1), 1 - powers(-6, -1)])
PROBABILITY = np.concatenate([uniform(0.001, 0.999), 0.5 + powers(-6, -2)])

SAMPLES: dict[str, tuple[Callable[..., Any], Callable[..., Any], Array, int]] = {
    "erfc": (errors.erfc, mpmath.erfc, np.concatenate([uniform(-3, 8.9), uniform(-0.1, 0.1)]), 4),
    "erfcx": (errors.erfcx, lambda x: mpmath.exp(x * x) * mpmath.erfc(x), uniform(0, 50), 4),
    "erfinv": (errors.erfinv, exact_erfinv, BELOW_1, 4),
    "ndtr": (errors.ndtr, exact_ndtr, uniform(-12, 5), 4),
    "log_ndtr": (errors.log_ndtr, lambda x: mpmath.log(exact_ndtr(x)), uniform(-30, 5), 4),
    "ndtri": (
        errors.ndtri, lambda p: mpmath.sqrt(2) * exact_erfinv(2 * p - 1),
        np.concatenate([PROBABILITY, powers(-12, -1)]), 4),
    "lgamma": (gammas.lgamma, exact_lgamma, POSITIVE, 4),
    "digamma": (gammas.digamma, mpmath.digamma, POSITIVE, 4),
    "trigamma": (
        lambda x: gammas.polygamma(1, x), lambda x: mpmath.polygamma(1, x), uniform(-5, 20), 6),
    "polygamma_3": (
        lambda x: gammas.polygamma(3, x), lambda x: mpmath.polygamma(3, x), uniform(0.01, 20), 8),
    "zeta": (gammas.zeta, mpmath.zeta, uniform(1.01, 15), 8),
    "i0e": (
        gd.i0e, lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(0, x), uniform(-30, 30), 4),
    "i1e": (
        gd.i1e, lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(1, x),
        np.concatenate([uniform(-30, 30), powers(-9, 3)]), 4),
    "logit": (gd.logit, lambda x: mpmath.log(x / (1 - x)), PROBABILITY, 4),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SAMPLES)
def test_errors_stay_below_a_few_ulps(name: str, dtype: Any) -> None:
    function, exact, samples, limit = SAMPLES[name]
    x = samples.astype(dtype)
    assert most_ulps(run(function, x), exact, x) <= limit


def test_a_wrong_coefficient_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = list(ERFC.double)
    terms[3] *= 1 + 1e-13
    wrong = Series(ERFC.single, tuple(terms))
    monkeypatch.setattr(errors, "ERFC", wrong)
    x = uniform(0, 8)
    assert most_ulps(run(errors.erfc, x), mpmath.erfc, x) > 4
    assert coefficients(LGAMMA_AT_2, placeholder("x", (), "float32")) == LGAMMA_AT_2.single


def test_reflected_arguments_err_by_the_larger_term() -> None:
    x = uniform(-9, 0, 300)
    assert_close(run(gammas.lgamma, x), scipy.special.gammaln(x), rtol=1e-13, atol=1e-14)
    assert_close(run(gammas.digamma, x), scipy.special.digamma(x), rtol=1e-12, atol=1e-12)
    a, b = uniform(0.1, 30), uniform(0.1, 30)
    assert_close(run(gammas.betaln, a, b), scipy.special.betaln(a, b), rtol=1e-13, atol=1e-13)
    x = uniform(3, 9)
    found = run(lambda t: gammas.multigammaln(t, 3), x)
    assert_close(found, scipy.special.multigammaln(x, 3), rtol=1e-13)


CORNERS = np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, np.inf, -np.inf, np.nan, 1e300])


@pytest.mark.parametrize(
    "name",
    ["erfc", "erfcx", "erfinv", "ndtr", "log_ndtr", "ndtri", "digamma", "entr", "logit", "i0e",
     "i1e", "i0", "i1"],
)  # fmt: skip
def test_corners_are_scipys(name: str) -> None:
    home = next(each for each in (errors, gammas, gd) if hasattr(each, name))
    corners = CORNERS[CORNERS != 0] if name == "digamma" else CORNERS
    corners = corners[~np.isinf(corners)] if name == "digamma" else corners
    if name in ("i0e", "i1e", "i0", "i1"):
        corners = corners[np.abs(corners) < 1e100]
    with np.errstate(all="ignore"):
        wanted = getattr(scipy.special, name)(corners)
    assert_close(run_both(getattr(home, name), corners), wanted, rtol=1e-12, atol=0)


def test_poles() -> None:
    x = np.array([0.0, -0.0, -1.0, -5.0, np.inf, -np.inf])
    assert np.isposinf(run(gammas.lgamma, x)).all()
    assert np.isnan(run(gammas.digamma, x[2:4])).all()
    assert np.isneginf(run(gammas.digamma, x[:1])).all()
    found = run(gammas.zeta, np.array([1.0, 0.5, 2.0, 2.0]), np.array([1.0, 1.0, 0.0, -1.0]))
    np.testing.assert_array_equal(found, [np.inf, np.nan, np.inf, np.nan])


PAIR = tuple(each.ravel() for each in np.meshgrid(CORNERS, CORNERS))


@pytest.mark.parametrize("name", ["xlogy", "xlog1py", "rel_entr", "kl_div"])
def test_pairs_of_corners_are_scipys(name: str) -> None:
    x, y = PAIR
    with np.errstate(all="ignore"):
        wanted = getattr(scipy.special, name)(x, y)
        keep = np.isfinite(wanted) | (name in ("xlogy", "xlog1py"))
    found = run_both(getattr(gd, name), x, y)
    assert_close(found[keep], wanted[keep], rtol=1e-12)
    a, b = uniform(0.1, 3), uniform(0.1, 3)
    assert_close(run(getattr(gd, name), a, b), getattr(scipy.special, name)(a, b), atol=1e-12)


SMOOTH: list[tuple[Callable[..., Any], Array, int]] = [
    (errors.erfc, uniform(-2, 3, 12), 2),
    (errors.erfcx, uniform(-1, 5, 12), 2),
    (errors.erfinv, uniform(-0.9, 0.9, 12), 2),
    (errors.ndtr, uniform(-3, 3, 12), 2),
    (errors.log_ndtr, uniform(-9, 3, 12), 2),
    (errors.ndtri, uniform(0.1, 0.9, 12), 2),
    (gammas.lgamma, uniform(0.3, 12, 12), 3),
    (gammas.lgamma, uniform(-2.9, -2.1, 12), 2),
    (gammas.digamma, uniform(0.5, 12, 12), 2),
    (lambda x: gammas.polygamma(2, x), uniform(0.7, 9, 12), 1),
    (lambda x: gammas.zeta(x, x + 1), uniform(1.5, 5, 12), 2),
    (gd.i0e, uniform(0.1, 12, 12), 2),
    (gd.i1e, uniform(-12, -0.1, 12), 2),
    (gd.i0, uniform(-3, 3, 12), 2),
    (gd.i1, uniform(-3, 3, 12), 2),
    (gd.logit, uniform(0.1, 0.9, 12), 2),
    (gd.entr, uniform(0.1, 3, 12), 2),
    (lambda x: gd.rel_entr(x, x * x + 1), uniform(0.1, 3, 12), 2),
    (lambda x: gd.kl_div(x * x + 1, x), uniform(0.1, 3, 12), 2),
    (lambda x: gd.xlogy(x, x + 1), uniform(0.1, 3, 12), 2),
    (lambda x: gd.xlog1py(x + 1, x), uniform(0.1, 3, 12), 2),
]


@pytest.mark.parametrize("case", SMOOTH, ids=range(len(SMOOTH)))
def test_derivatives_equal_finite_differences(case: Any) -> None:
    function, x, order = case
    check_gradient(function, x, order=order, tolerance=1e-5)


def test_derivatives_at_corners_are_pytorchs() -> None:
    x = torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.0, 3.0, 3.0], dtype=torch.float64, requires_grad=True)
    torch.xlogy(x, y).sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    data = x.detach().numpy(), y.detach().numpy()
    found = run(lambda a, b: grad(sum_of(gd.xlogy(a, b)), [a, b]), *data)
    assert_close(found[0], x.grad.numpy())
    assert_close(found[1], [0.0, 0.0, 2 / 3])
    zero = np.zeros((2,))
    assert_close(run(lambda t: grad(sum_of(gd.i1(t)), t), zero), [0.5, 0.5])
    assert_close(run(lambda t: grad(sum_of(gd.i0(t)), t), zero), [0, 0])


def test_dtypes_shapes_and_errors() -> None:
    assert gammas.lgamma(placeholder("x", (2,), "int8")).dtype.name == "float32"
    for dtype, digits in ((np.float16, 1e-3), (np.float32, 1e-6)):
        x = np.array([0.25, 0.5, 0.75], dtype)
        for function in (errors.erfc, errors.erfinv, gammas.digamma, gd.i0e, gd.logit):
            wanted = run(function, x.astype(np.float64))
            assert_close(run(function, x), wanted, rtol=digits)
            assert run(function, x).dtype == dtype
    assert run(gammas.lgamma, np.zeros((0, 3))).shape == (0, 3)
    with pytest.raises(ArgumentError, match="polygamma: the order must not be negative, got -1"):
        gammas.polygamma(-1, placeholder("x", ()))
    with pytest.raises(
        ArgumentError, match="multigammaln: the dimension must be at least 1, got 0"
    ):
        gammas.multigammaln(placeholder("x", ()), 0)


def test_compiled_code_is_the_interpreters() -> None:
    def everything(x: Any) -> Any:
        results = [errors.erfc(x), errors.erfinv(x), errors.ndtri(x), errors.log_ndtr(x),
                   gammas.lgamma(x), gammas.digamma(x), gd.i0e(x), gd.i1e(x), gd.logit(x),
                   gd.xlogy(x, x + 1), gd.entr(x)]  # fmt: skip
        return [*results, grad(sum_of(sum(results)), x), gammas.zeta(x + 1.5, x)]

    x = uniform(0.05, 0.95, 9)
    assert_native(everything, x, rtol=1e-11)
    assert_native(everything, x.astype(np.float32), rtol=1e-4)
