"""Errors of predicted numbers, as counts on a grid: how they lie, without any row.

Takes    a judge of a number.
Gives    counts of rows by predicted value and error, quantiles of the error along the predicted value, a histogram.
Why      evidence ships with the bundle. Edges are round numbers, the outermost cells are open (no exact extreme), a cell of fewer than ten rows
         does not tell how many (`rows` is None), and quantiles are of ten rows or more, rounded to a hundredth of the errors' spread: from none of
         them can a row's value be worked out. Weights do not count here: each row is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.evidence.bins import FEW, coarse, equal_bins, round_edges, short
from trainwright.evidence.judged import Judge
from trainwright.runtime.columns import Floats

GRID = 14  # cells along an axis at most: 14 · 14 < 200
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def residuals(judge: Judge, classes: tuple[str, ...]) -> dict[str, Any]:
    """Error is truth minus predicted.

    Gives   `cells` [{x, y, rows}]: the middle of a cell in predicted value and error; `cell` [width, height]; `by_predicted`
            [{predicted, rows, low, quarter, median, three_quarters, high}] by equally filled bins of the predicted value; `histogram`
            {edges, rows} of the error; `band` [low, high] holds 90 % of the errors.
    """
    predicted, error = judge.prediction[:, 0], judge.truth.y - judge.prediction[:, 0]
    fine = max(2, min(GRID, int(np.sqrt(len(error) / 5))))
    x_edges, y_edges = round_edges(predicted, fine), round_edges(error, fine)
    x, y = _cell(predicted, x_edges), _cell(error, y_edges)
    counts = np.bincount(x * (len(y_edges) - 1) + y, minlength=(len(x_edges) - 1) * (len(y_edges) - 1))
    middle_x, middle_y = (x_edges[1:] + x_edges[:-1]) / 2, (y_edges[1:] + y_edges[:-1]) / 2
    cells = [
        {"x": short(middle_x[i // len(middle_y)]), "y": short(middle_y[i % len(middle_y)]), "rows": _told(counts[i])}
        for i in np.flatnonzero(counts).tolist()
    ]
    edges = round_edges(error, max(4, min(2 * GRID, int(np.sqrt(len(error))))))
    if len(error) < FEW:
        return {"cells": [], "cell": [], "by_predicted": [], "histogram": {"edges": [], "rows": []}, "band": None, "why": f"fewer than {FEW} rows"}
    band = coarse(np.quantile(error, (0.05, 0.95)), error)
    return {
        "cells": cells,
        "cell": [short(x_edges[1] - x_edges[0]), short(y_edges[1] - y_edges[0])],
        "by_predicted": [_bin(predicted[rows], error[rows], predicted, error) for rows in equal_bins(predicted, 10)],
        "histogram": {"edges": edges.tolist(), "rows": [_told(c) for c in np.bincount(_cell(error, edges), minlength=len(edges) - 1)]},
        "band": band,
    }


def _told(count: int) -> int | None:
    """A count of rows, or None for 1 to 9."""
    return int(count) if count == 0 or count >= FEW else None


def _bin(predicted: Floats, error: Floats, all_predicted: Floats, all_error: Floats) -> dict[str, Any]:
    names = ("low", "quarter", "median", "three_quarters", "high")
    quantiles = coarse(np.quantile(error, QUANTILES), all_error)
    return {"predicted": coarse(np.array([predicted.mean()]), all_predicted)[0], "rows": len(error)} | dict(zip(names, quantiles, strict=True))


def _cell(values: Floats, edges: Floats) -> np.ndarray:
    """The number of each value's cell; the outermost cells are open."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
