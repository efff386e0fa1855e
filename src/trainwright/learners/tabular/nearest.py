"""k nearest neighbours: the answer of the training rows that are most alike.

Takes    X (rows, features) float32 without gaps, standardised; y class numbers or values; weights, by which neighbours are listened to.
Gives    shares of the classes (rows, classes), or the mean (rows, 1), of the neighbours; by the very step that ships (runtime/steps/points.py),
         so that ties are broken alike: rows equally far share the last places.
Keeps    the rows themselves, at most `rows`, drawn at random where there are more. The bundle is marked: it contains training rows.
Cost     nothing to fit; kept rows·features for each row to predict. Distances in full, by matrix products.
Source   Fix & Hodges (1951), USAF School of Aviation Medicine, report 4; Cover & Hart (1967), IEEE Trans. Information Theory 13(1). The pull
         towards the classes' shares: the m-estimate, Cestnik (1990), ECAI.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trainwright.learners import settings as check
from trainwright.learners.interface import Budget, Card, Choice, Fitted, LogUniform, Space, Training
from trainwright.learners.rows import average, constantly, labelled
from trainwright.runtime.steps import Nearest as Step
from trainwright.runtime.steps.points import WEIGHINGS

ROWS = 20_000  # that are kept at most, unless asked otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    neighbours: int = 15
    weighing: str = "uniform"  # neighbours count alike, or by one over their distance ("distance")
    pull: float = 1.0  # so many more neighbours that say what all rows say: no class is impossible because none of 15 was of it
    rows: int = ROWS  # that are kept at most

    card: ClassVar[Card] = Card(
        title="k nearest neighbours",
        tasks=("binary", "multiclass", "regression"),
        reads="scaled",
        explains="explainable",
        how="the training rows that an answer rests on",
        losses=("none: it keeps rows and compares",),
        limits=(
            f"keeps rows of the training data in its bundle, at most {ROWS:,}",
            "one row takes 0.4 ms where it keeps 20,000 rows of 10 features, 3 ms where they have 200",
            "never beyond the targets that it saw",
        ),
        # Measured: processor seconds of one thread of a 2.6 GHz EPYC, 10³–10⁵ rows, 5–200 columns of normal numbers: within a factor of 2.
        seconds=lambda rows, features, outputs: _seconds(rows, features),
        memory=lambda rows, features, outputs: 8.0 * rows * features + 12.0 * min(rows, ROWS) * features + 1.5e8,
    )
    space: ClassVar[Space] = {
        "neighbours": LogUniform(1, 200, whole=True),
        "weighing": Choice(WEIGHINGS),
        "pull": LogUniform(0.1, 10.0),
    }

    def __post_init__(self) -> None:
        check.whole(1, 100_000, neighbours=self.neighbours)
        check.choice(WEIGHINGS, weighing=self.weighing)
        check.number(0.0, 1e6, pull=self.pull)
        check.whole(1, 1_000_000, rows=self.rows)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        rows = labelled(training)
        values = average(rows)
        if rows.constant:
            return constantly(values)
        kept = np.arange(len(rows.target))
        if len(kept) > self.rows:
            kept = np.sort(rng.choice(kept, self.rows, replace=False))
        step = Step(
            points=rows.matrix[kept],
            values=rows.target[kept].astype(np.float64),
            weight=rows.weights[kept].astype(np.float64),
            prior=values if rows.classes else np.empty(0),
            count=min(self.neighbours, len(kept)),
            weighing=self.weighing,
            pull=float(self.pull),
        )
        notes = {"rows kept": len(kept), "of rows": len(rows.target)}
        return Fitted(predict=step.apply, ship=lambda: (step,), notes=notes, holds_rows=True)


def _seconds(rows: int, features: int) -> float:
    """Of a fit, which is a copy, and of the answers for a fold left out, which are the cost of this learner."""
    answer = 3e-5 + min(rows, ROWS) * (1.6e-8 + 5e-11 * features)
    return 1e-3 + rows * (5e-8 + 1e-9 * features) + rows / 4 * answer


LEARNER = Nearest
