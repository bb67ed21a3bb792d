"""gd.random: keys, generators and distributions (see `ops/functions/random.py`)."""

from __future__ import annotations

from graphdl.errors import hides_internal_frames
from graphdl.ops.functions import random as functions

Generator = functions.Generator
bernoulli = hides_internal_frames(functions.bernoulli)
bits = hides_internal_frames(functions.bits)
default_generator = functions.default_generator
fold_in = hides_internal_frames(functions.fold_in)
key = hides_internal_frames(functions.key)
normal = hides_internal_frames(functions.normal)
randint = hides_internal_frames(functions.randint)
seed = hides_internal_frames(functions.seed)
split = hides_internal_frames(functions.split)
uniform = hides_internal_frames(functions.uniform)

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
