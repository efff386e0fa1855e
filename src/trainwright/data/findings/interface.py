"""What a check is, what it looks at, and what it says.

In       a `Subject`: the dataset with the rows that may be looked at, and views that several checks share.
Out      `Found` values, which `find` stamps with the check's code, title and reason to make `Finding`s of them.
Why      a check stays one small function; whatever is the same for all of them (row choice, sampling, wording) stands here once.

Which rows: *open* rows, and of those the ones with a known target for whatever concerns the target. Sealed rows are read by the
checks of a given or timely split alone (`given.py`): their features for shift and overlap, their target only to say that a whole row
stands on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from trainwright.data.dataset import Dataset, Described
from trainwright.data.findings.measures import U64, all_differ, fingerprints
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Coded, Codes, Column, Floats, Rows, take
from trainwright.tasks import TASKS

T = TypeVar("T")

SAMPLE = 20_000  # rows that a check over pairs of columns looks at
LEAK_SAMPLE = 100_000  # rows by which a single column is judged against the target
PAIR_COLUMNS = 1_000  # columns whose pairs are compared one by one; the finding TW170 says when there are more
SMALL_GROUP = 10  # a group with fewer rows is counted, never named


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a check saw: the fields of a Finding that differ from time to time."""

    where: str
    what: str
    fix: str
    columns: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)
    blocking: bool | None = None  # None: as the check says
    proposes: tuple[dict[str, Any], ...] = ()  # entries of a plan's `clean`, less their reason, that would mend it


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the data. `code` is explained in docs/codes.md; a blocking check may also give findings that only warn."""

    code: str
    title: str
    blocking: bool
    why: str
    needs_target: bool
    function: Callable[[Subject], Iterable[Found]]


@dataclass(frozen=True, eq=False)
class Subject:
    """A dataset as the checks see it. All views are made once and shared."""

    dataset: Dataset
    protected: tuple[str, ...] = ()
    seed: int = 0
    memo: dict[str, Any] = field(default_factory=dict)
    most: int | None = None  # open rows, and sealed rows, that may be looked at
    left_out: list[str] = field(default_factory=list)  # codes of checks for which there was no time

    def once(self, key: str, make: Callable[[], T]) -> T:
        """`make()`, the first time; later the same value again. What two checks both need is worked out once."""
        if key not in self.memo:
            self.memo[key] = make()
        value: T = self.memo[key]
        return value

    @cached_property
    def open(self) -> Rows:
        rows = self.dataset.splits.open
        return rows if self.most is None else self.sample(rows, self.most, "open rows")

    @cached_property
    def sealed(self) -> Rows:
        rows = self.dataset.splits.sealed
        return rows if self.most is None else self.sample(rows, self.most, "sealed rows")

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.dataset.features)

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of each feature."""
        return {feature.name: feature.kind for feature in self.dataset.features}

    @cached_property
    def described(self) -> dict[str, Described]:
        return {described.schema.name: described for described in self.dataset.table.described}

    @property
    def is_classes(self) -> bool:
        task = self.dataset.task
        return task is not None and TASKS[task].output == "classes"

    @property
    def compared(self) -> bool:
        """Whether open and sealed rows were told apart by somebody or by time, so that a difference between them says something."""
        return len(self.sealed) > 0 and self.dataset.splits.how.partition(":")[0] in ("given", "time")

    @cached_property
    def labelled(self) -> Rows:
        """Open rows whose target is known, ascending."""
        target = self.dataset.target
        return self.open if target is None else self.open[np.isfinite(target[self.open])]

    @cached_property
    def prints(self) -> U64:
        """(open,) the fingerprint of each open row's features."""
        return fingerprints([self.dataset.table.columns[name] for name in self.features], self.open)

    @cached_property
    def all_differ(self) -> bool:
        """Whether no two open rows are equal in all features."""
        return all_differ(self.prints)

    @cached_property
    def target(self) -> Floats:
        """(labelled,) the target of the labelled rows."""
        assert self.dataset.target is not None  # checks that need a target do not run without one
        return self.dataset.target[self.labelled]

    @cached_property
    def class_numbers(self) -> Codes:
        """(labelled,) the target as class numbers."""
        return self.target.astype(np.int32)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Features whose typed column is float64."""
        return tuple(name for name in self.features if not isinstance(self.dataset.table.columns[name], Coded))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Features whose typed column is Coded."""
        return tuple(name for name in self.features if isinstance(self.dataset.table.columns[name], Coded))

    def column(self, name: str, rows: Rows | None = None) -> Column:
        """A column of the source, whatever its role, at `rows` (all rows when None)."""
        column = self.dataset.table.columns[name]
        return column if rows is None else take(column, rows)

    def sample(self, rows: Rows, size: int, purpose: str) -> Rows:
        """At most `size` of `rows`, ascending, by the seed and the purpose alone."""
        if len(rows) <= size:
            return rows
        chosen: Rows = np.sort(rng_for(self.seed, "findings", purpose).choice(rows, size=size, replace=False))
        return chosen

    def class_name(self, number: int, rows: int) -> str:
        """The name of a class that has `rows` rows; small ones are numbered, not named."""
        return f"'{self.dataset.classes[number]}'" if rows >= SMALL_GROUP and number < len(self.dataset.classes) else f"class number {number + 1}"


def codes_of(column: Column) -> tuple[Codes, int]:
    """Any column as value numbers from 0 and their count; missing is a value of its own. Floats are told apart exactly."""
    if isinstance(column, Coded):
        there = np.bincount(column.codes.astype(np.int64) + 1) > 0  # counted, not sorted; the first place is for missing
        return (np.cumsum(there) - 1).astype(np.int32)[column.codes + 1], int(there.sum())
    present, inverse = np.unique(column, return_inverse=True)  # all NaN count as one value
    return inverse.astype(np.int32), len(present)


def missing_of(column: Column) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(rows,) whether the cell has no value."""
    return column.codes < 0 if isinstance(column, Coded) else np.isnan(column)


def share(part: float, whole: float = 1.0) -> str:
    """A share in per cent, with as many digits as it can carry."""
    percent = 100.0 * part / whole if whole else 0.0
    if 0.0 < percent < 0.1 or 99.9 < percent < 100.0:
        return f"{percent:.2g} %" if percent < 50 else f"{int(percent * 1000) / 1000:g} %"
    return f"{percent:.1f} %"


def sampled(rows: int, of: int) -> str:
    """For the end of a sentence: that a sample was looked at; "" when it was all rows."""
    return "" if rows >= of else f", judged on {rows:,} of {of:,} rows"


def names(columns: Sequence[str], most: int = 6) -> str:
    """Column names for a sentence: the first few, and how many more."""
    shown = ", ".join(columns[:most])
    return shown if len(columns) <= most else f"{shown} and {len(columns) - most:,} more"


def count(n: int, thing: str) -> str:
    """ "1 row", "3 rows": for sentences; a plural that is not by s is given after a slash ("class/classes")."""
    one, _, many = thing.partition("/")
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def drop(columns: Iterable[str]) -> str:
    return f"--drop {','.join(columns)}"


def figure(value: float) -> float | None:
    """A number for JSON: rounded to 6 significant digits, None where there is none."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def figures_by(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: figure(value) for name, value in values.items()}
