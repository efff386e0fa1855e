"""Workers as real processes: caps, crashes, what dies with what, and how they are found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from trainwright.engine import Job, Outcome, open_engine
from trainwright.engine.local import LocalEngine, uninterrupted
from trainwright.errors import MachineError

HERE = Path(__file__).parent
MIB = 1 << 20
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with LocalEngine(2, preload=("numpy", "sklearn.linear_model", "sklearn.ensemble", "lightgbm")) as opened:
        yield opened


Make = Callable[..., Job]


@pytest.fixture
def job(tmp_path: Path) -> Make:
    def make(
        function: str, *, name: str = "job", seconds: float | None = None, memory: int | None = None, threads: int = 1, **arguments: object
    ) -> Job:
        call, result = f"engine_work:{function}", tmp_path / f"{name}.json"
        return Job(name=name, call=call, arguments=arguments, result=result, seconds=seconds, memory=memory, threads=threads)

    return make


def one(engine: LocalEngine, job: Job) -> Outcome:
    engine.submit(job)
    outcome = engine.next(60)
    assert outcome is not None
    return outcome


T = TypeVar("T")


def until(look: Callable[[], T], seconds: float = 30) -> T:
    """Look again and again, a little apart, until there is something."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
    return found


def numbers_in(path: Path) -> list[int]:
    return [int(text) for text in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    """Is there such a process, and not only its remains?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(*pids: int) -> bool:
    return not any(map(alive, pids))


# Caps


def test_out_of_time(engine: LocalEngine, job: Make) -> None:
    outcome = one(engine, job("wait", seconds=0.2))
    assert outcome.status == "out of time"
    assert outcome.error is not None
    assert outcome.error["code"] == "TW095"
    assert 0.2 <= outcome.seconds < 1.0
    assert not outcome.job.result.exists()


@linux
@pytest.mark.parametrize("function", ["allocate", "allocate_in_child"])
def test_out_of_memory_over_the_whole_tree(engine: LocalEngine, job: Make, function: str) -> None:
    outcome = one(engine, job(function, mebibytes=200, memory=100 * MIB))
    assert outcome.status == "out of memory"
    assert outcome.error is not None
    assert outcome.error["code"] == "TW096"
    assert "its cap: 100 MiB" in outcome.error["what"]
    assert outcome.memory_bytes > 100 * MIB


@linux
def test_memory_is_measured_without_what_the_server_holds(engine: LocalEngine, job: Make) -> None:
    small, large = one(engine, job("add", a=1, b=2)), one(engine, job("allocate", mebibytes=150, hold=False))
    assert (small.status, large.status) == ("done", "done")
    assert small.memory_bytes < 10 * MIB  # numpy, scikit-learn and lightgbm are the server's
    assert large.cpu_seconds > 0


@linux
def test_mapped_files_do_not_count(engine: LocalEngine, job: Make, tmp_path: Path) -> None:
    np.save(tmp_path / "column.npy", np.ones(20 * MIB))  # 160 MiB
    outcome = one(engine, job("map_file", path=str(tmp_path / "column.npy"), memory=60 * MIB))
    assert (outcome.status, outcome.value) == ("done", 20 * MIB)


@linux
def test_over_the_common_cap_the_one_that_grew_dies_alone(job: Make, tmp_path: Path) -> None:
    with LocalEngine(2, memory=300 * MIB) as engine:
        engine.submit(job("allocate", name="steady", mebibytes=100, pid_file=str(tmp_path / "pid")))
        until(lambda: engine.running and numbers_in(tmp_path / "pid"))
        engine.submit(job("allocate", name="grows", mebibytes=400))
        first = engine.next(60)
        assert first is not None
        assert (first.job.name, first.status) == ("grows", "out of memory")
        assert first.error is not None
        assert "all workers together may use: 300 MiB" in first.error["what"]
        assert engine.running == ("steady",)
        engine.end("steady")
        last = engine.next(60)
        assert last is not None
        assert last.status == "ended"


def test_a_cap_that_is_not_reached_changes_nothing(engine: LocalEngine, job: Make) -> None:
    outcome = one(engine, job("add", a=1, b=2, seconds=60, memory=1 << 33))
    assert (outcome.status, outcome.value) == ("done", 3)


# How work ends


def test_killed_from_outside_is_crashed_and_says_so(engine: LocalEngine, job: Make) -> None:
    outcome = one(engine, job("signal_self", number=int(signal.SIGKILL)))
    assert outcome.status == "crashed"
    assert outcome.error is not None
    assert outcome.error["code"] == "TW097"
    assert "killed from outside" in outcome.error["what"]
    assert "memory" in outcome.error["why"]


def test_a_fault_below_python_is_crashed_and_leaves_its_frames(engine: LocalEngine, job: Make) -> None:
    outcome = one(engine, job("segfault"))
    assert outcome.status == "crashed"
    assert outcome.error is not None
    assert "SIGSEGV" in outcome.error["what"]
    assert "in segfault" in Path(outcome.error["where"]).read_text()


@pytest.mark.parametrize("code", [0, 7])
def test_leaving_without_a_result_is_crashed(engine: LocalEngine, job: Make, code: int) -> None:
    outcome = one(engine, job("exit_quietly", code=code))
    assert outcome.status == "crashed"
    assert outcome.error is not None
    assert f"code {code}" in outcome.error["what"]


def test_ended_by_the_caller_with_all_that_it_started(engine: LocalEngine, job: Make, tmp_path: Path) -> None:
    for own_session in (False, True):
        pids = tmp_path / f"pids{own_session}"
        engine.submit(job("wait_with_child", pid_file=str(pids), own_session=own_session))
        tree = until(lambda pids=pids: numbers_in(pids))  # type: ignore[misc]
        assert len(tree) == 2
        engine.end("job")
        outcome = engine.next(60)
        assert outcome is not None
        assert (outcome.status, outcome.error, outcome.value) == ("ended", None, None)
        until(lambda tree=tree: gone(*tree))  # type: ignore[misc]


@linux
def test_what_a_job_left_behind_is_ended(engine: LocalEngine, job: Make, tmp_path: Path) -> None:
    outcome = one(engine, job("leave_child", pid_file=str(tmp_path / "pid")))
    assert outcome.status == "done"
    until(lambda: gone(*numbers_in(tmp_path / "pid")))


def test_work_that_waits_starts_when_there_is_room(engine: LocalEngine, job: Make, tmp_path: Path) -> None:
    for name in ("a", "b"):
        engine.submit(job("wait", name=name, pid_file=str(tmp_path / name)))
    until(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists())
    engine.submit(job("add", name="c", a=1, b=2))
    assert (engine.free, engine.running) == (0, ("a", "b", "c"))
    assert engine.next(0.1) is None
    engine.end("b")
    statuses = [(o.job.name, o.status) for o in (engine.next(60), engine.next(60)) if o]
    assert statuses == [("b", "ended"), ("c", "done")]
    engine.end("a")
    assert engine.next(60) is not None


def test_output_goes_to_the_log_beside_the_result(engine: LocalEngine, job: Make) -> None:
    outcome = one(engine, job("speak"))
    log = Path(f"{outcome.job.result}.log").read_text()
    assert sorted(log.splitlines()) == ["from a child", "to standard error", "to standard output"]


@linux
def test_a_folder_that_cannot_be_made_is_a_failure(engine: LocalEngine) -> None:
    outcome = one(engine, Job(name="x", call="engine_work:add", arguments={"a": 1, "b": 2}, result=Path("/proc/none/x.json")))
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error["code"] == "TW092"
    assert outcome.error["where"] == "/proc/none/x.json.log"


# The server


@linux
def test_the_server_stays_single_threaded_and_children_are_free(engine: LocalEngine, job: Make) -> None:
    seen = one(engine, job("state", threads=2)).value
    assert seen["server_threads"] == 1
    assert engine.left_out == {}
    assert seen["pools"] == [2]
    assert seen["variable"] == "2"
    assert seen["interrupt_ignored"]
    assert seen["group"]
    assert seen["oom_score"] == 500
    assert seen["sockets"] == 0
    assert seen["modules"] == ["numpy", "sklearn", "lightgbm"]
    assert seen["python_path"] == os.environ.get("PYTHONPATH")
    assert one(engine, job("state")).value["pools"] == [1]


def test_openmp_works_after_the_fork_and_repeats_itself(engine: LocalEngine, job: Make) -> None:
    values = [one(engine, job("forest_and_boosting", threads=2)).value for _ in range(2)]
    assert values[0] == values[1]
    assert len(values[0]) == 2


@linux
def test_a_module_that_starts_a_thread_is_left_out(job: Make) -> None:
    with LocalEngine(1, preload=("numpy", "engine_threaded", "no_such_module_here")) as engine:
        seen = one(engine, job("state")).value
        assert seen["server_threads"] == 1
        assert seen["modules"] == ["numpy"]
        assert "thread" in engine.left_out["engine_threaded"]
        assert "ModuleNotFoundError" in engine.left_out["no_such_module_here"]


def test_neither_opening_nor_closing_waits_for_the_preload() -> None:
    with LocalEngine(1, preload=("sklearn.ensemble",)) as engine:
        assert engine.running == ()
        assert engine.server is None  # not ready yet
    assert engine._process.returncode == -signal.SIGKILL  # in the middle of it


def test_a_start_from_the_preloaded_server_is_quick(engine: LocalEngine, job: Make) -> None:
    delays = []
    for _ in range(9):
        outcome = one(engine, job("now"))
        delays.append(outcome.value - outcome.started_at)
    assert np.median(delays) < 0.3  # importing anew takes seconds; at most 0.03 on a quiet machine: benchmarks/worker_start.py


@linux
def test_a_dead_server_costs_what_ran_and_not_what_waited(job: Make, tmp_path: Path) -> None:
    with LocalEngine(1) as engine:
        engine.submit(job("kill_server", name="a"))
        engine.submit(job("add", name="b", a=1, b=2))
        first, second = engine.next(60), engine.next(60)
        assert first is not None
        assert second is not None
        assert (first.job.name, first.status) == ("a", "crashed")
        assert first.error is not None
        assert first.error["code"] == "TW097"
        assert (second.job.name, second.status, second.value) == ("b", "done", 3)


def test_a_server_that_cannot_start_says_where_to_look(job: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "trainwright").mkdir()
    (tmp_path / "trainwright" / "__init__.py").write_text("raise ImportError('this one is broken')\n")
    monkeypatch.syspath_prepend(str(tmp_path))  # the worker finds what the caller would find
    with LocalEngine(1) as engine:
        engine.submit(job("add", a=1, b=2))
        with pytest.raises(MachineError) as caught:
            engine.next(60)
    assert caught.value.code == "TW094"
    assert "this one is broken" in caught.value.why
    assert "this one is broken" in Path(caught.value.where).read_text()
    Path(caught.value.where).unlink()


def test_no_interpreter_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(MachineError) as caught:
        LocalEngine(1)
    assert (caught.value.code, caught.value.where) == ("TW094", "/no/such/python")


@linux
def test_a_job_is_taken_back_without_waiting_for_workers_that_load(job: Make, tmp_path: Path) -> None:
    with LocalEngine(1, preload=("numpy",)) as engine:
        assert not engine.ready
        engine.submit(job("add", name="twice", a=1, b=1))
        engine.end("twice")
        ended = engine.next(0)
        assert ended is not None
        assert (ended.job.name, ended.status, engine.ready, engine.running) == ("twice", "ended", False, ())
        again = one(engine, job("add", name="twice", a=2, b=3))  # the name is free, and the first one's end is not taken for this one's
        assert (again.status, again.value) == ("done", 5)
        assert engine.ready


def test_closing_ends_everything(job: Make, tmp_path: Path) -> None:
    engine = LocalEngine(2)
    for name, own_session in (("a", False), ("b", True)):
        engine.submit(job("wait_with_child", name=name, pid_file=str(tmp_path / name), own_session=own_session))
    pids = until(lambda: (a := numbers_in(tmp_path / "a")) and (b := numbers_in(tmp_path / "b")) and a + b)
    assert engine.running == ("a", "b")
    server, log = engine.server, engine.log
    assert server is not None
    engine.close()
    assert gone(server, *pids)
    assert not log.exists()


# From other programs

SCRIPT = """
import sys
from pathlib import Path
from trainwright.engine import Job, open_engine
engine = open_engine("local", 2, preload=("numpy",))
for n in range(3):
    engine.submit(Job(name=str(n), call="engine_work:add", arguments={{"a": n, "b": n}}, result=Path({folder!r}) / str(n)))
print(sorted(engine.next(60).value for n in range(3)))
"""

HOLD = """
from pathlib import Path
from trainwright.engine import Job, open_engine
engine = open_engine("local", 1)
arguments = {{"pid_file": {pids!r}, "own_session": {own}}}
engine.submit(Job(name="w", call="engine_work:wait_with_child", arguments=arguments, result=Path({folder!r}) / "w"))
assert engine.next({wait}) is None
Path({folder!r}, "server").write_text(str(engine.server))
engine.next()
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(HERE)}


