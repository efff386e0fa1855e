"""Linear regression: the target is a straight line in the features.

Takes    X (rows, features) float32 without gaps, standardised; y (rows,); weights.
Gives    one number a row, in the unit of y.
Loss     weighted mean of (y − x·w − b)² / 2 + strength × (l1_ratio·|w|₁ + (1 − l1_ratio)/2·|w|²), where y is in units of its standard
         deviation, so that a strength means the same for any target; the intercept is not penalised.
Cost     "none" and "l2" are exact (learners/least_squares.py): rows·features² time, 16·features² bytes. "l1" and "elasticnet" by scikit-learn's
         coordinate descent, 8·rows·features bytes. No randomness.
Source   Hoerl & Kennard (1970), Technometrics 12(1); Tibshirani (1996), JRSS B 58(1); Zou & Hastie (2005), JRSS B 67(2).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trainwright.learners import least_squares
from trainwright.learners import settings as check
from trainwright.learners.interface import Budget, Card, Choice, Fitted, LogUniform, Space, Training, Uniform
from trainwright.learners.rows import Labelled, average, constantly, labelled
from trainwright.runtime.columns import Floats
from trainwright.runtime.steps import Linear as LinearStep

PENALTIES = ("none", "l1", "l2", "elasticnet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    penalty: str = "l2"
    strength: float = 1e-3  # of the penalty, beside the mean loss; not read with penalty "none"
    l1_ratio: float = 0.5  # share of |w|₁ in "elasticnet"
    max_iterations: int = 10_000  # of the coordinate descent of "l1" and "elasticnet"
    tolerance: float = 1e-6  # of the duality gap, where it ends

    card: ClassVar[Card] = Card(
        title="linear regression",
        tasks=("regression",),
        reads="scaled",
        explains="glass-box",
        how="one weight for each feature",
        losses=("squared error, with an L2, L1 or elastic-net penalty",),
        limits=("straight lines only: what bends or depends on two columns at once needs a column of its own",),
        seconds=lambda rows, features, outputs: 0.01 + 1e-9 * rows * features * min(rows, features),
        memory=lambda rows, features, outputs: 24.0 * rows * features + 16.0 * min(rows, features) ** 2,
    )
    space: ClassVar[Space] = {"penalty": Choice(("l2", "l1", "elasticnet")), "strength": LogUniform(1e-5, 1e1), "l1_ratio": Uniform(0.05, 0.95)}

    def __post_init__(self) -> None:
        check.choice(PENALTIES, penalty=self.penalty)
        check.number(1e-12, 1e12, strength=self.strength)
        check.number(0.0, 1.0, l1_ratio=self.l1_ratio)
        check.whole(1, 1_000_000, max_iterations=self.max_iterations)
        check.number(1e-12, 1.0, tolerance=self.tolerance)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        rows = labelled(training)
        mean = float(average(rows)[0])
        unit = float(np.sqrt(np.average((rows.target - mean) ** 2, weights=rows.weight)))
        if rows.constant or not unit > 0:
            return constantly(np.array([mean]))
        y = (rows.target - mean) / unit
        if self.penalty in ("none", "l2"):
            ridge = self.strength * float(rows.weights.sum()) if self.penalty == "l2" else 0.0
            line = least_squares.solve(rows.matrix, y, rows.weight, ridge=ridge)
            weights, intercept = line.weights, line.intercept
            notes: dict[str, Any] = {"converged": True, "way": line.way}
        else:
            weights, intercept, converged = self._by_coordinates(rows, y)
            notes = {"converged": converged}
        step = LinearStep(weights=weights[:, None] * unit, offset=np.array([intercept * unit + mean]))
        return Fitted(predict=step.apply, ship=lambda: (step,), notes={**notes, "zero weights": int((weights == 0).sum())})

    def _by_coordinates(self, rows: Labelled, y: Floats) -> tuple[Floats, float, bool]:
        """Weights, intercept, and whether the duality gap has closed."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import ElasticNet

        ratio = 1.0 if self.penalty == "l1" else self.l1_ratio
        model = ElasticNet(alpha=self.strength, l1_ratio=ratio, max_iter=self.max_iterations, tol=self.tolerance)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model.fit(rows.matrix.astype(np.float64), y, sample_weight=rows.weight)
        converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in told)
        return np.asarray(model.coef_, np.float64), float(model.intercept_), converged


LEARNER = Linear
