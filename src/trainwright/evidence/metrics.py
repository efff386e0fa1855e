"""The metrics, each one formula over weighted sums, equal to scikit-learn's value.

Takes    y (rows,) class numbers or values, prediction (rows, outputs), row weights or none.
Gives    a number, or None where the metric is not defined on these rows (`Metric.undefined` says why): never a silent 0 or a warning.
Why      each formula works on a `Batch` of many draws at once, so that the value and its bootstrap interval cannot differ in what they mean.

What is decided here where authors differ:
- two classes: precision, recall, F1 and average precision are those of class 1; several classes: the mean over classes, each counting the same
  (macro), over the classes that are in the truth or among the answers, a class without answers having precision 0, as scikit-learn's default;
- ROC AUC of several classes is one class against the rest, the mean over the classes that occur in the rows:
  `roc_auc_score(multi_class="ovr", average="macro")` where all occur;
- Matthews' correlation is 0 when all answers are one class, as usual; precision is 0 when nothing is called positive;
- a row of weight zero counts as not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trainwright.evidence.bootstrap import exact_share
from trainwright.evidence.judged import Batch, Judge, Threshold, truth_of
from trainwright.runtime.columns import Floats

Formula = Callable[[Batch], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric, with what a person and the search need to know of it."""

    name: str
    title: str
    better: Literal["higher", "lower"]
    needs: Literal["probabilities", "answers", "number"]
    best: float  # the value of perfect predictions
    unit: Literal["", "nats", "target", "target²"]
    description: str
    formula: str
    source: str
    of: Formula  # (draws,) from a batch; NaN where not defined
    bound: Callable[[Judge], float | None] | None = None  # lower 95 % bound of the value when no row was judged wrongly
    undefined: str = "there is no row to measure on"  # why a value may be None

    @property
    def sign(self) -> float:
        """+1 where higher is better, −1 where lower is."""
        return 1.0 if self.better == "higher" else -1.0

    def function(self, y: Floats, prediction: Floats, weight: Floats | None = None, threshold: Threshold = None) -> float | None:
        """The value on these rows, or None where it is not defined. `y` (rows,), `prediction` (rows, outputs), `weight` (rows,) ≥ 0."""
        truth, kept = truth_of(y, weight)
        if len(kept) == 0:
            return None
        at = threshold[kept] if isinstance(threshold, np.ndarray) else threshold
        value = float(self.of(Judge(truth, prediction[kept], numbers=self.needs == "number", threshold=at).whole)[0])
        return value if np.isfinite(value) else None


def _ratio(top: Floats, bottom: Floats, otherwise: float = np.nan) -> Floats:
    out: Floats = np.full(np.broadcast_shapes(top.shape, bottom.shape), otherwise)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out


def _mean_over(values: Floats, kept: np.ndarray) -> Floats:
    """Mean over the kept classes of each draw."""
    return _ratio(np.where(kept, values, 0.0).sum(axis=1), kept.sum(axis=1).astype(float))


def _accuracy(b: Batch) -> Floats:
    return _ratio(b.hits.sum(axis=1), b.total)


def _balanced_accuracy(b: Batch) -> Floats:
    return _mean_over(_ratio(b.hits, b.support, 0.0), b.support > 0)


def _precision(b: Batch) -> Floats:
    each = _ratio(b.hits, b.predicted, 0.0)
    return each[:, 1] if b.classes == 2 else _mean_over(each, (b.support > 0) | (b.predicted > 0))


def _recall(b: Batch) -> Floats:
    if b.classes == 2:
        return _ratio(b.hits[:, 1], b.support[:, 1])
    return _mean_over(_ratio(b.hits, b.support, 0.0), (b.support > 0) | (b.predicted > 0))


def _f1(b: Batch) -> Floats:
    both = b.support + b.predicted
    if b.classes == 2:
        return _ratio(2 * b.hits[:, 1], both[:, 1])
    return _mean_over(_ratio(2 * b.hits, both, 0.0), both > 0)


def _mcc(b: Batch) -> Floats:
    """Gorodkin's R_K: cov(truth, answer) / √(cov(truth, truth)·cov(answer, answer)), from class sums divided by the total."""
    total = b.total[:, None]
    t, p, hit = _ratio(b.support, total), _ratio(b.predicted, total), _ratio(b.hits.sum(axis=1), b.total)
    both, tt, pp = hit - (t * p).sum(axis=1), 1 - (t * t).sum(axis=1), 1 - (p * p).sum(axis=1)
    value = _ratio(both, np.sqrt(np.maximum(tt * pp, 0.0)), 0.0)
    value[(b.predicted > 0).sum(axis=1) < 2] = 0.0  # exactly, whatever was lost in rounding
    value[(b.support > 0).sum(axis=1) < 2] = np.nan
    return value


