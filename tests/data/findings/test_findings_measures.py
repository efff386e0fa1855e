"""The measures, each against another library's value or brute force."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats as st
from made_datasets import words
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from trainwright.data.findings import measures


@pytest.mark.parametrize(("events", "n"), [(0, 12), (3, 10), (40, 41), (25, 25), (7, 5000)])
def test_wilson_equals_statsmodels(events: int, n: int) -> None:
    np.testing.assert_allclose(measures.wilson(events, n), proportion_confint(events, n, method="wilson"), atol=1e-12)


@pytest.mark.parametrize(("a", "n", "b", "m"), [(56, 70, 48, 80), (9, 10, 3, 10), (0, 20, 4, 30), (500, 4000, 900, 5000)])
def test_newcombe_equals_statsmodels(a: int, n: int, b: int, m: int) -> None:
    difference, low, high = measures.newcombe(a, n, b, m)
    assert difference == pytest.approx(a / n - b / m)
    np.testing.assert_allclose((low, high), confint_proportions_2indep(a, n, b, m, method="newcomb"), atol=1e-9)


def test_normal_tail_and_quantile_equal_scipy() -> None:
    for z in (0.0, 0.5, 1.96, 4.0, 8.0):
        assert measures.normal_tail(z) == pytest.approx(2 * st.norm.sf(z), rel=1e-9)
    for p in (0.5, 0.05, 0.05 / 120, 1e-9):
        assert measures.normal_quantile(p) == pytest.approx(st.norm.isf(p / 2), abs=1e-9)


def test_contingency_equals_pandas(rng: np.random.Generator) -> None:
    a, b = rng.integers(0, 5, 400).astype(np.int32), rng.integers(0, 3, 400).astype(np.int32)
    np.testing.assert_array_equal(measures.contingency(a, b, 5, 3), pd.crosstab(a, b).to_numpy())


def test_cramers_v_is_the_corrected_form_of_scipys_chi_squared(rng: np.random.Generator) -> None:
    a = rng.integers(0, 4, 500)
    b = np.where(rng.random(500) < 0.6, a % 3, rng.integers(0, 3, 500))
    table = pd.crosstab(a, b).to_numpy()
    chi2, n, (r, c) = st.chi2_contingency(table, correction=False).statistic, 500, table.shape
    phi2 = max(0, chi2 / n - (r - 1) * (c - 1) / (n - 1))
    truth = np.sqrt(phi2 / min(r - (r - 1) ** 2 / (n - 1) - 1, c - (c - 1) ** 2 / (n - 1) - 1))
    assert measures.cramers_v(table) == pytest.approx(truth, abs=1e-12)
    assert measures.cramers_v(np.diag([50, 30, 20])) == pytest.approx(1.0)
    assert np.isnan(measures.cramers_v(np.array([[3, 4, 5]])))


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_correlations_equal_pandas(rng: np.random.Generator, missing: float) -> None:
    matrix = rng.normal(size=(300, 6)) * [1, 10, 1e6, 1e-6, 1, 1] + [0, 5, 1e7, 0, 3, -2]
    matrix[:, 4] = matrix[:, 1] * 2 + rng.normal(size=300)
    matrix[rng.random(matrix.shape) < missing] = np.nan
    r, n = measures.correlations(matrix)
    np.testing.assert_allclose(r, pd.DataFrame(matrix).corr().to_numpy(), atol=1e-9)
    np.testing.assert_array_equal(n, np.isfinite(matrix).T.astype(int) @ np.isfinite(matrix).astype(int))


def test_correlation_with_a_constant_is_nan(rng: np.random.Generator) -> None:
    r, _ = measures.correlations(np.column_stack([rng.normal(size=50), np.full(50, 3.0)]))
    assert np.isnan(r[0, 1])
    assert r[0, 0] == pytest.approx(1.0)


def test_kolmogorov_equals_scipy(rng: np.random.Generator) -> None:
    a, b = np.round(rng.normal(size=900), 2), np.round(rng.normal(0.1, 1, size=700), 2)
    distance, p = measures.kolmogorov(a, b)
    truth = st.ks_2samp(a, b, method="exact")
    assert distance == pytest.approx(truth.statistic, abs=1e-12)
    assert p == pytest.approx(truth.pvalue, rel=0.1)
    assert measures.kolmogorov(a, a.copy()) == (0.0, 1.0)


@pytest.mark.parametrize(("value", "freedom"), [(3.0, 1), (25.0, 5), (60.0, 30), (200.0, 100), (1.0, 4)])
def test_chi_squared_tail_is_near_scipy(value: float, freedom: int) -> None:
    assert measures.chi_squared_tail(value, freedom) == pytest.approx(st.chi2.sf(value, freedom), rel=0.2, abs=0.01)


def test_skewness_equals_scipy(rng: np.random.Generator) -> None:
    values = rng.gamma(2.0, size=500)
    assert measures.skewness(values) == pytest.approx(st.skew(values), abs=1e-10)
    assert measures.skewness(np.ones(5)) == 0.0


def test_equal_fingerprints_are_pandas_duplicates(rng: np.random.Generator) -> None:
    n = 3000
    a, b = rng.integers(0, 30, n).astype(float), rng.integers(0, 20, n)
    gaps = rng.random(n) < 0.1
    a[gaps] = np.where(rng.random(n) < 0.5, np.nan, -np.nan)[gaps]  # missing is missing, whatever its bits
    a[a == 0] *= rng.choice([1.0, -1.0], size=int((a == 0).sum()))  # 0.0 and -0.0 are one number
    c = [None if value < 2 else f"w{value}" for value in rng.integers(0, 9, n)]
    prints = measures.fingerprints([a, b.astype(float), words(c)], np.arange(n))
    truth = pd.DataFrame({"a": a, "b": b, "c": c}).duplicated(keep=False).to_numpy()
    assert 0 < truth.sum() < n
    np.testing.assert_array_equal(pd.Series(prints).duplicated(keep=False).to_numpy(), truth)


def test_fingerprints_tell_columns_apart() -> None:
    one, two = np.array([1.0]), np.array([2.0])
    rows = np.array([0])
    assert measures.fingerprints([one, two], rows) != measures.fingerprints([two, one], rows)
