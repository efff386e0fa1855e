"""What a step's `__post_init__` asks of fields that may come from a stranger's bundle. Everything refused is a BundleError, TW054."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainwright.errors import BundleError

MOST_FIELDS = 1_000_000  # columns, features, words or classes in one step: beyond any table that we train on
MOST_MADE = 20_000  # binnings, terms or pairs of one step: each is work of its own for every row
MOST_CELLS = 200_000_000  # cells of one array


def refuse(kind: str, what: str) -> BundleError:
    """The error for a field of the step `kind` that cannot be."""
    return BundleError(
        "TW054",
        f"a step of kind {kind!r} is impossible: {what}",
        where=f"step of kind {kind!r}",
        why="its fields do not fit together, so its answers would mean nothing",
        fix="the bundle is damaged or was not made by this software: take the original, or train again",
    )


def names(kind: str, field: str, values: Any, *, least: int = 0) -> None:
    """A tuple of different, non-empty strings."""
    words(kind, field, values)
    if len(values) < least:
        raise refuse(kind, f"{field} has {len(values)} entries, at least {least} are needed")
    if "" in values:
        raise refuse(kind, f"{field} has an empty name")


def words(kind: str, field: str, values: Any) -> None:
    """A tuple of different strings (a vocabulary; the empty word is one)."""
    if not isinstance(values, tuple) or not all(isinstance(value, str) for value in values):
        raise refuse(kind, f"{field} is not a list of words")
    if len(values) > MOST_FIELDS:
        raise refuse(kind, f"{field} has {len(values):,} entries")
    if len(set(values)) != len(values):
        raise refuse(kind, f"{field} names something twice")


def vocabularies(kind: str, values: Any, columns: Sequence[str]) -> None:
    """One vocabulary for each column."""
    if not isinstance(values, tuple) or len(values) != len(columns):
        raise refuse(kind, f"there must be one vocabulary for each of {len(columns)} columns")
    for vocabulary in values:
        words(kind, "a vocabulary", vocabulary)


def flags(kind: str, field: str, values: Any, columns: Sequence[str]) -> None:
    """One true or false for each column."""
    if not isinstance(values, tuple) or len(values) != len(columns) or not all(isinstance(value, bool) for value in values):
        raise refuse(kind, f"{field} must be true or false for each of {len(columns)} columns")


def array(kind: str, field: str, value: Any, *, dtype: type[np.generic], shape: tuple[int | None, ...], finite: bool = True) -> None:
    """A numpy array of exactly this type and shape (None: any length), finite unless told that NaN may stand in it (never an infinity)."""
    if not isinstance(value, np.ndarray) or value.dtype != dtype:
        raise refuse(kind, f"{field} is not an array of {np.dtype(dtype)}")
    if value.ndim != len(shape) or any(want is not None and have != want for have, want in zip(value.shape, shape, strict=True)):
        raise refuse(kind, f"{field} has the shape {value.shape}")
    if value.size > MOST_CELLS:
        raise refuse(kind, f"{field} has {value.size:,} cells")
    if np.isinf(value).any() or (finite and np.isnan(value).any()):
        raise refuse(kind, f"{field} has a value that is not finite")


def whole(kind: str, field: str, value: Any, *, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise refuse(kind, f"{field} must be a whole number from {low} to {high}")


def positive(kind: str, field: str, value: Any, *, high: float, zero: bool = False) -> None:
    """A number above 0 (or 0, where allowed), up to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high or (value == 0 and not zero):
        raise refuse(kind, f"{field} must be a positive number up to {high:g}")


def choice(kind: str, field: str, value: Any, options: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in options:
        raise refuse(kind, f"{field} must be one of {', '.join(options)}")
