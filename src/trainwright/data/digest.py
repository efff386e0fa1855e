"""The name that a dataset has for ever: a digest of all that a model depends on, and of nothing else.

Takes    a dataset.
Gives    SHA-256 over the typed columns (as words, whatever numbers stand for them), the schema, the target, the splits.
Why      the same rows read from another path, format or day are the same dataset; a run that is made again must see them.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainwright.data.dataset import Dataset
from trainwright.record.digests import canonical, digest_bytes, digest_json
from trainwright.runtime.columns import Coded, Column, Floats


def digest_of(dataset: Dataset) -> str:
    """Compute the digest again from the dataset's content; equal to `dataset.digest` unless something was changed."""
    splits = dataset.splits
    row_lists = [splits.open, splits.sealed]
    row_lists += [rows for fold in (*splits.folds, *(fold for folds in splits.inner for fold in folds)) for rows in (fold.train, fold.test)]
    return digest_json(
        {
            "columns": [[d.schema.as_dict(), d.role, digest_column(dataset.table.columns[d.schema.name])] for d in dataset.table.described],
            "features": [feature.name for feature in dataset.features],
            "target": [dataset.target_name, dataset.task, list(dataset.classes), _optional(dataset.target)],
            "weight": _optional(dataset.weight),
            "group": _optional(dataset.group),
            "splits": [splits.design, splits.how, splits.repeats, [len(folds) for folds in splits.inner]],
            "rows": _digest_rows(row_lists),
        }
    )


def digest_column(column: Column) -> str:
    """Of a column's content: numbers with one NaN and one zero; words by their alphabetical rank, so that the vocabulary's order does not matter."""
    if not isinstance(column, Coded):
        return digest_bytes(_bytes(np.where(np.isnan(column), np.nan, column + 0.0).astype("<f8")))
    used = np.flatnonzero(np.bincount(column.codes[column.codes >= 0], minlength=1))
    words = [column.vocabulary[code] for code in used.tolist()]
    order = sorted(range(len(words)), key=words.__getitem__)
    rank = np.full(len(column.vocabulary) + 1, -1, np.int64)  # the last entry is read by code -1
    rank[used[order]] = np.arange(len(used))
    digest = hashlib.sha256(canonical([words[place] for place in order]))
    digest.update(_bytes(rank[column.codes].astype("<i4")))
    return digest.hexdigest()


def _optional(column: Column | Floats | None) -> str | None:
    return None if column is None else digest_column(column)


def _digest_rows(lists: list[NDArray[np.int64]]) -> str:
    digest = hashlib.sha256(np.array([len(rows) for rows in lists], "<i8").tobytes())
    for rows in lists:
        digest.update(_bytes(rows.astype("<i8")))
    return digest.hexdigest()


def _bytes(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).data.cast("B") if array.size else memoryview(b"")
