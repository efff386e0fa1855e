"""Truth and one prediction, summed up so that a metric of any number of redrawn samples is a few matrix products.

Takes    y (rows,), one prediction (rows, outputs), row weights, and for each row the number of the unit that it is drawn with.
Gives    a judge, which makes batches: for counts (draws, units) the weighted sums, (draws,) or (draws, classes), that the metrics in
         `metrics.py` are formulas of. A batch of one draw of ones is the sample itself: a metric's value and its bootstrap are one formula.
Cost     draws · units · (3 classes + 2) multiplications, and for metrics of the ranking draws · rows for each class.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trainwright.evidence.ranking import Counts, Ranking
from trainwright.runtime.columns import Floats, Rows

Threshold = Floats | float | None  # the probability from which the second of two classes is said: for each row, for all, or the likeliest class

# Up to both of these each draw ranks anew; beyond either, the rankings' first-order terms are drawn, whose error falls with the rarer side.
EXACT_RANKS = 40_000  # rows × rankings
EXACT_PAIRED = 5_000  # rows of the rarer side, positive or negative, in every ranking
MOST_IN_A_BYTE = 255
MOST_ROWS_OF_BYTES = 1 << 23  # whose sum is kept in 32 bits
EPS = float(np.finfo(np.float64).eps)  # probabilities are kept this far from 0 and 1 in a logarithm, as scikit-learn does


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What predictions are judged by. Rows of weight zero have been taken out."""

    y: Floats  # (rows,) class numbers or values
    weight: Floats  # (rows,) above zero
    unit: Rows  # (rows,) 0 … units-1: rows of one unit are drawn together
    units: int

    def per_unit(self, values: Floats) -> Floats:
        """Weighted sum of a row quantity (rows,) over each unit: (units,)."""
        return np.bincount(self.unit, weights=values * self.weight, minlength=self.units).astype(np.float64)

    def per_unit_and_class(self, numbers: Rows, classes: int, values: Floats | float = 1.0) -> Floats:
        """Weighted sum of a row quantity over each unit and class number: (units, classes)."""
        flat = np.bincount(self.unit * classes + numbers, weights=values * self.weight, minlength=self.units * classes)
        return flat.astype(np.float64).reshape(self.units, classes)

    def row_weights(self, counts: Floats) -> Floats | Counts:
        """(draws, units) → (draws, rows). Single bytes where every row weighs one: a ranking gathers and sums them ten times as fast."""
        even = self.weight.min(initial=1.0) == self.weight.max(initial=1.0) == 1.0
        small = even and counts.max(initial=0.0) <= MOST_IN_A_BYTE and len(self.y) < MOST_ROWS_OF_BYTES
        drawn = counts.astype(np.uint8) if small else counts
        if not self.rows_are_units:
            drawn = drawn.take(self.unit, axis=1)
        return drawn if even else drawn * self.weight

    @property
    def rows_are_units(self) -> bool:
        return self.units == len(self.y) and bool((self.unit == np.arange(self.units)).all())


def truth_of(y: Floats, weight: Floats | None = None, unit: Rows | None = None) -> tuple[Truth, Rows]:
    """The truth, and which rows it keeps: those of weight zero count as not there."""
    kept = np.arange(len(y)) if weight is None else np.flatnonzero(weight > 0)
    weights = np.ones(len(kept)) if weight is None else np.asarray(weight, dtype=np.float64)[kept]
    if unit is None:
        return Truth(np.asarray(y, dtype=np.float64)[kept], weights, np.arange(len(kept)), len(kept)), kept
    numbers, codes = np.unique(unit[kept], return_inverse=True)
    if len(numbers) == len(kept):
        codes = np.arange(len(kept))
    return Truth(np.asarray(y, dtype=np.float64)[kept], weights, codes.astype(np.int64), len(numbers)), kept


class Batch:
    """Weighted sums of some draws. A class batch has support, predicted, hits (draws, classes); a number batch has moments."""

    def __init__(self, sums: Floats, judge: Judge, counts: Floats) -> None:
        self.sums, self.judge, self.counts = sums, judge, counts
        self.classes = judge.classes

    @property
    def draws(self) -> int:
        return len(self.sums)

    # of classes: columns are support, predicted, hits for each class, then log loss and Brier
    @property
    def support(self) -> Floats:
        return self.sums[:, : self.classes]

    @property
    def predicted(self) -> Floats:
        return self.sums[:, self.classes : 2 * self.classes]

    @property
    def hits(self) -> Floats:
        return self.sums[:, 2 * self.classes : 3 * self.classes]

    @property
    def log_loss(self) -> Floats:
        return self.sums[:, 3 * self.classes]

    @property
    def brier(self) -> Floats:
        return self.sums[:, 3 * self.classes + 1]

    @cached_property
    def total(self) -> Floats:
        return self.sums[:, : self.classes].sum(axis=1) if self.classes else self.sums[:, 0]

    @cached_property
    def areas(self) -> tuple[Floats, Floats]:
        """ROC AUC and average precision (draws, rankings): one ranking for two classes, else each class against the rest."""
        return self.judge.areas(self)

    # of numbers: columns are weight, |error|, error², y − mean, (y − mean)²
    def moment(self, column: int) -> Floats:
        return self.sums[:, column]


