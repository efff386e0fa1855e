"""Target encoding: a category as what the target was on average among its rows, pulled towards the overall average where rows are few.

Takes    columns of words, the target of the same rows: class numbers (two classes: one feature a column; more: one for each class) or values.
Gives    a matrix made out of fold (each row's word is looked up among the other folds' rows), and the step that holds the averages of all rows.
Why      many words are too many indicators and too many codes to part; and a row's own target must not stand in its own feature.
Source   Micci-Barreca (2001), SIGKDD Explorations 3(1), with the shrinkage estimated from the data (empirical Bayes), as scikit-learn's
         TargetEncoder(smooth="auto"): w = n·V / (n·V + v) for n rows of variance v under an overall variance V.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainwright.features.feature import Feature
from trainwright.features.transform import Fit, count, words
from trainwright.runtime.columns import Coded, Columns, Floats, Matrix, Rows
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Encode
from trainwright.runtime.steps.stacking import indexed, positions

FOLDS = 5


def fit(
    columns: Columns,
    schemas: Sequence[ColumnSchema],
    y: Floats | None,
    rng: np.random.Generator,
    *,
    classes: int = 0,
    unit: Rows | None = None,
    weight: Floats | None = None,
) -> Fit | None:
    """`classes` is 0 where the target is a number; `unit` says which rows stay in one fold: those of one group; `weight` (rows,)
    how much each counts.

    Words of fewer than RARE rows share one average; so do missing cells. A row without a target takes part in nothing. None without a target.
    """
    names = [schema.name for schema in schemas if len(count(words(columns, schema.name)).words) > 1]
    if y is None or not names or np.isnan(y).all():
        return None
    outputs = _outputs(y, classes)
    counts = np.ones(len(y)) if weight is None else weight
    part = _parts(np.arange(len(y)) if unit is None else unit, rng)
    vocabularies = tuple(count(words(columns, name)).words for name in names)
    made = np.empty((len(y), len(names) * outputs.shape[1]), np.float32)
    tables: list[Matrix] = []
    for number, (name, vocabulary, index) in enumerate(zip(names, vocabularies, indexed(vocabularies), strict=True)):
        code = _codes(words(columns, name), vocabulary, index)
        own = made[:, number * outputs.shape[1] : (number + 1) * outputs.shape[1]]
        for fold in range(FOLDS):
            inside = part == fold
            own[inside] = _averages(code[~inside], outputs[~inside], counts[~inside], len(vocabulary) + 2)[code[inside]]
        tables.append(_averages(code, outputs, counts, len(vocabulary) + 2))
    step = Encode(columns=tuple(names), vocabularies=vocabularies, values=np.concatenate(tables))
    told = ["average of the target"] if outputs.shape[1] == 1 else [f"share of class {number}" for number in range(outputs.shape[1])]
    return Fit(step, made, tuple(Feature(f"{name}: {what}", name, "number") for name in names for what in told))


def _outputs(y: Floats, classes: int) -> Floats:
    """(rows, outputs) what is averaged: the value, whether it is the second class, or an indicator for each class; NaN where unknown."""
    if classes <= 2:
        return y[:, None]
    return np.where(np.isnan(y)[:, None], np.nan, (y[:, None] == np.arange(classes)).astype(np.float64))


def _parts(unit: Rows, rng: np.random.Generator) -> Rows:
    """(rows,) the fold of each row; units whole."""
    numbers = np.unique(unit, return_inverse=True)[1]
    dealt = rng.permutation(np.arange(int(numbers.max(initial=-1)) + 1) % FOLDS)
    return np.asarray(dealt[numbers])


def _codes(column: Coded, vocabulary: Sequence[str], index: dict[str, int]) -> Rows:
    return positions(column, index, unseen=len(vocabulary), missing=len(vocabulary) + 1).astype(np.int64)


def _averages(code: Rows, outputs: Floats, counts: Floats, size: int) -> Matrix:
    """float32 (size, outputs): the shrunken average of each code; the overall one where a code has no row.

    Rows count as `counts` (rows,) says; n is then (Σ counts)² / Σ counts², as many rows as would know as much if all counted the same.
    Source  Kish (1965), Survey Sampling, §11.7, for n.
    """
    known = ~np.isnan(outputs[:, 0]) & (counts > 0)
    code, outputs, counts = code[known], outputs[known], counts[known]
    if not len(code):
        return np.zeros((size, outputs.shape[1]), np.float32)
    table = np.empty((size, outputs.shape[1]))
    total = np.bincount(code, weights=counts, minlength=size)
    rows = np.divide(total**2, np.bincount(code, weights=counts**2, minlength=size), out=np.zeros(size), where=total > 0)
    for number, values in enumerate(outputs.T):
        overall = float(np.average(values, weights=counts))
        spread = float(np.average((values - overall) ** 2, weights=counts))
        mean = np.divide(np.bincount(code, weights=counts * values, minlength=size), total, out=np.full(size, overall), where=total > 0)
        squares = np.bincount(code, weights=counts * (values - mean[code]) ** 2, minlength=size)
        within = np.divide(squares, total, out=np.zeros(size), where=total > 0)
        below = spread * rows + within
        weight = np.divide(spread * rows, below, out=np.zeros(size), where=below > 0)
        table[:, number] = weight * mean + (1 - weight) * overall
    return table.astype(np.float32)
