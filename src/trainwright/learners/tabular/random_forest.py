"""A random forest, by scikit-learn: the mean of many deep trees, each grown on rows drawn with replacement, each question on few features.

Takes    X (rows, features) float32 without gaps; y class numbers or values; weights.
Gives    the mean over trees of the leaf's class shares (rows, classes), or of its mean (rows, 1).
Cost     trees·rows·log(rows)·(features tried) time; the model grows with trees·rows / min_samples_leaf.
Source   Breiman (2001), Machine Learning 45(1), 5-32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trainwright.learners import settings as check
from trainwright.learners.forests import deepest, fitted
from trainwright.learners.interface import Budget, Card, Fitted, LogUniform, Space, Training, Uniform
from trainwright.learners.rows import average, constantly, labelled


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomForest:
    trees: int = 100
    max_depth: int = 0  # questions from root to leaf; 0: no limit
    min_samples_leaf: int = 3  # rows
    max_leaf_nodes: int = 2048  # of one tree: what ships grows with it, some 65 bytes a leaf; 0: no limit
    max_features: float = 0.0  # share of the features tried at each question; 0: the square root of their number (classes), a third (numbers)
    max_samples: float = 1.0  # rows drawn for each tree, as a share of all

    card: ClassVar[Card] = Card(
        title="random forest",
        tasks=("binary", "multiclass", "regression"),
        reads="filled",
        explains="opaque",
        how="importances of the features",
        losses=("Gini impurity, for classes", "squared error, for numbers"),
        limits=("at most 2,048 leaves in a tree unless asked otherwise", "never beyond the targets that it saw"),
        seconds=lambda rows, features, outputs: 0.3 + 100 * 1e-8 * rows * np.sqrt(features) * np.log2(rows + 2),
        effort=lambda settings: settings.trees / 100 * (1.0 if settings.max_features == 0 else 1.5),
        memory=lambda rows, features, outputs: 4.0 * rows * features + 100 * 30.0 * rows * max(1, outputs) / 3,
    )
    space: ClassVar[Space] = {
        "min_samples_leaf": LogUniform(1, 50, whole=True),
        "max_features": Uniform(0.1, 1.0),
        "max_samples": Uniform(0.4, 1.0),
    }

    def __post_init__(self) -> None:
        check.whole(1, 100_000, trees=self.trees)
        check.whole(0, 1000, max_depth=self.max_depth)
        check.whole(0, 100_000_000, max_leaf_nodes=self.max_leaf_nodes)
        check.whole(1, 10_000_000, min_samples_leaf=self.min_samples_leaf)
        check.number(0.0, 1.0, max_features=self.max_features)
        check.number(1e-6, 1.0, max_samples=self.max_samples)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        rows = labelled(training)
        if rows.constant:
            return constantly(average(rows))
        kind = RandomForestClassifier if rows.classes else RandomForestRegressor
        model = kind(
            n_estimators=budget.iterations or self.trees,
            max_depth=deepest(self.max_depth),
            min_samples_leaf=self.min_samples_leaf,
            max_leaf_nodes=self.max_leaf_nodes or None,
            max_features=self.max_features or ("sqrt" if rows.classes else 1 / 3),
            max_samples=None if self.max_samples == 1.0 else self.max_samples,
            n_jobs=budget.threads,
            random_state=int(rng.integers(2**31)),
        )
        model.fit(rows.matrix, rows.labels if rows.classes else rows.target, sample_weight=rows.weight)
        model.n_jobs = 1  # several threads add the trees up in whatever order they end: the last digit would change
        return fitted(model, model.estimators_, rows)


LEARNER = RandomForest
