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
QUICK = {"learning_rate": 0.1, "iterations": 500, "patience": 30}  # something strong early, also where a fit takes long
SLOW = {"learning_rate": 0.03, "iterations": 3000}  # smaller steps, more of them

# Each line: the learner, then what differs from its defaults.
CLASSES: tuple[tuple[str, dict[str, Any]], ...] = (
    (BOOSTING, QUICK),
    (BOOSTING, {**SLOW, "num_leaves": 15, "bagging_fraction": 0.8, "feature_fraction": 0.6, "lambda_l2": 1.0}),
    (FOREST, {}),
    (EXTRA, {}),
    ("tabular/logistic", {"strength": 0.1}),
    (BOOSTING, {"num_leaves": 63, "min_data_in_leaf": 10, "bagging_fraction": 0.9, "feature_fraction": 0.5, "lambda_l2": 5.0}),
    ("tabular/logistic", {"penalty": "l1", "strength": 0.3}),
    (BOOSTING, {**SLOW, "num_leaves": 7, "min_data_in_leaf": 10, "bagging_fraction": 0.7, "feature_fraction": 0.5, "lambda_l2": 0.1}),
    (EXTRA, {"max_features": 0.5, "min_samples_leaf": 2}),
    (BOOSTING, {**SLOW, "num_leaves": 127, "min_data_in_leaf": 40, "bagging_fraction": 0.8, "feature_fraction": 0.4, "lambda_l2": 10.0}),
    (FOREST, {"min_samples_leaf": 1, "max_features": 0.3}),
    ("tabular/logistic", {"strength": 10.0}),
    (BOOSTING, {**SLOW, "num_leaves": 4, "min_data_in_leaf": 5, "bagging_fraction": 0.8, "feature_fraction": 0.8}),
    ("tabular/tree", {"min_samples_leaf": 20, "max_depth": 6}),
    (
        BOOSTING,
        {**SLOW, "num_leaves": 31, "min_data_in_leaf": 5, "bagging_fraction": 0.7, "feature_fraction": 0.7, "lambda_l1": 1.0, "lambda_l2": 1.0},
    ),
    (BOOSTING, {**SLOW, "num_leaves": 31, "min_data_in_leaf": 5, "extra_trees": True, "feature_fraction": 0.7, "lambda_l2": 1.0}),
    (BOOSTING, {**SLOW, "num_leaves": 255, "min_data_in_leaf": 20, "bagging_fraction": 0.9, "feature_fraction": 0.3, "lambda_l2": 20.0}),
    (BOOSTING, {"learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 50, "lambda_l2": 10.0}),
    (BOOSTING, {**SLOW, "num_leaves": 31, "min_data_in_leaf": 100, "bagging_fraction": 0.6, "feature_fraction": 0.4, "lambda_l2": 1.0}),
    ("tabular/logistic", {"penalty": "elasticnet", "strength": 3.0}),
)

NUMBER: tuple[tuple[str, dict[str, Any]], ...] = (
    (BOOSTING, QUICK),
    (BOOSTING, {**SLOW, "min_data_in_leaf": 10, "bagging_fraction": 0.8, "feature_fraction": 0.6, "lambda_l2": 1.0}),
    (FOREST, {}),
    (EXTRA, {}),
    ("tabular/linear", {"penalty": "l2", "strength": 0.1}),
    (BOOSTING, {"num_leaves": 127, "min_data_in_leaf": 20, "bagging_fraction": 0.8, "feature_fraction": 0.5, "lambda_l2": 5.0}),
    (BOOSTING, {**SLOW, "num_leaves": 7, "min_data_in_leaf": 5, "bagging_fraction": 0.7, "feature_fraction": 0.6, "lambda_l2": 0.1}),
    (EXTRA, {"max_features": 0.6, "min_samples_leaf": 1}),
    (
        BOOSTING,
        {**SLOW, "num_leaves": 63, "min_data_in_leaf": 5, "bagging_fraction": 0.9, "feature_fraction": 0.8, "lambda_l1": 1.0, "lambda_l2": 1.0},
    ),
    ("tabular/linear", {"penalty": "l1", "strength": 0.01}),
    (BOOSTING, {**SLOW, "num_leaves": 255, "min_data_in_leaf": 40, "bagging_fraction": 0.8, "feature_fraction": 0.5, "lambda_l2": 10.0}),
    (FOREST, {"min_samples_leaf": 1, "max_features": 0.6}),
    ("tabular/linear", {"penalty": "elasticnet", "strength": 0.01}),
    ("tabular/tree", {"min_samples_leaf": 20, "max_depth": 8}),
    (BOOSTING, {**SLOW, "num_leaves": 15, "min_data_in_leaf": 10, "bagging_fraction": 0.6, "feature_fraction": 0.8}),
    (BOOSTING, {**SLOW, "num_leaves": 31, "min_data_in_leaf": 5, "extra_trees": True, "feature_fraction": 0.9}),
    (BOOSTING, {"learning_rate": 0.1, "num_leaves": 63, "lambda_l2": 10.0}),
    (BOOSTING, {**SLOW, "num_leaves": 63, "min_data_in_leaf": 20, "bagging_fraction": 0.6, "feature_fraction": 0.4, "lambda_l2": 1.0}),
)


def portfolio(output: str) -> list[LearnerChoice]:
    """The fixed configurations for tasks whose output is `classes` or `number`, the likeliest winners first."""
    return [LearnerChoice(name=name, settings=settings) for name, settings in (CLASSES if output == "classes" else NUMBER)]
