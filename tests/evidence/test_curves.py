"""Curves against scikit-learn and statsmodels; no curve tells a row."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from sklearn import metrics as sk
from statsmodels.discrete.discrete_model import Logit
from statsmodels.stats.proportion import proportion_confint

from trainwright.evidence.bins import FEW, equal_bins, round_edges
from trainwright.evidence.curves import POINTS, curves, logistic_fit, wilson
from trainwright.evidence.judged import Judge, truth_of
from trainwright.tasks import TASKS


def judge_of(y, p, w=None, *, numbers=False):
    return Judge(truth_of(y, w)[0], p, numbers=numbers)


def binary(rng, rows, digits=2):
    y = (rng.random(rows) < 0.4).astype(float)
    p = (1 / (1 + np.exp(-(1.5 * (y - 0.5) + rng.normal(size=rows))))).round(digits)
    return y, np.stack([1 - p, p], axis=1)


def test_roc_and_precision_recall_equal_scikit_learn(rng):
    y, p = binary(rng, 300, digits=1)
    w = rng.random(300) + 0.1
    found = curves(("roc", "precision_recall"), judge_of(y, p, w), ())
    fpr, tpr, _ = sk.roc_curve(y, p[:, 1], sample_weight=w, drop_intermediate=False)
    np.testing.assert_allclose(found["roc"]["points"], np.stack([fpr, tpr], axis=1), atol=1e-6)
    precision, recall, _ = sk.precision_recall_curve(y, p[:, 1], sample_weight=w)
    np.testing.assert_allclose(found["precision_recall"]["points"], np.stack([recall, precision], axis=1)[-2::-1], atol=1e-6)
    answers = p.argmax(axis=1)
    recall, precision = sk.recall_score(y, answers, sample_weight=w), sk.precision_score(y, answers, sample_weight=w)
    assert found["roc"]["at"][1] == pytest.approx(recall)
    assert found["roc"]["at"][0] == pytest.approx(1 - sk.recall_score(y, answers, sample_weight=w, pos_label=0))
    assert found["precision_recall"]["at"] == pytest.approx([recall, precision])
    assert found["precision_recall"]["chance"] == pytest.approx(np.average(y, weights=w))


def test_long_curves_are_thinned_and_keep_their_ends(rng):
    y, p = binary(rng, 5000, digits=9)
    points = np.array(curves(("roc",), judge_of(y, p), ())["roc"]["points"])
    assert len(points) <= POINTS
    np.testing.assert_array_equal(points[[0, -1]], [[0, 0], [1, 1]])
    assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(sk.roc_auc_score(y, p[:, 1]), abs=2e-3)


def test_calibration_bins_and_error_by_hand(rng):
    y, p = binary(rng, 400)
    found = curves(("calibration",), judge_of(y, p), ("no", "yes"))["calibration"]
    assert found["of"] == "yes"
    assert sum(b["rows"] for b in found["bins"]) == 400
    assert 8 <= len(found["bins"]) <= 10
    edges = np.cumsum([b["rows"] for b in found["bins"]])
    order = np.argsort(p[:, 1], kind="stable")
    error = 0.0
    for rows, b in zip(np.split(order, edges[:-1]), found["bins"], strict=True):
        assert (b["said"], b["came"]) == pytest.approx((p[rows, 1].mean(), y[rows].mean()))
        assert (b["low"], b["high"]) == pytest.approx(proportion_confint(y[rows].sum(), len(rows), method="wilson"))
        error += len(rows) / 400 * abs(p[rows, 1].mean() - y[rows].mean())
    assert found["error"] == pytest.approx(error)


def test_slope_and_intercept_equal_statsmodels(rng):
    y, p = binary(rng, 400)
    p = np.clip(p, 0.02, 0.98)
    logit = np.log(p[:, 1] / (1 - p[:, 1]))
    theirs = Logit(y, np.stack([np.ones(400), logit], axis=1)).fit(disp=0).params
    assert logistic_fit(p[:, 1], y, np.ones(400)) == pytest.approx(tuple(theirs), rel=1e-6)
    twice = logistic_fit(p[:, 1], y, np.r_[np.full(200, 2.0), np.ones(200)])
    again = np.r_[np.arange(400), np.arange(200)]
    assert twice == pytest.approx(logistic_fit(p[again, 1], y[again], np.ones(600)), rel=1e-8)


@pytest.mark.parametrize("p", [np.full(40, 0.3), np.r_[np.full(20, 0.2), np.full(20, 0.8)], np.r_[np.zeros(20), np.ones(20)]])
def test_no_slope_where_none_exists(p):
    y = np.r_[np.zeros(20), np.ones(20)]
    found = curves(("calibration",), judge_of(y, np.stack([1 - p, p], axis=1)), ())["calibration"]
    assert found["slope"] is None
    assert "no slope" in found["why"]


def test_calibration_of_several_classes_is_of_the_likeliest(rng):
    p = rng.dirichlet(np.ones(4), 300)
    y = np.array([rng.choice(4, p=row) for row in p]).astype(float)
    found = curves(("calibration",), judge_of(y, p), ("a", "b", "c", "d"))["calibration"]
    assert found["of"] == "the likeliest class"
    assert np.average([b["came"] for b in found["bins"]], weights=[b["rows"] for b in found["bins"]]) == pytest.approx(
        sk.accuracy_score(y, p.argmax(axis=1))
    )
    assert found["error"] < 0.1


def test_wilson_is_within_zero_and_one():
    assert wilson(0.0, 10)[0] == 0.0
    assert wilson(1.0, 10)[1] == pytest.approx(1.0)
    assert wilson(0.3, 50) == pytest.approx(proportion_confint(15, 50, method="wilson"))


@pytest.mark.parametrize("rows", [1, 9, 10, 25, 137, 1000])
def test_bins_hold_ten_rows_and_keep_ties_together(rng, rows):
    values = rng.integers(0, 12, rows) / 12
    bins = equal_bins(values, 10)
    assert sorted(np.concatenate(bins)) == list(range(rows))
    assert all(len(b) >= min(FEW, rows) for b in bins)
    for before, after in pairwise(bins):
        assert values[before].max() < values[after].min()


def test_confusion_equals_scikit_learn(rng):
    p = rng.dirichlet(np.ones(5), 200)
    y = rng.integers(0, 5, 200).astype(float)
    found = curves(("confusion",), judge_of(y, p), tuple("abcde"))["confusion"]
    assert found == {"classes": list("abcde"), "counts": sk.confusion_matrix(y, p.argmax(axis=1), labels=range(5)).tolist()}


def test_of_many_classes_the_largest_confusions(rng):
    y = np.repeat(np.arange(40.0), 10)
    answers = y.astype(int).copy()
    answers[:6] = 7  # six rows of class 0
    answers[395:398] = 1  # three rows of class 39
    found = curves(("confusion",), judge_of(y, np.eye(40)[answers]), tuple(f"k{i}" for i in range(40)))["confusion"]
    assert found["wrong"] == 9
    assert found["largest"] == [
        {"truth": "k0", "predicted": "k7", "rows": 6, "share": 0.6},
        {"truth": "k39", "predicted": "k1", "rows": 3, "share": 0.3},
    ]


def test_residuals_are_counts_of_rows(rng):
    y = rng.normal(size=2000) * 10
    p = (y + rng.normal(size=2000))[:, None]
    found = curves(("residuals",), judge_of(y, p, numbers=True), ())["residuals"]
    error = y - p[:, 0]
    assert found["band"] == pytest.approx(np.quantile(error, [0.05, 0.95]), abs=0.05)
    edges, rows = np.array(found["histogram"]["edges"]), found["histogram"]["rows"]
    truth = np.histogram(np.clip(error, edges[0], edges[-1] - 1e-9), edges)[0]
    assert [r for r in rows if r is not None] == [int(t) for t in truth if t == 0 or t >= FEW]
    width, height = found["cell"]
    for cell in found["cells"]:
        inside = (np.abs(p[:, 0] - cell["x"]) < width / 2) & (np.abs(error - cell["y"]) < height / 2)
        assert cell["rows"] is None or cell["rows"] >= max(FEW, inside.sum())
    assert sum(b["rows"] for b in found["by_predicted"]) == 2000
    middle = np.sort(p[:, 0])[800:1000]
    assert found["by_predicted"][4]["predicted"] == pytest.approx(middle.mean(), abs=0.5)


@pytest.mark.parametrize("rows", [1, 5, 12, 80, 3000])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e12])
def test_no_number_of_the_residuals_is_a_rows(rng, rows, scale):
    y = (rng.normal(size=rows) ** 3 + 4) * scale
    p = (y + scale * rng.normal(size=rows))[:, None]
    found = curves(("residuals",), judge_of(y, p, numbers=True), ())["residuals"]
    told = []

    def collect(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for part in value:
                collect(part)
        elif isinstance(value, float):
            told.append(value)

    collect(found)
    json.dumps(found, allow_nan=False)
    values = np.concatenate([y, p[:, 0], y - p[:, 0]])
    assert not np.isin(np.round(np.array(told) / scale, 7), np.round(values / scale, 7)).any()
    assert len(found["cells"]) <= POINTS


def test_edges_are_round_and_few(rng):
    for scale in (1e-6, 1.0, 3e7):
        edges = round_edges(rng.normal(size=500) * scale, 14)
        assert 6 <= len(edges) - 1 <= 14
        step = (edges[1] - edges[0]) / 10 ** np.floor(np.log10(edges[1] - edges[0]) + 1e-9)
        assert round(step, 6) in (1.0, 2.0, 5.0)
    assert len(round_edges(np.full(50, 3.2), 14)) == 2


def test_every_task_names_curves_that_exist(rng):
    y, p = binary(rng, 50)
    for task in TASKS.values():
        judge = judge_of(y, p[:, :1] if task.output == "number" else p, numbers=task.output == "number")
        assert tuple(curves(task.curves, judge, ("a", "b"))) == task.curves
