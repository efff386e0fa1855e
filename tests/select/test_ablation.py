"""What a transform is worth, and what is done about it: kept with a gain, taken out without one, the same again when resumed and repeated."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from trainwright.data import store
from trainwright.data.dataset import Dataset
from trainwright.data.read import look_at
from trainwright.engine.interface import Outcome, open_engine
from trainwright.errors import CheckFailed, MachineError, RequestError
from trainwright.evidence.paired import paired_gain, row_losses
from trainwright.plan.model import Plan
from trainwright.plan.read import make_plan
from trainwright.record.log import Log
from trainwright.select import ablation as ablation_module
from trainwright.select.ablation import RECORD, Ablation, recipes_of, recorded_choice, run_alone
from trainwright.select.cost import cost_job, record_cost
from trainwright.select.limits import Timer
from trainwright.select.probe import probe_seconds
from trainwright.select.resolve import resolve
from trainwright.select.transforms import Chosen

NO_CLOCK = Timer(0.0, None)


def made(rng: np.random.Generator, rows: int) -> pl.DataFrame:
    """Many shops, each with a level of its own; a number that has nothing to say."""
    level = rng.normal(size=40)
    shop = rng.integers(0, 40, rows)
    return pl.DataFrame({"shop": [f"s{n}" for n in shop], "noise": rng.normal(size=rows), "y": level[shop] + 0.3 * rng.normal(size=rows)})


def planned(frame: pl.DataFrame, **fields: Any) -> tuple[Plan, Dataset]:
    asked = make_plan({"target": "y", "candidates": 1, "engine": "inline", "learners": ["extra_trees"]} | fields)
    dataset = look_at(asked, frame)
    return resolve(asked, dataset), dataset


def chosen(plan: Plan, dataset: Dataset, folder: Path, **more: Any) -> tuple[Chosen, dict[str, Any]]:
    if not (folder / "data").exists():
        store.keep(dataset, folder, folder / ".data")
    with Log(folder) as log, open_engine("inline") as engine:
        return run_alone(Ablation(plan=plan, dataset=dataset, log=log, timer=more.pop("timer", NO_CLOCK), **more), engine)


def test_gains_are_paired_means_with_an_interval_that_covers(rng: np.random.Generator) -> None:
    hits = 0
    for number in range(200):
        first = rng.normal(size=80)
        second = first + 0.1 + 0.4 * rng.normal(size=80)
        value, low, high = paired_gain(first, second, seed=number)
        assert value == pytest.approx(np.mean(second - first))
        hits += low <= 0.1 <= high
    assert 180 <= hits <= 198  # 95 % of 200 is 190
    groups = np.repeat(np.arange(8), 10)
    alike = rng.normal(size=8)[groups]
    rows, whole = paired_gain(np.zeros(80), alike, seed=0), paired_gain(np.zeros(80), alike, unit=groups, seed=0)
    assert whole[2] - whole[1] > 2 * (rows[2] - rows[1])  # rows of one group are no new evidence
    weight = np.r_[np.ones(79), 0.0]
    assert paired_gain(first, second, weight=weight, seed=0)[0] == pytest.approx(np.mean((second - first)[:79]))
    assert paired_gain(np.full(3, np.nan), np.zeros(3), seed=0) is None


def test_losses_equal_their_formulas(rng: np.random.Generator) -> None:
    p = rng.dirichlet(np.ones(3), 50)
    y = rng.integers(0, 3, 50).astype(float)
    np.testing.assert_allclose(row_losses(y, p, classes=3), [-np.log(p[row, int(y[row])]) for row in range(50)])
    np.testing.assert_allclose(row_losses(y, p[:, :1], classes=0), (y - p[:, 0]) ** 2)
    assert np.isnan(row_losses(np.array([np.nan, 1.0]), np.array([[0.5, 0.5], [np.nan, 0.5]]), classes=2)).all()


def test_what_helps_is_kept_and_what_does_not_is_taken_out(rng: np.random.Generator, tmp_path: Path) -> None:
    plan, dataset = planned(made(rng, 1500), transforms=["target_encoding", "interact"])
    assert [entry.do for entry in plan.transforms] == ["target_encoding", "interact"]
    choice, record = chosen(plan, dataset, tmp_path)
    assert choice.kept["filled"] == (0,)  # interactions of noise with itself say nothing
    encoding, interactions = record["judged"]["filled"]["transforms"]
    assert encoding["gain"] > encoding["low"] > 0
    assert interactions["low"] <= 0
    assert "not clearly" in interactions["why"]
    with Log(tmp_path) as log:
        assert recorded_choice(log) == choice
        (tmp_path / RECORD).write_text("{}")
        with pytest.raises(CheckFailed, match="TW083"):
            recorded_choice(log)


def test_of_two_that_say_the_same_one_is_kept(rng: np.random.Generator, tmp_path: Path) -> None:
    plan, dataset = planned(made(rng, 600), transforms=["target_encoding", "interact"])
    plain = rng.normal(size=(1, 600)) ** 2
    better = plain - 0.2 + 0.1 * rng.normal(size=(1, 600))
    losses = {("filled", ()): plain, ("filled", (0,)): better, ("filled", (1,)): better - 1e-6, ("filled", (0, 1)): better}
    with Log(tmp_path) as log:
        ablation = Ablation(plan=plan, dataset=dataset, log=log, timer=NO_CLOCK)
        ablation.losses.update(losses)
        entries, needs = ablation._choose("filled", 0)
    assert not needs
    assert [entry.kept for entry in entries] == [False, True]  # beside the other each looks useless; the one that is worth less went first
    assert entries[1].gain == pytest.approx(np.mean(plain - better), abs=1e-5)


def test_a_gain_that_may_be_chance_is_no_gain(rng: np.random.Generator, tmp_path: Path) -> None:
    plan, dataset = planned(made(rng, 600), transforms=["target_encoding"])
    chance = rng.normal(size=(1, 600))
    with Log(tmp_path) as log:
        ablation = Ablation(plan=plan, dataset=dataset, log=log, timer=NO_CLOCK)
        ablation.losses.update({("filled", ()): chance - chance.mean() + 1.01, ("filled", (0,)): np.ones((1, 600))})
        ((entry,), _) = ablation._choose("filled", 0)
    assert entry.gain == pytest.approx(0.01)
    assert entry.low < 0
    assert not entry.kept


def test_losses_are_weighted_as_gains_are_and_the_reason_for_none_is_told(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, dataset = planned(made(rng, 600), transforms=["target_encoding"])
    weight = rng.uniform(0.1, 5.0, 600)
    losses = rng.uniform(size=(2, 600))
    losses[0, :100] = np.nan
    with Log(tmp_path) as log:
        ablation = Ablation(plan=plan, dataset=dataclasses.replace(dataset, weight=weight), log=log, timer=NO_CLOCK)
        entry = ablation._measured(0, *losses)
        assert entry.loss == pytest.approx(np.average(losses[0, 100:], weights=weight[100:]))
        assert entry.gain == pytest.approx(np.average((losses[1] - losses[0])[100:], weights=weight[100:]))
        assert ablation._measured(0, np.full(600, np.nan), losses[1]).why == "no row was judged"
        monkeypatch.setattr(ablation_module, "paired_gain", lambda *_, **__: None)  # as where too few draws are defined
        none = ablation._measured(0, *losses)
    assert "no interval" in none.why
    assert none.loss == entry.loss
    assert not none.kept


@pytest.mark.slow
def test_nested_folds_choose_for_themselves(rng: np.random.Generator, tmp_path: Path) -> None:
    plan, dataset = planned(made(rng, 400), transforms=["target_encoding"])
    assert dataset.splits.design == "nested"
    choice, _ = chosen(plan, dataset, tmp_path)
    assert len(choice.inside["filled"]) == len(dataset.splits.folds)
    # What an outer fold chose cannot depend on the rows that it tests.
    turned = dataset.target.copy()
    turned[dataset.splits.folds[0].test] = rng.normal(size=len(dataset.splits.folds[0].test)) * 50
    changed = dataclasses.replace(dataset, target=turned)
    changed = dataclasses.replace(changed, digest=store.digest_of(changed))
    other, _ = chosen(plan, changed, tmp_path / "changed")
    assert other.inside["filled"][0] == choice.inside["filled"][0]
    with Log(tmp_path / "changed") as log, Log(tmp_path) as before:
        for name in ("probe filled with 0", "probe filled with none"):
            place = Path("probes") / name.removeprefix("probe ").replace(" ", "-") / "losses.npy"
            np.testing.assert_array_equal(np.load(log.folder / place)[1], np.load(before.folder / place)[1])
            assert not np.array_equal(np.load(log.folder / place)[2], np.load(before.folder / place)[2])


def test_a_choice_is_the_same_when_resumed_and_when_repeated(rng: np.random.Generator, tmp_path: Path) -> None:
    plan, dataset = planned(made(rng, 1200), transforms=["target_encoding", "interact"])
    first, record = chosen(plan, dataset, tmp_path)
    with Log(tmp_path) as log:
        names = [event.what["name"] for event in log.all("probe ended")]
        count = len(names)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    assert b"transforms chosen" in lines[-1]
    for kept in (lines, lines[:-1]):  # when the choice was made, and as if killed just before
        (tmp_path / "events.jsonl").write_bytes(b"".join(kept))
        again, same = chosen(plan, dataset, tmp_path)  # nothing is measured twice
        with Log(tmp_path) as log:
            assert len(list(log.all("probe ended"))) == count
        assert (again, same) == (first, record)
    repeated, same = chosen(plan, dataset, tmp_path / "repeated", only=frozenset(names))
    assert (repeated, same) == (first, record)
    # An earlier run that had no time for anything is repeated as it was.
    without, told = chosen(plan, dataset, tmp_path / "late", only=frozenset())
    assert without.kept["filled"] == ()
    assert all("no time" in entry["why"] for entry in told["judged"]["filled"]["transforms"])


def test_without_time_only_what_reads_a_column_at_all_is_kept(rng: np.random.Generator, tmp_path: Path) -> None:
    words = rng.choice(["good", "bad", "fine", "poor", "well", "ill"], (600, 8))
    frame = made(rng, 600).with_columns(memo=pl.Series([f"{' '.join(row)} {number}" for number, row in enumerate(words.tolist())]))
    plan, dataset = planned(frame, kinds={"memo": "text"})
    assert [entry.do for entry in plan.transforms] == ["target_encoding", "text"]
    choice, record = chosen(plan, dataset, tmp_path, timer=Timer(0.0, 10.0, lambda: 0.0))
    assert choice.kept["filled"] == (1,)
    assert all("no time" in entry["why"] for entry in record["judged"]["filled"]["transforms"])
    with Log(tmp_path) as log:
        assert log.last("probe ended") is None  # nothing was begun that could not be ended


def test_a_failing_disk_is_no_verdict_on_a_transform(rng: np.random.Generator, tmp_path: Path) -> None:
    plan, dataset = planned(made(rng, 300), transforms=["target_encoding"])
    error = {"code": "TW090", "what": "the disk is full", "where": "", "why": "", "fix": ""}
    with Log(tmp_path) as log:
        ablation = Ablation(plan=plan, dataset=dataset, log=log, timer=NO_CLOCK)
        job = ablation.next_job()
        assert job is not None
        with pytest.raises(MachineError, match="TW090"):
            ablation.took(Outcome(job=job, status="failed", error=error))
        assert log.last("probe ended") is None  # so it is measured when the run goes on
        ablation.took(Outcome(job=job, status="failed", error=error | {"code": "TW061"}))
        assert log.last("probe ended").what["status"] == "failed"


def test_a_failing_disk_is_no_cost_of_rows(rng: np.random.Generator, tmp_path: Path) -> None:
    error = {"code": "TW091", "what": "", "where": "", "why": "", "fix": ""}
    plan, _ = planned(made(rng, 300))
    with Log(tmp_path) as log:
        job = cost_job(plan, log, None)
        assert job is not None
        with pytest.raises(MachineError, match="TW091"):
            record_cost(Outcome(job=job, status="failed", error=error), log)
        assert log.last("cost of rows") is None


def test_recipes_that_do_not_fit_the_time_are_not_begun(rng: np.random.Generator, tmp_path: Path) -> None:
    plan, dataset = planned(made(rng, 600), transforms=["target_encoding"], learners=["extra_trees", "lightgbm"], candidates=8)
    plan = plan.model_copy(update={"workers": 1})
    store.keep(dataset, tmp_path, tmp_path / ".data")
    assert recipes_of(plan) == ["filled", "coded"]
    now = [0.0]

    def probes(limit: float | None, seconds: float, folder: Path) -> list[str]:
        """Those that ran, on a clock on which each takes `seconds`."""
        now[0] = 0.0
        with Log(folder) as log:
            ablation = Ablation(plan=plan, dataset=dataset, log=log, timer=Timer(0.0, limit, lambda: now[0]))
            while (job := ablation.next_job()) is not None:
                (place := Path(job.arguments["folder"])).mkdir(parents=True, exist_ok=True)
                np.save(place / "losses.npy", np.ones((1 + len(dataset.splits.inner), dataset.table.rows)))
                now[0] += seconds
                ablation.took(Outcome(job=job, status="done", value={"losses": "any"}, seconds=seconds))
            assert ablation.chosen is not None
            return [event.what["name"] for event in log.all("probe ended")]

    expected = {reads: probe_seconds(reads, dataset) for reads in ("filled", "coded")}
    everything = ["probe filled with 0", "probe filled with none", "probe coded with 0", "probe coded with none"]
    assert probes(None, 1e9, tmp_path / "no clock") == everything
    assert probes(1e4, expected["filled"], tmp_path / "time for all") == everything
    assert probes(14.0, 0.0, tmp_path / "too short") == []
    # Probes ten times as slow as expected: the other recipe's would not fit what is left of the share, and is not begun.
    limit = 5 * (21 * expected["filled"] + 2 * expected["coded"])
    assert probes(limit, 10 * expected["filled"], tmp_path / "slow") == everything[:2]


def test_auto_proposes_by_what_the_columns_are(rng: np.random.Generator) -> None:
    frame = made(rng, 1500).with_columns(few=pl.Series(rng.choice(["a", "b", "c"], 1500)))
    plan, _ = planned(frame)
    assert [entry.model_dump(exclude_none=True) for entry in plan.transforms] == [{"do": "target_encoding", "columns": ("shop",)}]
    assert planned(frame, transforms="none")[0].transforms == ()
    assert planned(frame.drop("shop"))[0].transforms == ()
    both, _ = planned(frame, transforms=["auto", "interact"])
    assert [entry.do for entry in both.transforms] == ["target_encoding", "interact"]
    again, dataset = planned(frame, transforms=[entry.model_dump() for entry in both.transforms])
    assert again.transforms == both.transforms
    assert resolve(again, dataset) == again


@pytest.mark.parametrize(
    ("transforms", "says"),
    [
        ([{"do": "target_encoding", "columns": ["shp"]}], "did you mean 'shop'?"),
        ([{"do": "target_encoding", "columns": ["noise"]}], "no category"),
        (["text"], "no column of the kind text"),
    ],
)
def test_transforms_that_would_do_nothing_are_refused(rng: np.random.Generator, transforms: list[Any], says: str) -> None:
    with pytest.raises(RequestError) as caught:
        planned(made(rng, 300), transforms=transforms)
    assert caught.value.code == "TW044"
    assert says in str(caught.value)
