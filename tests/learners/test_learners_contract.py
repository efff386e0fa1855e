"""What every learner in the catalogue promises; no learner is left out."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from learner_tables import CLASSES, edge_rows, training

from trainwright import learners
from trainwright.errors import LearnerError, RequestError
from trainwright.features.recipe import apply
from trainwright.learners.interface import Budget, Choice, LogUniform, Training, Uniform
from trainwright.runtime.graph import run_steps
from trainwright.runtime.graphs import check
from trainwright.runtime.step import parts
from trainwright.runtime.steps import KINDS

NAMES = learners.names()
PAIRS = [(name, task) for name in NAMES for task in learners.learner_class(name).card.tasks]
SMALL = {"trees": 20, "iterations": 60, "max_rounds": 150, "bags": 2, "pairs": 3}  # enough to be tried


def small(name: str):
    kind = learners.learner_class(name)
    return learners.make(name, {key: value for key, value in SMALL.items() if key in {field.name for field in dataclasses.fields(kind)}})


def fit(name: str, task: str, seed: int = 0, **more):
    learner = small(name)
    rows, prepared, fresh, _ = training(task, learner.card.reads, 400, np.random.default_rng(3), watch=100 * learner.card.stops_early, **more)
    return learner.fit(rows, Budget(), np.random.default_rng(seed)), rows, prepared, fresh


def shipped(fitted, matrix):
    placed, before = [], "features"
    for number, step in enumerate(fitted.ship()):
        placed.append((f"model{number}", step, (before,)))
        before = f"model{number}"
    return run_steps(placed, {"features": matrix})[before]


def as_bytes(fitted) -> list[object]:
    kept = []
    for step in fitted.ship():
        settings, arrays, graphs = parts(step)
        kept.append((step.kind, json.dumps(settings), {k: (v.dtype.str, v.shape, v.tobytes()) for k, v in arrays.items()}, graphs))
    return kept


def test_the_catalogue_has_them_all():
    assert set(NAMES) >= {f"tabular/{n}" for n in ("dummy", "logistic", "linear", "tree", "random_forest", "extra_trees", "lightgbm")}


@pytest.mark.parametrize("name", NAMES)
def test_its_card_tells_what_people_want_to_know(name):
    card = learners.learner_class(name).card
    assert card.title
    assert card.how
    assert card.losses
    assert card.limits
    assert 0 < card.seconds(1000, 20, 2) <= card.seconds(100_000, 20, 2)
    assert 0 < card.memory(1000, 20, 2) <= card.memory(100_000, 20, 2)


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_same_seed_same_bytes(name, task):
    first, again = fit(name, task, 5)[0], fit(name, task, 5)[0]
    assert as_bytes(first) == as_bytes(again)
    assert first.iterations == again.iterations


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_what_ships_predicts_the_same(name, task):
    fitted, rows, prepared, fresh = fit(name, task)
    scale = 1.0 if CLASSES[task] else float(np.std(rows.target))
    for matrix in (rows.numbers, apply(prepared.steps, fresh), apply(prepared.steps, edge_rows(fresh)), rows.numbers[:1], rows.numbers[:0]):
        predicted, served = fitted.predict(matrix), shipped(fitted, matrix)
        assert predicted.dtype == served.dtype == np.float64
        assert predicted.shape == served.shape == (len(matrix), CLASSES[task] or 1)
        assert np.isfinite(predicted).all()
        np.testing.assert_allclose(predicted, served, rtol=0, atol=scale * (1e-6 if CLASSES[task] else 1e-5))
        if CLASSES[task]:
            np.testing.assert_allclose(served.sum(axis=1), 1, atol=1e-9)
            assert (served >= 0).all()


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_saved_and_loaded_predicts_the_same(name, task):
    fitted, rows, _, _ = fit(name, task)
    value = rows.numbers
    for step in fitted.ship():
        settings, arrays, graphs = parts(step)
        graphs = {field: check(graph).stripped for field, graph in graphs.items()}  # the loader's walk lets it pass
        value = KINDS[step.kind].from_parts(json.loads(json.dumps(settings)), arrays, graphs).apply(value)
    np.testing.assert_array_equal(value, shipped(fitted, rows.numbers))


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_better_than_the_average_on_rows_not_seen(name, task):
    learner, classes = small(name), CLASSES[task]
    rows, prepared, fresh, target = training(task, learner.card.reads, 400, np.random.default_rng(3), watch=100 * learner.card.stops_early)
    predicted = learner.fit(rows, Budget(), np.random.default_rng(0)).predict(apply(prepared.steps, fresh))
    average = np.bincount(rows.target.astype(int), minlength=classes) / len(rows.target) if classes else rows.target.mean()
    truth = np.eye(classes)[target.astype(int)] if classes else target[:, None]
    if name == "tabular/dummy":
        np.testing.assert_allclose(predicted, np.tile(average, (len(target), 1)))
    else:
        assert np.mean((predicted - truth) ** 2) < 0.9 * np.mean((average - truth) ** 2)


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_a_class_that_does_not_occur_has_its_column(name, task):
    if not CLASSES[task]:
        return
    learner = small(name)
    rows, *_ = training(task, learner.card.reads, 200, np.random.default_rng(1))
    lacking = dataclasses.replace(rows, classes=rows.classes + 2)
    fitted = learner.fit(lacking, Budget(iterations=5), np.random.default_rng(0))
    predicted = fitted.predict(rows.numbers)
    assert predicted.shape == (200, rows.classes + 2)
    assert (predicted[:, rows.classes :] < 1e-3).all()
    np.testing.assert_allclose(shipped(fitted, rows.numbers), predicted, atol=1e-6)
    single = dataclasses.replace(rows, target=np.ones(200))
    np.testing.assert_allclose(learner.fit(single, Budget(), np.random.default_rng(0)).predict(rows.numbers)[:, 1], 1, atol=1e-6)


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_no_features_and_few_rows(name, task):
    learner = small(name)
    rows, *_ = training(task, learner.card.reads, 12, np.random.default_rng(1))
    bare = dataclasses.replace(rows, numbers=np.empty((12, 0), np.float32), features=())
    fitted = learner.fit(bare, Budget(iterations=3), np.random.default_rng(0))
    np.testing.assert_allclose(shipped(fitted, bare.numbers), fitted.predict(bare.numbers))
    few = learner.fit(rows, Budget(iterations=3), np.random.default_rng(0))
    np.testing.assert_allclose(shipped(few, rows.numbers), few.predict(rows.numbers), rtol=1e-6, atol=1e-6)
    if not CLASSES[task]:
        same = learner.fit(dataclasses.replace(rows, target=np.full(12, 7.0)), Budget(iterations=3), np.random.default_rng(0))
        np.testing.assert_allclose(same.predict(rows.numbers), 7.0)


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_rows_without_target_or_weight_are_as_if_not_there(name, task):
    learner = small(name)
    rows, *_ = training(task, learner.card.reads, 200, np.random.default_rng(1))
    keep = np.arange(200) % 4 != 0
    target, weight = rows.target.copy(), np.ones(200)
    target[::8], weight[4::8] = np.nan, 0
    gaps = learner.fit(dataclasses.replace(rows, target=target, weight=weight), Budget(iterations=5), np.random.default_rng(0))
    alone = dataclasses.replace(rows, numbers=rows.numbers[keep], target=rows.target[keep], weight=np.ones(keep.sum()))
    assert as_bytes(gaps) == as_bytes(learner.fit(alone, Budget(iterations=5), np.random.default_rng(0)))


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_weights_matter(name, task):
    """All weights on one half of the rows: as if the other half were hardly there."""
    learner = small(name)
    rows, *_ = training(task, learner.card.reads, 400, np.random.default_rng(1))
    favoured = rows.target > np.median(rows.target) if not CLASSES[task] else rows.target == 0
    weight = np.where(favoured, 50.0, 1.0)
    plain = learner.fit(rows, Budget(iterations=30), np.random.default_rng(0)).predict(rows.numbers)
    tilted = learner.fit(dataclasses.replace(rows, weight=weight), Budget(iterations=30), np.random.default_rng(0)).predict(rows.numbers)
    assert tilted[:, 0].mean() > plain[:, 0].mean()


@pytest.mark.parametrize(("name", "task"), [pair for pair in PAIRS if pair[0] in ("tabular/dummy", "tabular/linear", "tabular/logistic")])
def test_a_weight_of_two_is_the_row_twice(name, task):
    learner = small(name)
    rows, *_ = training(task, learner.card.reads, 150, np.random.default_rng(1))
    twice = np.arange(150) % 3 == 0
    index = np.concatenate([np.arange(150), np.flatnonzero(twice)])
    weighted = learner.fit(dataclasses.replace(rows, weight=1.0 + twice), Budget(), np.random.default_rng(0))
    doubled = learner.fit(dataclasses.replace(rows, numbers=rows.numbers[index], target=rows.target[index]), Budget(), np.random.default_rng(0))
    np.testing.assert_allclose(weighted.predict(rows.numbers), doubled.predict(rows.numbers), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_bad_settings_are_our_error(name):
    kind = learners.learner_class(name)
    with pytest.raises(RequestError, match="TW010"):
        learners.make(name, {"no_such_setting": 1})
    for field in dataclasses.fields(kind):
        for wrong in ("nonsense", -1, float("nan"), None, [1], 10**20):
            with pytest.raises(RequestError) as error:
                learners.make(name, {field.name: wrong})
            assert error.value.code == "TW010"
            assert field.name in error.value.what


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_cannot_be_learned_from_are_our_error(name):
    learner = small(name)
    task = learner.card.tasks[0]
    rows, *_ = training(task, learner.card.reads, 20, np.random.default_rng(1))
    wrong = [
        {"target": None},
        {"target": np.full(20, np.nan)},
        {"weight": np.zeros(20)},
        {"weight": np.full(20, -1.0)},
        {"target": np.where(np.arange(20) == 3, np.inf, 0.0)},
        {"target": np.zeros(19)},
    ]
    for change in wrong:
        with pytest.raises(LearnerError, match="TW011"):
            learner.fit(dataclasses.replace(rows, **change), Budget(), np.random.default_rng(0))
    with pytest.raises(LearnerError, match="TW011"):
        learner.fit(Training(task="binary", numbers=rows.numbers, target=np.arange(20.0), classes=2), Budget(), np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_card_and_space(name):
    kind = learners.learner_class(name)
    card = kind.card
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert card.title
    assert card.how
    assert set(card.tasks) <= set(CLASSES)
    for rows, features in ((100, 5), (1_000_000, 50)):
        assert 0 < card.seconds(rows, features, 2) < 1e5
        assert 0 < card.memory(rows, features, 2) < 1e13
    assert card.seconds(10**6, 50, 2) >= card.seconds(10**3, 50, 2)
    for setting, where in kind.space.items():
        ends = where.options if isinstance(where, Choice) else (where.low, where.high)
        assert isinstance(where, Choice | LogUniform | Uniform)
        for end in ends:
            learners.make(name, {setting: end})


def test_unknown_learner_names_the_nearest():
    with pytest.raises(RequestError) as error:
        learners.make("tabular/lightgmb", {})
    assert error.value.code == "TW012"
    assert "tabular/lightgbm" in error.value.fix
    with pytest.raises(RequestError) as error:
        learners.make("tabular/lightgbm", {"num_leafs": 3})
    assert "num_leaves" in error.value.fix


def test_listing_is_light():
    code = """
import sys
from trainwright import learners
[learners.make(name, {}) for name in learners.names() if name.startswith("tabular/")]
print(*{"sklearn", "lightgbm", "xgboost", "catboost", "onnx", "onnxruntime", "scipy", "pandas", "polars", "torch"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
