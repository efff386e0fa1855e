"""Linear support vector machine: the flat border that keeps the rows of two classes as far from it as it can.

Takes    X (rows, features) float32 without gaps, standardised; y class numbers or values; weights.
Gives    probabilities (rows, classes), or one number (rows, 1), in the unit of y. More than two classes: one line each against the rest.
Loss     sum over rows of weight × loss + strength/2·|w|²; the loss of a margin m = ±f(x) is max(0, 1−m)² ("squared_hinge") or max(0, 1−m)
         ("hinge"). Of a number, in units of its standard deviation: max(0, |y−f(x)|−epsilon), squared or plain.
         The intercept is not penalised, except with "hinge", where it counts as the weight of a feature that is always 1.
Probable a margin is no probability: lines are fitted across five folds of the training rows, and the margins of the rows left out say what a
         margin is worth (learners/margins.py).
Cost     about two least squares (rows·features² each) with "squared_hinge", by our own Newton method; "hinge" is liblinear's coordinate
         descent, which draws the order of its steps. 8·rows·features bytes.
Source   Cortes & Vapnik (1995), Machine Learning 20(3); Keerthi & DeCoste (2005), JMLR 6; Fan et al. (2008), JMLR 9 (liblinear).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trainwright.learners import margins, piecewise
from trainwright.learners import settings as check
from trainwright.learners.interface import Budget, Card, Fitted, LogUniform, Space, Training, Uniform
from trainwright.learners.rows import Labelled, average, constantly, in_turn, labelled, spread
from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import Step
from trainwright.runtime.steps import Linear, Link

LOSSES = ("squared_hinge", "hinge")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSVM:
    strength: float = 1.0  # of the penalty, beside the summed loss (scikit-learn's 1 / C)
    loss: str = "squared_hinge"
    epsilon: float = 0.1  # of a number: an error up to so many standard deviations of the target costs nothing
    max_iterations: int = 1000  # Newton steps, or passes over the rows
    tolerance: float = 1e-6  # of the gradient, as a share of what it is at the start

    card: ClassVar[Card] = Card(
        title="linear support vector machine",
        tasks=("binary", "multiclass", "regression"),
        reads="scaled",
        explains="glass-box",
        how="one weight for each feature (and class)",
        losses=("squared hinge or hinge, for classes", "squared or plain error beyond epsilon, for numbers"),
        limits=("straight borders only: what bends or depends on two columns at once needs a column of its own",),
        # Measured: processor seconds of one thread of a 2.6 GHz EPYC and growth of the resident size, 10³–10⁵ rows, 5–200 columns of normal
        # numbers, one number, 2 and 5 classes: within a factor of 2.
        seconds=lambda rows, features, outputs: _seconds(rows, features, outputs),
        memory=lambda rows, features, outputs: 28.0 * rows * features + 80.0 * rows * max(1, outputs) + 32.0 * min(features, 2500) ** 2,
        effort=lambda settings: 8.0 if settings.loss == "hinge" else 1.0,
    )
    space: ClassVar[Space] = {"strength": LogUniform(1e-2, 1e4), "epsilon": Uniform(0.0, 0.5)}

    def __post_init__(self) -> None:
        check.number(1e-12, 1e12, strength=self.strength)
        check.choice(LOSSES, loss=self.loss)
        check.number(0.0, 1e6, epsilon=self.epsilon)
        check.whole(1, 1_000_000, max_iterations=self.max_iterations)
        check.number(1e-12, 1.0, tolerance=self.tolerance)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        rows = labelled(training)
        if rows.constant:
            return constantly(average(rows))
        if not rows.classes:
            return self._number(rows, int(rng.integers(2**31)))
        folds = margins.folds(rows.matrix, rows.labels, rng)
        lines, crossed, notes = self._lines(rows, folds, int(rng.integers(2**31)))
        scale, offset = margins.calibrate(crossed, rows.labels, rows.weights)
        steps: list[Step] = [Linear(weights=lines[:-1] * scale, offset=lines[-1] * scale + offset)]
        steps += [Link(name="logistic" if len(rows.present) == 2 else "softmax"), *spread(rows.present, rows.classes)]
        return Fitted(predict=in_turn(steps), ship=lambda: tuple(steps), notes=notes)

    def _number(self, rows: Labelled, seed: int) -> Fitted:
        mean = float(average(rows)[0])
        unit = float(np.sqrt(np.average((rows.target - mean) ** 2, weights=rows.weight)))
        if not unit > 0:
            return constantly(np.array([mean]))
        y = (rows.target - mean) / unit
        if self.loss == "hinge":
            line, converged = self._by_liblinear(rows.matrix, y, rows.weights, seed, number=True)
            notes: dict[str, Any] = {"converged": converged}
        else:
            matrix, back = _narrow(rows.matrix)
            problem = piecewise.Problem(matrix, y, rows.weights, self._ridge(matrix), width=self.epsilon)
            solved = piecewise.solve(problem, tolerance=self.tolerance, steps=self.max_iterations)
            line = back(solved.weights[:, None])
            notes = {"converged": solved.converged, "iterations": solved.steps}
        step = Linear(weights=line[:-1] * unit, offset=line[-1] * unit + mean)
        return Fitted(predict=step.apply, ship=lambda: (step,), notes=notes)

    def _lines(self, rows: Labelled, folds: margins.Places, seed: int) -> tuple[Floats, Floats, dict[str, Any]]:
        """The lines (features + 1, lines) fitted to all rows, the margins (rows, lines) of each row by lines fitted without its fold, and notes."""
        if self.loss == "squared_hinge":
            matrix, back = _narrow(rows.matrix)
            lines, crossed, notes = piecewise.one_against_rest(
                matrix, rows.labels, rows.weights, self._ridge(matrix), folds, tolerance=self.tolerance, steps=self.max_iterations
            )
            return back(lines), crossed, notes
        lines, converged = self._by_liblinear(rows.matrix, rows.labels, rows.weights, seed)
        crossed = np.empty((len(rows.labels), lines.shape[1]))
        for fold in np.unique(folds):
            out, rest = folds == fold, folds != fold
            seen = np.unique(rows.labels[rest])
            there = np.tile(np.append(np.zeros(rows.matrix.shape[1]), -1.0)[:, None], lines.shape[1])  # a class not seen is on nobody's side
            if len(seen) > 1:
                found, fine = self._by_liblinear(rows.matrix[rest], rows.labels[rest], rows.weights[rest], seed)
                there[:, seen if lines.shape[1] > 1 else [0]] = found if found.shape[1] == len(seen) or lines.shape[1] == 1 else np.c_[-found, found]
                converged = converged and fine
            elif lines.shape[1] == 1:
                there[-1] = 2.0 * seen[0] - 1.0
            crossed[out] = rows.matrix[out].astype(np.float64) @ there[:-1] + there[-1]
        return lines, crossed, {"converged": converged}

    def _ridge(self, matrix: Floats) -> Floats:
        ridge = np.full(matrix.shape[1], self.strength)
        ridge[-1] = 0.0
        return ridge

    def _by_liblinear(self, matrix: Matrix, y: Any, weight: Floats, seed: int, *, number: bool = False) -> tuple[Floats, bool]:
        """The lines (features + 1, lines) of the plain hinge, and whether liblinear says that it has converged."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC, LinearSVR

        asked: dict[str, Any] = {"C": 1.0 / self.strength, "max_iter": self.max_iterations, "tol": max(self.tolerance, 1e-4), "random_state": seed}
        model = LinearSVR(epsilon=self.epsilon, dual=True, **asked) if number else LinearSVC(loss="hinge", dual=True, **asked)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model.fit(matrix.astype(np.float64), y, sample_weight=weight)
        lines = np.concatenate([np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_)[None, :]])
        return np.asarray(lines, np.float64), not any(issubclass(warning.category, ConvergenceWarning) for warning in told)


