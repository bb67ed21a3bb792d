"""Errors in units of the last place, against mpmath at 200 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

Array = np.ndarray[Any, Any]


def most_ulps(found: Array, exact: Callable[..., Any], *arguments: Array) -> float:
    """The largest error in ulps of the exact value, in least steps below the normal numbers."""
    limits = np.finfo(found.dtype)
    worst = 0.0
    with mpmath.workprec(200):
        for got, *given in zip(found.ravel(), *(each.ravel() for each in arguments), strict=True):
            wanted = exact(*(mpmath.mpf(float(each)) for each in given))
            size = max(abs(wanted), mpmath.mpf(float(limits.tiny)))
            unit = mpmath.mpf(2) ** (mpmath.floor(mpmath.log(size, 2)) - limits.nmant)
            worst = max(worst, float(abs(mpmath.mpf(float(got)) - wanted) / unit))
    return worst
