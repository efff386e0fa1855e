"""A probe: a quick learner, fitted in the search's own folds with some of the transforms, to see what the others are worth. Runs in a worker.

Takes    the dataset's folder, the recipe, the transforms that take part.
Gives    `losses.npy`, float64 (1 + outer folds of the nested design, rows): the loss of each row out of fold; below, in the nested design, that of
         each row of an outer fold's training part, out of its inner folds. NaN where there is none.
Why      the same folds and the same fits as a candidate's: what helps a probe of a recipe helps the learners that read it, and where it does not,
         the features cost time and room in every one of them.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.data import store
from trainwright.data.dataset import Dataset, Fold
from trainwright.evidence.paired import row_losses
from trainwright.features.feature import Reads
from trainwright.learners import learner_class, make
from trainwright.learners.interface import Budget
from trainwright.record import files
from trainwright.record.digests import digest_bytes
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Floats, Rows
from trainwright.select.candidate import fit_pipeline
from trainwright.select.limits import STARTUP, UNMEASURED
from trainwright.select.transforms import Chosen, Use

LOSSES = "losses.npy"
MOST_ROWS = 100_000  # that a probe learns from in one fold
ENOUGH, EVENTS = 10_000, 300  # rows, and rows of the rarest class, that are judged; more folds would only cost time
TREES = 60
PROBES: dict[tuple[Reads, bool], tuple[str, dict[str, Any]]] = {
    ("scaled", True): ("tabular/logistic", {}),
    ("scaled", False): ("tabular/linear", {"penalty": "l2", "strength": 0.1}),
    ("coded", True): ("tabular/lightgbm", {"learning_rate": 0.1, "num_leaves": 15, "iterations": TREES}),
    ("coded", False): ("tabular/lightgbm", {"learning_rate": 0.1, "num_leaves": 15, "iterations": TREES}),
    ("filled", True): ("tabular/extra_trees", {"trees": 30}),
    ("filled", False): ("tabular/extra_trees", {"trees": 30}),
}
"""The learner that stands for a recipe, by whether the target is a class."""


def probe_seconds(recipe: Reads, dataset: Dataset) -> float:
    """What one probe is expected to take: its learner's own guess for one fit, for all folds; as uncertain as such guesses are."""
    name, settings = PROBES[recipe, bool(dataset.classes)]
    card, splits = learner_class(name).card, dataset.splits
    fits = len(judged_folds(dataset)) + sum(len(folds) for folds in splits.inner)
    rows = min(MOST_ROWS, len(splits.open))
    one = card.seconds(rows, max(1, len(dataset.features)), max(1, len(dataset.classes))) * card.effort(make(name, settings))
    return STARTUP + fits * UNMEASURED * one


def judged_folds(dataset: Dataset) -> tuple[Fold, ...]:
    """The folds in which a probe is fitted: in the nested design all; else the last, until enough rows are judged (in time, they learn from most)."""
    splits = dataset.splits
    if splits.design == "nested" or splits.repeats > 1:
        return splits.folds
    for count in range(1, len(splits.folds)):
        folds = splits.folds[-count:]
        rows = np.concatenate([fold.test for fold in folds])
        if len(rows) >= ENOUGH and _rarest(dataset, rows) >= EVENTS:
            return folds
    return splits.folds


def _rarest(dataset: Dataset, rows: Rows) -> float:
    """How many of these rows have the rarest class; without classes there is no such limit."""
    if not dataset.classes or dataset.target is None:
        return float("inf")
    return float(np.bincount(dataset.target[rows].astype(np.int64), minlength=len(dataset.classes)).min())


def probe(*, data: str, folder: str, recipe: Reads, transforms: dict[str, Any], kept: list[int], seed: int, threads: int) -> dict[str, Any]:
    """Fit and judge the probe of `recipe` with the transforms at the places `kept`; write the losses; give the digest of their file."""
    dataset = store.load(Path(data))
    use = Chosen.from_json(transforms).using(kept)
    splits = dataset.splits
    losses = np.full((1 + len(splits.inner), dataset.table.rows), np.nan)
    folds = judged_folds(dataset)
    per_repeat = len(folds) // splits.repeats
    repeats = [
        _out_of_fold(dataset, folds[start : start + per_repeat], recipe, use, seed, threads, ("outer", start))
        for start in range(0, len(folds), per_repeat)
    ]
    losses[0] = np.mean(repeats, axis=0)  # a row without a loss in one repeat has none
    for index, folds in enumerate(splits.inner):
        losses[1 + index] = _out_of_fold(dataset, folds, recipe, use, seed, threads, ("inner", index))
    buffer = io.BytesIO()
    np.save(buffer, losses)
    files.write(Path(folder) / LOSSES, buffer.getvalue())
    return {"losses": digest_bytes(buffer.getvalue())}


def _out_of_fold(dataset: Dataset, folds: tuple[Fold, ...], recipe: Reads, use: Use, seed: int, threads: int, key: tuple[str | int, ...]) -> Floats:
    """(rows,) the loss of each row that some fold tests. The same key with and without a transform: only the features differ."""
    assert dataset.target is not None
    name, settings = PROBES[recipe, bool(dataset.classes)]
    learner = make(name, settings)
    budget = Budget(threads=threads, iterations=TREES if learner.card.stops_early else None)
    out = np.full(dataset.table.rows, np.nan)
    for index, fold in enumerate(folds):
        rows = _some(fold.train, seed, (*key, index))
        pipeline = fit_pipeline(dataset, rows, learner, budget, seed, ("probe", recipe, *key, index), use=use)
        out[fold.test] = row_losses(dataset.target[fold.test], pipeline.predict(dataset, fold.test), classes=len(dataset.classes))
    return out


def _some(rows: Rows, seed: int, key: tuple[str | int, ...]) -> Rows:
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(rng_for(seed, "probe rows", *key).choice(rows, MOST_ROWS, replace=False))
