"""The pictures of the report, as inline SVG: forest plot, curves, calibration, heat map, residuals, splits, bars.

Takes    plain numbers, in data units, and the sentence that the picture shows (its title).
Gives    SVG text, well-formed XML, that scales, follows light and dark by CSS classes, and tells its numbers to pointer and reader.
Why      colour never carries alone: the model is a filled dot and a solid line, what it is compared with a hollow one and a dashed line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.report.numbers import count, finite, percent, significant, visible
from trainwright.report.svg import WIDTH, Axis, around, box, diamond, dot, grid_x, grid_y, line, path, picture, text

SQUARE = 320  # height of a chart with two axes
LEFT, RIGHT, TOP, BOTTOM = 46, 370, 26, 276  # its frame
POINTS = 400  # a curve is drawn with no more points than this: a phone has fewer pixels


@dataclass(frozen=True, slots=True)
class Estimate:
    """One line of a forest plot. Numbers are None when there are none; `said` is what stands beside the label."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    said: str = ""
    main: bool = False  # the one that the picture is about


def forest(name: str, title: str, rows: Sequence[Estimate], *, axis_title: str, reference: float | None = None, reference_label: str = "") -> str:
    """Estimates with their intervals on one axis, each under its own label; a dashed line where "no difference" or the baseline lies."""
    known = [v for r in rows for v in (r.value, r.low, r.high) if v is not None] + ([reference] if reference is not None else [])
    low, high = around(known) if known else (0.0, 1.0)
    axis, top, step = Axis(low, high, 12, WIDTH - 12), 8 + (16 if reference_label else 0), 42
    bottom = top + step * len(rows) + 4
    parts = grid_x(axis, top, bottom, title=axis_title, most=4)
    if reference is not None:
        x = axis.at(reference)
        anchor = "start" if x < WIDTH / 3 else "end" if x > WIDTH * 2 / 3 else "middle"
        parts += [line(x, top, x, bottom, "reference"), text(x, top - 6, reference_label, "note", anchor=anchor)]
    for i, row in enumerate(rows):
        y = top + step * i
        parts += [text(12, y + 15, visible(row.label, limit=30), "label strong" if row.main else "label")]
        parts += [text(WIDTH - 12, y + 15, row.said, "value", anchor="end")]
        parts += _estimate(axis, y + 29, row)
    said = "; ".join(f"{visible(r.label)}: {r.said or 'no value'}" for r in rows)
    return picture(name, title, said, parts, height=bottom + 40)


def _estimate(axis: Axis, y: float, row: Estimate) -> list[str]:
    """The interval as a bar with ends, the value as a filled diamond (main) or a hollow dot."""
    parts: list[str] = []
    kind = "main" if row.main else "other"
    if row.low is not None and row.high is not None:
        a, b = axis.at(row.low), axis.at(row.high)
        parts += [line(a, y, b, y, f"span {kind}"), line(a, y - 4, a, y + 4, f"span {kind}"), line(b, y - 4, b, y + 4, f"span {kind}")]
    if row.value is None:
        return [text(axis.start, y + 4, "not measured", "note")]
    if not axis.low <= row.value <= axis.high:  # off the scale: an arrow that points to where it is
        tip, back = (axis.start, 7) if row.value < axis.low else (axis.end, -7)
        return [path([(tip, y), (tip + back, y - 4.5), (tip + back, y + 4.5)], f"arrow {kind}", closed=True)]
    return [*parts, diamond(axis.at(row.value), y, kind) if row.main else dot(axis.at(row.value), y, "other hollow", radius=4)]


def strip(estimate: Estimate, low: float, high: float, *, reference: float | None = None) -> str:
    """One line of a forest plot small enough for a table cell. The numbers stand in the cell beside it, so readers skip it."""
    axis = Axis(low, high, 6, 134)
    parts = [line(6, 18, 134, 18, "rule")]
    if reference is not None and low <= reference <= high:
        parts.append(line(axis.at(reference), 2, axis.at(reference), 18, "reference"))
    if estimate.value is not None:
        parts += _estimate(axis, 10, estimate)
    return f'<svg viewBox="0 0 140 20" class="strip" aria-hidden="true">{"".join(parts)}</svg>'


