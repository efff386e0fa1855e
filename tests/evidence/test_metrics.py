"""Every metric equals scikit-learn's value, with ties, weights and absent classes; undefined ones are None and say why."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sk

from trainwright import evidence
from trainwright.evidence import METRICS, better, score
from trainwright.tasks import TASKS

NUMBERS = ("mse", "rmse", "mae", "r2")


def theirs(name, y, p, w):
    """scikit-learn's value for integer classes y and probabilities p (rows, classes), or numbers p (rows, 1)."""
    K = p.shape[1]
    labels, answers, y_class = list(range(K)), p.argmax(axis=1), y.astype(int)
    average = {"average": "binary", "zero_division": 0} if K == 2 else {"average": "macro", "zero_division": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        match name:
            case "accuracy":
                return sk.accuracy_score(y_class, answers, sample_weight=w)
            case "balanced_accuracy":
                return sk.balanced_accuracy_score(y_class, answers, sample_weight=w)
            case "precision":
                return sk.precision_score(y_class, answers, sample_weight=w, **average)
            case "recall":
                return sk.recall_score(y_class, answers, sample_weight=w, **average)
            case "f1":
                return sk.f1_score(y_class, answers, sample_weight=w, **average)
            case "mcc":
                return sk.matthews_corrcoef(y_class, answers, sample_weight=w)
            case "log_loss":
                return sk.log_loss(y_class, p, sample_weight=w, labels=labels)
            case "brier" if K == 2:
                return sk.brier_score_loss(y_class, p[:, 1], sample_weight=w)
            case "brier":
                return sk.brier_score_loss(y_class, p, sample_weight=w, labels=labels, scale_by_half=False)
            case "roc_auc" if K == 2:
                return sk.roc_auc_score(y_class, p[:, 1], sample_weight=w)
            case "roc_auc":
                return sk.roc_auc_score(y_class, p, sample_weight=w, multi_class="ovr", average="macro", labels=labels)
            case "average_precision":
                return sk.average_precision_score(y_class, p[:, 1] if K == 2 else p, sample_weight=w)
            case "mse":
                return sk.mean_squared_error(y, p[:, 0], sample_weight=w)
            case "rmse":
                return sk.root_mean_squared_error(y, p[:, 0], sample_weight=w)
            case "mae":
                return sk.mean_absolute_error(y, p[:, 0], sample_weight=w)
            case "r2":
                return sk.r2_score(y, p[:, 0], sample_weight=w)
    raise AssertionError(name)


def sample(rng, rows, classes, *, ties):
    y = rng.integers(0, classes, rows).astype(float)
    y[:classes] = np.arange(classes)  # every class occurs
    p = rng.integers(1, 6, (rows, classes)).astype(float) if ties else rng.random((rows, classes)) + 0.01
    p[np.arange(rows), y.astype(int)] += 0.5 if not ties else 1.0
    return y, p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", [name for name in METRICS if name not in NUMBERS])
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_classes_equal_scikit_learn(rng, name, classes, ties, weighted):
    y, p = sample(rng, 301, classes, ties=ties)
    w = rng.random(301) * 5 + 1e-3 if weighted else None
    assert score(name, y, p, w) == pytest.approx(theirs(name, y, p, w), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("weighted", [False, True])
def test_numbers_equal_scikit_learn(rng, name, shift, weighted):
    y = rng.normal(size=200) + shift
    p = (y + rng.normal(size=200))[:, None]
    w = rng.random(200) if weighted else None
    assert score(name, y, p, w) == pytest.approx(theirs(name, y, p, w), rel=1e-12, abs=1e-12)


@given(data=st.data(), rows=st.integers(2, 40), classes=st.integers(2, 5), weighted=st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_classes_equal_scikit_learn(data, rows, classes, weighted):
    y = data.draw(hnp.arrays(np.int64, rows, elements=st.integers(0, classes - 1))).astype(float)
    p = data.draw(hnp.arrays(np.int64, (rows, classes), elements=st.integers(0, 3))).astype(float) + 0.25
    p /= p.sum(axis=1, keepdims=True)
    w = data.draw(hnp.arrays(np.float64, rows, elements=st.floats(0.01, 100))) if weighted else None
    for name, metric in METRICS.items():
        if metric.needs == "number":
            continue
        ours = score(name, y, p, w)
        if ours is None:
            assert name in ("roc_auc", "average_precision", "recall", "f1", "mcc")
            assert len(np.unique(y)) == 1
        elif name in ("roc_auc", "average_precision") and classes > 2 and len(np.unique(y)) < classes:
            present = [k for k in range(classes) if (y == k).any()]  # scikit-learn has no value here: the mean over what it has, class by class
            one = sk.roc_auc_score if name == "roc_auc" else sk.average_precision_score
            assert ours == pytest.approx(np.mean([one(y == k, p[:, k], sample_weight=w) for k in present]), rel=1e-11, abs=1e-12)
        else:
            assert ours == pytest.approx(theirs(name, y, p, w), rel=1e-11, abs=1e-12)


def test_a_row_of_weight_zero_is_not_there(rng):
    y, p = sample(rng, 60, 3, ties=True)
    w = np.where(np.arange(60) % 3 == 0, 0.0, 2.0)
    for name, metric in METRICS.items():
        if metric.needs != "number":
            assert score(name, y, p, w) == pytest.approx(score(name, y[w > 0], p[w > 0]), rel=1e-12)


def test_undefined_is_none_and_says_why():
    ones, p = np.ones(4), np.array([[0.4, 0.6]] * 4)
    zeros = np.zeros(4)
    assert score("roc_auc", ones, p) is None
    assert score("mcc", ones, p) is None
    assert score("average_precision", zeros, p) is None
    assert score("recall", zeros, p) is None
    assert score("f1", zeros, p[:, ::-1]) is None
    assert score("r2", ones * 0.1, p[:, :1]) is None
    assert score("accuracy", ones[:0], p[:0]) is None
    assert all(metric.undefined for metric in METRICS.values())


def test_standard_zeros():
    y, never = np.array([0.0, 1.0, 0.0, 1.0]), np.array([[0.9, 0.1]] * 4)
    assert (score("precision", y, never), score("recall", y, never), score("f1", y, never), score("mcc", y, never)) == (0, 0, 0, 0)


def test_a_certain_mistake_costs_no_infinity():
    assert score("log_loss", np.array([1.0, 0.0]), np.array([[1.0, 0.0], [1.0, 0.0]])) == pytest.approx(-np.log(np.finfo(float).eps) / 2)


def test_better_follows_the_metric():
    assert better("roc_auc", 0.8, 0.7)
    assert not better("roc_auc", 0.7, 0.7)
    assert better("rmse", 1.0, 2.0)
    assert better("rmse", 9.0, None)
    assert not better("rmse", None, 1.0)
    assert not better("rmse", None, None)


def test_tasks_name_metrics_that_exist():
    for task in TASKS.values():
        assert task.metric == task.metrics[0]
        assert {METRICS[name].needs == "number" for name in task.metrics} == {task.output == "number"}


def test_measuring_needs_numpy_alone():
    """scikit-learn and scipy are what the tests compare with, never what is shown."""
    code = "import sys, trainwright.evidence; print([m for m in ('sklearn', 'scipy', 'polars', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_public_list():
    assert evidence.__all__ == ["METRICS", "Metric", "better", "differences", "measure", "quick_interval", "score", "unpaired"]
