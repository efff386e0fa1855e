"""Draws against rows that are really drawn again, BCa against scipy's, coverage by simulation."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from trainwright.evidence import METRICS, bootstrap, judged, quick_interval, score
from trainwright.evidence.judged import Judge, truth_of
from trainwright.evidence.ranking import Ranking


def classes(rng, rows, many, *, ties=True):
    y = rng.integers(0, many, rows).astype(float)
    p = (rng.integers(1, 5, (rows, many)) if ties else rng.random((rows, many))) + 0.0
    p[np.arange(rows), y.astype(int)] += 1.0 if ties else 0.4
    return y, p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("many", [2, 4])
@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_a_draw_is_its_rows_drawn_again(rng, many, ties, grouped, weighted):
    y, p = classes(rng, 80, many, ties=ties)
    unit = rng.integers(0, 25, 80) * 7 if grouped else None
    w = rng.random(80) + 0.1 if weighted else None
    truth, _ = truth_of(y, w, unit)
    judge = Judge(truth, p, numbers=False)
    counts = next(bootstrap.counts_of_draws(truth.units, 12, 5, chunk=12))
    assert (counts.sum(axis=1) == truth.units).all()
    batch = judge.batch(counts)
    for metric in METRICS.values():
        if metric.needs == "number":
            continue
        values = metric.of(batch)
        for draw in range(12):
            rows = np.repeat(np.arange(80), counts[draw, truth.unit].astype(int))
            again = score(metric.name, y[rows], p[rows], None if w is None else w[rows])
            assert values[draw] == pytest.approx(again, rel=1e-11), metric.name


def test_a_draw_of_numbers_is_its_rows_drawn_again(rng):
    y = rng.normal(size=60) + 1000
    p = (y + rng.normal(size=60))[:, None]
    truth, _ = truth_of(y)
    counts = next(bootstrap.counts_of_draws(60, 8, 5, chunk=8))
    batch = Judge(truth, p, numbers=True).batch(counts)
    for name in ("mse", "rmse", "mae", "r2"):
        for draw, value in enumerate(METRICS[name].of(batch)):
            rows = np.repeat(np.arange(60), counts[draw].astype(int))
            assert value == pytest.approx(score(name, y[rows], p[rows]), rel=1e-10)


def test_a_draw_without_a_class_has_no_ranking():
    y, p = np.array([0.0, 0.0, 1.0]), np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    batch = Judge(truth_of(y)[0], p, numbers=False).batch(np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 3.0], [1.0, 1.0, 1.0]]))
    np.testing.assert_array_equal(np.isnan(METRICS["roc_auc"].of(batch)), [True, True, False])
    np.testing.assert_array_equal(np.isnan(METRICS["average_precision"].of(batch)), [True, False, False])
    np.testing.assert_array_equal(np.isnan(METRICS["mcc"].of(batch)), [True, True, False])


def test_draws_do_not_depend_on_the_chunk():
    whole = np.concatenate(list(bootstrap.counts_of_draws(31, 40, 9, chunk=40)))
    parts = np.concatenate(list(bootstrap.counts_of_draws(31, 40, 9, chunk=7)))
    np.testing.assert_array_equal(whole, parts)
    assert not np.array_equal(whole, np.concatenate(list(bootstrap.counts_of_draws(31, 40, 10, chunk=40))))


@pytest.mark.parametrize("statistic", [np.mean, lambda x, axis=-1: np.sqrt(np.mean(x**2, axis=axis))])
def test_bca_equals_scipy_on_the_same_draws(rng, statistic):
    x = rng.exponential(size=40) ** 2
    drawn = statistic(rng.choice(x, (3000, 40)), axis=-1)
    given = SimpleNamespace(bootstrap_distribution=drawn)
    theirs = stats.bootstrap((x,), statistic, n_resamples=0, bootstrap_result=given, method="BCa", vectorized=True).confidence_interval
    left = np.array([statistic(np.delete(x, i)) for i in range(40)])
    assert bootstrap.bca(float(statistic(x)), drawn, left) == pytest.approx((theirs.low, theirs.high), rel=1e-8)


def test_acceleration_by_blocks_is_near_that_by_single_units(rng):
    x = rng.exponential(size=4000) ** 2
    single = bootstrap._acceleration((x.sum() - x) / 3999)
    block = np.concatenate(list(bootstrap.counts_left_out(4000, 3, chunk=64)))
    assert block.shape == (200, 4000)
    assert (block.sum(axis=1) == 3980).all()
    assert bootstrap._acceleration(block @ x / block.sum(axis=1)) == pytest.approx(single, rel=0.35)


def test_too_many_undefined_draws_give_no_interval():
    drawn = np.r_[np.full(60, np.nan), np.linspace(0, 1, 940)]
    assert bootstrap.bca(0.5, drawn, np.linspace(0.4, 0.6, 9)) is None
    assert bootstrap.bca(0.5, drawn[20:], np.linspace(0.4, 0.6, 9)) is not None


@pytest.mark.parametrize(("metric", "rows"), [("accuracy", 80), ("mae", 50)])
def test_intervals_hold_the_truth_about_95_times_in_100(rng, metric, rows):
    times, held = 300, 0
    for seed in range(times):
        if metric == "accuracy":
            y = np.zeros(rows)
            right = rng.random(rows) < 0.8
            p, truth = np.stack([right + 0.0, 1.0 - right], axis=1), 0.8
        else:
            y, p, truth = rng.normal(size=rows), np.zeros((rows, 1)), np.sqrt(2 / np.pi)
        low, high = quick_interval(metric, y, p, seed=seed)
        held += low <= truth <= high
    assert 0.90 <= held / times <= 0.985


def test_units_of_copies_are_the_units_alone(rng):
    """Five copies of each row in one unit are no further evidence: the very same interval."""
    y, p = classes(rng, 120, 2, ties=False)
    copies = np.repeat(np.arange(120), 5)
    for metric in ("accuracy", "roc_auc", "average_precision", "log_loss"):
        alone = quick_interval(metric, y, p, seed=1)
        together = quick_interval(metric, y[copies], p[copies], unit=copies * 11, seed=1)
        apart = quick_interval(metric, y[copies], p[copies], seed=1)
        assert together == pytest.approx(alone, rel=1e-8)
        assert apart[1] - apart[0] < 0.6 * (alone[1] - alone[0])


def test_first_order_terms_of_average_precision_are_its_derivative(rng):
    y, p = classes(rng, 40, 2)
    w = rng.random(40) + 0.5
    terms = Ranking(p[:, 1], y == 1).precision_terms(w)
    step = 1e-6
    for row in range(40):
        up, down = w.copy(), w.copy()
        up[row] += step
        down[row] -= step
        slope = (score("average_precision", y, p, up) - score("average_precision", y, p, down)) / (2 * step)
        assert terms[row] == pytest.approx(slope, abs=1e-7)


def test_placements_average_to_the_area(rng):
    y, p = classes(rng, 60, 2)
    w = rng.random(60) + 0.5
    placed = Ranking(p[:, 1], y == 1).placements(w)
    for side in (0, 1):
        assert np.average(placed[y == side], weights=w[y == side]) == pytest.approx(score("roc_auc", y, p, w), rel=1e-12)
    first = np.flatnonzero(y == 1)[0]
    beaten = (p[first, 1] > p[y == 0, 1]) + 0.5 * (p[first, 1] == p[y == 0, 1])
    assert placed[first] == pytest.approx(np.average(beaten, weights=w[y == 0]), rel=1e-12)


@pytest.mark.parametrize("digits", [1, 2, 9])  # of the scores: few give ties
def test_whole_weights_in_bytes_give_the_same_areas_as_in_floats(rng, digits):
    y, p = classes(rng, 3000, 2)
    ranking = Ranking(np.round(p[:, 1], digits), y == 1)
    counts = rng.poisson(1.0, (5, 3000)).astype(np.float64)
    counts[0] = np.where(y == 1, 255.0, 0.0)  # as large as a byte holds, and no negatives
    for small, large in zip(ranking.areas(counts.astype(np.uint8)), ranking.areas(counts), strict=True):
        np.testing.assert_array_equal(small, large)
    truth, _ = truth_of(y)
    assert truth.row_weights(counts).dtype == np.uint8
    assert truth.row_weights(counts * 2).dtype == np.float64  # 510 is more than a byte holds
    weighted, _ = truth_of(y, np.full(3000, 0.5))
    np.testing.assert_array_equal(weighted.row_weights(counts), counts / 2)


def test_rankings_of_many_on_both_sides_are_drawn_by_first_order_terms(rng, monkeypatch):
    monkeypatch.setattr(judged, "EXACT_PAIRED", 200)
    for share, linear in ((0.1, False), (0.3, True), (0.7, True), (0.9, False)):
        truth, _ = truth_of((np.arange(1000) < 1000 * share).astype(np.float64))
        assert Judge(truth, rng.dirichlet([1, 1], 1000), numbers=False).linear is linear


@pytest.mark.parametrize("many", [2, 5])
def test_many_rows_are_drawn_by_first_order_terms(rng, monkeypatch, many):
    y, p = classes(rng, 1500, many)
    unit = rng.integers(0, 500, 1500)
    for metric in ("roc_auc", "average_precision"):
        exact = np.array(quick_interval(metric, y, p, seed=1, unit=unit, draws=2000))
        with monkeypatch.context() as few:
            few.setattr(judged, "EXACT_RANKS", 0)
            linear = np.array(quick_interval(metric, y, p, seed=1, unit=unit, draws=2000))
            truth, _ = truth_of(y)
            judge = Judge(truth, p, numbers=False)
            assert METRICS[metric].of(judge.whole)[0] == pytest.approx(score(metric, y, p), rel=1e-12)
        assert not np.array_equal(exact, linear)
        np.testing.assert_allclose(linear, exact, atol=0.08 * (exact[1] - exact[0]))


def test_very_many_units_are_drawn_in_blocks(rng, monkeypatch):
    y, p = classes(rng, 4000, 2)
    exact = np.diff(quick_interval("log_loss", y, p, seed=1, draws=2000))
    monkeypatch.setattr(bootstrap, "MOST_UNITS", 400)
    blocked, units = bootstrap.blocks(np.arange(4000), 4000, 1)
    assert units == 400
    assert (np.bincount(blocked) == 10).all()
    assert np.diff(quick_interval("log_loss", y, p, seed=1, draws=2000)) == pytest.approx(exact, rel=0.2)
