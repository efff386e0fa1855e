"""Dataset: what was read, its schema, its findings, its splits. The first of the five records; everything later stands on it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from trainwright.plan.command import words_of_part
from trainwright.runtime.columns import Coded, Columns, Floats, Rows
from trainwright.runtime.schema import ColumnSchema

Role = Literal["feature", "target", "weight", "group", "time", "protected", "set aside"]


@dataclass(frozen=True, slots=True)
class Described:
    """One column of the source as a person sees it: what was inferred, why, and which flag overrides it."""

    schema: ColumnSchema
    role: Role
    why: str  # "12 distinct whole numbers in 48,842 rows"
    flag: str  # "--kind age=category"
    missing: int = 0  # cells without a value
    distinct: int = 0
    note: str = ""  # what was done to odd cells: "3 infinities read as missing"


def told_of(details: dict[str, Any]) -> dict[str, Any]:
    """Of `Source.details`, what people want to know; the rest only helps to find a row's line again."""
    told = {
        name: value for name, value in details.items() if name not in ("first_line", "straight", "irregular") and isinstance(value, str | int | float)
    }
    return told | {"query": " ".join(str(told["query"]).split())} if "query" in told else told


def listing(path: str, details: Mapping[str, Any]) -> str:
    """The sentence that says where all columns are listed, of the same part of the same source; "" for a frame."""
    if path == "frame":
        return ""
    return f"`{shlex.join(['trainwright', 'check', path, *words_of_part(details)])}` lists them all"


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows came from, and how the file had to be read. No cell value, no credential."""

    path: str  # as given; "frame" for an object in memory
    format: str  # "csv", "parquet", "frame"
    digest: str  # of the file's bytes; for a frame, of its typed columns
    rows: int
    columns: int  # of the source, read or not
    details: dict[str, Any] = field(default_factory=dict)  # delimiter, encoding, quote, decimal … for what is printed
    notes: tuple[str, ...] = ()  # what was done to odd input, in words


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """All rows of a source, typed. Row numbers count from 0; `Source` knows how to say them as lines of the file."""

    source: Source
    described: tuple[Described, ...]
    columns: Columns  # every column of the source, whatever its role, by name; where it is read like an earlier table, that table's columns

    @property
    def rows(self) -> int:
        return self.source.rows

    def schema(self, name: str) -> ColumnSchema:
        return next(d.schema for d in self.described if d.schema.name == name)

    def named(self, role: Role) -> tuple[str, ...]:
        return tuple(d.schema.name for d in self.described if d.role == role)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. Row numbers may be told, cell values never."""

    code: str  # "TW1xx"
    title: str
    blocking: bool
    where: str  # column names, or "rows 3, 17, …"
    what: str  # one sentence with the figures
    why: str  # why it matters
    fix: str  # how to mend it, with the flag
    columns: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)  # what the report pictures; JSON
    proposes: tuple[dict[str, Any], ...] = ()  # entries of a plan's `clean`, less their reason, that would mend it; taken by --accept CODE

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("code", "title", "blocking", "where", "what", "why", "fix")} | {
            "columns": list(self.columns),
            "figures": self.figures,
            "proposes": list(self.proposes),
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Finding:
        """The finding that `as_dict` gave. Records of runs before there were proposals have none."""
        return cls(**{**value, "columns": tuple(value["columns"]), "proposes": tuple(value.get("proposes", ()))})


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Row numbers, ascending and disjoint: what one fold trains on and what it is scored on."""

    train: Rows
    test: Rows


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """Who may see which rows. `open` rows may be learned from; `sealed` rows are read once, for the evidence.

    design "sealed": `folds` are a k-fold over the open rows.
    design "nested": nothing is sealed; `folds` are `repeats` times a k-fold over all rows, and `inner[i]` are the folds
    inside `folds[i].train`, by which the procedure chooses before it is scored on `folds[i].test`.
    """

    design: Literal["sealed", "nested"]
    how: str  # "random", "group:id", "time:date", "given"
    open: Rows
    sealed: Rows
    folds: tuple[Fold, ...]
    inner: tuple[tuple[Fold, ...], ...] = ()
    repeats: int = 1
    why: str = ""  # the reason for the design, in words
    given: bool = False  # whether the sealed rows were named by the user, in a file or a column

    @property
    def measured(self) -> Rows:
        """The rows on which evidence is measured, ascending: the sealed ones, or those of the outer folds of one repeat."""
        if self.design == "sealed":
            return self.sealed
        measured: Rows = np.sort(np.concatenate([fold.test for fold in self.folds[: len(self.folds) // self.repeats]]))
        return measured

    def at_measured(self, each: Sequence[float]) -> Floats:
        """(repeats, measured) what holds for each outer fold, or for all sealed rows, at the rows of `measured`."""
        rows = self.measured
        values = np.empty((self.repeats, len(rows)))
        if self.design == "sealed":
            values[:] = each[0]
        for index, fold in enumerate(self.folds if self.design == "nested" else ()):
            values[index * self.repeats // len(self.folds), np.searchsorted(rows, fold.test)] = each[index]
        return values

    def unit_of(self, group: Coded | None, rows: Rows) -> Rows:
        """For each of `rows`, the number of the unit that is drawn as a whole by a bootstrap: its group, or the row itself."""
        return rows if group is None or not self.how.startswith("group") else group.codes[rows].astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A table made ready: target decoded, rows without target set aside, splits drawn, findings listed."""

    table: Table
    features: tuple[ColumnSchema, ...]  # the columns that are learned from, in source order
    target: Floats | None  # (rows,) class numbers or values; NaN where unknown
    target_name: str | None
    task: str | None  # a name in tasks/, or None without a target
    why_task: str  # "2 distinct values", for what is printed
    classes: tuple[str, ...]  # in the order of the class numbers; of two, the second is the positive one; () for regression
    weight: Floats | None
    group: Coded | None
    splits: Splits
    findings: tuple[Finding, ...]
    dropped: dict[str, int]  # reason -> rows; rows in = rows used + rows dropped
    digest: str  # of the typed columns, the schema, the target and the splits: what the model depends on
    cleaned: tuple[dict[str, Any], ...] = ()  # what the entries of the cleaning ledger did, in the plan's order (`cleaning.Done.as_dict`)
    coverage: dict[str, Any] | None = None  # how the open rows compare with the stated population (`cleaning.coverage`)
    struck: Rows = field(default_factory=lambda: np.empty(0, np.int64))  # rows that the ledger took out: in no split, and no past of others either

    @property
    def columns(self) -> dict[str, Any]:
        """The feature columns alone."""
        return {feature.name: self.table.columns[feature.name] for feature in self.features}
