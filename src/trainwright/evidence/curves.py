"""The data of the report's pictures: at most 200 points each, and none that tells a single row's value.

Takes    a judge: truth and one prediction.
Gives    plain JSON by curve name, as docs/architecture.md lists it.
Why      evidence ships with the bundle, so it must not carry rows. ROC and precision-recall points are shares, without the scores at which they
         stand. A calibration bin has ten rows or more. Confusions count rows of classes that the bundle names anyway. Residuals are in
         `residuals.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainwright.evidence.bins import equal_bins
from trainwright.evidence.judged import EPS, Judge
from trainwright.evidence.residuals import residuals
from trainwright.runtime.columns import Floats

Json = dict[str, Any]
POINTS = 200  # most points of a curve
BINS = 10  # of a calibration curve
SHOWN = 30  # classes up to which the whole confusion matrix is given; beyond, this many of its largest confusions
Z = 1.959963984540054  # of a 95 % interval


def curves(names: tuple[str, ...], judge: Judge, classes: tuple[str, ...]) -> dict[str, Json]:
    """The curves that a task owes; {} on no rows."""
    return {name: _CURVES[name](judge, classes) for name in names} if len(judge.truth.y) else {}


def roc(judge: Judge, classes: tuple[str, ...]) -> Json:
    """`points` [[false positive rate, true positive rate], …] from [0, 0] to [1, 1], and `at`, where the bundle's answers stand."""
    tp, fp = _down_the_ranking(judge)
    if tp[-1] <= 0 or fp[-1] <= 0:
        return {"points": [], "at": None, "why": "all rows that were measured are of one class"}
    x, y = np.r_[0.0, fp / fp[-1]], np.r_[0.0, tp / tp[-1]]
    called = judge.guess == 1
    at = [
        _share(judge, called & (judge.truth.y == 0)) / _share(judge, judge.truth.y == 0),
        _share(judge, called & (judge.truth.y == 1)) / _share(judge, judge.truth.y == 1),
    ]
    return {"points": _points(x, y), "at": at}


def precision_recall(judge: Judge, classes: tuple[str, ...]) -> Json:
    """`points` [[recall, precision], …] by falling score, `at` of the bundle's answers, `chance`: the share of positives, what guessing gives."""
    tp, fp = _down_the_ranking(judge)
    if tp[-1] <= 0:
        return {"points": [], "at": None, "chance": 0.0, "why": "no row that was measured is of the positive class"}
    called = judge.guess == 1
    hit = _share(judge, called & (judge.truth.y == 1))
    at = [hit / _share(judge, judge.truth.y == 1), hit / _share(judge, called)] if called.any() else None
    return {"points": _points(tp / tp[-1], tp / (tp + fp)), "at": at, "chance": float(tp[-1] / (tp[-1] + fp[-1]))}


def _down_the_ranking(judge: Judge) -> tuple[Floats, Floats]:
    """Weight of the positives and of the negatives down to each group of equal scores, highest first."""
    ranking, w = judge.ranking(1), judge.truth.weight
    ranked = w[ranking.order]
    tp = np.cumsum(np.where(ranking.positive, ranked, 0.0))[ranking.last]
    fp = np.cumsum(np.where(ranking.positive, 0.0, ranked))[ranking.last]
    return tp, fp


def _share(judge: Judge, rows: np.ndarray) -> float:
    return float(judge.truth.weight[rows].sum() / judge.truth.weight.sum())


