"""Adding a learner is one file in a package of one's own, named by an entry point. Kinds of learning to come fit the same interface."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from learner_tables import training

from trainwright import learners
from trainwright.errors import RequestError
from trainwright.features.recipe import apply
from trainwright.learners.interface import Budget, Training
from trainwright.runtime.graph import run_steps

MEDIAN = '''
"""The median, whatever the row."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trainwright.learners import settings as check
from trainwright.learners.interface import Budget, Card, Fitted, Space, Training, Uniform
from trainwright.runtime.steps import Constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    share: float = 0.5

    card: ClassVar[Card] = Card(title="a quantile", tasks=("regression",), reads="nothing", explains="glass-box", how="one number")
    space: ClassVar[Space] = {"share": Uniform(0.1, 0.9)}

    def __post_init__(self) -> None:
        check.number(0.0, 1.0, share=self.share)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        step = Constant(values=np.array([np.quantile(training.target, self.share)]))
        return Fitted(predict=step.apply, ship=lambda: (step,))


LEARNER = Quantile
'''

NETWORK = '''
"""Softmax regression as a network of one layer, trained by the loop that trains every network."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trainwright import loop
from trainwright.learners import settings as check
from trainwright.learners.interface import Budget, Card, Fitted, LogUniform, Space, Training
from trainwright.learners.rows import in_turn
from trainwright.runtime.steps import Linear, Link


@dataclass(frozen=True)
class CrossEntropy:
    """Mean log loss of a linear layer and a softmax, and its gradient."""

    matrix: Any  # (rows, features)
    truth: Any  # (rows, classes), one-hot
    better = "lower"

    def start(self, rng):
        return {"w": rng.normal(0, 0.01, (self.matrix.shape[1], self.truth.shape[1])), "b": np.zeros(self.truth.shape[1])}

    def shares(self, weights, rows):
        return Link(name="softmax").apply(self.matrix[rows] @ weights["w"] + weights["b"])

    def loss_and_gradients(self, weights, rows, rng):
        shares = self.shares(weights, rows)
        error = (shares - self.truth[rows]) / len(rows)
        return self._loss(shares, rows), {"w": self.matrix[rows].T @ error, "b": error.sum(axis=0)}

    def judge(self, weights, rows):
        return self._loss(self.shares(weights, rows), rows)

    def _loss(self, shares, rows):
        return float(-np.log((shares * self.truth[rows]).sum(axis=1)).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    epochs: int = 60
    rate: float = 0.05

    card: ClassVar[Card] = Card(
        title="one layer", tasks=("binary", "multiclass"), reads="scaled", explains="glass-box", how="one weight for each feature", stops_early=True
    )
    space: ClassVar[Space] = {"rate": LogUniform(1e-3, 1e-1)}

    def __post_init__(self) -> None:
        check.whole(1, 10_000, epochs=self.epochs)
        check.number(1e-6, 10.0, rate=self.rate)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        parts = [training] if training.watch is None or budget.iterations else [training, training.watch]
        matrix = np.concatenate([part.numbers for part in parts]).astype(np.float64)
        truth = np.eye(training.classes)[np.concatenate([part.target for part in parts]).astype(int)]
        first, rest = np.split(np.arange(len(matrix)), [len(training.numbers)])
        settings = loop.LoopSettings(epochs=budget.iterations or self.epochs, rate=self.rate, patience=10)
        trained = loop.fit(CrossEntropy(matrix, truth), first, settings, seed=int(rng.integers(2**31)), watch=rest if len(rest) else None)
        steps = (Linear(weights=trained.weights["w"], offset=trained.weights["b"]), Link(name="softmax"))
        return Fitted(predict=in_turn(steps), ship=lambda: steps, iterations=trained.epochs)


LEARNER = Network
'''

BANDIT = '''
"""A policy for a grid, by tabular Q-learning: Watkins & Dayan (1992), Machine Learning 8."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trainwright.learners.interface import Budget, Card, Fitted, Space, Training
from trainwright.runtime.steps import Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    episodes: int = 200

    card: ClassVar[Card] = Card(title="Q-learning", tasks=("policy",), reads="environment", explains="glass-box", how="values")
    space: ClassVar[Space] = {}

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        world = training.environment
        values = np.zeros((world.states, world.actions))
        for _ in range(budget.iterations or self.episodes):
            state, done = world.reset(rng), False
            while not done:
                action = int(rng.integers(world.actions)) if rng.random() < 0.3 else int(values[state].argmax())
                after, reward, done = world.step(state, action)
                values[state, action] += 0.5 * (reward + 0.9 * (0 if done else values[after].max()) - values[state, action])
                state = after
        step = Linear(weights=values, offset=np.zeros(world.actions))  # a state is a one-hot row; its outputs are the actions' values
        return Fitted(predict=step.apply, ship=lambda: (step,), iterations=budget.iterations or self.episodes)


