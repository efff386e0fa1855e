"""The support vector machines and their probabilities, against libsvm, liblinear, scikit-learn's Platt scaling and a general optimiser."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.calibration import _sigmoid_calibration
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR

from trainwright.errors import RequestError
from trainwright.learners import make, margins, piecewise
from trainwright.learners.interface import Budget, Training
from trainwright.learners.rows import labelled
from trainwright.learners.tabular import kernel_svm
from trainwright.learners.tabular.kernel_svm import KernelSVM
from trainwright.learners.tabular.linear_svm import LinearSVM


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(300, 4)).astype(np.float32)
    y = 1e4 + 50 * (X[:, 0] - 2 * X[:, 1] + X[:, 2] ** 2 + rng.normal(size=300))
    return X, y, np.digitize(y, np.quantile(y, [0.4, 0.7])), rng.uniform(0.3, 2, 300)


def fit(learner, X, y, weight=None, classes=0, seed=0):
    training = Training(task="x", numbers=X, target=np.asarray(y, float), classes=classes, weight=weight)
    return learner.fit(training, Budget(), np.random.default_rng(seed))


def log_odds(shares):
    return np.log(shares[:, 1] / shares[:, 0])


def test_the_squared_hinge_is_at_its_least(rows):
    """Against a general optimiser on the loss as it is written, intercept free."""
    X, _, k, w = rows
    sides = np.where(k > 0, 1.0, -1.0)

    def loss(v):
        lack = np.maximum(0, 1 - sides * (X.astype(float) @ v[:4] + v[4]))
        slope = -2 * w * lack * sides
        return 1.5 * v[:4] @ v[:4] + w @ lack**2, np.r_[3 * v[:4] + slope @ X, slope.sum()]

    truth = minimize(loss, np.zeros(5), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    lines, _, notes = piecewise.one_against_rest(
        piecewise.with_ones(X), (k > 0).astype(int), w, np.r_[np.full(4, 3.0), 0], np.arange(300) % 5, tolerance=1e-10
    )
    np.testing.assert_allclose(lines[:, 0], truth, rtol=1e-5, atol=1e-6)
    assert notes["converged"]


def test_the_squared_band_is_at_its_least(rows):
    X, y, _, w = rows
    step = fit(LinearSVM(strength=3.0, epsilon=0.2), X, y, w).ship()[0]
    middle = np.average(y, weights=w)
    unit = np.sqrt(np.average((y - middle) ** 2, weights=w))

    def loss(v):
        off = X.astype(float) @ v[:4] + v[4] - (y - middle) / unit
        over = np.sign(off) * np.maximum(0, np.abs(off) - 0.2)
        return 1.5 * v[:4] @ v[:4] + w @ over**2, np.r_[3 * v[:4] + 2 * (w * over) @ X, 2 * (w * over).sum()]

    truth = minimize(loss, np.zeros(5), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    np.testing.assert_allclose(np.r_[step.weights[:, 0] / unit, (step.offset - middle) / unit], truth, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
def test_lines_are_liblinears(rows, loss):
    """Liblinear penalises the intercept of the squared hinge too; a large scale of it makes that next to nothing."""
    X, _, k, w = rows
    scale = {"squared_hinge": 1000.0, "hinge": 1.0}[loss]
    theirs = LinearSVC(loss=loss, C=0.5, dual=loss == "hinge", intercept_scaling=scale, tol=1e-9, max_iter=1_000_000, random_state=0)
    theirs.fit(X.astype(float), k, sample_weight=w)
    learner = LinearSVM(loss=loss, strength=2.0, tolerance=1e-4 if loss == "hinge" else 1e-8, max_iterations=100_000)
    asked = labelled(Training(task="multiclass", numbers=X, target=k * 1.0, classes=3, weight=w))
    lines, crossed, notes = learner._lines(asked, np.arange(300) % 5, 0)
    assert notes["converged"]
    np.testing.assert_allclose(lines[:-1].T, theirs.coef_, rtol=1e-2 if loss == "hinge" else 1e-3, atol=2e-3)
    np.testing.assert_allclose(lines[-1], theirs.intercept_, atol=5e-3)
    for fold in range(2):  # margins of rows left out are those of a machine that has not seen them
        out = np.arange(300) % 5 == fold
        unseen = theirs.fit(X[~out].astype(float), k[~out], sample_weight=w[~out]).decision_function(X[out].astype(float))
        np.testing.assert_allclose(crossed[out], unseen, atol=2e-2)


def test_the_plain_band_is_liblinears(rows):
    X, y, _, w = rows
    middle = np.average(y, weights=w)
    unit = np.sqrt(np.average((y - middle) ** 2, weights=w))
    theirs = LinearSVR(epsilon=0.1, C=1.0, tol=1e-4, dual=True, max_iter=100_000, random_state=0)
    theirs.fit(X.astype(float), (y - middle) / unit, sample_weight=w)
    ours = fit(LinearSVM(loss="hinge", max_iterations=100_000), X, y, w)
    np.testing.assert_allclose((ours.predict(X)[:, 0] - middle) / unit, theirs.predict(X.astype(float)), atol=1e-2)


@pytest.mark.parametrize("shape", [(40, 300), (60, 2600)])
def test_more_features_than_rows(rng, shape):
    """Rows in the coordinates of their own span, or conjugate gradients, give the border that the long way gives."""
    X = rng.normal(size=shape).astype(np.float32)
    k = (X[:, 0] + rng.normal(size=shape[0]) > 0).astype(int)
    matrix, ridge = piecewise.with_ones(X), np.r_[np.full(shape[1], 5.0), 0.0]
    problem = piecewise.Problem(matrix, 2.0 * k - 1, np.ones(shape[0]), ridge)
    direct = piecewise.solve(problem, tolerance=1e-10)
    assert direct.converged
    assert (direct.curve is None) == (shape[1] > piecewise.DENSE)
    shipped = fit(LinearSVM(strength=5.0, tolerance=1e-10), X, k, classes=2).ship()[0]
    scale = shipped.weights[:, 0] @ direct.weights[:-1] / (direct.weights[:-1] @ direct.weights[:-1])
    np.testing.assert_allclose(shipped.weights[:, 0], scale * direct.weights[:-1], atol=1e-6 * scale)


def test_platt_is_scikit_learns(rng):
    margin, label = rng.normal(size=500) * 3, rng.integers(0, 2, 500)
    label = np.where(rng.random(500) < 0.7, (margin > 0.5).astype(int), label)
    weight = rng.uniform(0.5, 2, 500)
    a, b = _sigmoid_calibration(margin, label, sample_weight=weight)
    scale, offset = margins.calibrate(margin[:, None], label, weight)
    np.testing.assert_allclose([scale[0], offset[0]], [-a, -b], rtol=1e-3)


def test_several_classes_are_calibrated_to_the_least_log_loss(rng):
    label = rng.integers(0, 3, 400)
    score = rng.normal(size=(400, 3)) * [1, 2, 0.5] + 1.5 * np.eye(3)[label]
    scale, offset = margins.calibrate(score, label, np.ones(400))
    count = np.bincount(label)
    target = np.where(np.eye(3)[label] == 1, ((count + 1) / (count + 3))[label, None], (1 / (count + 3))[label, None])

    def loss(v):
        lines = score * v[:3] + v[3:]
        return -(target * (lines - np.logaddexp.reduce(lines, axis=1, keepdims=True))).sum()

    truth = minimize(loss, np.r_[np.ones(3), np.zeros(3)], method="BFGS", options={"gtol": 1e-6}).x
    np.testing.assert_allclose(scale, truth[:3], rtol=1e-3)
    np.testing.assert_allclose(offset, truth[3:] - truth[3:].mean(), atol=1e-3)


def test_a_margin_that_points_the_wrong_way_gets_no_say(rng):
    label = np.arange(200) % 2
    scale, offset = margins.calibrate((1.0 - 2 * label + rng.normal(size=200))[:, None], label, np.ones(200))
    assert scale[0] == 0
    np.testing.assert_allclose(offset, 0, atol=1e-8)


def test_equal_rows_share_a_fold_whatever_their_order(rng):
    X = np.repeat(rng.normal(size=(50, 3)).astype(np.float32), 3, axis=0)
    label = np.repeat(np.arange(50) % 2, 3)
    fold = margins.folds(X, label, np.random.default_rng(0))
    assert (fold.reshape(50, 3) == fold[::3, None]).all()
    order = rng.permutation(150)
    np.testing.assert_array_equal(margins.folds(X[order], label[order], np.random.default_rng(0)), fold[order])
    assert all(len(np.unique(fold[label == side])) == 5 for side in (0, 1))
    assert (margins.folds(X, label, np.random.default_rng(1)) != fold).any()
    round_numbers = np.arange(1000, dtype=np.float32)[:, None] * np.float32(2**20)
    shares = np.bincount(margins.folds(round_numbers, np.zeros(1000, int), np.random.default_rng(0)))
    assert shares.tolist() == [200] * 5


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_honest(rng, classes):
    """On many fresh rows the log loss is near that of the truth, and mean probabilities are near the shares of the classes."""
    X = rng.normal(size=(3000, 3)).astype(np.float32)
    lines = np.c_[np.zeros(3000), X[:, 0] * 2 - 1, X[:, 1] - X[:, 0]][:, :classes]
    truth = np.exp(lines) / np.exp(lines).sum(axis=1, keepdims=True)
    label = (rng.random((3000, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    for learner, more in ((LinearSVM(), 0.02), (KernelSVM(gamma=0.05), 0.06)):
        said = fit(learner, X[:600], label[:600], classes=classes).predict(X[600:])
        got, best = (-np.log(p[np.arange(2400), label[600:]]).mean() for p in (said, truth[600:]))
        assert best - 0.01 < got < best + more
        np.testing.assert_allclose(said.mean(axis=0), truth[600:].mean(axis=0), atol=0.05)


def test_two_classes_are_libsvms(rows):
    X, _, k, w = rows
    fitted = fit(KernelSVM(strength=0.5, gamma=0.3), X, k > 0, w, classes=2)
    theirs = SVC(C=2.0, gamma=0.3).fit(X.astype(float), k > 0, sample_weight=w)
    odds, margin = log_odds(fitted.predict(X)), theirs.decision_function(X.astype(float))
    slope, offset = np.polyfit(margin, odds, 1)
    assert slope > 0
    np.testing.assert_allclose(odds, slope * margin + offset, atol=1e-5)  # float64 sums in another order
    assert fitted.notes["support vectors"] == len(theirs.support_)
    assert fitted.holds_rows


def test_several_classes_are_libsvms_pairs(rows):
    X, _, k, w = rows
    learner = KernelSVM(gamma=0.3)
    machine = learner._machine_of(X, k, w, 3, 0.3)
    theirs = SVC(gamma=0.3, decision_function_shape="ovo").fit(X.astype(float), k, sample_weight=w)
    first, second, third = theirs.decision_function(X.astype(float)).T  # 0 against 1, 0 against 2, 1 against 2
    np.testing.assert_allclose(machine.apply(X), np.stack([first + second, third - first, -second - third], axis=1) / 2, atol=1e-9)
    lacking = learner._machine_of(X[k != 1], k[k != 1], w[k != 1], 3, 0.3).apply(X)
    theirs.fit(X[k != 1].astype(float), k[k != 1], sample_weight=w[k != 1])
    margin = theirs.decision_function(X.astype(float))  # of the second of the two
    np.testing.assert_allclose(lacking, np.stack([-margin, np.full(300, -1.0), margin], axis=1), atol=1e-9)


def test_numbers_are_libsvms_and_scale_is_scikit_learns(rows):
    X, y, _, _ = rows
    theirs = SVR(C=1.0, epsilon=0.1).fit(X.astype(float), (y - y.mean()) / y.std())
    np.testing.assert_allclose((fit(KernelSVM(), X, y).predict(X)[:, 0] - y.mean()) / y.std(), theirs.predict(X.astype(float)), atol=2e-3)


def test_the_approximation_with_every_row_as_a_point_is_the_kernel_itself(rows, monkeypatch):
    """The representer theorem: at the least, a point's weight is the slope of its own loss over the strength; the weights add up to 0."""
    X, _, k, w = rows
    monkeypatch.setattr(kernel_svm, "centres", lambda matrix, count, rng: matrix)
    monkeypatch.setattr(kernel_svm, "FAINT", 0.0)
    asked = labelled(Training(task="binary", numbers=X, target=(k > 0) * 1.0, classes=2, weight=w))
    machine, _, notes = KernelSVM(exact_rows=0, strength=2.0)._near(asked, 0.3, np.arange(300) % 5, None, np.random.default_rng(0))
    kernel = np.exp(-0.3 * ((X[:, None].astype(float) - X[None]) ** 2).sum(axis=2))
    margin = kernel @ machine.weights[:, 0] + machine.offset[0]
    np.testing.assert_allclose(machine.apply(X)[:, 0], margin, atol=1e-9)
    sides = np.where(k > 0, 1.0, -1.0)
    slope = w * 2 * np.maximum(0, 1 - sides * margin) * sides
    np.testing.assert_allclose(kernel @ (slope / 2.0), kernel @ machine.weights[:, 0], atol=1e-4)
    assert abs(slope.sum()) < 1e-4
    assert notes["way"].startswith("approximate")


