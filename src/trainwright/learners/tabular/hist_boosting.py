"""Gradient boosting on histograms, by scikit-learn: many small trees, each fitted to what the ones before got wrong.

Takes    X (rows, features) float32, NaN where missing; features of kind "code" are split by sets of categories; y; weights; watch rows.
Gives    probabilities (rows, classes), or one number (rows, 1). Loss: log loss, or squared error.
Stops    on watch rows, when their loss has not fallen for `patience` trees; the best number of trees is kept. `budget.iterations` replaces that.
Cost     iterations·rows·features time (bins are counted), rows·features bytes.
Source   Friedman (2001), Annals of Statistics 29(5); Ke et al. (2017), NeurIPS 30, whose histograms scikit-learn follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trainwright.learners import settings as check
from trainwright.learners.boosted import Boosted
from trainwright.learners.graphs import hist_nodes
from trainwright.learners.interface import Budget, Card, Fitted, LogUniform, Space, Training, Uniform
from trainwright.learners.rows import Labelled, average, constantly, constraints, few_codes, labelled
from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import Step

MOST_CATEGORIES = 254  # of one feature, which scikit-learn splits by sets; more are split as numbers: codes go from frequent to rare


@dataclass(frozen=True, slots=True, kw_only=True)
class HistBoosting:
    iterations: int = 500  # trees (for each class), at most
    patience: int = 30  # trees without a better loss on the watch rows
    learning_rate: float = 0.1
    max_leaf_nodes: int = 31
    max_depth: int = 0  # 0: no limit
    min_samples_leaf: int = 20
    l2: float = 0.0
    max_features: float = 1.0  # share of the features that a split may choose from
    max_bins: int = 255

    card: ClassVar[Card] = Card(
        title="gradient boosting on histograms (scikit-learn)",
        tasks=("binary", "multiclass", "regression"),
        reads="coded",
        explains="opaque",
        how="importances and Shapley values of the features",
        losses=("log loss, for classes", "squared error, for numbers"),
        limits=(
            "a seventh of the rows is watched to stop early, when the iterations are not given",
            "a column of more than 254 categories is split as a number, frequent ones first",
            "never far beyond the targets that it saw",
        ),
        stops_early=True,
        monotone=True,
        seconds=lambda rows, features, outputs: 0.2 + 150 * max(1, outputs if outputs > 2 else 1) * (2e-4 * features + 4e-9 * rows * features),
        effort=lambda settings: min(settings.iterations, 25 / settings.learning_rate) / 250 * (settings.max_leaf_nodes / 31) ** 0.5,
        memory=lambda rows, features, outputs: 40e6 + 13.0 * rows * features + 40.0 * rows * max(1, outputs),
    )
    space: ClassVar[Space] = {
        "learning_rate": LogUniform(0.01, 0.3),
        "max_leaf_nodes": LogUniform(4, 256, whole=True),
        "min_samples_leaf": LogUniform(2, 200, whole=True),
        "l2": LogUniform(1e-6, 100.0),
        "max_features": Uniform(0.3, 1.0),
    }

    def __post_init__(self) -> None:
        check.whole(1, 1_000_000, iterations=self.iterations, patience=self.patience, min_samples_leaf=self.min_samples_leaf)
        check.number(1e-6, 10.0, learning_rate=self.learning_rate)
        check.whole(2, 131_072, max_leaf_nodes=self.max_leaf_nodes)
        check.whole(0, 1000, max_depth=self.max_depth)
        check.number(0.0, 1e12, l2=self.l2)
        check.number(1e-3, 1.0, max_features=self.max_features)
        check.whole(2, 255, max_bins=self.max_bins)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        from threadpoolctl import threadpool_limits

        rows = labelled(training)
        boosted = Boosted.of(rows)
        if boosted.constant:
            return constantly(average(rows))
        watch = boosted.watched(training, budget)
        aside: dict[str, Any] = {}
        if watch is not None:
            aside = {"X_val": watch[0], "y_val": watch[1], "sample_weight_val": watch[2]}
        sets = few_codes(training, rows.matrix, min(MOST_CATEGORIES, self.max_bins))
        model = self._model(rows, sets, budget.iterations, int(rng.integers(2**31)), constraints(training), watched=watch is not None)
        with threadpool_limits(budget.threads, "openmp"):  # it takes every core otherwise, and its threads spin
            model.fit(rows.matrix, boosted.target, sample_weight=rows.weight, **aside)
        kept = len(model._predictors)
        if watch is not None:  # scikit-learn keeps the trees after the best one as well
            kept = max(1, int(np.argmax(model.validation_score_)))
            del model._predictors[kept:]
        trees = sum(len(each) for each in model._predictors)
        return Fitted(_Predict(model, boosted, budget.threads), _Ship(model, boosted, sets), iterations=kept, notes={"trees": trees})

    def _model(self, rows: Labelled, sets: NDArray[np.bool_], iterations: int | None, seed: int, monotone: list[int] | None, *, watched: bool) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kind = HistGradientBoostingClassifier if rows.classes else HistGradientBoostingRegressor
        return kind(
            learning_rate=self.learning_rate,
            max_iter=iterations or self.iterations,
            max_leaf_nodes=self.max_leaf_nodes,
            max_depth=self.max_depth or None,
            min_samples_leaf=self.min_samples_leaf,
            l2_regularization=self.l2,
            max_features=self.max_features,
            max_bins=self.max_bins,
            monotonic_cst=monotone,
            categorical_features=sets if sets.any() else None,
            early_stopping=watched,
            n_iter_no_change=self.patience,
            tol=0.0,
            random_state=seed,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Predict:
    model: Any
    boosted: Boosted
    threads: int

    def __call__(self, matrix: Matrix) -> Floats:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(self.threads, "openmp"):
            return self.boosted.predictions(self.model.predict_proba if self.boosted.rows.classes else self.model.predict, matrix)


@dataclass(frozen=True, slots=True, eq=False)
class _Ship:
    model: Any
    boosted: Boosted
    sets: NDArray[np.bool_]

    def __call__(self) -> tuple[Step, ...]:
        columns, categories = list(range(len(self.sets))), []
        if self.sets.any():  # the library's own matrix has the categories first, as codes of its own
            columns = [*np.flatnonzero(self.sets).tolist(), *np.flatnonzero(~self.sets).tolist()]
            found = self.model._preprocessor.named_transformers_["encoder"].categories_
            categories = [np.asarray(values, np.float64)[~np.isnan(np.asarray(values, np.float64))] for values in found]
        outputs = self.boosted.rows.outputs
        trees = hist_nodes((tree for each in self.model._predictors for tree in each), outputs, columns=columns, categories=categories)
        return self.boosted.steps(trees, np.asarray(self.model._baseline_prediction, np.float64).reshape(outputs))


LEARNER = HistBoosting
