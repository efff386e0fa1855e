"""Differences between two models: paired ones against draws made by hand, unpaired ones against the closed form."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from trainwright import evidence as ev
from trainwright.tasks import TASKS


def two_models(rng: np.random.Generator, rows: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = (rng.random(rows) < 0.4).astype(float)
    scores = truth + rng.normal(0, 1.0, rows)
    worse = scores + rng.normal(0, 1.0, rows)
    both = [1 / (1 + np.exp(-(s - 0.5))) for s in (worse, scores)]
    return truth, *(np.stack([1 - p, p], axis=1) for p in both)


@pytest.mark.slow
def test_paired_differences_are_those_of_the_two_scores_and_their_draws(rng: np.random.Generator) -> None:
    truth, first, second = two_models(rng)
    found = ev.differences(TASKS["binary"], truth, first, {"second": second}, metric="log_loss", seed=0)["second"]
    assert next(iter(found)) == "log_loss"
    assert set(found) == set(TASKS["binary"].metrics)
    assert found["log_loss"]["value"] == pytest.approx(log_loss(truth, first) - log_loss(truth, second), abs=1e-12)
    assert found["roc_auc"]["value"] == pytest.approx(roc_auc_score(truth, second[:, 1]) - roc_auc_score(truth, first[:, 1]), abs=1e-12)
    drawn = []
    for _ in range(2000):
        rows = rng.integers(0, len(truth), len(truth))
        drawn.append(roc_auc_score(truth[rows], second[rows, 1]) - roc_auc_score(truth[rows], first[rows, 1]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    width = high - low
    assert found["roc_auc"]["low"] == pytest.approx(low, abs=0.12 * width)
    assert found["roc_auc"]["high"] == pytest.approx(high, abs=0.12 * width)


def test_paired_is_the_other_way_round_when_the_models_are(rng: np.random.Generator) -> None:
    truth, first, second = two_models(rng)
    forth = ev.differences(TASKS["binary"], truth, first, {"x": second}, metric="roc_auc", seed=3)["x"]["roc_auc"]
    back = ev.differences(TASKS["binary"], truth, second, {"x": first}, metric="roc_auc", seed=3)["x"]["roc_auc"]
    assert forth["value"] == pytest.approx(-back["value"], abs=1e-12)
    assert (forth["low"], forth["high"]) == pytest.approx((-back["high"], -back["low"]), rel=1e-3)


def test_the_same_model_does_not_differ(rng: np.random.Generator) -> None:
    truth, first, _ = two_models(rng)
    same = ev.differences(TASKS["binary"], truth, first, {"same": first}, metric="roc_auc", seed=0)["same"]["roc_auc"]
    assert same["value"] == same["low"] == same["high"] == 0


def test_pairing_makes_the_interval_narrower_than_two_samples(rng: np.random.Generator) -> None:
    truth, first, second = two_models(rng)
    paired = ev.differences(TASKS["binary"], truth, first, {"x": second}, metric="roc_auc", seed=0)["x"]["roc_auc"]
    entries = [
        ev.measure(TASKS["binary"], truth, p, baselines={}, metric="roc_auc", classes=("n", "y"), seed=0)["metrics"]["roc_auc"]
        for p in (first, second)
    ]
    apart = ev.unpaired(*entries)
    assert apart["value"] == pytest.approx(paired["value"])
    assert apart["high"] - apart["low"] > 1.1 * (paired["high"] - paired["low"])


def test_unpaired_is_the_closed_form_in_either_direction() -> None:
    """Of two normal means with standard errors a and b the interval of the difference is ± 1.96 √(a² + b²)."""
    for better, sign in (("higher", 1), ("lower", -1)):
        first = {"value": 2.0, "low": 2.0 - 1.96 * 0.3, "high": 2.0 + 1.96 * 0.3, "better": better}
        other = {"value": 3.0, "low": 3.0 - 1.96 * 0.4, "high": 3.0 + 1.96 * 0.4, "better": better}
        found = ev.unpaired(first, other)
        assert found["value"] == pytest.approx(sign * 1.0)
        assert (found["low"], found["high"]) == pytest.approx((sign * 1.0 - 1.96 * 0.5, sign * 1.0 + 1.96 * 0.5))


def test_unpaired_keeps_intervals_that_lean_to_one_side() -> None:
    """Zou & Donner's formula for a difference x − y: down by √((x − lower x)² + (upper y − y)²)."""
    first = {"value": 0.80, "low": 0.70, "high": 0.85, "better": "higher"}
    other = {"value": 0.90, "low": 0.86, "high": 0.92, "better": "higher"}
    found = ev.unpaired(first, other)
    assert found["low"] == pytest.approx(0.10 - np.hypot(0.04, 0.05))
    assert found["high"] == pytest.approx(0.10 + np.hypot(0.02, 0.10))
    lower = {name: dict(entry, better="lower") for name, entry in (("first", first), ("other", other))}
    back = ev.unpaired(lower["first"], lower["other"])
    assert (back["low"], back["high"]) == pytest.approx((-found["high"], -found["low"]))


def test_without_a_number_there_is_a_reason() -> None:
    known = {"value": 0.8, "low": 0.7, "high": 0.9, "better": "higher"}
    assert ev.unpaired(known, {"value": None, "low": None, "high": None, "better": "higher", "why": "one class"})["why"] == "one class"
    open_ended = ev.unpaired(known, {"value": 0.9, "low": None, "high": None, "better": "higher"})
    assert open_ended["value"] == pytest.approx(0.1)
    assert open_ended["low"] is None
