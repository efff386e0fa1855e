"""From truth and predictions to the evidence: every metric with its interval, the differences to the baselines, the curves.

Takes    the task, y (rows,), the model's and the baselines' predictions, (rows, outputs) or (repeats, rows, outputs).
Gives    `evidence.json` as a value: plain JSON, None where there is no number (and then `why`).
Why      one place draws once for all: metrics and differences of one run are comparable, draw by draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from trainwright.evidence import bootstrap
from trainwright.evidence.curves import curves
from trainwright.evidence.judged import Judge, Threshold, Truth, truth_of
from trainwright.evidence.metrics import METRICS, Metric
from trainwright.runtime.columns import Floats, Rows
from trainwright.tasks.interface import Task

Json = dict[str, Any]
METHOD = "BCa bootstrap"
NESTED_INTERVAL = (
    "the intervals cover which rows happened to be measured, not that training on other rows would give other models: "
    "with nested cross-validation they are somewhat too narrow"
)


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """One prediction's judges (one a repeat) and its metrics on the sample: the mean over repeats, NaN where not defined."""

    judges: tuple[Judge, ...]
    metrics: tuple[Metric, ...]
    values: Floats  # (metrics,)

    def under(self, counts: Floats) -> Floats:
        """(metrics, draws)."""
        mean: Floats = np.mean([_values(judge, self.metrics, counts) for judge in self.judges], axis=0)
        return mean


def measure(
    task: Task,
    y: Floats,
    prediction: Floats,
    *,
    baselines: Mapping[str, Floats],
    metric: str,
    unit: Rows | None = None,
    weight: Floats | None = None,
    classes: tuple[str, ...] = (),
    thresholds: Mapping[str, Floats | float] | None = None,
    seed: int,
    draws: int = 2000,
    design: Literal["sealed", "nested"] = "sealed",
    notes: Sequence[str] = (),
) -> Json:
    """The evidence of one model.

    Takes   predictions as the task's output says; `baselines` by learner, on the same rows; `unit`, for each row the number of what is
            drawn whole by the bootstrap. Rows without truth, or without a prediction of any of them, are left out and counted in the notes.
            `thresholds`: from which probability the second of two classes is said, by baseline ("" is the model): one number, or
            (repeats, rows); the likeliest class where there is none.
    Gives   see "evidence.json" in docs/architecture.md.
    """
    metrics = tuple(METRICS[name] for name in dict.fromkeys((metric, *task.metrics)))
    numbers = task.output == "number"
    drawn = _drawn(
        metrics, y, {"": prediction, **baselines}, numbers=numbers, unit=unit, weight=weight, thresholds=thresholds or {}, seed=seed, draws=draws
    )
    entries = {name: drawn.entries(name) for name in drawn.judged}
    first = drawn.judged[""]
    return {
        "task": task.name,
        "metric": metric,
        "design": design,
        "rows": drawn.rows,
        "units": drawn.units,
        "repeats": len(first.judges),
        "draws": draws,
        "level": bootstrap.LEVEL,
        "method": _method(drawn.rows, drawn.units),
        "metrics": entries[""],
        "baselines": {name: {"metrics": entries[name], "difference": drawn.difference("", name)} for name in drawn.judged if name},
        "curves": curves(task.curves, first.judges[0], classes),
        "notes": [*notes, *_notes(drawn.units, len(y) - drawn.rows, design)],
    }


def differences(
    task: Task,
    y: Floats,
    first: Floats,
    others: Mapping[str, Floats],
    *,
    metric: str,
    unit: Rows | None = None,
    weight: Floats | None = None,
    thresholds: Mapping[str, Floats | float] | None = None,
    seed: int,
    draws: int = 2000,
) -> dict[str, dict[str, Json]]:
    """By how much each other prediction of the same rows is better than the first, in every metric of the task: paired, on the same draws.

    Gives   {name: {metric: {value, low, high}}}, positive where the other is better; None and `why` where there is no number. `metric` comes first.
    """
    metrics = tuple(METRICS[name] for name in dict.fromkeys((metric, *task.metrics)))
    numbers = task.output == "number"
    drawn = _drawn(metrics, y, {"": first, **others}, numbers=numbers, unit=unit, weight=weight, thresholds=thresholds or {}, seed=seed, draws=draws)
    return {name: {m.name: drawn.difference(name, "", index) for index, m in enumerate(metrics)} for name in others}


