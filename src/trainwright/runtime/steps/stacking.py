"""Typed columns side by side: the part that `numbers` and `fill` share, and the look-up of words that all steps on categories share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from trainwright.runtime.columns import Coded, Columns, Floats, rows_of

LARGEST = (
    float(np.finfo(np.float32).max) / 2
)  # a number beyond this becomes this (half, so that a shift cannot pass the range): an infinity would break linear models
Positions = NDArray[np.intp]


def stacked(columns: Columns, names: Sequence[str]) -> Floats:
    """The named number columns as float64 (columns, rows), NaN where missing, within the range of float32."""
    if not names:
        return np.empty((0, rows_of(columns)))
    block = np.array([cast(Floats, columns[name]) for name in names], np.float64)
    if block.ndim != 2:
        raise TypeError("a column of words stands where numbers are read")
    np.maximum(block, -LARGEST, out=block)  # both keep NaN
    return np.minimum(block, LARGEST, out=block)


def positions(column: Coded, index: Mapping[str, int], *, unseen: int, missing: int) -> Positions:
    """For each row the number that `index` has for its word; `unseen` for a word without one, `missing` where there is no word.

    The served vocabulary may be in any order and of any size: one look-up for each of its words, or for each row when rows are fewer.
    """
    codes, vocabulary = column.codes, column.vocabulary
    if len(codes) < len(vocabulary):
        return np.array([index.get(vocabulary[code], unseen) if code >= 0 else missing for code in codes.tolist()], np.intp)
    table = np.array([*(index.get(word, unseen) for word in vocabulary), missing], np.intp)
    return table[codes]  # −1, missing, picks the last entry


def indexed(vocabularies: Sequence[Sequence[str]]) -> tuple[dict[str, int], ...]:
    return tuple({word: number for number, word in enumerate(vocabulary)} for vocabulary in vocabularies)
