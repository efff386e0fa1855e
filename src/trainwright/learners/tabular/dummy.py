"""The dummy: the shares of the classes, or the mean of the target, whatever the row. Whoever does no better has learned nothing.

Takes    y (rows,), weights.
Gives    the same probabilities (rows, classes), or the same number (rows, 1), for each row.
Cost     one pass over y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trainwright.learners.interface import Budget, Card, Fitted, Space, Training
from trainwright.learners.rows import average, constantly, labelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Dummy:
    card: ClassVar[Card] = Card(
        monotone=True,  # a constant neither rises nor falls
        title="the average (no learning)",
        tasks=("binary", "multiclass", "regression"),
        reads="nothing",
        explains="glass-box",
        how="one number for each class",
        losses=("log loss, for classes (their shares)", "squared error, for numbers (their mean)"),
        limits=("looks at no column",),
        seconds=lambda rows, features, outputs: 1e-3 + 2e-8 * rows,
        memory=lambda rows, features, outputs: 32.0 * rows,
    )
    space: ClassVar[Space] = {}

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        return constantly(average(labelled(training)))


LEARNER = Dummy
