"""The search with a clock that the test holds: what is started, what is passed over, what a repeated and a resumed search do."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainwright.data import store
from trainwright.data.dataset import Dataset
from trainwright.data.read import look_at
from trainwright.engine.interface import open_engine
from trainwright.errors import RequestError
from trainwright.plan.model import Plan
from trainwright.plan.read import make_plan
from trainwright.record.log import Log
from trainwright.select.limits import Timer, end_reserve
from trainwright.select.outcome import Outcome
from trainwright.select.resolve import resolve
from trainwright.select.search import Replay, Search


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


def searched(plan: Plan, dataset: Dataset, folder: Path, step: float, replay: Replay | None = None) -> tuple[list[Outcome], Told]:
    """Run a search with a clock that moves by `step` seconds whenever it is read."""
    if not (folder / "data").exists():
        store.keep(dataset, folder, folder / ".data")
    now = iter(step * count for count in range(10**9))
    told = Told()
    with Log(folder) as log, open_engine("inline") as engine:
        timer = Timer(0.0, None if replay else plan.time, lambda: next(now))
        search = Search(
            plan=plan,
            dataset=dataset,
            log=log,
            engine=engine,
            timer=timer,
            watcher=told,
            baselines=2,
            errands={},
            errand_ended=lambda _: None,
            replay=replay,
        )
        return search.run(), told


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
