"""Small typed tables for the tests of data/, made without the reader."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.data.dataset import Described, Source, Table
from trainwright.runtime.columns import Coded, Column
from trainwright.runtime.schema import ColumnSchema, Kind


def coded(words: list[str | None], vocabulary: list[str] | None = None) -> Coded:
    vocabulary = vocabulary or sorted({word for word in words if word is not None})
    places: dict[str | None, int] = {word: code for code, word in enumerate(vocabulary)}
    return Coded(np.array([places.get(word, -1) for word in words], np.int32), vocabulary)


def table(columns: dict[str, Column], kinds: dict[str, Kind] | None = None, path: str = "made.csv", **schemas: dict[str, Any]) -> Table:
    """A table of these columns: numbers, and categories where coded, unless `kinds` or the schema's fields say otherwise."""
    described = []
    for name, column in columns.items():
        kind: Kind = (kinds or {}).get(name, "category" if isinstance(column, Coded) else "number")
        schema = ColumnSchema(name=name, kind=kind, **schemas.get(name, {}))
        if isinstance(column, Coded):
            missing, distinct = int((column.codes < 0).sum()), len(set(column.codes[column.codes >= 0].tolist()))
        else:
            missing, distinct = int(np.isnan(column).sum()), len(np.unique(column[~np.isnan(column)]))
        described.append(Described(schema, "feature", "made", f"--kind {name}=…", missing, distinct))
    rows = len(next(iter(columns.values())))
    return Table(Source(path, "csv", "0" * 64, rows, len(columns)), tuple(described), columns)
