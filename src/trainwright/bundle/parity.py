"""The parity gate: what ships answers as what was trained, or it does not ship.

Takes    a loaded bundle; rows, real ones and edge rows; what the training objects say of the same rows.
Gives    the figures of the comparison, or BundleError TW055.
Why      conversions go wrong without an error: a forest read in float64 differs by 5e-2, histogram boosting with categories flips half of
         the labels. Compared are open rows and edge rows, never sealed ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainwright.errors import BundleError
from trainwright.runtime.bundle import Bundle
from trainwright.runtime.columns import Coded, Column, Columns, Floats
from trainwright.runtime.schema import ColumnSchema

TOLERANCE = 1e-4  # of a probability; of a number, times its scale
TIE = 1e-5  # a row whose answer changes when its outputs move by this much is a tie: float32 sums differ by less
MAX_BLOCKS = 250  # of columns that edge rows change one block at a time: one column each, unless there are more columns


def check(bundle: Bundle, reference: Floats, rows: Any, *, scale: float | None = None) -> dict[str, Any]:
    """Compare the bundle with the training objects.

    Takes   `reference` (rows, outputs), what training predicts for `rows`: raw rows, or typed columns as `edge_rows` gives them.
            `scale`: of a number to predict, the spread that counts as large, in its unit: the target's standard deviation on open rows. By
            default that of `reference`.
    Gives   {"rows", "largest" difference, "tolerance", "scale", "flips" beyond ties, "ties"}. A probability may differ by 1e-4, a number by
            1e-4 of max(scale, |reference|): far out, where a line reaches a million scales, float32 features allow no more than relative agreement.
    Raises  BundleError TW055 with the figures and the first rows, when anything differs more, is not finite, or an answer flips that is no tie.
    """
    typed = isinstance(rows, Mapping) and all(isinstance(column, Coded | np.ndarray) for column in rows.values())
    outputs = bundle.outputs_of(rows) if typed else bundle.outputs(rows)
    reference = np.asarray(reference, np.float64)
    if reference.shape != outputs.shape:
        raise _fails(f"the bundle gives {outputs.shape[1]} outputs, training gave the shape {reference.shape}", len(outputs))
    unit = 1.0 if bundle.classes else float(np.std(reference) if scale is None else scale)
    allowed = np.full(outputs.shape, TOLERANCE) if bundle.classes else TOLERANCE * np.maximum(max(unit, 1e-300), np.abs(reference))
    endless = np.flatnonzero(~(np.isfinite(outputs) & np.isfinite(reference)).all(axis=1))
    if len(endless):
        raise _fails(f"{len(endless)} rows have an output that is not finite ({_rows(endless)})", len(outputs))
    difference = np.abs(outputs - reference)
    apart = np.flatnonzero((difference > allowed).any(axis=1))
    if len(apart):
        raise _fails(f"{len(apart)} rows differ, the worst by {float(difference.max()):.3g} ({_rows(apart)})", len(outputs))
    flips, ties = _flips(bundle, outputs, reference)
    if len(flips):
        raise _fails(f"{len(flips)} rows get another answer and are no ties ({_rows(flips)})", len(outputs))
    largest = float(difference.max(initial=0.0))
    return {"rows": len(outputs), "largest": largest, "tolerance": TOLERANCE, "scale": unit, "flips": 0, "ties": ties}


def _flips(bundle: Bundle, outputs: Floats, reference: Floats) -> tuple[Any, int]:
    """Rows whose answer differs and would not, had the reference been moved by TIE towards the bundle's; and how many are such ties."""
    if not bundle.classes or not len(outputs):
        return np.empty(0, np.int64), 0
    said, expected = bundle.answers(outputs), bundle.answers(reference)
    differ = np.flatnonzero(said != expected)
    number = {name: index for index, name in enumerate(bundle.classes)}
    moved = reference[differ].copy()
    place = np.arange(len(differ))
    moved[place, [number[name] for name in said[differ].tolist()]] += TIE
    moved[place, [number[name] for name in expected[differ].tolist()]] -= TIE
    tied = bundle.answers(moved) == said[differ] if len(differ) else np.empty(0, bool)
    return differ[~tied], int(tied.sum())


def _rows(rows: Any) -> str:
    first = ", ".join(str(row) for row in rows[:3].tolist())
    return f"row {first}" if len(rows) == 1 else f"rows {first}" + (", …" if len(rows) > 3 else "")


def _fails(what: str, rows: int) -> BundleError:
    return BundleError(
        "TW055",
        f"the bundle does not answer as the trained model: {what}",
        where=f"{rows} rows compared",
        why="what ships must be what was tested",
        fix="the next best candidate ships; please report the learner and its settings",
    )


def edge_rows(features: Sequence[ColumnSchema], columns: Columns) -> dict[str, Column]:
    """Rows at the edge of what may be served, as typed columns: a typical row, changed in one column at a time and in all at once.

    The changes: missing; zero (no, 1970, the first word); an unseen word; far below and above what training saw; almost as large as float64 goes.
    Of more than 250 columns, blocks are changed at a time, so the rows stay few.

    Takes   `columns`: the typed columns of open rows, at least one row.
    """
    edges = {feature.name: _edges(feature, columns[feature.name]) for feature in features}
    kinds = max((len(values) for _, values in edges.values()), default=0)
    blocks = np.array_split(np.arange(len(features)), min(MAX_BLOCKS, max(1, len(features))))
    made: dict[str, Column] = {}
    for index, feature in enumerate(features):
        typical, values = edges[feature.name]
        own = next(number for number, block in enumerate(blocks) if index in block)
        cells = np.full((1 + kinds * (1 + len(blocks)),), typical)
        for kind in range(kinds):
            value = values[kind % len(values)]
            cells[1 + kind] = value  # all columns at once
            cells[1 + kinds + own * kinds + kind] = value  # this block alone
        column = columns[feature.name]
        made[feature.name] = Coded(cells.astype(np.int32), _with_unseen(column)) if isinstance(column, Coded) else cells.astype(np.float64)
    return made


def _with_unseen(column: Coded) -> list[str]:
    """The vocabulary and, last, a word that is not in it."""
    word = "unseen"
    while word in column.vocabulary:
        word += "?"
    return [*column.vocabulary, word]


def _edges(feature: ColumnSchema, column: Column) -> tuple[float, list[float]]:
    """A typical value and the odd ones; for words, their codes."""
    if isinstance(column, Coded):
        seen = column.codes[column.codes >= 0]
        typical = float(np.bincount(seen).argmax()) if len(seen) else -1.0
        return typical, [-1.0, float(len(column.vocabulary)), *([0.0] if len(column.vocabulary) else [])]
    known = column[np.isfinite(column)]
    if not len(known):
        return np.nan, [np.nan, 0.0]
    if feature.kind == "yesno":
        return float(np.round(np.median(known))), [np.nan, 0.0, 1.0]
    low, high = float(known.min()), float(known.max())
    reach = 10 * (high - low) + 1.0
    return float(np.median(known)), [np.nan, 0.0, low - reach, high + reach, -1e300, 1e300]
