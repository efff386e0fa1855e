"""Reference sketches: what training rows and predictions looked like, so that a monitor can later say what has moved.

Takes    the open rows' columns, as callers send them, and the predictions for them.
Gives    JSON: for each column the share of missing cells and its distribution; the same for predictions.
Why      nobody's rows ship: no word of fewer than 10 rows, no bin of fewer than 10 rows, no exact extreme; numbers are rounded to a
         thousandth of their spread, so that no grid point is one person's exact figure. Free text and identifiers leave nothing but counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainwright.data.dataset import Dataset
from trainwright.runtime.columns import Coded, Column, Floats, take
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Decide

LEAST = 10  # rows behind anything that is told
MAX_WORDS = 200
GRID = np.arange(1, 100) / 100
PRIVATE = ("text", "identifier", "image", "audio")


def sketch(dataset: Dataset, outputs: Floats, *, features: Sequence[ColumnSchema], decide: Decide | None) -> dict[str, Any]:
    """The reference that a bundle carries.

    Takes   `outputs` (open rows, outputs): predictions for the open rows, best out of fold; `features`: the columns that the bundle reads from raw
            rows; `decide`: how it answers, None where it predicts a number.
    Gives   {"rows", "features": {name: column}, "predictions": [column, …], "answers": {class: share}}; a column is {"kind", "rows", "missing"}
            with "grid" {"shares", "values"} and "bins" {"edges", "counts"} for numbers, "words" {word: rows} and "other" for words.
            `edges` part the line into one bin more than there are edges; a value on an edge belongs to the bin above.
    """
    rows = dataset.splits.open
    answers = np.empty(0, np.int64) if decide is None else np.bincount(decide.numbers(outputs), minlength=len(decide.classes))
    return {
        "rows": len(rows),
        "features": {feature.name: sketch_column(take(dataset.table.columns[feature.name], rows), feature) for feature in features},
        "predictions": [{"kind": "number", **_numbers(column)} for column in outputs.T],
        "answers": {
            name: float(count) / max(1, len(outputs)) for name, count in zip(dataset.classes if decide else (), answers.tolist(), strict=True)
        },
    }


def sketch_column(column: Column, feature: ColumnSchema) -> dict[str, Any]:
    """One column's sketch, see `sketch`."""
    return {"kind": feature.kind, **(_words(column, feature.kind) if isinstance(column, Coded) else _numbers(column))}


def _words(column: Coded, kind: str) -> dict[str, Any]:
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.vocabulary))
    known = int(counts.sum())
    told: dict[str, int] = {}
    if kind not in PRIVATE:
        often = sorted(np.flatnonzero(counts >= LEAST).tolist(), key=lambda code: (-int(counts[code]), column.vocabulary[code]))
        told = {column.vocabulary[code]: int(counts[code]) for code in often[:MAX_WORDS]}
    distinct = int((counts > 0).sum())
    return {
        "rows": len(column),
        "missing": _share(len(column) - known, len(column)),
        "words": told,
        "other": known - sum(told.values()),
        "distinct": distinct,
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _numbers(column: Floats) -> dict[str, Any]:
    known = np.sort(column[np.isfinite(column)])
    count = len(known)
    base = {"rows": len(column), "missing": _share(len(column) - count, len(column))}
    shares = GRID[(GRID * count >= LEAST) & ((1 - GRID) * count >= LEAST)]
    if not len(shares):  # too few rows to say anything that is not about somebody
        return {**base, "grid": {"shares": [], "values": []}, "bins": {"edges": [], "counts": []}}
    values = _rounded(np.quantile(known, shares), known)
    edges, counts = _bins(known, np.unique(values))
    return {
        **base,
        "grid": {"shares": shares.tolist(), "values": values.tolist()},
        "bins": {"edges": edges, "counts": counts},
    }


def _rounded(values: Floats, known: Floats) -> Floats:
    """To a thousandth of the middle nine tenths, as a power of ten; whole numbers stay whole."""
    spread = float(np.subtract(*np.quantile(known, [0.95, 0.05])))
    if not spread > 0 or not np.isfinite(spread):
        spread = float(np.abs(values).max()) or 1.0
    digits = int(np.clip(3 - np.floor(np.log10(spread)), -300, 300))
    if (known == np.floor(known)).all():
        digits = min(digits, 0)
    return np.array([round(value, digits) for value in values.tolist()])


def _bins(known: Floats, candidates: Floats) -> tuple[list[float], list[int]]:
    """At most 20 bins of about equal counts, each of LEAST rows or more."""
    target = max(LEAST, len(known) / 20)
    edges: list[float] = []
    counts: list[int] = []
    before = 0
    for edge in candidates.tolist():
        below = int(np.searchsorted(known, edge, side="left"))
        if below - before >= target and len(known) - below >= LEAST:
            edges.append(edge)
            counts.append(below - before)
            before = below
    return edges, [*counts, len(known) - before]
