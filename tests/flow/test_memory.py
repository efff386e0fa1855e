"""Tables that are larger than memory, or than the rows that are allowed: what training used is said, counted, and can be had again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import trainwright
from trainwright import stages
from trainwright.data import store
from trainwright.data.room import Room
from trainwright.engine import memory
from trainwright.errors import Infeasible, SourceError
from trainwright.predict import predict_file
from trainwright.run import Run
from trainwright.select import cost

pytestmark = pytest.mark.slow


def frame_of(rows: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=rows), rng.normal(size=rows)
    word = rng.integers(0, 5, rows)
    return pl.DataFrame(
        {
            "key": [f"K{at}" for at in range(rows)],
            "x": pl.Series(np.where(rng.random(rows) < 0.05, np.nan, x), nan_to_null=True),
            "y": y,
            "word": [f"w {at}" for at in word.tolist()],
            "when": pl.from_epoch(pl.Series(rng.integers(10**9, 2 * 10**9, rows))).dt.strftime("%Y-%m-%d"),
            "label": np.array(["no", "yes"])[(x + 0.5 * (word == 2) + rng.logistic(size=rows) > 0.5).astype(int)],
        }
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "t.csv"
    frame_of(5000).write_csv(path)
    return path


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("runs")
    return trainwright.train(table, target="label", rows=800, candidates=1, workers=1, out=out, keep_data=True, progress=False)


def test_what_training_used_is_counted_recorded_and_said(run: Any) -> None:
    dataset = store.load(run.folder / "data")
    splits = dataset.splits
    assert len(splits.sealed) == 1000
    assert len(splits.open) == 800
    assert dataset.dropped["beyond memory"] == 5000 - len(splits.open) - len(splits.sealed)
    assert run.plan.rows == len(splits.open)
    assert run.evidence["rows"] == 1000  # the sealed rows are whole
    (note,) = [note for note in run.evidence["notes"] if "open rows" in note]
    assert f"{len(splits.open):,} of 4,000 open rows" in note
    assert "a quick learner gained" in note
    assert "95 % interval" in note
    assert note[1:60] in (run.folder / "report.html").read_text(encoding="utf-8")
    (event,) = [event for event in run.events if event.kind == "cost of rows"]
    assert event.what["half"] == event.what["rows"] // 2


def test_a_run_on_a_sample_is_made_again_to_the_same_digests(run: Any, tmp_path: Path) -> None:
    assert trainwright.reproduce(run, out=tmp_path / "again")["same"]
    again = trainwright.train(run.folder / "plan.yaml", out=tmp_path / "plan", progress=False)
    assert again.summary["model_digest"] == run.summary["model_digest"]


def test_a_cost_that_could_not_be_measured_is_told_in_the_same_words_when_repeated(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (cost, stages):  # each has the name of its own
        monkeypatch.setattr(module, "MEASURE", "math:sqrt")  # which takes no such arguments
    made = trainwright.train(table, target="label", rows=800, candidates=1, workers=1, out=tmp_path / "runs", progress=False)
    monkeypatch.undo()
    assert any("was not measured (failed)" in note for note in made.evidence["notes"])
    again = trainwright.reproduce(made, out=tmp_path / "again")
    assert Run(again["run"]).evidence["notes"] == made.evidence["notes"]
    assert again["same"]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("identifier", [None, "key", "word"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_prediction_in_chunks_writes_what_prediction_at_once_does(run: Any, tmp_path: Path, ending: str, identifier: str | None, kind: str) -> None:
    source = tmp_path / f"new.{kind}"
    frame = frame_of(40_000 if identifier is None else 777, seed=1)  # several batches of the runtime, or one
    frame.write_csv(source) if kind == "csv" else frame.write_parquet(source)
    once, chunks = tmp_path / f"once{ending}", tmp_path / f"chunks{ending}"
    told = predict_file(run.folder, source, once, identifier=identifier, room=Room(streamed=1 << 60))
    also = predict_file(run.folder, source, chunks, identifier=identifier, room=Room(streamed=-1, chunk=3000 if identifier else 500_000))
    assert also == {**told, "output": str(chunks)}
    if ending == ".csv":
        assert chunks.read_bytes() == once.read_bytes()
    else:
        assert pl.read_parquet(chunks).equals(pl.read_parquet(once))
        assert pl.read_parquet(chunks).schema == pl.read_parquet(once).schema
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, once.name, chunks.name])


def test_prediction_in_chunks_refuses_what_prediction_at_once_does(run: Any, tmp_path: Path) -> None:
    lines = frame_of(300, seed=2).write_csv().splitlines()
    cells = lines[250].split(",")
    lines[250] = lines[270] = ",".join([cells[0], "thirty", *cells[2:]])
    (tmp_path / "odd.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "narrow.csv").write_text("\n".join(",".join(line.split(",")[2:]) for line in lines) + "\n")
    for name in ("odd.csv", "narrow.csv"):
        said = []
        for room in (Room(streamed=1 << 60), Room(streamed=-1, chunk=2000)):
            with pytest.raises(SourceError) as caught:
                predict_file(run.folder, tmp_path / name, tmp_path / "out.csv", room=room)
            said.append(caught.value.as_dict())
        assert said[0] == said[1]
    assert not (tmp_path / "out.csv").exists()


def test_memory_that_is_too_little_for_any_sample_is_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(Infeasible, match="TW073"):
        trainwright.train(table, target="label", memory="300MB", workers=1, candidates=1, out=tmp_path, progress=False)


def peak_of(*words: str | Path) -> tuple[int, int]:
    """The exit code of a command and the most memory that its processes held together, in bytes."""
    process = subprocess.Popen([sys.executable, "-m", "trainwright", *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        most = max(most, memory.used(process.pid) + sum(map(memory.used, memory.descendants(process.pid))))
        time.sleep(0.02)
    return process.returncode, most


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_table_larger_than_the_cap_is_checked_within_it(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    piece = frame_of(50_000)
    wide = piece.drop("label").select([pl.col("x", "y", "word", "when").name.suffix(f"_{at}") for at in range(12)]).hstack([piece["label"]])
    with path.open("wb") as file:
        for at in range(12):
            wide.write_csv(file, include_header=at == 0)
    cap = 250 << 20
    assert path.stat().st_size > cap
    code, most = peak_of("check", path, "--target", "label", "--memory", f"{cap}B")
    assert code == 0
    assert most < cap, f"{most >> 20} MiB of {os.path.getsize(path) >> 20} MiB"  # noqa: PTH202 - for the message
