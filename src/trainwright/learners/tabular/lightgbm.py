"""Gradient boosting, by LightGBM: many small trees, each fitted to what the ones before got wrong.

Takes    X (rows, features) float32, NaN where missing; features of kind "code" are split by sets of categories; y; weights; watch rows.
Gives    probabilities (rows, classes), or one number (rows, 1). Loss: log loss, or squared error.
Stops    on watch rows, when their loss has not fallen for `patience` trees; the best number of trees is kept. `budget.iterations` replaces that.
         With neither, all `iterations` are made.
Cost     iterations·rows·features time (bins are counted), rows·features bytes. The same bytes for the same seed and number of threads.
Source   Friedman (2001), Annals of Statistics 29(5); Ke et al. (2017), NeurIPS 30.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trainwright.learners import settings as check
from trainwright.learners.graphs import lightgbm_nodes, tree_graph
from trainwright.learners.interface import Budget, Card, Fitted, LogUniform, Space, Training, Uniform
from trainwright.learners.rows import Labelled, average, centre, constantly, constraints, labelled
from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import Step
from trainwright.runtime.steps import Linear, Link, Onnx

OWN = (  # settings that LightGBM knows by the same name and meaning
    *("learning_rate", "num_leaves", "min_data_in_leaf", "min_sum_hessian_in_leaf", "min_gain_to_split", "bagging_fraction", "feature_fraction"),
    *("lambda_l1", "lambda_l2", "max_bin", "extra_trees", "path_smooth", "cat_smooth", "cat_l2", "max_cat_threshold", "max_cat_to_onehot"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LightGBM:
    iterations: int = 1000  # trees (for each class), at most
    patience: int = 50  # trees without a better loss on the watch rows
    learning_rate: float = 0.05
    num_leaves: int = 31
    max_depth: int = 0  # 0: no limit
    min_data_in_leaf: int = 20  # rows
    min_sum_hessian_in_leaf: float = 1e-3
    min_gain_to_split: float = 0.0
    bagging_fraction: float = 1.0  # share of the rows drawn for each tree
    feature_fraction: float = 1.0  # share of the features drawn for each tree
    lambda_l1: float = 0.0
    lambda_l2: float = 0.0
    max_bin: int = 255
    extra_trees: bool = False  # thresholds at random
    path_smooth: float = 0.0  # leaves pulled towards their parents
    cat_smooth: float = 10.0  # categories pulled towards the mean when they are ordered
    cat_l2: float = 10.0  # extra lambda_l2 in splits by sets of categories
    max_cat_threshold: int = 32  # categories in one set
    max_cat_to_onehot: int = 4  # up to so many categories, one against the others

    card: ClassVar[Card] = Card(
        title="gradient boosting (LightGBM)",
        tasks=("binary", "multiclass", "regression"),
        reads="coded",
        explains="opaque",
        how="importances and Shapley values of the features",
        losses=("log loss, for classes", "squared error, for numbers"),
        limits=("a seventh of the rows is watched to stop early, when the iterations are not given", "never far beyond the targets that it saw"),
        stops_early=True,
        monotone=True,
        seconds=lambda rows, features, outputs: 0.2 + 600 * max(1, outputs if outputs > 2 else 1) * (7e-4 + 4e-9 * rows * features),
        effort=lambda settings: min(settings.iterations, 30 / settings.learning_rate) / 600 * (settings.num_leaves / 31) ** 0.5,
        memory=lambda rows, features, outputs: 60e6 + 6.0 * rows * features + 40.0 * rows * max(1, outputs),
    )
    space: ClassVar[Space] = {
        "learning_rate": LogUniform(0.01, 0.3),
        "num_leaves": LogUniform(4, 256, whole=True),
        "min_data_in_leaf": LogUniform(2, 200, whole=True),
        "bagging_fraction": Uniform(0.5, 1.0),
        "feature_fraction": Uniform(0.3, 1.0),
        "lambda_l1": LogUniform(1e-6, 10.0),
        "lambda_l2": LogUniform(1e-6, 10.0),
    }

    def __post_init__(self) -> None:
        check.whole(1, 1_000_000, iterations=self.iterations, patience=self.patience, max_cat_threshold=self.max_cat_threshold)
        check.whole(1, 1_000_000, max_cat_to_onehot=self.max_cat_to_onehot, min_data_in_leaf=self.min_data_in_leaf)
        check.number(1e-6, 10.0, learning_rate=self.learning_rate)
        check.whole(2, 131_072, num_leaves=self.num_leaves)
        check.whole(0, 1000, max_depth=self.max_depth)
        check.number(0.0, 1e12, min_sum_hessian_in_leaf=self.min_sum_hessian_in_leaf, min_gain_to_split=self.min_gain_to_split)
        check.number(0.0, 1e12, lambda_l1=self.lambda_l1, lambda_l2=self.lambda_l2, path_smooth=self.path_smooth)
        check.number(0.0, 1e12, cat_smooth=self.cat_smooth, cat_l2=self.cat_l2)
        check.number(1e-3, 1.0, bagging_fraction=self.bagging_fraction, feature_fraction=self.feature_fraction)
        check.whole(2, 65_535, max_bin=self.max_bin)
        check.choice((True, False), extra_trees=self.extra_trees)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        import lightgbm

        rows = labelled(training)
        mean, unit = centre(rows)
        if rows.constant or unit == 0:
            return constantly(average(rows))
        codes = [number for number, feature in enumerate(training.features) if feature.kind == "code"]
        asked = self._parameters(rows, budget, int(rng.integers(2**31))) | _bounds(constraints(training))
        made = lightgbm.Dataset(rows.matrix, (rows.target - mean) / unit, weight=rows.weight, categorical_feature=codes, params=asked)
        watched: dict[str, Any] = {}
        if training.watch is not None and budget.iterations is None:
            seen = labelled(training.watch)
            aside = lightgbm.Dataset(seen.matrix, (seen.target - mean) / unit, weight=seen.weight, reference=made, params=asked)
            watched = {"valid_sets": [aside], "callbacks": [lightgbm.early_stopping(self.patience, verbose=False)]}
        booster = lightgbm.train(asked, made, num_boost_round=budget.iterations or self.iterations, **watched)
        kept = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        steps = _Ship(booster, kept, rows.matrix.shape[1], rows.classes, mean, unit)
        return Fitted(
            predict=_predictor(booster, kept, rows.classes, mean, unit), ship=steps, iterations=max(1, kept), notes={"trees": booster.num_trees()}
        )

    def _parameters(self, rows: Labelled, budget: Budget, seed: int) -> dict[str, Any]:
        objective = {0: {"objective": "regression", "metric": "l2"}, 2: {"objective": "binary", "metric": "binary_logloss"}}
        task = objective.get(rows.classes, {"objective": "multiclass", "metric": "multi_logloss", "num_class": rows.classes})
        return {
            **task,
            **{name: getattr(self, name) for name in OWN},
            "max_depth": self.max_depth or -1,
            "bagging_freq": int(self.bagging_fraction < 1),
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": budget.threads,
            "verbosity": -1,
        }


def _bounds(monotone: list[int] | None) -> dict[str, Any]:
    return {} if monotone is None else {"monotone_constraints": monotone}


def _predictor(booster: Any, kept: int, classes: int, mean: float, unit: float) -> Callable[[Any], Floats]:
    def predict(matrix: Matrix) -> Floats:
        if not len(matrix):
            return np.empty((0, classes or 1))
        given = np.asarray(booster.predict(matrix, num_iteration=kept), np.float64)
        if classes == 2:
            return np.stack([1.0 - given, given], axis=1)
        return given if classes else given[:, None] * unit + mean

    return predict


@dataclass(frozen=True, slots=True, eq=False)
class _Ship:
    """Makes the steps: the trees' scores, then what turns them into probabilities or into the unit of the target."""

    booster: Any
    kept: int
    features: int
    classes: int
    mean: float
    unit: float

    def __call__(self) -> tuple[Step, ...]:
        outputs = self.classes if self.classes > 2 else 1
        nodes = lightgbm_nodes(self.booster.model_to_string(num_iteration=self.kept), outputs)
        scores = Onnx(graph=tree_graph(nodes, features=self.features, outputs=outputs), features=self.features, outputs=outputs)
        if self.classes:
            return scores, Link(name="logistic" if self.classes == 2 else "softmax")
        return scores, Linear(weights=np.array([[self.unit]]), offset=np.array([self.mean]))


LEARNER = LightGBM
