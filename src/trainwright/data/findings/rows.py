"""Rows that repeat: exact duplicates (TW120), and equal features with different targets (TW121). Both warn. In: open rows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trainwright.data.findings.given import looks_like_chance
from trainwright.data.findings.interface import Check, Found, Subject, count, figure, share
from trainwright.data.findings.measures import fingerprints

CONFLICTS = 0.001  # the share of rows that no model can get right, from which it is told

KEPT_BY_CHANCE = (
    "different cases may well be equal: keep them, --split random has equal rows on one side; to set copies aside all the same, "
    """--clean '{"do": "drop duplicates", "because": "…"}'"""
)


def duplicates(subject: Subject) -> Iterable[Found]:
    """TW120: rows that are equal in all features and the target, beyond the first of each kind."""
    if not subject.features or len(subject.open) < 2:
        return
    if subject.all_differ:
        return
    columns = [subject.dataset.table.columns[name] for name in subject.features]
    target = subject.dataset.target
    whole = subject.prints if target is None else fingerprints([target], subject.open, subject.prints)
    _, first, inverse, counts = np.unique(whole, return_index=True, return_inverse=True, return_counts=True)
    extra = len(subject.open) - len(counts)
    if extra == 0:
        return
    twins = counts[inverse] > 1
    by_chance = looks_like_chance(columns, subject.open, twins)
    if by_chance and twins.mean() > 0.5:
        return  # few possible rows: repeats are the rule, and say nothing
    again = np.ones(len(subject.open), dtype=bool)
    again[first] = False
    rows = subject.open[again]
    shown = ", ".join(str(row) for row in rows[:5].tolist())
    yield Found(
        where=f"rows {shown}{', …' if extra > 5 else ''}",
        what=f"{extra:,} of {len(subject.open):,} rows ({share(extra, len(subject.open))}) "
        f"{'repeats' if extra == 1 else 'repeat'} another row exactly, "
        f"in {count(int((counts > 1).sum()), 'set')} of equal rows"
        + ("; they are the commonest kinds of rows, so most may agree by chance" if by_chance else ""),
        fix=KEPT_BY_CHANCE
        if by_chance
        else "set the copies aside (--accept TW120) unless they are different cases; --split random keeps equal rows on one side",
        figures={
            "extra": extra,
            "sets": int((counts > 1).sum()),
            "share": figure(extra / len(subject.open)),
            "rows": rows[:100].tolist(),
            "by_chance": by_chance,
        },
        proposes=() if by_chance else ({"do": "drop duplicates"},),
    )


def conflicts(subject: Subject) -> Iterable[Found]:
    """TW121: rows with the same features and different classes; says the best accuracy that any model can reach on them."""
    if not subject.is_classes or not subject.features or len(subject.labelled) < 2:
        return
    if subject.all_differ:
        return
    assert subject.dataset.target is not None  # a check that needs it
    _, kind = np.unique(subject.prints[np.isfinite(subject.dataset.target[subject.open])], return_inverse=True)
    classes = int(subject.class_numbers.max()) + 1
    cells, counts = np.unique(kind.astype(np.int64) * classes + subject.class_numbers, return_counts=True)
    best = np.zeros(int(kind.max()) + 1, dtype=np.int64)
    np.maximum.at(best, cells // classes, counts)
    wrong = len(subject.labelled) - int(best.sum())
    if wrong < 2 or wrong < CONFLICTS * len(subject.labelled):
        return
    mixed = np.bincount(cells // classes, minlength=len(best)) > 1
    rows = subject.labelled[mixed[kind]]
    shown = ", ".join(str(row) for row in rows[:5].tolist())
    ceiling = 1 - wrong / len(subject.labelled)
    yield Found(
        where=f"rows {shown}{', …' if len(rows) > 5 else ''}",
        what=f"{len(rows):,} rows have the same features as a row of another class; "
        f"no model can be right on more than {share(ceiling)} of all rows here",
        fix="look at those rows: a label may be wrong, or a column that tells them apart is not in the table",
        figures={"rows": len(rows), "unavoidable": wrong, "best_accuracy": figure(ceiling), "examples": rows[:100].tolist()},
    )


CHECKS = (
    Check("TW120", "Duplicate rows", False, "copies count twice, and a copy in the test is a row that was learned by heart", False, duplicates),
    Check(
        "TW121", "Equal rows with different targets", False, "they set a limit that no model can pass, and often are wrong labels", True, conflicts
    ),
)
