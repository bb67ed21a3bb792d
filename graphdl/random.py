"""gd.random: keys, generators and distributions (see `ops/functions/random.py`)."""

from __future__ import annotations

from graphdl.ops.functions.random import (
    Generator,
    bernoulli,
    bits,
    default_generator,
    fold_in,
    key,
    normal,
    randint,
    seed,
    split,
    uniform,
)

__all__ = [
    "Generator",
    "bernoulli",
    "bits",
    "default_generator",
    "fold_in",
    "key",
    "normal",
    "randint",
    "seed",
    "split",
    "uniform",
]
