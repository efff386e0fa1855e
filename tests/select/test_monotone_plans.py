"""Monotone constraints from what is asked to what ships: refusals, candidates, the trial through the bundle, the record and the report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import trainwright
from small_bundles import SKETCHES
from trainwright import learners
from trainwright.bundle.monotone import grid, held
from trainwright.bundle.ship import ship
from trainwright.bundle.write import write_bundle
from trainwright.data import store
from trainwright.data.dataset import Dataset
from trainwright.data.read import look_at
from trainwright.errors import CheckFailed, RequestError
from trainwright.features.feature import Feature
from trainwright.learners.tabular.logistic import Logistic
from trainwright.plan.model import LearnerChoice
from trainwright.plan.read import dump_plan, make_plan, read_plan
from trainwright.report import sentences
from trainwright.report.records import Records
from trainwright.runtime.columns import Coded
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Linear, Numbers, Ranks
from trainwright.runtime.typed import Typed
from trainwright.select.monotone import keeps, left_out, signs
from trainwright.select.outcome import Outcome, choose
from trainwright.select.resolve import resolve

SIZES = ("small", "middle", "large")


def frame(rows: int = 400, classes: int = 2) -> pl.DataFrame:
    rng = np.random.default_rng(4)
    age, b, town = rng.normal(40, 10, rows), rng.normal(size=rows), rng.choice(["x", "y", "z"], rows)
    score = 0.1 * (age - 40) + 2 * np.sin(age / 2) + b + (town == "x") + rng.normal(0, 0.5, rows)
    y = np.array(["no", "yes", "perhaps"])[np.digitize(score, [0, 2][: classes - 1])] if classes else 1000 + 50 * score
    when = pl.Series(np.datetime64("2020-01-01") + rng.integers(0, 2000, rows).astype("timedelta64[D]"))
    return pl.DataFrame({"age": age, "b": b, "town": town, "size": rng.choice(SIZES, rows), "when": when, "y": y, "note": rng.normal(size=rows)})


def asked(data: pl.DataFrame, **fields: Any) -> tuple[Any, Dataset]:
    plan = make_plan({"target": "y", "kinds": {"size": "ordered:small<middle<large"}, **fields})
    return plan, look_at(plan, data)


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"monotone": {"town": "increasing"}}, "TW068", "category"),
        ({"monotone": {"when": "increasing"}}, "TW068", "datetime"),
        ({"monotone": {"agee": "increasing"}}, "TW068", "no column"),
        ({"monotone": {"y": "increasing"}}, "TW068", "not learned from"),
        ({"monotone": {"note": "increasing"}, "drop": ["note"]}, "TW068", "not learned from"),
        ({"monotone": {"age": "increasing"}, "transforms": ["interact"]}, "TW068", "interaction"),
        ({"monotone": {"age": "increasing"}, "learners": ["logistic"]}, "TW067", "tabular/logistic"),
        ({"monotone": {"age": "increasing"}, "learners": ["lightgbm", "random_forest"]}, "TW067", "random_forest"),
    ],
)
def test_what_cannot_be_kept_is_refused(fields: dict[str, Any], code: str, says: str) -> None:
    plan, dataset = asked(frame(), **fields)
    with pytest.raises(RequestError) as error:
        resolve(plan, dataset)
    assert error.value.code == code
    assert says in error.value.what


def test_several_classes_are_refused() -> None:
    plan, dataset = asked(frame(classes=3), monotone={"age": "increasing"})
    with pytest.raises(RequestError, match="TW067"):
        resolve(plan, dataset)


def test_an_interaction_of_other_columns_and_yes_no_are_let_through() -> None:
    data = frame().with_columns(member=pl.Series(np.arange(400) % 2 == 0))
    other = {"do": "interact", "columns": ["b", "note"]}
    plan, dataset = asked(data, monotone={"age": "increasing", "member": "decreasing", "size": "increasing"}, transforms=[other])
    assert resolve(plan, dataset).monotone == plan.monotone


@pytest.mark.parametrize("classes", [0, 2])
def test_only_learners_that_keep_it_are_tried_and_the_resolved_plan_says_the_same_again(tmp_path: Path, classes: int) -> None:
    plan, dataset = asked(frame(classes=classes), monotone={"age": "increasing"})
    resolved = resolve(plan, dataset)
    baselines = [choice for choice in resolved.learners if not learners.learner_class(choice.name).card.monotone]
    assert baselines == [LearnerChoice(name="tabular/logistic" if classes else "tabular/linear", settings={})]
    assert {choice.name for choice in resolved.learners} - {baselines[0].name} == {"tabular/dummy", "tabular/lightgbm"}
    assert set(left_out(resolved)) >= {"tabular/random_forest", "tabular/extra_trees", "tabular/tree"}
    assert not keeps(resolved, baselines[0].name)
    assert keeps(make_plan({}), baselines[0].name)
    (tmp_path / "plan.yaml").write_text(dump_plan(resolved, full=True))
    assert resolve(read_plan(tmp_path / "plan.yaml"), dataset).learners == resolved.learners


def test_signs_are_those_of_the_column_itself() -> None:
    features = (
        Feature("age", "age", "number"),
        Feature("age is missing", "age", "indicator"),
        Feature("when: month", "when", "number"),
        Feature("size", "size", "number"),
        Feature("town", "town", "code"),
    )
    assert signs(features, {"age": "increasing", "size": "decreasing", "town": "increasing"}) == (1, 0, 0, -1, 0)
    assert signs(features, {}) == ()


def test_what_keeps_nothing_comes_last_however_good() -> None:
    def outcome(number: int, score: float, kept: bool) -> Outcome:
        return Outcome(number=number, learner="x", settings={}, baseline=number < 2, status="done", score=score, keeps=kept)

    ranked = choose([outcome(0, 0.5, True), outcome(1, 0.9, False), outcome(2, 0.7, True)], "roc_auc")
    assert [each.number for each in ranked] == [2, 0, 1]


def made(folder: Path, weights: list[float]) -> Any:
    """A bundle that adds up age, b and the rank of the size with these weights."""
    schema = (*(ColumnSchema(name=name, kind="number") for name in ("age", "b")), ColumnSchema(name="size", kind="ordered", order=SIZES))
    steps = [
        ("typed", Typed(schema=schema), ("rows",)),
        ("numbers", Numbers(columns=("age", "b"), shift=np.empty(0)), ("typed",)),
        ("ranks", Ranks(columns=("size",), vocabularies=(SIZES,), unseen=np.array([1.0]), missing=np.array([1.0])), ("typed",)),
        ("first", Linear(weights=np.array(weights[:2])[:, None], offset=np.zeros(1)), ("numbers",)),
    ]
    if weights[2]:
        steps[-1] = ("first", Linear(weights=np.array(weights[2:])[:, None], offset=np.zeros(1)), ("ranks",))
    placed = [step for step in steps if step[0] not in (("ranks",) if not weights[2] else ("numbers",))]
    return write_bundle(folder, task="regression", output={"kind": "number"}, steps=placed, features=schema, sketches=SKETCHES), schema


def test_the_trial_finds_what_falls_and_by_how_much(tmp_path: Path, rng: np.random.Generator) -> None:
    columns = {
        "age": np.r_[rng.uniform(10, 20, 298), 10, 20],
        "b": rng.normal(size=300),
        "size": Coded(np.arange(300) % 3, ["large", "small", "middle"]),
    }
    bundle, schema = made(tmp_path / "numbers", [2.0, 0.0, 0.0])
    right, wrong = (held(bundle, schema, columns, {"age": way}, scale=1.0)[0] for way in ("increasing", "decreasing"))
    assert right == {"column": "age", "direction": "increasing", "rows": 200, "values": 42, "worst": 0.0, "held": True}
    assert not wrong["held"]
    assert wrong["worst"] == pytest.approx(2 * (10 + 2 * 11), rel=1e-2)  # from 10 - 11 to 20 + 11
    assert held(bundle, schema, columns, {"b": "increasing"}, scale=1.0)[0]["held"]  # a constant
    ranked, schema = made(tmp_path / "ranks", [0.0, 0.0, -1.0])
    found = held(ranked, schema, columns, {"size": "increasing", "age": "increasing"}, scale=1.0)
    assert (found[0]["held"], found[0]["worst"], found[0]["values"]) == (False, 2.0, 3)
    assert found[1]["held"]


def test_what_is_tried_covers_what_was_seen() -> None:
    number = ColumnSchema(name="a", kind="number")
    values = grid(number, np.r_[np.arange(1000.0), np.nan])
    assert isinstance(values, np.ndarray)
    assert (values[0], values[1], values[-2], values[-1]) == (-1000, 0, 999, 1999)
    assert (np.diff(values) > 0).all()
    np.testing.assert_array_equal(grid(ColumnSchema(name="a", kind="yesno"), np.array([0.0, np.nan])), [0, 1])
    assert len(grid(number, np.array([np.nan]))) == 1


def shipped(tmp_path: Path, learner: str, settings: dict[str, Any], monotone: dict[str, str] | None, classes: int = 2) -> dict[str, Any]:
    _, dataset = asked(frame(900, classes))
    store.save(dataset, tmp_path / "data")
    (tmp_path / "candidate").mkdir()
    outputs = max(1, classes)
    np.save(tmp_path / "candidate" / "predictions.npy", np.full((1, dataset.table.rows, outputs), 1 / outputs))
    put_right = {"slope": 0.5, "bias": [0.3, -0.3]} if classes else {"slope": None, "bias": None}
    (tmp_path / "candidate" / "outcome.json").write_text(json.dumps({"decision": {**put_right, "threshold": None}}))
    return ship(
        data=str(tmp_path / "data"), folder=str(tmp_path / "bundle"), candidate=str(tmp_path / "candidate"), number=2, learner=learner,
        settings=settings, balance="none", seed=0, threads=1, iterations=40, monotone=monotone,
    )  # fmt: skip


@pytest.mark.parametrize("classes", [0, 2])
@pytest.mark.parametrize("learner", ["tabular/lightgbm", "tabular/catboost"])
def test_what_ships_was_tried_and_answers_so_by_brute_force(tmp_path: Path, learner: str, classes: int) -> None:
    """Raw rows as a caller gives them, every one with every value."""
    wanted = {"age": "increasing", "size": "decreasing"}
    result = shipped(tmp_path, learner, {}, wanted, classes)
    assert [(entry["column"], entry["held"], entry["rows"]) for entry in result["monotone"]] == [("age", True, 200), ("size", True, 200)]
    bundle = trainwright.load(tmp_path / "bundle")
    assert bundle.manifest["notes"]["monotone"] == wanted
    rows = frame(900, classes).drop("y").head(20).to_dicts()
    unit = 1.0 if classes else 100.0
    for column, values, sign in (("age", np.linspace(-50, 150, 60).tolist(), 1), ("size", list(SIZES), -1)):
        for row in rows:
            said = sign * bundle.outputs([{**row, column: value} for value in values])[:, -1]
            assert (np.maximum.accumulate(said) - said).max() <= 1e-6 * unit


def test_a_promise_that_is_not_kept_does_not_ship_and_no_promise_is_only_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = shipped(tmp_path, "tabular/logistic", {}, {"b": "decreasing", "age": "increasing"})["monotone"]
    assert [entry["held"] for entry in told] == [False, True]  # the truth rises with both
    assert "monotone" not in trainwright.load(tmp_path / "bundle").manifest["notes"]
    monkeypatch.setattr(Logistic, "card", dataclasses.replace(Logistic.card, monotone=True))
    (tmp_path / "again").mkdir()
    with pytest.raises(CheckFailed) as error:
        shipped(tmp_path / "again", "tabular/logistic", {}, {"b": "decreasing"})
    assert error.value.code == "TW067"


def test_without_constraints_nothing_is_tried(tmp_path: Path) -> None:
    assert "monotone" not in shipped(tmp_path, "tabular/dummy", {}, None)


def test_what_may_not_ship_was_not_passed_over_and_is_told(tmp_path: Path) -> None:
    def entry(learner: str, score: float, **more: Any) -> dict[str, Any]:
        return {"learner": learner, "score": score, "outcome": "done", "keeps": True, "chosen": False, **more}

    tried = {"column": "age", "direction": "increasing", "rows": 200, "values": 42, "worst": 0.0, "held": True}
    board = [entry("tabular/dummy", 0.5, chosen=True, monotone=[tried]), entry("tabular/logistic", 0.9, keeps=False)]
    records = Records(folder=tmp_path, plan={"metric": "roc_auc"}, dataset={}, evidence={"metric": "roc_auc", "metrics": {}}, leaderboard=board)
    assert sentences.passed_over(records) == []
    assert sentences.constrained(records)[0].startswith("As asked, what it predicts never falls as “age” rises")
    assert "Logistic regression cannot promise that" in sentences.constrained(records)[1]
    assert "may ship did better" in sentences.beware(records)[0]
    broken = {**tried, "direction": "decreasing", "held": False, "worst": 0.25}
    shown = Records(
        folder=tmp_path, plan={}, dataset={}, evidence={}, leaderboard=[entry("tabular/logistic", 0.9, keeps=False, chosen=True, monotone=[broken])]
    )
    assert sentences.constrained(shown) == (
        "It is NOT decreasing along “age”, as was asked: by 0.25 the other way, on 200 open rows with 42 values each, through the bundle.",
    )


@pytest.mark.slow
@pytest.mark.parametrize("classes", [0, 2])
def test_a_whole_run_keeps_it_records_it_and_says_so(tmp_path: Path, classes: int) -> None:
    """The better baseline may not ship; the run can be had again; the page and the card tell what was tried."""
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(2, 1500))
    score = z - x  # falls along x: with "increasing" nothing may be learned from x, and the linear baseline is better
    data = pl.DataFrame(
        {"x": x, "z": z, "y": np.where(score + rng.normal(0, 0.3, 1500) > 0, "yes", "no") if classes else score + rng.normal(0, 0.3, 1500)}
    )
    run = trainwright.train(data, target="y", monotone={"x": "increasing"}, learners=["lightgbm"], candidates=1, out=tmp_path, progress=False)
    board = json.loads((run.folder / "leaderboard.json").read_text())
    chosen = next(entry for entry in board if entry["chosen"])
    best = max(board, key=lambda entry: entry["score"] if classes else -entry["score"])
    assert (best["learner"], best["keeps"]) == ("tabular/logistic" if classes else "tabular/linear", False)
    assert chosen["learner"] == "tabular/lightgbm"
    (event,) = [event for event in run.events if event.kind == "shipped"]
    assert event.what["monotone"] == chosen["monotone"] == run.summary["monotone"]
    assert [(entry["column"], entry["held"]) for entry in chosen["monotone"]] == [("x", True)]
    for name in ("report.html", "card.md"):
        assert "never falls as" in (run.folder / name).read_text()
    assert "although" not in (run.folder / "report.html").read_text()  # it was not passed over: it may not ship
    again = trainwright.reproduce(run.folder, out=tmp_path / "again")
    assert again["same"]
