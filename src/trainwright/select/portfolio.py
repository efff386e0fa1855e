"""The candidates that are tried, in order: strong fixed configurations, the likeliest winners first.

The order is a judgement from the field's benchmarks (boosting first, then forests, then regularised linear models, then
variations of the boosting), not learned from data; a learned portfolio may replace it. Settings are data, so that a plan
can name any of them.
"""

from __future__ import annotations

from typing import Any

from trainwright.plan.model import LearnerChoice

BOOSTING = "tabular/lightgbm"
FOREST, EXTRA = "tabular/random_forest", "tabular/extra_trees"

# Each line: the learner, then what differs from its defaults.
CLASSES: tuple[tuple[str, dict[str, Any]], ...] = (
    (BOOSTING, {}),
    (BOOSTING, {"learning_rate": 0.03, "leaves": 15, "min_leaf_rows": 20, "row_share": 0.8, "feature_share": 0.6, "l2": 1.0}),
    (FOREST, {}),
    (EXTRA, {}),
    ("tabular/logistic", {"penalty": "l2", "strength": 10.0}),
    (BOOSTING, {"learning_rate": 0.05, "leaves": 63, "min_leaf_rows": 10, "row_share": 0.9, "feature_share": 0.5, "l2": 5.0}),
    ("tabular/logistic", {"penalty": "l1", "strength": 3.0}),
    (BOOSTING, {"learning_rate": 0.03, "leaves": 7, "min_leaf_rows": 10, "row_share": 0.7, "feature_share": 0.5, "l2": 0.1}),
    (EXTRA, {"feature_share": 0.5, "min_leaf_rows": 2}),
    (BOOSTING, {"learning_rate": 0.03, "leaves": 127, "min_leaf_rows": 40, "row_share": 0.8, "feature_share": 0.4, "l2": 10.0}),
    (FOREST, {"min_leaf_rows": 5, "feature_share": 0.5}),
    ("tabular/logistic", {"penalty": "elasticnet", "strength": 10.0}),
    (BOOSTING, {"learning_rate": 0.02, "leaves": 4, "min_leaf_rows": 5, "row_share": 0.8, "feature_share": 0.8}),
    ("tabular/tree", {"min_leaf_rows": 20, "depth": 6}),
    (BOOSTING, {"learning_rate": 0.02, "leaves": 31, "min_leaf_rows": 5, "row_share": 0.7, "feature_share": 0.7, "l1": 1.0, "l2": 1.0}),
    (BOOSTING, {"learning_rate": 0.02, "leaves": 255, "min_leaf_rows": 20, "row_share": 0.9, "feature_share": 0.3, "l2": 20.0}),
    ("tabular/logistic", {"penalty": "l2", "strength": 100.0}),
    (BOOSTING, {"learning_rate": 0.1, "leaves": 15, "min_leaf_rows": 50, "row_share": 1.0, "feature_share": 1.0, "l2": 10.0}),
    (BOOSTING, {"learning_rate": 0.015, "leaves": 31, "min_leaf_rows": 100, "row_share": 0.6, "feature_share": 0.4, "l2": 1.0}),
)

NUMBER: tuple[tuple[str, dict[str, Any]], ...] = (
    (BOOSTING, {}),
    (BOOSTING, {"learning_rate": 0.03, "leaves": 31, "min_leaf_rows": 10, "row_share": 0.8, "feature_share": 0.6, "l2": 1.0}),
    (FOREST, {}),
    (EXTRA, {}),
    ("tabular/linear", {"penalty": "l2", "strength": 10.0}),
    (BOOSTING, {"learning_rate": 0.03, "leaves": 127, "min_leaf_rows": 20, "row_share": 0.8, "feature_share": 0.5, "l2": 5.0}),
    (BOOSTING, {"learning_rate": 0.03, "leaves": 7, "min_leaf_rows": 5, "row_share": 0.7, "feature_share": 0.6, "l2": 0.1}),
    (EXTRA, {"feature_share": 0.5, "min_leaf_rows": 2}),
    ("tabular/linear", {"penalty": "l1", "strength": 0.01}),
    (BOOSTING, {"learning_rate": 0.02, "leaves": 255, "min_leaf_rows": 40, "row_share": 0.8, "feature_share": 0.5, "l2": 10.0}),
    (FOREST, {"min_leaf_rows": 5, "feature_share": 0.5}),
    ("tabular/linear", {"penalty": "elasticnet", "strength": 0.01}),
    (BOOSTING, {"learning_rate": 0.02, "leaves": 63, "min_leaf_rows": 5, "row_share": 0.9, "feature_share": 0.8, "l1": 1.0, "l2": 1.0}),
    ("tabular/tree", {"min_leaf_rows": 20, "depth": 8}),
    (BOOSTING, {"learning_rate": 0.02, "leaves": 15, "min_leaf_rows": 10, "row_share": 0.6, "feature_share": 0.8}),
    (BOOSTING, {"learning_rate": 0.1, "leaves": 63, "min_leaf_rows": 20, "row_share": 1.0, "feature_share": 1.0, "l2": 10.0}),
    (BOOSTING, {"learning_rate": 0.015, "leaves": 63, "min_leaf_rows": 20, "row_share": 0.6, "feature_share": 0.4, "l2": 1.0}),
)


def portfolio(output: str) -> list[LearnerChoice]:
    """The fixed configurations for tasks whose output is `classes` or `number`, the likeliest winners first."""
    return [LearnerChoice(name=name, settings=settings) for name, settings in (CLASSES if output == "classes" else NUMBER)]
