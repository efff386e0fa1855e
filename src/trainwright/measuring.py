"""Measure what ships: predict the rows that were kept for it, and say with intervals what that is worth. The sealed rows are opened here alone.

Takes    the bundle, the outcomes of the search, the dataset.
Gives    the content of evidence.json; beside it, the prediction of every measured row, by which `compare` pairs runs.
Why      on the sealed rows, through the runtime that serves; where too few could be sealed, what the whole procedure predicted out of fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainwright import evidence as ev
from trainwright import runtime
from trainwright.bundle.ship import baseline_folder
from trainwright.data.cleaning import told
from trainwright.data.dataset import Dataset
from trainwright.data.prepare import BEYOND
from trainwright.data.windows import check_same, seen_beside, windows_of
from trainwright.evidence.opening import open_sealed
from trainwright.plan.model import Plan
from trainwright.plan.transforms import Windows, derived
from trainwright.record import files
from trainwright.record.digests import digest_bytes, digest_file
from trainwright.record.log import Log
from trainwright.run import same_as_recorded
from trainwright.runtime.columns import Columns, Floats, Rows, take_all
from trainwright.select.candidate import PREDICTIONS
from trainwright.select.cost import EVENT, in_words
from trainwright.select.outcome import Outcome, choose, procedure
from trainwright.tasks import TASKS

CELLS = 4_000_000  # that are predicted together


@dataclass(frozen=True, slots=True, eq=False)
class _Predicted:
    """What is to be judged, on the measured rows; "" stands for the model among the baselines' names."""

    model: Floats  # (rows, outputs), or (repeats, rows, outputs)
    baselines: Mapping[str, Floats]
    thresholds: Mapping[str, tuple[float, ...]]  # one, or one for each outer fold; none where the likeliest class is said
    notes: tuple[str, ...]


def measure_bundle(
    plan: Plan, dataset: Dataset, outcomes: list[Outcome], shipped: dict[str, Any], bundle: runtime.Bundle, log: Log
) -> dict[str, Any]:
    """Evidence: on the sealed rows through the runtime, or of the nested procedure where too few rows could be sealed."""
    path = log.folder / "evidence.json"
    done = log.last("measured", model_digest=bundle.model_digest)
    if done is not None:
        same_as_recorded(path, done.what["digest"])
        measured: dict[str, Any] = files.read_json(path)
        return measured
    assert dataset.target is not None
    splits, rows = dataset.splits, dataset.splits.measured
    baselines = {outcome.learner: outcome for outcome in outcomes if outcome.baseline and outcome.status == "done"}
    if splits.design == "sealed":
        open_sealed(log, bundle.model_digest)
        predicted = _of_sealed(plan, dataset, baselines, bundle, log)
    else:
        predicted = _of_procedure(plan, dataset, outcomes, baselines, shipped, log)
    measured = ev.measure(
        TASKS[plan.task],
        dataset.target[rows],
        predicted.model,
        baselines=predicted.baselines,
        metric=plan.metric,
        unit=splits.unit_of(dataset.group, rows),
        weight=None if dataset.weight is None else dataset.weight[rows],
        classes=dataset.classes,
        thresholds={name: splits.at_measured(values) for name, values in predicted.thresholds.items() if values},
        seed=plan.seed,
        design=splits.design,
        notes=(*predicted.notes, *told(dataset.cleaned), *_how_many(plan, dataset, log), *_how_decided(plan, bundle)),
    )
    measured["thresholds"] = list(predicted.thresholds[""])
    kept = files.array_bytes(predicted.model[None] if predicted.model.ndim == 2 else predicted.model)
    files.write(log.folder / PREDICTIONS, kept)  # of the measured rows, in their order: another run may be compared with them row by row
    files.write_json(path, measured)
    log.append(
        "measured",
        model_digest=bundle.model_digest,
        design=splits.design,
        rows=len(rows),
        digest=digest_file(path),
        predictions=digest_bytes(kept),
    )
    return measured