def thinned(points: Sequence[tuple[float, float]], most: int = POINTS) -> list[tuple[float, float]]:
    """At most `most` of the points, evenly by rank, the first and last always among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


@dataclass(frozen=True, slots=True)
class Mark:
    """A point on a curve that the title speaks of."""

    x: float
    y: float
    said: str


def curve(
    name: str,
    title: str,
    points: Sequence[tuple[float, float]],
    *,
    x_title: str,
    y_title: str,
    chance: Sequence[tuple[float, float]],
    mark: Mark | None = None,
    stands: Mark | None = None,
) -> str:
    """A line in the unit square (shares, 0 to 1), what guessing would give as a dashed line, one point told in words, and where the bundle stands."""
    x, y = Axis(0, 1, LEFT, RIGHT), Axis(0, 1, BOTTOM, TOP)
    parts = grid_x(x, TOP, BOTTOM, title=x_title) + grid_y(y, LEFT, RIGHT, title=y_title)
    at = [(x.at(a), y.at(b)) for a, b in thinned(points)]
    parts += [path([(x.at(a), y.at(b)) for a, b in chance], "line reference"), path(at, "line main")]
    if chance:
        a, b = chance[len(chance) // 2] if len(chance) > 2 else ((chance[0][0] + chance[-1][0]) / 2, (chance[0][1] + chance[-1][1]) / 2)
        parts.append(text(x.at(a) + 8, y.at(b) + (16 if y.at(b) < BOTTOM - 22 else -6), "guessing", "note"))
    if stands is not None:
        parts.append(
            dot(x.at(stands.x), y.at(stands.y), "other hollow", radius=4.5, tip=f"the bundle's answers: {percent(stands.x)}, {percent(stands.y)}")
        )
    if mark is not None:
        mx, my = x.at(mark.x), y.at(mark.y)
        right = mx < (LEFT + RIGHT) / 2
        parts += [dot(mx, my, "main ring", radius=4.5, tip=mark.said)]
        parts += [text(mx + (10 if right else -10), my + 18, mark.said, "callout", anchor="start" if right else "end")]
    return picture(name, title, f"{y_title} against {x_title.lower()}. {mark.said if mark else ''}".strip(), parts, height=SQUARE)


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows whose predicted probability lies together: what was said, what came, on how many rows."""

    said: float
    came: float
    rows: float
    low: float | None = None
    high: float | None = None


def calibration(name: str, title: str, bins: Sequence[Bin]) -> str:
    """What was predicted against what happened, with intervals; the dashed diagonal is perfect."""
    x, y = Axis(0, 1, LEFT, RIGHT), Axis(0, 1, BOTTOM, TOP)
    parts = grid_x(x, TOP, BOTTOM, title="Predicted probability") + grid_y(y, LEFT, RIGHT, title="Share that came true")
    parts.append(line(x.at(0), y.at(0), x.at(1), y.at(1), "line reference"))
    for b in bins:
        if b.low is not None and b.high is not None:
            parts.append(line(x.at(b.said), y.at(b.low), x.at(b.said), y.at(b.high), "span main"))
    parts.append(path([(x.at(b.said), y.at(b.came)) for b in bins], "line main thin"))
    parts += [dot(x.at(b.said), y.at(b.came), "main", tip=f"said {percent(b.said)}, came true {percent(b.came)}, {count(b.rows)} rows") for b in bins]
    below = sum((b.came - b.said) * b.rows for b in bins) > 0  # the label keeps out of the curve's way
    parts.append(text(x.at(0.6) + (8 if below else -8), y.at(0.6) + (16 if below else -6), "perfect", "note", anchor="start" if below else "end"))
    said = "; ".join(f"said {percent(b.said)}: came true {percent(b.came)} of {count(b.rows)} rows" for b in bins)
    return picture(name, title, said, parts, height=SQUARE)


