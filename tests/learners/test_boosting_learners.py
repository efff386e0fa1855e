"""Boosting: what ships against the libraries' own predictions, for gaps, categories never seen, very many categories, early stopping."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from trainwright.learners.interface import Budget, Feature, Training
from trainwright.learners.rows import in_turn
from trainwright.learners.tabular.hist_boosting import HistBoosting

KINDS = (*(Feature(name, name, "number") for name in "abcd"), Feature("few", "few", "code"), Feature("many", "many", "code"))


@pytest.fixture(autouse=True)
def _one_thread():
    """The library called directly would take every core, and its threads spin."""
    with threadpool_limits(1, "openmp"):
        yield


def drawn(rng, rows: int, many: int = 40):
    """Four numbers (one with ties, two with gaps), a category of 6 and one of `many` words, each with gaps; and a score that hangs on all."""
    X = rng.normal(size=(rows, 6)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1])
    few, town = rng.integers(0, 6, rows), rng.integers(0, many, rows)
    effect = rng.normal(size=many)
    score = X[:, 0] + X[:, 1] * X[:, 2] + (few % 2) - (few == 4) + effect[town] + rng.normal(0, 0.3, rows)
    X[:, 4], X[:, 5] = few, town
    for column in (0, 3, 4, 5):
        X[rng.random(rows) < 0.1, column] = np.nan
    return X, score


def targets(score, classes: int):
    return np.digitize(score, np.quantile(score, np.arange(1, classes) / classes)) * 1.0 if classes else 2e5 + 1e3 * score


def given(X, y, classes: int, **more) -> Training:
    return Training(task="x", numbers=X, features=KINDS, target=y, classes=classes, **more)


def served(rng, X):
    """Rows as they may come: the training rows, others, gaps anywhere, words never seen, numbers far away."""
    odd = rng.permuted(X, axis=0)
    odd[rng.random(odd.shape) < 0.2] = np.nan
    odd[::7, 4], odd[::5, 5], odd[::11, 5] = 17, 5000, -3
    far = X[:50].copy()
    far[:, :4] = rng.choice(np.array([0.0, -0.0, 1e-45, 3e38, -3e38], np.float32), (50, 4))
    return np.concatenate([X, odd, far])


def truth_of(model, X, classes: int, mean: float = 0.0, unit: float = 1.0):
    return model.predict_proba(X) if classes else model.predict(X)[:, None] * unit + mean


@pytest.mark.parametrize("classes", [0, 2, 4])
@pytest.mark.parametrize("many", [40, 254, 400])
def test_histograms_ship_as_scikit_learn_decides(rng, classes, many):
    """Up to 254 categories are sets, more are numbers: the library itself, told so, says the same of every row."""
    X, score = drawn(rng, 1500, many)
    if many == 254:
        X[:254, 5] = np.arange(254)  # all of them occur
        X[X[:, 5] == 253, 5], X[0, 5] = 0, 253
        X[np.isnan(X[:, 5]), 5] = 1  # a gap would be the 255th
    y = targets(score, classes)
    weight = rng.uniform(0.5, 2, len(y))
    fitted = HistBoosting(learning_rate=0.2, max_leaf_nodes=12, l2=0.5).fit(
        given(X, y, classes, weight=weight), Budget(iterations=12), np.random.default_rng(4)
    )
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    mean = 0.0 if classes else float(np.average(y, weights=weight))
    unit = 1.0 if classes else float(np.sqrt(np.average((y - mean) ** 2, weights=weight)))
    sets = [4, 5] if many <= 254 else [4]
    seed = int(np.random.default_rng(4).integers(2**31))
    model = kind(
        learning_rate=0.2, max_leaf_nodes=12, l2_regularization=0.5, max_iter=12, early_stopping=False, categorical_features=sets, random_state=seed
    )
    model.fit(X, y.astype(int) if classes else (y - mean) / unit, sample_weight=weight)
    tries = served(rng, X)
    truth = truth_of(model, tries, classes, mean, unit)
    np.testing.assert_allclose(fitted.predict(tries), truth, rtol=1e-12)
    np.testing.assert_allclose(in_turn(fitted.ship())(tries), truth, rtol=0, atol=1e-6 if classes else 1e-6 * unit)
    assert fitted.iterations == 12


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_histograms_stop_at_the_best_tree(rng, classes):
    """The watched loss, after each number of trees by the library, is least where the fit ended; the refit for as many trees is the same model."""
    X, score = drawn(rng, 900)
    y = targets(score + rng.normal(0, 1.5, 900), classes)
    watch = given(X[600:], y[600:], classes)
    learner = HistBoosting(learning_rate=0.3, iterations=200, patience=10, max_leaf_nodes=7)
    fitted = learner.fit(given(X[:600], y[:600], classes, watch=watch), Budget(), np.random.default_rng(1))
    assert 1 <= fitted.iterations < 150

    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    seed = int(np.random.default_rng(1).integers(2**31))
    more = {"learning_rate": 0.3, "max_leaf_nodes": 7, "categorical_features": [4, 5], "random_state": seed, "early_stopping": False}
    truth = kind(max_iter=fitted.iterations + 10, **more).fit(X[:600], y[:600])
    if classes:
        after = [-np.log(said[np.arange(300), y[600:].astype(int)]).mean() for said in truth.staged_predict_proba(X[600:])]
    else:
        after = [((said - y[600:]) ** 2).mean() for said in truth.staged_predict(X[600:])]
    assert int(np.argmin(after)) + 1 == fitted.iterations
    again = learner.fit(given(X[:600], y[:600], classes), Budget(iterations=fitted.iterations), np.random.default_rng(1))
    np.testing.assert_allclose(fitted.predict(X), again.predict(X), rtol=1e-12)


def test_histograms_watch_only_classes_that_they_know(rng):
    X, score = drawn(rng, 600)
    y = targets(score, 4)
    learn = np.flatnonzero(y[:400] != 2)
    made, known = HistBoosting(iterations=40, learning_rate=0.3, patience=5), y[400:] != 2
    fitted = made.fit(given(X[learn], y[learn], 4, watch=given(X[400:], y[400:], 4)), Budget(), np.random.default_rng(0))
    said = fitted.predict(X)
    without = made.fit(given(X[learn], y[learn], 4, watch=given(X[400:][known], y[400:][known], 4)), Budget(), np.random.default_rng(0))
    np.testing.assert_array_equal(said, without.predict(X))  # rows of a class that cannot be said tell nothing
    assert said.shape == (600, 4)
    assert (said[:, 2] == 0).all()
    np.testing.assert_allclose(in_turn(fitted.ship())(X), said, atol=1e-6)


def test_threads_do_not_change_the_answer(rng):
    """Histograms are added up in one order whatever the threads."""
    X, score = drawn(rng, 1000)
    part = given(X, targets(score, 2), 2)
    one, two = (HistBoosting().fit(part, Budget(threads=threads, iterations=5), np.random.default_rng(0)) for threads in (1, 2))
    assert one.ship()[0].graph == two.ship()[0].graph


def test_a_category_of_one_word_and_of_gaps_alone(rng):
    X, score = drawn(rng, 400)
    X[:, 4], X[:, 5] = 3, np.nan
    fitted = HistBoosting().fit(given(X, targets(score, 2), 2), Budget(iterations=20), rng)
    tries = served(rng, X)
    np.testing.assert_allclose(in_turn(fitted.ship())(tries), fitted.predict(tries), atol=1e-6)
    bare = dataclasses.replace(given(X[:, :4], targets(score, 2), 2), features=KINDS[:4])
    np.testing.assert_allclose(HistBoosting().fit(bare, Budget(iterations=20), rng).predict(X[:, :4]), fitted.predict(X), rtol=1e-9)
