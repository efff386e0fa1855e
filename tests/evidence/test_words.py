"""Plain sentences claim no more than the intervals."""

from __future__ import annotations

import numpy as np

from trainwright.evidence import measure, words
from trainwright.evidence.words import number, of_rows
from trainwright.tasks import TASKS


def test_counts_are_rounded_outward():
    assert of_rows(0.874, 0.861, 0.886) == "87 of 100 (86 to 89)"
    assert of_rows(0.874, 0.86, 0.89) == "87 of 100 (86 to 89)"
    assert of_rows(0.9934, 0.9888, 0.9962) == "993 of 1,000 (988 to 997)"
    assert of_rows(0.5, None, None) == "50 of 100"


def test_numbers_have_three_digits():
    assert [number(v) for v in (0.0, 0.12345, -12.345, 1234567.0, 2e-9, 99.96)] == ["0", "0.123", "−12.3", "1,230,000", "2.00e−09", "100.0"]


def test_binary_in_words(rng):
    y = (rng.random(500) < 0.3).astype(float)
    p = np.clip(0.3 + 0.4 * (y - 0.3) + 0.1 * rng.normal(size=500), 0.01, 0.99)
    p = np.stack([1 - p, p], axis=1)
    nearly = p + np.array([1e-4, -1e-4]) * rng.random((500, 1))
    baselines = {"tabular/dummy": np.tile([0.7, 0.3], (500, 1)), "tabular/logistic": nearly}
    found = measure(TASKS["binary"], y, p, baselines=baselines, metric="roc_auc", classes=("paid", "late"), seed=0)
    said = words(found, target="loan", classes=("paid", "late"))
    assert said[0].startswith("Of rows like these it names the right class for ")
    assert "“late”" in said[1]
    assert said[2].startswith("It is better than giving everyone the same answer (right for 7")
    assert said[3].startswith("It is not shown to be better than a simple linear model")
    assert "500 rows that were sealed" in said[4]
    assert len(said) == 5


def test_worse_and_unmeasured_are_said(rng):
    y = rng.normal(size=100)
    found = measure(TASKS["regression"], y, 3 * y[:, None], baselines={"tabular/linear": 1.1 * y[:, None]}, metric="rmse", seed=0, design="nested")
    said = words(found, target="price")
    assert said[0].endswith("in the unit of price.")
    assert said[1].startswith("It is worse than a simple linear model")
    assert "root mean squared error" in said[1]
    assert "nested cross-validation, not a test of the very model that ships" in said[3]
    p = np.array([[0.3, 0.7]] * 20)
    none = measure(TASKS["binary"], np.ones(20), p, baselines={"tabular/dummy": p}, metric="roc_auc", seed=0)
    assert any("could not be measured: all rows that were measured are of one class" in s for s in words(none))


def test_a_gain_is_claimed_only_when_the_interval_excludes_none(rng):
    y = rng.normal(size=60)
    found = measure(TASKS["regression"], y, 0.5 * y[:, None], baselines={"tabular/linear": 0.4 * y[:, None]}, metric="rmse", seed=0)
    difference = found["baselines"]["tabular/linear"]["difference"]
    assert "is better than a simple linear model" in words(found)[1]
    difference["low"] = -0.0123
    assert "not shown to be better" in words(found)[1]
    assert "−0.0123 to " in words(found)[1]