def _roc_auc(b: Batch) -> Floats:
    areas = b.areas[0]
    return _mean_over(areas, ~np.isnan(areas))


def _average_precision(b: Batch) -> Floats:
    averages = b.areas[1]
    return _mean_over(averages, ~np.isnan(averages))


def _log_loss(b: Batch) -> Floats:
    return _ratio(b.log_loss, b.total)


def _brier(b: Batch) -> Floats:
    return _ratio(b.brier, b.total)


def _mse(b: Batch) -> Floats:
    return _ratio(b.moment(2), b.moment(0))


def _rmse(b: Batch) -> Floats:
    root: Floats = np.sqrt(_mse(b))
    return root


def _mae(b: Batch) -> Floats:
    return _ratio(b.moment(1), b.moment(0))


def _r2(b: Batch) -> Floats:
    spread = b.moment(4) - _ratio(b.moment(3) ** 2, b.moment(0))
    flat = spread <= 1e-14 * b.moment(4)  # a draw of equal values: what is left is rounding
    return np.where(flat, np.nan, 1 - _ratio(b.moment(2), np.where(flat, 1.0, spread)))


def _units(judge: Judge, rows: np.ndarray | None = None) -> int:
    """How many independent units stand behind the rows."""
    unit = judge.truth.unit if rows is None else judge.truth.unit[rows]
    return len(np.unique(unit))


def _perfect_share(judge: Judge) -> float:
    return exact_share(_units(judge))


def _perfect_calls(judge: Judge) -> float | None:
    return exact_share(_units(judge, judge.guess == 1)) if judge.classes == 2 else None


def _perfect_positives(judge: Judge) -> float | None:
    """Recall is a share of the positive rows; F1 = 2j / (1 + j), where j is the share of hits among positives and calls, is not below j."""
    return exact_share(_units(judge, judge.truth.y == 1)) if judge.classes == 2 else None


def _perfect_ranking(judge: Judge) -> float | None:
    """min(P, N) disjoint pairs of a positive and a negative are independent trials of the area, and all succeeded."""
    if judge.classes != 2:
        return None
    return exact_share(min(_units(judge, judge.truth.y == 1), _units(judge, judge.truth.y == 0)))


