"""Monotone constraints, by brute force: every row with every value of the column, through the steps that ship."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from trainwright import learners
from trainwright.errors import LearnerError
from trainwright.learners.interface import Budget, Feature, Training
from trainwright.learners.rows import in_turn

KEEPING = [name for name in learners.names() if learners.learner_class(name).card.monotone and name != "tabular/dummy"]
FEATURES = (*(Feature(name, name, "number") for name in "abc"), Feature("town", "town", "code"))


def rows(rng, classes: int, *, gaps: bool) -> Training:
    """A target that waves along `a` and `b`, falls along `c` and hangs on the town: without constraints a model follows the waves."""
    X = rng.normal(size=(700, 4)).astype(np.float32)
    X[:, 3] = rng.integers(0, 5, 700)
    score = 0.5 * X[:, 0] + np.sin(4 * X[:, 0]) + np.sin(4 * X[:, 1]) - 0.3 * X[:, 2] + np.sin(5 * X[:, 2]) * (X[:, 3] - 2)
    if gaps:
        X[rng.random(700) < 0.1, 0] = np.nan
        X[rng.random(700) < 0.1, 2] = np.nan
    y = (score > 0) * 1.0 if classes else 5000 + 300 * score
    return Training(task="x", numbers=X, features=FEATURES, target=y, classes=classes)


def many(name: str, rounds: int) -> dict[str, int | float]:
    """Settings: so many rounds. A booster of curves alone moves one curve in each, and needs more of them."""
    return {"max_rounds": 5 * rounds, "learning_rate": 0.1, "bags": 2} if name == "tabular/ebm" else {"iterations": rounds}


def falls(fitted, matrix, column: int, sign: int) -> float:
    """The most that what ships falls (or, for sign -1, rises) as the column goes from far below to far above what was seen."""
    steps = in_turn(fitted.ship())
    values = np.unique(np.r_[matrix[~np.isnan(matrix[:, column]), column], -100.0, 100.0]).astype(np.float32)
    tried = np.repeat(matrix[:40], len(values), axis=0)
    tried[:, column] = np.tile(values, 40)
    said = sign * steps(tried)[:, -1].reshape(40, len(values))
    return float((np.maximum.accumulate(said, axis=1) - said).max())


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("classes", [0, 2])
@pytest.mark.parametrize("name", KEEPING)
def test_what_ships_is_monotone_as_asked(rng, name, classes, gaps):
    gaps = gaps and learners.learner_class(name).card.reads == "coded"
    training = rows(rng, classes, gaps=gaps)
    unit = float(np.std(training.target)) if classes == 0 else 1.0
    learner = learners.make(name, many(name, 60))
    free = learner.fit(training, Budget(), np.random.default_rng(0))
    assert falls(free, training.numbers, 0, 1) > 0.05 * unit  # or else the test would show nothing
    asked = dataclasses.replace(training, monotone=(1, 0, -1, 0))
    kept = learner.fit(asked, Budget(), np.random.default_rng(0))
    assert falls(kept, training.numbers, 0, 1) <= 1e-6 * unit
    assert falls(kept, training.numbers, 2, -1) <= 1e-6 * unit
    assert falls(kept, training.numbers, 1, 1) > 0.05 * unit  # left free
    said = in_turn(kept.ship())(training.numbers)[:, -1]
    assert np.corrcoef(said, training.target)[0, 1] > 0.3  # it has learned something all the same


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("settings", [{"learning_rate": 0.5}, {"learning_rate": 0.02}])
def test_other_settings_and_weights_keep_it_too(rng, name, settings):
    training = rows(rng, 2, gaps=False)
    kind = {field.name for field in dataclasses.fields(learners.learner_class(name))}
    more = {"bagging_fraction": 0.7, "feature_fraction": 0.7, "path_smooth": 2.0, "subsample": 0.7, "colsample_bytree": 0.7, "rsm": 0.7}
    more |= {"extra_trees": True, "max_features": 0.7, "min_data_in_leaf": 3, "min_samples_leaf": 3, "depth": 8, "max_depth": 8}
    learner = learners.make(name, {**many(name, 80), **settings, **{key: value for key, value in more.items() if key in kind}})
    asked = dataclasses.replace(training, monotone=(-1, 1, 0, 0), weight=rng.uniform(0.1, 10, 700))
    kept = learner.fit(asked, Budget(), np.random.default_rng(0))
    assert falls(kept, training.numbers, 0, -1) <= 1e-6
    assert falls(kept, training.numbers, 1, 1) <= 1e-6


@pytest.mark.parametrize("name", KEEPING)
def test_several_classes_are_refused_and_no_constraint_changes_nothing(rng, name):
    training = rows(rng, 2, gaps=False)
    learner = learners.make(name, many(name, 5))
    several = dataclasses.replace(training, classes=3, target=np.arange(700.0) % 3, monotone=(1, 0, 0, 0))
    with pytest.raises(LearnerError, match="TW067"):
        learner.fit(several, Budget(), np.random.default_rng(0))
    free, zeros = (learner.fit(t, Budget(), np.random.default_rng(0)) for t in (training, dataclasses.replace(training, monotone=(0, 0, 0, 0))))
    np.testing.assert_array_equal(*(in_turn(fitted.ship())(training.numbers) for fitted in (free, zeros)))


def test_who_keeps_them():
    assert set(KEEPING) == {f"tabular/{name}" for name in ("lightgbm", "hist_boosting", "xgboost", "catboost", "ebm")}
