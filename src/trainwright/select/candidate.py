"""One candidate: a learner with its settings, fitted in every fold and predicted out of fold. Runs in a worker.

Takes    the dataset's folder (columns are mapped, not copied), the learner, the folds.
Gives    `predictions.npy`, float64 (repeats, rows, outputs), NaN where a row was in no fold's test part; scores and times. Where training uses
         fewer than half of the rows, the open rows alone have a place.
Why      each fold fits its own transforms, so that nothing that learns ever sees the rows that it is scored on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from types import MappingProxyType
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
from trainwright.runtime.columns import Columns, Floats, Rows, take_all
from trainwright.select.balance import balanced
from trainwright.select.decision import Decision, Rule, cross_fitted
from trainwright.select.monotone import signs
from trainwright.select.transforms import NOTHING, Chosen, Use

PREDICTIONS = "predictions.npy"
NO_CONSTRAINTS: Mapping[str, str] = MappingProxyType({})
FEW = 5000  # rows, up to which a seventh of them makes a difference


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Transforms and a model that were fitted together on the same rows."""

    prepared: Prepared
    fitted: Fitted
    decision: Decision = field(default_factory=Decision)

    def predict(self, dataset: Dataset, rows: Rows) -> Floats:
        return self.of(take_all(dataset.columns, rows))

    def of(self, columns: Columns) -> Floats:
        """What it says of rows that are typed already."""
        return self.decision.calibrated(self.fitted.predict(apply(self.prepared.steps, columns)))


def fit_pipeline(
    dataset: Dataset,
    rows: Rows,
    learner: Learner,
    budget: Budget,
    seed: int,
    key: tuple[str | int, ...],
    *,
    balance: str = "none",
    use: Use = NOTHING,
    monotone: Mapping[str, str] = NO_CONSTRAINTS,
) -> Pipeline:
    """Fit the learner's transforms and then the learner itself, on `rows` alone; `balance` says how rare classes are made to count, `use`
    which of the plan's transforms take part, `monotone` along which columns what is predicted may only rise or only fall.

    A learner that stops early is given a part of these rows to watch, unless `budget.iterations` already says when to stop. It
    is then fitted again on all of them where the watched part would be missed: where rows are few, or it is the latest part.
    """
    assert dataset.target is not None
    rng = rng_for(seed, *key)
    columns = take_all(dataset.columns, rows)
    schema = [feature for feature in dataset.features if feature.name not in use.hidden] if use.hidden else dataset.features
    unit = None if dataset.group is None else dataset.splits.unit_of(dataset.group, rows)
    prepared = fit_recipe(
        learner.card.reads,
        schema,
        columns,
        dataset.target[rows],
        rng,
        classes=len(dataset.classes),
        unit=unit,
        weight=None if dataset.weight is None else dataset.weight[rows],
        transforms=use.transforms,
    )

    def training(part: Rows | slice, watch: Training | None) -> Training:
        chosen = rows[part]
        return Training(
            task=dataset.task or "",
            numbers=None if prepared.matrix is None else prepared.matrix[part],
            features=prepared.features,
            monotone=signs(prepared.features, monotone),
            columns=take_all(dataset.columns, chosen) if learner.card.reads == "columns" else {},
            target=dataset.target[chosen] if dataset.target is not None else None,
            classes=len(dataset.classes),
            weight=None if dataset.weight is None else dataset.weight[chosen],
            watch=watch,
        )

    def fitted(part: Rows | slice, watch: Rows | None) -> Fitted:
        given = training(part, None if watch is None else training(watch, None))
        return learner.fit(balanced(given, balance, rng_for(seed, "balance", *key)), budget, rng)

    if learner.card.stops_early and budget.iterations is None:
        stopped = fitted(*watch_part(dataset, rows, seed=seed))
        if len(rows) > FEW and not dataset.splits.how.startswith("time"):
            return Pipeline(prepared, stopped)
        budget = replace(budget, iterations=stopped.iterations)
    return Pipeline(prepared, fitted(slice(None), None))


