"""The winner becomes what ships: refitted on all open rows where it can be ended, written as a bundle, compared with itself.

`ship` runs in a worker; `ship_winner` is the caller's side: the best candidate that ships within the limits, else a baseline.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trainwright import runtime
from trainwright.bundle import parity
from trainwright.bundle.monotone import held
from trainwright.bundle.sketches import sketch
from trainwright.bundle.write import write_bundle
from trainwright.data import store
from trainwright.data.dataset import Dataset
from trainwright.data.windows import shipped
from trainwright.engine.interface import Engine, Job
from trainwright.errors import CheckFailed, Infeasible
from trainwright.learners import make
from trainwright.learners.interface import Budget
from trainwright.plan.model import Plan
from trainwright.plan.transforms import Windows as PlanWindows
from trainwright.plan.transforms import derived
from trainwright.record import files
from trainwright.record.log import Log
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Columns, Floats, take, take_all
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Decide, Windows
from trainwright.runtime.typed import Schemas, Typed
from trainwright.select.candidate import PREDICTIONS, Pipeline, fit_pipeline
from trainwright.select.decision import Decision
from trainwright.select.limits import Timer, refit_seconds, ship_seconds
from trainwright.select.outcome import OUTCOME, Outcome, candidate_folder, choose
from trainwright.select.transforms import NOTHING, Chosen, Use, plain_of

SHIP = "trainwright.bundle.ship:ship"
PARITY_ROWS = 20_000  # open rows on which the bundle is compared with the training objects


def ship(
    *,
    data: str,
    folder: str,
    candidate: str,
    number: int,
    learner: str,
    settings: dict[str, Any],
    balance: str,
    seed: int,
    threads: int,
    iterations: int | None,
    transforms: dict[str, Any] | None = None,
    monotone: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Refit one candidate on all open rows and write it as a bundle into `folder`.

    `candidate` is the folder of its out-of-fold predictions, the honest reference for drift of what will be predicted, and of its outcome,
    which holds what was decided on them: how probabilities are put right, and the threshold.
    Gives `model_digest`, `marks`, `parity` (what was compared, the largest difference), `latency_us` (median of one row through the
    runtime, for the leaderboard only), `left_out` (columns that are not read, and why), `bytes`. Raises BundleError (TW055) when the bundle
    does not answer as the learner did, CheckFailed (TW067) when a learner that keeps monotone constraints did not;
    with constraints, `monotone` says how each was tried (`bundle.monotone.held`).
    """
    dataset = store.load(Path(data))
    budget = Budget(threads=threads, iterations=iterations)
    decision = Decision.from_dict(files.read_json(Path(candidate) / OUTCOME)["decision"])
    fit, chosen = make(learner, settings), Chosen.from_json(transforms)
    use = chosen.use(fit.card.reads)
    pipeline = fit_pipeline(dataset, dataset.splits.open, fit, budget, seed, ("ship", number), balance=balance, use=use, monotone=monotone or {})
    pipeline = replace(pipeline, decision=decision)
    promised = dict(monotone) if monotone and fit.card.monotone else {}
    reference = _out_of_fold(Path(candidate) / PREDICTIONS)
    made = lay_down(pipeline, dataset, Path(folder), reference=reference, seed=seed, chosen=chosen, use=use, promised=promised)
    return made | ({"monotone": _tried(runtime.load(Path(folder)), dataset, _some(dataset, seed), monotone, bool(promised))} if monotone else {})


