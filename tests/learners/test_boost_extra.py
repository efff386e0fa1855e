"""XGBoost and CatBoost: what ships against the libraries' own answers, and what happens where their packages are not installed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import catboost
import numpy as np
import pytest
import xgboost
from test_boosting_learners import drawn, given, served, targets

from trainwright import learners
from trainwright.errors import MissingExtra
from trainwright.learners import boosted
from trainwright.learners.boosted import catboost_nodes, xgboost_nodes
from trainwright.learners.graphs import tree_graph
from trainwright.learners.interface import Budget
from trainwright.learners.rows import in_turn
from trainwright.learners.tabular.catboost import CatBoost
from trainwright.learners.tabular.xgboost import XGBoost
from trainwright.runtime.graphs import check
from trainwright.runtime.steps import Onnx

TYPES = {"feature_types": ["q"] * 4 + ["c"] * 2, "enable_categorical": True, "nthread": 1}
OBJECTIVES = {0: "reg:squarederror", 2: "binary:logistic", 4: "multi:softprob"}
LOSSES = {0: "RMSE", 2: "Logloss", 4: "MultiClass"}


def centred(y, weight):
    mean = np.average(y, weights=weight)
    return mean, np.sqrt(np.average((y - mean) ** 2, weights=weight))


@pytest.mark.parametrize("classes", [0, 2, 4])
@pytest.mark.parametrize("many", [3, 40, 400])
def test_xgboost_ships_as_the_library_decides(rng, classes, many):
    """One-hot splits, sets from either end, and more than 254 categories as a number."""
    X, score = drawn(rng, 1500, many)
    y, weight = targets(score, classes), rng.uniform(0.5, 2, len(score))
    fitted = XGBoost(learning_rate=0.3, max_depth=5, subsample=0.8).fit(
        given(X, y, classes, weight=weight), Budget(iterations=12), np.random.default_rng(4)
    )
    mean, unit = (0.0, 1.0) if classes else centred(y, weight)
    asked = {"objective": OBJECTIVES[classes], "learning_rate": 0.3, "max_depth": 5, "subsample": 0.8, "max_cat_to_onehot": 4}
    asked |= {"seed": int(np.random.default_rng(4).integers(2**31)), "tree_method": "hist", "nthread": 1, "max_cat_threshold": 64}
    asked |= {"num_class": 4} if classes == 4 else {}
    kinds = TYPES if many <= 254 else TYPES | {"feature_types": ["q"] * 4 + ["c", "q"]}
    truth = xgboost.train(asked, xgboost.DMatrix(X, y if classes else (y - mean) / unit, weight=weight, **kinds), 12)
    tries = served(rng, X)
    tries[::13, 5] = many + 20  # beyond every set
    expected = np.asarray(truth.predict(xgboost.DMatrix(tries, **kinds)), np.float64).reshape(len(tries), -1)
    expected = np.c_[1 - expected, expected] if classes == 2 else expected if classes else expected * unit + mean
    np.testing.assert_allclose(fitted.predict(tries), expected, rtol=0, atol=3e-7 * (1 if classes else unit))
    np.testing.assert_allclose(in_turn(fitted.ship())(tries), expected, rtol=0, atol=1e-6 * (1 if classes else 2 * unit))
    assert fitted.iterations == 12


@pytest.mark.parametrize("classes", [0, 2, 4])
@pytest.mark.parametrize("mode", ["Min", "Max", "none"])
def test_catboost_trees_decide_as_the_library_does(rng, classes, mode):
    """Gaps below all, above all, and seen for the first time when serving."""
    X, score = drawn(rng, 800)
    y = targets(score, classes)
    learn = np.nan_to_num(X) if mode == "none" else X
    asked = {"loss_function": LOSSES[classes], "iterations": 15, "depth": 4, "thread_count": 1, "random_seed": 1, "logging_level": "Silent"}
    asked |= {"nan_mode": "Min" if mode == "none" else mode, "allow_writing_files": False}
    model = catboost.CatBoost(asked)
    model.fit(catboost.Pool(learn, y if classes else (y - y.mean()) / y.std()))
    onnx = of_catboost(model, 6)
    tries = served(rng, X)
    expected = model.predict(tries, prediction_type="RawFormulaVal").reshape(len(tries), -1)
    start = model.get_scale_and_bias()[1]
    np.testing.assert_allclose(onnx.apply(tries) + np.atleast_1d(start), expected, rtol=0, atol=3e-6)


def of_catboost(model, features: int) -> Onnx:
    with tempfile.TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model.json", format="json")
        told = json.loads(Path(f"{folder}/model.json").read_text())
    outputs = len(boosted.catboost_start(told))
    graph = tree_graph(catboost_nodes(told), features=features, outputs=outputs)
    check(graph)
    return Onnx(graph=graph, features=features, outputs=outputs)


@pytest.mark.parametrize("classes", [0, 2, 4])
def test_catboost_equals_the_library_itself(rng, classes):
    X, score = drawn(rng, 800)
    y, weight = targets(score, classes), rng.uniform(0.5, 2, 800)
    fitted = CatBoost(learning_rate=0.2, depth=4).fit(given(X, y, classes, weight=weight), Budget(iterations=12), np.random.default_rng(4))
    mean, unit = (0.0, 1.0) if classes else centred(y, weight)
    asked = {"loss_function": LOSSES[classes], "iterations": 12, "depth": 4, "learning_rate": 0.2, "thread_count": 1, "logging_level": "Silent"}
    asked |= {"random_seed": int(np.random.default_rng(4).integers(2**31)), "allow_writing_files": False, "bootstrap_type": "MVS", "subsample": 0.8}
    model = catboost.CatBoost(asked)
    model.fit(catboost.Pool(X, y.astype(int) if classes else (y - mean) / unit, weight=weight))
    tries = served(rng, X)
    kind = "Probability" if classes else "RawFormulaVal"
    expected = model.predict(tries, prediction_type=kind).reshape(len(tries), -1) * unit + mean
    np.testing.assert_allclose(fitted.predict(tries), expected, rtol=1e-12)
    np.testing.assert_allclose(in_turn(fitted.ship())(tries), expected, rtol=0, atol=1e-6 * (1 if classes else unit))


@pytest.mark.parametrize("classes", [0, 2, 4])
@pytest.mark.parametrize("learner", [XGBoost, CatBoost])
def test_the_best_number_of_trees_is_kept(rng, learner, classes):
    """The watched loss of models of 1, 2, … trees is least where the fit ended, and the refit for as many trees is the same model."""
    X, score = drawn(rng, 500)
    y = targets(score + rng.normal(0, 2, 500), classes)
    part, watch = given(X[:300], y[:300], classes), given(X[300:], y[300:], classes)
    made = learner(learning_rate=0.5, iterations=100, patience=5)
    fitted = made.fit(given(X[:300], y[:300], classes, watch=watch), Budget(), np.random.default_rng(1))
    assert 1 <= fitted.iterations < 60

    def loss(trees: int) -> float:
        said = made.fit(part, Budget(iterations=trees), np.random.default_rng(1)).predict(X[300:])
        return float(-np.log(said[np.arange(200), y[300:].astype(int)]).mean() if classes else ((said[:, 0] - y[300:]) ** 2).mean())

    after = {trees: loss(trees) for trees in range(max(1, fitted.iterations - 3), fitted.iterations + 4)}
    assert min(after, key=after.__getitem__) == fitted.iterations
    again = made.fit(part, Budget(iterations=fitted.iterations), np.random.default_rng(1))
    np.testing.assert_allclose(fitted.predict(X), again.predict(X), rtol=1e-9)


@pytest.mark.parametrize("learner", [XGBoost, CatBoost])
def test_a_watched_class_or_word_that_is_new_does_no_harm(rng, learner):
    X, score = drawn(rng, 600)
    y = targets(score, 4)
    learn = np.flatnonzero(y[:400] != 2)
    watch = X[400:].copy()
    watch[:50, 5] = 77
    made = learner(iterations=60, learning_rate=0.3, patience=5)
    fitted = made.fit(given(X[learn], y[learn], 4, watch=given(watch, y[400:], 4)), Budget(), np.random.default_rng(0))
    said = fitted.predict(X)
    known = y[400:] != 2
    without = made.fit(given(X[learn], y[learn], 4, watch=given(watch[known], y[400:][known], 4)), Budget(), np.random.default_rng(0))
    np.testing.assert_array_equal(said, without.predict(X))  # rows of a class that cannot be said tell nothing
    assert (said[:, 2] == 0).all()
    np.testing.assert_allclose(in_turn(fitted.ship())(X), said, atol=1e-6)


@pytest.mark.parametrize("learner", [XGBoost(subsample=0.7), CatBoost()])
def test_the_same_bytes_for_the_same_seed_with_two_threads(rng, learner):
    X, score = drawn(rng, 1000)
    part = given(X, targets(score, 2), 2)
    first, again = (learner.fit(part, Budget(threads=2, iterations=5), np.random.default_rng(0)).ship()[0].graph for _ in range(2))
    assert first == again


@pytest.mark.parametrize("learner", [XGBoost, CatBoost])
def test_rows_in_which_nothing_varies(rng, learner):
    X = np.ones((60, 6), np.float32)
    X[:, 3] = np.nan
    y = (np.arange(60) % 3 == 0) * 1.0
    fitted = learner().fit(given(X, y, 2), Budget(iterations=5), rng)
    np.testing.assert_allclose(fitted.predict(X), [[2 / 3, 1 / 3]] * 60, atol=1e-6)
    np.testing.assert_allclose(in_turn(fitted.ship())(X), fitted.predict(X), atol=1e-6)


def test_what_the_writer_cannot_write_is_refused(rng):
    X, y = rng.normal(size=(100, 2)), rng.normal(size=100)
    line = xgboost.train({"booster": "gblinear"}, xgboost.DMatrix(X, y), 2)
    with pytest.raises(ValueError, match="gblinear booster"):
        list(xgboost_nodes(json.loads(bytes(line.save_raw("json")))))
    model = catboost.CatBoost({"iterations": 2, "grow_policy": "Lossguide", "allow_writing_files": False, "logging_level": "Silent"})
    model.fit(X, y)
    with pytest.raises(ValueError, match="not symmetric"):
        of_catboost(model, 2)


@pytest.mark.parametrize("default_left", [True, False])
def test_a_set_is_asked_for_from_its_smaller_side(default_left):
    """Every code from far below to far above the set, and NaN, by a set of numbers in Python."""
    values = np.r_[np.arange(-3, 60), 10_000, np.nan].astype(np.float32)
    for members in ([3], list(range(40)), [0, 1, 2, *range(4, 30)], [1], [0], [5, 6, 30], list(range(10, 50))):
        tree = {
            "left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_indices": [0, 0, 0], "split_type": [1, 0, 0],
            "split_conditions": [0.0, -1.0, 1.0], "default_left": [int(default_left), 0, 0], "tree_param": {"size_leaf_vector": "1"},
            "categories": members, "categories_nodes": [0], "categories_segments": [0], "categories_sizes": [len(members)],
        }  # fmt: skip
        model = {"learner": {"gradient_booster": {"name": "gbtree", "model": {"trees": [tree], "tree_info": [0]}}}}
        (nodes,) = xgboost_nodes(model)
        assert len(nodes.mode) <= 5 + min(len(members), 51 - len(members))
        said = Onnx(graph=tree_graph([nodes], features=1, outputs=1), features=1, outputs=1).apply(values[:, None])[:, 0]
        right = [not default_left if np.isnan(v) else v in members for v in values]
        np.testing.assert_array_equal(said, np.where(right, 1.0, -1.0))


def test_without_the_packages_they_are_listed_and_the_line_that_brings_them_is_said(monkeypatch):
    monkeypatch.setattr(learners, "find_spec", lambda name: None)
    for name in ("tabular/xgboost", "tabular/catboost"):
        assert name in learners.names()
        with pytest.raises(MissingExtra) as error:
            learners.require(name)
        assert error.value.code == "TW060"
        assert error.value.fix == "pip install 'trainwright[boost]'"
    learners.require("tabular/lightgbm")


def test_a_process_without_them_tells_the_catalogue_and_refuses_to_train():
    """A child process in which both packages cannot be found, as where the extra was not installed."""
    code = """
import sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("xgboost", "catboost"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Gone())
import trainwright
from trainwright import learners
from trainwright.errors import MissingExtra
import numpy as np
from trainwright.learners.interface import Budget, Training
print(*(d["name"] for d in trainwright.algorithms() if d["extra"] == "boost"))
rows = Training(task="binary", numbers=np.eye(4, dtype=np.float32), target=np.arange(4.0) % 2, classes=2)
for name in ("tabular/xgboost", "tabular/catboost"):
    try:
        learners.make(name, {}).fit(rows, Budget(), np.random.default_rng(0))
    except MissingExtra as error:
        print(error.code, error.fix)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["tabular/catboost tabular/xgboost", *["TW060 pip install 'trainwright[boost]'"] * 2]


def test_what_is_used_is_locked():
    assert learners.extra_packages(["tabular/lightgbm", "tabular/xgboost", "tabular/catboost"]) == ["catboost", "xgboost-cpu"]
    assert learners.extra_packages(["tabular/lightgbm"]) == []
