"""Whole runs with transforms: texts alone, windows of earlier rows; what ships answers as what was tested, and it can be had again."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import trainwright
from trainwright.cli import main
from trainwright.errors import BadInput, SourceError
from trainwright.predict import predict_file
from trainwright.record.log import read_events

pytestmark = pytest.mark.slow


def payments(rng: np.random.Generator, rows: int = 3000) -> pl.DataFrame:
    """A shop is bad for a week, and then most of its payments are frauds; nothing else tells."""
    hour = np.sort(rng.integers(0, 120 * 24, rows))
    shop = rng.integers(0, 25, rows)
    bad = {(int(s), int(w)) for s, w in zip(rng.integers(0, 25, 130), rng.integers(0, 18, 130), strict=True)}
    risk = np.array([0.85 if (int(s), int(h) // (7 * 24)) in bad else 0.03 for s, h in zip(shop, hour, strict=True)])
    start = datetime.datetime(2024, 1, 1)
    return pl.DataFrame(
        {
            "when": [start + datetime.timedelta(hours=int(h)) for h in hour],
            "shop": [f"shop {s}" for s in shop],
            "amount": np.round(rng.lognormal(size=rows), 2),
            "fraud": np.where(rng.random(rows) < risk, "yes", "no"),
        }
    )


WINDOWS = ["amount by shop over 1d,3d", "fraud by shop over 2d,7d after 1d"]
PLAN: dict[str, Any] = {"target": "fraud", "split": "time:when", "drop": ["shop"], "learners": ["logistic"], "candidates": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> trainwright.Run:
    frame = payments(np.random.default_rng(7))
    return trainwright.train(frame, **PLAN, transforms=WINDOWS, out=tmp_path_factory.mktemp("runs"))


def test_windows_that_tell_are_kept_and_make_the_model(run: trainwright.Run, tmp_path: Path) -> None:
    record = json.loads((run.folder / "transforms.json").read_text())
    amounts, frauds = record["judged"]["scaled"]["transforms"]
    assert frauds["kept"]
    assert frauds["low"] > 0
    assert amounts["gain"] < frauds["gain"] / 10
    without = trainwright.train(payments(np.random.default_rng(7)), **PLAN, transforms="none", out=tmp_path)
    with_them, without_them = (next(entry for entry in one.leaderboard if entry["chosen"]) for one in (run, without))
    assert with_them["low"] > without_them["high"] + 0.1
    assert any("known when training ended" in note for note in run.evidence["notes"])
    assert "Windows" in run.report.read_text()
    assert run.bundle.manifest["marks"] == {"contains_training_rows": True}
    assert run.bundle.manifest["format"] == "1.1"
    assert run.bundle.windows
    assert set(run.bundle.sketches["features"]) == {feature.name for feature in run.bundle.features}  # what callers send, not what is made of it
    assert not (without.folder / "transforms.json").exists()
    assert without.bundle.manifest["format"] == "1.0"
    assert not (run.folder / "probes").exists()


def test_a_bundle_answers_with_its_own_history_and_with_what_a_caller_says_came_before(run: trainwright.Run) -> None:
    frame = payments(np.random.default_rng(7))
    cut = frame["when"][2400]
    before, after = frame.filter(pl.col("when") < cut), frame.filter(pl.col("when") >= cut)
    bundle = run.bundle
    own = bundle.predict_proba(after.drop("fraud"))
    rows = after.drop("fraud").to_dicts()
    np.testing.assert_array_equal(bundle.predict_proba(rows), own)
    np.testing.assert_allclose(bundle.predict_proba(rows[:1])[0], own[0], rtol=1e-12)  # one row is multiplied in another order than many
    # One row alone knows nothing of the payments just before it, unless they are given.
    last = bundle.predict_proba(rows[-1:], earlier=rows[:-1])
    np.testing.assert_allclose(last[0], own[-1], rtol=1e-12)
    # What the history has already is not counted twice.
    np.testing.assert_array_equal(bundle.predict_proba(after.drop("fraud"), earlier=before.drop("fraud")), own)
    # Outcomes that have become known since then count.
    middle = len(rows) // 2
    known = bundle.predict_proba(rows[middle:], earlier=after[:middle])
    unknown = bundle.predict_proba(rows[middle:], earlier=after[:middle].drop("fraud"))
    np.testing.assert_array_equal(unknown, own[middle:])
    assert not np.array_equal(known, unknown)
    assert np.mean((known[:, 1] - (after["fraud"][middle:].to_numpy() == "yes")) ** 2) < np.mean(
        (unknown[:, 1] - (after["fraud"][middle:].to_numpy() == "yes")) ** 2
    )
    with pytest.raises(BadInput, match="TW040"):
        bundle.predict(rows[:1], earlier=before.drop("when"))


def test_earlier_rows_for_a_bundle_that_looks_at_none_are_refused(tmp_path: Path) -> None:
    plain = trainwright.train(payments(np.random.default_rng(3), 1200), **PLAN, transforms="none", out=tmp_path)
    with pytest.raises(BadInput, match="TW046"):
        plain.bundle.predict([{"amount": 1.0}], earlier=[{"amount": 1.0}])
    payments(np.random.default_rng(3), 20).write_csv(tmp_path / "rows.csv")
    assert (
        main(["predict", str(plain.folder), str(tmp_path / "rows.csv"), "-o", str(tmp_path / "out.csv"), "--earlier", str(tmp_path / "rows.csv")])
        == 2
    )
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_is_predicted_after_a_file_of_earlier_rows(run: trainwright.Run, tmp_path: Path, form: str) -> None:
    rows = payments(np.random.default_rng(7))[2400:]
    before, after = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    for name, frame in (("before", before), ("untold", before.drop("fraud")), ("after", after.drop("fraud"))):
        getattr(frame, f"write_{form}")(tmp_path / f"{name}.{form}")

    def said(earlier: str | None) -> np.ndarray:
        found = predict_file(run.folder, tmp_path / f"after.{form}", tmp_path / "out.parquet", earlier=earlier and tmp_path / f"{earlier}.{form}")
        assert found["rows"] == len(after)
        return pl.read_parquet(tmp_path / "out.parquet")["probability_yes"].to_numpy()

    for earlier, given in (("before", before), ("untold", before.drop("fraud")), (None, None)):
        truth = run.bundle.predict_proba(after.drop("fraud"), earlier=given)[:, 1]
        np.testing.assert_array_equal(said(earlier), truth)
    assert not np.array_equal(said("before"), said("untold"))
    before.drop("when").write_csv(tmp_path / "cut.csv")
    with pytest.raises(SourceError, match="TW039"):
        predict_file(run.folder, tmp_path / f"after.{form}", tmp_path / "out.parquet", earlier=tmp_path / "cut.csv")


def test_without_history_no_training_row_ships_and_the_evidence_is_the_same(run: trainwright.Run, tmp_path: Path) -> None:
    frame = payments(np.random.default_rng(7))
    bare = trainwright.train(frame, **PLAN, transforms=[f"{words} without history" for words in WINDOWS], out=tmp_path)
    assert bare.bundle.manifest["marks"] == {"contains_training_rows": False}
    assert bare.evidence["metrics"] == run.evidence["metrics"]
    cut = frame["when"][2400]
    after = frame.filter(pl.col("when") >= cut).drop("fraud")
    given = bare.bundle.predict_proba(after, earlier=frame.filter(pl.col("when") < cut))
    np.testing.assert_array_equal(given, run.bundle.predict_proba(after))


def test_a_run_with_transforms_is_resumed_and_reproduced_to_the_same_digest(run: trainwright.Run, tmp_path: Path) -> None:
    again = trainwright.reproduce(run.folder, out=tmp_path / "again")
    assert again["same"]
    events = read_events(run.folder / "events.jsonl")[0]
    kinds = [event.kind for event in events]
    started = {event.what["number"]: place for place, event in enumerate(events) if event.kind == "candidate started"}
    assert kinds.index("plan") < started[0] < started[1] < kinds.index("probe ended") < kinds.index("transforms chosen") < started[2]


def test_texts_alone_can_be_learned_from(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    good, bad, rest = ["great", "lovely", "fine"], ["dull", "awful", "poor"], [f"word{n}" for n in range(60)]
    label = rng.integers(0, 2, 1500)
    texts = [" ".join([*rng.choice(rest, 7), rng.choice(good if one else bad) if rng.random() < 0.9 else ""]) for one in label]
    frame = pl.DataFrame({"said": texts, "liked": np.where(label == 1, "yes", "no")})
    run = trainwright.train(frame, target="liked", candidates=1, out=tmp_path)
    assert run.summary["metric"]["low"] > 0.9
    assert [entry.do for entry in run.plan.transforms] == ["text"]
    assert set(run.evidence["baselines"]) == {"tabular/dummy", "tabular/logistic"}  # the dummy looks at no text, and still counts rows
    assert run.bundle.manifest["marks"] == {"contains_training_rows": False}
    answers = run.bundle.predict([{"said": "a GREAT day"}, {"said": "so dull"}, {"said": None}, {"said": ""}])
    assert answers[:2].tolist() == ["yes", "no"]
