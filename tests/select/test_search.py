"""The search with a clock that the test holds: what is started, what is passed over, what a repeated and a resumed search do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainwright import runtime
from trainwright.bundle.ship import baseline_folder, ship_job
from trainwright.data import store
from trainwright.data.dataset import Dataset
from trainwright.data.read import look_at
from trainwright.engine.inline import InlineEngine
from trainwright.engine.interface import Engine, Job, open_engine
from trainwright.errors import RequestError
from trainwright.plan.model import Plan
from trainwright.plan.read import make_plan
from trainwright.record.log import Log, read_events
from trainwright.select.ablation import RECORD, Ablation, recipes_of
from trainwright.select.limits import Timer, end_reserve, keep_back
from trainwright.select.outcome import Outcome
from trainwright.select.resolve import resolve
from trainwright.select.search import Replay, Search
from trainwright.select.transforms import plain_of


class Loading(InlineEngine):
    """An engine whose workers are not there yet when the search begins."""

    ready = False

    def __init__(self) -> None:
        super().__init__()
        self.got: list[str] = []

    def submit(self, job: Job) -> None:
        self.got.append(job.name)
        super().submit(job)


class Told:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.started: list[int] = []

    def candidate_started(self, number: int, learner: str) -> None:
        self.started.append(number)

    def candidate_ended(self, outcome: Outcome, best: Outcome | None, *, done: int, total: int) -> None:
        assert best is None or best.status == "done"


@pytest.fixture(scope="module")
def dataset(tables: Path) -> Dataset:
    return look_at(make_plan({"source": str(tables / "weather.csv"), "target": "temp_max"}), None)


LEARNERS = [{"name": "tabular/tree", "settings": {"max_depth": depth}} for depth in range(1, 9)]


def planned(dataset: Dataset, **fields: object) -> Plan:
    return resolve(make_plan({"target": "temp_max", "learners": LEARNERS, "engine": "inline"} | fields), dataset)


def searched(
    plan: Plan, dataset: Dataset, folder: Path, step: float, replay: Replay | None = None, *, engine: Engine | None = None, ship: bool = False
) -> tuple[list[Outcome], Told]:
    """Run a search with a clock that moves by `step` seconds whenever it is read; with `ship`, baselines become bundles."""
    if not (folder / "data").exists():
        store.keep(dataset, folder, folder / ".data")
    now = iter(step * count for count in range(10**9))
    told = Told()
    with Log(folder) as log, engine or open_engine("inline") as engine:
        timer = Timer(0.0, None if replay else plan.time, lambda: next(now))
        jobs = {number: ship_job(plan, folder, number, baseline_folder(folder, number), iterations=None, chosen=plain_of(plan)) for number in (0, 1)}
        search = Search(
            plan=plan,
            dataset=dataset,
            log=log,
            engine=engine,
            timer=timer,
            watcher=told,
            baselines=2,
            errands=jobs if ship else {},
            errand_ended=lambda ended: log.append("baseline shipped", number=ended.job.arguments["number"], status=ended.status),
            replay=replay,
            plain=plain_of(plan),
            ablation=ablation_of(plan, dataset, log, timer, replay),
        )
        return search.run(), told


def ablation_of(plan: Plan, dataset: Dataset, log: Log, timer: Timer, replay: Replay | None) -> Ablation | None:
    only = None if replay is None else replay.probes
    return Ablation(plan=plan, dataset=dataset, log=log, timer=timer, only=only) if recipes_of(plan) else None


def test_without_a_limit_every_candidate_runs_in_order(dataset: Dataset, tmp_path: Path) -> None:
    outcomes, told = searched(planned(dataset, candidates=5), dataset, tmp_path, step=100.0)
    assert [outcome.status for outcome in outcomes] == ["done"] * 7
    assert told.started == list(range(7))
    assert [outcome.baseline for outcome in outcomes] == [True, True, *[False] * 5]


def test_when_time_runs_out_the_rest_is_not_started_and_says_why(dataset: Dataset, tmp_path: Path) -> None:
    outcomes, told = searched(planned(dataset, time=30), dataset, tmp_path, step=2.5)
    statuses = [outcome.status for outcome in outcomes]
    assert statuses[:2] == ["done", "done"]  # baselines always run
    assert 2 < len(told.started) < len(outcomes)
    assert statuses[len(told.started) :] == ["not started"] * (len(outcomes) - len(told.started))
    assert "expected to take" in outcomes[-1].why


def test_a_repeated_search_starts_what_finished_and_nothing_else(dataset: Dataset, tmp_path: Path) -> None:
    plan = planned(dataset, time=30)
    first, _ = searched(plan, dataset, tmp_path / "first", step=2.5)
    replay = Replay(statuses={outcome.number: outcome.status for outcome in first}, shipped=0, baselines=(0, 1))
    again, told = searched(plan, dataset, tmp_path / "again", step=50.0, replay=replay)
    assert told.started == [outcome.number for outcome in first if outcome.status == "done"]
    for before, now in zip(first, again, strict=True):
        assert (before.score, before.predictions, before.status == "done") == (now.score, now.predictions, now.status == "done")


def test_a_resumed_search_does_not_repeat_what_the_log_acknowledges(dataset: Dataset, tmp_path: Path) -> None:
    plan = planned(dataset, candidates=4)
    first, _ = searched(plan, dataset, tmp_path, step=0.0)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    ended = [index for index, line in enumerate(lines) if b'"candidate ended"' in line]
    (tmp_path / "events.jsonl").write_bytes(b"".join(lines[: ended[2] + 1]))  # as if killed after the third
    again, told = searched(plan, dataset, tmp_path, step=0.0)
    assert told.started == [3, 4, 5]
    assert [outcome.predictions for outcome in again] == [outcome.predictions for outcome in first]


def test_a_candidate_that_would_not_fit_the_memory_is_not_started(dataset: Dataset, tmp_path: Path) -> None:
    outcomes, _ = searched(planned(dataset, candidates=3, memory=1000), dataset, tmp_path, step=0.0)
    assert all(outcome.status == "not started" and "GB" in outcome.why for outcome in outcomes[2:])


def test_a_candidate_that_fails_costs_that_candidate_only(dataset: Dataset, tmp_path: Path) -> None:
    plan = planned(dataset, candidates=3)
    broken = plan.learners[2].model_copy(update={"name": "tabular/logistic", "settings": {}})  # it cannot predict a number
    plan = plan.model_copy(update={"learners": (*plan.learners[:2], broken, *plan.learners[3:])})
    outcomes, _ = searched(plan, dataset, tmp_path, step=0.0)
    assert [outcome.status for outcome in outcomes] == ["done", "done", "failed", "done", "done"]
    assert outcomes[2].why


def said(folder: Path, *kinds: str) -> list[tuple[str, object]]:
    """Events of these kinds in their order, by what they are about."""
    return [
        (event.kind, event.what.get("name", event.what.get("number"))) for event in read_events(folder / "events.jsonl")[0] if event.kind in kinds
    ]


KINDS = ("candidate started", "baseline shipped", "probe ended", "transforms chosen")


def test_baselines_and_their_bundles_come_before_what_transforms_are_worth(dataset: Dataset, tmp_path: Path) -> None:
    plan = planned(dataset, candidates=1, transforms=["interact"], learners=["tabular/tree"])
    outcomes, _ = searched(plan, dataset, tmp_path, step=0.0, ship=True)
    assert said(tmp_path, *KINDS) == [
        ("candidate started", 0),
        ("baseline shipped", 0),
        ("candidate started", 1),
        ("baseline shipped", 1),
        ("probe ended", "probe filled with 0"),
        ("probe ended", "probe filled with none"),
        ("transforms chosen", None),
        ("candidate started", 2),
    ]
    assert [outcome.status for outcome in outcomes] == ["done"] * 3
    for number, name in ((0, "tabular/dummy"), (1, "tabular/linear")):  # what nobody has judged yet is no part of a baseline
        steps = [step["kind"] for step in runtime.load(baseline_folder(tmp_path, number)).manifest["steps"]]
        assert "interact" not in steps, name


@pytest.mark.slow
def test_the_choice_of_transforms_ends_with_its_share_and_is_the_same_when_repeated(dataset: Dataset, tmp_path: Path) -> None:
    plan = planned(dataset, time=200, transforms=["interact"], learners=["tabular/tree", "tabular/lightgbm"])
    outcomes, _ = searched(plan, dataset, tmp_path / "first", step=4.0)
    probes = [name for kind, name in said(tmp_path / "first", "probe ended")]
    assert probes == ["probe filled with 0", "probe filled with none"]  # a clock that runs fast left no time for the other recipe
    assert "done" in [outcome.status for outcome in outcomes[2:]]
    record = (tmp_path / "first" / RECORD).read_text()
    assert json.loads(record)["judged"]["coded"]["transforms"][0]["why"].startswith("there was no time")
    statuses = {outcome.number: outcome.status for outcome in outcomes}
    replay = Replay(statuses=statuses, shipped=0, baselines=(), probes=frozenset(probes))
    again, _ = searched(plan, dataset, tmp_path / "again", step=1e6, replay=replay)
    assert (tmp_path / "again" / RECORD).read_text() == record
    assert [outcome.predictions for outcome in again] == [outcome.predictions for outcome in outcomes]


def test_when_time_runs_out_before_a_choice_it_is_made_by_what_is_there(dataset: Dataset, tmp_path: Path) -> None:
    plan = planned(dataset, time=30, transforms=["interact"], learners=["tabular/tree"])
    outcomes, _ = searched(plan, dataset, tmp_path, step=20.0, ship=True)
    assert [outcome.status for outcome in outcomes[:2]] == ["done", "done"]
    assert said(tmp_path, "probe ended") == []
    assert json.loads((tmp_path / RECORD).read_text())["kept"]["filled"] == []
    assert ("baseline shipped", 0) in said(tmp_path, "baseline shipped")


def test_the_first_baseline_does_not_wait_for_workers(dataset: Dataset, tmp_path: Path) -> None:
    engine = Loading()
    outcomes, told = searched(planned(dataset, time=60), dataset, tmp_path / "loading", step=0.1, engine=engine, ship=True)
    assert said(tmp_path / "loading", "candidate started", "baseline shipped")[:3] == [
        ("candidate started", 0),
        ("baseline shipped", 0),
        ("candidate started", 1),
    ]
    assert engine.got[0] == "candidate 1"
    assert told.started[:2] == [0, 1]
    waiting = Loading()  # under a budget of candidates there is no hurry
    same, _ = searched(planned(dataset, candidates=1), dataset, tmp_path / "waiting", step=0.0, engine=waiting, ship=True)
    assert waiting.got[0] == "candidate 0"
    assert outcomes[0].predictions == same[0].predictions


def test_a_baseline_that_was_asked_for_is_a_candidate_where_transforms_may_make_it_another_model(dataset: Dataset) -> None:
    names = [{"name": "linear", "settings": {}}]
    plan = planned(dataset, candidates=3, learners=names, transforms=["interact"])
    assert [choice.name for choice in plan.learners] == ["tabular/dummy", "tabular/linear", "tabular/linear"]
    assert resolve(plan, dataset) == plan
    assert len(planned(dataset, candidates=3, learners=names, transforms="none").learners) == 2
    with pytest.raises(RequestError, match="TW044"):  # baselines alone never have it
        planned(dataset, learners=[{"name": name, "settings": {}} for name in ("dummy", "linear")], transforms=["interact"])


def test_a_busy_machine_needs_more_for_the_end() -> None:
    calm = Timer(0.0, 60.0, lambda: 10.0, lambda: 9.5).at_the_pace_so_far()
    busy = Timer(0.0, 60.0, lambda: 10.0, lambda: 4.0).at_the_pace_so_far()
    assert (calm.pace, busy.pace) == (pytest.approx(10 / 9.5), 2.5)
    assert Timer(0.0, 60.0, lambda: 100.0, lambda: 1.0).at_the_pace_so_far().pace == 4.0
    assert Timer(0.0, 60.0, lambda: 0.1, lambda: 0.001).at_the_pace_so_far().pace == 1.0  # too short to tell
    assert end_reserve(60.0, 1.0, busy.pace) > end_reserve(60.0, 1.0, calm.pace)
    assert keep_back(10.0, 4.0, 10**6) <= 5.0  # something is left for a model
    assert keep_back(60.0, 1.0, 6000) < keep_back(60.0, 1.0, 20_000) == keep_back(60.0, 1.0, 10**6)  # more are drawn in blocks


def test_the_reserve_grows_with_the_limit_and_the_refit() -> None:
    assert end_reserve(None, 100.0) == 0.0
    assert end_reserve(60.0, 2.0) > end_reserve(60.0, 1.0) > end_reserve(20.0, 1.0) > 0


def test_resolved_plans_leave_nothing_open_and_mean_the_same_again(dataset: Dataset) -> None:
    asked = make_plan({"source": "weather.csv", "target": "temp_max"})
    plan = resolve(asked, dataset)
    assert "auto" not in (plan.task, plan.metric, plan.split)
    assert None not in (plan.time, plan.memory, plan.workers)
    assert [choice.name for choice in plan.learners[:2]] == ["tabular/dummy", "tabular/linear"]
    again = resolve(plan, dataset)
    assert again == plan


def test_learners_are_found_by_their_short_name_and_refused_by_task(dataset: Dataset) -> None:
    named = resolve(make_plan({"target": "temp_max", "learners": [{"name": "lightgbm"}]}), dataset)
    assert {choice.name for choice in named.learners[2:]} == {"tabular/lightgbm"}
    exact = resolve(make_plan({"target": "temp_max", "learners": [{"name": "tree", "settings": {"max_depth": 2}}]}), dataset)
    assert [choice.settings for choice in exact.learners[2:]] == [{"max_depth": 2}]
    with pytest.raises(RequestError, match="TW014"):
        resolve(make_plan({"target": "temp_max", "learners": [{"name": "logistic"}]}), dataset)
    with pytest.raises(RequestError, match="TW012"):
        resolve(make_plan({"target": "temp_max", "learners": [{"name": "tabular/lightgmb"}]}), dataset)
    with pytest.raises(RequestError, match="TW010"):
        resolve(make_plan({"target": "temp_max", "learners": [{"name": "tree", "settings": {"max_depth": -1}}]}), dataset)
