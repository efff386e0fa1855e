"""What every engine promises, on every engine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import engine_work
import pytest

from trainwright.engine import Engine, Job, Outcome, open_engine

Make = Callable[..., Job]


@pytest.fixture(scope="module", params=["inline", "local"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with open_engine(request.param, 2, preload=("numpy",)) as opened:
        yield opened


@pytest.fixture
def job(tmp_path: Path) -> Make:
    def make(function: str, name: str = "job", **arguments: object) -> Job:
        return Job(name=name, call=f"engine_work:{function}", arguments=arguments, result=tmp_path / name / "result.json")

    return make


def one(engine: Engine, job: Job) -> Outcome:
    engine.submit(job)
    outcome = engine.next(30)
    assert outcome is not None
    assert outcome.job is job
    assert engine.running == ()
    return outcome


def test_a_value_comes_back_and_is_the_result_file(engine: Engine, job: Make) -> None:
    before = time.monotonic()
    outcome = one(engine, job("add", a=2, b=40))
    assert (outcome.status, outcome.value, outcome.error) == ("done", 42, None)
    assert json.loads(outcome.job.result.read_text()) == 42
    assert before <= outcome.started_at <= outcome.ended_at <= time.monotonic()
    assert outcome.seconds == pytest.approx(outcome.ended_at - outcome.started_at)
    assert [path.name for path in outcome.job.result.parent.iterdir()] == ["result.json"]  # no empty log, no leftovers


def test_values_are_what_json_gives_back(engine: Engine, job: Make) -> None:
    arguments = {"list": [1, 2.5, "ä", None, True], "map": {"k": {}}}
    assert one(engine, job("describe", **arguments)).value == {"got": arguments, "pair": [1, 2], "none": None, "text": "ß€"}


def test_a_library_error_keeps_its_place_and_loses_its_message(engine: Engine, job: Make) -> None:
    for function, kind in (("fail_by_library", "KeyError"), ("fail_by_chain", "RuntimeError")):
        outcome = one(engine, job(function))
        log = outcome.job.result.with_name("result.json.log").read_text()
        assert outcome.status == "failed"
        assert outcome.error is not None
        assert set(outcome.error) == {"code", "what", "where", "why", "fix"}
        line = next(n for n, text in enumerate(Path(engine_work.__file__).read_text().splitlines(), 1) if f"raise {kind}(SECRET)" in text)
        assert outcome.error["code"] == "TW099"
        assert outcome.error["what"] == f"{kind} at engine_work.py:{line} ({function})"
        assert f"line {line}, in {function}" in log
        assert kind in log
        assert engine_work.SECRET not in log + json.dumps(outcome.error)
        assert not outcome.job.result.exists()
    assert log.index("ValueError") < log.index("RuntimeError (message left out)")  # the cause first, as Python prints it


def test_our_errors_come_back_as_they_are(engine: Engine, job: Make) -> None:
    outcome = one(engine, job("fail_by_us"))
    assert outcome.status == "failed"
    assert outcome.error == {"code": "TW011", "what": "too few rows", "where": "fold 2", "why": "no spread", "fix": "add rows"}
    assert "TW011: too few rows" in outcome.job.result.with_name("result.json.log").read_text()


@pytest.mark.parametrize("function", ["leave", "not_json", "number_keys", "there_is_none"])
def test_what_gives_no_json_value_failed(engine: Engine, job: Make, function: str) -> None:
    outcome = one(engine, job(function))
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error["code"] == "TW099"
    assert not outcome.job.result.exists()


def test_a_refused_allocation_is_out_of_memory(engine: Engine, job: Make) -> None:
    outcome = one(engine, job("refused_allocation"))
    assert outcome.status == "out of memory"
    assert outcome.error is not None
    assert outcome.error["code"] == "TW096"


def test_a_failed_job_does_not_leave_an_older_result(engine: Engine, job: Make) -> None:
    assert one(engine, job("add", a=1, b=1)).job.result.exists()
    assert not one(engine, job("fail_by_us")).job.result.exists()


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("__main__:work", {}),
        ("no_such_module:work", {}),
        ("engine_work.inner:work", {}),
        ("no_such.package:work", {}),
        ("engine_work", {}),
        ("engine_work:add.x", {}),
        ("os; import sys:x", {}),
        ("engine_work:add", {"a": object()}),
        ("engine_work:add", {"a": float("inf")}),
        ("engine_work:add", {"a": {1: 2}}),
    ],
)
def test_refused_before_anything_runs(engine: Engine, tmp_path: Path, call: str, arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        engine.submit(Job(name="refused", call=call, arguments=arguments, result=tmp_path / "r"))
    assert engine.running == ()
    assert engine.next(0) is None


def test_names_are_unique_while_running_and_free_counts(engine: Engine, job: Make) -> None:
    assert engine.free == engine.capacity
    engine.submit(job("add", "a", a=1, b=2))
    with pytest.raises(ValueError, match="already a job 'a'"):
        engine.submit(job("add", "a", a=1, b=2))
    outcome = engine.next(30)
    assert outcome is not None
    assert outcome.job.name == "a"
    assert engine.free == engine.capacity
    assert one(engine, job("add", "a", a=1, b=2)).status == "done"


def test_more_jobs_than_workers_all_come_back(engine: Engine, job: Make) -> None:
    for number in range(6):
        engine.submit(job("add", f"n{number}", a=number, b=0))
    assert engine.free == 0 or len(engine.running) < engine.capacity
    outcomes = [engine.next(30) for _ in range(6)]
    assert sorted(o.value for o in outcomes if o) == list(range(6))
    assert [o.ended_at for o in outcomes if o] == sorted(o.ended_at for o in outcomes if o)
    assert engine.next(30) is None  # at once: nothing is running


def test_a_job_that_waits_can_be_taken_back(engine: Engine, job: Make) -> None:
    names = [f"n{number}" for number in range(engine.capacity + 1)]
    for name in names:
        engine.submit(job("add", name, a=1, b=1))
    engine.end("no such job")
    engine.end(names[-1])
    outcomes = {o.job.name: o for o in (engine.next(30) for _ in names) if o}
    assert set(outcomes) == set(names)
    assert outcomes[names[-1]].status in ("ended", "done")  # it may have been quick
    assert all(outcomes[name].status == "done" for name in names[:-1])


def test_threads_are_what_the_job_says_and_numbers_agree(engine: Engine, tmp_path: Path) -> None:
    values = []
    for threads in (1, 2):
        outcome = one(engine, Job(name="m", call="engine_work:matrix_product", result=tmp_path / "m.json", threads=threads))
        values.append(outcome.value)
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_closed_engines_refuse(tmp_path: Path) -> None:
    for kind in ("inline", "local"):
        opened = open_engine(kind)  # type: ignore[arg-type]
        opened.close()
        opened.close()
        with pytest.raises(ValueError, match="closed"):
            opened.submit(Job(name="x", call="engine_work:add", result=tmp_path / "x"))


def test_only_known_engines() -> None:
    with pytest.raises(ValueError, match="'local' or 'inline'"):
        open_engine("ray")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1 worker"):
        open_engine("local", 0)
