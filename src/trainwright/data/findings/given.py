"""What stands between open and sealed rows, where somebody (or time) drew the line: rows and groups on both sides, and shift.

TW103 and TW104 may block, TW116, TW117 and TW142 warn. These are the only checks that look at sealed rows: at their features, and at the
target only as a part of a whole row.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainwright.data.findings.interface import (
    SAMPLE,
    Check,
    Found,
    Subject,
    codes_of,
    count,
    drop,
    figure,
    figures_by,
    missing_of,
    names,
    sampled,
    share,
)
from trainwright.data.findings.measures import chi_squared_tail, fingerprints, kolmogorov, newcombe, normal_tail
from trainwright.data.findings.structure import likely_groups
from trainwright.runtime.columns import Coded, Column, Floats, Rows, take

Flags = NDArray[np.bool_]

BLOCK_ROWS = 0.01  # the share of sealed rows from which shared rows block: they may move the score by as much
MOVED = 0.1  # the distance between two distributions from which a shift is told
SURE = 0.01  # its chance under no shift, divided by the number of columns
UNSEEN = 0.01  # the share of sealed rows with a category that open rows do not have


def is_given(subject: Subject) -> bool:
    return subject.dataset.splits.given and len(subject.sealed) > 0


def rows_on_both_sides(subject: Subject) -> Iterable[Found]:
    """TW103: sealed rows that stand among the open ones as well, features and target alike."""
    if not is_given(subject) or not subject.features:
        return
    columns = [subject.dataset.table.columns[name] for name in subject.features]
    whole: list[Column] = [*columns, *([] if subject.dataset.target is None else [subject.dataset.target])]
    opened, sealed = fingerprints(whole, subject.open), fingerprints(whole, subject.sealed)
    both = np.isin(sealed, opened)
    shared = int(both.sum())
    if shared == 0:
        return
    by_chance = looks_like_chance(columns, subject.sealed, both)
    part = shared / len(sealed)
    tail = "; they are the commonest kinds of rows, so most of them may agree by chance" if by_chance else ""
    stand = "stands" if shared == 1 else "stand"
    yield Found(
        where=told_rows(subject, subject.sealed[both]),
        what=f"{shared:,} of {count(len(sealed), 'sealed row')} ({share(part)}) {stand} among the open rows as well, features and target alike{tail}",
        fix="take them out of one of the two sides, or let us draw the split: --split random (and no --test)",
        figures={"shared": shared, "sealed": len(sealed), "share": figure(part), "rows": subject.sealed[both][:100].tolist(), "by_chance": by_chance},
        blocking=part >= BLOCK_ROWS and shared >= 2 and not by_chance,
    )


def told_rows(subject: Subject, rows: Rows) -> str:
    """The first sealed rows, by their numbers in the file that they stand in: a test file's own, where there is one."""
    source = subject.dataset.table.source
    test = source.details.get("test")
    first = source.rows - test["rows"] if test else 0
    shown = ", ".join(str(row - first) for row in rows[:5].tolist())
    return f"rows {shown}{', …' if len(rows) > 5 else ''}" + (f" of {Path(test['path'].partition('?')[0]).name}" if test else "")