def _of_sealed(plan: Plan, dataset: Dataset, baselines: Mapping[str, Outcome], bundle: runtime.Bundle, log: Log) -> _Predicted:
    """What the bundle, and those that the baselines became, say of the sealed rows."""
    windows = windows_of(plan.transforms, dataset)
    shipped = {
        name: runtime.load(baseline_folder(log.folder, outcome.number))
        for name, outcome in baselines.items()
        if log.last("baseline shipped", number=outcome.number) is not None
    }
    notes: tuple[str, ...] = ()
    if any(step.target for step in bundle.windows):
        notes += ("the past of the target is what was known when training ended; a server that is told outcomes as they come in knows more",)
    if dataset.splits.how.startswith("time"):
        notes += ("rows that follow one another in time are alike; the intervals take them as independent and are too narrow for that",)
    return _Predicted(
        model=outputs_of_sealed(bundle, dataset, windows),
        baselines={name: outputs_of_sealed(baseline, dataset, windows) for name, baseline in shipped.items()},
        thresholds={name: () if one.threshold is None else (one.threshold,) for name, one in {"": bundle, **shipped}.items()},
        notes=notes,
    )


def _of_procedure(
    plan: Plan, dataset: Dataset, outcomes: list[Outcome], baselines: Mapping[str, Outcome], shipped: Mapping[str, Any], log: Log
) -> _Predicted:
    """What the whole procedure, and the baselines, predicted out of the outer folds."""
    splits, rows = dataset.splits, dataset.splits.measured
    whole = procedure(outcomes, plan.metric, [fold.test for fold in splits.folds], splits.repeats, log.folder)
    ships = next(outcome for outcome in outcomes if outcome.number == shipped["number"])
    others = len(whole.picked) - (ships.number in whole.picked)
    notes: tuple[str, ...] = (
        f"the procedure chose the candidate that ships ({ships.learner}) in {whole.picked.get(ships.number, 0)} of {len(splits.folds)} outer folds"
        + (f" and {others} other {'candidate' if others == 1 else 'candidates'} in the rest" if others else ""),
    )
    if ships.number != choose(outcomes, plan.metric)[0].number:
        notes += ("what ships is NOT what the procedure chooses on all rows: better candidates could not be shipped, so the figures flatter it",)
    return _Predicted(
        model=whole.prediction[:, rows],
        baselines={name: outcome.read_predictions(log.folder)[:, rows] for name, outcome in baselines.items()},
        thresholds={"": whole.thresholds, **{name: outcome.thresholds for name, outcome in baselines.items()}},
        notes=notes,
    )


def _how_many(plan: Plan, dataset: Dataset, log: Log) -> tuple[str, ...]:
    """What it cost that not all rows could be learned from; nothing where they could."""
    if BEYOND not in dataset.dropped:
        return ()
    used, cost = len(dataset.splits.open), log.last(EVENT)
    return (in_words({} if cost is None else cost.what, plan.metric, used, used + dataset.dropped[BEYOND]),)


def _how_decided(plan: Plan, bundle: runtime.Bundle) -> tuple[str, ...]:
    """From which probability the second class is said, and why; nothing where the likeliest is."""
    if bundle.threshold is None:
        return ()
    why = f"where {ev.METRICS[plan.threshold].title} was best out of fold" if plan.threshold in ev.METRICS else "as the plan says"
    return (f"the class {bundle.classes[1]!r} is said from a probability of {bundle.threshold:.4g} on, {why}",)


def outputs_of_sealed(bundle: runtime.Bundle, dataset: Dataset, windows: Sequence[Windows]) -> Floats:
    """What a bundle says of the sealed rows, from the columns that it reads: a part of the rows at a time, unless it looks back.

    A bundle that looks back has its own history; beside it, it is given what a server would have seen as well: rows without a target and, where
    the plan's `windows` leave the history out, the open rows. What it makes of the past must be what training made of it.

    Raises BundleError (TW055) when it is not.
    """
    if not bundle.windows:
        return predicted(bundle, dataset, dataset.splits.sealed)
    sealed = take_all({feature.name: dataset.table.columns[feature.name] for feature in bundle.features}, dataset.splits.sealed)
    seen: Columns = sealed
    asked = {derived(entry): entry for entry in windows}
    for step in bundle.windows:
        seen = step.after(seen_beside(dataset, asked[step.names], step)).apply(seen)
        check_same(dataset, seen, step.names, dataset.splits.sealed)
    return bundle.outputs_of(seen)


def predicted(bundle: runtime.Bundle, dataset: Dataset, rows: Rows) -> Floats:
    """What a bundle predicts for some rows, float64 (rows, outputs); a part of the rows at a time is taken from the columns."""
    outputs = np.empty((len(rows), bundle.width))
    size = max(1, CELLS // max(1, len(dataset.features)))
    for start in range(0, len(rows), size):
        outputs[start : start + size] = bundle.outputs_of(take_all(dataset.columns, rows[start : start + size]))
    return outputs
