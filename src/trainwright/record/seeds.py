"""Randomness by name: each use derives its own generator from the plan's seed and a key, so order and parallelism do not matter."""

from __future__ import annotations

import zlib

import numpy as np


def rng_for(seed: int, *key: str | int) -> np.random.Generator:
    """A generator for one purpose: `rng_for(plan.seed, "candidate", 3, "fold", 0)`. Equal keys give equal streams."""
    return np.random.default_rng([seed, *(part if isinstance(part, int) else zlib.crc32(part.encode()) for part in key)])


def seed_for(seed: int, *key: str | int) -> int:
    """The same as a whole number below 2**31, for libraries that take one."""
    return int(rng_for(seed, *key).integers(2**31))
