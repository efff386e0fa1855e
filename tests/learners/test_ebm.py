"""The explainable boosting machine ships as interpret's own tables, to rounding; its curves show what was put into the data."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from joblib.externals.loky import reusable_executor
from learner_tables import CLASSES, edge_rows, training

from trainwright import learners
from trainwright.features.recipe import apply
from trainwright.learners.interface import Budget, Feature, Training
from trainwright.learners.rows import centre, labelled
from trainwright.runtime.steps import Additive

SMALL = {"bags": 2, "max_rounds": 200, "pairs": 4}


@pytest.mark.parametrize("task", CLASSES)
def test_its_tables_say_what_interpret_says(task: str) -> None:
    learner = learners.make("tabular/ebm", SMALL)
    given, prepared, fresh, _ = training(task, "coded", 400, np.random.default_rng(3))
    fitted = learner.fit(given, Budget(), np.random.default_rng(0))
    rows = labelled(given)
    mean, unit = centre(rows)
    model = learner._model(rows, given.features, int(np.random.default_rng(0).integers(2**31)), None)  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows.matrix.astype(np.float64), rows.labels if rows.classes else (rows.target - mean) / unit)
        for matrix in (given.numbers, apply(prepared.steps, fresh), apply(prepared.steps, edge_rows(fresh))):
            wide = matrix.astype(np.float64)
            expected = model.predict_proba(wide) if rows.classes else model.predict(wide)[:, None] * unit + mean
            np.testing.assert_allclose(fitted.predict(matrix), expected, rtol=1e-12, atol=1e-12)


def test_a_pair_is_found_and_two_single_curves_are_not_enough(rng: np.random.Generator) -> None:
    """y = sign(x0 · x1): no curve of one feature says anything, the table of the pair says all."""
    x = rng.normal(size=(3000, 3)).astype(np.float32)
    given = Training("binary", x, tuple(Feature(f"x{i}", f"x{i}", "number") for i in range(3)), target=(x[:, 0] * x[:, 1] > 0) * 1.0, classes=2)
    with_pairs = learners.make("tabular/ebm", SMALL | {"pairs": 1}).fit(given, Budget(), np.random.default_rng(0))
    without = learners.make("tabular/ebm", SMALL | {"pairs": 0}).fit(given, Budget(), np.random.default_rng(0))
    right = [np.mean((fitted.predict(x)[:, 1] > 0.5) == given.target) for fitted in (with_pairs, without)]
    assert right[0] > 0.9
    assert right[1] < 0.7
    assert next(iter(with_pairs.notes["importances"])) == "x0 × x1"


def test_a_curve_follows_the_effect_and_features_without_one_stay_flat(rng: np.random.Generator) -> None:
    x = rng.uniform(-2, 2, size=(4000, 2)).astype(np.float32)
    target = np.abs(x[:, 0]) * 3.0 + rng.normal(0, 0.3, 4000)
    given = Training("regression", x, tuple(Feature(f"x{i}", f"x{i}", "number") for i in range(2)), target=target)
    fitted = learners.make("tabular/ebm", {"bags": 4, "pairs": 0}).fit(given, Budget(), np.random.default_rng(0))
    at = np.linspace(-1.9, 1.9, 39, dtype=np.float32)
    along = fitted.predict(np.column_stack([at, np.zeros(39, np.float32)]))[:, 0]
    np.testing.assert_allclose(along, 3 * np.abs(at), atol=0.35)
    flat = fitted.predict(np.column_stack([np.zeros(39, np.float32), at]))[:, 0]
    assert np.ptp(flat) < 0.2
    assert isinstance(fitted.ship()[0], Additive)


def test_threads_start_no_processes(rng: np.random.Generator) -> None:
    given, *_ = training("binary", "coded", 60, rng)
    before = reusable_executor._executor
    learners.make("tabular/ebm", SMALL).fit(given, Budget(threads=2), np.random.default_rng(0))
    assert reusable_executor._executor is before


def test_rare_classes_do_not_stop_it(rng: np.random.Generator) -> None:
    given, *_ = training("multiclass", "coded", 60, rng)
    target = np.zeros(60)
    target[:30], target[30] = 1.0, 2.0  # one row of the third class
    fitted = learners.make("tabular/ebm", SMALL).fit(dataclasses.replace(given, target=target), Budget(), np.random.default_rng(0))
    assert np.isfinite(fitted.predict(given.numbers)).all()
