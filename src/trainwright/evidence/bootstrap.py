"""Intervals by the bootstrap: units are redrawn whole, every metric of every prediction is computed on the same draws.

Takes    judges (predictions with their truth), formulas, a number of draws.
Gives    a 95 % interval for each value and for each paired difference: BCa (bias-corrected and accelerated).
Why      units: rows of one patient are no new evidence for each other. Not stratified: the interval shall say what another sample of this
         size would give, and there the shares of the classes move too; whole groups could not be stratified anyway. A draw in which a metric is
         not defined (a class is missing) is left out of that metric's interval.
         BCa rather than percentiles: areas near 1 and rare classes give skewed draws, which percentiles cover unevenly.
Source   Efron (1987), JASA 82(397), 171-185; draws of whole units: Davison & Hinkley (1997), Bootstrap Methods, §3.8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np

from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Floats, Rows

LEVEL = 0.95
MOST_UNITS = 20_000  # more units are put into this many random blocks, which are then drawn whole
LEFT_OUT = 200  # blocks of the jackknife that gives the acceleration
CELLS = 1 << 18  # draws × rows of one chunk: 2 MB, which stays in a processor's cache
MOST_UNDEFINED = 0.05  # share of draws without a value beyond which there is no interval

_NORMAL = NormalDist()

Statistic = Callable[[Floats], Floats]
"""From counts (draws, units) to values (statistics, draws), NaN where not defined."""


def blocks(unit: Rows, units: int, seed: int, most: int | None = None) -> tuple[Rows, int]:
    """Units in at most `most` random blocks (MOST_UNITS when not said): (block of each row, blocks). With few units, each is its own block.

    The mean square between random blocks is unbiased for the variance between units, with a relative error of √(2 / blocks): 1 % of MOST_UNITS.
    """
    most = MOST_UNITS if most is None else most
    if units <= most:
        return unit, units
    block_of = np.empty(units, dtype=np.int64)
    block_of[rng_for(seed, "evidence", "blocks").permutation(units)] = np.arange(units) * most // units
    return block_of[unit], most


def counts_of_draws(units: int, draws: int, seed: int, chunk: int) -> Iterator[Floats]:
    """How often each unit occurs in each draw of `units` units with replacement: chunks of (draws, units)."""
    rng = rng_for(seed, "evidence", "draws")
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        drawn = rng.integers(0, units, size=(size, units))
        drawn += np.arange(size)[:, None] * units
        yield np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units).astype(np.float64)


def counts_left_out(units: int, seed: int, chunk: int) -> Iterator[Floats]:
    """The sample without one block of units at a time: chunks of (blocks, units). With few units a block is one unit."""
    many = min(units, LEFT_OUT)
    block = np.arange(units) if units == many else rng_for(seed, "evidence", "left out").permutation(units) % many
    for start in range(0, many, chunk):
        yield (block[None, :] != np.arange(start, min(start + chunk, many))[:, None]).astype(np.float64)


def draw(statistic: Statistic, *, units: int, rows: int, draws: int, seed: int) -> tuple[Floats, Floats]:
    """(statistics, draws) under the bootstrap, and (statistics, blocks) under the jackknife. Memory is bounded by the chunk."""
    chunk = max(1, CELLS // max(units, rows, 1))
    drawn = [statistic(counts) for counts in counts_of_draws(units, draws, seed, chunk)]
    left = [statistic(counts) for counts in counts_left_out(units, seed, chunk)]
    return np.concatenate(drawn, axis=1), np.concatenate(left, axis=1)


def bca(value: float, drawn: Floats, left_out: Floats) -> tuple[float, float] | None:
    """The BCa interval of one statistic; None when it was not defined in too many draws.

    Takes   its value on the sample, its draws (draws,), its values without each block (blocks,); NaN where not defined.
    """
    known = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or len(known) < (1 - MOST_UNDEFINED) * len(drawn) or len(known) == 0:
        return None
    slack = 1e-12 * max(abs(value), 1e-300)  # the same sum in another order
    share = float(np.mean(known < value - slack) + 0.5 * np.mean(np.abs(known - value) <= slack))
    shift = _NORMAL.inv_cdf(min(max(share, 0.5 / len(known)), 1 - 0.5 / len(known)))
    bend = _acceleration(left_out)
    ends = []
    for side in ((1 - LEVEL) / 2, (1 + LEVEL) / 2):
        at = shift + _NORMAL.inv_cdf(side)
        room = 1 - bend * at
        ends.append(_NORMAL.cdf(shift + at / room) if room > 0.1 else side)
    low, high = np.quantile(known, sorted(ends))
    return _rounded(low), _rounded(high)


def _rounded(end: float) -> float:
    """Nine digits: sums of draws come from matrix products, whose last digits may depend on the machine."""
    return float(f"{end:.9g}")


def _acceleration(left_out: Floats) -> float:
    """A sixth of the skewness of the jackknife's influences. Blocks of units give the same as single ones: skewness falls as their number does."""
    known = left_out[np.isfinite(left_out)]
    if len(known) < 2:
        return 0.0
    influence = known.mean() - known
    square = float(np.sum(influence**2))
    if square <= 1e-24 * max(1.0, float(np.abs(known).max()) ** 2):
        return 0.0
    return float(np.sum(influence**3)) / (6.0 * float(square**1.5))


def exact_share(trials: int) -> float:
    """The lower 95 % bound (two-sided) of a share of which all `trials` were successes.

    Source  Clopper & Pearson (1934), Biometrika 26(4): (α/2)^(1/n).
    """
    return float(((1 - LEVEL) / 2) ** (1 / trials)) if trials > 0 else 0.0
