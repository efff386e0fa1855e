"""Numbers: filled with the median or the mean and flagged where they were missing, or kept with their gaps.

A column that is constant here is left out, and so is one without any value; a constant one with gaps leaves only its flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from trainwright.features.feature import Feature
from trainwright.features.transform import Fit, summarise
from trainwright.runtime.columns import Columns, Floats
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Fill, Numbers

FillBy = Literal["median", "mean", "gap"]


def fit(columns: Columns, schemas: Sequence[ColumnSchema], y: Floats | None, rng: np.random.Generator, *, by: FillBy = "median") -> Fit | None:
    """Takes columns of numbers (or yes/no). `gap` keeps NaN; there a constant column with gaps stays, since its gaps tell rows apart."""
    names = [schema.name for schema in schemas]
    if not names:
        return None
    rows = len(columns[names[0]])
    seen = summarise(columns, names)
    varies, gappy = seen.low < seen.high, (seen.known > 0) & (seen.known < rows)
    if by == "gap":
        kept = tuple(name for name, keep in zip(names, varies | gappy, strict=True) if keep)
        return _done(Numbers(columns=kept, shift=_needed(seen.shift[varies | gappy])), columns, kept, ()) if kept else None
    kept = tuple(name for name, keep in zip(names, varies, strict=True) if keep)
    flagged = tuple(name for name, keep in zip(names, gappy, strict=True) if keep)
    if not kept and not flagged:
        return None
    values = (seen.median if by == "median" else seen.mean)[varies]
    return _done(Fill(columns=kept, values=values, shift=_needed(seen.shift[varies]), flagged=flagged), columns, kept, flagged)


def _needed(shift: Floats) -> Floats:
    return shift if shift.any() else np.empty(0)


def _done(step: Numbers | Fill, columns: Columns, kept: Sequence[str], flagged: Sequence[str]) -> Fit:
    features = (*(Feature(name, name, "number") for name in kept), *(Feature(f"{name} is missing", name, "indicator") for name in flagged))
    return Fit(step, step.apply(columns), features)
