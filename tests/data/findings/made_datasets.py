"""Small datasets for the tests of findings, made without reader or preparation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainwright.data.dataset import Dataset, Described, Finding, Role, Source, Splits, Table
from trainwright.data.findings import find
from trainwright.runtime.columns import Coded, Column
from trainwright.runtime.schema import ColumnSchema, Kind


def words(values: Sequence[object]) -> Coded:
    """A column of words; None is missing."""
    vocabulary = sorted({str(value) for value in values if value is not None})
    place = {word: code for code, word in enumerate(vocabulary)}
    return Coded(np.array([-1 if value is None else place[str(value)] for value in values], dtype=np.int32), vocabulary)


def made(
    columns: dict[str, Column],
    target: Sequence[float] | np.ndarray | None = None,
    *,
    classes: tuple[str, ...] = (),
    kinds: dict[str, Kind] | None = None,
    roles: dict[str, Role] | None = None,
    how: str = "random",
    sealed: np.ndarray | None = None,
    group: Coded | None = None,
) -> Dataset:
    """A dataset of these columns; classes make it a classification. Without `sealed` all rows are open."""
    rows = len(next(iter(columns.values())))
    described = []
    for name, column in columns.items():
        kind: Kind = (kinds or {}).get(name, "category" if isinstance(column, Coded) else "number")
        role: Role = (roles or {}).get(name, "set aside" if kind in ("text", "identifier", "constant") else "feature")
        distinct = len(np.unique(column.codes if isinstance(column, Coded) else column))
        described.append(Described(ColumnSchema(name=name, kind=kind), role, "made", "", 0, distinct))
    y = None if target is None else np.asarray(target, dtype=np.float64)
    task = None if y is None else {0: "regression", 2: "binary"}.get(len(classes), "multiclass")
    closed = np.array([], dtype=np.int64) if sealed is None else np.sort(sealed).astype(np.int64)
    opened = np.setdiff1d(np.arange(rows, dtype=np.int64), closed)
    return Dataset(
        table=Table(Source("made.csv", "csv", "0", rows, len(columns)), tuple(described), columns),
        features=tuple(d.schema for d in described if d.role in ("feature", "protected")),
        target=y,
        target_name=None if y is None else "y",
        task=task,
        why_task="",
        classes=classes,
        weight=None,
        group=group,
        splits=Splits("sealed" if len(closed) else "nested", how, opened, closed, (), given=how.startswith("given")),
        findings=(),
        dropped={},
        digest="0",
    )


def seen(dataset: Dataset, code: str, **options: object) -> list[Finding]:
    """The findings of one code."""
    return [finding for finding in find(dataset, **options) if finding.code == code]  # type: ignore[arg-type]


def with_target(dataset: Dataset, target: np.ndarray) -> Dataset:
    return replace(dataset, target=target)
