"""The linear learners against closed forms and conditions that define their answer, written here without any library's solver."""

from __future__ import annotations

import numpy as np
import pytest

from trainwright.learners.interface import Budget, Training
from trainwright.learners.tabular.dummy import Dummy
from trainwright.learners.tabular.linear import Linear
from trainwright.learners.tabular.logistic import Logistic


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(200, 5)).astype(np.float32)
    X[:, 4] = X[:, 0] + 0.1 * X[:, 4]
    y = 1e5 + 300 * (X[:, 0] - 2 * X[:, 1] + rng.normal(size=200))
    return X, y, rng.uniform(0.2, 3, 200)


def fit(learner, X, y, weight=None, classes=0):
    return learner.fit(Training(task="x", numbers=X, target=np.asarray(y, float), classes=classes, weight=weight), Budget(), np.random.default_rng(0))


def test_dummy_is_the_weighted_average(rows):
    X, y, w = rows
    np.testing.assert_allclose(fit(Dummy(), X, y, w).predict(X)[:, 0], (w * y).sum() / w.sum())
    k = np.arange(200) % 3
    shares = [w[k == c].sum() / w.sum() for c in range(4)]
    np.testing.assert_allclose(fit(Dummy(), X, k, w, classes=4).predict(X[:1]), [shares])


def test_least_squares_by_the_pseudo_inverse(rows):
    X, y, w = rows
    A = np.c_[X.astype(float), np.ones(200)] * np.sqrt(w)[:, None]
    truth = np.linalg.pinv(A) @ (np.sqrt(w) * y)
    step = fit(Linear(penalty="none"), X, y, w).ship()[0]
    np.testing.assert_allclose(np.r_[step.weights[:, 0], step.offset], truth, rtol=1e-8)


def test_ridge_equals_least_squares_on_padded_rows(rows):
    """A penalty of s on the mean of squared errors / 2, in units of y's deviation, is s · total weight rows of sqrt(...) added below."""
    X, y, w = rows
    strength, total = 0.3, w.sum()
    X = X.astype(float)
    mean = (w[:, None] * X).sum(axis=0) / total
    middle = (w * y).sum() / total
    A, b = np.sqrt(w)[:, None] * (X - mean), np.sqrt(w) * (y - middle)
    truth, *_ = np.linalg.lstsq(np.vstack([A, np.sqrt(strength * total) * np.eye(5)]), np.r_[b, np.zeros(5)], rcond=None)
    step = fit(Linear(strength=strength), X.astype(np.float32), y, w).ship()[0]
    np.testing.assert_allclose(step.weights[:, 0], truth, rtol=1e-7)
    np.testing.assert_allclose(step.offset, middle - mean @ truth, rtol=1e-9)


@pytest.mark.parametrize(("penalty", "ratio"), [("l1", 1.0), ("elasticnet", 0.4)])
def test_lasso_meets_its_optimality_conditions(rows, penalty, ratio):
    """0 lies in the subdifferential: the gradient is ±l1 where a weight is not 0, and not beyond where it is."""
    X, y, w = rows
    strength = 0.2
    fitted = fit(Linear(penalty=penalty, strength=strength, l1_ratio=0.4, tolerance=1e-10), X, y, w)
    step = fitted.ship()[0]
    middle = np.average(y, weights=w)
    unit = np.sqrt(np.average((y - middle) ** 2, weights=w))
    beta = step.weights[:, 0] / unit
    residual = (y - fitted.predict(X)[:, 0]) / unit
    assert abs(np.average(residual, weights=w)) < 1e-9  # the intercept is not penalised
    gradient = (w[:, None] * residual[:, None] * X).sum(axis=0) / w.sum() - strength * (1 - ratio) * beta
    zero = beta == 0
    assert zero.any()
    np.testing.assert_allclose(gradient[~zero], strength * ratio * np.sign(beta[~zero]), atol=1e-6)
    assert (np.abs(gradient[zero]) <= strength * ratio + 1e-6).all()
    assert fitted.notes == {"converged": True, "zero weights": int(zero.sum())}


def test_a_singular_table_is_no_obstacle(rng):
    X = rng.normal(size=(30, 3)).astype(np.float32)
    X = np.c_[X, X, np.zeros(30, np.float32)]
    y = X[:, 0] * 2.0 + 1
    for penalty in ("none", "l2"):
        np.testing.assert_allclose(fit(Linear(penalty=penalty, strength=1e-9), X, y).predict(X)[:, 0], y, atol=1e-6)
    wide = rng.normal(size=(10, 50)).astype(np.float32)
    target = rng.normal(size=10)
    np.testing.assert_allclose(fit(Linear(penalty="none"), wide, target).predict(wide)[:, 0], target, atol=1e-8)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(("penalty", "ratio", "strength"), [("l2", 0, 2.0), ("none", 0, 1.0), ("l1", 1, 6.0), ("elasticnet", 0.4, 6.0)])
def test_logistic_meets_its_optimality_conditions(rows, rng, classes, penalty, ratio, strength):
    """The gradient of the summed log loss against the penalty's subdifferential; the intercepts' gradient is 0."""
    X, y, w = rows
    k = np.digitize(y + rng.normal(0, 300, 200), np.quantile(y, [0.5] if classes == 2 else [0.3, 0.7]))
    fitted = fit(Logistic(penalty=penalty, strength=strength, l1_ratio=0.4, tolerance=1e-8, max_iterations=20_000), X, k, w, classes=classes)
    assert fitted.notes["converged"]
    p, truth = fitted.predict(X), np.eye(classes)[k]
    error = (w[:, None] * (truth - p))[:, classes == 2 :]  # two classes: one line, for the second
    beta = fitted.ship()[0].weights
    np.testing.assert_allclose(error.sum(axis=0), 0, atol=2e-3)
    gradient = X.T.astype(float) @ error
    if penalty != "none":
        gradient -= strength * (1 - ratio) * beta
    zero = beta == 0
    limit = strength * ratio if penalty != "none" else 0.0
    np.testing.assert_allclose(gradient[~zero], limit * np.sign(beta[~zero]), atol=2e-3)
    assert (np.abs(gradient[zero]) <= limit + 2e-3).all()
    if ratio:
        assert zero.any()


def test_both_solvers_of_logistic_agree(rows, rng):
    from trainwright.learners.tabular import logistic

    X, y, w = rows
    k = (y > np.median(y)) * 1.0
    newton = fit(Logistic(tolerance=1e-9), X, k, w, classes=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logistic, "NEWTON", 0.0)
        slow = fit(Logistic(tolerance=1e-9), X, k, w, classes=2)
    assert newton.notes["iterations"] < slow.notes["iterations"]
    np.testing.assert_allclose(newton.predict(X), slow.predict(X), atol=1e-6)


def test_logistic_says_when_it_has_not_converged(rows):
    X, y, _ = rows
    for penalty in ("none", "l1"):
        assert not fit(Logistic(penalty=penalty, max_iterations=2), X, (y > 1e5) * 1.0, classes=2).notes["converged"]
    separable = fit(Logistic(penalty="none"), X, (X[:, 0] > 0) * 1.0, classes=2)
    assert np.isfinite(separable.predict(X)).all()