def unpaired(first: Json, other: Json) -> Json:
    """By how much `other` is better than `first`, from two entries of metrics that were measured on different rows.

    The interval is as wide as two independent samples make it: too wide where the samples share rows.
    Source  Zou & Donner (2008), Statistics in Medicine 27(10), 1693-1702 (MOVER: from the two intervals, which need not be symmetric).
    """
    sign = 1.0 if first["better"] == "higher" else -1.0
    if first["value"] is None or other["value"] is None:
        return {"value": None, "low": None, "high": None, "why": first.get("why") or other.get("why")}
    value = sign * (other["value"] - first["value"])
    if None in (first["low"], first["high"], other["low"], other["high"]):
        return {"value": value, "low": None, "high": None, "why": "no interval: one of the two has none"}
    # how far each may be below and above its value, in the direction that is better
    (down, up), (first_down, first_up) = (
        sorted((sign * (entry["low"] - entry["value"]), sign * (entry["high"] - entry["value"]))) for entry in (other, first)
    )
    return {"value": value, "low": value - float(np.hypot(down, first_up)), "high": value + float(np.hypot(up, first_down))}


def quick_interval(
    metric: str,
    y: Floats,
    prediction: Floats,
    *,
    unit: Rows | None = None,
    weight: Floats | None = None,
    threshold: Floats | float | None = None,
    seed: int,
    draws: int = 500,
) -> tuple[float | None, float | None]:
    """The interval of one metric, for the leaderboard: the same machinery, fewer draws. (None, None) when there is none."""
    chosen = METRICS[metric]
    thresholds = {} if threshold is None else {"": threshold}
    drawn = _drawn(
        (chosen,), y, {"": prediction}, numbers=chosen.needs == "number", unit=unit, weight=weight, thresholds=thresholds, seed=seed, draws=draws
    )
    entry = drawn.entries("")[metric]
    return entry["low"], entry["high"]


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """Several predictions of the same rows, judged on the sample and on the same draws of it."""

    rows: int
    units: int
    judged: Mapping[str, _Judged]
    draws: Mapping[str, Floats]  # (metrics, draws)
    left_out: Mapping[str, Floats]  # (metrics, blocks) of the jackknife

    def entries(self, name: str) -> dict[str, Json]:
        """One entry a metric, by name."""
        judged = self.judged[name]
        return {m.name: _entry(m, judged, i, self.draws[name][i], self.left_out[name][i]) for i, m in enumerate(judged.metrics)}

    def difference(self, model: str, other: str, index: int = 0) -> Json:
        """The paired difference in one metric (the primary one first), positive when `model` is better than `other`."""
        metric = self.judged[model].metrics[index]
        value = metric.sign * float(self.judged[model].values[index] - self.judged[other].values[index])
        if not np.isfinite(value):
            return {"value": None, "low": None, "high": None, "why": metric.undefined}
        drawn, left = (metric.sign * (of[model][index] - of[other][index]) for of in (self.draws, self.left_out))
        interval = bootstrap.bca(value, drawn, left)
        if interval is None:
            return {"value": value, "low": None, "high": None, "why": "no interval: it was not defined in too many draws"}
        return {"value": value, "low": interval[0], "high": interval[1]}


def _drawn(
    metrics: tuple[Metric, ...],
    y: Floats,
    predictions: Mapping[str, Floats],
    *,
    numbers: bool,
    unit: Rows | None,
    weight: Floats | None,
    thresholds: Mapping[str, Floats | float],
    seed: int,
    draws: int,
) -> _Drawn:
    """Judge all predictions on the rows of which truth and every prediction are known."""
    repeats = {name: _repeats(prediction) for name, prediction in predictions.items()}
    kept = _known(y, list(repeats.values()))
    truth, used = truth_of(y[kept], None if weight is None else weight[kept], None if unit is None else unit[kept])
    rows = kept[used]
    units = truth.units
    truth = _in_blocks(truth, seed)
    judged = {
        name: _judge(truth, values[:, rows], metrics, numbers=numbers, thresholds=_each(thresholds.get(name), len(values), rows))
        for name, values in repeats.items()
    }
    drawn, left = _draw_all(list(judged.values()), truth, draws, seed)
    names = list(judged)
    return _Drawn(len(rows), units, judged, dict(zip(names, drawn, strict=True)), dict(zip(names, left, strict=True)))