def test_faint_directions_move_no_border(rng, monkeypatch):
    X = rng.normal(size=(4000, 3)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=4000) > 0) * 1.0
    asked = labelled(Training(task="binary", numbers=X, target=y, classes=2))
    folds = np.arange(4000) % 5
    kept, _, _ = KernelSVM()._near(asked, 0.3, folds, None, np.random.default_rng(0))
    monkeypatch.setattr(kernel_svm, "FAINT", 0.0)
    whole, _, _ = KernelSVM()._near(asked, 0.3, folds, None, np.random.default_rng(0))
    fewer, all_of_them = kept.apply(X)[:, 0], whole.apply(X)[:, 0]
    assert not np.array_equal(fewer, all_of_them)
    assert np.mean((fewer > 0) == (all_of_them > 0)) > 0.995
    assert np.sqrt(np.mean((fewer - all_of_them) ** 2)) < 0.03


def test_points_of_the_approximation_are_no_rows(rng):
    X = rng.normal(size=(2000, 3)).astype(np.float32)
    fitted = fit(KernelSVM(exact_rows=100, points=300), X, X[:, 0] * X[:, 1] > 0, classes=2)
    points = fitted.ship()[0].points
    assert 50 < len(points) <= 200
    assert not fitted.holds_rows
    apart = ((X[:, None] - points[None]) ** 2).sum(axis=2)
    assert apart.min() > 0
    exact = fit(KernelSVM(), X, X[:, 0] * X[:, 1] > 0, classes=2)
    fresh = rng.normal(size=(500, 3)).astype(np.float32)
    truth = fresh[:, 0] * fresh[:, 1] > 0
    right = [np.mean((model.predict(fresh)[:, 1] > 0.5) == truth) for model in (fitted, exact)]
    assert min(right) > 0.93
    number = fit(KernelSVM(exact_rows=100), X, X[:, 0] * X[:, 1]).predict(fresh)[:, 0]
    assert np.mean((number - fresh[:, 0] * fresh[:, 1]) ** 2) < 0.1


