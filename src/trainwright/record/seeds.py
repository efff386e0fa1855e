"""Randomness by name: each use derives its own generator from the plan's seed and a key, so order and parallelism do not matter.

The key goes in as a digest, not as numbers of its own: numpy's SeedSequence pads short entropy with zeros, so that
[seed, 7] and [seed, 7, 0] would give one and the same stream.
"""

from __future__ import annotations

import hashlib

import numpy as np

from trainwright.record.digests import canonical


def rng_for(seed: int, *key: str | int) -> np.random.Generator:
    """A generator for one purpose: `rng_for(plan.seed, "candidate", 3, "fold", 0)`. Equal keys give equal streams.

    Raises ValueError for a negative seed.
    """
    words = np.frombuffer(hashlib.sha256(canonical(key)).digest(), dtype="<u4")
    return np.random.default_rng([*map(int, words), seed])


def seed_for(seed: int, *key: str | int) -> int:
    """The same as a whole number below 2**31, for libraries that take one."""
    return int(rng_for(seed, *key).integers(2**31))
