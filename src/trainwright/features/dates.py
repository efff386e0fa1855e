"""Date-times: how much time has passed, and the parts of the calendar in which the training rows differ.

The hour is a part only where some row has a time of day. A gap takes the median of each part and is flagged, or stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from trainwright.features.feature import Feature
from trainwright.features.transform import Fit
from trainwright.runtime.columns import Columns, Floats
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Dates
from trainwright.runtime.steps.dates import PARTS, split


def fit(columns: Columns, schemas: Sequence[ColumnSchema], y: Floats | None, rng: np.random.Generator, *, gaps: bool = False) -> Fit | None:
    names: list[str] = []
    parts: list[tuple[str, ...]] = []
    reference: list[float] = []
    unit: list[float] = []
    values: list[float] = []
    flagged: list[str] = []
    for schema in schemas:
        seconds = cast(Floats, columns[schema.name])
        known = seconds[~np.isnan(seconds)]
        if not len(known) or known.min() == known.max():
            continue
        middle, spread = float(np.median(known)), max(float(known.std()), 1.0)
        made = dict(zip(PARTS, split(known, PARTS, middle, spread), strict=True))
        chosen = tuple(part for part in PARTS if made[part].min() < made[part].max())
        if not chosen:
            continue
        names.append(schema.name)
        parts.append(chosen)
        reference.append(middle)
        unit.append(spread)
        values += [np.nan if gaps else float(np.median(made[part])) for part in chosen]
        if len(known) < len(seconds) and not gaps:
            flagged.append(schema.name)
    if not names:
        return None
    step = Dates(
        columns=tuple(names),
        parts=tuple(parts),
        reference=np.array(reference),
        unit=np.array(unit),
        values=np.array(values),
        flagged=tuple(flagged),
    )
    features = [Feature(f"{name}: {part}", name, "number") for name, chosen in zip(names, parts, strict=True) for part in chosen]
    features += [Feature(f"{name} is missing", name, "indicator") for name in flagged]
    return Fit(step, step.apply(columns), tuple(features))
