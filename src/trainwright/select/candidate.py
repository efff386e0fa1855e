"""One candidate: a learner with its settings, fitted in every fold and predicted out of fold. Runs in a worker.

Takes    the dataset's folder (columns are mapped, not copied), the learner, the folds.
Gives    `predictions.npy`, float64 (repeats, rows, outputs), NaN where a row was in no fold's test part; scores and times.
Why      each fold fits its own transforms, so that nothing that learns ever sees the rows that it is scored on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from trainwright import evidence
from trainwright.data import store
from trainwright.data.dataset import Dataset, Fold
from trainwright.data.splits import watch_part
from trainwright.features.recipe import Prepared, apply, fit_recipe
from trainwright.learners import make
from trainwright.learners.interface import Budget, Fitted, Learner, Training
from trainwright.record import files
from trainwright.record.digests import digest_bytes
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Floats, Rows, take_all

PREDICTIONS = "predictions.npy"
FEW = 5000  # rows, up to which a seventh of them makes a difference


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Transforms and a model that were fitted together on the same rows."""

    prepared: Prepared
    fitted: Fitted

    def predict(self, dataset: Dataset, rows: Rows) -> Floats:
        return self.fitted.predict(apply(self.prepared.steps, take_all(dataset.columns, rows)))


def fit_pipeline(dataset: Dataset, rows: Rows, learner: Learner, budget: Budget, seed: int, key: tuple[str | int, ...]) -> Pipeline:
    """Fit the learner's transforms and then the learner itself, on `rows` alone.

    A learner that stops early is given a part of these rows to watch, unless `budget.iterations` already says when to stop. It
    is then fitted again on all of them where the watched part would be missed: where rows are few, or it is the latest part.
    """
    assert dataset.target is not None
    rng = rng_for(seed, *key)
    columns = take_all(dataset.columns, rows)
    prepared = fit_recipe(learner.card.reads, dataset.features, columns, dataset.target[rows], rng)

    def training(part: Rows | slice, watch: Training | None) -> Training:
        chosen = rows[part]
        return Training(
            task=dataset.task or "",
            numbers=None if prepared.matrix is None else prepared.matrix[part],
            features=prepared.features,
            columns=take_all(dataset.columns, chosen) if learner.card.reads == "columns" else {},
            target=dataset.target[chosen] if dataset.target is not None else None,
            classes=len(dataset.classes),
            weight=None if dataset.weight is None else dataset.weight[chosen],
            watch=watch,
        )

    if learner.card.stops_early and budget.iterations is None:
        learn, watch = watch_part(dataset, rows, seed=seed)
        stopped = learner.fit(training(learn, training(watch, None)), budget, rng)
        if len(rows) > FEW and not dataset.splits.how.startswith("time"):
            return Pipeline(prepared, stopped)
        budget = replace(budget, iterations=stopped.iterations)
    return Pipeline(prepared, learner.fit(training(slice(None), None), budget, rng))


def evaluate(*, data: str, folder: str, number: int, learner: str, settings: dict[str, Any], metric: str, seed: int, threads: int) -> dict[str, Any]:
    """Fit and predict every fold of one candidate; write the predictions; give what the leaderboard and the search need.

    Gives `score` (mean over repeats of the pooled out-of-fold score) with its interval `low`, `high`; `folds` (score of each);
    `inner` (in the nested design: the inner score of each outer fold); `iterations` (median where early stopping ended);
    `fit_seconds`, the longest of the outer folds' fits; the file's digest.
    """
    dataset = store.load(Path(data))
    fit = make(learner, settings)
    budget, splits = Budget(threads=threads), dataset.splits
    predictions: Floats | None = None
    ends: list[int] = []
    took: list[float] = []
    scores: list[float | None] = []
    inner: list[float | None] = []
    per_repeat = len(splits.folds) // splits.repeats
    for index, fold in enumerate(splits.folds):
        started = time.perf_counter()
        pipeline = fit_pipeline(dataset, fold.train, fit, budget, seed, ("fit", number, index))
        took.append(time.perf_counter() - started)
        answer = pipeline.predict(dataset, fold.test)
        if predictions is None:
            predictions = np.full((splits.repeats, dataset.table.rows, answer.shape[1]), np.nan)
        predictions[index // per_repeat, fold.test] = answer
        if pipeline.fitted.iterations is not None:
            ends.append(pipeline.fitted.iterations)
        scores.append(_score(dataset, metric, fold.test, answer))
        if splits.inner:
            inner.append(
                _inner_score(
                    dataset, splits.inner[index], metric, lambda rows, key: fit_pipeline(dataset, rows, fit, budget, seed, key), (number, index)
                )
            )
    assert predictions is not None
    pooled = [pooled_score(dataset, metric, predictions[repeat]) for repeat in range(splits.repeats)]
    known = [score for score in pooled if score is not None]
    content = files.array_bytes(predictions)
    files.write(Path(folder) / PREDICTIONS, content)
    low, high = interval(dataset, metric, predictions, seed=seed)
    return {
        "score": float(np.mean(known)) if known else None,
        "low": low,
        "high": high,
        "folds": scores,
        "inner": inner,
        "iterations": int(median(ends)) if ends else None,
        "fit_seconds": max(took),
        "predictions": digest_bytes(content),
    }


def pooled_score(dataset: Dataset, metric: str, prediction: Floats) -> float | None:
    """The score of all rows that have an out-of-fold prediction, taken together."""
    rows = np.flatnonzero(~np.isnan(prediction[:, 0]))
    return _score(dataset, metric, rows, prediction[rows])


def interval(dataset: Dataset, metric: str, predictions: Floats, *, seed: int) -> tuple[float | None, float | None]:
    """The interval of the out-of-fold score, for the leaderboard; drawn by the units of the split."""
    assert dataset.target is not None
    rows = np.flatnonzero(~np.isnan(predictions[0, :, 0]))
    unit = dataset.splits.unit_of(dataset.group, rows)
    weight = None if dataset.weight is None else dataset.weight[rows]
    return evidence.quick_interval(metric, dataset.target[rows], predictions[:, rows], unit=unit, weight=weight, seed=seed)


def _score(dataset: Dataset, metric: str, rows: Rows, prediction: Floats) -> float | None:
    assert dataset.target is not None
    return evidence.score(metric, dataset.target[rows], prediction, None if dataset.weight is None else dataset.weight[rows])


def _inner_score(
    dataset: Dataset, folds: tuple[Fold, ...], metric: str, fit: Callable[[Rows, tuple[str | int, ...]], Pipeline], key: tuple[int, ...]
) -> float | None:
    """The pooled score over the inner folds of one outer fold's training rows."""
    answers = [fit(fold.train, ("inner", *key, index)).predict(dataset, fold.test) for index, fold in enumerate(folds)]
    return _score(dataset, metric, np.concatenate([fold.test for fold in folds]), np.concatenate(answers))
