"""Two tables read from different sources are the same: kinds, rules and typed cells."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.data.dataset import Table
from trainwright.runtime.columns import Coded

Rows = Sequence[dict[str, Any]]


def write_csv(path: Path, rows: Rows) -> Path:
    """Rows of plain values as a CSV file: the truth that every source is compared with."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = list(rows[0])
        writer.writerow(names)
        for row in rows:
            cells = [row.get(name) for name in names]
            writer.writerow(["" if cell is None else str(cell).lower() if isinstance(cell, bool) else cell for cell in cells])
    return path


def assert_same(table: Table, truth: Table, *, but: Sequence[str] = ()) -> None:
    """Equal in all but the rules' spelling: kinds, missing cells, and every typed cell. `but` names columns of which the kind may differ."""
    assert [d.schema.name for d in table.described] == [d.schema.name for d in truth.described]
    assert table.rows == truth.rows
    for ours, theirs in zip(table.described, truth.described, strict=True):
        name = ours.schema.name
        if name in but:
            continue
        assert (name, ours.schema.kind, ours.missing) == (name, theirs.schema.kind, theirs.missing)
        one, other = table.columns[name], truth.columns[name]
        if isinstance(one, Coded):
            assert isinstance(other, Coded)
            assert one.words() == other.words(), name
        else:
            assert not isinstance(other, Coded)
            np.testing.assert_array_equal(one, other, err_msg=name)


def made_rows(rng: np.random.Generator, count: int = 120) -> list[dict[str, Any]]:
    """Rows with every kind of column, and gaps."""
    words = ["red", "green", "blue", "dark red"]
    gap = rng.random((count, 6)) < 0.15
    return [
        {
            "key": 1000 + 7 * i,
            "whole": None if gap[i, 0] else int(rng.integers(-50, 50)),
            "real": None if gap[i, 1] else float(f"{rng.normal() * 10.0 ** int(rng.integers(-6, 7)):.12g}"),
            "word": None if gap[i, 2] else words[int(rng.integers(4))],
            "flag": None if gap[i, 3] else bool(rng.integers(2)),
            "mixed": None if gap[i, 4] else ("n/a" if i % 9 == 0 else round(float(rng.normal()), 3)),
            "day": None if gap[i, 5] else f"2020-{1 + i % 12:02d}-{1 + i % 28:02d}",
            "remark": f'it was, as they say, "number {i}" of many',
        }
        for i in range(count)
    ]
