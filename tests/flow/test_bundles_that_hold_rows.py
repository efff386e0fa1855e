"""Whole runs of learners that keep training rows: the bundle is marked, everything that people read says so, and it predicts what was tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import trainwright
from trainwright.report.terminal import summary_lines

pytestmark = pytest.mark.slow
SAYS = "holds rows of the training data"


@pytest.fixture
def rings(tmp_path: Path, rng: np.random.Generator) -> pl.DataFrame:
    """What no straight line parts: rings around the middle, and a bent number."""
    x, y = rng.normal(size=(2, 600))
    frame = pl.DataFrame({"x": x.round(4), "y": y.round(4), "ring": np.where(x**2 + y**2 > 1.4, "outer", "inner")})
    frame = frame.with_columns((pl.col("x") * pl.col("y")).round(4).alias("bent"))
    frame.write_csv(tmp_path / "rings.csv")
    return frame


@pytest.mark.parametrize(
    ("learner", "target", "drop", "holds"),
    [
        ({"name": "nearest"}, "bent", "ring", True),
        ({"name": "kernel_svm"}, "ring", "bent", True),
        ({"name": "kernel_svm", "settings": {"exact_rows": 0}}, "ring", "bent", False),
    ],
)
def test_the_mark_is_on_the_bundle_and_in_words(
    rings: pl.DataFrame, tmp_path: Path, learner: dict[str, Any], target: str, drop: str, holds: bool
) -> None:
    run = trainwright.train(
        str(tmp_path / "rings.csv"), target=target, drop=[drop], learners=[learner], candidates=1, out=str(tmp_path), progress=False
    )
    chosen = next(entry for entry in run.leaderboard if entry["chosen"])
    assert chosen["learner"] == f"tabular/{learner['name']}"
    assert chosen["contains_training_rows"] is holds
    assert all(entry["contains_training_rows"] is False for entry in run.leaderboard if entry["baseline"])
    bundle = trainwright.load(run.folder / "bundle")
    assert bundle.manifest["marks"] == {"contains_training_rows": holds}
    for text in ((run.folder / "card.md").read_text(), (run.folder / "report.html").read_text(), " ".join(summary_lines(run.folder))):
        assert (SAYS in " ".join(text.split())) is holds
    rows = rings.drop(target, drop)
    said = bundle.predict(rows)
    if target == "ring":
        assert np.mean(np.asarray(said) == rings[target].to_numpy()) > 0.95
    else:
        assert np.corrcoef(np.asarray(said, float), rings[target].to_numpy())[0, 1] > 0.9
    np.testing.assert_allclose(bundle.outputs([rows.row(0, named=True)])[0], bundle.outputs(rows)[0], rtol=1e-9)