@pytest.mark.parametrize("how", ["file", "standard input", "command"])
def test_a_short_script_without_a_main_guard(tmp_path: Path, how: str) -> None:
    script = SCRIPT.format(folder=str(tmp_path))
    (tmp_path / "script.py").write_text(script)
    arguments = {"file": [str(tmp_path / "script.py")], "standard input": ["-"], "command": ["-c", script]}[how]
    ran = subprocess.run(
        [sys.executable, *arguments], input=script if how == "standard input" else "", env=environment(), capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("[0, 2, 4]\n", "", 0)  # nothing printed twice: the script ran once


def test_modules_on_a_path_that_only_the_caller_knows(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "my_learner.py").write_text("def fit(x):\n    return x + 1\n")
    (tmp_path / "json.py").write_text("raise RuntimeError('a file of the current folder was imported')\n")
    script = f"""
import sys
from pathlib import Path
sys.path.append({str(tmp_path / "plugins")!r})
from trainwright.engine import Job, open_engine
with open_engine("local") as engine:
    engine.submit(Job(name="a", call="my_learner:fit", arguments={{"x": 1}}, result=Path({str(tmp_path)!r}) / "a"))
    print(engine.next(60).value)
"""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "script.py").write_text(script)
    ran = subprocess.run([sys.executable, str(tmp_path / "elsewhere" / "script.py")], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("2\n", "")


@linux
@pytest.mark.parametrize("own_session", [False, True])
def test_a_killed_parent_takes_everything_along(tmp_path: Path, own_session: bool) -> None:
    script = HOLD.format(pids=str(tmp_path / "pids"), own=own_session, folder=str(tmp_path), wait=1)
    parent = subprocess.Popen([sys.executable, "-c", script], env={**environment(), "TMPDIR": str(tmp_path)})
    pids = until(lambda: numbers_in(tmp_path / "pids"))
    server = until(lambda: numbers_in(tmp_path / "server"))
    assert all(map(alive, server + pids))
    parent.kill()
    parent.wait()
    until(lambda: gone(*server, *pids), 10)
    until(lambda: not list(tmp_path.glob("trainwright-engine-*")), 10)


@linux
def test_a_killed_server_takes_its_jobs_along(tmp_path: Path, job: Make) -> None:
    with LocalEngine(1) as engine:
        engine.submit(job("wait", pid_file=str(tmp_path / "pid")))
        pids = until(lambda: numbers_in(tmp_path / "pid"))
        assert engine.running == ("job",)
        assert engine.server is not None
        os.kill(engine.server, signal.SIGKILL)
        outcome = engine.next(60)
        assert outcome is not None
        assert outcome.status == "crashed"
        until(lambda: gone(*pids), 10)


def test_without_help_from_the_kernel_a_job_ends_at_the_end_of_a_pipe() -> None:
    script = "import os; from trainwright.engine.child import end_with; r, w = os.pipe(); os.close(w); end_with(r)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 1


def test_an_interrupt_waits_for_the_end_of_a_message() -> None:
    done, handler = [], signal.getsignal(signal.SIGINT)

    def message() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("the rest of it")

    with pytest.raises(KeyboardInterrupt):
        message()
    assert done == ["the rest of it"]
    assert signal.getsignal(signal.SIGINT) is handler


@linux
def test_an_interrupt_of_the_group_does_not_reach_workers(tmp_path: Path) -> None:
    script = f"""
import signal, sys
from pathlib import Path
from trainwright.engine import Job, open_engine
with open_engine("local") as engine:
    engine.submit(Job(name="w", call="engine_work:wait", arguments={{"pid_file": {str(tmp_path / "pid")!r}}}, result=Path({str(tmp_path)!r}) / "w"))
    try:
        engine.next()
    except KeyboardInterrupt:
        still = engine.next(0.3)
        print(still, engine.running)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True)
    pids = until(lambda: numbers_in(tmp_path / "pid"))
    os.killpg(parent.pid, signal.SIGINT)  # what Ctrl-C on a terminal does
    os.kill(pids[0], signal.SIGINT)
    out, _ = parent.communicate(timeout=60)
    assert out == "None ('w',)\n"
    until(lambda: gone(*pids))


@linux
def test_results_are_whole_or_absent_whenever_a_job_is_killed(job: Make, rng: np.random.Generator) -> None:
    with open_engine("local", 1) as engine:
        for delay in rng.uniform(0, 0.02, size=30):
            engine.submit(job("describe", text="x" * 200_000))
            outcome = engine.next(delay)
            if outcome is None:
                engine.end("job")
                outcome = engine.next(60)
            assert outcome is not None
            assert (outcome.status == "done") == (outcome.value is not None)
            if outcome.job.result.exists():
                assert json.loads(outcome.job.result.read_text())["got"] == {"text": "x" * 200_000}
