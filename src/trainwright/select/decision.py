"""What comes after a model: probabilities put right, and the probability from which the second class is said.

Takes    out-of-fold probabilities with their truth: never those of rows on which the model was fitted.
Gives    a `Decision`, which becomes the bundle's `calibrate` step and the threshold of `decide`.
Why      a model that was trained on other shares of the classes says other probabilities; and of a rare class the likeliest answer is "no" almost
         always. Both are fitted on the other folds when a fold is scored, so that no score has seen its own truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from trainwright.evidence import METRICS
from trainwright.evidence.softmax import least_log_loss
from trainwright.runtime.columns import Floats
from trainwright.runtime.steps.calibrate import SMALLEST, Calibrate

RULES: Final = ("accuracy", "balanced_accuracy", "f1", "mcc")  # metrics of answers that a threshold may make best
LIKELIEST: Final = "likeliest"
FLATTEST: Final = 1e-3  # slope: below it the order of the rows would turn round
PULL: Final = 0.1  # of the slope towards 1, beside the sum of the rows' losses: what keeps it finite where the classes are apart
GRID: Final = 2000  # thresholds that are tried, at equally many rows each


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """`calibrate` is None where probabilities stay as they are, `threshold` None where the likeliest class is said."""

    calibrate: Calibrate | None = None
    threshold: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """What a record keeps of it, as JSON."""
        step = self.calibrate
        return {"slope": step and step.slope, "bias": step and step.bias.tolist(), "threshold": self.threshold}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Decision:
        step = None if kept["slope"] is None else Calibrate(slope=kept["slope"], bias=np.array(kept["bias"]))
        return cls(step, kept["threshold"])

    def calibrated(self, raw: Floats) -> Floats:
        return raw if self.calibrate is None else self.calibrate.apply(raw)


@dataclass(frozen=True, slots=True)
class Rule:
    """How to decide: whether probabilities are put right, and the threshold: "likeliest", a metric's name, or a probability."""

    calibrate: bool = False
    threshold: str = LIKELIEST

    @property
    def fits(self) -> bool:
        """Whether anything is fitted at all."""
        return self.calibrate or self.threshold in RULES

    def fit(self, raw: Floats, truth: Floats, weight: Floats | None) -> Decision:
        """Takes probabilities (rows, classes), class numbers (rows,), weights (rows,) or none."""
        step = fit_calibration(raw, truth, weight) if self.calibrate else None
        if self.threshold == LIKELIEST or raw.shape[1] != 2:
            return Decision(step)
        if self.threshold not in RULES:
            return Decision(step, float(self.threshold))
        said = raw if step is None else step.apply(raw)
        return Decision(step, best_threshold(self.threshold, said[:, 1], truth, weight))


def cross_fitted(rule: Rule, raw: Sequence[Floats], truth: Sequence[Floats], weight: Sequence[Floats] | None) -> list[Decision]:
    """For each fold the decision that is fitted on all other folds. With a single fold there is no other: it stays undecided."""
    every = range(len(raw))
    if not rule.fits or len(raw) < 2:
        undecided = Rule(threshold=rule.threshold if rule.threshold not in RULES else LIKELIEST)
        return [undecided.fit(raw[index], truth[index], None) for index in every]
    decisions = []
    for index in every:
        others = [other for other in every if other != index]
        weights = None if weight is None else np.concatenate([weight[other] for other in others])
        decisions.append(rule.fit(np.concatenate([raw[other] for other in others]), np.concatenate([truth[other] for other in others]), weights))
    return decisions


def fit_calibration(raw: Floats, truth: Floats, weight: Floats | None) -> Calibrate:
    """The slope, not below FLATTEST, and the biases under which these probabilities have the smallest log loss."""
    classes = raw.shape[1]
    z = np.log(np.maximum(raw, SMALLEST))
    given = np.ones(len(z)) if weight is None else weight
    said = np.eye(classes)[truth.astype(np.int64)]
    slope, bias = least_log_loss(z, said, given, tie=np.ones((classes, 1)), least=FLATTEST, pull=PULL)
    return Calibrate(slope=float(slope[0]), bias=bias - bias.mean())


def best_threshold(metric: str, probability: Floats, truth: Floats, weight: Floats | None) -> float:
    """The probability from which to say the second class, so that the metric is best on these rows; the middle one of equally good ones.

    Takes   probability (rows,) of the second class. Thresholds lie half way between neighbouring probabilities, of at most 2,000 quantiles.
    """
    values = np.unique(probability)
    if len(values) > GRID:
        values = np.unique(np.quantile(probability, np.linspace(0, 1, GRID), method="nearest"))
    between = np.r_[(values[:-1] + values[1:]) / 2] if len(values) > 1 else np.array([0.5])
    scores = _at_thresholds(metric, between, probability, truth, weight)
    best = np.flatnonzero(scores >= np.nanmax(scores) - 1e-12) if np.isfinite(scores).any() else np.array([np.abs(between - 0.5).argmin()])
    return float(between[best[len(best) // 2]])


def _at_thresholds(metric: str, thresholds: Floats, probability: Floats, truth: Floats, weight: Floats | None) -> Floats:
    """(thresholds,) the metric at each, from the weights above and below it."""
    given = np.ones(len(truth)) if weight is None else weight
    place = np.searchsorted(thresholds, probability, side="right")  # how many thresholds a row reaches
    positive = np.bincount(place, weights=given * (truth == 1), minlength=len(thresholds) + 1)
    negative = np.bincount(place, weights=given * (truth == 0), minlength=len(thresholds) + 1)
    tp, fp = (np.cumsum(found[::-1])[::-1][1:] for found in (positive, negative))
    fn, tn = positive.sum() - tp, negative.sum() - fp
    with np.errstate(divide="ignore", invalid="ignore"):
        match metric:
            case "accuracy":
                return np.asarray((tp + tn) / (tp + tn + fp + fn))
            case "balanced_accuracy":
                return np.asarray((tp / (tp + fn) + tn / (tn + fp)) / 2)
            case "f1":
                return np.asarray(2 * tp / (2 * tp + fp + fn))
            case _:
                root = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
                return np.where(root > 0, (tp * tn - fp * fn) / np.where(root > 0, root, 1.0), 0.0)


def judges_answers(metric: str) -> bool:
    """Whether a metric hangs on the threshold."""
    return METRICS[metric].needs == "answers"
