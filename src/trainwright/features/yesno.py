"""Yes or no: 1 and 0, a gap filled with the share of yes and flagged, or kept. A column that only says one thing is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainwright.features import numbers
from trainwright.features.transform import Fit
from trainwright.runtime.columns import Columns, Floats
from trainwright.runtime.schema import ColumnSchema


def fit(columns: Columns, schemas: Sequence[ColumnSchema], y: Floats | None, rng: np.random.Generator, *, gaps: bool = False) -> Fit | None:
    return numbers.fit(columns, schemas, y, rng, by="gap" if gaps else "mean")
