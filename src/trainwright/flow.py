"""The whole system on one page: from what was asked to a model that may go into production.

Each stage returns its recorded result when the log says that it is done; resuming a run is running this page again.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainwright import repeat, stages
from trainwright.bundle.ship import ship_winner
from trainwright.credentials import scrubbed
from trainwright.data import store
from trainwright.data.read import read_dataset
from trainwright.engine.calls import write_frames
from trainwright.engine.interface import Engine, open_engine
from trainwright.engine.memory import for_workers
from trainwright.errors import FindingStop, Interrupted, MachineError, RequestError, SourceError
from trainwright.measuring import measure_bundle
from trainwright.plan.model import Plan
from trainwright.plan.read import dump_plan
from trainwright.record import files
from trainwright.record.log import Log
from trainwright.report.write import write_report
from trainwright.run import Run
from trainwright.select.ablation import recorded_choice
from trainwright.select.limits import Timer, keep_back, means_of
from trainwright.select.resolve import DEFAULT_SECONDS, default_memory, workers_of
from trainwright.select.search import Replay
from trainwright.stages import Progress


def train(
    asked: Plan,
    *,
    rows: object | None = None,
    folder: Path | None = None,
    started: float | None = None,
    progress: Progress | None = None,
    replay: Replay | None = None,
) -> Run:
    """From a plan to a run whose bundle may go into production.

    `rows` is a frame in the place of `asked.source`; `folder` an earlier run's folder to go on with; `started` when the
    process started, on `time.monotonic`'s clock; `replay` the outcomes that are to happen again (see `reproduce`).
    Raises TrainwrightError; what was done until then is in the run folder, and `resume` goes on from there.
    """
    progress = progress or Progress()
    before = 0.0 if started is not None else time.process_time()
    timer = Timer(time.monotonic() if started is None else started, _limit(asked, replay), worked=lambda: time.process_time() - before)
    with _workers(asked) as engine, _run(asked, folder) as log:
        timer = stages.after_earlier_sessions(timer, log)
        progress.stage("reading", scrubbed(asked.source or "a frame"))
        dataset = read_dataset(asked, rows, log, means_of(asked, log.folder, timer))  # a blocking finding stops here: nothing trains on bad data
        timer = timer.at_the_pace_so_far()
        progress.dataset(dataset)
        stages.still_time(timer, dataset, log)
        plan = stages.resolve_plan(asked, dataset, log)  # nothing is left on "auto"
        progress.plan(plan, log.folder)
        outcomes = stages.search_candidates(plan, dataset, log, engine, timer, progress, replay)  # baselines first; test rows still sealed
        chosen = recorded_choice(log)  # beside the baselines, by what was lost without each
        progress.stage("shipping", "refitting the best on all open rows")
        follow = replay.shipped if replay else None
        reserve = keep_back(plan.time, timer.pace, len(dataset.splits.measured))
        shipped = ship_winner(plan, dataset, outcomes, engine, log, timer, keep_back=reserve, follow=follow, chosen=chosen)
        bundle = stages.place_bundle(shipped, log)
        progress.stage("measuring", "the bundle that ships, through the runtime that serves")
        evidence = measure_bundle(plan, dataset, outcomes, shipped, bundle, log)  # opens the sealed rows, once
        bundle = stages.complete_bundle(plan, dataset, outcomes, shipped, evidence, log)
        stages.write_summary(plan, dataset, outcomes, shipped, evidence, bundle, log, timer)
        write_report(log.folder)
        stages.finish(plan, dataset, log, timer)
    return Run(log.folder)


@contextlib.contextmanager
def _workers(asked: Plan) -> Iterator[Engine]:
    """Workers start to load while the data is read."""
    engine = open_engine(asked.engine, workers_of(asked), preload=stages.PRELOAD, memory=for_workers(asked.memory or default_memory()))
    try:
        yield engine
    finally:
        engine.close()


@contextlib.contextmanager
def _run(asked: Plan, folder: Path | None) -> Iterator[Log]:
    """A new run folder, or an earlier one to go on with, locked. A request that comes to nothing leaves none behind."""
    folder, new = (folder, False) if folder is not None else (repeat.new_folder(asked), True)
    if new:  # before the log is there: whoever finds a log finds what was asked
        files.write_text(folder / "asked.yaml", dump_plan(asked, full=False))
    with Log(folder) as log:
        log.append("session", resumed=not new)
        try:
            yield log
        except (RequestError, SourceError, FindingStop):
            if new and log.last("plan") is None:
                store.forget(folder)
                shutil.rmtree(folder, ignore_errors=True)
            raise
        except KeyboardInterrupt:
            log.append("stopped", reason="KeyboardInterrupt", code="TW098")
            raise Interrupted(
                "TW098", "stopped", where=str(folder), fix=f"what was done is kept: `trainwright train --resume {folder}` goes on"
            ) from None
        except Exception as error:
            with contextlib.suppress(OSError, MachineError):  # on a full disk the first error is the one to tell
                with (folder / "error.log").open("w", encoding="utf-8") as frames:
                    write_frames(error, frames)
                log.append("stopped", reason=type(error).__name__, code=getattr(error, "code", None))
            raise


def _limit(asked: Plan, replay: Replay | None) -> float | None:
    """The wall-time limit; none under a budget of candidates, and none when a run is repeated."""
    if replay is not None or asked.candidates is not None:
        return None
    return asked.time or DEFAULT_SECONDS


def resume(folder: str | Path, *, started: float | None = None, progress: Progress | None = None) -> Run:
    """Go on with a run that was stopped. One that ended comes back as it is."""
    run = Run(folder)
    if run.ended:
        with Log(run.folder):
            stages.tidy(run.plan, run.folder)  # a kill may have come between the last event and this
        return run
    if run.asked.source is None and all(event.kind != "dataset" for event in run.events):
        fix = "give the frame to `train` again"
        raise RequestError("TW006", "this run was stopped before its rows were kept", where=str(run.folder), why="they came from a frame", fix=fix)
    return train(run.asked, folder=run.folder, started=started, progress=progress, replay=repeat.replay_of(run.events))


def reproduce(folder: str | Path, *, out: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Do a run again from its record, without any clock, and compare digests.

    Gives `same`, both pairs of digests, `changed` (versions or machine that differ, in words), `run` (the new run's folder).
    Raises RequestError (TW006) when the run did not end, SourceError (TW087) when its rows are gone or are other rows now.
    """
    run = Run(folder)
    before = run.summary
    changed = repeat.what_changed(run)
    again = resume(repeat.begin_again(run, out), progress=progress)
    names = ("model_digest", "bundle_digest")
    return {
        "same": all(again.summary[name] == before[name] for name in names),
        **{name: again.summary[name] for name in names},
        "recorded": {name: before[name] for name in names},
        "changed": changed,
        "run": str(again.folder),
    }