def lay_down(
    pipeline: Pipeline,
    dataset: Dataset,
    folder: Path,
    *,
    reference: Floats,
    seed: int,
    chosen: Chosen | None = None,
    use: Use = NOTHING,
    promised: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write a fitted pipeline as a bundle into `folder` and compare the two; gives and raises what `ship` does.

    `reference` (rows, outputs): predictions as they will be, for the bundle's sketches. `promised`: the monotone constraints that it keeps.
    """
    decision, chosen = pipeline.decision, chosen or Chosen()
    windows = [shipped(entry, dataset) for entry in use.windows]
    features = input_features(dataset, pipeline, chosen, windows)
    steps: list[tuple[str, Any, tuple[str, ...]]] = [*_front(features, windows), *pipeline.prepared.steps]
    for index, step in enumerate(pipeline.fitted.ship()):
        steps.append((f"model{index}", step, (steps[-1][0],)))
    if decision.calibrate is not None:
        steps.append(("calibrate", decision.calibrate, (steps[-1][0],)))
    output: dict[str, Any] = {"kind": "classes", "classes": list(dataset.classes)} if dataset.classes else {"kind": "number"}
    output["from"] = steps[-1][0]
    decide = Decide(classes=dataset.classes, threshold=decision.threshold) if dataset.classes else None
    if decide is not None:
        steps.append(("decide", decide, (steps[-1][0],)))
    rows = _some(dataset, seed)
    bundle = write_bundle(
        folder,
        task=dataset.task or "",
        output=output,
        steps=steps,
        features=features,
        sketches=sketch(dataset, reference, features=features, decide=decide),
        marks={"contains_training_rows": pipeline.fitted.holds_rows or any(len(step.times) for step in windows)},
        notes=_notes(windows) | ({"monotone": dict(promised)} if promised else {}),
    )
    compared = _compare(bundle, pipeline, dataset, rows, windows)
    return {
        "model_digest": bundle.model_digest,
        "marks": dict(bundle.manifest["marks"]),
        "parity": compared,
        "latency_us": _latency(bundle, dataset),
        "left_out": pipeline.prepared.left_out,
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def _tried(bundle: runtime.Bundle, dataset: Dataset, rows: np.ndarray, monotone: dict[str, str], promised: bool) -> list[dict[str, Any]]:
    """Whether the bundle keeps each constraint on these open rows. Raises CheckFailed (TW067) where it was promised and is not so."""
    assert dataset.target is not None
    scale = None if dataset.classes else float(np.std(dataset.target[dataset.splits.open]))
    found = held(bundle, dataset.features, take_all(dataset.columns, rows), monotone, scale=scale)
    broken = [entry for entry in found if not entry["held"]]
    if promised and broken:
        first = broken[0]
        raise CheckFailed(
            "TW067",
            f"what is predicted is not {first['direction']} along {first['column']!r}: by {first['worst']:g} the other way",
            where=f"{first['rows']} open rows with {first['values']} values each, through the bundle",
            why="it was asked for",
            fix="the next best candidate ships; please report the learner and its settings",
        )
    return found


def input_features(dataset: Dataset, pipeline: Pipeline, chosen: Chosen, windows: Sequence[Windows]) -> tuple[ColumnSchema, ...]:
    """The columns that rows must have: the features, without texts that nobody reads and without what windows make, and what windows read.

    Where nothing would be left (a dummy on a table of texts), all stay: rows that have no column cannot be counted.
    """
    made = {name for entry in chosen.tried if isinstance(entry, PlanWindows) for name in derived(entry)}
    used = {feature.origin for feature in pipeline.prepared.features}
    raw = [feature for feature in dataset.features if feature.name not in made]
    kept = [feature for feature in raw if feature.kind != "text" or feature.name in used] or raw
    names = {feature.name for feature in kept}
    read = dict.fromkeys(name for step in windows for name in step.reads)
    return (*kept, *(dataset.table.schema(name) for name in read if name not in names))


def _front(features: Sequence[ColumnSchema], windows: Sequence[Windows]) -> list[tuple[str, Any, tuple[str, ...]]]:
    """From raw rows to the columns that transforms read, under the name "typed": the raw columns, and behind them what windows add."""
    names = [*(f"typed{number}" for number in range(len(windows))), "typed"]
    steps: list[tuple[str, Any, tuple[str, ...]]] = [(names[0], Typed(schema=Schemas(features)), ("rows",))]
    return steps + [(name, step, (before,)) for before, name, step in zip(names, names[1:], windows, strict=False)]


def _notes(windows: Sequence[Windows]) -> dict[str, Any]:
    """What the bundle says of itself: how much of the past it holds. Nothing where it holds nothing."""
    held = {step.key: len(step.times) for step in windows}
    return {"history": {key: f"{events:,} events" for key, events in held.items()}} if held else {}


def _out_of_fold(path: Path) -> Floats:
    """Out-of-fold predictions of the rows that have one, (rows, outputs), averaged over repeats."""
    predictions = np.load(path, allow_pickle=False)
    mean: Floats = predictions[:, ~np.isnan(predictions[0, :, 0])].mean(axis=0)
    return mean


def _some(dataset: Dataset, seed: int) -> np.ndarray:
    """At most PARITY_ROWS of the open rows, ascending."""
    rows = dataset.splits.open
    return rows if len(rows) <= PARITY_ROWS else np.sort(rng_for(seed, "parity").choice(rows, PARITY_ROWS, replace=False))


def _compare(bundle: runtime.Bundle, pipeline: Pipeline, dataset: Dataset, rows: np.ndarray, windows: Sequence[Windows]) -> dict[str, Any]:
    """The parity gate: the bundle against the training objects, on open rows and on edge rows; never on sealed ones.

    Open rows come with what windows made of them, since a sample of them would see other rows before it; edge rows as well, and once more raw.
    """
    columns = take_all(dataset.columns, rows)
    edges = parity.edge_rows(dataset.features, columns)
    assert dataset.target is not None
    scale = None if dataset.classes else float(np.std(dataset.target[dataset.splits.open]))
    on_rows = parity.check(bundle, pipeline.predict(dataset, rows), columns, scale=scale)
    on_edges = parity.check(bundle, pipeline.of(edges), edges, scale=scale)
    if not windows:
        return {"rows": on_rows, "edges": on_edges}
    raw = parity.edge_rows(bundle.features, {feature.name: take(dataset.table.columns[feature.name], rows) for feature in bundle.features})
    seen: Columns = raw
    for step in windows:
        seen = step.apply(seen)
    on_raw = parity.check(bundle, pipeline.of(seen), raw, scale=scale)
    return {"rows": on_rows, "edges": on_edges, "raw edges": on_raw}


def _latency(bundle: runtime.Bundle, dataset: Dataset, repeats: int = 50) -> float:
    """Median microseconds of predicting one row, given as a dictionary as a caller would."""
    rows = dataset.splits.open[:repeats]
    columns = {feature.name: take(dataset.table.columns[feature.name], rows) for feature in bundle.features}
    took = []
    for index in range(len(rows)):
        row = {name: _raw(column, index) for name, column in columns.items()}
        started = time.perf_counter_ns()
        bundle.outputs([row])
        took.append(time.perf_counter_ns() - started)
    return round(statistics.median(took) / 1000, 1)


def _raw(column: Any, index: int) -> Any:
    if isinstance(column, np.ndarray):
        value = float(column[index])
        return None if np.isnan(value) else value
    code = int(column.codes[index])
    return column.vocabulary[code] if code >= 0 else None


def ship_job(
    plan: Plan,
    run: Path,
    number: int,
    folder: Path,
    *,
    iterations: int | None,
    seconds: float | None = None,
    chosen: Chosen | None = None,
) -> Job:
    """The job that ships one of the plan's candidates into `folder`."""
    choice = plan.learners[number]
    arguments = {
        "data": str(run / "data"),
        "folder": str(folder),
        "candidate": str(candidate_folder(run, number)),
        "number": number,
        "learner": choice.name,
        "settings": choice.settings or {},
        "balance": choice.balance,
        "seed": plan.seed,
        "threads": plan.threads,
        "iterations": iterations,
        "transforms": chosen.as_json() if chosen else None,
        "monotone": dict(plan.monotone),
    }
    result = folder.with_name(f"{folder.name}.json")
    name = f"ship {number} into {folder.name}"
    return Job(name=name, call=SHIP, arguments=arguments, result=result, seconds=seconds, memory=plan.memory, threads=plan.threads)


def baseline_folder(run: Path, number: int) -> Path:
    return run / "baselines" / f"{number:03d}"


def ship_winner(
    plan: Plan,
    dataset: Dataset,
    outcomes: list[Outcome],
    engine: Engine,
    log: Log,
    timer: Timer,
    *,
    keep_back: float,
    follow: int | None,
    chosen: Chosen | None = None,
) -> dict[str, Any]:
    """Ship the best candidate that can be shipped; each attempt is recorded. Gives the "shipped" event's content.

    `follow` names the candidate that an earlier run shipped, which a repeated run ships without trying others. `chosen`: the transforms of all but
    the baselines, which have those that need no choice.
    Raises Infeasible (TW071) when not even a baseline ships.
    """
    done = log.last("shipped")
    if done is not None:
        return done.what
    ranked = choose(outcomes, plan.metric)
    if follow is not None:
        ranked = [outcome for outcome in ranked if outcome.number == follow]
    reasons: list[str] = []
    for outcome in ranked:
        ready = log.last("baseline shipped", number=outcome.number)
        if ready is not None:  # shipped at the start, so that there is something to fall back on
            return log.append("shipped", passed_over=reasons, folder=str(baseline_folder(Path(), outcome.number)), **ready.what).what
        left, needs = timer.left() - keep_back, ship_seconds(refit_seconds(outcome.fit_seconds, dataset), timer.pace)
        if left < needs / 2:
            reasons.append(f"{outcome.learner}: too little time was left to refit it")
            continue
        seconds = None if left == float("inf") else min(left, needs)
        folder = log.folder / "winner"
        use = plain_of(plan) if outcome.baseline or chosen is None else chosen
        engine.submit(ship_job(plan, log.folder, outcome.number, folder, iterations=outcome.iterations, seconds=seconds, chosen=use))
        ended = engine.next(timeout=None)
        assert ended is not None
        ended.stop_at_a_failing_disk()
        if ended.status == "done":
            return log.append("shipped", number=outcome.number, passed_over=reasons, folder="winner", **ended.value).what
        reason = (ended.error or {}).get("what", "")
        reasons.append(f"{outcome.learner}: {ended.status}{': ' + reason if reason else ''}")
        log.append("not shipped", number=outcome.number, why=reasons[-1])
    raise Infeasible(
        "TW071", "no candidate could be shipped", where="; ".join(reasons), why="nothing that was trained ends as a bundle", fix="give more --time"
    )
