"""Weights that give the rows the shares of the stated population.

Takes    margins, the rows, and weights that they have already.
Gives    a factor for each row: exact for one margin (post-stratification), by iterative proportional fitting for several (raking).
Why      a model, and the figures that judge it, then speak of the population that is meant instead of the one that happened to be sampled.
         What no row stands for no weight can mend, and a weight costs rows: both are told.
Source   Deming & Stephan (1940), Annals of Mathematical Statistics 11(4), 427-444; Kish (1965), Survey Sampling, section 11.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainwright.data.cleaning.done import Done, does_not_apply
from trainwright.data.cleaning.population import Margin, effective
from trainwright.data.dataset import Splits
from trainwright.errors import RequestError
from trainwright.plan.model import Fixing, Plan, Weigh
from trainwright.runtime.columns import Floats, Rows

SWEEPS = 1000
CLOSE = 1e-10  # relative change of any cell's weight in one sweep at which raking has converged


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """Factors for some rows, their mean (by the weights that were there) being 1."""

    factor: Floats  # (rows,)
    effective: float  # rows, after Kish
    off: float  # the largest difference that remains between a cell's share and the expected one
    trimmed: int  # rows
    converged: bool


def population_of(plan: Plan) -> object | None:
    """What the rows are compared with: the plan's population, else the one of the entry that weights; None when nothing was stated.

    Raises RequestError TW077 for a second entry that weights, TW079 for one without any population.
    """
    entries = [(place, fix) for place, fix in enumerate(plan.clean) if isinstance(fix, Weigh)]
    if len(entries) > 1:
        raise does_not_apply(entries[1][0] + 1, "weight", "another entry weights already", why="one would undo the other", fix="keep one of them")
    stated = plan.population if not entries or entries[0][1].population is None else entries[0][1].population
    if entries and stated is None:
        what = f"entry {entries[0][0] + 1} of `clean` weights, but no population is stated"
        raise RequestError("TW079", what, where=f"clean[{entries[0][0]}]", why="nothing says which shares to reach", fix="add --population FILE")
    return stated


def no_share(margins: Sequence[Margin]) -> NDArray[np.bool_]:
    """Which rows of the table lie in a cell whose expected share is 0: they are of another population."""
    found = np.zeros(len(margins[0].cell), np.bool_)
    for margin in margins:
        found |= np.append(margin.shares == 0, False)[margin.cell]  # −1, of no cell, reads the last entry
    return found


def calibrated(margins: Sequence[Margin], rows: Rows, base: Floats, *, trim: float) -> Weighted:
    """Factors by which `rows` get the expected shares.

    Takes    base (rows,) above zero: what they count already. Rows that lie in no cell of a margin are left alone by it.
    Gives    see `Weighted`. Cells without rows are passed over: the others keep their proportions to one another.
             No factor is above `trim` times the mean; what is cut off is spread over all rows, so trimmed shares are somewhat off.
    """
    cells = [margin.cell[rows] for margin in margins]
    combined, inverse = np.unique(np.stack(cells), axis=1, return_inverse=True)
    inverse = inverse.reshape(-1)
    start = np.bincount(inverse, weights=base, minlength=combined.shape[1]).astype(np.float64)  # rows of one combination of cells share a factor
    factor, converged = _raked(margins, combined, start)
    factor, beyond = _trimmed(factor / float((factor * start).sum() / start.sum()), start, trim)
    trimmed = int(beyond[inverse].sum())
    weights = factor * start
    off = 0.0
    for margin, cell in zip(margins, combined, strict=True):
        sums = np.bincount(cell[cell >= 0], weights=weights[cell >= 0], minlength=len(margin.shares))
        if sums.sum() > 0:
            off = max(off, float(np.abs(sums / sums.sum() - margin.shares).max()))
    return Weighted(factor[inverse], effective(factor[inverse] * base), off, trimmed, converged)


def _raked(margins: Sequence[Margin], combined: Rows, start: Floats) -> tuple[Floats, bool]:
    """Factors of the combinations (margins, combinations), and whether they have settled. One margin takes one sweep."""
    factor = np.ones(len(start))
    for _ in range(SWEEPS):
        moved = 0.0
        for margin, cell in zip(margins, combined, strict=True):
            inside = cell >= 0
            if not inside.any():
                continue
            sums = np.bincount(cell[inside], weights=(factor * start)[inside], minlength=len(margin.shares))
            there = sums > 0
            if not margin.shares[there].sum() > 0:
                continue
            wanted = np.where(there, margin.shares, 0.0) * sums.sum() / margin.shares[there].sum()
            step = np.divide(wanted, sums, out=np.ones_like(wanted), where=there)
            factor[inside] *= step[cell[inside]]
            moved = max(moved, float(np.abs(step - 1.0).max()))
        if moved < CLOSE:
            return factor, True
    return factor, False


def _trimmed(factor: Floats, start: Floats, trim: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Factors of mean 1 (by `start`), none above `trim`, the others in their proportions; and which were cut."""
    beyond = np.zeros(len(factor), np.bool_)
    while (more := (factor > trim * (1 + 1e-12)) & ~beyond).any():
        beyond |= more
        left = start.sum() - trim * start[beyond].sum()  # never below 0: what was cut stood above trim, at a mean of 1
        factor = np.where(beyond, trim, factor * (left / (factor * start)[~beyond].sum()))
    return factor, beyond


def weighed_to(
    clean: Sequence[Fixing], margins: Sequence[Margin], splits: Splits, weight: Floats | None, rows: int
) -> tuple[Floats | None, dict[int, Done]]:
    """The weights as `weigh` makes them, and what that did by the entry's place; `weight` itself where no entry weights."""
    for place, fix in enumerate(clean):
        if isinstance(fix, Weigh):
            weights, done = weigh(fix, margins, splits, weight, rows)
            return weights, {place: done}
    return weight, {}


def weigh(fix: Weigh, margins: Sequence[Margin], splits: Splits, weight: Floats | None, rows: int) -> tuple[Floats, Done]:
    """Weights for open and sealed rows, each side brought to the population's shares by itself; and what that did.

    Takes    `weight` (rows,) the weights that were given, or None.
    Gives    (rows,) weights; of rows that are in no split they stay as they were.
    """
    weights = np.ones(rows) if weight is None else weight.copy()
    before = effective(weights[splits.open])
    found = calibrated(margins, splits.open, weights[splits.open], trim=fix.trim)
    weights[splits.open] *= found.factor
    if len(splits.sealed):
        weights[splits.sealed] *= calibrated(margins, splits.sealed, weights[splits.sealed], trim=fix.trim).factor
    parts = [f"{len(splits.open):,} open rows are weighted to the stated population and count like {found.effective:,.0f} equal ones"]
    if found.trimmed:
        parts.append(f"{found.trimmed:,} weights were trimmed at {fix.trim:g} times the mean")
    if found.off > 0.0005:
        parts.append(f"a share is still off by {100 * found.off:.1f} points")
    if not found.converged:
        parts.append("raking did not settle: the margins contradict one another in the cells that have rows")
    parts.append("figures are measured with these weights: what they would be on that population")
    figures = {"effective": [round(before, 1), round(found.effective, 1)], "off": round(found.off, 6), "trimmed": found.trimmed}
    changed = int((np.abs(found.factor - 1.0) > 1e-9).sum())
    return weights, Done(fix.do, fix.because, "; ".join(parts), rows=changed, figures=figures)
