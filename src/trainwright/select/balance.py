"""Rare classes made to count: class weights, or rows drawn anew, before a learner is fitted.

Takes    what a learner is to learn from, and the way: "weights", "over", "under" or "smote".
Gives    the same with other weights or other rows. What is watched for early stopping is weighted, never drawn: its rows are real.
Why      all of these move the shares of the classes, and so the probabilities; `decision.py` puts them right afterwards, and cross-validation says
         whether anything was gained at all.
Source   weights: King & Zeng (2001), Political Analysis 9(2), 137-163; SMOTE: Chawla et al. (2002), JAIR 16, 321-357, for mixed features §6.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from trainwright.errors import LearnerError, need
from trainwright.learners.interface import Training
from trainwright.plan.model import Balance
from trainwright.runtime.columns import Floats, Matrix, Rows, take_all

WAYS: Final[tuple[str, ...]] = tuple(way for way in get_args(Balance) if way != "none")
NEIGHBOURS: Final = 5  # of a row, towards which SMOTE draws new ones


def balanced(training: Training, way: str, rng: np.random.Generator) -> Training:
    """The training rows with every class counting the same.

    Raises LearnerError (TW011) where SMOTE has no numbers to draw between, finds gaps, or a class has a single row.
    """
    if way == "none" or training.target is None or len(np.unique(training.target[~np.isnan(training.target)])) < 2:
        return training  # of one class nothing is rare
    watch = None if training.watch is None else _weighted(training.watch)
    if way == "weights":
        return replace(_weighted(training), watch=watch)
    known = _taken(training, np.flatnonzero(~np.isnan(training.target)))
    made = _smote(known, rng) if way == "smote" else _taken(known, _drawn(known, way, rng))
    return replace(made, watch=watch)


def class_weights(target: Floats, weight: Floats | None, classes: int) -> Floats:
    """(rows,) weights under which every class that occurs has the same sum, and all together the sum that they had. 0 where the target is unknown."""
    known = ~np.isnan(target)
    given = np.ones(len(target)) if weight is None else weight
    number = np.where(known, target, 0).astype(np.int64)
    sums = np.bincount(number[known], weights=given[known], minlength=classes)
    present = np.count_nonzero(sums)
    share = np.divide(sums.sum(), present * sums, out=np.zeros(classes), where=sums > 0)
    return np.asarray(np.where(known, given * share[number], 0.0))


def _weighted(training: Training) -> Training:
    assert training.target is not None
    return replace(training, weight=class_weights(training.target, training.weight, training.classes))


def _taken(training: Training, rows: Rows) -> Training:
    return replace(
        training,
        numbers=None if training.numbers is None else training.numbers[rows],
        columns=take_all(training.columns, rows),
        target=None if training.target is None else training.target[rows],
        weight=None if training.weight is None else training.weight[rows],
    )


def _drawn(training: Training, way: str, rng: np.random.Generator) -> Rows:
    """Row numbers, ascending: of rarer classes repeated ("over"), or of commoner ones some ("under")."""
    need("imblearn", extra="tables", to="draw rows anew")
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    assert training.target is not None
    sampler = (RandomOverSampler if way == "over" else RandomUnderSampler)(random_state=_seed(rng))
    sampler.fit_resample(np.arange(len(training.target))[:, None], training.target.astype(np.int64))
    rows: Rows = np.sort(np.asarray(sampler.sample_indices_, np.int64))
    return rows


def _smote(training: Training, rng: np.random.Generator) -> Training:
    """New rows of the rarer classes between near ones; indicators and codes are taken from the majority of the neighbours."""
    need("imblearn", extra="tables", to="draw rows anew")
    from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC

    matrix, target = training.numbers, training.target
    assert target is not None
    if matrix is None or not matrix.shape[1]:
        raise _cannot("there is no feature to draw between")
    if np.isnan(matrix).any():
        raise _cannot("a feature has gaps", "give a learner that fills gaps, such as tabular/logistic, or another way")
    counts = np.bincount(target.astype(np.int64))
    fewest = int(counts[counts > 0].min())
    if fewest < 2:
        raise _cannot("a class has a single row")
    words = [index for index, feature in enumerate(training.features) if feature.kind in ("indicator", "code")]
    options: dict[str, Any] = {"k_neighbors": min(NEIGHBOURS, fewest - 1), "random_state": _seed(rng)}
    if not words:
        sampler = SMOTE(**options)
    elif len(words) == matrix.shape[1]:
        sampler = SMOTEN(**options)
    else:
        sampler = SMOTENC(categorical_features=words, **options)
    numbers, drawn = sampler.fit_resample(matrix, target.astype(np.int64))
    made: Matrix = np.ascontiguousarray(numbers, np.float32)
    return replace(training, numbers=made, columns={}, target=drawn.astype(np.float64), weight=_of_new(training.weight, target, drawn))


def _of_new(weight: Floats | None, target: Floats, drawn: NDArray[np.int64]) -> Floats | None:
    """Weights with those of the drawn rows, which stand at the end: the mean of their class."""
    if weight is None:
        return None
    new = drawn[len(target) :]
    means = np.array([weight[target == number].mean() if (target == number).any() else 0.0 for number in range(int(drawn.max()) + 1)])
    return np.concatenate([weight, means[new]])


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _cannot(what: str, fix: str = "leave this way out: --imbalance weights") -> LearnerError:
    return LearnerError("TW011", f"rows cannot be drawn anew: {what}", where="smote", why="it draws new rows between near ones", fix=fix)


def shares(target: Floats, rows: Rows, classes: int) -> Floats:
    """(classes,) the share of each class among the rows with a known target."""
    known = target[rows]
    counts = np.bincount(known[~np.isnan(known)].astype(np.int64), minlength=classes)
    return np.asarray(counts / max(1, counts.sum()))


def ways_of(asked: Sequence[str]) -> tuple[str, ...]:
    return tuple(way for way in asked if way in WAYS)
