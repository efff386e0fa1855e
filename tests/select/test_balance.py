"""Rare classes made to count, and what puts probabilities and answers right afterwards: against scikit-learn, closed forms and brute force."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss, matthews_corrcoef
from sklearn.utils.class_weight import compute_sample_weight
from test_candidate import evaluated

from trainwright.data.dataset import Dataset
from trainwright.data.read import look_at
from trainwright.errors import LearnerError, RequestError
from trainwright.learners.interface import Feature, Training
from trainwright.plan.read import make_plan
from trainwright.select.balance import WAYS, balanced, class_weights
from trainwright.select.decision import FLATTEST, RULES, Decision, Rule, best_threshold, cross_fitted, fit_calibration
from trainwright.select.resolve import resolve

TRUTHS = {"balanced_accuracy": balanced_accuracy_score, "f1": f1_score, "mcc": matthews_corrcoef, "accuracy": lambda y, p: float(np.mean(y == p))}


def training(rng: np.random.Generator, rows: int = 300, *, words: int = 1, weight: bool = False) -> Training:
    """One row in ten is of class 1, which lies higher."""
    target = (np.arange(rows) % 10 == 0).astype(float)
    numbers = np.column_stack([rng.normal(target, 1.0), rng.normal(size=rows), *(rng.integers(0, 2, rows) for _ in range(words))]).astype(np.float32)
    features = tuple(Feature(f"x{index}", f"x{index}", "number" if index < 2 else "indicator") for index in range(numbers.shape[1]))
    return Training("binary", numbers, features, target=target, classes=2, weight=rng.uniform(0.5, 2.0, rows) if weight else None)


def test_weights_are_those_of_scikit_learn(rng: np.random.Generator) -> None:
    given = training(rng)
    np.testing.assert_allclose(balanced(given, "weights", rng).weight, compute_sample_weight("balanced", given.target))


def test_weights_multiply_those_that_are_there_and_keep_their_sum(rng: np.random.Generator) -> None:
    target, weight = rng.choice([0.0, 1.0, 1.0, 2.0, np.nan], 500), rng.uniform(0.1, 3, 500)
    made = class_weights(target, weight, 4)
    known = ~np.isnan(target)
    sums = [made[target == number].sum() for number in range(3)]
    np.testing.assert_allclose(sums, weight[known].sum() / 3)
    np.testing.assert_allclose(made[target == 1] / weight[target == 1], made[target == 1][0] / weight[target == 1][0])
    assert (made[~known] == 0).all()


@pytest.mark.parametrize("way", ["over", "under"])
def test_rows_drawn_anew_are_rows_that_were_there(way: str, rng: np.random.Generator) -> None:
    given = training(rng, weight=True)
    made = balanced(given, way, np.random.default_rng(1))
    assert made.numbers is not None
    assert given.numbers is not None
    assert np.bincount(made.target.astype(int)).tolist() == ([270, 270] if way == "over" else [30, 30])  # type: ignore[union-attr]
    there = {(row.tobytes(), t, w) for row, t, w in zip(given.numbers, given.target, given.weight, strict=True)}  # type: ignore[arg-type]
    assert {(row.tobytes(), t, w) for row, t, w in zip(made.numbers, made.target, made.weight, strict=True)} <= there  # type: ignore[arg-type]
    again = balanced(given, way, np.random.default_rng(1))
    np.testing.assert_array_equal(made.numbers, again.numbers)


@pytest.mark.parametrize("words", [0, 1])
def test_smote_draws_between_rows_of_the_rare_class(words: int, rng: np.random.Generator) -> None:
    given = training(rng, words=words, weight=True)
    made = balanced(given, "smote", np.random.default_rng(1))
    assert made.numbers is not None
    assert given.numbers is not None
    assert np.bincount(made.target.astype(int)).tolist() == [270, 270]  # type: ignore[union-attr]
    np.testing.assert_array_equal(made.numbers[:300], given.numbers)
    new, rare = made.numbers[300:], given.numbers[given.target == 1]
    assert (new[:, :2] >= rare[:, :2].min(axis=0) - 1e-5).all()
    assert (new[:, :2] <= rare[:, :2].max(axis=0) + 1e-5).all()
    assert len(np.unique(new[:, 0])) > 200
    assert np.isin(new[:, 2:], (0, 1)).all()  # an indicator stays one
    np.testing.assert_allclose(made.weight[300:], given.weight[given.target == 1].mean())  # type: ignore[index]
    if words:
        only = dataclasses.replace(given, numbers=given.numbers[:, 2:], features=given.features[2:])
        assert np.isin(balanced(only, "smote", rng).numbers, (0, 1)).all()


def test_smote_draws_weights_of_terms_as_numbers(rng: np.random.Generator) -> None:
    """Each weight taken as a word would be a column of its own: hundreds, where there are two."""
    given = training(rng, words=2)
    assert given.numbers is not None
    weights = given.numbers.copy()
    weights[:, 2:] *= rng.uniform(0.2, 3.0, (300, 2))
    features = tuple(dataclasses.replace(feature, kind="weight") for feature in given.features)
    made = balanced(dataclasses.replace(given, numbers=weights, features=features), "smote", np.random.default_rng(1))
    assert made.numbers is not None
    assert not np.isin(made.numbers[300:, 2], weights[:, 2]).all()
    assert made.numbers[300:, 2].min() >= 0


@pytest.mark.parametrize("way", WAYS)
def test_what_is_watched_is_weighted_and_never_drawn(way: str, rng: np.random.Generator) -> None:
    watch = training(rng, 50)
    made = balanced(dataclasses.replace(training(rng), watch=watch), way, rng).watch
    assert made is not None
    np.testing.assert_array_equal(made.numbers, watch.numbers)
    np.testing.assert_allclose(made.weight, compute_sample_weight("balanced", watch.target))


@pytest.mark.parametrize("way", WAYS)
def test_of_one_class_nothing_is_rare(way: str, rng: np.random.Generator) -> None:
    alone = dataclasses.replace(training(rng), target=np.where(np.arange(300) % 3 == 0, np.nan, 1.0))
    assert balanced(alone, way, rng) is alone


def test_smote_refuses_what_it_cannot_draw_between(rng: np.random.Generator) -> None:
    given = training(rng)
    assert given.numbers is not None
    gaps = given.numbers.copy()
    gaps[3, 0] = np.nan
    single = np.zeros(300)
    single[5] = 1
    for change in ({"numbers": gaps}, {"numbers": None}, {"target": single}):
        with pytest.raises(LearnerError, match="TW011"):
            balanced(dataclasses.replace(given, **change), "smote", rng)


# ── probabilities put right ──────────────────────────────────────────────────────────────────────────────────────────────


def test_platt_scaling_is_the_logistic_regression_of_the_log_odds(rng: np.random.Generator) -> None:
    truth = (rng.random(4000) < 0.2).astype(float)
    z = 0.7 * (rng.normal(2 * truth, 1.0) - 0.3)
    raw = np.stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))], axis=1)
    weight = rng.uniform(0.2, 2.0, 4000)
    fitted = fit_calibration(raw, truth, weight)
    reference = LogisticRegression(C=np.inf, tol=1e-10).fit(z[:, None], truth, sample_weight=weight)
    assert fitted.slope == pytest.approx(reference.coef_[0, 0], rel=2e-3)
    assert fitted.bias[1] - fitted.bias[0] == pytest.approx(reference.intercept_[0], abs=5e-3)
    np.testing.assert_allclose(fitted.apply(raw)[:, 1], reference.predict_proba(z[:, None])[:, 1], atol=2e-3)


def test_moved_shares_of_the_classes_are_moved_back_by_bayes_rule(rng: np.random.Generator) -> None:
    """A perfect model of balanced classes, in a world where they are 70, 25 and 5 per cent: the biases are the log shares."""
    shares = np.array([0.7, 0.25, 0.05])
    truth = rng.choice(3, p=shares, size=60_000)
    x = rng.normal(np.array([0.0, 1.5, 3.0])[truth], 1.0)
    density = np.exp(-0.5 * (x[:, None] - np.array([0.0, 1.5, 3.0])) ** 2)
    said, right = density / density.sum(axis=1, keepdims=True), density * shares / (density * shares).sum(axis=1, keepdims=True)
    fitted = fit_calibration(said, truth.astype(float), None)
    assert fitted.slope == pytest.approx(1.0, abs=0.05)
    np.testing.assert_allclose(fitted.bias - fitted.bias[0], np.log(shares / shares[0]), atol=0.1)
    assert log_loss(truth, fitted.apply(said)) == pytest.approx(log_loss(truth, right), abs=1e-3)


def test_classes_that_are_apart_give_finite_numbers() -> None:
    raw = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    fitted = fit_calibration(raw, np.array([0.0, 0.0, 1.0, 1.0]), None)
    assert 0 < fitted.slope < 10
    assert np.isfinite(fitted.apply(raw)).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_that_point_the_wrong_way_become_the_shares(classes: int, rng: np.random.Generator) -> None:
    """The slope stands at its floor, and the biases are the best beside that slope, not beside one below 0."""
    truth = rng.choice(classes, p=[0.8, 0.2] if classes == 2 else [0.7, 0.2, 0.1], size=2000)
    wrong = np.exp(-2.0 * np.eye(classes)[truth] + rng.normal(size=(2000, classes)))
    raw = wrong / wrong.sum(axis=1, keepdims=True)
    fitted = fit_calibration(raw, truth.astype(float), None)
    assert fitted.slope == FLATTEST
    said, shares = fitted.apply(raw), np.bincount(truth) / 2000
    np.testing.assert_allclose(said.mean(axis=0), shares, atol=1e-3)
    constant = log_loss(truth, np.tile(shares, (2000, 1)))
    assert log_loss(truth, said) < constant + 2e-3


@pytest.mark.parametrize("metric", RULES)
@pytest.mark.parametrize("rows", [60, 2500])
def test_the_threshold_is_the_best_of_all(metric: str, rows: int, rng: np.random.Generator) -> None:
    truth = (rng.random(rows) < 0.15).astype(float)
    probability = np.round(1 / (1 + np.exp(-rng.normal(2 * truth - 2, 1.0))), 2)
    weight = rng.integers(1, 4, rows).astype(float)
    found = best_threshold(metric, probability, truth, weight)
    judge = TRUTHS[metric]
    repeated = np.repeat(np.arange(rows), weight.astype(int))

    def score(at: float) -> float:
        return float(judge(truth[repeated], (probability >= at)[repeated].astype(float)))

    every = np.unique(probability)
    assert score(found) >= max(score(at) for at in every) - 1e-9


def test_no_fold_is_decided_by_its_own_truth(rng: np.random.Generator) -> None:
    raw = [np.column_stack([1 - p, p]) for p in rng.uniform(size=(4, 100))]
    truth = [(rng.random(100) < p[:, 1]).astype(float) for p in raw]
    rule = Rule(calibrate=True, threshold="f1")
    before = cross_fitted(rule, raw, truth, None)
    truth[2] = 1 - truth[2]
    after = cross_fitted(rule, raw, truth, None)
    assert before[2].as_dict() == after[2].as_dict()
    assert all(before[index].as_dict() != after[index].as_dict() for index in (0, 1, 3))
    assert Decision.from_dict(before[0].as_dict()).as_dict() == before[0].as_dict()
    assert [decision.threshold for decision in cross_fitted(Rule(threshold="0.3"), raw, truth, None)] == [0.3] * 4


# ── in a candidate and in a plan ─────────────────────────────────────────────────────────────────────────────────────────


def rare(rng: np.random.Generator, rows: int = 4000, *, share: float = 0.05) -> pl.DataFrame:
    truth = rng.random(rows) < share
    columns = {f"x{index}": rng.normal(truth * (1.0 if index < 3 else 0.0), 1.0) for index in range(5)}
    return pl.DataFrame({**columns, "y": np.where(truth, "bad", "good")})


@pytest.fixture
def dataset(rng: np.random.Generator) -> Dataset:
    dataset = look_at(make_plan({"target": "y", "positive": "bad"}), rare(rng, 11_000))
    assert dataset.splits.design == "sealed"
    return dataset


@pytest.mark.parametrize("way", WAYS)
def test_balanced_candidates_say_probabilities_that_come_true(tmp_path: Path, dataset: Dataset, way: str) -> None:
    result, predictions = evaluated(dataset, tmp_path, "tabular/logistic", {}, "log_loss", balance=way, threshold="f1")
    plain, _ = evaluated(dataset, tmp_path / "plain", "tabular/logistic", {}, "log_loss")
    rows = dataset.splits.open
    assert dataset.target is not None
    said, came = predictions[0, rows, 1], dataset.target[rows]
    assert said.mean() == pytest.approx(came.mean(), rel=0.05)  # without putting right it would say a half
    assert result["score"] == pytest.approx(plain["score"], abs=0.01)
    assert 0.1 < result["decision"]["threshold"] < 0.45
    assert result["decision"]["slope"] is not None
    assert plain["decision"] == {"slope": None, "bias": None, "threshold": None}


def test_answers_are_judged_by_the_thresholds_of_the_other_folds(tmp_path: Path, dataset: Dataset) -> None:
    result, predictions = evaluated(dataset, tmp_path, "tabular/logistic", {}, "f1", threshold="f1")
    assert dataset.target is not None
    said = np.concatenate([predictions[0, fold.test, 1] >= at for fold, at in zip(dataset.splits.folds, result["thresholds"], strict=True)])
    truth = np.concatenate([dataset.target[fold.test] for fold in dataset.splits.folds])
    assert result["score"] == pytest.approx(f1_score(truth, said), abs=1e-12)
    assert len(set(result["thresholds"])) > 1
    for index, fold in enumerate(dataset.splits.folds):
        others = np.concatenate([other.test for place, other in enumerate(dataset.splits.folds) if place != index])
        expected = best_threshold("f1", predictions[0, others, 1], dataset.target[others], None)
        assert result["thresholds"][index] == expected
        assert result["folds"][index] == pytest.approx(f1_score(dataset.target[fold.test], predictions[0, fold.test, 1] >= expected))
    likeliest, _ = evaluated(dataset, tmp_path / "likeliest", "tabular/logistic", {}, "f1")
    assert result["score"] > likeliest["score"]


def test_in_the_nested_design_a_fold_is_decided_inside(tmp_path: Path, rng: np.random.Generator) -> None:
    dataset = look_at(make_plan({"target": "y", "positive": "bad"}), rare(rng, 800, share=0.08))
    assert dataset.splits.design == "nested"
    result, predictions = evaluated(dataset, tmp_path, "tabular/logistic", {}, "f1", balance="weights", threshold="f1")
    assert len(result["thresholds"]) == len(dataset.splits.folds)
    assert dataset.target is not None
    fold = dataset.splits.folds[0]
    changed = dataset.target.copy()
    changed[fold.test] = 1 - changed[fold.test]  # whatever the outer fold's truth is, it was predicted and decided without
    other, again = evaluated(
        dataclasses.replace(dataset, target=changed), tmp_path / "changed", "tabular/logistic", {}, "f1", balance="weights", threshold="f1"
    )
    assert other["thresholds"][0] == result["thresholds"][0]
    np.testing.assert_array_equal(predictions[0, fold.test], again[0, fold.test])


def test_what_a_plan_tries_of_itself(rng: np.random.Generator) -> None:
    frame = rare(rng)
    plan = resolve(make_plan({"target": "y", "positive": "bad"}), look_at(make_plan({"target": "y", "positive": "bad"}), frame))
    tried = [(choice.name, choice.balance) for choice in plan.learners if choice.balance != "none"]
    assert tried == [
        *(("tabular/lightgbm", way) for way in ("weights", "over", "under")),
        *(("tabular/logistic", way) for way in ("weights", "over", "under", "smote")),
    ]
    assert plan.imbalance == ("none",)
    assert plan.threshold == "f1"
    common = look_at(make_plan({"target": "y"}), rare(rng, share=0.4))
    calm = resolve(make_plan({"target": "y"}), common)
    assert calm.threshold == "likeliest"
    assert all(choice.balance == "none" for choice in calm.learners)
    first = resolve(make_plan({"target": "y", "imbalance": ["weights", "smote"], "learners": ["lightgbm", "logistic"], "candidates": 3}), common)
    assert [(c.name, c.balance) for c in first.learners[2:]] == [
        ("tabular/lightgbm", "none"),
        ("tabular/lightgbm", "weights"),  # a way that was named comes right behind its candidate
        ("tabular/lightgbm", "none"),
    ]
    asked = resolve(make_plan({"target": "y", "imbalance": "under", "learners": "tree", "threshold": 0.2}), common)
    assert {choice.balance for choice in asked.learners if choice.name == "tabular/tree"} == {"none", "under"}
    assert asked.threshold == "0.2"
    assert resolve(asked, common) == asked  # a resolved plan means the same


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"target": "x0", "imbalance": "weights"}, "no classes"),
        ({"target": "x0", "threshold": "f1"}, "two classes"),
        ({"target": "y", "imbalance": "smote", "learners": "lightgbm"}, "fills gaps"),
    ],
)
def test_what_cannot_be_balanced_is_refused(asked: dict[str, str], says: str, rng: np.random.Generator) -> None:
    plan = make_plan(asked)
    with pytest.raises(RequestError) as error:
        resolve(plan, look_at(plan, rare(rng)))
    assert error.value.code == "TW069"
    assert says in error.value.what + error.value.fix


@pytest.mark.parametrize("threshold", ["soon", 1.5, "-1"])
def test_a_threshold_is_a_word_that_is_known_or_a_probability(threshold: object) -> None:
    with pytest.raises(RequestError, match="TW002"):
        make_plan({"target": "y", "threshold": threshold})
