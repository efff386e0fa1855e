"""Truth and one prediction, summed up so that a metric of any number of redrawn samples is a few matrix products.

Takes    y (rows,), one prediction (rows, outputs), row weights, and for each row the number of the unit it is drawn with.
Gives    `Judged`, which makes `Batch`es: for counts (draws, units) the weighted sums, each (draws,) or (draws, classes), that the metrics
         in `metrics.py` are formulas of. A batch of one draw of ones is the sample itself, so a metric's value and its bootstrap are one formula.
Why      sums cost one product `counts @ sums` for all draws; metrics of the ranking need the rows in order, which is sorted once and then
         only weighted: nothing is sorted again in a draw.
Source   the ranking's projections: Hájek (1968), Ann. Math. Stat. 39(2); for the area under the curve DeLong et al. (1988), Biometrics 44(3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trainwright.runtime.columns import Floats, Rows

EXACT_RANKS = 120_000  # rows × rankings up to which each draw ranks anew; beyond, the ranking's first-order terms are drawn (see `Ranking.linear`)
EPS = float(np.finfo(np.float64).eps)  # probabilities are kept this far from 0 and 1 in the logarithm, as scikit-learn does


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the predictions are judged by. Rows of weight zero must have been taken out."""

    y: Floats  # (rows,) class numbers or values
    weight: Floats | None  # (rows,) above zero
    unit: Rows  # (rows,) 0 … units-1: rows of one unit are drawn together
    units: int

    @classmethod
    def plain(cls, y: Floats, weight: Floats | None) -> Truth:
        """Each row a unit of its own."""
        return cls(y, weight, np.arange(len(y)), len(y))

    @property
    def one_each(self) -> bool:
        """Whether row i is unit i, so that a unit's sums are the row's."""
        return self.units == len(self.y) and bool(np.array_equal(self.unit, np.arange(self.units)))


class Ranking:
    """The rows in the order of one score, highest first, with what each draw needs to weigh them."""

    def __init__(self, score: Floats, positive: Floats) -> None:
        self.order = np.argsort(-score, kind="stable")
        ranked = score[self.order]
        start = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])  # first row of each group of equal scores
        last = np.r_[start[1:], len(ranked)] - 1
        self.at = np.flatnonzero(positive[self.order] > 0)  # places of the positive rows
        groups = np.searchsorted(start, self.at, side="right") - 1
        used, self.first = np.unique(groups, return_index=True)  # groups with a positive row, and its first place in `at`
        self.before, self.end = start[used] - 1, last[used]
        self.ties = len(used) < len(self.at)

    def areas(self, weights: Floats) -> tuple[Floats, Floats]:
        """ROC AUC and average precision under each row of weights (draws, rows); NaN where a class has no weight.

        AUC = Σ_t pos_t·(neg below t + ½ neg in t) / (P·N), over groups t of equal scores; AP = Σ_t pos_t/P · (pos down to t / all down to t).
        """
        draws = len(weights)
        if len(self.at) == 0:
            return np.full(draws, np.nan), np.full(draws, np.nan)
        ranked = np.take(weights, self.order, axis=1)
        positive = np.take(ranked, self.at, axis=1)
        if self.ties:
            positive = np.add.reduceat(positive, self.first, axis=1)
        upto = np.cumsum(ranked, axis=1)
        all_down_to = np.take(upto, self.end, axis=1)
        before = np.where(self.before >= 0, np.take(upto, np.maximum(self.before, 0), axis=1), 0.0)
        found = np.cumsum(positive, axis=1)
        P = found[:, -1]
        N = upto[:, -1] - P
        tied = all_down_to - before - positive  # negatives of the same score
        below = N[:, None] - (all_down_to - found)
        with np.errstate(divide="ignore", invalid="ignore"):
            auc = np.einsum("dg,dg->d", positive, below + 0.5 * tied) / (P * N)
            precision = np.divide(found, all_down_to, out=np.zeros_like(found), where=all_down_to > 0)
            ap = np.einsum("dg,dg->d", positive, precision) / P
        few = np.abs(N) <= 1e-12 * upto[:, -1]  # a difference of two sums: no negative may leave a rounding error
        auc[few] = np.nan
        return auc, ap

    def linear(self, positive: Floats, weight: Floats) -> tuple[Floats, Floats]:
        """For each row (in its own order): its placement, and the derivative of average precision by its weight.

        A positive row's placement is the share of negatives that it beats (a tie is half), a negative row's the share of positives that
        beat it. Their weighted means over redrawn rows give the redrawn AUC up to terms of order 1/rows: mean + mean − AUC.
        """
        w, y = weight[self.order], positive[self.order]
        score_group = np.zeros(len(w), dtype=np.int64)
        return _linear(w, y, self._groups(score_group), self.order)

    def _groups(self, groups: Rows) -> Rows:
        groups[self._starts[1:]] = 1
        out: Rows = np.cumsum(groups)
        return out

    @cached_property
    def _starts(self) -> Rows:
        raise NotImplementedError
