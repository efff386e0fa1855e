"""Newton's method for losses that are squares on one side of a point and zero on the other: the squared hinge, the squared ε-insensitive loss.

Takes    A (rows, columns) float64, one target a row, weights, a ridge for each column.
Gives    the weights (columns,) of the least  ½ Σ ridge·v² + Σ weight · (t − A v)²  over the rows whose loss is not zero.
Cost     active rows·columns² for the first step; later steps add and take away only the rows that crossed the point, so that a whole solution
         costs little more than one least squares. Beyond DENSE columns the steps are solved by conjugate gradients, without a matrix.
Why      coordinate descent and trust regions (liblinear) go row by row; here nearly all work is one call of BLAS.
Source   Keerthi & DeCoste (2005), JMLR 6: the modified finite Newton method with exact line search; Chapelle (2007), Neural Computation 19(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainwright.runtime.columns import Floats

DENSE = 2500  # columns up to which the matrix of second derivatives is made
STEPS = 200  # of Newton's method at most: it takes about ten
FEW = 6  # steps after which a start near the end has not been near
CHUNK = 2**24  # cells of one block of rows


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What is to be solved. With `width` None the targets are the sides +1 and −1 of a squared hinge; else the half width of the free band."""

    matrix: Floats  # (rows, columns), the intercept's column of ones among them
    target: Floats  # (rows,)
    weight: Floats  # (rows,) 0 leaves a row out
    ridge: Floats  # (columns,)
    width: float | None = None

    def short(self, at: Floats) -> Floats:
        """(rows,) what is lacking: 0 where the loss is zero, else target (or edge of the band) less prediction."""
        lack = self.target - at
        if self.width is None:
            return np.where(lack * self.target > 0, lack, 0.0)
        return np.where(lack > self.width, lack - self.width, np.where(lack < -self.width, lack + self.width, 0.0))

    def value(self, weights: Floats) -> float:
        return float(0.5 * self.ridge @ weights**2 + self.weight @ self.short(self.matrix @ weights) ** 2)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    weights: Floats  # (columns,)
    at: Floats  # (rows,) predictions
    used: Floats  # (rows,) the weights with which rows went into `curve`: 0 where the loss was zero
    curve: Floats | None  # (columns, columns) second derivatives over them, without the ridge
    steps: int
    converged: bool
    begin: float = 0.0  # the gradient's norm at zero weights; 0 where it is not known


def solve(problem: Problem, *, tolerance: float, steps: int = STEPS, start: Solution | None = None, begin: float = 0.0) -> Solution:
    """The least. `start` may be the solution of the same rows and ridge with other targets or with some weights 0: then only differences cost.

    Ends when the gradient's norm is `tolerance` of what it is at zero weights: of `begin`, where that is given.
    """
    matrix, weight, ridge = problem.matrix, problem.weight, problem.ridge
    begin = begin or float(np.linalg.norm(2.0 * matrix.T @ (weight * problem.short(np.zeros(len(matrix))))))
    weights = np.zeros(matrix.shape[1]) if start is None else start.weights
    at = np.zeros(len(matrix)) if start is None else start.at
    used, curve = (np.zeros(len(matrix)), None) if start is None else (start.used, start.curve)
    for count in range(steps + 1):
        lack = problem.short(at)
        gradient = ridge * weights - 2.0 * (matrix.T @ (weight * lack))
        if np.linalg.norm(gradient) <= tolerance * begin:
            return Solution(weights, at, used, curve, count, True, begin)
        if count == steps:
            break
        now = np.where(lack != 0, weight, 0.0)
        if matrix.shape[1] <= DENSE:
            curve = _curve(matrix, now, used, curve)
            used = now
            direction = _direction(problem, now, curve, gradient)
        else:
            direction = _by_conjugate_gradients(problem, now, gradient)
        along = matrix @ direction
        size = _length(problem, weights, direction, at, along)
        if size == 0:
            return Solution(weights, at, used, curve, count, True, begin)  # as near as float64 comes
        weights = weights + size * direction
        at = at + size * along if count % 8 else matrix @ weights
    return Solution(weights, at, used, curve, steps, False, begin)


def _curve(matrix: Floats, now: Floats, used: Floats, curve: Floats | None) -> Floats:
    """2 Aᵀ W A with the weights `now`; from that with the weights `used` where fewer rows differ."""
    if curve is not None and 2 * np.count_nonzero(now != used) < np.count_nonzero(now):
        return curve + _gram(matrix, np.maximum(now - used, 0.0)) - _gram(matrix, np.maximum(used - now, 0.0))
    return _gram(matrix, now)


