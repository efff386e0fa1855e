"""Whole runs on real tables, by the command line in processes of their own: what they leave, and that it can be had again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss, mean_squared_error, roc_auc_score

import trainwright
from trainwright.record.log import Log, read_events

pytestmark = pytest.mark.slow


def cli(*words: str | Path, exit_code: int = 0) -> dict[str, Any]:
    """One command with --json: its single object, after the exit code was looked at."""
    done = subprocess.run([sys.executable, "-m", "trainwright", *map(str, words), "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert done.stdout.count("\n") == 1
    value: dict[str, Any] = json.loads(done.stdout)
    return value


@pytest.fixture(scope="session")
def runs(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """One run of each task: nested (few rows), sealed, sealed by time."""
    out = tmp_path_factory.mktemp("runs")
    small = ("--candidates", "1", "--out", out)
    return {
        "multiclass": cli("train", tables / "penguins.csv", "--target", "species", *small),
        "binary": cli("train", tables / "fair.csv", "--target", "affair", *small),
        "regression": cli("train", tables / "weather.csv", "--target", "temp_max", "--split", "time:date", *small),
    }


TASKS = ("multiclass", "binary", "regression")


@pytest.mark.parametrize("task", TASKS)
def test_a_run_leaves_everything_that_it_promises(runs: dict[str, dict[str, Any]], task: str) -> None:
    summary = runs[task]
    keys = [
        "schema_version",
        "run",
        "bundle",
        "report",
        "task",
        "learner",
        "metric",
        "baseline",
        "seconds",
        "findings",
        "model_digest",
        "bundle_digest",
        "limits",
        "warnings",
    ]
    assert set(keys) <= set(summary)
    assert summary["task"] == task
    assert set(summary["metric"]) == {"name", "value", "low", "high", "n"}
    assert summary["metric"]["low"] <= summary["metric"]["value"] <= summary["metric"]["high"]
    folder = Path(summary["run"])
    for name in (
        "asked.yaml",
        "plan.yaml",
        "events.jsonl",
        "dataset.json",
        "leaderboard.json",
        "evidence.json",
        "report.html",
        "card.md",
        "lock.txt",
    ):
        assert (folder / name).exists(), name
    assert (folder / "report.html").stat().st_size < 1_000_000
    assert [event.kind for event in read_events(folder / "events.jsonl")[0]][-1] == "ended"


def test_sealed_evidence_is_what_scikit_learn_says_of_the_bundle(runs: dict[str, dict[str, Any]], tables: Path) -> None:
    summary = runs["binary"]
    run = trainwright.Run(summary["run"])
    frame = pl.read_csv(tables / "fair.csv")
    from trainwright.data import store

    sealed = store.load(run.folder / "data").splits.sealed
    assert summary["metric"]["n"] == len(sealed)
    rows = frame[sealed.tolist()]
    answer = run.bundle.predict_proba(rows)  # raw rows, through the typing step
    truth = (rows["affair"] == "yes").to_numpy()
    assert run.evidence["metrics"]["roc_auc"]["value"] == pytest.approx(roc_auc_score(truth, answer[:, 1]), abs=1e-12)
    assert run.evidence["metrics"]["log_loss"]["value"] == pytest.approx(log_loss(truth, answer), abs=1e-12)
    events = read_events(run.folder / "events.jsonl")[0]
    assert sum(event.kind == "sealed opened" for event in events) == 1
    assert next(event for event in events if event.kind == "sealed opened").what["model_digest"] == summary["model_digest"]


def test_time_split_seals_the_latest_rows(runs: dict[str, dict[str, Any]], tables: Path) -> None:
    run = trainwright.Run(runs["regression"]["run"])
    from trainwright.data import store

    splits = store.load(run.folder / "data").splits
    frame = pl.read_csv(tables / "weather.csv", try_parse_dates=True)
    assert frame[splits.open.tolist()]["date"].max() < frame[splits.sealed.tolist()]["date"].min()
    for fold in splits.folds:
        assert frame[fold.train.tolist()]["date"].max() < frame[fold.test.tolist()]["date"].min()
    rows = frame[splits.sealed.tolist()]
    truth = rows["temp_max"].to_numpy()
    assert run.evidence["metrics"]["rmse"]["value"] == pytest.approx(float(np.sqrt(mean_squared_error(truth, run.bundle.predict(rows)))), rel=1e-12)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_command_gives_the_same_digests_and_reproduce_says_so(runs: dict[str, dict[str, Any]], task: str, tmp_path: Path) -> None:
    again = cli("reproduce", runs[task]["run"], "--out", tmp_path)
    assert again["same"] is True
    assert again["model_digest"] == runs[task]["model_digest"]
    assert again["bundle_digest"] == runs[task]["bundle_digest"]
    assert again["changed"] == []


def test_another_seed_gives_another_model(runs: dict[str, dict[str, Any]], tables: Path, tmp_path: Path) -> None:
    other = cli("train", tables / "penguins.csv", "--target", "species", "--candidates", "1", "--seed", "1", "--out", tmp_path)
    assert other["bundle_digest"] != runs["multiclass"]["bundle_digest"]


def test_reproduce_says_no_when_the_record_was_changed(runs: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs["multiclass"]["run"], copy)
    summary = json.loads((copy / "summary.json").read_text())
    (copy / "summary.json").write_text(json.dumps(summary | {"model_digest": "0" * 64}))
    again = cli("reproduce", copy, "--out", tmp_path / "again", exit_code=5)
    assert again["same"] is False


def fair_command(tables: Path, out: Path) -> list[str]:
    """The run of `fair.csv` that `runs["binary"]` is, as a process of its own."""
    return [sys.executable, "-m", "trainwright", "train", str(tables / "fair.csv"), "--target", "affair", "--candidates", "1", "--out", str(out)]


@pytest.mark.parametrize("moment", ["dataset", "candidate started", "candidate ended", "baseline shipped", "shipped", "sealed opened", "measured"])
def test_killed_at_an_event_and_resumed_the_digests_are_those_of_the_calm_run(
    runs: dict[str, dict[str, Any]], tables: Path, tmp_path: Path, moment: str
) -> None:
    process = subprocess.Popen(fair_command(tables, tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kill_when(process, tmp_path, moment)
    (run,) = (path.parent for path in tmp_path.glob("*/events.jsonl"))
    assert not (run / "summary.json").exists()
    resumed = cli("train", "--resume", run)
    assert resumed["model_digest"] == runs["binary"]["model_digest"]
    assert resumed["bundle_digest"] == runs["binary"]["bundle_digest"]


def kill_when(process: subprocess.Popen[bytes], out: Path, moment: str) -> None:
    """SIGKILL as soon as an event of this kind stands in the log; the poll is bounded by the process's own end."""
    needle = f'"kind":"{moment}"'
    while process.poll() is None:
        if any(needle in log.read_text() for log in out.glob("*/events.jsonl")):
            break
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_an_interrupt_ends_with_130_and_the_run_can_go_on(tables: Path, tmp_path: Path, runs: dict[str, dict[str, Any]]) -> None:
    process = subprocess.Popen(fair_command(tables, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not any('"kind":"candidate started"' in log.read_text() for log in tmp_path.glob("*/events.jsonl")):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert "--resume" in err
    (run,) = (path.parent for path in tmp_path.glob("*/events.jsonl"))
    assert cli("train", "--resume", run)["bundle_digest"] == runs["binary"]["bundle_digest"]


def test_a_second_process_on_the_same_run_is_refused(runs: dict[str, dict[str, Any]], tables: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(fair_command(tables, tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kill_when(process, tmp_path, "dataset")
    (run,) = (path.parent for path in tmp_path.glob("*/events.jsonl"))
    with Log(run):
        refused = cli("train", "--resume", run, exit_code=6)
    assert refused["code"] == "TW093"


def start(*words: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "trainwright", *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_an_interrupted_repetition_goes_on_as_a_repetition(tables: Path, tmp_path: Path) -> None:
    timed = cli("train", tables / "penguins.csv", "--target", "species", "--time", "12s", "--out", tmp_path / "first")
    again = tmp_path / "again"
    kill_when(start("reproduce", timed["run"], "--out", again), again, "candidate ended")
    (run,) = (path.parent for path in again.glob("*/events.jsonl"))
    resumed = cli("train", "--resume", run)
    assert resumed["bundle_digest"] == timed["bundle_digest"]


def test_a_plan_that_was_edited_before_resuming_is_refused(tables: Path, tmp_path: Path) -> None:
    kill_when(start("train", tables / "fair.csv", "--target", "affair", "--candidates", "1", "--out", tmp_path), tmp_path, "candidate started")
    (run,) = (path.parent for path in tmp_path.glob("*/events.jsonl"))
    plan = run / "plan.yaml"
    plan.write_text(plan.read_text().replace("folds: 5", "folds: 3"))
    assert cli("train", "--resume", run, exit_code=5)["code"] == "TW083"


def test_rows_that_are_not_to_be_kept_are_gone_even_when_the_last_moment_was_missed(tables: Path, tmp_path: Path) -> None:
    asked = ("--target", "species", "--candidates", "1", "--no-keep-data", "--out", tmp_path)
    kill_when(start("train", tables / "penguins.csv", *asked), tmp_path, "measured")
    (run,) = (path.parent for path in tmp_path.glob("*/events.jsonl"))
    assert list(run.glob("data/*"))
    cli("train", "--resume", run)
    assert not list(run.glob("data/*"))
    assert not list(tmp_path.glob(".data/*/*"))


def test_a_group_in_training_and_in_the_given_test_blocks(tables: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(tables / "fair.csv").with_row_index("person").with_columns(pl.col("person") // 4)
    frame.head(5000).write_csv(tmp_path / "train.csv")
    frame.tail(-4998).write_csv(tmp_path / "test.csv")  # one person stands in both
    stopped = cli(
        *(
            "train",
            tmp_path / "train.csv",
            "--test",
            tmp_path / "test.csv",
            "--target",
            "affair",
            "--split",
            "group:person",
            "--out",
            tmp_path / "runs",
        ),
        exit_code=3,
    )
    assert stopped["code"] == "TW104"


def test_resuming_a_run_that_ended_gives_it_back(runs: dict[str, dict[str, Any]]) -> None:
    assert cli("train", "--resume", runs["binary"]["run"])["bundle_digest"] == runs["binary"]["bundle_digest"]


def test_verify_finds_every_changed_byte(runs: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    checked = cli("verify", runs["binary"]["run"])
    assert checked["model_digest"] == runs["binary"]["model_digest"]
    for name in sorted(path.name for path in Path(runs["binary"]["bundle"]).iterdir()):
        copy = tmp_path / name
        shutil.copytree(runs["binary"]["bundle"], copy)
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / name).write_bytes(data)
        refused = cli("verify", copy, exit_code=5)
        assert refused["code"].startswith(("TW05", "TW08")), name


def test_verify_of_a_run_ties_bundle_and_evidence_to_its_log(runs: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(runs["binary"]["run"], copy)
    shutil.rmtree(copy / "bundle")
    shutil.copytree(runs["multiclass"]["bundle"], copy / "bundle")  # sound, but another one
    assert cli("verify", copy, exit_code=5)["code"] == "TW083"
    other = tmp_path / "other"
    shutil.copytree(runs["binary"]["run"], other)
    evidence = other / "evidence.json"
    evidence.write_text(evidence.read_text().replace("0.7", "0.9", 1))
    assert cli("verify", other, exit_code=5)["code"] == "TW083"


def test_resume_stands_alone(runs: dict[str, dict[str, Any]]) -> None:
    refused = cli("train", "--resume", runs["binary"]["run"], "--time", "5m", exit_code=2)
    assert (refused["code"], "--time" in refused["what"]) == ("TW009", True)


def test_a_run_stopped_near_its_end_can_still_end(tables: Path, tmp_path: Path) -> None:
    kill_when(start("train", tables / "fair.csv", "--target", "affair", "--time", "300s", "--out", tmp_path), tmp_path, "baseline shipped")
    (run,) = (path.parent for path in tmp_path.glob("*/events.jsonl"))
    with Log(run, clock=lambda: time.time() + 299) as log:  # as if it had gone on for nearly all of its time
        log.append("stopped", reason="a test", code=None)
    resumed = cli("train", "--resume", run)
    assert resumed["seconds"] < 60
    assert resumed["baseline"]["value"] is not None


def test_predict_keeps_the_order_of_the_file_and_names_what_is_wrong(runs: dict[str, dict[str, Any]], tables: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(tables / "fair.csv").with_row_index("key").sample(fraction=1.0, shuffle=True, seed=3)
    shuffled = frame.select(*reversed(frame.columns)).drop("affair").with_columns(extra=pl.lit("x"))
    shuffled.write_csv(tmp_path / "new.csv")
    done = cli("predict", runs["binary"]["run"], tmp_path / "new.csv", "-o", tmp_path / "out.csv", "--id", "key")
    out = pl.read_csv(tmp_path / "out.csv")
    assert done["rows"] == len(out) == len(frame)
    assert out["key"].to_list() == frame["key"].to_list()
    bundle = trainwright.load(runs["binary"]["bundle"])
    spare = len(shuffled.columns) - len(bundle.features) - 1
    assert spare > 0
    assert f"{spare} columns of the source were not needed" in done["notes"]
    expected = bundle.predict_proba(frame)
    np.testing.assert_allclose(out[f"probability_{bundle.classes[1]}"].to_numpy(), expected[:, 1], atol=1e-12)
    assert out["prediction"].to_list() == bundle.predict(frame).tolist()
    assert cli("predict", runs["binary"]["run"], tmp_path / "new.csv", "-o", tmp_path / "x.csv", "--id", "prediction", exit_code=2)["code"] == "TW009"
    shuffled.drop("age").write_csv(tmp_path / "less.csv")
    refused = cli("predict", runs["binary"]["run"], tmp_path / "less.csv", "-o", tmp_path / "out2.csv", exit_code=2)
    assert "age" in refused["what"]
    shuffled.with_columns(age=pl.lit("old")).write_csv(tmp_path / "typed.csv")
    refused = cli("predict", runs["binary"]["run"], tmp_path / "typed.csv", "-o", tmp_path / "out3.csv", exit_code=2)
    assert "age" in refused["what"] + refused["where"]
    assert "old" not in json.dumps(refused)


def test_forget_erases_rows_and_keeps_the_proof(runs: dict[str, dict[str, Any]], tables: Path, tmp_path: Path) -> None:
    made = cli("train", tables / "penguins.csv", "--target", "species", "--candidates", "1", "--out", tmp_path)
    gone = cli("forget", made["run"])
    assert gone["files"] > 0
    left = list(tmp_path.rglob("*.npy"))
    assert left == []
    assert cli("verify", made["run"])["bundle_digest"] == runs["multiclass"]["bundle_digest"]
    assert cli("reproduce", made["run"], "--out", tmp_path / "again")["same"] is True  # from the source, which is still there
    (tables / "penguins.csv").rename(tables / "away.csv")
    try:
        assert cli("reproduce", made["run"], "--out", tmp_path / "more", exit_code=2)["code"] == "TW087"
    finally:
        (tables / "away.csv").rename(tables / "penguins.csv")


def test_a_plan_file_is_the_program(runs: dict[str, dict[str, Any]], tables: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    cli("plan", tables / "penguins.csv", "--target", "species", "--candidates", "1", "-o", plan)
    made = cli("train", plan, "--out", tmp_path)
    assert made["model_digest"] == runs["multiclass"]["model_digest"]


def test_python_says_the_same_as_the_command_line(runs: dict[str, dict[str, Any]], tables: Path, tmp_path: Path) -> None:
    run = trainwright.train(tables / "penguins.csv", target="species", candidates=1, out=tmp_path, progress=False)
    assert run.summary["bundle_digest"] == runs["multiclass"]["bundle_digest"]
    assert run.leaderboard[0]["score"] is not None
    assert run.report.exists()
    frame = pl.read_csv(tables / "penguins.csv")
    from_frame = trainwright.train(frame.to_pandas(), target="species", candidates=1, out=tmp_path, progress=False)
    assert from_frame.summary["metric"]["value"] == pytest.approx(run.summary["metric"]["value"], rel=1e-9)


def test_a_time_limit_is_kept_and_the_run_is_reproduced(tables: Path, tmp_path: Path) -> None:
    made = cli("train", tables / "fair.csv", "--target", "affair", "--time", "12s", "--out", tmp_path)
    assert made["seconds"] <= 12 * 1.05 + 2
    again = cli("reproduce", made["run"], "--out", tmp_path / "again")
    assert again["same"] is True