def test_few_groups_still_give_a_point(rng):
    X = np.ones((5, 2), np.float32) * np.arange(5, dtype=np.float32)[:, None]
    points = kernel_svm.centres(X, 500, np.random.default_rng(0))
    np.testing.assert_allclose(points, [[2, 2]])


@pytest.mark.parametrize(
    "learner", [LinearSVM(), LinearSVM(loss="hinge"), KernelSVM(), KernelSVM(exact_rows=0)], ids=["linear", "hinge", "kernel", "near"]
)
def test_rows_that_are_hard_on_a_machine(rng, learner):
    """A feature that never varies, one as large as float32 goes, copies, one row of a class, rows that a border parts wholly."""
    X = rng.normal(size=(60, 5)).astype(np.float32)
    X[:, 1], X[:, 2], X[:, 3] = 4.0, X[:, 0], 0.0
    X[7, 4] = 1e6
    for target in (X[:, 0] > 0, np.arange(60) == 3, np.arange(60) % 3):
        fitted = fit(learner, X, target, classes=3)
        shares = fitted.predict(X)
        assert np.isfinite(shares).all()
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-12)
        assert (fitted.predict(np.full((1, 5), 1e38, np.float32)) >= 0).all()
    assert np.isfinite(fit(learner, X, 1e12 * X[:, 0] + 1e14).predict(X)).all()


@pytest.mark.parametrize("learner", [LinearSVM(), KernelSVM(tolerance=1e-9)], ids=["linear", "kernel"])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_a_weight_of_two_is_the_row_twice_for_machines(rows, learner, classes):
    X, y, k, _ = rows
    target = {0: y, 2: k > 0, 3: k}[classes].astype(float)
    twice = np.arange(300) % 3 == 0
    index = np.r_[np.arange(300), np.flatnonzero(twice)]
    weighted = fit(dataclasses.replace(learner), X, target, 1.0 + twice, classes=classes).predict(X)
    doubled = fit(dataclasses.replace(learner), X[index], target[index], classes=classes).predict(X)
    np.testing.assert_allclose(weighted, doubled, rtol=1e-5, atol=1e-5)


def test_gamma_is_a_number_or_scale():
    for wrong in ("nonsense", 0, -1.0, None, True, [1]):
        with pytest.raises(RequestError, match="gamma"):
            make("tabular/kernel_svm", {"gamma": wrong})
