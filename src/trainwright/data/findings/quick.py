"""A quick, strong learner for the checks: what a row's other columns say about its target, by trees that did not see the row.

Takes    typed columns of a sample of rows, and class numbers or values for them.
Gives    (rows, classes) probabilities or (rows,) values, out of fold. The same rows and seed give the same figures.
Why      two kinds of trees: boosted ones are the quicker and the stronger, bagged ones give way less to a wrong label among their neighbours.
Cost     bounded by CELLS: a second or two on one core. One thread, so that figures do not hang on the machine.
Source   Ke et al. (2017), LightGBM; Geurts, Ernst & Wehenkel (2006), Machine Learning 63: extremely randomised trees, here out of bag.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainwright.data.findings.interface import Subject, codes_of
from trainwright.record.seeds import rng_for, seed_for
from trainwright.runtime.columns import Coded, Column, Floats, Rows, take

FOLDS = 4
ROUNDS = 40  # of boosting
MOST_BOOSTED = 8  # classes, each of which needs trees of its own; beyond, bagged trees alone, which are as good there and far quicker
BAGGED = 100
CELLS = 1_000_000  # rows times columns
MOST_ROWS = 10_000
MOST_COLUMNS = 400


def sample_for(subject: Subject, rows: Rows, columns: int, purpose: str) -> Rows:
    """The rows that a quick learner looks at: all, or as many as CELLS allows."""
    return subject.sample(rows, max(1_000, min(MOST_ROWS, CELLS // max(1, columns))), purpose)


def matrix_of(columns: Mapping[str, Column]) -> Floats:
    """(rows, columns) numbers with NaN for missing; words by how common they are, the commonest first."""
    made = []
    for column in columns.values():
        if isinstance(column, Coded):
            values, size = codes_of(take(column, np.flatnonzero(column.codes >= 0)))
            rank = np.empty(size)
            rank[np.argsort(-np.bincount(values, minlength=size), kind="stable")] = np.arange(size)
            numbers = np.full(len(column), np.nan)
            numbers[column.codes >= 0] = rank[values]
            made.append(numbers)
        else:
            made.append(np.where(np.isfinite(column), column, np.nan))
    return np.column_stack(made)


def folds_of(labels: Rows, seed: int) -> Rows:
    """(rows,) fold numbers; each label spread evenly."""
    rng = rng_for(seed, "findings", "quick folds")
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % FOLDS
    return fold


def probabilities(matrix: Floats, labels: Rows, classes: int, seed: int, *, rounds: int = ROUNDS) -> Floats:
    """(rows, classes) for each row the chance of each class by boosted trees that did not see it, or, for many classes, by bagged ones.

    Every class has FOLDS rows or more.
    """
    return bagged(matrix, labels, classes, seed) if classes > MOST_BOOSTED else _boosted(matrix, labels, classes, seed, rounds)


def _boosted(matrix: Floats, labels: Rows, classes: int, seed: int, rounds: int) -> Floats:
    import lightgbm

    answers = np.zeros((len(labels), classes))
    fold = folds_of(labels, seed)
    many = classes > 2
    settings: dict[str, Any] = _settings(seed) | ({"objective": "multiclass", "num_class": classes} if many else {"objective": "binary"})
    for number in range(FOLDS):
        learn, judge = fold != number, fold == number
        model = lightgbm.train(settings, lightgbm.Dataset(matrix[learn], labels[learn]), rounds)
        answer = np.asarray(model.predict(matrix[judge]))
        answers[judge] = answer if many else np.column_stack([1.0 - answer, answer])
    return answers


def bagged(matrix: Floats, labels: Rows, classes: int, seed: int) -> Floats:
    """(rows, classes) for each row the shares of the trees that did not see it; the shares of all rows for one that was in every bag."""
    from sklearn.ensemble import ExtraTreesClassifier

    trees = ExtraTreesClassifier(BAGGED, min_samples_leaf=2, bootstrap=True, oob_score=True, random_state=seed_for(seed, "findings", "bagged"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # says that some rows were in every bag: looked after by who asks
        with np.errstate(all="ignore"):
            trees.fit(_bounded(matrix), labels)
    outside = np.asarray(trees.oob_decision_function_, dtype=np.float64)
    return np.where(np.isfinite(outside), outside, np.bincount(labels, minlength=classes) / len(labels))


def values(matrix: Floats, target: Floats, seed: int) -> Floats:
    """(rows,) for each row the value that boosted trees say which did not see it. The loss is Huber's, so that far targets do not draw them."""
    import lightgbm

    answers = np.zeros(len(target))
    order = np.argsort(np.argsort(target, kind="stable"), kind="stable")
    fold = folds_of(order * 10 // len(target), seed)
    middle, scale = float(np.median(target)), float(target.std()) or 1.0
    y = (target - middle) / scale
    for number in range(FOLDS):
        learn, judge = fold != number, fold == number
        model = lightgbm.train(_settings(seed) | {"objective": "huber", "alpha": 1.0}, lightgbm.Dataset(matrix[learn], y[learn]), 3 * ROUNDS)
        answers[judge] = np.asarray(model.predict(matrix[judge]))
    return middle + scale * answers


def _settings(seed: int) -> dict[str, Any]:
    return {
        "num_leaves": 15,
        "learning_rate": 0.15,
        "min_data_in_leaf": 10,
        "feature_fraction": 0.7,
        "lambda_l2": 1.0,
        "max_bin": 63,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbose": -1,
        "seed": seed_for(seed, "findings", "boosted"),
    }


def _bounded(matrix: Floats) -> Floats:
    """Within the range of float32, in which scikit-learn's trees compare."""
    return np.clip(matrix, -1e38, 1e38)
