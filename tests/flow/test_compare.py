"""Runs compared: differences as scikit-learn and the bundles themselves say, what differs and what does not, and runs that cannot be paired."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

import trainwright
from trainwright import flow
from trainwright.cli import main
from trainwright.data import store
from trainwright.plan.read import make_plan
from trainwright.run import Run
from trainwright.stages import forget

pytestmark = pytest.mark.slow
SMALL = {"iterations": 60, "learning_rate": 0.1, "num_leaves": 6}


def train(source: Path, out: Path, learner: str, settings: dict[str, Any] | None = None, **more: Any) -> Run:
    learners = [{"name": f"tabular/{learner}", "settings": settings or {}}]
    plan = {"source": str(source), "candidates": 1, "engine": "inline", "out": str(out), "learners": learners, **more}
    return flow.train(make_plan(plan))


@pytest.fixture(scope="module")
def runs(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    out = tmp_path_factory.mktemp("compared")
    fair = {"source": tables / "fair.csv", "out": out, "target": "affair"}
    return {
        "boosted": train(learner="lightgbm", settings=SMALL, **fair),
        "smaller": train(learner="lightgbm", settings=SMALL | {"num_leaves": 4}, **fair),
        "fewer columns": train(learner="lightgbm", settings=SMALL, drop=["religious"], **fair),
        "other seed": train(learner="lightgbm", settings=SMALL, seed=7, **fair),
        "penguins": train(tables / "penguins.csv", out, "tree", target="species"),
        "penguins again": train(tables / "penguins.csv", out, "tree", {"min_samples_leaf": 25}, target="species"),
    }


def outputs(run: Run, tables: Path, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Truth and probabilities of some rows, from the file itself."""
    raw = pl.read_csv(tables / "fair.csv")[rows.tolist()]
    return (raw["affair"] == "yes").to_numpy(), run.bundle.predict_proba(raw)


def test_pairs_are_the_differences_of_the_bundles_on_the_same_rows(runs: dict[str, Run], tables: Path) -> None:
    compared = trainwright.compare(runs["boosted"], runs["smaller"])
    (scores,) = compared["scores"]
    sealed = store.load(runs["boosted"].folder / "data").splits.sealed
    assert scores["paired"]
    assert scores["rows"] == len(sealed)
    truth, mine = outputs(runs["boosted"], tables, sealed)
    _, theirs = outputs(runs["smaller"], tables, sealed)
    difference = scores["metrics"]["roc_auc"]
    assert difference["value"] == pytest.approx(roc_auc_score(truth, theirs[:, 1]) - roc_auc_score(truth, mine[:, 1]), abs=1e-12)
    assert difference["low"] < difference["value"] < difference["high"]
    assert {"what": "num_leaves", "values": [6, 4]} in compared["winners"]
    assert {row["what"] for row in compared["winners"]} <= {"num_leaves", "iterations used"}
    assert compared["plan"] == compared["data"] == compared["versions"] == []


def test_with_a_column_less_the_pairs_are_the_rows_that_both_sealed(runs: dict[str, Run], tables: Path) -> None:
    compared = trainwright.compare(runs["boosted"], runs["fewer columns"])
    (scores,) = compared["scores"]
    sealed = [set(store.load(runs[name].folder / "data").splits.sealed.tolist()) for name in ("boosted", "fewer columns")]
    both = np.array(sorted(sealed[0] & sealed[1]))
    assert scores["paired"]
    assert scores["rows"] == len(both)
    truth, mine = outputs(runs["boosted"], tables, both)
    _, theirs = outputs(runs["fewer columns"], tables, both)
    value = scores["metrics"]["roc_auc"]["value"]
    assert value == pytest.approx(roc_auc_score(truth, theirs[:, 1]) - roc_auc_score(truth, mine[:, 1]), abs=1e-12)
    assert {"what": "column religious", "values": ["number, feature", "number, set aside"]} in compared["data"]
    assert {"what": "drop", "values": [[], ["religious"]]} in compared["plan"]


def test_other_rows_are_not_paired_and_the_interval_is_that_of_two_samples(runs: dict[str, Run]) -> None:
    (scores,) = trainwright.compare(runs["boosted"], runs["other seed"])["scores"]
    assert not scores["paired"]
    assert "different rows" in scores["why"]
    entries = [runs[name].evidence["metrics"]["roc_auc"] for name in ("boosted", "other seed")]
    difference = scores["metrics"]["roc_auc"]
    assert difference["value"] == pytest.approx(entries[1]["value"] - entries[0]["value"])
    assert difference["high"] - difference["low"] > max(entry["high"] - entry["low"] for entry in entries)


