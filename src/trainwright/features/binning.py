"""Binning: ranges with about equally many training rows in each, as an indicator for each range or as its number: a curve for linear models.

A column with few distinct values gets fewer bins; values as frequent as a bin stand alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainwright.features.feature import Feature
from trainwright.features.transform import Fit, known_numbers
from trainwright.runtime.columns import Columns, Floats
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Bins


def fit(
    columns: Columns, schemas: Sequence[ColumnSchema], y: Floats | None, rng: np.random.Generator, *, bins: int = 10, indicators: bool = True
) -> Fit | None:
    names: list[str] = []
    edges: list[Floats] = []
    gaps: list[bool] = []
    for schema in schemas:
        known = known_numbers(columns, schema.name)
        inner = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf")) if len(known) else known
        inner = inner[inner > known.min()] if len(known) else inner  # an edge at the lowest value would leave an empty bin below
        if len(inner):
            names.append(schema.name)
            edges.append(inner)
            gaps.append(len(known) < len(columns[schema.name]))
    if not names:
        return None
    counts = tuple(len(own) for own in edges)
    step = Bins(columns=tuple(names), counts=counts, edges=np.concatenate(edges), indicators=indicators, missing=tuple(gaps))
    features: list[Feature] = []
    for name, count, gap in zip(names, counts, gaps, strict=True):
        if indicators:
            features += [Feature(f"{name} in range {number + 1} of {count + 1}", name, "indicator") for number in range(count + 1)]
            features += [Feature(f"{name} in no range", name, "indicator")] * gap
        else:
            features.append(Feature(f"range of {name}", name, "number"))
    return Fit(step, step.apply(columns), tuple(features))
