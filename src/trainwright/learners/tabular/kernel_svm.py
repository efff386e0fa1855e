"""Support vector machine with a Gaussian kernel: a border of any shape, as far from the rows of two classes as it can be.

Takes    X (rows, features) float32 without gaps, standardised; y class numbers or values; weights.
Gives    probabilities (rows, classes), or one number (rows, 1): a sum of bumps exp(−gamma·|x − p|²) around kept points.
Exact    up to `exact_rows` rows, by libsvm (hinge loss, one class against one; the margins of a class are added up). The points are training
         rows, so the bundle is marked: it contains training rows.
Near     beyond: Nyström's approximation. The points are the means of groups of ten rows or more (k-means), never a row; in the space that
         they span a linear machine with the squared loss is fitted by Newton's method. Notes say which way was gone.
Loss     as `linear_svm`. Probabilities: from the margins of rows left out, across five folds (learners/margins.py).
Cost     exact: rows²·features to rows³, two to four times for the folds. Near: rows·points·(features + points), 16·rows·points bytes.
Source   Boser, Guyon & Vapnik (1992), COLT; Chang & Lin (2011), ACM TIST 2(3) (libsvm); Williams & Seeger (2001), NeurIPS 13; Zhang, Tsang &
         Kwok (2008), ICML: k-means centres for Nyström.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trainwright.learners import margins, piecewise
from trainwright.learners import settings as check
from trainwright.learners.interface import Budget, Card, Fitted, LogUniform, Space, Training, Uniform
from trainwright.learners.rows import Labelled, average, constantly, in_turn, labelled, spread
from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import Step
from trainwright.runtime.steps import Kernel, Link
from trainwright.runtime.steps.points import distances, squares

EXACT = 3000  # rows, up to which libsvm's time is small
LEAST = 10  # rows whose mean may be kept as a point
ROUNDS = 3  # of k-means: eight place no better points
SAMPLE = 20  # rows for each point, from which the points are made
FAINT = 0.02  # of a direction's weight is left by the ridge: such directions are left out for classes
CELLS = 2e8  # of rows × points that are held at most: 1.6 GB


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSVM:
    strength: float = 1.0  # of the penalty, beside the summed loss (scikit-learn's 1 / C)
    gamma: float | str = "scale"  # of the kernel; "scale": one over features × variance of all cells, so that a typical distance counts as 2
    epsilon: float = 0.1  # of a number: an error up to so many standard deviations of the target costs nothing
    exact_rows: int = EXACT  # up to so many rows exactly; beyond, approximately
    points: int = 500  # of the approximation
    tolerance: float = 1e-3  # of libsvm's optimality conditions

    card: ClassVar[Card] = Card(
        title="support vector machine with a Gaussian kernel",
        tasks=("binary", "multiclass", "regression"),
        reads="scaled",
        explains="opaque",
        how=f"support vectors (up to {EXACT:,} rows), or weights of {500} typical points (approximation, beyond)",
        losses=(
            "hinge (exact), squared hinge (approximate), for classes",
            "error beyond epsilon, plain (exact) or squared (approximate), for numbers",
        ),
        limits=(
            f"exact up to {EXACT:,} rows, approximate beyond",
            "an exact one keeps rows of the training data in its bundle",
            "never far beyond the rows that it saw",
        ),
        # Measured: processor seconds of one thread of a 2.6 GHz EPYC and growth of the resident size, 10³–10⁵ rows, 5–200 columns of normal
        # numbers, one number, 2 and 5 classes: within a factor of 3.
        seconds=lambda rows, features, outputs: _seconds(rows, features, outputs),
        memory=lambda rows, features, outputs: (
            1e7 + 20.0 * rows * features + (5.0 * rows**2 if rows <= EXACT else min(10_000.0 * rows, 2.5 * 8 * CELLS))
        ),
    )
    space: ClassVar[Space] = {"strength": LogUniform(1e-3, 1e2), "gamma": LogUniform(1e-4, 1.0), "epsilon": Uniform(0.0, 0.5)}

    def __post_init__(self) -> None:
        check.number(1e-12, 1e12, strength=self.strength, tolerance=self.tolerance)
        if self.gamma != "scale":
            check.number(1e-12, 1e6, gamma=self.gamma)
        check.number(0.0, 1e6, epsilon=self.epsilon)
        check.whole(0, 1_000_000, exact_rows=self.exact_rows)
        check.whole(1, 20_000, points=self.points)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        rows = labelled(training)
        mean = average(rows)
        if rows.constant:
            return constantly(mean)
        gamma = _gamma(rows) if self.gamma == "scale" else float(self.gamma)
        exact = len(rows.target) <= self.exact_rows
        if not rows.classes:
            unit = float(np.sqrt(np.average((rows.target - mean[0]) ** 2, weights=rows.weight)))
            if not unit > 0:
                return constantly(mean)
            y = (rows.target - mean[0]) / unit
            machine, notes = self._exact_number(rows, y, gamma) if exact else self._near(rows, gamma, None, y, rng)[::2]
            step = Kernel(points=machine.points, weights=machine.weights * unit, offset=machine.offset * unit + mean, gamma=gamma)
            return Fitted(predict=step.apply, ship=lambda: (step,), notes=notes, holds_rows=exact)
        folds = margins.folds(rows.matrix, rows.labels, rng)
        machine, crossed, notes = self._exact_classes(rows, gamma, folds) if exact else self._near(rows, gamma, folds, None, rng)
        scale, offset = margins.calibrate(crossed, rows.labels, rows.weights)
        kernel = Kernel(points=machine.points, weights=machine.weights * scale, offset=machine.offset * scale + offset, gamma=gamma)
        steps: list[Step] = [kernel, Link(name="logistic" if len(rows.present) == 2 else "softmax"), *spread(rows.present, rows.classes)]
        return Fitted(predict=in_turn(steps), ship=lambda: tuple(steps), notes=notes, holds_rows=exact)

    def _exact_number(self, rows: Labelled, y: Floats, gamma: float) -> tuple[Kernel, dict[str, Any]]:
        from sklearn.svm import SVR

        model = SVR(C=1.0 / self.strength, gamma=gamma, epsilon=self.epsilon, tol=self.tolerance)
        model.fit(rows.matrix.astype(np.float64), y, sample_weight=rows.weight)
        machine = _machine(rows.matrix[model.support_], model.dual_coef_.T, model.intercept_, gamma)
        return machine, {"support vectors": len(model.support_), "way": "exact"}

    def _exact_classes(self, rows: Labelled, gamma: float, folds: margins.Places) -> tuple[Kernel, Floats, dict[str, Any]]:
        machine = self._machine_of(rows.matrix, rows.labels, rows.weights, len(rows.present), gamma)
        crossed = np.empty((len(folds), len(machine.offset)))
        for fold in np.unique(folds):
            out, rest = folds == fold, folds != fold
            seen = self._machine_of(rows.matrix[rest], rows.labels[rest], rows.weights[rest], len(rows.present), gamma)
            crossed[out] = seen.apply(rows.matrix[out])
        return machine, crossed, {"support vectors": len(machine.points), "way": "exact"}

    def _machine_of(self, matrix: Matrix, labels: margins.Places, weight: Floats, classes: int, gamma: float) -> Kernel:
        """The exact machine. Outputs: of two classes the margin of the second; of more, for each the mean of its margins against the others."""
        from sklearn.svm import SVC

        present = np.unique(labels)
        if len(present) < 2:
            offset = np.array([2.0 * present[0] - 1.0]) if classes == 2 else np.where(np.arange(classes) == present[0], 1.0, -1.0)
            return _machine(matrix[:0], np.empty((0, len(offset))), offset, gamma)
        model = SVC(C=1.0 / self.strength, gamma=gamma, tol=self.tolerance, cache_size=500)
        model.fit(matrix.astype(np.float64), labels, sample_weight=weight)
        dual, points = model.dual_coef_, matrix[model.support_]
        if classes == 2:
            return _machine(points, dual.T, model.intercept_, gamma)
        ends = np.cumsum([0, *model.n_support_])
        weights, offset = np.zeros((len(points), classes)), np.full(classes, -1.0)
        offset[present] = 0.0
        against, pair = len(present) - 1, 0
        turn = -1.0 if len(present) == 2 else 1.0  # scikit-learn turns the one line of two classes round
        for i, first in enumerate(present):
            for j in range(i + 1, len(present)):
                line = np.zeros(len(points))  # libsvm's layout: the rows of class i against j stand in row j − 1, those of j against i in row i
                line[ends[i] : ends[i + 1]] = dual[j - 1, ends[i] : ends[i + 1]]
                line[ends[j] : ends[j + 1]] = dual[i, ends[j] : ends[j + 1]]
                for label, side in ((first, turn), (present[j], -turn)):
                    weights[:, label] += side * line / against
                    offset[label] += side * model.intercept_[pair] / against
                pair += 1
        return _machine(points, weights, offset, gamma)

    def _near(
        self, rows: Labelled, gamma: float, folds: margins.Places | None, y: Floats | None, rng: np.random.Generator
    ) -> tuple[Kernel, Floats, dict[str, Any]]:
        """Nyström's machine, the margins of rows left out (empty for a number), and notes."""
        points = centres(rows.matrix, max(1, min(self.points, int(CELLS / len(rows.target)))), rng)
        # of classes, a direction that the ridge would shrink to FAINT of its size moves no border; of a number, such details count
        faint = 0.0 if y is not None else FAINT * self.strength * len(points) / (2.0 * float(rows.weights.sum()))
        root = _root(points, gamma, faint)
        features = piecewise.with_ones(_bumps(rows.matrix, points, gamma) @ root)
        ridge = np.full(features.shape[1], self.strength)
        ridge[-1] = 0.0
        crossed = np.empty((0, 1))
        if y is not None:
            solved = piecewise.solve(piecewise.Problem(features, y, rows.weights, ridge, width=self.epsilon), tolerance=1e-6)
            lines, notes = solved.weights[:, None], {"converged": solved.converged}
        else:
            assert folds is not None
            lines, crossed, notes = piecewise.one_against_rest(features, rows.labels, rows.weights, ridge, folds, tolerance=1e-6)
        machine = _machine(points, root @ lines[:-1], lines[-1], gamma)
        return machine, crossed, {"points": len(points), "way": f"approximate (Nyström): there are more than {self.exact_rows:,} rows", **notes}