def heatmap(name: str, title: str, labels: Sequence[str], counts: Sequence[Sequence[float]]) -> str:
    """Rows are the truth, columns the prediction, each row shaded by its own shares; the diagonal, which is right, has a frame."""
    n = len(labels)
    width = WIDTH if n <= 8 else 720
    cut = 12 if n <= 8 else 10
    names = [visible(label, limit=cut) for label in labels]
    left = max(58.0, 30 + 6.6 * max(len(label) for label in names))
    cell = min(104.0 if n < 4 else 76.0, (width - left - 6) / n)
    slanted = max(len(label) for label in names) * 6.6 > cell - 4
    top = 26 + (5.2 * max(len(label) for label in names) if slanted else 14)
    parts = [text(left, 12, "Predicted →", "axis"), text(2, top - 8, "Truth ↓", "axis")]
    for j, label in enumerate(names):
        at = left + cell * (j + 0.5)
        if slanted:
            parts.append(f'<g transform="translate({at:g} {top - 6:g}) rotate(-50)">{text(0, 0, label, "tick")}</g>')
        else:
            parts.append(text(at, top - 6, label, "tick", anchor="middle"))
    for i, row in enumerate(counts):
        whole, y = sum(row), top + cell * i
        parts.append(text(left - 6, y + cell / 2 + 4, names[i], "tick", anchor="end"))
        for j, value in enumerate(row):
            share = value / whole if whole else 0.0
            at = left + cell * j
            tip = f"truth {visible(labels[i])}, predicted {visible(labels[j])}: {count(value)} rows, {percent(share)} of the truth" if value else ""
            parts.append(box(at + 0.5, y + 0.5, cell - 1, cell - 1, "heat", opacity=0.03 + 0.62 * share, tip=tip))
            if i == j:
                parts.append(box(at + 1, y + 1, cell - 2, cell - 2, "frame"))
            if n <= 8:
                parts += _cell_text(at + cell / 2, y + cell / 2, value, share, cell)
            elif value and cell >= 16:
                parts.append(text(at + cell / 2, y + cell / 2 + 3.5, count(value), "tiny", anchor="middle"))
    wrong = f"{n} by {n} table of counts: rows are the true class, columns the predicted one."
    return picture(name, title, wrong, parts, height=top + cell * n + 8, width=width)


def _cell_text(x: float, y: float, value: float, share: float, cell: float) -> list[str]:
    if cell < 34:
        return [text(x, y + 4, count(value), "tiny", anchor="middle")]
    return [text(x, y, count(value), "cell", anchor="middle"), text(x, y + 14, percent(share), "tiny", anchor="middle")]


@dataclass(frozen=True, slots=True)
class Spread:
    """How values lie around one place of an axis: quantiles 5, 25, 50, 75 and 95 per cent."""

    at: float
    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float


def residuals(
    name: str,
    title: str,
    bins: Sequence[Spread],
    cells: Sequence[tuple[float, float, float | None]],
    cell: tuple[float, float],
    *,
    x_title: str,
    y_title: str,
) -> str:
    """Errors along the predicted value: quantiles of each group over a shading of where rows lie (None: fewer than ten)."""
    xs = [b.at for b in bins] + [x + side * cell[0] / 2 for x, _, _ in cells for side in (-1, 1)]
    ys = [v for b in bins for v in (b.low, b.high)] + [y + side * cell[1] / 2 for _, y, _ in cells for side in (-1, 1)] + [0.0]
    left = LEFT + 14
    x, y = Axis(*around(xs, margin=0.02), left, RIGHT), Axis(*around(ys, margin=0.02), BOTTOM, TOP)
    parts = grid_x(x, TOP, BOTTOM, title=x_title) + grid_y(y, left, RIGHT, title=y_title)
    most = max((rows for _, _, rows in cells if rows is not None), default=1) or 1
    for a, b, rows in cells:
        at, top = x.at(a - cell[0] / 2), y.at(b + cell[1] / 2)
        said = "fewer than 10 rows" if rows is None else f"{count(rows)} rows"
        shade = 0.05 if rows is None else 0.08 + 0.3 * math.sqrt(rows / most)
        parts.append(box(at, top, x.at(a + cell[0] / 2) - at, y.at(b - cell[1] / 2) - top, "heat", opacity=shade, tip=said))
    parts.append(line(left, y.at(0), RIGHT, y.at(0), "line reference"))
    for s in bins:
        at = x.at(s.at)
        parts += [line(at, y.at(s.low), at, y.at(s.high), "span main"), line(at, y.at(s.quarter), at, y.at(s.three_quarters), "span main thick")]
        parts.append(dot(at, y.at(s.median), "main ring", tip=f"predicted {significant(s.at)}: median error {significant(s.median)}"))
    said = "; ".join(f"predicted {significant(s.at)}: middle half {significant(s.quarter)} to {significant(s.three_quarters)}" for s in bins)
    return picture(name, title, said, parts, height=SQUARE)


