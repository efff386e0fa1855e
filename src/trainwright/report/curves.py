"""From the evidence's curves to pictures, each under the sentence that it shows.

Takes    `evidence["curves"]`, as `evidence.curves` makes it. A curve that the evidence does not hold is not drawn.
Gives    pictures in the order in which they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.report import charts
from trainwright.report.charts import Bin, Mark
from trainwright.report.numbers import count, finite, percent, quoted, significant
from trainwright.report.records import Json, Records

CLASSES = 30  # classes in the heat map: those with most rows; evidence.json has all
FALSE_ALARMS = 0.1  # the point of the ROC curve that is told in words
FOUND = 0.8  # the recall whose precision is told


@dataclass(frozen=True, slots=True)
class Picture:
    title: str
    svg: str
    caption: str = ""
    wide: bool = False


def pictures(records: Records) -> list[Picture]:
    curves = records.evidence.get("curves") or {}
    classes = [str(c) for c in records.dataset.get("classes") or []]
    positive = quoted(classes[1]) if len(classes) == 2 else "the class"
    made = [
        roc(curves.get("roc"), positive),
        precision_recall(curves.get("precision_recall"), positive),
        calibration(curves.get("calibration"), positive if len(classes) == 2 else "the named class"),
        confusion(curves.get("confusion"), classes),
        *residuals(curves.get("residuals"), records.dataset.get("target")),
    ]
    return [picture for picture in made if picture is not None]


def _points(curve: Json, x: str, y: str) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in zip(curve[x], curve[y], strict=True) if finite(a) is not None and finite(b) is not None]


def at(points: Sequence[tuple[float, float]], x: float) -> float:
    """The curve's height at x: the highest point not beyond it, which is what a threshold can reach."""
    return max((b for a, b in points if a <= x + 1e-12), default=0.0)


def roc(curve: Json | None, positive: str) -> Picture | None:
    if not curve:
        return None
    points = _points(curve, "fpr", "tpr")
    found = at(points, FALSE_ALARMS)
    title = f"With {percent(FALSE_ALARMS)} false alarms it finds {percent(found)} of {positive}"
    mark = Mark(FALSE_ALARMS, found, f"{percent(found)} found")
    svg = charts.curve("roc", title, points, x_title="False alarms, share of the negatives", y_title="Found, share of the positives", chance=[(0, 0), (1, 1)], mark=mark)
    return Picture(title, svg, "ROC curve. The dashed line is guessing; the nearer the curve comes to the top left corner, the better.")


def precision_recall(curve: Json | None, positive: str) -> Picture | None:
    if not curve:
        return None
    points = _points(curve, "recall", "precision")
    right = max((b for a, b in points if a >= FOUND - 1e-12), default=0.0)
    title = f"To find {percent(FOUND)} of {positive}, {percent(right)} of its alarms are right"
    share = finite(curve.get("share"))
    chance = [(0.0, share), (1.0, share)] if share is not None else []
    svg = charts.curve("pr", title, points, x_title="Found, share of the positives", y_title="Right, share of the alarms", chance=chance, mark=Mark(FOUND, right, f"{percent(right)} right"))
    return Picture(title, svg, "Precision-recall curve. The dashed line is guessing: the share of positives.")


def calibration(curve: Json | None, what: str) -> Picture | None:
    bins = [Bin(float(b["predicted"]), float(b["observed"]), float(b["rows"]), finite(b.get("low")), finite(b.get("high"))) for b in (curve or {}).get("bins", []) if b.get("rows")]
    if not bins:
        return None
    off = [b for b in bins if b.low is not None and b.high is not None and not b.low <= b.said <= b.high]
    worst = max(bins, key=lambda b: abs(b.said - b.came) * b.rows**0.5)
    title = (
        f"Probabilities can be taken at their word: {count(len(bins) - len(off))} of {count(len(bins))} groups agree with what happened"
        if len(off) <= 1
        else f"Where it says {percent(worst.said)}, {percent(worst.came)} came true"
    )
    return Picture(title, charts.calibration("calibration", title, bins), f"Calibration for {what}: rows grouped by predicted probability, with 95 % intervals. The bars below show where the rows are.")


def confusion(curve: Json | None, classes: Sequence[str]) -> Picture | None:
    if not curve:
        return None
    labels, counts = [str(c) for c in curve.get("classes", classes)], curve["counts"]
    whole = sum(map(sum, counts))
    wrong = [(counts[i][j], i, j) for i in range(len(labels)) for j in range(len(labels)) if i != j]
    most = max(wrong, default=(0, 0, 0))
    right = whole - sum(n for n, _, _ in wrong)
    title = f"{percent(right / whole) if whole else 'None'} of {count(whole)} rows are named rightly"
    if most[0]:
        title += f"; most often {quoted(labels[most[1]])} is taken for {quoted(labels[most[2]])} ({count(most[0])} times)"
    shown = sorted(sorted(range(len(labels)), key=lambda i: -sum(counts[i]))[:CLASSES])
    cut = f" The {CLASSES} classes with most rows are shown; evidence.json has all." if len(labels) > CLASSES else ""
    svg = charts.heatmap("confusion", title, [labels[i] for i in shown], [[counts[i][j] for j in shown] for i in shown])
    return Picture(title, svg, f"Confusion matrix in rows; each line is shaded by its own shares, and the framed diagonal is right.{cut}", wide=len(shown) > 8)


def residuals(curve: Json | None, target: object) -> list[Picture | None]:
    if not curve:
        return []
    points = _points(curve, "predicted", "residual")
    ordered = sorted(abs(b) for _, b in points)
    half, nine = (ordered[int(q * (len(ordered) - 1))] if ordered else 0.0 for q in (0.5, 0.9))
    unit = f"in the unit of {quoted(target)}"
    title = f"Half of the predictions are within {significant(half)} of the truth, nine in ten within {significant(nine)}"
    svg = charts.residuals("residuals", title, points, unit=unit, band=(-nine, nine))
    return [Picture(title, svg, "Error against prediction; the band holds nine errors in ten. A slope or a funnel would mean that some regions are predicted worse.")]