def _machine(points: Matrix, weights: Any, offset: Any, gamma: float) -> Kernel:
    return Kernel(
        points=np.ascontiguousarray(points, np.float32),
        weights=np.ascontiguousarray(weights, np.float64),
        offset=np.array(offset, np.float64),
        gamma=gamma,
    )


def _gamma(rows: Labelled) -> float:
    """1 / (features · variance of all cells), rows counted by their weight."""
    shares = rows.weights / rows.weights.sum()
    cells = rows.matrix.astype(np.float64)
    middle = float((shares @ cells).mean())
    variance = float((shares @ (cells - middle) ** 2).mean())
    return float(np.clip(1.0 / (cells.shape[1] * variance), 1e-12, 1e6)) if variance > 0 else 1.0


def centres(matrix: Matrix, count: int, rng: np.random.Generator) -> Matrix:
    """At most `count` means of groups of LEAST rows or more, by a few rounds of k-means on a sample: typical points, none of which is a row's own.

    (Rows that are all alike have themselves as their mean: then LEAST rows or more are so.)
    """
    sample = matrix
    if len(matrix) > SAMPLE * count:
        sample = matrix[np.sort(rng.choice(len(matrix), SAMPLE * count, replace=False))]
    count = max(1, min(count, len(sample) // LEAST))
    points = sample[np.sort(rng.choice(len(sample), count, replace=False))].astype(np.float64)
    for _ in range(ROUNDS):
        own = np.concatenate([apart.argmin(axis=1) for _, _, apart in distances(sample, points, squares(points))])
        order = np.argsort(own, kind="stable")
        groups, starts, sizes = np.unique(own[order], return_index=True, return_counts=True)
        means = np.add.reduceat(sample[order].astype(np.float64), starts, axis=0) / sizes[:, None]
        points[groups] = means
    large = sizes >= LEAST
    kept = means[large] if large.any() else sample.mean(axis=0, dtype=np.float64)[None, :]
    return np.ascontiguousarray(kept, np.float32)


def _bumps(matrix: Matrix, points: Matrix, gamma: float) -> Floats:
    """(rows, points) the kernel."""
    wide = points.astype(np.float64)
    out = np.empty((len(matrix), len(points)))
    for first, _, apart in distances(matrix, wide, squares(wide)):
        apart *= -gamma
        np.exp(apart, out=out[first : first + len(apart)])
    return out


def _root(points: Matrix, gamma: float, least: float) -> Floats:
    """(points, directions): kernel values times this are coordinates whose inner products are the kernel's, as far as the points span it.

    Directions of a size of `least` or less are left out. (The rows' sum of squares along a direction is about rows / points times its size.)
    """
    size, axes = np.linalg.eigh(_bumps(points, points, gamma))
    kept = size > max(1e-9 * size[-1], min(least, 0.5 * size[-1]))
    return np.asarray(axes[:, kept] / np.sqrt(size[kept]))


def _seconds(rows: int, features: int, outputs: int) -> float:
    if rows <= EXACT:
        return 5e-3 + rows**2 * (4.5e-8 + 1.1e-9 * features) * (0.5 if outputs < 2 else 0.6 + 0.2 * outputs)
    lines = 0.5 if outputs < 2 else (1 + outputs) / 2 if outputs > 2 else 1.0  # a number has no folds
    return 0.1 + rows * (2e-5 + 5e-8 * features + 5e-5 * lines)


LEARNER = KernelSVM