def bars(name: str, title: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """Labelled horizontal bars, from zero; each row is (label, amount, how the amount is said)."""
    step, most = 38, max((amount for _, amount, _ in rows), default=1) or 1
    parts: list[str] = []
    for i, (label, amount, said) in enumerate(rows):
        y = 4 + step * i
        parts += [text(4, y + 12, visible(label, limit=34), "label"), text(WIDTH - 4, y + 12, said, "value", anchor="end")]
        parts += [box(4, y + 18, WIDTH - 8, 10, "rail", radius=2), box(4, y + 18, max(1.5, (WIDTH - 8) * amount / most), 10, "fill", radius=2)]
    return picture(name, title, "; ".join(f"{visible(label)}: {said}" for label, _, said in rows), parts, height=step * len(rows) + 6)


def histogram(name: str, title: str, edges: Sequence[float], counts: Sequence[float | None], *, x_title: str) -> str:
    """How often each range of values occurs (None: one to nine times, drawn as nine, hatched); a dashed line at zero where zero lies inside."""
    most = max((c for c in counts if c is not None), default=9) or 9
    x, y = Axis(min(edges), max(edges), LEFT + 14, RIGHT), Axis(0, most * 1.05, BOTTOM, TOP)
    parts = grid_x(x, TOP, BOTTOM, title=x_title) + grid_y(y, LEFT + 14, RIGHT, title="Rows", most=4)
    for low, high, amount in zip(edges, edges[1:], counts, strict=False):
        a, b = x.at(low) + 0.5, x.at(high) - 0.5
        where, top = f"{significant(low)} to {significant(high)}", y.at(9 if amount is None else amount)
        if amount is None:
            parts += [box(a, top, b - a, BOTTOM - top, "hatch", tip=f"{where}: fewer than 10 rows"), *_hatching(a, top, b, BOTTOM)]
        else:
            parts.append(box(a, top, b - a, BOTTOM - top, "fill", tip=f"{where}: {count(amount)} rows"))
    if x.low < 0 < x.high:
        parts.append(line(x.at(0), TOP, x.at(0), BOTTOM, "line reference"))
    return picture(name, title, f"Histogram of at least {count(sum(c or 0 for c in counts))} rows.", parts, height=SQUARE)


def splits(name: str, title: str, *, design: str, how: str, opened: int, sealed: int, folds: int, repeats: int) -> str:
    """Which rows each fold learns from (pale) and is scored on (solid); sealed rows (hatched) stand apart, opened once at the end."""
    left, right, row, gap = 74, WIDTH - 8, 14, 6
    whole = opened + sealed
    edge = left + (right - left) * (opened / whole if whole else 1)
    shown, top = min(folds, 10), 26
    bottom = top + (row + gap) * shown
    parts = [text(left, 14, f"{count(opened)} open rows", "note")] if design == "sealed" else [text(left, 14, f"{count(whole)} rows", "note")]
    timed = how.startswith("time")
    for i in range(shown):
        y, step = top + (row + gap) * i, (edge - left) / (folds + 1 if timed else folds)
        start = left + step * (i + 1 if timed else i)
        parts.append(text(left - 8, y + 11, f"Fold {i + 1}", "tick", anchor="end"))
        parts.append(box(left, y, (start - left) if timed else (edge - left), row, "soft", radius=2, tip="learns"))
        parts.append(box(start, y, step, row, "fill", radius=2, tip="is scored"))
    if sealed and design == "sealed":
        height = bottom - gap - top
        parts += [box(edge + 5, top, right - edge - 5, height, "hatch", radius=2, tip=f"{count(sealed)} sealed rows, opened once")]
        parts += _hatching(edge + 5, top, right, top + height)
        parts.append(text(right, 14, f"{count(sealed)} sealed", "note", anchor="end"))
    parts += _legend(bottom + 8, [("soft", "learns"), ("fill", "is scored"), *([("hatch", "sealed")] if sealed and design == "sealed" else [])])
    turns = f", {repeats} times over" if repeats > 1 else ""
    said = f"{folds} folds{turns} over {count(opened)} rows, {how}; {count(sealed)} rows sealed."
    return picture(name, title, said, parts, height=bottom + 26)


def _hatching(left: float, top: float, right: float, bottom: float) -> list[str]:
    """Slanted lines by hand: a pattern would need an id, and prints badly."""
    parts, at = [], left - (bottom - top)
    while at < right:
        # a line going up to the right, cut to the box
        x1, y1, x2, y2 = at, bottom, at + (bottom - top), top
        if x1 < left:
            x1, y1 = left, y1 - (left - at)
        if x2 > right:
            x2, y2 = right, top + (at + (bottom - top) - right)
        parts.append(line(round(x1, 1), round(y1, 1), round(x2, 1), round(y2, 1), "hatching"))
        at += 8
    return parts


def _legend(y: float, items: Sequence[tuple[str, str]]) -> list[str]:
    parts, x = [], 74.0
    for kind, label in items:
        parts += [box(x, y, 12, 12, kind, radius=2), text(x + 17, y + 10, label, "note")]
        x += 30 + 7 * len(label)
    return parts


def flow(name: str, title: str, parts_of_rows: Sequence[tuple[str, int]]) -> str:
    """Rows in, laid end to end by what became of them; the first part is solid, later ones paler and hatched by their frames."""
    whole, x, out = sum(n for _, n in parts_of_rows) or 1, 4.0, []
    kinds = ("fill", "hatch", "rail")
    for i, (label, rows) in enumerate(parts_of_rows):
        width = (WIDTH - 8) * rows / whole
        kind = kinds[min(i, 2)]
        out.append(box(x, 4, max(width - 1, 1), 16, kind, radius=2, tip=f"{label}: {count(rows)} rows"))
        out += _hatching(x, 4, x + width - 1, 20) if kind == "hatch" and width > 4 else []
        y = 40 + 18 * i
        out += [box(4, y - 10, 11, 11, kind, radius=2), text(21, y, visible(label, limit=38), "label")]
        out.append(text(WIDTH - 4, y, f"{count(rows)} rows", "value", anchor="end"))
        x += width
    return picture(
        name,
        title,
        "; ".join(f"{visible(label)}: {count(rows)} rows" for label, rows in parts_of_rows),
        out,
        height=48 + 18 * len(out and parts_of_rows),
    )


def spread(values: Sequence[object], main: Sequence[object]) -> tuple[float, float]:
    """A common scale for the strips of a table: it holds `main` (the winner's value and interval) and all values within reach of it.

    Out of reach is what lies farther from the winner than four times the median candidate does; it is drawn as an arrow: a baseline that
    is far worse must not squeeze the candidates until they cannot be told apart.
    """
    known, kept = [v for value in values if (v := finite(value)) is not None], [v for value in main if (v := finite(value)) is not None]
    if not known:
        return 0.0, 1.0
    middle = kept[0] if kept else known[0]
    away = sorted(abs(v - middle) for v in known)
    reach = 4 * away[len(away) // 2] or math.inf
    return around([v for v in known if abs(v - middle) <= reach] + kept)