def _points(x: Floats, y: Floats) -> list[list[float]]:
    """At most POINTS of the points, evenly along the curve, its ends among them."""
    if len(x) > POINTS:
        along = np.r_[0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
        chosen = np.unique(np.searchsorted(along, np.linspace(0.0, along[-1], POINTS)).clip(0, len(x) - 1))
        chosen[0], chosen[-1] = 0, len(x) - 1
        x, y = x[chosen], y[chosen]
    return [[round(float(a), 6), round(float(b), 6)] for a, b in zip(x, y, strict=True)]


def calibration(judge: Judge, classes: tuple[str, ...]) -> Json:
    """Whether probabilities mean what they say: of the positive class, or with several classes of the likeliest one.

    Gives   `of`; `bins` [{said, came, rows, low, high}], equally filled, `came` with Wilson's 95 % interval (a weighted bin by its number of rows);
            `error`: the expected calibration error Σ share·|came − said|; `slope` and `intercept` of a logistic fit of what came on the
            logit of what was said: 1 and 0 are perfect, a slope below 1 is overconfident. Both None (and `why`) where no fit exists.
    Source  Naeini et al. (2015), AAAI (the error); Cox (1958), Biometrika 45(3/4) (slope and intercept); Wilson (1927), JASA 22(158).
    """
    if judge.classes == 2:
        said, came, of = judge.prediction[:, 1], judge.truth.y, classes[1] if len(classes) == 2 else "class 1"
    else:
        said, came, of = judge.prediction.max(axis=1), (judge.guess == judge.truth.y).astype(float), "the likeliest class"
    weight = judge.truth.weight
    bins, error = [], 0.0
    for rows in equal_bins(said, BINS):
        w = weight[rows]
        a, b = float(np.average(said[rows], weights=w)), float(np.average(came[rows], weights=w))
        low, high = wilson(b, len(rows))
        bins.append({"said": a, "came": b, "rows": len(rows), "low": low, "high": high})
        error += float(w.sum() / weight.sum()) * abs(a - b)
    fit = logistic_fit(said, came, weight)
    out: Json = {"of": of, "bins": bins, "error": error, "slope": None, "intercept": None}
    return out | (
        {"slope": fit[1], "intercept": fit[0]} if fit else {"why": "no slope: the outcome is separated perfectly, or the probabilities do not vary"}
    )


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of n rows."""
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * float(np.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)))
    return max(0.0, middle - half), min(1.0, middle + half)


def logistic_fit(said: Floats, came: Floats, weight: Floats) -> tuple[float, float] | None:
    """(intercept, slope) of logit P(came) = a + b·logit(said), by Newton's method; None when there is no finite one."""
    p = np.clip(said, EPS, 1 - EPS)
    x = np.stack([np.ones_like(p), np.log(p / (1 - p))], axis=1)
    beta = np.array([0.0, 1.0])
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-np.clip(x @ beta, -35, 35)))
        curvature = (x * (weight * fitted * (1 - fitted))[:, None]).T @ x
        if np.linalg.cond(curvature) > 1e12:
            return None
        step = np.linalg.solve(curvature, x.T @ (weight * (came - fitted)))
        size = float(np.abs(step).max())
        beta = beta + step * min(1.0, 5.0 / max(size, 1e-300))
        if size < 1e-10:
            return float(beta[0]), float(beta[1])
    return None


def confusion(judge: Judge, classes: tuple[str, ...]) -> Json:
    """Rows by true class (rows of `counts`) and answer (its columns); with more than SHOWN classes `largest`: the most frequent mistakes."""
    K = judge.classes
    names = list(classes) if len(classes) == K else [f"class {k}" for k in range(K)]
    y = judge.truth.y.astype(np.int64)
    counts = np.bincount(y * K + judge.guess, minlength=K * K).reshape(K, K)
    if K <= SHOWN:
        return {"classes": names, "counts": counts.tolist()}
    wrong = counts - np.diag(np.diag(counts))
    top = [int(i) for i in np.argsort(-wrong, axis=None, kind="stable")[:SHOWN] if wrong.flat[i]]
    largest = [
        {"truth": names[i // K], "predicted": names[i % K], "rows": int(wrong.flat[i]), "share": float(wrong.flat[i] / counts[i // K].sum())}
        for i in top
    ]
    return {"classes": names, "largest": largest, "wrong": int(wrong.sum())}


_CURVES: dict[str, Callable[[Judge, tuple[str, ...]], Json]] = {
    "roc": roc,
    "precision_recall": precision_recall,
    "calibration": calibration,
    "confusion": confusion,
    "residuals": residuals,
}
