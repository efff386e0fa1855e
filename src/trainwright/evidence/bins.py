"""Bins and edges that tell how values lie, and no value.

Takes    values of many rows.
Gives    bins of ten rows or more, edges at round numbers, values rounded to what their spread makes worth telling.
"""

from __future__ import annotations

import numpy as np

from trainwright.runtime.columns import Floats, Rows

FEW = 10  # no fewer rows stand behind what is told


def equal_bins(values: Floats, most: int) -> list[Rows]:
    """Row numbers of at most `most` bins of rising value, about equally filled, each with FEW rows or more (all rows in one, if fewer);
    equal values stay together."""
    order = np.argsort(values, kind="stable")
    ranked, n = values[order], len(values)
    many = max(1, min(most, n // FEW))
    ends: list[int] = []
    for i in range(1, many):
        end = int(np.searchsorted(ranked, ranked[i * n // many], side="left"))
        if end - (ends[-1] if ends else 0) >= FEW:  # the last bin has its tenth row by how `many` was chosen
            ends.append(end)
    return [part for part in np.split(order, ends) if len(part)]


def coarse(values: Floats, like: Floats) -> list[float]:
    """Values rounded to a power of ten that is at most a tenth of, and at least a hundredth of, the spread of `like`."""
    spread = float(np.std(like)) or max(abs(float(like[0])), 1.0) if len(like) else 1.0
    digits = 1 - int(np.floor(np.log10(spread)))
    return [round(float(value), digits) + 0.0 for value in values]


def round_edges(values: Floats, most: int) -> Floats:
    """Edges of at most about `most` equal cells: multiples of 1, 2 or 5 · 10^k that hold the middle 99 % of the values."""
    low, high = (float(v) for v in np.quantile(values, (0.005, 0.995)))
    raw = max((high - low) / max(most - 1, 1), 1e-12 * max(abs(low), abs(high)), 1e-300)
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(float(m * power) for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw * (1 - 1e-9))
    first, last = int(np.floor(low / step)), int(np.ceil(high / step))
    return np.array([short(step * k) for k in range(first, max(last, first + 1) + 1)])


def short(value: float) -> float:
    """Without the dust of sums of decimals."""
    return float(f"{value:.12g}")
