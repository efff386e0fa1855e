"""The evidence in plain sentences, for someone who decides and has never heard of a metric.

Takes    what `measure` returned.
Gives    sentences: what it is worth in everyday terms, what one would have without it, what was not shown, on what it was measured.
Why      a gain is claimed only where the interval of the paired difference excludes none; else it is "not shown", which is not "equal".
         Counts "of 100" are rounded outward, so that a sentence never claims more than its interval.
"""

from __future__ import annotations

import math
from typing import Any

from trainwright.evidence.metrics import METRICS

Json = dict[str, Any]


def words(evidence: Json, *, target: str = "the target", classes: tuple[str, ...] = ()) -> list[str]:
    """Plain sentences on a model's evidence; `target` and `classes` are called by their names."""
    metrics = evidence["metrics"]
    sentences = [_right_class(metrics.get("accuracy")), _ranking(metrics.get("roc_auc"), classes), _error(metrics.get("mae"), target)]
    sentences += [_without(name, entry, evidence) for name, entry in evidence["baselines"].items()]
    return [*(s for s in sentences if s), _measured(evidence), *(s for s in [_nested(evidence)] if s)]


def of_rows(value: float, low: float | None, high: float | None) -> str:
    """A share as a count of rows like these: "87 of 100 (86 to 89)"; of 1,000 where a count of 100 would be nearly all or nearly none."""
    whole = 1000 if not 0.02 < value < 0.98 else 100
    said = f"{round(whole * value):,} of {whole:,}"
    if low is None or high is None:
        return said
    return f"{said} ({math.floor(whole * low + 1e-9):,} to {math.ceil(whole * high - 1e-9):,})"


def _right_class(entry: Json | None) -> str:
    if not entry or entry["value"] is None:
        return ""
    return f"Of rows like these it names the right class for {of_rows(entry['value'], entry['low'], entry['high'])}."


def _ranking(entry: Json | None, classes: tuple[str, ...]) -> str:
    if not entry or entry["value"] is None or len(classes) > 2:
        return ""
    pair = f"one that is “{classes[1]}” and one that is not" if len(classes) == 2 else "one of each class"
    pairs = of_rows(entry["value"], entry["low"], entry["high"])
    return f"Given two rows, {pair}, it puts the right one first in {pairs} such pairs; tossing a coin does in 50 of 100."


def _error(entry: Json | None, target: str) -> str:
    if not entry or entry["value"] is None:
        return ""
    between = f" ({number(entry['low'])} to {number(entry['high'])})" if entry["low"] is not None else ""
    return f"On average its answer is off by {number(entry['value'])}{between}, in the unit of {target}."


def _without(name: str, baseline: Json, evidence: Json) -> str:
    """One baseline: what one would have with it, and whether the gain over it was shown."""
    metric = METRICS[evidence["metric"]]
    difference = baseline["difference"]
    what = {
        "tabular/dummy": "giving everyone the same answer",
        "tabular/logistic": "a simple linear model",
        "tabular/linear": "a simple linear model",
    }.get(name, name)
    has = _has(baseline["metrics"])
    if difference["value"] is None or difference["low"] is None:
        return f"How it compares with {what}{has} could not be measured: {difference['why']}."
    value, low, high = difference["value"], difference["low"], difference["high"]
    title = metric.title if metric.title.isupper() or " AUC" in metric.title or len(metric.title) < 3 else metric.title[0].lower() + metric.title[1:]
    if low > 0:
        return f"It is better than {what}{has}: by {number(value)} in {title} ({number(low)} to {number(high)})."
    if high < 0:
        return f"It is worse than {what}{has}: by {number(-value)} in {title} ({number(-high)} to {number(-low)})."
    return f"It is not shown to be better than {what}{has}: the difference in {title} may be anything from {number(low)} to {number(high)}."


def _has(metrics: Json) -> str:
    """What a baseline achieves, in the same everyday terms."""
    for name in ("accuracy", "mae"):
        value = metrics.get(name, {}).get("value")
        if value is not None:
            return f" (right for {of_rows(value, None, None)})" if name == "accuracy" else f" (off by {number(value)} on average)"
    return ""


def _measured(evidence: Json) -> str:
    rows = f"{evidence['rows']:,} rows" + ("" if evidence["units"] == evidence["rows"] else f" in {evidence['units']:,} groups")
    how = (
        " that were sealed until the model was final"
        if evidence["design"] == "sealed"
        else ", none of which was seen by the model that answered for it"
    )
    return f"Measured on {rows}{how}; figures in brackets hold the true value in 95 of 100 such measurements."


def _nested(evidence: Json) -> str:
    if evidence["design"] != "nested":
        return ""
    return (
        "This is what the procedure that made the model is worth, by nested cross-validation, not a test of the very model that ships, "
        "which learned from all rows: there were too few to set some aside. The brackets are therefore somewhat too narrow."
    )


def number(value: float) -> str:
    """Three significant digits, with thousands marks and a true minus."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "no number"
    size = math.floor(math.log10(abs(value)))
    if size >= 15 or size < -6:
        return f"{value:.2e}".replace("-", "−")
    rounded = round(value, 2 - size)
    return f"{rounded:,.{max(0, 2 - size)}f}".replace("-", "−")
