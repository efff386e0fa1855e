"""From the evidence's curves to pictures, each under the sentence that it shows.

Takes    `evidence["curves"]`, as `evidence.curves` makes it. A curve that the evidence does not hold is not drawn; one that could not be
         measured is a picture without SVG, whose caption says why.
Gives    pictures in the order in which they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainwright.report import charts
from trainwright.report.charts import Bin, Mark, Spread
from trainwright.report.numbers import count, finite, fixed, percent, quoted, significant
from trainwright.report.records import Json, Records
from trainwright.report.sentences import sentence

FALSE_ALARMS = 0.1  # the point of the ROC curve that is told in words
FOUND = 0.8  # the recall whose precision is told
Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart, the sentence above it, the explanation below."""

    title: str
    svg: str
    caption: str = ""
    wide: bool = False


def pictures(records: Records) -> list[Picture]:
    curves = records.evidence.get("curves") or {}
    classes = [str(c) for c in records.dataset.get("classes") or []]
    positive = quoted(classes[1]) if len(classes) == 2 else "the positive class"
    repeats = finite(records.evidence.get("repeats")) or 1
    repeat = f"Drawn from the first of {count(repeats)} repeats." if repeats > 1 else ""  # metrics are means over all of them
    made = []
    for name, title, draw in (
        ("roc", "ROC curve", lambda c: roc(c, positive)),
        ("precision_recall", "Precision-recall curve", lambda c: precision_recall(c, positive)),
        ("calibration", "Calibration", calibration),
        ("confusion", "Confusion", confusion),
        ("residuals", "Errors", lambda c: errors_along(c, records.dataset.get("target"))),
        ("residuals", "Histogram of errors", lambda c: errors_histogram(c, records.dataset.get("target"))),
    ):
        if name in curves:
            gap = Picture(f"{title}: not measured", "", sentence(str(curves[name].get("why") or "the evidence holds no points")))
            picture = draw(curves[name]) or gap
            made.append(replace(picture, caption=f"{picture.caption} {repeat}".strip()))
    return made


def _points(curve: Json) -> Points:
    return [(float(a), float(b)) for a, b in curve.get("points") or []]


def _at(curve: Json) -> Mark | None:
    at = curve.get("at")
    return Mark(float(at[0]), float(at[1]), "") if at and finite(at[0]) is not None and finite(at[1]) is not None else None


def reached(points: Points, x: float) -> float:
    """The highest point of the ROC curve that is not beyond x: what a threshold can reach there."""
    return max((b for a, b in points if a <= x + 1e-12), default=0.0)


def roc(curve: Json, positive: str) -> Picture | None:
    points = _points(curve)
    if not points:
        return None
    found = reached(points, FALSE_ALARMS)
    title = f"At a false-alarm rate of {percent(FALSE_ALARMS)}, it finds {percent(found)} of {positive}"
    mark = Mark(FALSE_ALARMS, found, f"{percent(found)} found")
    svg = charts.curve(
        "roc",
        title,
        points,
        x_title="False alarms, share of the negatives",
        y_title="Found, share of the positives",
        chance=[(0, 0), (1, 1)],
        mark=mark,
        stands=_at(curve),
    )
    return Picture(title, svg, "ROC curve. The dashed line is guessing; the hollow dot is where the bundle's own answers stand.")


def precision_recall(curve: Json, positive: str) -> Picture | None:
    points = _points(curve)
    if not points:
        return None
    right = max((b for a, b in points if a >= FOUND - 1e-12), default=0.0)
    title = f"When {percent(FOUND)} of {positive} are to be found, {percent(right)} of the alarms are right"
    share = finite(curve.get("chance"))
    chance = [(0.0, share), (1.0, share)] if share is not None else []
    mark = Mark(FOUND, right, f"{percent(right)} right")
    svg = charts.curve(
        "pr",
        title,
        points,
        x_title="Found, share of the positives",
        y_title="Right, share of the alarms",
        chance=chance,
        mark=mark,
        stands=_at(curve),
    )
    return Picture(
        title,
        svg,
        f"Precision-recall curve. The dashed line is guessing: {percent(share)} of the rows are positive. "
        "The hollow dot is where the bundle's own answers stand.",
    )