def evaluate(
    *,
    data: str,
    folder: str,
    number: int,
    learner: str,
    settings: dict[str, Any],
    balance: str,
    threshold: str,
    metric: str,
    seed: int,
    threads: int,
    transforms: dict[str, Any] | None = None,
    monotone: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Fit and predict every fold of one candidate; write the predictions; give what the leaderboard and the search need.

    `transforms` is a `Chosen` as JSON: the fit of an outer fold of the nested design, and its inner folds, use what was chosen inside that fold.

    Gives `score` (mean over repeats of the pooled out-of-fold score) with its interval `low`, `high`; `folds` (score of each);
    `inner` (in the nested design: the inner score of each outer fold); `iterations` (median where early stopping ended);
    `fit_seconds`, the longest of the outer folds' fits, answers included; the file's digest; `decision` (slope, bias and threshold, fitted on
    all out-of-fold rows) and `thresholds`, each fold's own.
    """
    dataset = store.load(Path(data))
    fit, chosen = make(learner, settings), Chosen.from_json(transforms)
    budget, splits = Budget(threads=threads), dataset.splits
    rule = rule_of(balance, threshold)
    raw: list[Floats] = []
    inside: list[list[Floats]] = []  # of each outer fold, what its inner folds say
    ends: list[int] = []
    took: list[float] = []
    for index, fold in enumerate(splits.folds):
        started = time.perf_counter()
        use = chosen.use(fit.card.reads, index)
        pipeline = fit_pipeline(dataset, fold.train, fit, budget, seed, ("fit", number, index), balance=balance, use=use, monotone=monotone or {})
        raw.append(pipeline.predict(dataset, fold.test))
        took.append(time.perf_counter() - started)  # answers among them: of some learners they are what costs
        if pipeline.fitted.iterations is not None:
            ends.append(pipeline.fitted.iterations)
        if splits.inner:
            keys = [("inner", number, index, place) for place in range(len(splits.inner[index]))]
            fits = (
                (fit_pipeline(dataset, fold.train, fit, budget, seed, key, balance=balance, use=use, monotone=monotone or {}), fold.test)
                for fold, key in zip(splits.inner[index], keys, strict=True)
            )
            inside.append([one.predict(dataset, rows) for one, rows in fits])
    decisions = _decisions(dataset, rule, raw, inside)
    rows = dataset.table.rows if has_all_rows(dataset) else len(splits.open)
    predictions = np.full((splits.repeats, rows, raw[0].shape[1]), np.nan)
    at = None if decisions[0].threshold is None else np.full(predictions.shape[:2], np.nan)
    per_repeat = len(splits.folds) // splits.repeats
    for index, (fold, decision) in enumerate(zip(splits.folds, decisions, strict=True)):
        place = _places(dataset, fold.test)
        predictions[index // per_repeat, place] = decision.calibrated(raw[index])
        if at is not None:
            at[index // per_repeat, place] = decision.threshold
    pooled = [_pooled(dataset, metric, predictions[repeat], None if at is None else at[repeat]) for repeat in range(splits.repeats)]
    known = [score for score in pooled if score is not None]
    content = files.array_bytes(predictions)
    files.write(Path(folder) / PREDICTIONS, content)
    low, high = _interval(dataset, metric, predictions, at, seed=seed)
    final = rule.fit(np.concatenate(raw), *_truth(dataset, np.concatenate([fold.test for fold in splits.folds])))
    return {
        "score": float(np.mean(known)) if known else None,
        "low": low,
        "high": high,
        "folds": [
            _score(dataset, metric, fold.test, decision.calibrated(answer), decision.threshold)
            for fold, answer, decision in zip(splits.folds, raw, decisions, strict=True)
        ],
        "inner": [_inner_score(dataset, folds, metric, rule, answers) for folds, answers in zip(splits.inner, inside, strict=True)],
        "iterations": int(median(ends)) if ends else None,
        "fit_seconds": max(took),
        "predictions": digest_bytes(content),
        "decision": final.as_dict(),
        "thresholds": [] if at is None else [decision.threshold for decision in decisions],
    }


def rule_of(balance: str, threshold: str) -> Rule:
    """Shares of the classes that were moved for training are put right afterwards; without that, probabilities stay as the model gives them."""
    return Rule(calibrate=balance != "none", threshold=threshold)


def _decisions(dataset: Dataset, rule: Rule, raw: list[Floats], inside: list[list[Floats]]) -> list[Decision]:
    """The decision of each outer fold: fitted on its inner folds where there are any (which know nothing of it), else on the other folds."""
    splits = dataset.splits
    if inside:
        rows = [np.concatenate([fold.test for fold in folds]) for folds in splits.inner]
        return [rule.fit(np.concatenate(answers), *_truth(dataset, part)) for answers, part in zip(inside, rows, strict=True)]
    return _cross_fitted(dataset, rule, splits.folds, raw)


def _cross_fitted(dataset: Dataset, rule: Rule, folds: tuple[Fold, ...], raw: list[Floats]) -> list[Decision]:
    truths = [_truth(dataset, fold.test) for fold in folds]
    weights = None if dataset.weight is None else [weight for _, weight in truths if weight is not None]
    return cross_fitted(rule, raw, [truth for truth, _ in truths], weights)


def _truth(dataset: Dataset, rows: Rows) -> tuple[Floats, Floats | None]:
    assert dataset.target is not None
    return dataset.target[rows], None if dataset.weight is None else dataset.weight[rows]


def _pooled(dataset: Dataset, metric: str, prediction: Floats, threshold: Floats | None) -> float | None:
    """The score of all rows that have an out-of-fold prediction, taken together."""
    known = np.flatnonzero(~np.isnan(prediction[:, 0]))
    return _score(dataset, metric, _rows_at(dataset, known), prediction[known], None if threshold is None else threshold[known])


def has_all_rows(dataset: Dataset) -> bool:
    """Whether out-of-fold predictions have a place for every row of the table, or, where most rows are not trained on, for the open ones alone."""
    return dataset.splits.design == "nested" or 2 * len(dataset.splits.open) >= dataset.table.rows


def _places(dataset: Dataset, rows: Rows) -> Rows:
    """Where predictions have these rows."""
    return rows if has_all_rows(dataset) else np.searchsorted(dataset.splits.open, rows)


def _rows_at(dataset: Dataset, places: Rows) -> Rows:
    """The rows at these places of predictions."""
    return places if has_all_rows(dataset) else dataset.splits.open[places]


def _interval(dataset: Dataset, metric: str, predictions: Floats, threshold: Floats | None, *, seed: int) -> tuple[float | None, float | None]:
    """The interval of the out-of-fold score, for the leaderboard; drawn by the units of the split."""
    known = np.flatnonzero(~np.isnan(predictions[0, :, 0]))
    rows = _rows_at(dataset, known)
    truth, weight = _truth(dataset, rows)
    unit = dataset.splits.unit_of(dataset.group, rows)
    at = None if threshold is None else threshold[:, known]
    return evidence.quick_interval(metric, truth, predictions[:, known], unit=unit, weight=weight, threshold=at, seed=seed)


def _score(dataset: Dataset, metric: str, rows: Rows, prediction: Floats, threshold: Floats | float | None) -> float | None:
    truth, weight = _truth(dataset, rows)
    return evidence.score(metric, truth, prediction, weight, threshold)


def _inner_score(dataset: Dataset, folds: tuple[Fold, ...], metric: str, rule: Rule, raw: list[Floats]) -> float | None:
    """The pooled score over the inner folds of one outer fold's training rows."""
    decisions = _cross_fitted(dataset, rule, folds, raw)
    answers = np.concatenate([decision.calibrated(answer) for decision, answer in zip(decisions, raw, strict=True)])
    at = None
    if decisions[0].threshold is not None:
        at = np.concatenate([np.full(len(fold.test), decision.threshold) for fold, decision in zip(folds, decisions, strict=True)])
    return _score(dataset, metric, np.concatenate([fold.test for fold in folds]), answers, at)
