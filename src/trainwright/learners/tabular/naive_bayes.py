"""Naive Bayes: each feature speaks for itself, as if it knew nothing of the others, and what they say is multiplied.

Takes    X (rows, features) float32: numbers, NaN where missing; codes of categories and yes/no; y class numbers; weights.
Gives    probabilities (rows, classes). A number has a normal density in each class; a code has a share, with Laplace's smoothing. What is
         missing says nothing, neither when learning nor when predicting; missing words that have a code of their own count as a word.
Probable features repeat each other, so the product is too sure: with `calibrated`, five folds of the training rows say how much of the log odds
         to believe (learners/margins.py), which keeps the order of the rows in two classes.
Cost     six passes (one without `calibrated`) over rows·features for each class.
Source   Maron (1961), Journal of the ACM 8(3); John & Langley (1995), UAI; Zadrozny & Elkan (2001), ICML, on its calibration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trainwright.learners import margins
from trainwright.learners import settings as check
from trainwright.learners.interface import Budget, Card, Feature, Fitted, LogUniform, Space, Training
from trainwright.learners.rows import average, constantly, in_turn, labelled, spread
from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import Step
from trainwright.runtime.steps import Bayes, Linear, Link


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveBayes:
    smoothing: float = 1.0  # rows of each code that are added to each class
    variance: float = 1e-3  # that is added to each class's variance of a number, as a share of the variance over all classes
    calibrated: bool = True

    card: ClassVar[Card] = Card(
        title="naive Bayes",
        tasks=("binary", "multiclass"),
        reads="coded",
        explains="glass-box",
        how="for each class, a mean and a variance for each number, a share for each word",
        losses=("likelihood of each feature by itself, then log loss of the calibration",),
        limits=("features are taken to be independent within a class, numbers to be normal",),
        # Measured: processor seconds of one thread of a 2.6 GHz EPYC and growth of the resident size, 10³–10⁵ rows, 5–200 columns of normal
        # numbers, 2 and 5 classes: within a factor of 2.
        seconds=lambda rows, features, outputs: 4e-3 + 3e-4 * features + rows * (1.5e-6 + 1.5e-7 * outputs + 1.2e-7 * features),
        memory=lambda rows, features, outputs: 8.0 * rows * features + 100.0 * rows * max(2, outputs) + min(7e7, 20.0 * rows * features),
        effort=lambda settings: 1.0 if settings.calibrated else 0.2,
    )
    space: ClassVar[Space] = {"smoothing": LogUniform(1e-2, 1e2), "variance": LogUniform(1e-9, 1.0)}

    def __post_init__(self) -> None:
        check.number(1e-9, 1e9, smoothing=self.smoothing)
        check.number(1e-12, 1e6, variance=self.variance)
        check.choice((True, False), calibrated=self.calibrated)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        rows = labelled(training)
        if rows.constant:
            return constantly(average(rows))
        coded = _coded(training.features, rows.matrix.shape[1])
        classes = len(rows.present)
        step = self._learn(rows.matrix, rows.labels, rows.weights, classes, coded)
        steps: list[Step] = [step]
        if self.calibrated:
            folds = margins.folds(rows.matrix, rows.labels, rng)
            crossed = np.empty((len(folds), 1 if classes == 2 else classes))
            for fold in np.unique(folds):
                out, rest = folds == fold, folds != fold
                seen = self._learn(rows.matrix[rest], rows.labels[rest], rows.weights[rest], classes, coded).apply(rows.matrix[out])
                crossed[out] = seen[:, 1:] - seen[:, :1] if classes == 2 else seen - seen.mean(axis=1, keepdims=True)
            scale, offset = margins.calibrate(crossed, rows.labels, rows.weights)
            steps.append(Linear(weights=_differences(scale, classes), offset=offset))
        steps += [Link(name="logistic" if self.calibrated and classes == 2 else "softmax"), *spread(rows.present, rows.classes)]
        return Fitted(predict=in_turn(steps), ship=lambda: tuple(steps), notes={"numbers": len(step.numbers), "codes": len(step.codes)})

    def _learn(self, matrix: Matrix, labels: margins.Places, weight: Floats, classes: int, coded: np.ndarray) -> Bayes:
        """The densities and shares of these rows. A class without rows gets half a row's prior and the densities of all."""
        counts = np.bincount(labels, weights=weight, minlength=classes)
        prior = np.maximum(counts, 0.5 * weight.mean())
        numbers = [self._number(matrix[:, place], labels, weight, classes) for place in np.flatnonzero(~coded)]
        tables = [self._shares(matrix[:, place], labels, weight, classes) for place in np.flatnonzero(coded)]
        told = [place for place, (_, variance) in zip(np.flatnonzero(~coded), numbers, strict=True) if (variance > 1e-200).all()]
        moments = [found for found in numbers if (found[1] > 1e-200).all()]  # a number that does not vary says nothing
        return Bayes(
            features=matrix.shape[1],
            prior=np.log(prior / prior.sum()),
            numbers=np.array(told, np.int64),
            means=np.array([mean for mean, _ in moments]).reshape(-1, classes).T.copy(),
            variances=np.array([variance for _, variance in moments]).reshape(-1, classes).T.copy(),
            codes=np.flatnonzero(coded).astype(np.int64),
            sizes=np.array([len(table) for table in tables], np.int64),
            table=np.concatenate(tables) if tables else np.empty((0, classes)),
        )

    def _number(self, column: Matrix, labels: margins.Places, weight: Floats, classes: int) -> tuple[Floats, Floats]:
        """Mean and variance (classes,) of one number, over the rows that have it. A class that never has it gets those of all rows."""
        known = ~np.isnan(column)
        value, label, weight = column[known].astype(np.float64), labels[known], weight[known]
        if not len(value):
            return np.zeros(classes), np.zeros(classes)
        middle = np.average(value, weights=weight)
        spread_ = np.average((value - middle) ** 2, weights=weight)
        total = np.bincount(label, weights=weight, minlength=classes)
        some = np.where(total > 0, total, 1.0)
        mean = np.where(total > 0, middle + np.bincount(label, weights=weight * (value - middle), minlength=classes) / some, middle)
        square = np.bincount(label, weights=weight * (value - mean[label]) ** 2, minlength=classes) / some
        return mean, np.where(total > 0, square, spread_) + self.variance * spread_

    def _shares(self, column: Matrix, labels: margins.Places, weight: Floats, classes: int) -> Floats:
        """(codes, classes) log share of each code in each class."""
        known = ~np.isnan(column)
        code = column[known].astype(np.int64)
        size = int(code.max(initial=-1)) + 1
        counts = np.bincount(code * classes + labels[known], weights=weight[known], minlength=size * classes).reshape(size, classes)
        return np.asarray(np.log((counts + self.smoothing) / (counts.sum(axis=0) + self.smoothing * size)))


def _coded(features: tuple[Feature, ...], columns: int) -> np.ndarray:
    """(features,) which are codes: categories, and 0 or 1."""
    kinds = [feature.kind for feature in features] or ["number"] * columns
    return np.array([kind in ("indicator", "code") for kind in kinds], bool)


def _differences(scale: Floats, classes: int) -> Floats:
    """The weights that turn log densities into scaled log odds: of two classes the second against the first, of more each against their mean."""
    if classes == 2:
        return np.array([[-scale[0]], [scale[0]]])
    return np.asarray((np.eye(classes) - 1.0 / classes) * scale)


LEARNER = NaiveBayes
