"""How many labels are wrong, from how the share of contradicted rows depends on how sure the learner is.

Takes    for each row the class that the learner says, how sure it is, and whether the label is another one.
Gives    the share of wrong labels with its 95 % interval, and for each contradicted row the chance that its label is wrong.
How      a wrong label does not care whether its row is easy: it is as frequent among the surest rows as among the others. A learner's own
         mistakes are not: they die out towards its surest rows. So the share of contradicted rows at the rank u (0 the surest of those that are
         said to be of the same class, 1 the least sure) is noise + own u^k: a floor and what rises above it, as a psychometric function has a
         rate of lapses besides its slope. Likelihood over a grid of noise and k; for given k it is concave in the rest. Rows are counted in
         bins of equal width of u, so the cost does not depend on the rows. The interval is that of the profile likelihood.
Limits   where classes overlap even at the surest rows, the floor is no noise. Whoever asks looks after that (`labels.py`).
Source   Wichmann & Hill (2001), Perception & Psychophysics 63, 1293-1313: lapses; Liu & Tao (2016), IEEE TPAMI 38(3), 447-461: noise from
         the rows of which the class is surest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainwright.runtime.columns import Floats, Rows

BINS = 64
NOISES = np.concatenate([[0.0], np.geomspace(1e-3, 0.5, 160)])  # 4 % apart
POWERS = np.array([2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 20.0])  # a learner's own mistakes die out as a square at least
CUT = 3.841  # twice the fall of the log-likelihood at the ends of a 95 % interval: chi-squared with one degree of freedom


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """The share of wrong labels, its interval, and (rows,) the chance that a contradicted row's label is wrong."""

    noise: float
    low: float
    high: float
    wrong: Floats


def ranks(sure: Floats, seems: Rows) -> Floats:
    """(rows,) the rank of each row among those of its class, the surest first, within 0 and 1."""
    result = np.empty(len(sure))
    for number in np.unique(seems).tolist():
        rows = np.flatnonzero(seems == number)
        result[rows[np.argsort(-sure[rows], kind="stable")]] = (np.arange(len(rows)) + 0.5) / len(rows)
    return result


def floor_of(sure: Floats, seems: Rows, other: NDArray[np.bool_]) -> Floor:
    """From how sure the learner is (rows,), the class it says (rows,) and whether the label is another (rows,)."""
    rank = ranks(sure, seems)
    place = np.minimum((rank * BINS).astype(np.int64), BINS - 1)
    rows, against = np.bincount(place, minlength=BINS), np.bincount(place[other], minlength=BINS)
    rise = ((np.arange(BINS) + 0.5) / BINS)[None, :] ** POWERS[:, None]
    own = _own(rise, rows, against)
    likelihood = _likelihood(NOISES[:, None, None] + own[:, :, None] * rise, rows, against)
    power = likelihood.argmax(axis=1)
    profile = likelihood[np.arange(len(NOISES)), power]
    best = int(profile.argmax())
    inside = NOISES[2 * (profile[best] - profile) <= CUT]
    noise = float(NOISES[best])
    mistakes = own[best, power[best]] * rank ** POWERS[power[best]]
    return Floor(noise, float(inside[0]), float(inside[-1]), noise / np.maximum(noise + mistakes, 1e-12))


def _own(rise: Floats, rows: NDArray[np.int64], against: NDArray[np.int64]) -> Floats:
    """(noises, powers) the best height of a learner's own mistakes for each noise and power: where the likelihood's slope is 0, by bisection."""
    low = np.zeros((len(NOISES), len(POWERS), 1))
    high = np.broadcast_to(1 - NOISES[:, None, None], low.shape)
    for _ in range(30):
        middle = (low + high) / 2
        share = np.clip(NOISES[:, None, None] + middle * rise, 1e-9, 1 - 1e-9)
        up = (rise * (against / share - (rows - against) / (1 - share))).sum(axis=2, keepdims=True) > 0
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    return np.asarray(low[:, :, 0])


def _likelihood(share: Floats, rows: NDArray[np.int64], against: NDArray[np.int64]) -> Floats:
    share = np.clip(share, 1e-9, 1 - 1e-9)
    return np.asarray((against * np.log(share) + (rows - against) * np.log1p(-share)).sum(axis=2))
