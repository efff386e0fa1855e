"""Structure among rows that a random split would break: groups (several rows of one person) and time.

TW140 and TW141 warn, with the split that keeps the structure. In: labelled open rows. The signal is that rows which belong together have
more similar targets than any two rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trainwright.data.findings.interface import LEAK_SAMPLE, Check, Found, Subject, codes_of, figure, missing_of, sampled
from trainwright.data.findings.vocabulary import KEYS, UNITS, words_of
from trainwright.runtime.columns import Coded, Column, Floats, take

LEAST_GROUPS = 20
ALIKE = 0.9  # how alike the targets of a group must be where the column's name does not tell
ALIKE_NAMED = 0.1  # and where it does
SURE = 5.0  # standard errors
AUTOCORRELATED = 0.1


@dataclass(frozen=True, slots=True)
class LikelyGroup:
    """A column whose values look like units with several rows each. `alike` is 0 by chance, 1 when the target is constant in them."""

    name: str
    groups: int
    rows_each: float
    alike: float
    named: bool


def likely_groups(subject: Subject) -> tuple[LikelyGroup, ...]:
    """At most one column, the most likely; worked out once."""
    return subject.once("likely groups", lambda: _likely_groups(subject))


def _likely_groups(subject: Subject) -> tuple[LikelyGroup, ...]:
    if len(subject.labelled) < 2 * LEAST_GROUPS:
        return ()
    rows = subject.labelled
    found: list[LikelyGroup] = []
    for described in subject.dataset.table.described:
        name, kind = described.schema.name, described.schema.kind
        if described.role in ("target", "weight", "group", "time") or kind in ("constant", "datetime", "yesno", "text"):
            continue
        column = subject.column(name, rows)
        named = kind == "identifier" or names_units(name)
        if not named and not isinstance(column, Coded):
            continue  # a number whose equal values have alike targets is a good feature, not a unit
        present = ~missing_of(column)
        values, groups = codes_of(take(column, np.flatnonzero(present)))
        n = int(present.sum())
        if groups < LEAST_GROUPS or n < 1.5 * groups or n < 0.5 * len(rows) or (groups < 0.005 * n and not named):
            continue
        alike, z = alikeness(values, groups, subject.target[present], subject.is_classes)
        if z > SURE and alike >= (ALIKE_NAMED if named else ALIKE):
            found.append(LikelyGroup(name, groups, n / groups, alike, named))
    return tuple(sorted(found, key=lambda g: (not g.named, -g.alike, g.groups))[:1])


def names_units(name: str) -> bool:
    """Whether a column's name says that it points at something: "patient_id", "customerID", "Subject"; not "patient_age"."""
    words = words_of(name)
    return bool(words) and (bool(KEYS & set(words)) or words[-1] in UNITS)


def _whole(column: Floats) -> bool:
    some = column[np.isfinite(column)]
    return bool((some == np.floor(some)).all())


def alikeness(values: np.ndarray, groups: int, target: Floats, classes: bool) -> tuple[float, float]:
    """How much more alike the targets within groups are than by chance (0 to 1), and how many standard errors that is.

    Numbers: the intraclass correlation from the analysis of variance (Fisher 1925). Classes: the same from indicator variables summed
    over classes, that is 1 - Gini within / Gini between any two rows. Standard error under no grouping: sqrt(2 / pairs of a group).
    """
    sizes = np.bincount(values, minlength=groups).astype(np.float64)
    indicators = [(target == number).astype(np.float64) for number in np.unique(target)] if classes else [target]
    between = within = 0.0
    for y in indicators:
        sums = np.bincount(values, weights=y, minlength=groups)
        total = float(((y - y.mean()) ** 2).sum())
        part = float((sizes * (sums / sizes - y.mean()) ** 2).sum())
        between, within = between + part, within + total - part
    n = float(sizes.sum())
    if n <= groups or groups < 2:
        return 0.0, 0.0
    typical = (n - float((sizes**2).sum()) / n) / (groups - 1)
    mean_between, mean_within = between / (groups - 1), max(0.0, within / (n - groups))
    whole = mean_between + (typical - 1) * mean_within
    alike = (mean_between - mean_within) / whole if whole > 0 else 0.0
    pairs = float((sizes * (sizes - 1)).sum())
    return alike, alike * math.sqrt(pairs / 2)


