"""Trees: the graph that ships against the library's own decisions, and against a walk through the trees written here."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from sklearn import ensemble, tree

from trainwright.errors import BundleError
from trainwright.learners import graphs
from trainwright.learners.graphs import floor32, lightgbm_nodes, tree_graph
from trainwright.learners.interface import Budget, Feature, Training
from trainwright.learners.tabular.extra_trees import ExtraTrees
from trainwright.learners.tabular.lightgbm import LightGBM
from trainwright.learners.tabular.random_forest import RandomForest
from trainwright.learners.tabular.tree import Tree
from trainwright.runtime.graphs import check
from trainwright.runtime.steps import Onnx


def raw(booster, matrix, outputs=1):
    given = booster.predict(matrix, raw_score=True)
    return given.reshape(len(matrix), outputs)


def onnx_of(booster, features, outputs=1):
    graph = tree_graph(lightgbm_nodes(booster.model_to_string(), outputs), features=features, outputs=outputs)
    check(graph)  # the loader's walk lets it pass
    return Onnx(graph=graph, features=features, outputs=outputs)


def test_floor32_decides_as_float64_does(rng):
    thresholds = np.r_[rng.normal(size=200), 1e300, -1e300, 0.1, 1e-45, 1e-35, np.float64(np.float32(0.3)), 0.0]
    low = floor32(thresholds)
    with np.errstate(over="ignore"):
        tries = np.concatenate([low, np.nextafter(low, np.float32(np.inf)), np.nextafter(low, np.float32(-np.inf))])
    tries = tries[np.isfinite(tries)]
    for t, f in zip(thresholds, low, strict=True):
        np.testing.assert_array_equal(tries.astype(np.float64) <= t, tries <= f)


@pytest.mark.parametrize("with_gaps", [False, True])
@pytest.mark.parametrize("zero_as_missing", [False, True])
def test_lightgbm_numbers_decide_the_same(rng, with_gaps, zero_as_missing):
    """Missing type none, zero and NaN; gaps, zeros, subnormal numbers and the thresholds themselves at serving."""
    X = rng.normal(size=(500, 4)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1])
    y = np.where(X[:, 1] == 0, 2.0, X[:, 0]) + X[:, 2]
    if with_gaps:
        X[rng.random(X.shape) < 0.2] = np.nan
    booster = lightgbm.train(
        {"verbosity": -1, "min_data_in_leaf": 3, "zero_as_missing": zero_as_missing, "num_threads": 1, "deterministic": True},
        lightgbm.Dataset(X, y),
        20,
    )
    text = booster.model_to_string()
    types = {int(word) >> 2 & 3 for line in text.split("\n") if line.startswith("decision_type=") for word in line[14:].split()}
    assert (1 if zero_as_missing else 2 if with_gaps else 0) in types
    thresholds = np.array([float(word) for line in text.split("\n") if line.startswith("threshold=") for word in line[10:].split()])
    near = floor32(thresholds)
    odd = np.array([0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 1.1e-35, -1.1e-35, 1e-45, np.nan, 3e38, -3e38], np.float32)
    pool = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), odd])
    tries = np.concatenate([X, rng.choice(pool, (3000, 4)), rng.choice(odd, (500, 4))])
    np.testing.assert_allclose(onnx_of(booster, 4).apply(tries), raw(booster, tries), atol=2e-6)


@pytest.mark.parametrize("words", [3, 40, 300])
def test_lightgbm_categories_decide_the_same(rng, words):
    codes = rng.integers(0, words, (4000, 2)).astype(np.float32)
    effect = rng.normal(size=words)
    y = effect[codes[:, 0].astype(int)] + np.where(codes[:, 1] % 2, 1, -1) * 0.5 + rng.normal(0, 0.1, 4000)
    codes[rng.random(codes.shape) < 0.05] = np.nan
    X = np.c_[codes, rng.normal(size=4000).astype(np.float32)]
    asked = {"verbosity": -1, "min_data_in_leaf": 5, "min_data_per_group": 5, "max_cat_to_onehot": 4, "cat_smooth": 1, "num_threads": 1}
    booster = lightgbm.train(asked, lightgbm.Dataset(X, y, categorical_feature=[0, 1]), 30)
    assert "cat_boundaries" in booster.model_to_string()
    served = rng.integers(-3, words + 70, (5000, 2)).astype(np.float32)
    served[rng.random(served.shape) < 0.1] = np.nan
    served[::50] = 1e7
    tries = np.concatenate([X, np.c_[served, rng.normal(size=5000).astype(np.float32)]])
    np.testing.assert_allclose(onnx_of(booster, 3).apply(tries), raw(booster, tries), atol=3e-6)


def test_lightgbm_one_leaf_and_many_classes(rng):
    X = rng.normal(size=(300, 3)).astype(np.float32)
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    booster = lightgbm.train({"objective": "multiclass", "num_class": 4, "verbosity": -1, "num_threads": 1}, lightgbm.Dataset(X, y), 15)
    np.testing.assert_allclose(onnx_of(booster, 3, 4).apply(X), raw(booster, X, 4), atol=1e-5)
    stump = lightgbm.train({"verbosity": -1, "min_data_in_leaf": 500, "num_threads": 1}, lightgbm.Dataset(X, y * 1.0), 2)
    np.testing.assert_allclose(onnx_of(stump, 3).apply(X), raw(stump, X), atol=1e-6)


def test_what_the_writer_cannot_write_is_refused(rng):
    X, y = rng.normal(size=(200, 2)), rng.normal(size=200)
    for more in ({"linear_tree": True}, {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}):
        booster = lightgbm.train({"verbosity": -1, "num_threads": 1, **more}, lightgbm.Dataset(X, y, params=more), 3)
        with pytest.raises(ValueError, match=r"tree|booster"):
            onnx_of(booster, 2)
    with pytest.raises(ValueError, match="no trees"):
        tree_graph([], features=1, outputs=1)


def test_graphs_are_equal_bytes_and_say_nothing_more(rng):
    import onnx

    X, y = rng.normal(size=(200, 2)).astype(np.float32), rng.normal(size=200)
    booster = lightgbm.train({"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(X, y), 3)
    first, again = (tree_graph(lightgbm_nodes(booster.model_to_string(), 1), features=2, outputs=1) for _ in range(2))
    assert first == again
    model = onnx.load_from_string(first)
    onnx.checker.check_model(model)
    assert (model.doc_string, model.producer_version, list(model.metadata_props), model.graph.doc_string) == ("", "", [], "")
    assert check(first).inputs == {"x": ("float32", (2,))}


@pytest.mark.parametrize("together", [1, 40, 10**6])
def test_several_ensembles_give_the_same_sum(rng, together, monkeypatch):
    monkeypatch.setattr(graphs, "TOGETHER", together)
    X = rng.normal(size=(300, 3)).astype(np.float32)
    booster = lightgbm.train({"verbosity": -1, "num_leaves": 8, "num_threads": 1}, lightgbm.Dataset(X, X[:, 0] * X[:, 1]), 12)
    assert onnx_of(booster, 3).graph.count(b"TreeEnsembleRegressor") == {1: 12, 40: 5, 10**6: 1}[together]
    np.testing.assert_allclose(onnx_of(booster, 3).apply(X), raw(booster, X), atol=1e-6)


def rows(rng, classes, count=400):
    X = rng.normal(size=(count, 6)).astype(np.float32)
    score = X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(0, 0.3, count)
    y = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes)) * 1.0 if classes else 2e5 + 1e3 * score
    return X, y


def walk(fitted_tree, row) -> int:
    """The leaf that a row reaches, by comparisons in float64."""
    at = 0
    while fitted_tree.children_left[at] >= 0:
        goes_left = float(row[fitted_tree.feature[at]]) <= fitted_tree.threshold[at]
        at = fitted_tree.children_left[at] if goes_left else fitted_tree.children_right[at]
    return at


@pytest.mark.parametrize("classes", [0, 2, 4])
@pytest.mark.parametrize(
    ("learner", "kinds", "same"),
    [
        (Tree(max_depth=0, min_samples_leaf=2), (tree.DecisionTreeClassifier, tree.DecisionTreeRegressor), {}),
        (RandomForest(trees=15, max_samples=0.7, max_features=0.5), (ensemble.RandomForestClassifier, ensemble.RandomForestRegressor),
         {"max_leaf_nodes": 2048, "n_estimators": 15, "max_samples": 0.7, "max_features": 0.5, "min_samples_leaf": 3}),
        (ExtraTrees(trees=15, max_features=0.5, max_depth=5), (ensemble.ExtraTreesClassifier, ensemble.ExtraTreesRegressor),
         {"max_leaf_nodes": 2048, "n_estimators": 15, "max_features": 0.5, "min_samples_leaf": 3, "max_depth": 5}),
    ],
    ids=["tree", "random_forest", "extra_trees"],
)  # fmt: skip
def test_forests_equal_scikit_learn_and_a_walk_by_hand(rng, learner, kinds, same, classes):
    X, y = rows(rng, classes)
    weight = rng.uniform(0.5, 2, len(y))
    fitted = learner.fit(Training(task="x", numbers=X, target=y, classes=classes, weight=weight), Budget(), np.random.default_rng(8))
    seed = int(np.random.default_rng(8).integers(2**31))
    truth = kinds[classes == 0](random_state=seed, **({"min_samples_leaf": 2} | same)).fit(X, y.astype(int) if classes else y, sample_weight=weight)
    fresh = rng.normal(size=(200, 6)).astype(np.float32)
    expected = truth.predict_proba(fresh) if classes else truth.predict(fresh)[:, None]
    np.testing.assert_allclose(fitted.predict(fresh), expected, rtol=1e-12)
    value = fresh
    for step in fitted.ship():
        value = step.apply(value)
    np.testing.assert_allclose(value, expected, rtol=0, atol=3e-7 if classes else 3e-3)
    trees = getattr(truth, "estimators_", [truth])
    for row in range(20):
        leaves = [one.tree_.value[walk(one.tree_, fresh[row]), 0] for one in trees]
        by_hand = np.mean([leaf / leaf.sum() for leaf in leaves], axis=0) if classes else np.mean(leaves, axis=0)
        np.testing.assert_allclose(value[row], by_hand, rtol=0, atol=3e-7 if classes else 3e-3)


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_lightgbm_equals_the_library_itself(rng, classes):
    X, y = rows(rng, classes, 600)
    X[:, 5] = rng.integers(0, 8, 600)
    X[::9, 1] = np.nan
    kinds = tuple(Feature(str(n), str(n), "code" if n == 5 else "number") for n in range(6))
    learn, aside = slice(0, 400), slice(400, 500)

    def part(chosen, **more):
        return Training(task="x", numbers=X[chosen], features=kinds, target=y[chosen], classes=classes, **more)

    learner = LightGBM(iterations=300, patience=15, learning_rate=0.1, num_leaves=8, lambda_l2=1.0, bagging_fraction=0.8)
    fitted = learner.fit(part(learn, watch=part(aside)), Budget(), np.random.default_rng(4))
    objective = {0: "regression", 2: "binary", 3: "multiclass"}[classes]
    asked = {"objective": objective, "learning_rate": 0.1, "num_leaves": 8, "lambda_l2": 1.0, "bagging_fraction": 0.8, "bagging_freq": 1}
    asked |= {"seed": int(np.random.default_rng(4).integers(2**31)), "deterministic": True, "force_row_wise": True, "verbosity": -1, "num_threads": 1}
    asked |= {"num_class": 3} if classes == 3 else {}
    mean, unit = (0.0, 1.0) if classes else (y[learn].mean(), y[learn].std())
    made = lightgbm.Dataset(X[learn], (y[learn] - mean) / unit, categorical_feature=[5])
    watched = lightgbm.Dataset(X[aside], (y[aside] - mean) / unit, reference=made)
    truth = lightgbm.train(asked, made, 300, valid_sets=[watched], callbacks=[lightgbm.early_stopping(15, verbose=False)])
    assert fitted.iterations == truth.best_iteration
    assert 1 < fitted.iterations < 300
    expected = truth.predict(X[500:])
    expected = np.stack([1 - expected, expected], axis=1) if classes == 2 else expected.reshape(100, -1) * unit + mean
    np.testing.assert_allclose(fitted.predict(X[500:]), expected, rtol=1e-12)
    again = learner.fit(part(learn), Budget(iterations=fitted.iterations), np.random.default_rng(4))  # the refit
    assert again.iterations == fitted.iterations
    np.testing.assert_allclose(again.predict(X[500:]), expected, rtol=1e-12)
    assert [step.kind for step in again.ship()] == ["onnx", "link" if classes else "linear"]


def test_lightgbm_that_finds_no_split_is_a_constant(rng):
    X = rng.normal(size=(30, 2)).astype(np.float32)
    part = Training(task="binary", numbers=X, target=np.arange(30.0) % 3 == 0, classes=2)
    given = Training(task="binary", numbers=X, target=(np.arange(30) % 3 == 0) * 1.0, classes=2, watch=part)
    fitted = LightGBM(min_data_in_leaf=100).fit(given, Budget(), rng)
    np.testing.assert_allclose(fitted.predict(X), [[2 / 3, 1 / 3]] * 30, atol=1e-6)
    value = X
    for step in fitted.ship():
        value = step.apply(value)
    np.testing.assert_allclose(value, fitted.predict(X), atol=1e-6)
    assert fitted.iterations == 1


def test_lightgbm_threads_do_not_change_its_bytes(rng):
    X, y = rows(rng, 2, 2000)
    given = Training(task="binary", numbers=X, target=y, classes=2)
    graphs = [LightGBM(iterations=20).fit(given, Budget(threads=2), np.random.default_rng(0)).ship()[0].graph for _ in range(2)]
    assert graphs[0] == graphs[1]


def test_large_targets_keep_their_digits(rng):
    X, y = rows(rng, 0)
    y = 1e9 + (y - y.mean()) / 1e3  # mean a billion, deviation about one
    for learner in (LightGBM(iterations=100), RandomForest(trees=50), Tree()):
        fitted = learner.fit(Training(task="regression", numbers=X, target=y), Budget(), np.random.default_rng(0))
        value = X
        for step in fitted.ship():
            value = step.apply(value)
        np.testing.assert_allclose(value, fitted.predict(X), rtol=0, atol=1e-5 * y.std())


def test_a_graph_that_is_none_is_our_error():
    with pytest.raises(BundleError):
        check(b"\x08\x08")
