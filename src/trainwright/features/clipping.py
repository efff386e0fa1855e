"""Clipping: numbers beyond a low and a high quantile of the training rows become these. Columns to columns: other transforms read the result.

Source  winsorising: Tukey (1962), Annals of Mathematical Statistics 33(1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainwright.features.transform import known_numbers
from trainwright.runtime.columns import Columns
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Clip


def fit(columns: Columns, schemas: Sequence[ColumnSchema], *, low: float = 0.01, high: float = 0.99) -> Clip | None:
    """`low` and `high` are shares of the rows that have a value. None when nothing would change."""
    names: list[str] = []
    limits: list[tuple[float, float]] = []
    for schema in schemas:
        known = known_numbers(columns, schema.name)
        if len(known) and known.min() < known.max():
            names.append(schema.name)
            at = np.quantile(known, [low, high])
            limits.append((float(at[0]), float(at[1])))
    return Clip(columns=tuple(names), low=np.array([a for a, _ in limits]), high=np.array([b for _, b in limits])) if names else None
