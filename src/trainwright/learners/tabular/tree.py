"""A decision tree, by scikit-learn: yes-or-no questions about single features, one after another.

Takes    X (rows, features) float32 without gaps; y class numbers or values; weights.
Gives    shares of the classes (rows, classes), or the mean (rows, 1), of the training rows at the leaf.
Cost     rows·log(rows)·features time.
Source   Breiman, Friedman, Olshen & Stone (1984), Classification and Regression Trees.
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
class Tree:
    max_depth: int = 6  # questions from root to leaf; 0: no limit
    min_samples_leaf: int = 10  # rows
    min_impurity_decrease: float = 0.0  # what a question must gain, in the unit of the impurity
    pruning: float = 0.0  # cost of a leaf (cost-complexity pruning), in the unit of the impurity

    card: ClassVar[Card] = Card(
        title="decision tree",
        tasks=("binary", "multiclass", "regression"),
        reads="filled",
        explains="glass-box",
        how="a tree of questions",
        losses=("Gini impurity, for classes", "squared error, for numbers"),
        limits=("predicts steps, not slopes", "never beyond the targets that it saw"),
        seconds=lambda rows, features, outputs: 5e-3 + 2e-8 * rows * features * np.log2(rows + 2),
        memory=lambda rows, features, outputs: 8.0 * rows * features + 64.0 * rows,
    )
    space: ClassVar[Space] = {
        "max_depth": Uniform(2, 12, whole=True),
        "min_samples_leaf": LogUniform(2, 200, whole=True),
        "pruning": LogUniform(1e-6, 1e-2),
    }

    def __post_init__(self) -> None:
        check.whole(0, 1000, max_depth=self.max_depth)
        check.whole(1, 10_000_000, min_samples_leaf=self.min_samples_leaf)
        check.number(0.0, 1e12, min_impurity_decrease=self.min_impurity_decrease, pruning=self.pruning)

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        rows = labelled(training)
        if rows.constant:
            return constantly(average(rows))
        kind = DecisionTreeClassifier if rows.classes else DecisionTreeRegressor
        model = kind(
            max_depth=deepest(self.max_depth),
            min_samples_leaf=self.min_samples_leaf,
            min_impurity_decrease=self.min_impurity_decrease,
            ccp_alpha=self.pruning,
            random_state=int(rng.integers(2**31)),  # the order in which equal splits are tried
        )
        model.fit(rows.matrix, rows.labels if rows.classes else rows.target, sample_weight=rows.weight)
        return fitted(model, [model], rows)


LEARNER = Tree
