"""Whole runs on a cleaned table: the bundle reads variants as training did, the evidence says what was done, and the run can be had again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import trainwright
from trainwright import flow
from trainwright.errors import Interrupted
from trainwright.plan.read import make_plan
from trainwright.run import Run
from trainwright.stages import Progress

pytestmark = pytest.mark.slow

ROWS = 1200
CLEAN = [
    {"do": "merge", "column": "town", "rule": ["casefold", "accents", "blanks"], "because": "spellings"},
    {"do": "merge", "column": "town", "words": {"cgn": "Köln"}, "because": "an abbreviation"},
    {"do": "cap", "column": "dose", "low": 0, "high": 10, "because": "typing errors"},
    {"do": "drop duplicates", "because": "TW120 Duplicate rows"},
    {"do": "weight", "because": "TW195 as stated"},
]
SHARES = {"sex": {"f": 0.5, "m": 0.5}}


def frame() -> pl.DataFrame:
    rng = np.random.default_rng(2)
    town = rng.choice(["Berlin", "berlin", "BERLIN ", "Köln", "koln", "CGN", "Rome"], ROWS)
    folded = np.char.lower(np.char.strip(town))
    west = np.isin(folded, ["köln", "koln", "cgn"])
    dose = np.round(rng.gamma(2.0, 2.0, ROWS), 2)
    dose[::97] *= 1000
    y = np.where(west + 0.2 * np.minimum(dose, 10) + rng.normal(0, 0.7, ROWS) > 1.2, "yes", "no")
    data = pl.DataFrame({"town": town, "dose": dose, "sex": rng.choice(["f", "m"], ROWS, p=[0.25, 0.75]), "y": y})
    return pl.concat([data, data[:50]])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("cleaned")
    return trainwright.train(
        frame(), target="y", clean=CLEAN, population=SHARES, learners=["tree", "logistic"], candidates=2, out=out, progress=False
    )


def test_served_variants_are_read_as_training_read_them(run: Run) -> None:
    bundle = trainwright.load(run.folder / "bundle")
    schemas = {feature.name: feature for feature in bundle.features}
    assert schemas["town"].aliases == (("cgn", "koln"),)
    assert (schemas["dose"].low, schemas["dose"].high) == (0.0, 10.0)
    for same in (["Köln", "KOLN", " koln", "cgn", "CGN", "köln  "], ["Rome", "ROME", " rôme"]):
        answers = bundle.outputs([{"town": town, "dose": 3.0, "sex": "f"} for town in same])
        assert np.ptp(answers, axis=0).max() == 0.0
    answers = bundle.outputs({"town": ["Rome"] * 4, "dose": [10, 10.5, "1e9", 4000.0], "sex": ["f"] * 4})
    assert np.ptp(answers, axis=0).max() == 0.0
    assert np.ptp(bundle.outputs({"town": ["Rome", "Köln"], "dose": [3.0, 3.0], "sex": ["f", "f"]}), axis=0).max() > 0.01
    raw = frame()
    whole = bundle.outputs(raw.drop("y"))
    one_by_one = np.vstack([bundle.outputs(row) for row in raw.drop("y")[:60].to_dicts()])
    np.testing.assert_array_equal(whole[:60], one_by_one)


def test_rows_add_up_and_the_evidence_says_what_was_done(run: Run) -> None:
    dataset, evidence = (json.loads((run.folder / name).read_text()) for name in ("dataset.json", "evidence.json"))
    splits = dataset["splits"]
    assert dataset["source"]["rows"] == ROWS + 50 == splits["open"] + splits["sealed"] + sum(dataset["dropped"].values())
    assert [entry["do"] for entry in dataset["cleaned"]] == [entry["do"] for entry in CLEAN]
    assert all(entry["rows"] > 0 for entry in dataset["cleaned"])
    notes = " ".join(evidence["notes"])
    assert "spellings" in notes
    assert "measured with these weights" in notes
    page, card = (run.folder / "report.html").read_text(), (run.folder / "card.md").read_text()
    assert 'id="cleaning"' in page
    assert "measured with these weights" in card


def test_the_metric_is_what_it_would_be_on_the_population(run: Run) -> None:
    """By another road: scikit-learn with weights that give both sexes half of the sealed rows."""
    from sklearn.metrics import roc_auc_score

    from trainwright.data import store

    dataset = store.load(run.folder / "data")
    sealed = dataset.splits.sealed
    rows = frame()[sealed.tolist()]
    is_f = (rows["sex"] == "f").to_numpy()
    weight = np.where(is_f, 0.5 / is_f.mean(), 0.5 / (1 - is_f.mean()))
    said = trainwright.load(run.folder / "bundle").predict_proba(rows.drop("y"))[:, 1]
    truth = roc_auc_score((rows["y"] == "yes").to_numpy(), said, sample_weight=weight)
    assert json.loads((run.folder / "evidence.json").read_text())["metrics"]["roc_auc"]["value"] == pytest.approx(truth, abs=1e-9)


class Stops(Progress):
    """Ends the run, as Ctrl-C does, when the first candidate has ended."""

    def candidate_ended(self, outcome, best, *, done: int, total: int) -> None:
        raise KeyboardInterrupt


def test_a_stopped_run_goes_on_with_its_ledger(tmp_path: Path, run: Run) -> None:
    frame().write_csv(tmp_path / "table.csv")
    (tmp_path / "shares.csv").write_text("sex,share\nf,0.5\nm,0.5\n")
    asked = {"source": str(tmp_path / "table.csv"), "population": str(tmp_path / "shares.csv"), "out": str(tmp_path / "runs")}
    plan = make_plan({"target": "y", "clean": CLEAN, "learners": ["tree", "logistic"], "candidates": 2, **asked})
    with pytest.raises(Interrupted):
        flow.train(plan, progress=Stops())
    (folder,) = (tmp_path / "runs").glob("table-*")
    (tmp_path / "table.csv").unlink()  # the rows were read before, and are not read again
    again = flow.resume(folder)
    assert again.summary["model_digest"] == run.summary["model_digest"]
    assert again.plan.population == ({"sex": "f", "share": 0.5}, {"sex": "m", "share": 0.5})  # the resolved plan needs no file of shares
    assert [fix.do for fix in again.plan.clean] == [entry["do"] for entry in CLEAN]


def test_it_is_reproduced_to_the_digest(run: Run) -> None:
    again = trainwright.reproduce(run)
    assert again["same"], again


def test_it_is_reproduced_from_its_source_though_the_file_of_shares_has_changed(tmp_path: Path) -> None:
    """No rows are kept; the shares with which the run was made are in its plan."""
    frame().write_csv(tmp_path / "table.csv")
    for name in ("shares.csv", "weights.csv"):
        (tmp_path / name).write_text("sex,share\nf,0.5\nm,0.5\n")
    weight = {"do": "weight", "because": "as stated", "population": str(tmp_path / "weights.csv")}
    asked = {"source": str(tmp_path / "table.csv"), "population": str(tmp_path / "shares.csv"), "out": str(tmp_path / "runs"), "keep_data": False}
    made = flow.train(make_plan({"target": "y", "clean": [*CLEAN[:-1], weight], "learners": ["tree"], "candidates": 1, **asked}))
    assert not (made.folder / "data").exists()
    (tmp_path / "shares.csv").write_text("sex,share\nf,0.9\nm,0.1\n")
    (tmp_path / "weights.csv").unlink()
    again = flow.reproduce(made.folder, out=tmp_path / "again")
    assert again["same"], again


def test_a_file_with_test_rows_of_its_own_is_read_by_the_same_rules(tmp_path: Path) -> None:
    data = frame()
    data[:1000].write_csv(tmp_path / "train.csv")
    data[1000:].write_csv(tmp_path / "test.csv")
    made = trainwright.train(
        tmp_path / "train.csv", test=tmp_path / "test.csv", target="y", clean=CLEAN, population=SHARES, learners="tree", candidates=1,
        out=tmp_path / "runs", accept="all", progress=False,
    )  # fmt: skip
    dataset = json.loads((made.folder / "dataset.json").read_text())
    assert dataset["splits"]["sealed"] == data.height - 1000
    towns = {"berlin": "b", "koln": "k", "köln": "k", "cgn": "k", "rome": "r"}  # by another road: sets of folded rows
    folded = [(towns[town.strip().lower()], min(max(dose, 0), 10), sex, y) for town, dose, sex, y in data.rows()]
    kept = set(folded[:1000]) - set(folded[1000:])
    assert dataset["splits"]["open"] == len(kept)
    assert dataset["dropped"] == {"repeats another row": 1000 - len(kept)}
    assert next(d for d in dataset["described"] if d["name"] == "town")["distinct"] == 3