def groups_likely(subject: Subject) -> Iterable[Found]:
    """TW140: several rows of one unit, while the split does not keep units together."""
    if subject.dataset.splits.how.startswith("group"):
        return
    for group in likely_groups(subject):
        role = subject.described[group.name].role
        yield Found(
            where=group.name,
            what=f"'{group.name}' looks like a unit with several rows: {group.groups:,} values, {group.rows_each:.1f} rows each, "
            f"and the targets of one value are alike (intraclass correlation {group.alike:.2f})",
            fix=f"--split group:{group.name}" + (f"; or --drop {group.name} where the rows are independent" if role == "feature" else ""),
            columns=(group.name,),
            figures={"groups": group.groups, "rows_each": figure(group.rows_each), "alike": figure(group.alike)},
        )


def time_likely(subject: Subject) -> Iterable[Found]:
    """TW141: a column gives the rows an order in which neighbours have similar targets, while the split does not follow it."""
    if subject.dataset.splits.how.partition(":")[0] in ("time", "given"):
        return
    for name, why in clocks(subject):
        correlation, z = autocorrelation(subject, name)
        if correlation >= AUTOCORRELATED and z > SURE:
            yield Found(
                where=name,
                what=f"'{name}' {why}, and rows that follow each other in it have similar targets (autocorrelation {correlation:.2f})"
                + sampled(LEAK_SAMPLE, len(subject.labelled)),
                fix=f"--split time:{name} learns from the past and tests on the future, as in use",
                columns=(name,),
                figures={"autocorrelation": figure(correlation), "column": name},
            )
            return


def clocks(subject: Subject) -> list[tuple[str, str]]:
    """Columns that order rows: date-times first, then numbers that rise from row to row."""
    dates = [d.schema.name for d in subject.dataset.table.described if d.schema.kind == "datetime" and d.role != "target"]
    result = [(name, "is a date-time") for name in dates]
    if likely_groups(subject):
        return result  # rows of a unit stand together and are alike: a number that rises with the units is no clock
    for described in subject.dataset.table.described:
        name = described.schema.name
        column = subject.column(name) if described.role in ("feature", "set aside") else None
        if column is None or isinstance(column, Coded) or name in dates or len(subject.labelled) < 50:
            continue
        if not (np.diff(column[subject.labelled[:1000]]) >= 0).all():
            continue  # most columns fall within the first rows
        steps = np.diff(column[subject.labelled])
        if (steps >= 0).all() and (steps > 0).mean() > 0.05:  # a NaN compares false
            result.append((name, "rises from row to row"))
    return result


def autocorrelation(subject: Subject, name: str) -> tuple[float, float]:
    """The correlation of a row's target with the next row's in the order of the column, and its standard errors from 0.

    Classes: the mean over class indicators, weighted by their variance. Rows of equal time keep the order of the file.
    """
    column: Column = subject.column(name, subject.labelled)
    assert not isinstance(column, Coded)
    kept = np.flatnonzero(np.isfinite(column))
    if len(kept) < 50:
        return 0.0, 0.0
    if len(kept) > LEAK_SAMPLE:  # only the first ones are looked at: the others need not be sorted
        kept = kept[column[kept] <= np.partition(column[kept], LEAK_SAMPLE - 1)[LEAK_SAMPLE - 1]]
    order = kept[np.argsort(column[kept], kind="stable")][:LEAK_SAMPLE]
    target = subject.target[order]
    parts = [(target == number).astype(np.float64) for number in np.unique(target)] if subject.is_classes else [target]
    together = spread = 0.0
    for y in parts:
        y = y - y.mean()
        together += float((y[1:] * y[:-1]).sum())
        spread += float((y * y).sum())
    r = together / spread if spread > 0 else 0.0
    return r, r * math.sqrt(len(target))


def index_runs(column: Column) -> bool:
    """Whether a column counts the rows: 1, 2, 3 … in any order."""
    if isinstance(column, Coded) or len(column) < 20 or not np.isfinite(column).all() or not _whole(column):
        return False
    return bool(column.max() - column.min() + 1 <= 1.5 * len(column)) and len(np.unique(column)) == len(column)


CHECKS = (
    Check(
        "TW140",
        "Rows seem to come in groups",
        False,
        "a random split puts rows of one unit on both sides, and the score is then that for known units, not for new ones",
        True,
        groups_likely,
    ),
    Check(
        "TW141",
        "Rows seem to have an order in time",
        False,
        "a random split learns from the future; in use only the past is there",
        True,
        time_likely,
    ),
)

__all__ = ["CHECKS", "LikelyGroup", "alikeness", "autocorrelation", "clocks", "index_runs", "likely_groups"]
