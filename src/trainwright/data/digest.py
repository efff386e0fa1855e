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
from trainwright.data.room import THREADS, Room, blocks, in_threads
from trainwright.data.words import digest_of_words
from trainwright.record.digests import digest_json
from trainwright.runtime.columns import Coded, Column, Floats


def digest_of(dataset: Dataset, room: Room | None = None) -> str:
    """Compute the digest again from the dataset's content; equal to `dataset.digest` unless something was changed."""
    splits = dataset.splits
    row_lists = [splits.open, splits.sealed]
    struck = [dataset.struck] if len(dataset.struck) else []  # none, for most: then the digest is that of a dataset without the notion
    row_lists += [rows for fold in (*splits.folds, *(fold for folds in splits.inner for fold in folds)) for rows in (fold.train, fold.test)]
    described = dataset.table.described
    threads = THREADS if room is None else room.threads
    columns = in_threads(lambda d: digest_column(dataset.table.columns[d.schema.name], room), described, rows=dataset.table.rows, threads=threads)
    return digest_json(
        {
            "columns": [[d.schema.as_dict(), d.role, column] for d, column in zip(described, columns, strict=True)],
            "features": [feature.name for feature in dataset.features],
            "target": [dataset.target_name, dataset.task, list(dataset.classes), _optional(dataset.target)],
            "weight": _optional(dataset.weight),
            "group": _optional(dataset.group),
            "splits": [splits.design, splits.how, splits.repeats, [len(folds) for folds in splits.inner]],
            "rows": _digest_rows(row_lists + struck),
        }
    )


def digest_column(column: Column, room: Room | None = None) -> str:
    """Of a column's content: numbers with one NaN and one zero; words by their alphabetical rank, so that the vocabulary's order does not matter."""
    if not isinstance(column, Coded):
        digest = hashlib.sha256()
        for rows in blocks(len(column)):
            part = column[rows]
            digest.update(_bytes(np.where(np.isnan(part), np.nan, part + 0.0).astype("<f8")))
        return digest.hexdigest()
    digest, rank = digest_of_words(column.vocabulary, np.flatnonzero(words_used(column)), room or Room())
    for rows in blocks(len(column)):
        digest.update(_bytes(rank[column.codes[rows]].astype("<i4")))
    return str(digest.hexdigest())


def words_used(column: Coded) -> NDArray[np.int64]:
    """How many rows have each word of the vocabulary, (words,)."""
    counts = np.zeros(len(column.vocabulary) + 1, np.int64)
    for rows in blocks(len(column)):
        part = column.codes[rows]
        counts += np.bincount(np.where(part < 0, len(counts) - 1, part), minlength=len(counts))
    return counts[:-1]


def _optional(column: Column | Floats | None) -> str | None:
    return None if column is None else digest_column(column)


def _digest_rows(lists: list[NDArray[np.int64]]) -> str:
    digest = hashlib.sha256(np.array([len(rows) for rows in lists], "<i8").tobytes())
    for rows in lists:
        digest.update(_bytes(rows.astype("<i8")))
    return digest.hexdigest()


def _bytes(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).data.cast("B") if array.size else memoryview(b"")
