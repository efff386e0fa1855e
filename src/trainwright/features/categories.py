"""Categories: one-hot, as codes, or as frequency ranks. Words of fewer than ten training rows, and unseen ones, are "other"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainwright.features.feature import Feature
from trainwright.features.transform import Counted, Fit, count, words
from trainwright.runtime.columns import Columns, Floats
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Codes, Onehot, Ranks

Found = dict[str, Counted]


def look(columns: Columns, schemas: Sequence[ColumnSchema]) -> Found:
    """What each column holds, for those that can tell rows apart: at least two of (word, other, missing) occur."""
    found = {schema.name: count(words(columns, schema.name)) for schema in schemas}
    return {name: seen for name, seen in found.items() if len(seen.words) + (seen.rare > 0) + (seen.missing > 0) > 1}


def fit(columns: Columns, schemas: Sequence[ColumnSchema], y: Floats | None, rng: np.random.Generator, *, most: int = 100) -> Fit | None:
    """One-hot, at most `most` words a column (the most frequent); the rest are "other"."""
    return onehot(columns, look(columns, schemas), most)


def onehot(columns: Columns, found: Found, most: int) -> Fit | None:
    if not found:
        return None
    vocabularies = tuple(seen.words[:most] for seen in found.values())
    other = tuple(seen.rare > 0 or len(seen.words) > most for seen in found.values())
    missing = tuple(seen.missing > 0 for seen in found.values())
    step = Onehot(columns=tuple(found), vocabularies=vocabularies, other=other, missing=missing)
    features: list[Feature] = []
    for name, vocabulary, rest, gap in zip(found, vocabularies, other, missing, strict=True):
        features += [Feature(f"{name} = {word}", name, "indicator") for word in vocabulary]
        features += [Feature(f"{name} is another", name, "indicator")] * rest + [Feature(f"{name} is missing", name, "indicator")] * gap
    return Fit(step, step.apply(columns), tuple(features))


def codes(columns: Columns, schemas: Sequence[ColumnSchema], y: Floats | None, rng: np.random.Generator) -> Fit | None:
    """One feature a column: the number of the word, most frequent first; a number of its own for other words and, if it occurred, for missing."""
    found = look(columns, schemas)
    if not found:
        return None
    step = Codes(
        columns=tuple(found),
        vocabularies=tuple(seen.words for seen in found.values()),
        missing=tuple(seen.missing > 0 for seen in found.values()),
    )
    return Fit(step, step.apply(columns), tuple(Feature(name, name, "code") for name in found))


def ranks(columns: Columns, found: Found) -> Fit | None:
    """One feature a column: the word's rank by frequency; other words come after the last, missing before the first."""
    if not found:
        return None
    step = Ranks(
        columns=tuple(found),
        vocabularies=tuple(seen.words for seen in found.values()),
        unseen=np.array([float(len(seen.words)) for seen in found.values()]),
        missing=np.full(len(found), -1.0),
    )
    return Fit(step, step.apply(columns), tuple(Feature(f"rank of {name}", name, "number") for name in found))


def few_and_many(columns: Columns, schemas: Sequence[ColumnSchema], most: int) -> tuple[Fit | None, Fit | None]:
    """Columns of at most `most` words one-hot, the others as frequency ranks."""
    found = look(columns, schemas)
    few = {name: seen for name, seen in found.items() if len(seen.words) <= most}
    return onehot(columns, few, most), ranks(columns, {name: seen for name, seen in found.items() if name not in few})
