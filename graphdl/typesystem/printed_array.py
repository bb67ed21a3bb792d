"""What `gd.print` writes, on every target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_WHOLE = 64
"""Elements up to which an array is shown in full."""


def printed_line(message: str, array: NDArray[Any]) -> str:
    """The message, then the array; of a large one the first and last elements of each axis."""
    body = np.array2string(array, threshold=_WHOLE, edgeitems=3)
    return f"{message} {body}" if message else body