def _gram(matrix: Floats, weight: Floats) -> Floats:
    rows, columns = np.flatnonzero(weight), matrix.shape[1]
    total = np.zeros((columns, columns))
    size = max(1, CHUNK // columns)
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        block = matrix[part]
        block *= np.sqrt(2.0 * weight[part])[:, None]
        total += block.T @ block
    return total


def _direction(problem: Problem, now: Floats, curve: Floats, gradient: Floats) -> Floats:
    from scipy.linalg import cho_factor, cho_solve

    lift = 0.0
    for tries in range(12):
        whole = curve.copy()
        whole[np.diag_indices(len(whole))] += problem.ridge + lift
        try:
            return np.asarray(cho_solve(cho_factor(whole, lower=True, overwrite_a=True), -gradient))
        except np.linalg.LinAlgError:  # singular in float64: nothing is lost when the step is a little shorter
            curve = _gram(problem.matrix, now) if tries == 0 else curve
            lift = max(10.0 * lift, 1e-14 * max(float(np.trace(curve)), float(problem.ridge.max()), 1e-300))
    return -gradient / max(float(np.trace(curve)), 1e-300)


def _by_conjugate_gradients(problem: Problem, now: Floats, gradient: Floats) -> Floats:
    """The Newton step to a tenth of the gradient or better; the nearer to the end, the more exact."""
    rows, factor = problem.matrix[now > 0], 2.0 * now[now > 0]
    scale = 1.0 / np.maximum(problem.ridge + factor @ rows**2, 1e-300)  # of each column, by its own second derivative
    step, rest = np.zeros_like(gradient), -gradient
    ahead = scale * rest
    direction, energy = ahead, float(rest @ ahead)
    enough = 1e-3 * np.linalg.norm(gradient)
    for _ in range(500):
        bent = problem.ridge * direction + rows.T @ (factor * (rows @ direction))
        size = energy / max(float(direction @ bent), 1e-300)
        step, rest = step + size * direction, rest - size * bent
        if np.linalg.norm(rest) <= enough:
            break
        ahead = scale * rest
        before, energy = energy, float(rest @ ahead)
        direction = ahead + energy / before * direction
    return step


def _length(problem: Problem, weights: Floats, direction: Floats, at: Floats, along: Floats) -> float:
    """How far to go: where the slope along the direction is zero. It is piecewise straight and rises, so Newton's method in a bracket ends there."""
    ridge_slope, ridge_curve = float(problem.ridge @ (weights * direction)), float(problem.ridge @ direction**2)
    weighted = 2.0 * problem.weight * along

    def slope(size: float) -> tuple[float, float]:
        lack = problem.short(at + size * along)
        return ridge_slope + size * ridge_curve - float(weighted @ lack), ridge_curve + float((weighted * along)[lack != 0].sum())

    first, _ = slope(0.0)
    if first >= 0:
        return 0.0
    low, high, size = 0.0, np.inf, 1.0
    for _ in range(60):
        value, bend = slope(size)
        if abs(value) <= 1e-10 * abs(first):
            break
        low, high = (size, high) if value < 0 else (low, size)
        size = size - value / bend if bend > 0 else 2.0 * size
        if not low < size < high:
            size = 0.5 * (low + high) if np.isfinite(high) else 2.0 * low
    return size


def with_ones(matrix: Any) -> Floats:
    """(rows, features + 1) float64, the last column for the intercept."""
    out = np.empty((len(matrix), matrix.shape[1] + 1))
    out[:, :-1] = matrix
    out[:, -1] = 1.0
    return out


def one_against_rest(
    matrix: Floats, labels: np.ndarray[Any, Any], weight: Floats, ridge: Floats, folds: np.ndarray[Any, Any], *, tolerance: float, steps: int = STEPS
) -> tuple[Floats, Floats, dict[str, Any]]:
    """The lines of all classes against the rest, by the squared hinge, and what lines fitted without a row's fold say of that row.

    Takes   labels (rows,) 0..classes−1; folds (rows,).
    Gives   lines (columns, lines), where two classes have one line, for the second; margins (rows, lines); notes.
    """
    classes = int(labels.max()) + 1
    wanted = range(1, 2) if classes == 2 else range(classes)
    lines, margins = np.empty((matrix.shape[1], len(wanted))), np.empty((len(matrix), len(wanted)))
    start, most, converged = None, 0, True
    for place, label in enumerate(wanted):
        problem = Problem(matrix, np.where(labels == label, 1.0, -1.0), weight, ridge)
        start = start or _at_zero(problem)
        solved = solve(problem, tolerance=tolerance, steps=steps, start=start)
        lines[:, place] = solved.weights
        most, converged = max(most, solved.steps), converged and solved.converged
        margins[:, place] = _left_out(problem, folds, (solved, start), tolerance=max(tolerance, 1e-5), steps=steps)
    return lines, margins, {"converged": converged, "iterations": most}


def _at_zero(problem: Problem) -> Solution:
    """Where every class begins: all rows count, so their second derivatives are reckoned once for all."""
    curve = _gram(problem.matrix, problem.weight) if problem.matrix.shape[1] <= DENSE else None
    return Solution(np.zeros(problem.matrix.shape[1]), np.zeros(len(problem.matrix)), problem.weight, curve, 0, False)


def _left_out(problem: Problem, folds: np.ndarray[Any, Any], starts: tuple[Solution, Solution], *, tolerance: float, steps: int) -> Floats:
    """(rows,) the prediction for each row by the solution without its fold.

    It ends where it would from anywhere. The first start, the whole solution, is mostly near; where it is not (few rows, many columns), the second.
    """
    margins, begin = np.empty(len(folds)), starts[0].begin  # of all rows: without a fold it is nearly the same
    for fold in np.unique(folds):
        out = folds == fold
        rest = Problem(problem.matrix, problem.target, np.where(out, 0.0, problem.weight), problem.ridge, problem.width)
        solved = solve(rest, tolerance=tolerance, steps=FEW, start=starts[0], begin=begin)
        if not solved.converged:
            solved = solve(rest, tolerance=tolerance, steps=steps, start=starts[1], begin=begin)
        margins[out] = solved.at[out]
    return margins
