"""The difference of two predictions' losses on the same rows, with an interval: what one of them is worth beside the other.

Takes    the loss of each row under both, the unit that a bootstrap draws whole, row weights.
Gives    the mean difference, positive when the first loses less, and its BCa interval over units.
Source   as `bootstrap.py`; a mean of differences needs no draws of each side.
"""

from __future__ import annotations

import numpy as np

from trainwright.evidence import bootstrap
from trainwright.evidence.judged import EPS, truth_of
from trainwright.runtime.columns import Floats, Rows

DRAWS = 1000
BLOCKS = 2000  # more units are drawn in so many blocks: a spread known to 3 % decides as one known to 1 %, and ten times as fast


def row_losses(y: Floats, prediction: Floats, *, classes: int) -> Floats:
    """(rows,) the log loss of the true class, or the squared error; NaN where there is no truth or no prediction.

    Takes   y (rows,) class numbers or values, prediction (rows, outputs). A probability is kept as far from 0 as the log loss metric keeps it.
    """
    known = np.isfinite(y) & np.isfinite(prediction).all(axis=1)
    out = np.full(len(y), np.nan)
    rows = np.flatnonzero(known)
    if classes:
        out[rows] = -np.log(np.clip(prediction[rows, y[rows].astype(np.int64)], EPS, 1 - EPS))
    else:
        out[rows] = (y[rows] - prediction[rows, 0]) ** 2
    return out


def paired_gain(
    first: Floats, second: Floats, *, unit: Rows | None = None, weight: Floats | None = None, seed: int
) -> tuple[float, float, float] | None:
    """(mean of second − first, low, high) over the rows where both are known; None when there are none, or no interval.

    Where no draw differs (the two are the same everywhere) both ends are the value itself.
    """
    rows = np.flatnonzero(np.isfinite(first) & np.isfinite(second))
    if not len(rows):
        return None
    difference = second[rows] - first[rows]
    truth, used = truth_of(difference, None if weight is None else weight[rows], None if unit is None else unit[rows])
    if truth.units == 0:
        return None
    blocks, units = bootstrap.blocks(truth.unit, truth.units, seed, BLOCKS)
    weights = np.bincount(blocks, weights=truth.weight, minlength=units)
    sums = np.bincount(blocks, weights=difference[used] * truth.weight, minlength=units)
    value = float(sums.sum() / weights.sum())

    def mean(counts: Floats) -> Floats:
        below = counts @ weights
        means: Floats = np.divide(counts @ sums, below, out=np.full(len(counts), np.nan), where=below > 0)
        return means[None]

    drawn, left = bootstrap.draw(mean, units=units, rows=units, draws=DRAWS, seed=seed)
    interval = bootstrap.bca(value, drawn[0], left[0])
    return None if interval is None else (value, *interval)