def _seconds(rows: int, features: int, outputs: int) -> float:
    if outputs < 2:  # no folds
        return 1e-3 + rows * (2.5e-7 + 1.5e-8 * features + 1e-10 * features * min(rows, features))
    lines = outputs if outputs > 2 else 1
    return 3e-3 + (1 + lines) / 2 * rows * (1.7e-6 + 9e-8 * features) + lines * 2e-9 * min(rows, features, piecewise.DENSE) ** 3


def _narrow(matrix: Matrix) -> tuple[Floats, Callable[[Floats], Floats]]:
    """The rows with a column of ones, and the way back from its lines to those of the features.

    Where features outnumber rows, the rows are put in the coordinates of the space that they span: the penalty knows no direction, so the best
    weights lie in that space, and are a sum of rows.
    """
    if matrix.shape[1] <= len(matrix) or len(matrix) > piecewise.DENSE:
        return piecewise.with_ones(matrix), lambda lines: lines
    wide = matrix.astype(np.float64)
    size, axes = np.linalg.eigh(wide @ wide.T)
    kept = size > len(matrix) * np.finfo(np.float64).eps * size[-1]
    length, axes = np.sqrt(size[kept]), axes[:, kept]
    return piecewise.with_ones(axes * length), lambda lines: np.concatenate([wide.T @ (axes @ (lines[:-1] / length[:, None])), lines[-1:]])


LEARNER = LinearSVM
