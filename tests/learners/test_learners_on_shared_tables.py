"""Every learner on real tables: what ships answers as the training object does on rows it has not seen, and most beat the average."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trainwright import learners
from trainwright.features.recipe import apply, fit_recipe
from trainwright.learners.interface import Budget, Training
from trainwright.runtime.columns import Coded, Column, take_all
from trainwright.runtime.schema import ColumnSchema

SHARED = Path(__file__).parents[2] / "../shared/data"
TABLES = {"german_credit/german_credit.csv": ("credit_risk", 2), "horse_colic/horse_colic.csv": ("outcome", 3), "concrete/concrete.csv": (None, 0)}

pytestmark = [pytest.mark.shared, pytest.mark.skipif(not SHARED.exists(), reason="no shared data beside the repository")]


def columns_of(frame: pd.DataFrame) -> tuple[dict[str, Column], tuple[ColumnSchema, ...]]:
    columns: dict[str, Column] = {}
    schema = []
    for name in frame:
        number = frame[name].dtype.kind in "if"
        codes, words = (None, None) if number else pd.factorize(frame[name])
        columns[name] = frame[name].to_numpy(float) if number else Coded(codes.astype(np.int32), [str(word) for word in words])
        schema.append(ColumnSchema(name=name, kind="number" if number else "category"))
    return columns, tuple(schema)


@pytest.mark.parametrize("file", TABLES)
def test_on_a_real_table(file, rng):
    target, classes = TABLES[file]
    frame = pd.read_csv(SHARED / file)
    target = target if target in frame else frame.columns[-1]
    frame = frame[frame[target].notna()]
    y = pd.factorize(frame[target])[0] * 1.0 if classes else frame[target].to_numpy(float)
    columns, schema = columns_of(frame.drop(columns=target))
    train, watch, test = np.split(rng.permutation(len(y)), [len(y) * 6 // 10, len(y) * 7 // 10])
    task = {0: "regression", 2: "binary"}.get(classes, "multiclass")
    losses = {}
    for name in learners.names():
        kind = learners.learner_class(name)
        if task not in kind.card.tasks:
            continue
        prepared = fit_recipe(kind.card.reads, schema, take_all(columns, np.r_[train, watch]), None, rng)
        part, aside = (
            Training(task=task, numbers=prepared.matrix[rows], features=prepared.features, target=y[at], classes=classes)
            for rows, at in ((slice(len(train)), train), (slice(len(train), None), watch))
        )
        fitted = kind().fit(dataclasses.replace(part, watch=aside if kind.card.stops_early else None), Budget(), rng)
        matrix = value = apply(prepared.steps, take_all(columns, test))
        for step in fitted.ship():
            value = step.apply(value)
        np.testing.assert_allclose(value, fitted.predict(matrix), rtol=0, atol=1e-6 if classes else 1e-5 * y.std())
        truth = np.eye(classes)[y[test].astype(int)] if classes else y[test][:, None]
        losses[name] = np.mean((value - truth) ** 2)
    average = losses.pop("tabular/dummy")
    assert min(losses.values()) < 0.95 * average
    assert np.median(list(losses.values())) < average
