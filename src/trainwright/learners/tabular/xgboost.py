"""Gradient boosting, by XGBoost: many small trees, each fitted to what the ones before got wrong, by second derivatives.

Takes    X (rows, features) float32, NaN where missing; features of kind "code" are split by sets of categories; y; weights; watch rows.
         Categories go in by code, not one-hot: the library splits them by sets, our writer writes sets, and the matrix stays narrow.
Gives    probabilities (rows, classes), or one number (rows, 1). Loss: log loss, or squared error.
Stops    on watch rows, when their loss has not fallen for `patience` trees; the best number of trees is kept. `budget.iterations` replaces that.
Cost     iterations·rows·features time (bins are counted), rows·features bytes. The same bytes for the same seed and number of threads.
Source   Chen & Guestrin (2016), KDD 785-794.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trainwright.errors import need
from trainwright.learners import settings as check
from trainwright.learners.boosted import Boosted, xgboost_nodes, xgboost_start
from trainwright.learners.interface import Budget, Card, Fitted, LogUniform, Space, Training, Uniform
from trainwright.learners.rows import Labelled, average, constantly, constraints, few_codes, labelled
from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import Step

MOST_CATEGORIES = 254  # of one feature that is split by sets; more are split as numbers: codes go from frequent to rare
OWN = (  # settings that XGBoost knows by the same name and meaning
    *("learning_rate", "max_depth", "max_leaves", "min_child_weight", "min_split_loss", "subsample", "colsample_bytree"),
    *("reg_lambda", "reg_alpha", "max_bin", "max_cat_to_onehot", "max_cat_threshold"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoost:
    iterations: int = 1000  # trees (for each class), at most
    patience: int = 50  # trees without a better loss on the watch rows
    learning_rate: float = 0.05
    max_depth: int = 6  # 0: no limit
    max_leaves: int = 0  # 0: no limit
    min_child_weight: float = 1.0  # sum of second derivatives in a leaf: for numbers, rows
    min_split_loss: float = 0.0
    subsample: float = 1.0  # share of the rows drawn for each tree
    colsample_bytree: float = 1.0  # share of the features drawn for each tree
    reg_lambda: float = 1.0  # penalty per squared leaf
    reg_alpha: float = 0.0  # penalty per absolute leaf
    max_bin: int = 256
    max_cat_to_onehot: int = 4  # up to so many categories, one against the others
    max_cat_threshold: int = 64  # categories looked at in one set

    card: ClassVar[Card] = Card(
        title="gradient boosting (XGBoost)",
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
        extra="boost",
        package="xgboost",
        stops_early=True,
        monotone=True,
        seconds=lambda rows, features, outputs: 1.5 + 250 * max(1, outputs if outputs > 2 else 1) * (3e-4 * features + 4e-9 * rows * features),
        effort=lambda settings: min(settings.iterations, 25 / settings.learning_rate) / 500 * 2.0 ** (0.5 * (min(settings.max_depth or 10, 10) - 6)),
        memory=lambda rows, features, outputs: 170e6 + (2.7e5 + 6.0 * rows) * features + 40.0 * rows * max(1, outputs),
    )
    space: ClassVar[Space] = {
        "learning_rate": LogUniform(0.01, 0.3),
        "max_depth": Uniform(3, 10, whole=True),
        "min_child_weight": LogUniform(0.1, 100.0),
        "subsample": Uniform(0.5, 1.0),
        "colsample_bytree": Uniform(0.3, 1.0),
        "reg_lambda": LogUniform(1e-3, 100.0),
        "reg_alpha": LogUniform(1e-6, 10.0),
    }

    def __post_init__(self) -> None:
        check.whole(1, 1_000_000, iterations=self.iterations, patience=self.patience)
        check.whole(1, 1_000_000, max_cat_to_onehot=self.max_cat_to_onehot, max_cat_threshold=self.max_cat_threshold)
        check.number(1e-6, 10.0, learning_rate=self.learning_rate)
        check.whole(0, 30, max_depth=self.max_depth)
        check.whole(0, 131_072, max_leaves=self.max_leaves)
        check.number(0.0, 1e12, min_child_weight=self.min_child_weight, min_split_loss=self.min_split_loss)
        check.number(0.0, 1e12, reg_lambda=self.reg_lambda, reg_alpha=self.reg_alpha)
        check.number(1e-3, 1.0, subsample=self.subsample, colsample_bytree=self.colsample_bytree)
        check.whole(2, 65_535, max_bin=self.max_bin)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        library = need("xgboost", extra="boost", to="train XGBoost")
        rows = labelled(training)
        boosted = Boosted.of(rows)
        if boosted.constant:
            return constantly(average(rows))
        asked = self._parameters(rows, budget, int(rng.integers(2**31)), constraints(training))
        sets = few_codes(training, rows.matrix, MOST_CATEGORIES)
        like: dict[str, Any] = {"feature_types": np.where(sets, "c", "q").tolist(), "enable_categorical": True, "nthread": budget.threads}
        made = library.QuantileDMatrix(rows.matrix, boosted.target, weight=rows.weight, max_bin=self.max_bin, **like)
        stop: dict[str, Any] = {}
        if (seen := boosted.watched(training, budget)) is not None:
            aside = library.DMatrix(seen[0], seen[1], weight=seen[2], **like)
            stop = {"evals": [(aside, "watch")], "early_stopping_rounds": self.patience, "verbose_eval": False}
        booster = library.train(asked, made, num_boost_round=budget.iterations or self.iterations, **stop)
        kept = booster.best_iteration + 1 if stop else booster.num_boosted_rounds()
        booster = booster[:kept]
        booster.set_param({"nthread": budget.threads})
        return Fitted(_Predict(booster, boosted), _Ship(booster, boosted), iterations=kept, notes={"trees": kept * rows.outputs})

    def _parameters(self, rows: Labelled, budget: Budget, seed: int, monotone: list[int] | None) -> dict[str, Any]:
        task = {"objective": "reg:squarederror", "eval_metric": "rmse"}
        if rows.classes:
            task = {"objective": "binary:logistic", "eval_metric": "logloss"}
            if rows.outputs > 1:
                task = {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": str(rows.outputs)}
        return {
            **task,
            **({"monotone_constraints": "(" + ",".join(map(str, monotone)) + ")"} if monotone else {}),
            **{name: getattr(self, name) for name in OWN},
            "tree_method": "hist",
            "seed": seed,
            "nthread": budget.threads,
            "verbosity": 0,
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Predict:
    booster: Any
    boosted: Boosted

    def __call__(self, matrix: Matrix) -> Floats:
        return self.boosted.predictions(self._given, matrix)

    def _given(self, matrix: Matrix) -> Floats:
        given = np.asarray(self.booster.inplace_predict(matrix), np.float64)
        return given / given.sum(axis=1, keepdims=True) if given.ndim > 1 and given.shape[1] > 1 else given  # the library's are float32


@dataclass(frozen=True, slots=True, eq=False)
class _Ship:
    booster: Any
    boosted: Boosted

    def __call__(self) -> tuple[Step, ...]:
        model = json.loads(bytes(self.booster.save_raw("json")))
        return self.boosted.steps(xgboost_nodes(model), xgboost_start(model, self.boosted.rows.outputs))


LEARNER = XGBoost
