"""The whole evidence: its shape, paired differences, the nested design, what is not defined."""

from __future__ import annotations

import json

import numpy as np
import pytest

from trainwright.evidence import bootstrap, measure, quick_interval, score
from trainwright.tasks import TASKS

BINARY, MULTICLASS, REGRESSION = (TASKS[name] for name in ("binary", "multiclass", "regression"))


def binary(rng, rows, strength=1.5):
    y = (rng.random(rows) < 0.4).astype(float)
    p = 1 / (1 + np.exp(-(strength * (y - 0.5) + rng.normal(size=rows))))
    return y, np.stack([1 - p, p], axis=1)


def test_binary_evidence_is_whole_and_plain_json(rng):
    y, p = binary(rng, 400)
    found = measure(BINARY, y, p, baselines={"tabular/dummy": np.full((400, 2), 0.5)}, metric="roc_auc", classes=("no", "yes"), seed=3)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert tuple(found["metrics"]) == BINARY.metrics
    for name, entry in found["metrics"].items():
        assert entry["value"] == score(name, y, p)
        assert entry["low"] < entry["value"] < entry["high"]
        assert entry["n"] == found["rows"] == found["units"] == 400
    assert (found["method"], found["draws"], found["notes"]) == ("BCa bootstrap", 2000, [])
    dummy = found["baselines"]["tabular/dummy"]
    assert dummy["metrics"]["roc_auc"] == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 400, "better": "higher"}
    assert dummy["difference"]["value"] == pytest.approx(found["metrics"]["roc_auc"]["value"] - 0.5)
    assert set(found["curves"]) == set(BINARY.curves)


