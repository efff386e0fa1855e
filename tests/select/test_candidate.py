"""One candidate's job: what it predicts out of fold was learned without the rows that it predicts, transforms and all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from trainwright.data import store
from trainwright.data.dataset import Dataset
from trainwright.data.read import look_at
from trainwright.plan.read import make_plan
from trainwright.select.candidate import PREDICTIONS, evaluate


def evaluated(
    dataset: Dataset, folder: Path, learner: str, settings: dict[str, Any], metric: str, *, balance: str = "none", threshold: str = "likeliest"
) -> tuple[dict[str, Any], np.ndarray]:
    store.save(dataset, folder / "data")
    result = evaluate(
        data=str(folder / "data"),
        folder=str(folder),
        number=3,
        learner=learner,
        settings=settings,
        balance=balance,
        threshold=threshold,
        metric=metric,
        seed=0,
        threads=1,
    )
    return result, np.load(folder / PREDICTIONS)


def test_out_of_fold_predictions_are_those_of_scikit_learn_fitted_on_the_other_folds(tmp_path: Path, rng: np.random.Generator) -> None:
    count = 800
    x = rng.normal(size=(count, 3))
    target = x @ [1.0, -2.0, 0.5] + rng.normal(size=count)
    x[rng.random((count, 3)) < 0.2] = np.nan
    frame = pl.DataFrame({**{f"x{index}": x[:, index] for index in range(3)}, "y": target}).with_columns(pl.col(pl.Float64).fill_nan(None))
    dataset = look_at(make_plan({"target": "y"}), frame)
    assert dataset.splits.design == "sealed"
    result, predictions = evaluated(dataset, tmp_path, "tabular/linear", {"penalty": "none"}, "rmse")
    for fold in dataset.splits.folds:
        features = make_union(make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), MissingIndicator(features="all"))
        model = make_pipeline(features, LinearRegression()).fit(x[fold.train], target[fold.train])
        np.testing.assert_allclose(predictions[0, fold.test, 0], model.predict(x[fold.test]), atol=1e-4)
    tested = np.concatenate([fold.test for fold in dataset.splits.folds])
    assert np.isnan(predictions[0, dataset.splits.sealed]).all()  # nobody predicted, nor learned from, a sealed row
    assert result["score"] == pytest.approx(np.sqrt(np.mean((predictions[0, tested, 0] - target[tested]) ** 2)), rel=1e-12)


@pytest.mark.parametrize("rows", [300, 3000])  # nested, sealed
@pytest.mark.parametrize("learner", ["tabular/tree", "tabular/random_forest", "tabular/lightgbm"])
def test_noise_is_not_learned(tmp_path: Path, rng: np.random.Generator, rows: int, learner: str) -> None:
    frame = pl.DataFrame({f"x{index}": rng.normal(size=rows) for index in range(4)} | {"y": rng.choice(["a", "b"], size=rows)})
    dataset = look_at(make_plan({"target": "y"}), frame)
    settings = {"tabular/tree": {"max_depth": 0, "min_samples_leaf": 1}, "tabular/random_forest": {"trees": 20}}.get(learner, {"iterations": 30})
    result, predictions = evaluated(dataset, tmp_path, learner, settings, "roc_auc")
    assert abs(result["score"] - 0.5) < 0.1  # a model that saw the rows it predicts would come near 1
    assert all(abs(inner - 0.5) < 0.15 for inner in result["inner"])
    assert len(result["inner"]) == (len(dataset.splits.folds) if dataset.splits.design == "nested" else 0)
    known = ~np.isnan(predictions[0, :, 0])
    assert dataset.target is not None
    repeats = [roc_auc_score(dataset.target[known], predictions[repeat, known, 1]) for repeat in range(len(predictions))]
    assert result["score"] == pytest.approx(np.mean(repeats), abs=1e-12)


def test_the_same_job_gives_the_same_bytes(tmp_path: Path, rng: np.random.Generator) -> None:
    frame = pl.DataFrame({f"x{index}": rng.normal(size=300) for index in range(4)} | {"y": rng.choice(["a", "b"], size=300)})
    dataset = look_at(make_plan({"target": "y"}), frame)
    first, _ = evaluated(dataset, tmp_path / "first", "tabular/lightgbm", {"iterations": 20}, "roc_auc")
    second, _ = evaluated(dataset, tmp_path / "second", "tabular/lightgbm", {"iterations": 20}, "roc_auc")
    assert first["predictions"] == second["predictions"]
