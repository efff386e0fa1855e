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
from trainwright.evidence.judged import Judge, Truth, truth_of
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
    seed: int,
    draws: int = 2000,
    design: Literal["sealed", "nested"] = "sealed",
    notes: Sequence[str] = (),
) -> Json:
    """The evidence of one model.

    Takes   predictions as the task's output says; `baselines` by learner, on the same rows; `unit`, for each row the number of what is
            drawn whole by the bootstrap. Rows without truth, or without a prediction of any of them, are left out and counted in the notes.
    Gives   see "evidence.json" in docs/architecture.md.
    """
    numbers = task.output == "number"
    metrics = tuple(METRICS[name] for name in dict.fromkeys((metric, *task.metrics)))
    model, others = _repeats(prediction), {name: _repeats(other) for name, other in baselines.items()}
    kept = _known(y, [model, *others.values()])
    truth, used = truth_of(y[kept], None if weight is None else weight[kept], None if unit is None else unit[kept])
    rows = kept[used]
    notes = [*notes, *_notes(truth, len(y) - len(rows), design)]
    truth, units = _in_blocks(truth, seed), truth.units
    judged = {name: _judge(truth, values[:, rows], metrics, numbers=numbers) for name, values in {"": model, **others}.items()}
    drawn, left = _draw_all(list(judged.values()), truth, draws, seed)
    entries = {name: _entries(j, drawn[i], left[i], units) for i, (name, j) in enumerate(judged.items())}
    first = judged[""].judges[0]
    return {
        "task": task.name,
        "metric": metric,
        "design": design,
        "rows": len(rows),
        "units": units,
        "repeats": len(model),
        "draws": draws,
        "level": bootstrap.LEVEL,
        "method": _method(len(rows), units),
        "metrics": entries[""],
        "baselines": {
            name: {"metrics": entries[name], "difference": _difference(judged[""], judged[name], drawn[0] - drawn[i], left[0] - left[i])}
            for i, name in enumerate(judged)
            if name
        },
        "curves": curves(task.curves, first, classes),
        "notes": notes,
    }


def quick_interval(
    metric: str, y: Floats, prediction: Floats, *, unit: Rows | None = None, weight: Floats | None = None, seed: int, draws: int = 500
) -> tuple[float | None, float | None]:
    """The interval of one metric, for the leaderboard: the same machinery, fewer draws. (None, None) when there is none."""
    values = _repeats(prediction)
    kept = _known(y, [values])
    truth, used = truth_of(y[kept], None if weight is None else weight[kept], None if unit is None else unit[kept])
    if len(used) == 0:
        return None, None
    truth, units = _in_blocks(truth, seed), truth.units
    chosen = METRICS[metric]
    judged = _judge(truth, values[:, kept[used]], (chosen,), numbers=chosen.needs == "number")
    drawn, left = _draw_all([judged], truth, draws, seed)
    entry = _entries(judged, drawn[0], left[0], units)[metric]
    return entry["low"], entry["high"]


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


def _judge(truth: Truth, prediction: Floats, metrics: tuple[Metric, ...], *, numbers: bool) -> _Judged:
    judges = tuple(Judge(truth, repeat, numbers=numbers) for repeat in prediction)
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


def _entries(judged: _Judged, drawn: Floats, left: Floats, units: int) -> dict[str, Json]:
    """One entry a metric, by name."""
    return {m.name: _entry(m, judged, i, drawn[i], left[i]) for i, m in enumerate(judged.metrics)}


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


def _difference(model: _Judged, other: _Judged, drawn: Floats, left: Floats) -> Json:
    """The paired difference in the primary metric, positive when the model is better."""
    sign = model.metrics[0].sign
    value = sign * float(model.values[0] - other.values[0])
    if not np.isfinite(value):
        return {"value": None, "low": None, "high": None, "why": model.metrics[0].undefined}
    interval = bootstrap.bca(value, sign * drawn[0], sign * left[0])
    if interval is None:
        return {"value": value, "low": None, "high": None, "why": "no interval: it was not defined in too many draws"}
    return {"value": value, "low": interval[0], "high": interval[1]}


def _method(rows: int, units: int) -> str:
    groups = "" if units == rows else " over whole groups"
    many = f", in {bootstrap.MOST_UNITS:,} random blocks of {'rows' if units == rows else 'groups'}" if units > bootstrap.MOST_UNITS else ""
    return f"{METHOD}{groups}{many}"


def _notes(truth: Truth, left_out: int, design: str) -> list[str]:
    notes = []
    if left_out:
        notes.append(f"{left_out:,} rows were left out: they have no truth, no prediction or no weight")
    if truth.units < 30:
        notes.append(f"only {truth.units} independent units were measured: with so few, an interval is a rough guide")
    if design == "nested":
        notes.append(NESTED_INTERVAL)
    return notes
