"""Gradient boosting, by CatBoost: symmetric trees, in which all nodes of one depth ask the same question.

Takes    X (rows, features) float32 without gaps, y; weights; watch rows. Few categories come one-hot and many as ranks by frequency, by our own
         recipe. The library's own way with categories (means of the target over rows before, in a random order) would have to ship as tables of
         hashed words that no graph can hold, and says other things of a training row than of the same row when serving.
Gives    probabilities (rows, classes), or one number (rows, 1). Loss: log loss, or squared error.
Stops    on watch rows, when their loss has not fallen for `patience` trees; the best number of trees is kept. `budget.iterations` replaces that.
Cost     iterations·rows·features time (bins are counted), rows·features bytes. The same bytes for the same seed and number of threads.
Source   Prokhorenkova et al. (2018), NeurIPS 31.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from trainwright.errors import need
from trainwright.learners import settings as check
from trainwright.learners.boosted import Boosted, catboost_nodes, catboost_start
from trainwright.learners.interface import Budget, Card, Fitted, LogUniform, Space, Training, Uniform
from trainwright.learners.rows import Labelled, average, constantly, constraints, labelled
from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import Step

OWN = ("learning_rate", "depth", "l2_leaf_reg", "random_strength", "subsample", "rsm", "border_count")  # CatBoost knows them by the same name


@dataclass(frozen=True, slots=True, kw_only=True)
class CatBoost:
    iterations: int = 1000  # trees, at most
    patience: int = 50  # trees without a better loss on the watch rows
    learning_rate: float = 0.05
    depth: int = 6
    l2_leaf_reg: float = 3.0  # penalty per squared leaf
    random_strength: float = 1.0  # noise in the scores of splits, less from tree to tree
    subsample: float = 0.8  # share of the rows drawn for each tree, those with large gradients first
    rsm: float = 1.0  # share of the features drawn for each split
    border_count: int = 254

    card: ClassVar[Card] = Card(
        title="gradient boosting of symmetric trees (CatBoost)",
        tasks=("binary", "multiclass", "regression"),
        reads="filled",
        explains="opaque",
        how="importances and Shapley values of the features",
        losses=("log loss, for classes", "squared error, for numbers"),
        limits=(
            "a seventh of the rows is watched to stop early, when the iterations are not given",
            "categories are one-hot or ranks by frequency, not CatBoost's own target statistics, which could not ship as data",
            "never far beyond the targets that it saw",
        ),
        extra="boost",
        package="catboost",
        stops_early=True,
        monotone=True,
        seconds=lambda rows, features, outputs: 1.0 + 400 * max(1, outputs if outputs > 2 else 1) * (1.5e-4 + 7.5e-9 * rows) * features,
        effort=lambda settings: min(settings.iterations, 30 / settings.learning_rate) / 600 * 2.0 ** (0.5 * (settings.depth - 6)),
        memory=lambda rows, features, outputs: 140e6 + (2.5e5 + 9.0 * rows) * features + 40.0 * rows * max(1, outputs),
    )
    space: ClassVar[Space] = {
        "learning_rate": LogUniform(0.01, 0.3),
        "depth": Uniform(3, 10, whole=True),
        "l2_leaf_reg": LogUniform(0.1, 30.0),
        "random_strength": LogUniform(0.01, 10.0),
        "subsample": Uniform(0.5, 1.0),
        "rsm": Uniform(0.3, 1.0),
    }

    def __post_init__(self) -> None:
        check.whole(1, 1_000_000, iterations=self.iterations, patience=self.patience)
        check.number(1e-6, 1.0, learning_rate=self.learning_rate)
        check.whole(1, 16, depth=self.depth)
        check.number(0.0, 1e12, l2_leaf_reg=self.l2_leaf_reg, random_strength=self.random_strength)
        check.number(1e-3, 1.0, subsample=self.subsample, rsm=self.rsm)
        check.whole(1, 65_535, border_count=self.border_count)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        library = need("catboost", extra="boost", to="train CatBoost")
        rows = labelled(training)
        boosted = Boosted.of(rows)
        if boosted.constant or not _varies(rows.matrix):
            return constantly(average(rows))
        made = library.Pool(rows.matrix, boosted.target, weight=rows.weight, thread_count=budget.threads)
        stop: dict[str, Any] = {}
        if (seen := boosted.watched(training, budget)) is not None:
            aside = library.Pool(seen[0], seen[1], weight=seen[2], thread_count=budget.threads)
            stop = {"eval_set": aside, "early_stopping_rounds": self.patience, "use_best_model": True}
        model = library.CatBoost(self._parameters(rows, budget, int(rng.integers(2**31)), constraints(training)))
        model.fit(made, **stop)
        kept = int(model.tree_count_)
        return Fitted(_Predict(model, boosted, budget.threads), _Ship(model, boosted), iterations=max(1, kept), notes={"trees": kept})

    def _parameters(self, rows: Labelled, budget: Budget, seed: int, monotone: list[int] | None) -> dict[str, Any]:
        task: dict[str, Any] = {"loss_function": "RMSE"}
        if rows.classes:
            task = {"loss_function": "Logloss"} if rows.outputs == 1 else {"loss_function": "MultiClass", "classes_count": rows.outputs}
        return {
            **task,
            **({"monotone_constraints": monotone} if monotone else {}),
            **{name: getattr(self, name) for name in OWN},
            "iterations": budget.iterations or self.iterations,
            "bootstrap_type": "MVS",
            "boosting_type": "Plain",
            "grow_policy": "SymmetricTree",
            "random_seed": seed,
            "thread_count": budget.threads,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }


def _varies(matrix: Matrix) -> bool:
    """Whether any feature tells two rows apart, a gap from a value too: CatBoost refuses rows without."""
    low, high = np.fmin.reduce(matrix, axis=0), np.fmax.reduce(matrix, axis=0)  # NaN where there is no value
    return bool(((low < high) | (~np.isnan(low) & np.isnan(matrix).any(axis=0))).any())


@dataclass(frozen=True, slots=True, eq=False)
class _Predict:
    model: Any
    boosted: Boosted
    threads: int

    def __call__(self, matrix: Matrix) -> Floats:
        kind = "Probability" if self.boosted.rows.classes else "RawFormulaVal"
        return self.boosted.predictions(lambda given: self.model.predict(given, prediction_type=kind, thread_count=self.threads), matrix)


@dataclass(frozen=True, slots=True, eq=False)
class _Ship:
    model: Any
    boosted: Boosted

    def __call__(self) -> tuple[Step, ...]:
        with tempfile.TemporaryDirectory() as folder:  # the library gives its trees as a file, and in no other way
            path = Path(folder) / "model.json"
            self.model.save_model(str(path), format="json")
            model = json.loads(path.read_bytes())
        return self.boosted.steps(catboost_nodes(model), catboost_start(model))


LEARNER = CatBoost
