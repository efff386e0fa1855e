"""Yes or no: 1 and 0, a gap filled with the share of yes and flagged, or kept. A column that only says one thing is left out.

Filled, a column is a number, which may be scaled; with its gaps kept it is an indicator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainwright.features import numbers
from trainwright.features.transform import Fit
from trainwright.runtime.columns import Columns, Floats
from trainwright.runtime.schema import ColumnSchema


def fit(columns: Columns, schemas: Sequence[ColumnSchema], y: Floats | None, rng: np.random.Generator, *, gaps: bool = False) -> Fit | None:
    if not gaps:
        return numbers.fit(columns, schemas, y, rng, by="mean")
    made = numbers.fit(columns, schemas, y, rng, by="gap")
    return made and replace(made, features=tuple(replace(feature, kind="indicator") for feature in made.features))
