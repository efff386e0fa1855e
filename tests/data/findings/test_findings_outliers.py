"""Numbers and rows far out: found where planted, quiet on long tails; the tail test's chance is what it says."""

from __future__ import annotations

import numpy as np
import pytest
from made_datasets import made, seen
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from trainwright.data.findings.outliers import far_out, row_distances, sentinel


@pytest.mark.parametrize("kind", ["normal", "uniform", "lognormal", "pareto", "exponential", "counts"])
def test_tails_of_every_kind_are_quiet(kind: str) -> None:
    told = 0
    for seed in range(40):
        rng = np.random.default_rng([7, seed])
        drawn = {
            "normal": rng.normal(size=3000),
            "uniform": rng.uniform(size=3000),
            "lognormal": rng.lognormal(0, 2, 3000),
            "pareto": rng.pareto(1.0, 3000),
            "exponential": rng.exponential(size=3000),
            "counts": rng.poisson(3, 3000).astype(float),
        }[kind]
        told += far_out(drawn - np.median(drawn), 3000).chance < 1e-3
    assert told <= 1  # of 40, at a chance of 1 in 1,000 each


def test_the_chance_is_that_of_a_power_tail() -> None:
    chances = []
    for seed in range(300):
        drawn = np.random.default_rng([11, seed]).pareto(1.5, 2000) + 1.0  # an exact power law from 1 on
        chances.append(far_out(drawn, 2000).chance)
    share = float((np.array(chances) < 0.05).mean())
    assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)  # Bonferroni makes it a bound
    assert share > 0.005  # and not an empty one


def test_planted_numbers_are_found_and_capped(rng: np.random.Generator) -> None:
    age, income = rng.normal(40, 9, 2000), rng.lognormal(8, 1, 2000)
    age[[3, 50]] = 412.0, -390.0
    (finding,) = seen(made({"age": age, "income": income}), "TW189")
    assert finding.columns == ("age",)
    assert finding.figures["age"]["rows"] == [3, 50]
    (cap,) = finding.proposes
    rest = np.delete(age, [3, 50])
    assert cap["low"] <= rest.min() <= rest.min() + 5
    assert rest.max() <= cap["high"] < 120
    assert cap["low"] > -100
    assert str(rest.max()) not in str(finding.as_dict())


def test_false_alarms_are_for_the_whole_table() -> None:
    told = 0
    for seed in range(40):
        drawn = np.random.default_rng([13, seed]).pareto(1.5, (600, 12)) + 1.0
        told += len(seen(made({f"n{i}": drawn[:, i] for i in range(12)}), "TW189"))
    assert told <= 3  # at one in a hundred tables each, more have a chance of 1 in 1,000


@pytest.mark.parametrize("column", [5, 6, 12])
def test_slipped_points_in_a_small_table(rng: np.random.Generator, column: int) -> None:
    data = load_wine().data.copy()
    rows = rng.choice(len(data), 3, replace=False)
    middle = np.median(data[:, column])
    data[rows, column] = middle + 10 * np.abs(data[:, column] - middle).max() * rng.uniform(1.0, 1.5, 3)
    (finding,) = seen(made({f"n{i}": data[:, i] for i in range(data.shape[1])}), "TW189")
    assert finding.columns == (f"n{column}",)
    assert finding.figures[f"n{column}"]["rows"] == sorted(rows.tolist())


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_diabetes])
def test_clean_tables_have_nothing_far_out(load: object) -> None:
    data = load().data  # type: ignore[operator]
    dataset = made({f"n{i}": data[:, i].astype(float) for i in range(data.shape[1])})
    for code in ("TW189", "TW190", "TW191"):
        assert not seen(dataset, code), code


def test_numbers_that_stand_for_missing(rng: np.random.Generator) -> None:
    values = rng.gamma(3, 4, 1500)
    for code, rest in ((999.0, values), (-1.0, values), (0.0, values + 60)):
        column = np.where(np.arange(1500) % 50 == 0, code, rest)
        (finding,) = seen(made({"x": column, "z": rng.normal(size=1500)}), "TW191")
        assert finding.figures["x"]["count"] == 30
        assert not seen(made({"x": column, "z": rng.normal(size=1500)}), "TW189"), "told once"
    assert not seen(made({"x": np.where(np.arange(1500) % 50 == 0, 0.0, values)}), "TW191"), "a zero next to small numbers"
    assert sentinel(0.0, np.array([1.0] * 9 + [0.5]), np.array([3.0] * 10)) is None, "few different numbers"


def test_a_row_whose_numbers_do_not_go_together(rng: np.random.Generator) -> None:
    base = rng.normal(size=(1500, 1))
    x = base + 0.05 * rng.normal(size=(1500, 5))
    columns = {f"n{i}": x[:, i].copy() for i in range(5)}
    assert not seen(made(columns), "TW190")
    columns["n0"][77], columns["n1"][77] = 2.0, -2.0  # each usual by itself
    (finding,) = seen(made(columns), "TW190")
    assert finding.figures["rows"] == [77]


def test_row_distances_are_those_of_scipy_where_nothing_is_taken_in(rng: np.random.Generator) -> None:
    from scipy.spatial.distance import cdist
    from sklearn.covariance import LedoitWolf

    x = np.clip(rng.uniform(-1, 1, (4000, 3)) @ rng.normal(size=(3, 3)), -9, 9)
    low, quarter, middle, three, high = np.quantile(x, [0.005, 0.05, 0.5, 0.95, 0.995], axis=0)
    z = (np.clip(x, low, high) - middle) / (three - quarter)
    fitted = LedoitWolf().fit(z)
    truth = cdist(z, fitted.location_[None], "mahalanobis", VI=np.linalg.inv(fitted.covariance_))[:, 0]
    np.testing.assert_allclose(row_distances(x), truth, rtol=1e-6)
