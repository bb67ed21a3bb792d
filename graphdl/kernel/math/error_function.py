"""erf: 1 - e**-y with y = -log(erfc(|x|)), which a polynomial times |x| gives in full.

Near 0, y is |x| (1 + g) with a small g, and e**-y - 1 is accurate, so one formula serves all of x.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphdl.kernel.math.emitter import Emitter
from graphdl.kernel.math.exponential import emit_decay, with_sign
from graphdl.kernel.nodes import Value


@dataclass(frozen=True, slots=True)
class _Tables:
    """-log(erfc(x)) is x + x * growth(x) for 0 <= x <= highest, where erf(x) rounds to 1."""

    highest: float
    growth: tuple[float, ...]


_SINGLE = _Tables(
    highest=3.925,
    growth=(
        0.12837916612625122,
        0.6366195678710938,
        0.10277629643678665,
        -0.01914777047932148,
        -0.00016963631787803024,
        0.0016758313868194818,
        -0.0006374540971592069,
        0.00011888687731698155,
        -9.390681043441873e-06,
    ),
)
_DOUBLE = _Tables(
    highest=5.925,
    growth=(
        0.12837916709551256,
        0.6366197723675866,
        0.1027726033016122,
        -0.019128447000818075,
        -0.00020919474943820198,
        0.0016962068148698472,
        -0.0005901278001470779,
        2.5886901650364427e-05,
        6.446938201193484e-05,
        -2.967804629429654e-05,
        3.334621021596765e-06,
        2.925088675521637e-06,
        -1.8298778427948736e-06,
        4.057003254481852e-07,
        9.347535860981775e-08,
        -1.1960132623007472e-07,
        5.670944114812446e-08,
        -1.802607149369934e-08,
        4.2410424496257976e-09,
        -7.561194884668578e-10,
        1.0153019994896704e-10,
        -9.984132068315977e-12,
        6.796457116567106e-13,
        -2.863256411956053e-14,
        5.62309516732948e-16,
    ),
)


def emit_erf(e: Emitter, x: Value) -> Value:
    """The error function."""
    tables = _SINGLE if e.is_single else _DOUBLE
    bounded = e.share(e.at_most(e.magnitude(x), tables.highest))
    decay = e.share(e.fma(e.polynomial(bounded, tables.growth), bounded, bounded))
    return with_sign(e, emit_decay(e, decay), e.sign_of(x))
