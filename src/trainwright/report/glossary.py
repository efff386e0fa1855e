"""How metrics and learners are spoken of: titles, units, what a value means, what guessing would give.

What a metric is stands in `evidence.metrics`, what a learner is on its card: this module only fits them into sentences. A name that is not
known there is shown as it is, without an explanation: nothing is invented.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from trainwright.errors import RequestError
from trainwright.evidence.metrics import METRICS
from trainwright.learners import learner_class
from trainwright.report.numbers import quoted

GUESSING = {  # beside "1 is perfect": what a value means to someone who does not live with the metric
    "roc_auc": "0.5 is guessing",
    "average_precision": "guessing gives the share of the positive class",
    "balanced_accuracy": "guessing gives 1 divided by the number of classes",
    "mcc": "0 is guessing",
    "r2": "0 is always predicting the mean",
}
NAMES = ("ROC", "R²", "F1", "Brier", "Matthews")  # titles that keep their capitals inside a sentence


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the glossary."""

    title: str
    tells: str
    formula: str
    source: str


def entry(metric: str) -> Entry | None:
    known = METRICS.get(metric)
    if known is None:
        return None
    return Entry(known.title, f"{known.description[0].upper()}{known.description[1:]}; {reading(metric)}.", known.formula, known.source)


def title(metric: str) -> str:
    known = METRICS.get(metric)
    return known.title if known else metric.replace("_", " ")


def in_sentence(metric: str) -> str:
    """The title as it stands inside a sentence: names keep their capitals, words lose theirs."""
    name = title(metric)
    return name if name.startswith(NAMES) else name[:1].lower() + name[1:]


def better(metric: str) -> str:
    """ "higher" or "lower"; "" for a metric that is not known."""
    known = METRICS.get(metric)
    return known.better if known else ""


def reading(metric: str) -> str:
    """ "1 is perfect, 0.5 is guessing, higher is better"."""
    known = METRICS.get(metric)
    if known is None:
        return ""
    aid = f", {GUESSING[metric]}" if metric in GUESSING else ""
    return f"{known.best:g} is perfect{aid}, {known.better} is better"


def unit(metric: str, target: object) -> str:
    """What stands behind a value: "in the unit of “price”", "nats", or nothing for a pure number."""
    known = METRICS.get(metric)
    if known is None or not known.unit:
        return ""
    return {"target": f"in the unit of {quoted(target)}", "target²": f"in the squared unit of {quoted(target)}"}.get(known.unit, known.unit)


@functools.cache
def looks_at_rows(name: str) -> bool:
    """False for a learner that reads no column at all, by its card: every row gets the same answer."""
    try:
        return learner_class(name).card.reads != "nothing"
    except (RequestError, ImportError):
        return True


@functools.cache
def learner_title(name: str) -> str:
    """A learner's title as a heading."""
    words = spoken(name)
    return words[:1].upper() + words[1:] if words else "Learner not recorded"


@functools.cache
def spoken(name: str) -> str:
    """A learner's title inside a sentence, from its card; the last part of its name when it is not installed where the report is made."""
    try:
        return str(learner_class(name).card.title)
    except (RequestError, ImportError):
        return name.rpartition("/")[2].replace("_", " ")