def test_same_seed_same_evidence(rng):
    y, p = binary(rng, 120)
    first, second, other = (measure(BINARY, y, p, baselines={}, metric="f1", seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first["metrics"]["f1"] != other["metrics"]["f1"]


def test_differences_are_paired_and_positive_when_better(rng):
    """A baseline that errs in the same rows: each score is uncertain, their difference is not."""
    y = rng.normal(size=200)
    error = rng.normal(size=200)
    model, worse = (y + error)[:, None], (y + 1.1 * error)[:, None]
    found = measure(REGRESSION, y, model, baselines={"worse": worse, "same": model}, metric="mae", seed=0)
    difference, mae = found["baselines"]["worse"]["difference"], found["metrics"]["mae"]
    assert difference["value"] == pytest.approx(0.1 * mae["value"])
    assert (difference["low"], difference["high"]) == pytest.approx((0.1 * mae["low"], 0.1 * mae["high"]), rel=1e-6)
    assert found["baselines"]["same"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    worse_first = measure(REGRESSION, y, worse, baselines={"model": model}, metric="mae", seed=0)
    assert worse_first["baselines"]["model"]["difference"]["high"] < 0


def test_the_difference_interval_is_that_of_rows_drawn_again(rng):
    y, p = binary(rng, 90)
    q = p + 0.15 * rng.normal(size=p.shape)
    found = measure(BINARY, y, p, baselines={"q": q}, metric="roc_auc", seed=4)["baselines"]["q"]["difference"]

    def wins(score):  # (rows, rows): whether the first ranks above the second, a tie is half
        return (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])

    apart = wins(p[:, 1]) - wins(q[:, 1])

    def gap(rows):  # Mann and Whitney's count over all pairs of a positive and a negative row
        return apart[np.ix_(rows[y[rows] == 1], rows[y[rows] == 0])].mean()

    counts = np.concatenate(list(bootstrap.counts_of_draws(90, 2000, 4, chunk=500)))
    drawn = np.array([gap(np.repeat(np.arange(90), c.astype(int))) for c in counts[:2000]])
    left = np.array([gap(np.delete(np.arange(90), i)) for i in range(90)])
    assert (found["low"], found["high"]) == pytest.approx(bootstrap.bca(gap(np.arange(90)), drawn, left), rel=1e-6)


def test_groups_are_drawn_whole(rng):
    """Errors that go by group: drawing rows one by one would claim too much."""
    unit = np.repeat(np.arange(40), 10)
    y = np.zeros(400)
    p = np.repeat(rng.normal(size=40), 10)[:, None]
    grouped = measure(REGRESSION, y, p, baselines={}, metric="mae", seed=0, unit=unit)
    alone = measure(REGRESSION, y, p, baselines={}, metric="mae", seed=0)
    assert (grouped["rows"], grouped["units"], grouped["method"]) == (400, 40, "BCa bootstrap over whole groups")
    wide, narrow = (e["metrics"]["mae"]["high"] - e["metrics"]["mae"]["low"] for e in (grouped, alone))
    assert wide / narrow == pytest.approx(np.sqrt(10), rel=0.25)


def test_nested_is_the_mean_over_repeats_with_one_draw_for_all(rng):
    y, p = binary(rng, 80)
    q = p[:, ::-1] * 0.2 + p * 0.8
    found = measure(BINARY, y, np.stack([p, q]), baselines={}, metric="brier", seed=0, design="nested", notes=["told before"])
    assert found["metrics"]["brier"]["value"] == pytest.approx((score("brier", y, p) + score("brier", y, q)) / 2)
    assert (found["repeats"], found["rows"]) == (2, 80)
    assert found["notes"][0] == "told before"
    assert any("too narrow" in note for note in found["notes"])
    twice = measure(BINARY, y, np.stack([p, p]), baselines={}, metric="brier", seed=0, design="nested")
    once = measure(BINARY, y, p, baselines={}, metric="brier", seed=0, design="nested")
    assert twice["metrics"]["brier"] == pytest.approx(once["metrics"]["brier"])


def test_rows_without_a_prediction_are_left_out_and_counted(rng):
    y, p = binary(rng, 100)
    p[:7] = np.nan
    y[7:9] = np.nan
    found = measure(BINARY, y, p, baselines={"b": np.full((100, 2), 0.5)}, metric="roc_auc", seed=0)
    assert found["rows"] == 91
    assert "9 rows were left out" in found["notes"][0]
    assert found["metrics"]["roc_auc"]["value"] == score("roc_auc", y[9:], p[9:])
    weight = np.r_[np.zeros(20), np.ones(80)]
    low, high = quick_interval("roc_auc", y, p, weight=weight, seed=0)
    assert (low, high) == quick_interval("roc_auc", y[20:], p[20:], seed=0)


def test_without_an_error_the_exact_bound_is_told():
    y = np.r_[np.zeros(40), np.ones(20)]
    found = measure(BINARY, y, np.stack([1 - y, y], axis=1), baselines={}, metric="accuracy", seed=0)["metrics"]
    assert found["accuracy"]["low"] == pytest.approx(0.025 ** (1 / 60))  # Clopper & Pearson
    assert found["recall"]["low"] == found["roc_auc"]["low"] == pytest.approx(0.025 ** (1 / 20))
    assert found["accuracy"]["high"] == 1.0
    assert found["mcc"]["low"] is None
    assert "no interval" in found["mcc"]["why"]


def test_one_class_only_is_none_with_a_reason(rng):
    p = np.array([[0.3, 0.7]] * 20)
    found = measure(BINARY, np.ones(20), p, baselines={"b": p}, metric="roc_auc", seed=0)
    json.dumps(found, allow_nan=False)
    assert found["metrics"]["roc_auc"]["value"] is None
    assert "one class" in found["metrics"]["roc_auc"]["why"]
    assert found["baselines"]["b"]["difference"]["value"] is None
    assert found["curves"]["roc"]["points"] == []


def test_no_rows_at_all():
    found = measure(BINARY, np.zeros(0), np.zeros((0, 2)), baselines={"b": np.zeros((0, 2))}, metric="roc_auc", seed=0)
    assert {entry["value"] for entry in found["metrics"].values()} == {None}
    assert quick_interval("roc_auc", np.zeros(0), np.zeros((0, 2)), seed=0) == (None, None)


def test_a_metric_beside_the_tasks_list_is_measured_too(rng):
    y = rng.normal(size=50)
    assert "rmse" in measure(REGRESSION, y, y[:, None] * 0.5, baselines={}, metric="rmse", seed=0)["metrics"]
    labels = rng.integers(0, 3, 50).astype(float)
    found = measure(MULTICLASS, labels, rng.dirichlet(np.ones(3), 50), baselines={}, metric="average_precision", seed=0)
    assert next(iter(found["metrics"])) == "average_precision"
    assert set(found["metrics"]) == {*MULTICLASS.metrics, "average_precision"}
