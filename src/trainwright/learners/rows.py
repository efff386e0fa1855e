"""What every learner on rows does first and last: take the arrays of a `Training`, and put classes that it has not seen back in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from trainwright.errors import LearnerError
from trainwright.learners.interface import Fitted, Training
from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import Step
from trainwright.runtime.steps import Constant, Linear


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Rows with a known target. `labels` are the places in `present` of their classes; `present` are the class numbers that occur, ascending."""

    matrix: Matrix  # (rows, features) float32, C order
    target: Floats  # (rows,) as given: values or class numbers
    weight: Floats | None
    classes: int  # 0 for regression
    present: np.ndarray[Any, np.dtype[np.int64]]
    labels: np.ndarray[Any, np.dtype[np.int64]]

    @property
    def weights(self) -> Floats:
        return np.ones(len(self.target)) if self.weight is None else self.weight

    @property
    def outputs(self) -> int:
        """The scores that boosting makes of a row: one for each class that occurs, or a single one for two classes and for numbers."""
        return len(self.present) if len(self.present) > 2 else 1

    def in_place(self, probabilities: Floats) -> Floats:
        """(rows, classes) probabilities of the classes that occur, in their places; a single column is the second class's."""
        given = probabilities if probabilities.shape[1] > 1 else np.concatenate([1.0 - probabilities, probabilities], axis=1)
        out = np.zeros((len(given), self.classes))
        out[:, self.present] = given
        return out

    @property
    def constant(self) -> bool:
        """Nothing can be learned beyond a constant: no features, or one class only."""
        return self.matrix.shape[1] == 0 or (self.classes > 0 and len(self.present) < 2)


def labelled(training: Training) -> Labelled:
    """The rows to learn from: those with a target and a positive weight. (A weight of 0 is the same as leaving the row out.)

    Raises LearnerError TW011 when there is none, or when a feature, a weight or the target is infinite or out of range.
    """
    target = training.target
    if target is None:
        raise _cannot("there is no target")
    matrix = training.numbers if training.numbers is not None else np.empty((len(target), 0), np.float32)
    weight = training.weight
    if len(matrix) != len(target) or (weight is not None and len(weight) != len(target)):
        raise _cannot("features, target and weights have different numbers of rows")
    if weight is not None and not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise _cannot("a row weight is negative or not finite")
    keep = ~np.isnan(target) if weight is None else ~np.isnan(target) & (weight > 0)
    if not keep.all():
        matrix, target, weight = matrix[keep], target[keep], None if weight is None else weight[keep]
    if not len(target):
        raise _cannot("no row has a target and a positive weight")
    if not np.isfinite(target).all() or np.isinf(matrix).any():
        raise _cannot("the target or a feature is infinite")
    present = labels = np.empty(0, np.int64)
    if training.classes:
        present, labels = np.unique(target.astype(np.int64), return_inverse=True)
        if present[0] < 0 or present[-1] >= training.classes or (target != target.astype(np.int64)).any():
            raise _cannot(f"a target is none of the {training.classes} class numbers")
    return Labelled(np.ascontiguousarray(matrix, np.float32), target, weight, training.classes, present, labels)


def _cannot(what: str) -> LearnerError:
    return LearnerError(
        "TW011",
        f"this learner cannot learn from these rows: {what}",
        where="the rows given for training",
        fix="look at the data with `trainwright check`",
    )


def average(rows: Labelled) -> Floats:
    """(outputs,) the weighted share of each class, or the weighted mean of the target: what can be said without looking at a row."""
    if rows.classes:
        shares = np.bincount(rows.target.astype(np.int64), weights=rows.weights, minlength=rows.classes)
        return np.asarray(shares / shares.sum())
    return np.array([np.average(rows.target, weights=rows.weight)])


def centre(rows: Labelled) -> tuple[float, float]:
    """Mean and standard deviation of a number to predict; 0 and 1 for classes.

    Trees are held in float32, which keeps seven digits of what differs only when the mean is taken off.
    """
    if rows.classes:
        return 0.0, 1.0
    mean = float(np.average(rows.target, weights=rows.weight))
    return mean, float(np.sqrt(np.average((rows.target - mean) ** 2, weights=rows.weight)))


def few_codes(training: Training, matrix: Matrix, most: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(features,) which are categories of at most `most` words, to be split by sets of them. All gaps count as one word."""
    codes = np.array([feature.kind == "code" for feature in training.features], np.bool_)
    for index in np.flatnonzero(codes).tolist():
        codes[index] = len(np.unique(matrix[:, index])) <= most
    return codes


def constraints(training: Training) -> list[int] | None:
    """What is asked of each feature (see `Training.monotone`); None where nothing is.

    Raises LearnerError TW067 for several classes, of which one probability can only rise as others fall.
    """
    if not any(training.monotone):
        return None
    if training.classes > 2:
        raise LearnerError("TW067", "a monotone constraint has no meaning for several classes", where="the plan", fix="leave it out")
    return list(training.monotone)


def watched(training: Training, rows: Labelled) -> tuple[Matrix, Floats, Floats | None] | None:
    """Features, target (a place in `rows.present`, or the value itself) and weights of the rows to watch: those whose class occurs in `rows`.

    None where there are none to watch.
    """
    if training.watch is None:
        return None
    seen = labelled(training.watch)
    if not rows.classes:
        return seen.matrix, seen.target, seen.weight
    place = np.minimum(np.searchsorted(rows.present, seen.target), len(rows.present) - 1)
    known = rows.present[place] == seen.target
    if not known.any():
        return None
    return seen.matrix[known], place[known].astype(np.float64), None if seen.weight is None else seen.weight[known]


def constantly(values: Floats, **notes: Any) -> Fitted:
    """A model that says the same of every row."""
    step = Constant(values=values)
    return Fitted(predict=step.apply, ship=lambda: (step,), iterations=None, notes=notes)


def spread(present: Sequence[int] | np.ndarray[Any, Any], classes: int) -> tuple[Step, ...]:
    """The step that puts probabilities of the classes seen into their places among all classes, 0 for the others; none where all were seen."""
    if len(present) == classes:
        return ()
    weights = np.zeros((len(present), classes))
    weights[np.arange(len(present)), np.asarray(present)] = 1.0
    return (Linear(weights=weights, offset=np.zeros(classes)),)


def in_turn(steps: Sequence[Step]) -> Callable[[Any], Floats]:
    """Predict by applying the steps one after another."""

    def predict(value: Any) -> Floats:
        for step in steps:
            value = step.apply(value)
        return cast(Floats, value)

    return predict
