"""Compare runs: what was asked, the data, the winners, and their scores with the interval of the difference.

Takes    two runs or more; the first is what the others are compared with.
Gives    one JSON value: facts of each run, differences in the plans, the data and the versions, and differences of scores.
Why      two scores side by side say little: when both were measured on the same rows, the difference is drawn pair by pair, which is far
         narrower than the two intervals suggest; where they were not, it is said, and the interval is that of two samples.
         Nothing is written, and no sealed row is predicted again: what was predicted when a run was measured is read from its folder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainwright import evidence as ev
from trainwright.data import store
from trainwright.data.dataset import Dataset
from trainwright.errors import CheckFailed, RequestError, TrainwrightError, nearest
from trainwright.learners import make
from trainwright.plan.read import read_plan
from trainwright.record.digests import digest_file
from trainwright.repeat import versions
from trainwright.run import Run
from trainwright.runtime.columns import Floats, Rows
from trainwright.select.candidate import PREDICTIONS
from trainwright.tasks import TASKS

Json = dict[str, Any]
SCHEMA_VERSION = 1
ENOUGH_IN_COMMON = 0.5  # of the rows that were measured: fewer pairs tell less than the two samples
ELSEWHERE = ("source", "target", "kinds", "learners", "out")  # keys of a plan that are told with the data and the winners, or decide nothing


def compare(runs: Sequence[Run], *, metric: str | None = None) -> Json:
    """Compare two runs or more with the first of them.

    Raises RequestError: TW084 for fewer than two runs, TW013 for a metric that the first run's task does not have, TW006 for a run that did not end.
    """
    if len(runs) < 2:
        raise RequestError("TW084", "there is nothing to compare", where="compare", why="it takes two runs or more", fix="name another run's folder")
    facts = [_facts(run) for run in runs]
    chosen = _metric(runs[0], metric)
    return {
        "schema_version": SCHEMA_VERSION,
        "metric": chosen,
        "runs": facts,
        "scores": [_scores(runs[0], run, chosen) for run in runs[1:]],
        "winners": _differences([_winner(run) for run in runs]),
        "plan": _differences([_plan(run) for run in runs]),
        "candidates": _candidates(runs),
        "data": _differences([_data(run) for run in runs]),
        "versions": _differences([dict(versions((run.folder / "lock.txt").read_text(encoding="utf-8"))) for run in runs]),
        "notes": _notes(runs),
    }


def _metric(first: Run, asked: str | None) -> str:
    metrics = first.evidence["metrics"]
    if asked is None:
        return str(first.evidence["metric"])
    if asked not in metrics:
        near = nearest(asked, metrics)
        raise RequestError(
            "TW013",
            f"the first run measured no {asked!r}",
            where="--metric",
            fix=f"did you mean {near!r}?" if near else f"there are: {', '.join(metrics)}",
        )
    return asked


def _facts(run: Run) -> Json:
    """What is told of each run, whether it differs or not."""
    summary, dataset = run.summary, run.dataset
    chosen = next(entry for entry in run.leaderboard if entry["chosen"])
    return {
        "run": str(run.folder),
        "task": summary["task"],
        "target": summary["target"],
        "learner": summary["learner"],
        "settings": chosen["settings"],
        "design": summary["design"],
        "measured_rows": run.evidence["rows"],
        "metrics": run.evidence["metrics"],
        "seconds": summary["seconds"],
        "candidates": sum(entry["outcome"] == "done" for entry in run.leaderboard),
        "latency_us": chosen["latency_us"],
        "bundle_bytes": chosen["bundle_bytes"],
        "source": dataset["source"]["path"],
        "rows": dataset["source"]["rows"],
        "findings": len(dataset["findings"]),
        "model_digest": summary["model_digest"],
    }


# ── scores ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """What a run predicted for the rows on which it was measured."""

    rows: Rows  # ascending
    truth: Floats
    prediction: Floats  # (repeats, rows, outputs)
    unit: Rows
    weight: Floats | None
    threshold: Floats | None  # (repeats, rows) from which the second of two classes is said

    def at(self, rows: Rows) -> _Measured:
        """The same for some of the rows."""
        place = np.searchsorted(self.rows, rows)
        weight = None if self.weight is None else self.weight[place]
        threshold = None if self.threshold is None else self.threshold[:, place]
        return _Measured(rows, self.truth[place], self.prediction[:, place], self.unit[place], weight, threshold)


def _scores(first: Run, other: Run, metric: str) -> Json:
    """By how much `other` is better than `first`, in every metric; paired where both predicted the same rows."""
    entry: Json = {"run": str(other.folder), "against": str(first.folder), "paired": False, "why": "", "rows": None, "metrics": {}}
    one, two = first.dataset, other.dataset
    for what in ("task", "target", "classes"):
        if one[what] != two[what]:
            return entry | {"why": f"not comparable: the {what} is not the same"}
    try:
        mine, theirs = _common(_measured(first), _measured(other))
    except TrainwrightError as error:
        metrics = first.evidence["metrics"]
        both = {name: other.evidence["metrics"].get(name) for name in [metric, *(name for name in metrics if name != metric)]}
        return entry | {"why": error.what, "metrics": {name: ev.unpaired(metrics[name], found) for name, found in both.items() if found is not None}}
    drawn = ev.differences(
        TASKS[one["task"]],
        mine.truth,
        mine.prediction,
        {"other": theirs.prediction},
        metric=metric,
        unit=mine.unit,
        weight=mine.weight,
        thresholds={name: at for name, at in (("", mine.threshold), ("other", theirs.threshold)) if at is not None},
        seed=first.plan.seed,
    )
    apart = one["source"]["digest"] != two["source"]["digest"]
    why = "the files differ: rows are paired by their numbers, at which both have the same targets" if apart else ""
    return entry | {"paired": True, "why": why, "rows": len(mine.rows), "metrics": drawn["other"]}


def _measured(run: Run) -> _Measured:
    """Raises CheckFailed: TW085 where the rows of a run are gone, TW082 where its predictions are, or are not those recorded."""
    dataset: Dataset = store.load(run.folder / "data")
    path = run.folder / PREDICTIONS
    recorded = next((event.what.get("predictions") for event in reversed(run.events) if event.kind == "measured"), None)
    if not path.exists() or digest_file(path) != recorded:
        what = "the predictions of a run are gone" if not path.exists() else "the predictions of a run are not those that were recorded"
        raise CheckFailed("TW082", what, where=str(path), fix="train again, or compare without pairs")
    assert dataset.target is not None
    rows = dataset.splits.measured
    return _Measured(
        rows=rows,
        truth=dataset.target[rows],
        prediction=np.load(path, allow_pickle=False),
        unit=dataset.splits.unit_of(dataset.group, rows),
        weight=None if dataset.weight is None else dataset.weight[rows],
        threshold=dataset.splits.at_measured(each) if (each := run.evidence.get("thresholds")) else None,
    )


def _common(one: _Measured, two: _Measured) -> tuple[_Measured, _Measured]:
    """Both, for the rows that both measured: for neither run were these rows open to learn from.

    Raises CheckFailed (TW084), which says why there are no such pairs: too few in common, or rows that are not the same.
    """
    rows = np.intersect1d(one.rows, two.rows, assume_unique=True)
    if len(rows) < ENOUGH_IN_COMMON * max(len(one.rows), len(two.rows)):
        raise _no_pairs("the two were measured on different rows")
    one, two = one.at(rows), two.at(rows)
    if not np.array_equal(one.truth, two.truth, equal_nan=True):
        raise _no_pairs("the rows have the same numbers, but other targets")
    if (one.weight is None) != (two.weight is None) or (one.weight is not None and not np.array_equal(one.weight, two.weight)):  # type: ignore[arg-type]
        raise _no_pairs("the rows have other weights")
    if len(one.prediction) != len(two.prediction):
        raise _no_pairs("the two were repeated a different number of times")
    return one, two


def _no_pairs(what: str) -> CheckFailed:
    return CheckFailed(
        "TW084", what, where="compare", why="the difference cannot be drawn pair by pair", fix="train both with the same split and seed"
    )


# ── differences ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _differences(values: Sequence[Json]) -> list[Json]:
    """The keys in which the runs differ, with each run's value; null where a run has none."""
    keys = dict.fromkeys(key for value in values for key in value)
    rows = [{"what": key, "values": [value.get(key) for value in values]} for key in keys]
    return [row for row in rows if any(value != row["values"][0] for value in row["values"])]