def calibration(curve: Json) -> Picture | None:
    bins = [Bin(float(b["said"]), float(b["came"]), int(b["rows"]), finite(b.get("low")), finite(b.get("high"))) for b in curve.get("bins") or []]
    if not bins:
        return None
    off = [b for b in bins if b.low is not None and b.high is not None and not b.low <= b.said <= b.high]
    worst = max(off, key=lambda b: abs(b.said - b.came), default=None)
    if worst is None or len(off) <= 1:
        agree = f"{count(len(bins) - len(off))} of {count(len(bins))} groups"
        title = f"Its probabilities hold: in {agree} what was said lies in the interval of what came true"
    else:
        side = "too low" if worst.came > worst.said else "too high"
        worst_of_all = f"where it says {percent(worst.said)}, which is {side}, {percent(worst.came)} came true"
        title = f"Its probabilities are off in {count(len(off))} of {count(len(bins))} groups: {worst_of_all}"
    error, slope = finite(curve.get("error")), finite(curve.get("slope"))
    more = (
        f" Expected calibration error {fixed(error, 3)}"
        + (f", slope {fixed(slope, 2)} (1 is perfect, below 1 overconfident)." if slope is not None else ".")
        if error is not None
        else ""
    )
    of = str(curve.get("of", ""))
    what = of if of.startswith("the ") else quoted(of)
    return Picture(
        title,
        charts.calibration("calibration", title, bins),
        f"Calibration of the probability of {what}: equally filled groups, with 95 % intervals.{more}",
    )


def confusion(curve: Json) -> Picture | None:
    labels = [str(c) for c in curve.get("classes") or []]
    if "counts" not in curve:
        return _largest(curve)
    counts = curve["counts"]
    whole = sum(map(sum, counts))
    wrong = [(counts[i][j], -i, -j) for i in range(len(labels)) for j in range(len(labels)) if i != j]
    most, i, j = max(wrong, default=(0, 0, 0))
    right = whole - sum(n for n, _, _ in wrong)
    title = f"{percent(right / whole) if whole else 'None'} of {count(whole)} rows are named rightly"
    if most:
        title += f"; most often {quoted(labels[-i])} is taken for {quoted(labels[-j])} ({count(most)} rows)"
    svg = charts.heatmap("confusion", title, labels, counts)
    return Picture(
        title,
        svg,
        "Confusion matrix, in rows of the table; each line is shaded by its own shares, and the framed diagonal is right.",
        wide=len(labels) > 8,
    )


def _largest(curve: Json) -> Picture | None:
    """With very many classes, the most frequent mistakes as bars."""
    pairs = [
        (f"{quoted(m['truth'])} taken for {quoted(m['predicted'])}", float(m["rows"]), f"{count(m['rows'])} rows, {percent(m['share'])}")
        for m in curve.get("largest") or []
    ]
    if not pairs:
        return Picture("No row was named wrongly", "", "There are no mistakes to show.")
    title = f"Of {count(curve.get('wrong'))} mistakes, the most frequent is {pairs[0][0]}"
    return Picture(title, charts.bars("confusion", title, pairs[:12]), "The most frequent mistakes: rows, and their share of the true class.")


def errors_along(curve: Json, target: object) -> Picture | None:
    """Whether errors grow or lean along the predicted value."""
    bins = [
        Spread(*(float(b[key]) for key in ("predicted", "low", "quarter", "median", "three_quarters", "high")))
        for b in curve.get("by_predicted") or []
    ]
    if not bins:
        return None
    title, unit = _trend(bins), f"in the unit of {quoted(target)}"
    cells = [(float(c["x"]), float(c["y"]), finite(c.get("rows"))) for c in curve.get("cells") or []]
    width, height = curve.get("cell") or (0.0, 0.0)
    svg = charts.residuals("residuals", title, bins, cells, (float(width), float(height)), x_title="Predicted", y_title="Truth minus predicted")
    return Picture(
        title,
        svg,
        f"Errors by predicted value, {unit}: dot the median, thick line the middle half, thin line nine in ten; shading shows where the rows are.",
    )


def _trend(bins: Sequence[Spread]) -> str:
    first, last = (b.three_quarters - b.quarter for b in (bins[0], bins[-1]))
    if len(bins) > 1 and last > 1.5 * first > 0:
        return (
            f"Errors grow with the prediction: the middle half spans {significant(first, 2)} at the low end, {significant(last, 2)} at the high end"
        )
    if len(bins) > 1 and first > 1.5 * last > 0:
        return (
            f"Errors shrink with the prediction: the middle half spans {significant(first, 2)} at the low end, {significant(last, 2)} at the high end"
        )
    return "Errors are about as large for small predictions as for large ones"


def errors_histogram(curve: Json, target: object) -> Picture | None:
    edges, rows = (curve.get("histogram") or {}).get("edges") or [], (curve.get("histogram") or {}).get("rows") or []
    band = curve.get("band")
    if len(edges) < 2 or not band:
        return None
    low, high = (f"+{significant(v)}" if v > 0 else significant(v) for v in map(float, band))
    title = f"Nine in ten errors lie between {low} and {high}"
    svg = charts.histogram("errors", title, [float(e) for e in edges], [finite(r) for r in rows], x_title="Truth minus predicted")
    return Picture(
        title,
        svg,
        f"Histogram of the errors, in the unit of {quoted(target)}; the outermost bars hold all beyond them, hatched bars fewer than 10 rows each.",
    )