class Judge:
    """One prediction, ready to be judged under any counts."""

    def __init__(self, truth: Truth, prediction: Floats, *, numbers: bool, threshold: Threshold = None) -> None:
        self.truth, self.prediction, self.threshold = truth, np.asarray(prediction, dtype=np.float64), threshold
        self.classes = 0 if numbers else self.prediction.shape[1]
        self.sums = self._number_sums() if numbers else self._class_sums()

    def batch(self, counts: Floats) -> Batch:
        """The sums of draws in which unit u occurs counts[draw, u] times."""
        return Batch(counts @ self.sums, self, counts)

    @cached_property
    def whole(self) -> Batch:
        """The sample itself, as a batch of one draw. Summed pairwise, which no number of threads changes."""
        return Batch(self.sums.sum(axis=0)[None, :], self, np.ones((1, self.truth.units)))

    @cached_property
    def guess(self) -> Rows:
        """The class that is said of each row, as the bundle decides: the likeliest, ties to the first; of two, the second from the threshold on."""
        if self.threshold is not None:
            return np.asarray(self.prediction[:, 1] >= self.threshold, np.int64)
        answers: Rows = self.prediction.argmax(axis=1)
        return answers

    def _class_sums(self) -> Floats:
        """(units, 3 · classes + 2)."""
        K, y, rows = self.classes, self.truth.y.astype(np.int64), np.arange(len(self.truth.y))
        of_truth = self.prediction[rows, y]
        if K == 2:
            brier = (self.prediction[:, 1] - y) ** 2
        else:
            brier = np.einsum("rk,rk->r", self.prediction, self.prediction) - of_truth**2 + (1 - of_truth) ** 2
        return np.hstack(
            [
                self.truth.per_unit_and_class(y, K),
                self.truth.per_unit_and_class(self.guess, K),
                self.truth.per_unit_and_class(y, K, (self.guess == y).astype(np.float64)),
                self.truth.per_unit(-np.log(np.clip(of_truth, EPS, 1 - EPS)))[:, None],
                self.truth.per_unit(brier)[:, None],
            ]
        )

    def _number_sums(self) -> Floats:
        """(units, 5)."""
        y, error = self.truth.y, self.truth.y - self.prediction[:, 0]
        around = y - np.average(y, weights=self.truth.weight) if len(y) else y  # near zero: sums of squares keep their digits
        return np.stack([self.truth.per_unit(column) for column in (np.ones_like(y), np.abs(error), error**2, around, around**2)], axis=1)

    @cached_property
    def ranked_classes(self) -> tuple[int, ...]:
        return (1,) if self.classes == 2 else tuple(range(self.classes))

    def ranking(self, k: int) -> Ranking:
        """The rows by their probability of class k."""
        return Ranking(self.prediction[:, k], self.truth.y == k)

    @cached_property
    def linear(self) -> bool:
        """Whether draws use the rankings' first-order terms: so many rows that ranking anew would cost more than it tells."""
        rows = len(self.truth.y)
        if rows * len(self.ranked_classes) > EXACT_RANKS:
            return True
        positive = np.bincount(self.truth.y.astype(np.int64), minlength=self.classes)[list(self.ranked_classes)]
        return bool(np.minimum(positive, rows - positive).min() > EXACT_PAIRED)

    @property
    def ranks_anew(self) -> bool:
        """Whether a draw needs a weight for each row, rather than sums over units alone."""
        return self.classes > 0 and not self.linear

    def areas(self, batch: Batch) -> tuple[Floats, Floats]:
        """ROC AUC and average precision of each ranking: (draws, rankings). Of the sample itself always exactly."""
        if self.linear and batch is not self.__dict__.get("whole"):
            return self._linear_areas(batch)
        weights = self.truth.row_weights(batch.counts)
        rankings = (self.ranking(k) for k in self.ranked_classes) if self.linear else self._kept_rankings
        both = [ranking.areas(weights) for ranking in rankings]
        return np.stack([area for area, _ in both], axis=1), np.stack([average for _, average in both], axis=1)

    @cached_property
    def _kept_rankings(self) -> list[Ranking]:
        return [self.ranking(k) for k in self.ranked_classes]

    @cached_property
    def _linear_terms(self) -> Floats:
        """(units, 3 · rankings): weighted sums of the placements of positives, of negatives, and of average precision's derivatives.
        One ranking at a time, which bounds the memory.
        """
        weight, columns = self.truth.weight, []
        for k in self.ranked_classes:
            ranking, positive = self.ranking(k), self.truth.y == k
            placed = ranking.placements(weight)
            columns += [
                self.truth.per_unit(v) for v in (np.where(positive, placed, 0.0), np.where(positive, 0.0, placed), ranking.precision_terms(weight))
            ]
        return np.stack(columns, axis=1)

    def _linear_areas(self, batch: Batch) -> tuple[Floats, Floats]:
        """Of draws, by the first-order terms around the sample's areas."""
        area, average = self.whole.areas
        terms = batch.counts @ self._linear_terms
        P, whole = batch.support[:, list(self.ranked_classes)], batch.total[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            areas = terms[:, 0::3] / P + terms[:, 1::3] / (whole - P) - area
            averages = np.where(P > 0, average + terms[:, 2::3] * (self.truth.weight.sum() / whole), np.nan)
        areas[(P <= 0) | (whole - P <= 1e-12 * whole)] = np.nan
        return np.clip(areas, 0.0, 1.0), np.clip(averages, 0.0, 1.0)