def _winner(run: Run) -> Json:
    """The learner that ships, with every setting, also those that were left at their default."""
    chosen = next(entry for entry in run.leaderboard if entry["chosen"])
    try:
        settings = dataclasses.asdict(make(chosen["learner"], chosen["settings"]))  # type: ignore[call-overload]  # learners are dataclasses
    except TrainwrightError:
        settings = dict(chosen["settings"])  # its package is not here: what was set
    return {"learner": chosen["learner"], **settings, "balance": chosen.get("balance", "none"), "iterations used": chosen["iterations"]}


def _plan(run: Run) -> Json:
    """What was asked and what it meant, key by key; what is told elsewhere left out."""
    resolved = run.plan.model_dump(mode="json")
    asked = read_plan(run.folder / "asked.yaml").candidates
    return {key: value for key, value in resolved.items() if key not in ELSEWHERE} | {"candidates": asked}


def _candidates(runs: Sequence[Run]) -> list[Json]:
    """Candidates that not all runs tried, with each run's cross-validated score; null where a run did not."""
    scores = [{f"{entry['learner']} {sorted(entry['settings'].items())} {entry.get('balance')}": entry for entry in run.leaderboard} for run in runs]
    rows = []
    for key in dict.fromkeys(key for found in scores for key in found):
        entries = [found.get(key) for found in scores]
        if None in entries:
            some = next(entry for entry in entries if entry is not None)
            rows.append({"learner": some["learner"], "settings": some["settings"], "values": [entry and entry["score"] for entry in entries]})
    return rows


def _data(run: Run) -> Json:
    """Source, columns and splits, one fact a key, so that only what differs is told."""
    dataset = run.dataset
    source = dataset["source"]
    facts = {"file": source["path"], "content": source["digest"][:12], "rows": source["rows"], "task": dataset["task"], "target": dataset["target"]}
    facts |= {f"split {name}": dataset["splits"][name] for name in ("design", "how", "open", "sealed", "folds", "repeats")}
    facts |= {f"column {d['name']}": f"{d['kind']}, {d['role']}" for d in dataset["described"]}
    facts |= {f"dropped: {reason}": rows for reason, rows in dataset["dropped"].items()}
    for finding in dataset["findings"]:
        key = f"finding {finding['code']}"
        facts[key] = "; ".join(filter(None, (facts.get(key), finding["where"])))
    return facts


def _notes(runs: Sequence[Run]) -> list[str]:
    notes = []
    if len({run.summary["model_digest"] for run in runs}) < len(runs):
        notes.append("two of the runs ship the very same model")
    if len(runs) > 2:
        notes.append(f"the best of {len(runs)} scores is flattered by having been chosen; judge the one that you take on rows that none of them saw")
    else:
        notes.append("a run that is chosen by its score here is flattered by it; judge it on rows that neither saw")
    return notes