def test_the_nested_design_is_compared_over_its_repeats(runs: dict[str, Run]) -> None:
    first, other = runs["penguins"], runs["penguins again"]
    (scores,) = trainwright.compare(first, other, metric="accuracy")["scores"]
    assert scores["paired"]
    assert next(iter(scores["metrics"])) == "accuracy"
    expected = other.evidence["metrics"]["accuracy"]["value"] - first.evidence["metrics"]["accuracy"]["value"]
    assert scores["metrics"]["accuracy"]["value"] == pytest.approx(expected, abs=1e-12)


def test_a_run_beside_itself_does_not_differ(runs: dict[str, Run], capsys: pytest.CaptureFixture[str]) -> None:
    compared = trainwright.compare(runs["boosted"], runs["boosted"])
    assert all(difference["value"] == 0 for difference in compared["scores"][0]["metrics"].values())
    assert not any(compared[key] for key in ("winners", "plan", "data", "versions", "candidates"))
    assert any("very same model" in note for note in compared["notes"])


def test_without_rows_or_predictions_it_is_said_and_not_paired(runs: dict[str, Run], tmp_path: Path) -> None:
    for damage, says in (("forgotten", "gone"), ("changed", "not those that were recorded")):
        copy = tmp_path / damage
        shutil.copytree(runs["smaller"].folder, copy)
        if damage == "forgotten":
            forget(Run(copy))
            assert not (copy / "predictions.npy").exists()
        else:
            np.save(copy / "predictions.npy", np.load(copy / "predictions.npy") * 0.999)
        (scores,) = trainwright.compare(runs["boosted"], copy)["scores"]
        assert not scores["paired"]
        assert says in scores["why"]
        assert scores["metrics"]["roc_auc"]["value"] is not None


def test_runs_that_learn_different_things_are_not_compared(runs: dict[str, Run]) -> None:
    (scores,) = trainwright.compare(runs["boosted"], runs["penguins"])["scores"]
    assert scores["metrics"] == {}
    assert "task" in scores["why"]


def test_what_a_person_and_a_program_see(runs: dict[str, Run], capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(runs[name].folder) for name in ("boosted", "smaller", "other seed", "penguins")]
    assert main(["compare", *words]) == 0
    told = capsys.readouterr().out
    assert "B against A, pair by pair on the" in told
    assert "C against A, NOT pair by pair: the two were measured on different rows" in told
    assert "D and A are not comparable" in told
    assert max(map(len, told.splitlines())) < 220
    assert main(["compare", *words[:2], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"][0]["paired"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["RUN"], "TW084", "another run"),
        (["RUN", "nowhere"], "TW005", "run folder"),
        (["RUN", "RUN", "--metric", "roc"], "TW013", "roc_auc"),
        ([], "TW007", "compare --help"),
    ],
)
def test_wrong_requests(runs: dict[str, Run], capsys: pytest.CaptureFixture[str], words: list[str], code: str, says: str) -> None:
    given = [str(runs["boosted"].folder) if word == "RUN" else word for word in words]
    assert main(["compare", *given]) == 2
    shown = capsys.readouterr().err
    assert code in shown
    assert says in shown


def test_thresholds_enter_the_comparison_of_answers(tables: Path, tmp_path: Path) -> None:
    """Two runs that differ in the threshold alone: the same probabilities, other answers."""
    fair = {"source": tables / "fair.csv", "out": tmp_path, "target": "affair", "learner": "lightgbm", "settings": SMALL}
    likeliest, moved = train(**fair), train(**fair, threshold="f1")
    (scores,) = trainwright.compare(likeliest, moved)["scores"]
    assert scores["metrics"]["roc_auc"]["value"] == scores["metrics"]["log_loss"]["value"] == 0
    entries = [run.evidence["metrics"]["f1"]["value"] for run in (likeliest, moved)]
    assert scores["metrics"]["f1"]["value"] == pytest.approx(entries[1] - entries[0], abs=1e-12)
    assert entries[1] > entries[0]
    (at,) = moved.evidence["thresholds"]
    assert moved.bundle.threshold == at
    sealed = store.load(moved.folder / "data").splits.sealed
    raw = pl.read_csv(tables / "fair.csv")[sealed.tolist()]
    assert (moved.bundle.predict(raw) == np.where(moved.bundle.predict_proba(raw)[:, 1] >= at, "yes", "no")).all()


def test_rows_of_another_file_are_paired_by_their_numbers_and_it_is_said(runs: dict[str, Run], tables: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(tables / "fair.csv").with_columns(pl.col("age") + 0.5)  # the same people, a column made anew
    frame.write_csv(tmp_path / "fair.csv")
    other = train(tmp_path / "fair.csv", tmp_path / "out", "lightgbm", SMALL, target="affair")
    (scores,) = trainwright.compare(runs["boosted"], other)["scores"]
    assert scores["paired"]
    assert "files differ" in scores["why"]
    assert trainwright.compare(runs["boosted"], runs["smaller"])["scores"][0]["why"] == ""
