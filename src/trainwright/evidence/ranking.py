"""The order of the rows by one score: ROC AUC and average precision of any number of weightings, without sorting again.

Takes    a score for each row, and which rows are positive.
Gives    both areas for each row of a matrix of weights (draws, rows); and, for very many rows, the first-order terms to do without that matrix.
Source   Mann & Whitney (1947), Ann. Math. Stat. 18(1), for the area; its first-order terms are the structural components of
         DeLong et al. (1988), Biometrics 44(3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainwright.runtime.columns import Floats

Counts = NDArray[np.uint8]


class Ranking:
    """Rows sorted once, highest score first; equal scores make a group."""

    def __init__(self, score: Floats, positive: NDArray[np.bool_]) -> None:
        self.order = np.argsort(-score, kind="stable")
        ranked = score[self.order]
        self.start = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])  # first place of each group
        self.last = np.r_[self.start[1:], len(ranked)] - 1
        self.positive = positive[self.order]
        self.at = np.flatnonzero(self.positive)  # places of the positive rows
        used, self.first = np.unique(np.searchsorted(self.start, self.at, side="right") - 1, return_index=True)
        self.before, self.end = self.start[used] - 1, self.last[used]  # of the groups with a positive row
        self.ties = len(used) < len(self.at)
        self.alone = bool((self.end - self.before == 1).all())  # no positive row is tied with any other

    def areas(self, weights: Floats | Counts) -> tuple[Floats, Floats]:
        """ROC AUC and average precision, each (draws,), under weights (draws, rows); NaN where a class has no weight.

        Whole weights give the same areas in bytes and in floats, to the last digit.
        AUC = Σ_t pos_t·(neg below t + ½ neg in t) / (P·N) over groups t of equal score; AP = Σ_t pos_t·(pos down to t) / (all down to t) / P.
        """
        if len(self.at) == 0:
            return np.full(len(weights), np.nan), np.full(len(weights), np.nan)
        ranked = np.take(weights, self.order, axis=1)
        positive = np.take(ranked, self.at, axis=1).astype(np.float64, copy=False)
        if self.ties:
            positive = np.add.reduceat(positive, self.first, axis=1)
        summed = ranked.astype(np.int32) if ranked.dtype == np.uint8 else ranked
        np.cumsum(summed, axis=1, out=summed)
        down_to = np.take(summed, self.end, axis=1).astype(np.float64, copy=False)
        found = np.cumsum(positive, axis=1)
        P, whole = found[:, -1], summed[:, -1].astype(np.float64)
        N = whole - P
        above = down_to - found  # negatives above each positive row
        if not self.alone:  # a tie is half
            before = np.take(summed, np.maximum(self.before, 0), axis=1).astype(np.float64, copy=False)
            before[:, self.before < 0] = 0.0
            above = 0.5 * (above + (before - found + positive))
        beaten = np.subtract(N[:, None], above, out=above)
        with np.errstate(divide="ignore", invalid="ignore"):
            area = np.einsum("dg,dg->d", positive, beaten) / (P * N)
            precision = np.divide(found, down_to, out=np.zeros_like(found), where=down_to > 0)
            average = np.einsum("dg,dg->d", positive, precision) / P
        area[np.abs(N) <= 1e-12 * whole] = np.nan  # N is a difference: no negatives may leave a rounding error
        return area, average

    def placements(self, weight: Floats) -> Floats:
        """For each row, in its own order: of a positive one the share of negatives that it beats, of a negative one the share of positives that
        beat it (a tie is half). Their weighted means over redrawn positives and negatives, less the AUC, are the redrawn AUC up to terms of 1/rows.
        """
        w = weight[self.order]
        pos, neg = np.where(self.positive, w, 0.0), np.where(self.positive, 0.0, w)
        group = np.searchsorted(self.start, np.arange(len(w)), side="right") - 1
        pos_in, neg_in = np.add.reduceat(pos, self.start), np.add.reduceat(neg, self.start)
        pos_upto, neg_upto = np.cumsum(pos_in), np.cumsum(neg_in)
        beaten = (neg_upto[-1] - neg_upto + 0.5 * neg_in) / max(neg_upto[-1], np.finfo(float).tiny)
        beating = (pos_upto - 0.5 * pos_in) / max(pos_upto[-1], np.finfo(float).tiny)
        out = np.empty(len(w))
        out[self.order] = np.where(self.positive, beaten[group], beating[group])
        return out

    def precision_terms(self, weight: Floats) -> Floats:
        """For each row, in its own order, the derivative of average precision by that row's weight.

        With C_t the positives and A_t all rows down to group t, AP = Σ_t pos_t·C_t/A_t / P; a weight in group g moves every t from g on:
        dAP/dw = [y·C_g/A_g + Σ_{t≥g} pos_t·(y/A_t − C_t/A_t²)] / P − y·AP/P.
        """
        w = weight[self.order]
        group = np.searchsorted(self.start, np.arange(len(w)), side="right") - 1
        pos = np.add.reduceat(np.where(self.positive, w, 0.0), self.start)
        C, A = np.cumsum(pos), np.cumsum(np.add.reduceat(w, self.start))
        P = C[-1]
        if not P > 0:
            return np.full(len(w), np.nan)
        ap = float((pos * C / A).sum() / P)
        from_here = np.cumsum((pos / A)[::-1])[::-1], np.cumsum((pos * C / A**2)[::-1])[::-1]
        y = self.positive.astype(float)
        out = np.empty(len(w))
        out[self.order] = (y * (C / A)[group] + y * from_here[0][group] - from_here[1][group]) / P - y * ap / P
        return out
