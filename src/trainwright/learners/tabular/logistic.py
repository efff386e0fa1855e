"""Logistic regression, by scikit-learn: the log odds of each class are a straight line in the features.

Takes    X (rows, features) float32 without gaps, standardised; y class numbers; weights.
Gives    probabilities (rows, classes). Two classes: one line; more: one line a class, joined by the softmax (multinomial).
Loss     sum over rows of weight × log loss + strength × (l1_ratio·|w|₁ + (1 − l1_ratio)/2·|w|²); the intercepts are not penalised.
Cost     rows·features·classes an iteration, 8·rows·features bytes. Newton's method (few features) and L-BFGS; for |w|₁ liblinear
         (two classes) or SAGA (slow: it may end at max_iterations, and notes say so), both of which draw the order of their steps.
Source   Hosmer & Lemeshow (2000), Applied Logistic Regression; Defazio et al. (2014), NeurIPS 27 (SAGA).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trainwright.learners import settings as check
from trainwright.learners.interface import Budget, Card, Choice, Fitted, LogUniform, Space, Training, Uniform
from trainwright.learners.rows import Labelled, average, constantly, in_turn, labelled, spread
from trainwright.runtime.step import Step
from trainwright.runtime.steps import Linear, Link

PENALTIES = ("none", "l1", "l2", "elasticnet")
NEWTON = 2e10  # rows · (features · lines)²: operations up to which the few Newton steps are cheaper than the hundreds of L-BFGS


def _seconds(rows: int, cells: int) -> float:
    """Ten Newton steps, or three hundred of L-BFGS."""
    few = rows * cells**2 <= NEWTON and cells <= 500
    return 0.02 + (2e-9 * rows * cells**2 if few else 1e-6 * rows * cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logistic:
    penalty: str = "l2"
    strength: float = 1.0  # of the penalty, beside the summed loss (scikit-learn's 1 / C); not read with penalty "none"
    l1_ratio: float = 0.5  # share of |w|₁ in "elasticnet"
    max_iterations: int = 1000
    tolerance: float = 1e-5  # of the gradient, where the search for the weights ends

    card: ClassVar[Card] = Card(
        title="logistic regression",
        tasks=("binary", "multiclass"),
        reads="scaled",
        explains="glass-box",
        how="one weight for each feature (and class)",
        losses=("log loss, with an L2, L1 or elastic-net penalty",),
        limits=("straight borders only: what bends or depends on two columns at once needs a column of its own",),
        seconds=lambda rows, features, outputs: _seconds(rows, features * (outputs if outputs > 2 else 1)),
        effort=lambda settings: {"l1": 15.0, "elasticnet": 40.0}.get(settings.penalty, 1.0),  # without a second derivative
        memory=lambda rows, features, outputs: 16.0 * rows * features + 80.0 * rows * outputs,
    )
    space: ClassVar[Space] = {"penalty": Choice(("l2", "l1", "elasticnet")), "strength": LogUniform(1e-3, 1e3), "l1_ratio": Uniform(0.05, 0.95)}

    def __post_init__(self) -> None:
        check.choice(PENALTIES, penalty=self.penalty)
        check.number(1e-12, 1e12, strength=self.strength)
        check.number(0.0, 1.0, l1_ratio=self.l1_ratio)
        check.whole(1, 1_000_000, max_iterations=self.max_iterations)
        check.number(1e-12, 1.0, tolerance=self.tolerance)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        rows = labelled(training)
        if rows.constant:
            return constantly(average(rows))
        model, converged = self._solve(rows, int(rng.integers(2**31)))
        iterations = int(np.max(model.n_iter_))
        steps: list[Step] = [Linear(weights=np.ascontiguousarray(model.coef_.T, np.float64), offset=np.asarray(model.intercept_, np.float64))]
        steps += [Link(name="logistic" if len(rows.present) == 2 else "softmax"), *spread(rows.present, rows.classes)]
        notes = {"iterations": iterations, "converged": converged and iterations < self.max_iterations, "zero weights": int((model.coef_ == 0).sum())}
        return Fitted(predict=in_turn(steps), ship=lambda: tuple(steps), notes=notes)

    def _solve(self, rows: Labelled, seed: int) -> tuple[Any, bool]:
        """The fitted scikit-learn model, and whether it says that it has converged."""
        import sklearn
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        lines = 1 if len(rows.present) == 2 else len(rows.present)
        cells = rows.matrix.shape[1] * lines
        ratio = {"none": 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": self.l1_ratio}[self.penalty]
        if ratio == 1 and lines == 1:
            solver = "liblinear"  # coordinate descent: a second where SAGA takes minutes (27,000 rows, 108 features)
        elif ratio > 0:
            solver = "saga"
        else:  # without a penalty the Hessian may be singular
            solver = "newton-cholesky" if self.penalty == "l2" and len(rows.target) * cells**2 <= NEWTON and cells <= 500 else "lbfgs"
        asked: dict[str, Any] = {"C": np.inf if self.penalty == "none" else 1.0 / self.strength, "l1_ratio": ratio}
        if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8):  # there the kind of penalty is a word
            asked = {"penalty": None if self.penalty == "none" else self.penalty, "C": 1.0 / self.strength}
            asked |= {"l1_ratio": ratio} if self.penalty == "elasticnet" else {}
        if solver == "liblinear":  # it penalises the intercept as the weight of a constant feature: a large one makes that next to nothing
            asked["intercept_scaling"] = 1e4
        model = LogisticRegression(solver=solver, tol=self.tolerance, max_iter=self.max_iterations, random_state=seed, **asked)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model.fit(rows.matrix.astype(np.float64), rows.labels, sample_weight=rows.weight)
        return model, not any(issubclass(warning.category, ConvergenceWarning) for warning in told)


LEARNER = Logistic
