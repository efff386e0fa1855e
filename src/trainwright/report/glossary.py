"""The metrics in plain words: title, what it tells, its range and which way is better. The report and the card explain with these.

A metric that is not listed here is shown under its own name and without an explanation: nothing is invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is spoken of. `unit` is what stands behind a value: "" for a pure number, "target" for the unit of the target."""

    title: str
    tells: str
    span: str
    better: Literal["higher", "lower"]
    unit: Literal["", "target", "target²"] = ""


METRICS: dict[str, Metric] = {
    "roc_auc": Metric(
        "ROC AUC",
        "Draw one row of each class at random: how often the model ranks the positive one higher. "
        "It judges the ranking alone, so it needs no threshold and does not move with the share of the positive class. "
        "With more than two classes: each class against the rest, averaged.",
        "0.5 is guessing, 1 is perfect",
        "higher",
    ),
    "average_precision": Metric(
        "Average precision",
        "The area under the precision-recall curve: how clean the list of alarms stays while more and more positives are found.",
        "guessing gives the share of the positive class, 1 is perfect",
        "higher",
    ),
    "log_loss": Metric(
        "Log loss",
        "The mean surprise at the truth, given the predicted probabilities, in nats: a confident mistake costs more than a hesitant one.",
        "0 is perfect, no upper end",
        "lower",
    ),
    "brier": Metric("Brier score", "The mean squared distance between the predicted probabilities and what happened.", "0 is perfect", "lower"),
    "accuracy": Metric("Accuracy", "The share of rows whose class is named rightly. With rare classes, always naming the common one already scores high.", "0 to 1", "higher"),
    "balanced_accuracy": Metric("Balanced accuracy", "The share found of each class, averaged with every class counting the same.", "0 to 1", "higher"),
    "precision": Metric("Precision", "Of the rows that were called positive, the share that are. With several classes: the mean over classes.", "0 to 1", "higher"),
    "recall": Metric("Recall", "Of the rows that are positive, the share that was found. With several classes: the mean over classes.", "0 to 1", "higher"),
    "f1": Metric("F1", "The harmonic mean of precision and recall. With several classes: the mean over classes.", "0 to 1", "higher"),
    "mcc": Metric("Matthews correlation", "The correlation between predicted and true classes; it stays honest when classes are rare.", "−1 to 1; 0 is guessing", "higher"),
    "rmse": Metric(
        "Root mean squared error", "The typical size of an error, in the unit of the target; a large error counts more than several small ones.", "0 is perfect", "lower", "target"
    ),
    "mae": Metric("Mean absolute error", "The mean size of an error, in the unit of the target.", "0 is perfect", "lower", "target"),
    "mse": Metric("Mean squared error", "The mean of the squared errors, in the squared unit of the target.", "0 is perfect", "lower", "target²"),
    "r2": Metric("R²", "The share of the target's variance that the predictions account for.", "1 is perfect, 0 is always predicting the mean, below 0 is worse", "higher"),
}


def title(metric: str) -> str:
    known = METRICS.get(metric)
    return known.title if known else metric.replace("_", " ")


def in_sentence(metric: str) -> str:
    """The title as it stands inside a sentence: names keep their capitals, words lose theirs."""
    name = title(metric)
    return name if name[:3] in ("ROC", "R²", "F1", "Bri", "Mat") else name[0].lower() + name[1:]


def unit(metric: str, target: str) -> str:
    """What stands behind a value: "units of “price”", or nothing for a pure number."""
    known = METRICS.get(metric)
    if known is None or not known.unit:
        return ""
    return f"in units of “{target}”" if known.unit == "target" else f"in squared units of “{target}”"


NAMES = {
    "tabular/dummy": "Simplest guess",
    "tabular/logistic": "Logistic regression",
    "tabular/linear": "Linear regression",
    "tabular/tree": "Decision tree",
    "tabular/forest": "Random forest",
    "tabular/random_forest": "Random forest",
    "tabular/extra_trees": "Extra trees",
    "tabular/extra_forest": "Extra trees",
    "tabular/lightgbm": "LightGBM (boosted trees)",
}


def learner_title(name: object) -> str:
    """A learner's name as a person says it; one that is not listed is shown by the last part of its name."""
    text = str(name)
    last = text.rpartition("/")[2].replace("_", " ")
    return NAMES.get(text, last[:1].upper() + last[1:] if last else text)
