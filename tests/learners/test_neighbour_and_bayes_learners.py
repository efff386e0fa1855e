"""k nearest neighbours and naive Bayes against scikit-learn's, a slow count by hand, and the formulas."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from trainwright.features.recipe import fit_recipe
from trainwright.learners.interface import Budget, Feature, Training
from trainwright.learners.tabular.naive_bayes import NaiveBayes
from trainwright.learners.tabular.nearest import Nearest
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import points as steps
from trainwright.select.monotone import signs


def fit(learner, X, y, weight=None, classes=0, features=()):
    training = Training(task="x", numbers=X, target=np.asarray(y, float), classes=classes, weight=weight, features=features)
    return learner.fit(training, Budget(), np.random.default_rng(0))


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(300, 3)).astype(np.float32)
    return X, 1e6 + 100 * X[:, 0] + rng.normal(size=300), np.digitize(X[:, 1], [-0.5, 0.5]), rng.normal(size=(80, 3)).astype(np.float32)


@pytest.mark.parametrize("weighing", ["uniform", "distance"])
@pytest.mark.parametrize("count", [1, 7, 300])
def test_neighbours_are_scikit_learns(rows, weighing, count):
    X, y, k, fresh = rows
    shares = fit(Nearest(neighbours=count, weighing=weighing, pull=0.0), X, k, classes=3).predict(fresh)
    theirs = KNeighborsClassifier(count, weights=weighing, algorithm="brute").fit(X.astype(float), k)
    np.testing.assert_allclose(shares, theirs.predict_proba(fresh.astype(float)), atol=1e-7)
    numbers = fit(Nearest(neighbours=count, weighing=weighing), X, y).predict(fresh)
    wanted = KNeighborsRegressor(count, weights=weighing, algorithm="brute").fit(X.astype(float), y).predict(fresh.astype(float))
    np.testing.assert_allclose(numbers[:, 0], wanted, rtol=1e-12, atol=1e-4)


def by_hand(X, k, weight, row, count, classes, pull):
    """One row, in fractions: rows that are equally far as the last share the places that are left."""
    apart = [sum((Fraction(float(a)) - Fraction(float(b))) ** 2 for a, b in zip(x, row, strict=True)) for x in X]
    last = sorted(apart)[count - 1]
    nearer, ties = sum(d < last for d in apart), sum(d == last for d in apart)
    votes = np.zeros(classes)
    for d, label, w in zip(apart, k, weight, strict=True):
        votes[label] += w * (1.0 if d < last else (count - nearer) / ties if d == last else 0.0)
    prior = np.bincount(k, weights=weight, minlength=classes) / weight.sum()
    return (votes / votes.sum() * count + pull * prior) / (count + pull)


def test_ties_weights_and_pull_are_as_reckoned_by_hand(rng):
    """On a grid of whole numbers nearly all distances are tied."""
    X = rng.integers(0, 3, (60, 3)).astype(np.float32)
    k, weight = rng.integers(0, 3, 60), rng.uniform(0.5, 2, 60)
    fitted = fit(Nearest(neighbours=5, pull=1.5), X, k, weight, classes=3)
    fresh = np.vstack([rng.integers(0, 3, (30, 3)), rng.normal(1, 2, (10, 3))]).astype(np.float32)
    wanted = [by_hand(X, k, weight, row, 5, 3, 1.5) for row in fresh]
    np.testing.assert_allclose(fitted.predict(fresh), wanted, atol=1e-12)
    order = rng.permutation(60)
    np.testing.assert_allclose(fit(Nearest(neighbours=5, pull=1.5), X[order], k[order], weight[order], classes=3).predict(fresh), wanted, atol=1e-12)


@pytest.mark.parametrize("weighing", ["uniform", "distance"])
def test_one_row_at_a_time_is_as_all_at_once(rng, weighing, monkeypatch):
    X = np.round(rng.normal(size=(400, 12)), 1).astype(np.float32)
    fitted = fit(Nearest(weighing=weighing), X, X[:, 0] > 0, classes=2)
    whole = fitted.predict(X)
    np.testing.assert_allclose(np.concatenate([fitted.predict(X[row : row + 1]) for row in range(400)]), whole, atol=1e-9)
    monkeypatch.setattr(steps, "CELLS", 3000)
    np.testing.assert_allclose(fitted.predict(X), whole, atol=1e-9)


def test_far_out_everything_is_equally_far(rows):
    X, y, _, _ = rows
    for weighing in ("uniform", "distance"):
        far = fit(Nearest(weighing=weighing), X, y).predict(np.full((2, 3), 1.7e38, np.float32))
        np.testing.assert_allclose(far[:, 0], y.mean(), rtol=1e-9)


def test_rows_on_the_spot_count_alone(rng):
    X = np.array([[0, 0], [0, 0], [1, 0], [0, 1]], np.float32)
    said = fit(Nearest(neighbours=3, weighing="distance"), X, [1.0, 3.0, 100.0, 100.0]).predict(X[:1])
    np.testing.assert_allclose(said, [[2.0]])


def test_kept_rows_are_bounded_and_drawn(rng):
    X = rng.normal(size=(500, 2)).astype(np.float32)
    fitted = fit(Nearest(rows=100, neighbours=200), X, X[:, 0] > 0, classes=2)
    step = fitted.ship()[0]
    assert len(step.points) == step.count == 100
    assert fitted.notes == {"rows kept": 100, "of rows": 500}
    assert fitted.holds_rows
    kept = {tuple(row) for row in X.tolist()}
    assert all(tuple(row) in kept for row in step.points.tolist())
    assert step.points[:, 0].std() > 0.5  # not the first hundred of something sorted


def test_numbers_are_gaussian_nb(rows):
    X, _, k, fresh = rows
    weight = np.random.default_rng(1).uniform(0.2, 3, 300)
    ours = fit(NaiveBayes(calibrated=False, variance=1e-12), X, k, weight, classes=3).predict(fresh)
    theirs = GaussianNB(var_smoothing=1e-15).fit(X.astype(float), k, sample_weight=weight)
    np.testing.assert_allclose(ours, theirs.predict_proba(fresh.astype(float)), rtol=1e-7, atol=1e-12)


def test_codes_are_categorical_nb(rng):
    X = rng.integers(0, [3, 5, 2], (200, 3))
    k, weight = (X[:, 0] + rng.integers(0, 2, 200)) % 3, rng.uniform(0.5, 2, 200)
    features = tuple(Feature(name, name, kind) for name, kind in (("a", "code"), ("b", "code"), ("c", "indicator")))
    ours = fit(NaiveBayes(calibrated=False, smoothing=0.7), X.astype(np.float32), k, weight, classes=3, features=features)
    theirs = CategoricalNB(alpha=0.7).fit(X, k, sample_weight=weight)
    np.testing.assert_allclose(ours.predict(X.astype(np.float32)), theirs.predict_proba(X), rtol=1e-9)
    assert ours.notes == {"numbers": 0, "codes": 3}


def test_what_is_missing_or_unknown_says_nothing(rng):
    """A gap in one feature gives the answer of a model that never had that feature; the learned moments are those of the rows that have it."""
    X = np.c_[rng.normal(size=(200, 2)), rng.integers(0, 3, 200)].astype(np.float32)
    k = (X[:, 0] + X[:, 1] > 0).astype(int)
    features = tuple(Feature(str(n), str(n), kind) for n, kind in enumerate(("number", "number", "code")))
    learner = NaiveBayes(calibrated=False)
    whole = fit(learner, X, k, classes=2, features=features)
    row = X[:5].copy()
    for place in range(3):
        gap = row.copy()
        gap[:, place] = np.nan
        kept = [n for n in range(3) if n != place]
        without = fit(learner, X[:, kept], k, classes=2, features=tuple(features[n] for n in kept))
        np.testing.assert_allclose(whole.predict(gap), without.predict(row[:, kept]), rtol=1e-10)
    unseen = row.copy()
    unseen[:, 2] = [3, 7, 1e30, -1, np.nan]
    np.testing.assert_allclose(whole.predict(unseen), fit(learner, X[:, :2], k, classes=2).predict(row[:, :2]), rtol=1e-10)
    gappy = X.copy()
    gappy[::4, 0] = np.nan
    step = fit(learner, gappy, k, classes=2, features=features).ship()[0]
    known = np.arange(200) % 4 != 0
    np.testing.assert_allclose(step.means[:, 0], [X[known & (k == label), 0].mean() for label in (0, 1)], rtol=1e-6)


def test_features_that_cannot_tell_anything_are_harmless(rng):
    X = rng.normal(size=(100, 4)).astype(np.float32)
    X[:, 1], X[:, 2] = 5.0, np.nan
    X[X[:, 0] > 0, 3] = np.nan  # known in one class alone
    k = (X[:, 0] > 0).astype(int)
    for calibrated in (True, False):
        fitted = fit(NaiveBayes(calibrated=calibrated), X, k, classes=2)
        assert fitted.notes == {"numbers": 2, "codes": 0}
        shares = fitted.predict(np.vstack([X, np.full((1, 4), 1.7e38), np.full((1, 4), np.nan)]).astype(np.float32))
        assert np.isfinite(shares).all()
        assert (shares[:100].argmax(axis=1) == k).mean() > 0.95
    single = fit(NaiveBayes(), X, np.arange(100) == 3, classes=2).predict(X)
    assert np.isfinite(single).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_calibration_keeps_the_order_and_mends_what_is_too_sure(rng, classes):
    """Five copies of a feature: naive Bayes believes each; calibrated, its log loss is near that of one copy."""
    X = rng.normal(size=(2000, 1))
    k = np.digitize(X[:, 0] + rng.normal(size=2000), [0.0] if classes == 2 else [-0.7, 0.7])
    copies = np.repeat(X, 5, axis=1).astype(np.float32)

    def loss(fitted, matrix):
        return -np.log(np.maximum(fitted.predict(matrix[1000:])[np.arange(1000), k[1000:]], 1e-300)).mean()

    raw, mended = (fit(NaiveBayes(calibrated=c), copies[:1000], k[:1000], classes=classes) for c in (False, True))
    single = fit(NaiveBayes(calibrated=False), copies[:1000, :1], k[:1000], classes=classes)
    assert loss(mended, copies) < loss(single, copies[:, :1]) + 0.02 < loss(raw, copies) - 0.1
    if classes == 2:
        a, b = (np.argsort(fitted.predict(copies[:100])[:, 1]) for fitted in (raw, mended))
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_weight_of_two_is_the_row_twice_for_bayes(rng, calibrated, classes):
    X = np.c_[rng.normal(size=(150, 2)), rng.integers(0, 4, 150)].astype(np.float32)
    X[::7, 0] = np.nan
    features = tuple(Feature(str(n), str(n), kind) for n, kind in enumerate(("number", "number", "code")))
    k = np.digitize(np.nan_to_num(X[:, 0]) + X[:, 1], [0.0] if classes == 2 else [-1.0, 1.0])
    twice = np.arange(150) % 3 == 0
    index = np.r_[np.arange(150), np.flatnonzero(twice)]
    learner = NaiveBayes(calibrated=calibrated)
    weighted = fit(learner, X, k, 1.0 + twice, classes=classes, features=features).predict(X)
    doubled = fit(dataclasses.replace(learner), X[index], k[index], classes=classes, features=features).predict(X)
    np.testing.assert_allclose(weighted, doubled, rtol=1e-8, atol=1e-10)


def test_naive_bayes_counts_yes_and_no(rng):
    """A column of the kind yes/no has shares, with gaps as without: no normal density."""
    label = rng.integers(0, 2, 300)
    column = np.where(rng.random(300) < 0.1, np.nan, (rng.random(300) < np.where(label == 1, 0.8, 0.3)).astype(float))
    prepared = fit_recipe("coded", (ColumnSchema(name="member", kind="yesno"),), {"member": column}, None, rng)
    given = Training("binary", prepared.matrix, prepared.features, target=label.astype(float), classes=2)
    fitted = NaiveBayes(calibrated=False).fit(given, Budget(), rng)
    assert fitted.notes == {"numbers": 0, "codes": 1}
    known = ~np.isnan(column)
    shares = np.array([[(label[known & (column == value)] == k).sum() + 1 for k in (0, 1)] for value in (0, 1)], float)
    votes = shares / shares.sum(axis=0) * np.bincount(label)
    np.testing.assert_allclose(fitted.predict(np.array([[0.0], [1.0]], np.float32)), votes / votes.sum(axis=1, keepdims=True), rtol=1e-6)
    assert signs(prepared.features, {"member": "increasing"}) == (1,)  # and it can be constrained