def _repeats(prediction: Floats) -> Floats:
    return prediction if prediction.ndim == 3 else prediction[None]


def _known(y: Floats, predictions: Sequence[Floats]) -> Rows:
    known = np.isfinite(y)
    for values in predictions:
        known &= np.isfinite(values).all(axis=(0, 2))
    return np.flatnonzero(known)


def _in_blocks(truth: Truth, seed: int) -> Truth:
    unit, units = bootstrap.blocks(truth.unit, truth.units, seed)
    return truth if unit is truth.unit else Truth(truth.y, truth.weight, unit, units)


def _each(threshold: Floats | float | None, repeats: int, rows: Rows) -> list[Threshold]:
    """The threshold of each repeat, at the rows that are judged."""
    return [threshold[repeat, rows] if isinstance(threshold, np.ndarray) else threshold for repeat in range(repeats)]


def _judge(truth: Truth, prediction: Floats, metrics: tuple[Metric, ...], *, numbers: bool, thresholds: Sequence[Threshold]) -> _Judged:
    judges = tuple(Judge(truth, repeat, numbers=numbers, threshold=at) for repeat, at in zip(prediction, thresholds, strict=True))
    values = np.mean([[float(m.of(judge.whole)[0]) for m in metrics] for judge in judges], axis=0)
    return _Judged(judges, metrics, values if len(truth.y) else np.full(len(metrics), np.nan))


def _values(judge: Judge, metrics: tuple[Metric, ...], counts: Floats) -> Floats:
    batch = judge.batch(counts)
    return np.stack([m.of(batch) for m in metrics])


def _draw_all(judged: Sequence[_Judged], truth: Truth, draws: int, seed: int) -> tuple[Floats, Floats]:
    """(predictions, metrics, draws) and (predictions, metrics, blocks), all from the same counts."""
    many = len(judged[0].metrics)
    if truth.units == 0:
        return np.full((len(judged), many, 1), np.nan), np.full((len(judged), many, 1), np.nan)
    exact = any(judge.ranks_anew for j in judged for judge in j.judges)
    drawn, left = bootstrap.draw(
        lambda counts: np.concatenate([j.under(counts) for j in judged]),
        units=truth.units,
        rows=len(truth.y) if exact else truth.units,
        draws=draws,
        seed=seed,
    )
    return drawn.reshape(len(judged), many, -1), left.reshape(len(judged), many, -1)


def _entry(metric: Metric, judged: _Judged, index: int, drawn: Floats, left: Floats) -> Json:
    value = float(judged.values[index])
    entry: Json = {"value": None, "low": None, "high": None, "n": len(judged.judges[0].truth.y), "better": metric.better}
    if not np.isfinite(value):
        return entry | {"why": metric.undefined}
    entry["value"] = value
    if abs(value - metric.best) <= 1e-12 and np.nanmax(np.abs(drawn - value), initial=0.0) <= 1e-12:
        return entry | _without_error(metric, judged)
    interval = bootstrap.bca(value, drawn, left)
    if interval is None:
        return entry | {"why": f"no interval: in more than {bootstrap.MOST_UNDEFINED:.0%} of the draws it was not defined; {metric.undefined}"}
    return entry | {"low": interval[0], "high": interval[1]}


def _without_error(metric: Metric, judged: _Judged) -> Json:
    """The interval where no row was judged wrongly, and so no draw can differ: the exact bound of a share, where the metric is one."""
    low = metric.bound(judged.judges[0]) if metric.bound is not None else None
    if low is None:
        return {"why": "no interval: without any error in the sample, redrawing shows no spread"}
    return {"low": low, "high": metric.best, "why": "no error in the sample: the lower end is the exact binomial bound"}


def _method(rows: int, units: int) -> str:
    groups = "" if units == rows else " over whole groups"
    many = f", in {bootstrap.MOST_UNITS:,} random blocks of {'rows' if units == rows else 'groups'}" if units > bootstrap.MOST_UNITS else ""
    return f"{METHOD}{groups}{many}"


def _notes(units: int, left_out: int, design: str) -> list[str]:
    notes = []
    if left_out:
        notes.append(f"{left_out:,} rows were left out: they have no truth, no prediction or no weight")
    if units < 30:
        notes.append(f"only {units} independent units were measured: with so few, an interval is a rough guide")
    if design == "nested":
        notes.append(NESTED_INTERVAL)
    return notes