_ONE_CLASS = "all rows that were measured are of one class"
_NO_POSITIVE = "no row that was measured is of the positive class"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="accuracy",
            title="Accuracy",
            better="higher",
            needs="answers",
            best=1.0,
            unit="",
            description="the share of rows whose class is named rightly",
            formula="Σ w·[answer = y] / Σ w",
            source="by definition",
            of=_accuracy,
            bound=_perfect_share,
        ),
        Metric(
            name="balanced_accuracy",
            title="Balanced accuracy",
            better="higher",
            needs="answers",
            best=1.0,
            unit="",
            description="the share found of each class, the mean over the classes that occur",
            formula="mean over classes c of Σ w·[answer = y = c] / Σ w·[y = c]",
            source="Brodersen et al. (2010), ICPR, 3121-3124",
            of=_balanced_accuracy,
        ),
        Metric(
            name="precision",
            title="Precision",
            better="higher",
            needs="answers",
            best=1.0,
            unit="",
            description="of the rows called positive, the share that are; several classes: the mean over classes",
            formula="TP / (TP + FP); 0 when nothing is called positive",
            source="van Rijsbergen (1979), Information Retrieval, ch. 7",
            of=_precision,
            bound=_perfect_calls,
        ),
        Metric(
            name="recall",
            title="Recall",
            better="higher",
            needs="answers",
            best=1.0,
            unit="",
            description="of the rows that are positive, the share that was found; several classes: the mean over classes",
            formula="TP / (TP + FN)",
            source="van Rijsbergen (1979), Information Retrieval, ch. 7",
            of=_recall,
            bound=_perfect_positives,
            undefined=_NO_POSITIVE,
        ),
        Metric(
            name="f1",
            title="F1",
            better="higher",
            needs="answers",
            best=1.0,
            unit="",
            description="the harmonic mean of precision and recall; several classes: the mean over classes",
            formula="2·TP / (2·TP + FP + FN)",
            source="van Rijsbergen (1979), Information Retrieval, ch. 7",
            of=_f1,
            bound=_perfect_positives,
            undefined="no row is positive and none was called so",
        ),
        Metric(
            name="roc_auc",
            title="ROC AUC",
            better="higher",
            needs="probabilities",
            best=1.0,
            unit="",
            description="how often a positive row is ranked above a negative one; several classes: each against the rest, then the mean",
            formula="P(score⁺ > score⁻) + ½ P(score⁺ = score⁻)",
            source="Hanley & McNeil (1982), Radiology 143(1), 29-36",
            of=_roc_auc,
            bound=_perfect_ranking,
            undefined=_ONE_CLASS,
        ),
        Metric(
            name="average_precision",
            title="Average precision",
            better="higher",
            needs="probabilities",
            best=1.0,
            unit="",
            description="the precision at each positive row down the ranking, averaged; several classes: each against the rest, then the mean",
            formula="Σ over distinct scores t of (recall_t − recall_before)·precision_t",
            source="Manning, Raghavan & Schütze (2008), Introduction to Information Retrieval, ch. 8",
            of=_average_precision,
            undefined=_NO_POSITIVE,
        ),
        Metric(
            name="log_loss",
            title="Log loss",
            better="lower",
            needs="probabilities",
            best=0.0,
            unit="nats",
            description="the mean surprise at the truth, given the probabilities",
            formula="−Σ w·ln p_y / Σ w, p kept within 2.2e-16 of 0 and 1",
            source="Good (1952), J. R. Stat. Soc. B 14(1), 107-114",
            of=_log_loss,
        ),
        Metric(
            name="brier",
            title="Brier score",
            better="lower",
            needs="probabilities",
            best=0.0,
            unit="",
            description="the mean squared distance between probabilities and truth",
            formula="two classes: Σ w·(p₁ − y)² / Σ w; several: Σ w·Σ_c (p_c − [y = c])² / Σ w",
            source="Brier (1950), Monthly Weather Review 78(1), 1-3",
            of=_brier,
        ),
        Metric(
            name="mcc",
            title="Matthews correlation",
            better="higher",
            needs="answers",
            best=1.0,
            unit="",
            description="the correlation between answers and truth",
            formula="cov(y, answer) / √(cov(y, y)·cov(answer, answer)); 0 when all answers are one class",
            source="Gorodkin (2004), Comput. Biol. Chem. 28(5-6), 367-374",
            of=_mcc,
            undefined=_ONE_CLASS,
        ),
        Metric(
            name="mse",
            title="Mean squared error",
            better="lower",
            needs="number",
            best=0.0,
            unit="target²",
            description="the mean of the squared errors",
            formula="Σ w·(y − ŷ)² / Σ w",
            source="by definition",
            of=_mse,
        ),
        Metric(
            name="rmse",
            title="Root mean squared error",
            better="lower",
            needs="number",
            best=0.0,
            unit="target",
            description="the typical size of an error; a large one counts more than several small ones",
            formula="√(Σ w·(y − ŷ)² / Σ w)",
            source="by definition",
            of=_rmse,
        ),
        Metric(
            name="mae",
            title="Mean absolute error",
            better="lower",
            needs="number",
            best=0.0,
            unit="target",
            description="the mean size of an error",
            formula="Σ w·|y − ŷ| / Σ w",
            source="by definition",
            of=_mae,
        ),
        Metric(
            name="r2",
            title="R²",
            better="higher",
            needs="number",
            best=1.0,
            unit="",
            description="the share of the target's variance that the predictions account for",
            formula="1 − Σ w·(y − ŷ)² / Σ w·(y − ȳ)²",
            source="Kvålseth (1985), The American Statistician 39(4), 279-285, eq. 1",
            of=_r2,
            undefined="all rows that were measured have the same target value",
        ),
    )
}


def score(metric: str, y: Floats, prediction: Floats, weight: Floats | None = None, threshold: Threshold = None) -> float | None:
    """One metric's value, or None where it is not defined on these rows. Raises KeyError for an unknown name."""
    return METRICS[metric].function(y, prediction, weight, threshold)


def better(metric: str, a: float | None, b: float | None) -> bool:
    """Whether score `a` is better than `b`; a score that is missing is worse than any."""
    if a is None or b is None:
        return a is not None and b is None
    return METRICS[metric].sign * (a - b) > 0