def looks_like_chance(columns: list[Column], rows: Rows, twins: Flags) -> bool:
    """Whether rows that have a twin may well agree by chance, because few kinds of rows are possible.

    A row's commonness is the sum over columns of the log of how many rows have its value, each kind of row counted once. A row that was
    *copied* may be any row, so its commonness is like that of the others; rows that agree by chance are the common ones. Judged by the
    chance that a row with a twin is commoner than one without (the Mann-Whitney share): above 0.75. Where one side has fewer than 10
    kinds of rows that says nothing; then by the twins that a row would have if columns were independent: 0.01 or more.
    """
    _, first = np.unique(fingerprints(columns, rows), return_index=True)
    kinds, twins = rows[first], twins[first]
    common, same = np.zeros(len(kinds)), 1.0
    for column in columns:
        values, size = codes_of(take(column, kinds))
        counts = np.bincount(values, minlength=size)
        common += np.log(counts[values])
        same *= float(((counts / len(kinds)) ** 2).sum())
    inside, outside = int(twins.sum()), int((~twins).sum())
    if min(inside, outside) < 10:
        return len(kinds) * same >= 0.01
    _, inverse, counts = np.unique(np.round(common, 9), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return bool((ranks[twins].sum() - inside * (inside + 1) / 2) / (inside * outside) > 0.75)


def groups_on_both_sides(subject: Subject) -> Iterable[Found]:
    """TW104: a group (a patient, a customer) with rows on both sides. The group column as told, else one that looks like it."""
    if not is_given(subject):
        return
    group = subject.dataset.group
    told = subject.dataset.table.named("group")
    found: list[tuple[str, Column]] = [(told[0] if told else "group", group)] if group is not None else []
    if not found and subject.dataset.target is not None:
        found = [(likely.name, subject.dataset.table.columns[likely.name]) for likely in likely_groups(subject)]
    for name, column in found:
        values, size = codes_of(column)
        present = ~missing_of(column)
        opened, sealed = (rows[present[rows]] for rows in (subject.open, subject.sealed))
        seen = np.zeros(size, dtype=bool)
        seen[values[opened]] = True
        both = seen[values[sealed]]
        if both.any():
            groups = len(np.unique(values[sealed][both]))
            yield Found(
                where=name,
                what=f"{count(groups, 'group has/groups have')} rows on both sides of the given split, by '{name}'; "
                f"{int(both.sum()):,} of {count(len(subject.sealed), 'sealed row')} "
                f"({share(float(both.sum()), len(subject.sealed))}) belong to such groups",
                fix=f"--split group:{name} keeps each group on one side",
                figures={"column": name, "groups": groups, "rows": int(both.sum()), "sealed": len(subject.sealed)},
            )


def shift(subject: Subject) -> Iterable[Found]:
    """TW142: features whose distribution differs between open and sealed rows, by effect size and corrected for many columns."""
    if not subject.compared or min(len(subject.open), len(subject.sealed)) < 30:
        return
    before = subject.sample(subject.open, SAMPLE, "shift open")
    after = subject.sample(subject.sealed, SAMPLE, "shift sealed")
    asked = [name for name in subject.features if subject.kinds[name] not in ("datetime", "identifier", "text")]
    moved = {}
    for name in asked:
        distance, p = distance_of(subject.column(name, before), subject.column(name, after))
        if distance >= MOVED and p * len(asked) < SURE:
            moved[name] = distance
    if not moved:
        return
    ranked = sorted(moved, key=lambda name: (-moved[name], name))
    by_time = subject.dataset.splits.how.startswith("time")
    yield Found(
        where=names(ranked),
        what=f"{len(ranked):,} of {count(len(asked), 'feature')} {'differs' if len(ranked) == 1 else 'differ'} "
        "between open and sealed rows; the distances (0 none, 1 no overlap) begin with "
        + ", ".join(f"{name} {moved[name]:.2f}" for name in ranked[:5])
        + sampled(len(before) + len(after), len(subject.open) + len(subject.sealed)),
        fix="time moved them: look at the score by period, and retrain often"
        if by_time
        else f"compare where both parts come from; {drop(ranked[:3])} takes the furthest out; --split random ignores the given line",
        columns=tuple(ranked),
        figures={"distances": figures_by({name: moved[name] for name in ranked}), "features": len(asked)},
    )


def distance_of(before: Column, after: Column) -> tuple[float, float]:
    """The distance of two samples of one column in [0, 1], and the chance of so much without a shift.

    Numbers: Kolmogorov's; words: half the sum of the differences of the shares (total variation; words of fewer than 5 expected rows taken
    together). A change of the share of missing cells counts where it is larger.
    """
    gaps, gaps_after = missing_of(before), missing_of(after)
    missing = abs(float(gaps.mean()) - float(gaps_after.mean()))
    p_missing = 1.0
    if missing > 0:
        _, low, high = newcombe(float(gaps.sum()), len(gaps), float(gaps_after.sum()), len(gaps_after))
        p_missing = normal_tail(missing / max((high - low) / (2 * 1.96), 1e-12))
    if isinstance(before, Coded) and isinstance(after, Coded):
        distance, p = _words(before, after)
    else:
        x, y = _finite(before), _finite(after)
        distance, p = kolmogorov(x, y) if len(x) >= 20 and len(y) >= 20 else (0.0, 1.0)
    return (distance, p) if distance >= missing else (missing, p_missing)


def _finite(column: Column) -> Floats:
    assert not isinstance(column, Coded)
    return column[np.isfinite(column)]


def _words(before: Coded, after: Coded) -> tuple[float, float]:
    size = len(before.vocabulary)
    a, b = (np.bincount(part.codes[part.codes >= 0], minlength=size).astype(np.float64) for part in (before, after))
    if a.sum() < 20 or b.sum() < 20:
        return 0.0, 1.0
    together = (a + b) * min(a.sum(), b.sum()) / (a.sum() + b.sum())
    rare = together < 5
    a, b = (np.append(part[~rare], part[rare].sum()) for part in (a, b))
    used = a + b > 0
    a, b = a[used], b[used]
    share_a, share_b = a / a.sum(), b / b.sum()
    total = a + b
    expected_a, expected_b = total * a.sum() / total.sum(), total * b.sum() / total.sum()
    value = float(((a - expected_a) ** 2 / expected_a).sum() + ((b - expected_b) ** 2 / expected_b).sum())
    return float(np.abs(share_a - share_b).sum() / 2), chi_squared_tail(value, len(a) - 1)


def unseen(subject: Subject) -> Iterable[Found]:
    """TW117: categories of sealed rows that no open row has."""
    if not subject.compared:
        return
    parts = {}
    for name in subject.words:
        if subject.kinds[name] not in ("category", "ordered"):
            continue
        column = subject.column(name)
        assert isinstance(column, Coded)
        sealed = column.codes[subject.sealed]
        seen = np.zeros(len(column.vocabulary) + 1, dtype=bool)  # the last place is for missing
        seen[column.codes[subject.open]] = True
        seen[-1] = True
        part = float((~seen[sealed]).mean())
        if part >= UNSEEN:
            parts[name] = part
    if parts:
        ranked = sorted(parts, key=lambda name: (-parts[name], name))
        yield Found(
            where=names(ranked),
            what="sealed rows have categories that no open row has: " + ", ".join(f"{name} in {share(parts[name])} of them" for name in ranked[:5]),
            fix=f"the model will treat them as unknown; check how they are written, or {drop(ranked)}",
            columns=tuple(ranked),
            figures={"shares": figures_by(parts)},
        )


def constant_when_learning(subject: Subject) -> Iterable[Found]:
    """TW116: features that do not vary in open rows but do in sealed ones."""
    if not subject.compared:
        return
    still = []
    for name in subject.features:
        opened, sealed = subject.column(name, subject.open), subject.column(name, subject.sealed)
        a, b = (column.codes if isinstance(column, Coded) else np.nan_to_num(column, nan=np.inf) for column in (opened, sealed))
        if len(a) and (a == a[0]).all() and (b != a[0]).any():
            still.append(name)
    if still:
        yield Found(
            where=names(still),
            what=f"{count(len(still), 'feature has/features have')} a single value in all open rows and others in sealed rows: " + names(still),
            fix=f"nothing can be learned from them, and their meaning may have changed: {drop(still)}",
            columns=tuple(still),
            figures={"columns": len(still)},
        )


CHECKS = (
    Check(
        "TW103",
        "Rows stand on both sides of the given split",
        True,
        "a model is not tested by rows that it has learned by heart: the score would be flattered",
        False,
        rows_on_both_sides,
    ),
    Check(
        "TW104",
        "Groups stand on both sides of the given split",
        True,
        "rows of one person or thing resemble each other: the score would be that for known ones, not for new ones",
        False,
        groups_on_both_sides,
    ),
    Check(
        "TW116",
        "A feature is constant in the rows that are learned from",
        False,
        "the model cannot know what its other values mean, yet it will meet them",
        False,
        constant_when_learning,
    ),
    Check(
        "TW117", "Categories that learning never saw", False, "the model has no experience of them; they are treated like any unknown", False, unseen
    ),
    Check("TW142", "Open and sealed rows differ", False, "the score will speak of other conditions than those that were learned from", False, shift),
)