LEARNER = Grid
'''


class Corridor:
    """Five places in a row; the reward waits at the right end, each step costs a little."""

    states, actions = 5, 2

    def reset(self, rng: np.random.Generator) -> int:
        return int(rng.integers(4))

    def step(self, state: int, action: int) -> tuple[int, float, bool]:
        after = min(4, state + 1) if action else max(0, state - 1)
        return after, 1.0 if after == 4 else -0.01, after == 4


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Write a package of one file and what pip would write beside it."""

    def write(package: str, source: str, entries: str) -> None:
        (tmp_path / f"{package}.py").write_text(source)
        beside = tmp_path / f"{package}-1.0.dist-info"
        beside.mkdir()
        (beside / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (beside / "entry_points.txt").write_text(f"[trainwright.learners]\n{entries}\n")
        monkeypatch.syspath_prepend(tmp_path)

    yield write
    for name in [name for name in sys.modules if name.startswith("added_")]:
        del sys.modules[name]


def test_a_learner_of_another_package_trains_and_ships(install, rng):
    install("added_quantile", MEDIAN, "added/quantile = added_quantile\nadded/by_class = added_quantile:Quantile")
    assert {"added/quantile", "added/by_class", "tabular/lightgbm"} <= set(learners.names())
    assert learners.package_of("added/quantile") == "added_quantile 1.0"
    assert learners.package_of("tabular/lightgbm") is None
    assert "added_quantile" not in sys.modules  # listing does not import
    target = rng.normal(size=31)
    for name in ("added/quantile", "added/by_class"):
        learner = learners.make(name, {"share": 0.5})
        fitted = learner.fit(Training(task="regression", target=target), Budget(), rng)
        steps = [("model", fitted.ship()[0], ("features",))]
        assert run_steps(steps, {"features": np.zeros((3, 0), np.float32)})["model"].tolist() == [[np.sort(target)[15]]] * 3
    with pytest.raises(RequestError, match="TW010"):
        learners.make("added/quantile", {"share": 2})
    with pytest.raises(RequestError, match="share"):
        learners.make("added/quantile", {"shares": 0.2})


def test_ours_cannot_be_taken_over_and_broken_ones_are_named(install):
    install(
        "added_bad", "raise OSError('no')", "tabular/tree = added_bad\nadded/bad = added_bad\nadded/gone = added_bad_gone\nadded/odd = json:dumps"
    )
    assert learners.learner_class("tabular/tree").__module__ == "trainwright.learners.tabular.tree"
    for name in ("added/bad", "added/gone", "added/odd"):
        with pytest.raises(RequestError) as error:
            learners.learner_class(name)
        assert error.value.code == "TW012"
        assert "added_bad" in error.value.where or "json" in error.value.where


def test_a_learner_that_trains_an_objective_in_the_loop(install):
    """It ends near the optimum that logistic regression finds by Newton's method, in as many epochs as the watched rows ask for."""
    install("added_network", NETWORK, "added/network = added_network")
    learner = learners.make("added/network", {"epochs": 80})
    rows, prepared, fresh, _ = training("multiclass", learner.card.reads, 500, np.random.default_rng(2), watch=150)
    fitted, again = (learner.fit(rows, Budget(), np.random.default_rng(0)) for _ in range(2))
    matrix = apply(prepared.steps, fresh)
    np.testing.assert_array_equal(fitted.predict(matrix), again.predict(matrix))
    assert 1 <= fitted.iterations <= 80
    truth = learners.make("tabular/logistic", {"strength": 1.0}).fit(rows, Budget(), np.random.default_rng(0)).predict(matrix)
    assert np.abs(fitted.predict(matrix) - truth).mean() < 0.05
    refit = learner.fit(rows, Budget(iterations=fitted.iterations), np.random.default_rng(0))
    assert refit.iterations == fitted.iterations
    served = run_steps([("linear", refit.ship()[0], ("features",)), ("model", refit.ship()[1], ("linear",))], {"features": matrix})["model"]
    np.testing.assert_array_equal(served, refit.predict(matrix))


def test_a_learner_of_an_environment(install):
    install("added_grid", BANDIT, "added/grid = added_grid")
    learner = learners.make("added/grid", {})
    assert learner.card.reads == "environment"
    fitted = learner.fit(Training(task="policy", environment=Corridor()), Budget(), np.random.default_rng(0))
    again = learner.fit(Training(task="policy", environment=Corridor()), Budget(), np.random.default_rng(0))
    states = np.eye(5, dtype=np.float32)
    served = run_steps([("policy", fitted.ship()[0], ("features",))], {"features": states})["policy"]
    np.testing.assert_array_equal(served, again.predict(states))
    assert served[:4].argmax(axis=1).tolist() == [1, 1, 1, 1]  # always towards the reward
    np.testing.assert_allclose(served[3, 1], 1.0, atol=1e-3)  # one step before it: the reward itself
    np.testing.assert_allclose(served[2, 1], 0.9 * 1.0 - 0.01, atol=1e-2)
