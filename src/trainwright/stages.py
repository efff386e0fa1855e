"""The stages of `flow.py`: each does one record's work, or gives back what the log says was done."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainwright import runtime
from trainwright._version import __version__
from trainwright.bundle.ship import baseline_folder, ship_job
from trainwright.bundle.write import add_evidence
from trainwright.data import store
from trainwright.data.dataset import Dataset
from trainwright.data.prepare import BEYOND
from trainwright.engine.interface import Engine
from trainwright.engine.interface import Outcome as JobOutcome
from trainwright.errors import CheckFailed, Infeasible
from trainwright.plan.model import Plan
from trainwright.plan.read import dump_plan, read_plan
from trainwright.record import files
from trainwright.record.digests import digest_bytes
from trainwright.record.log import Log
from trainwright.repeat import lock
from trainwright.report.card import card_text
from trainwright.run import SUMMARY, Run, same_as_recorded
from trainwright.select.ablation import FOLDER, Ablation, recipes_of
from trainwright.select.candidate import PREDICTIONS
from trainwright.select.cost import EVENT, MEASURE, cost_job, in_words, record_cost
from trainwright.select.limits import Timer, end_reserve, grace, keep_back
from trainwright.select.outcome import Outcome, choose, recorded
from trainwright.select.resolve import resolve
from trainwright.select.search import Replay, Search
from trainwright.select.transforms import plain_of
from trainwright.tasks import TASKS

PRELOAD = (
    "numpy",
    "sklearn.linear_model",
    "sklearn.ensemble",
    "sklearn.tree",
    "lightgbm",
    "trainwright.select.candidate",
    "trainwright.select.probe",
    "trainwright.bundle.ship",
    "trainwright.select.cost",
    "trainwright.learners.graphs",
)
"""What the worker server imports once, so that a candidate starts in milliseconds."""

SCHEMA_VERSION = 1
FIRST = 1.0  # second that a first model takes, at least
ENOUGH_TO_END = 6.0  # seconds that a resumed run has at least, beside what comes after its search


class Progress:
    """Who is told how a run goes; this one keeps silent. The command line and notebooks bring their own."""

    def stage(self, name: str, what: str) -> None: ...

    def dataset(self, dataset: Dataset) -> None: ...

    def plan(self, plan: Plan, folder: Path) -> None: ...

    def candidate_started(self, number: int, learner: str) -> None: ...

    def candidate_ended(self, outcome: Outcome, best: Outcome | None, *, done: int, total: int) -> None: ...


def after_earlier_sessions(timer: Timer, log: Log) -> Timer:
    """The timer of a resumed run: what earlier sessions used up counts against the limit.

    Enough to start the workers, to ship the slowest candidate so far and to write the report always remains, else a run that was
    stopped near its end could never end.
    """
    if timer.limit is None:
        return timer
    used, began, latest = 0.0, None, None
    for event in log.events[:-1]:  # the last event opened this very session
        if event.kind == "session":
            used += (latest - began) if began is not None and latest is not None else 0.0
            began = event.at
        latest = event.at
    used += (latest - began) if began is not None and latest is not None else 0.0
    if not log.events[:-1]:
        return timer
    slowest = max((outcome.fit_seconds or 0.0 for outcome in recorded(log).values()), default=0.0)
    enough = ENOUGH_TO_END + end_reserve(timer.limit, slowest)
    return replace(timer, limit=max(timer.limit - max(0.0, used), enough))


def still_time(timer: Timer, dataset: Dataset, log: Log) -> None:
    """Raises Infeasible (TW072) when reading has used up what a first model needs."""
    if (
        timer.limit is not None
        and timer.left() < keep_back(timer.limit, timer.pace, len(dataset.splits.measured)) + FIRST - grace(timer.limit)
        and log.last("searched") is None
    ):
        raise Infeasible(
            "TW072",
            f"reading and checking {dataset.table.rows:,} rows took {timer.spent():.1f} s of {timer.limit:g} s",
            where="--time",
            why="no model can be trained, shipped and measured in the rest",
            fix=f"give at least --time {2 * timer.spent() + 10:.0f}s",
        )


def resolve_plan(asked: Plan, dataset: Dataset, log: Log) -> Plan:
    """The resolved plan, written once; a resumed run reads it back, whatever machine it goes on with."""
    path = log.folder / "plan.yaml"
    done = log.last("plan")
    if done is not None:
        same_as_recorded(path, done.what["digest"])
        return read_plan(path)
    plan = resolve(asked, dataset)
    text = dump_plan(plan, full=True)
    files.write_text(path, text)
    files.write_text(log.folder / "lock.txt", lock(plan))
    log.append("plan", digest=digest_bytes(text.encode()), candidates=len(plan.learners), threads=plan.threads, workers=plan.workers)
    return read_plan(path)


def search_candidates(
    plan: Plan,
    dataset: Dataset,
    log: Log,
    engine: Engine,
    timer: Timer,
    progress: Progress,
    replay: Replay | None,
) -> list[Outcome]:
    """Every candidate's outcome. The baselines come first and are shipped on the way, so that there is a bundle from the first seconds on.

    Beside them it is found out what transforms are worth, and what it costs to train on a part of the rows.
    """
    if log.last("searched") is not None:
        return [outcome for _, outcome in sorted(recorded(log).items())]
    sampled = BEYOND in dataset.dropped and dataset.splits.design == "sealed"
    cost = cost_job(plan, log, replay) if sampled else None
    plain = plain_of(plan)
    only = None if replay is None else replay.probes
    ablation = Ablation(plan=plan, dataset=dataset, log=log, timer=timer, only=only) if recipes_of(plan) else None
    progress.stage("searching", f"{len(plan.learners)} candidates")
    count = len(TASKS[plan.task].baselines)
    errands = {
        number: ship_job(plan, log.folder, number, baseline_folder(log.folder, number), iterations=None, chosen=plain)
        for number in (range(count) if replay is None else replay.baselines)
        if log.last("baseline shipped", number=number) is None
    }

    def errand_ended(ended: JobOutcome) -> None:
        if ended.job.call == MEASURE:
            record_cost(ended, log)
            return
        number = int(ended.job.arguments["number"])
        if ended.status == "done":
            log.append("baseline shipped", number=number, **ended.value)
        else:
            log.append("baseline not shipped", number=number, why=f"{ended.status} {(ended.error or {}).get('what', '')}".strip())

    outcomes = Search(
        plan=plan,
        dataset=dataset,
        log=log,
        engine=engine,
        timer=timer,
        watcher=progress,
        baselines=count,
        errands=errands,
        errand_ended=errand_ended,
        replay=replay,
        plain=plain,
        ablation=ablation,
        beside=(cost,) if cost is not None else (),
    ).run()
    if sampled:
        used = len(dataset.splits.open)
        measured = log.last(EVENT) or log.append(EVENT, why="there was no time to measure it")
        progress.stage("sampled", in_words(measured.what, plan.metric, used, used + dataset.dropped[BEYOND]))
    log.append("searched", candidates=len(outcomes), done=sum(outcome.status == "done" for outcome in outcomes))
    return outcomes


def place_bundle(shipped: dict[str, Any], log: Log) -> runtime.Bundle:
    """Put what was shipped at `bundle/`. The shipped folder stays until the run ends, so this can be done again after a crash."""
    place = log.folder / "bundle"
    if not place.exists():
        beside = log.folder / ".bundle.part"
        shutil.rmtree(beside, ignore_errors=True)
        with files.machine_errors(place, doing="place the bundle"):
            shutil.copytree(log.folder / shipped["folder"], beside, copy_function=store.link)
            files.replace_folder(beside, place)
    bundle = runtime.load(place)
    if bundle.model_digest != shipped["model_digest"]:
        raise CheckFailed("TW083", "the bundle is not the one that was shipped", where=str(place), fix="train again")
    return bundle


def complete_bundle(
    plan: Plan, dataset: Dataset, outcomes: list[Outcome], shipped: dict[str, Any], evidence: dict[str, Any], log: Log
) -> runtime.Bundle:
    """Leaderboard and model card, and the bundle with its evidence inside."""
    board = leaderboard(plan, outcomes, shipped, log)
    files.write_json(log.folder / "leaderboard.json", board)
    chosen = next(entry for entry in board if entry["chosen"])
    card = card_text(plan.model_dump(mode="json"), files.read_json(log.folder / "dataset.json"), evidence, chosen)
    files.write_text(log.folder / "card.md", card)
    return add_evidence(log.folder / "bundle", evidence, card)


def leaderboard(plan: Plan, outcomes: list[Outcome], shipped: dict[str, Any], log: Log) -> list[dict[str, Any]]:
    """One entry a candidate: those that finished first, best first."""
    ranked = choose(outcomes, plan.metric)
    entries = []
    for outcome in [*ranked, *(other for other in outcomes if other not in ranked)]:
        entry: dict[str, Any] = {
            "candidate": outcome.number,
            "learner": outcome.learner,
            "settings": outcome.settings,
            "balance": outcome.balance,
            "baseline": outcome.baseline,
            "keeps": outcome.keeps,
            "chosen": outcome.number == shipped["number"],
            "outcome": outcome.status,
            "why": outcome.why,
            "score": outcome.score,
            "low": outcome.low,
            "high": outcome.high,
            "folds": list(outcome.folds),
            "seconds": outcome.seconds,
            "memory_bytes": outcome.memory_bytes,
            "iterations": outcome.iterations,
        }
        became = log.last("baseline shipped", number=outcome.number)
        bundle = shipped if entry["chosen"] else became.what if became else None  # only these became bundles, and can be measured as such
        entry |= {"latency_us": bundle and bundle["latency_us"], "bundle_bytes": bundle and bundle["bytes"]}
        entry["monotone"] = (bundle or {}).get("monotone", [])
        entry["contains_training_rows"] = bundle and bundle["marks"]["contains_training_rows"]
        if entry["chosen"]:
            entry["left_out"] = shipped.get("left_out", {})
        entries.append(entry)
    return entries


def write_summary(
    plan: Plan,
    dataset: Dataset,
    outcomes: list[Outcome],
    shipped: dict[str, Any],
    evidence: dict[str, Any],
    bundle: runtime.Bundle,
    log: Log,
    timer: Timer,
) -> None:
    """summary.json, which `train --json` prints. `seconds` is set once more by `finish`, when the report is written."""
    chosen = next(outcome for outcome in outcomes if outcome.number == shipped["number"])
    metric = evidence["metrics"][plan.metric]
    simple = next((name for name in reversed(TASKS[plan.task].baselines) if name in evidence["baselines"]), None)
    files.write_json(
        log.folder / SUMMARY,
        {
            "schema_version": SCHEMA_VERSION,
            "run": str(log.folder),
            "bundle": str(log.folder / "bundle"),
            "report": str(log.folder / "report.html"),
            "task": plan.task,
            "target": dataset.target_name,
            "learner": chosen.learner,
            "metric": {"name": plan.metric, **{key: metric[key] for key in ("value", "low", "high", "n")}},
            "baseline": {"name": simple, "value": evidence["baselines"][simple]["metrics"][plan.metric]["value"] if simple else None},
            "monotone": shipped.get("monotone", []),
            "design": evidence["design"],
            "seconds": round(timer.spent(), 3),
            "findings": [{key: f.as_dict()[key] for key in ("code", "title", "blocking", "where")} for f in dataset.findings],
            "model_digest": bundle.model_digest,
            "bundle_digest": bundle.bundle_digest,
            "limits": {
                "time": plan.time,
                "candidates": read_plan(log.folder / "asked.yaml").candidates,
                "memory": plan.memory,
                "workers": plan.workers,
            },
            "warnings": [*shipped["passed_over"], *_not_kept(plan)],
            "trainwright": __version__,
        },
    )


def _not_kept(plan: Plan) -> list[str]:
    """Which limits of the plan nobody watched."""
    return ["limits of time and memory are not enforced by --engine inline, only planned with"] if plan.engine == "inline" else []


def finish(plan: Plan, dataset: Dataset, log: Log, timer: Timer) -> None:
    """The last event, then `tidy`."""
    path = log.folder / SUMMARY
    files.write_json(path, files.read_json(path) | {"seconds": round(timer.spent(), 3)})
    log.append("ended", dataset=dataset.digest)
    tidy(plan, log.folder)


def tidy(plan: Plan, folder: Path) -> None:
    """What only the run itself needed goes, and so do the rows when they are not to be kept. May be done again."""
    for leftover in ("winner", "baselines", FOLDER):
        shutil.rmtree(folder / leftover, ignore_errors=True)
    if not plan.keep_data:
        store.forget(folder)


def forget(run: Run) -> dict[str, Any]:
    """Erase a run's rows and the predictions of single rows; the record says that it was done. Gives how many `files` and `bytes` went."""
    predictions = [run.folder / PREDICTIONS, *(run.folder / "candidates").rglob(PREDICTIONS)]
    gone = [path for path in (*(run.folder / "data").rglob("*"), *predictions) if path.is_file()]
    size = sum(path.stat().st_size for path in gone)
    with Log(run.folder) as log:
        log.append("forgetting", files=len(gone), bytes=size)
        store.forget(run.folder)
        for path in predictions:
            files.remove(path)
        log.append("forgotten", files=len(gone), bytes=size)
    return {"run": str(run.folder), "files": len(gone), "bytes": size}
