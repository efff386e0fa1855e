"""Ordered categories: the rank in the order of the schema. A gap takes the middle rank and is flagged, or stays; a word outside the order too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainwright.features.feature import Feature
from trainwright.features.transform import Fit, words
from trainwright.runtime.columns import Coded, Columns, Floats
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Ranks


def fit(columns: Columns, schemas: Sequence[ColumnSchema], y: Floats | None, rng: np.random.Generator, *, gaps: bool = False) -> Fit | None:
    """`gaps` keeps NaN where there is no rank; otherwise it takes the median rank of the training rows."""
    kept: list[ColumnSchema] = []
    middles: list[float] = []
    flagged: list[str] = []
    for schema in schemas:
        rank = ranks_of(words(columns, schema.name), schema.order)
        known = rank[~np.isnan(rank)]
        missing = bool((words(columns, schema.name).codes < 0).any())
        if not len(known) or (known.min() == known.max() and not missing):
            continue
        kept.append(schema)
        middles.append(float(np.median(known)))
        if missing and not gaps:
            flagged.append(schema.name)
    if not kept:
        return None
    filled = np.full(len(kept), np.nan) if gaps else np.array(middles)
    names = tuple(schema.name for schema in kept)
    step = Ranks(columns=names, vocabularies=tuple(schema.order for schema in kept), unseen=filled, missing=filled.copy(), flagged=tuple(flagged))
    features = (*(Feature(name, name, "number") for name in names), *(Feature(f"{name} is missing", name, "indicator") for name in flagged))
    return Fit(step, step.apply(columns), features)


def ranks_of(column: Coded, order: Sequence[str]) -> Floats:
    """(rows,) the rank of each row's word in `order`, NaN where it has none."""
    place = {word: float(number) for number, word in enumerate(order)}
    table = np.array([*(place.get(word, np.nan) for word in column.vocabulary), np.nan])
    return table[column.codes]
