"""Setting rows aside and correcting targets: entries that act on training rows alone.

Takes    usable rows, the splits, the decoded target and the plan's entries.
Gives    which rows repeat another; the splits and the target as they are learned from; what each entry changed.
Why      row numbers mean rows of one very file, so they are bound to its digest; and sealed rows judge, so they stay as they came.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainwright.data.cleaning.done import Done, does_not_apply
from trainwright.data.dataset import Fold, Source, Splits
from trainwright.data.findings.interface import SMALL_GROUP
from trainwright.data.findings.measures import fingerprints
from trainwright.data.target import Target
from trainwright.errors import RequestError, nearest
from trainwright.plan.model import ByRows, DropDuplicates, DropRows, Fixing, Relabel
from trainwright.runtime.columns import Column, Floats, Rows

COPY = "repeats another row"


def duplicates(clean: Sequence[Fixing], columns: Sequence[Column], target: Floats, rows: Rows, sealed: Rows | None) -> NDArray[np.bool_] | None:
    """Which rows of the table repeat another in every feature and the target; None when no entry asks for it.

    Takes    `rows`, the usable row numbers; `sealed`, those that were given as test rows.
    Gives    (all rows,) True beyond the first row of each kind. Given test rows are never set aside; an open row that repeats one of them is.
    """
    if not any(isinstance(fix, DropDuplicates) for fix in clean):
        return None
    given = np.zeros(len(target), np.bool_)
    if sealed is not None:
        given[sealed] = True
    order = np.concatenate([rows[given[rows]], rows[~given[rows]]])  # test rows first: theirs is the copy that is kept
    _, first = np.unique(fingerprints([*columns, target], order), return_index=True)
    again = np.zeros(len(target), np.bool_)
    again[order] = True
    again[order[first]] = False
    return again & ~given


def deduplicated(clean: Sequence[Fixing], again: NDArray[np.bool_] | None, rows: int) -> dict[int, Done]:
    """`Done` for the entries that drop duplicates; only the first of them finds any."""
    done: dict[int, Done] = {}
    for place, fix in enumerate(clean):
        if isinstance(fix, DropDuplicates):
            copies = 0 if again is None or done else int(again.sum())
            said = f"{copies:,} rows that repeat another in every feature and the target were set aside before the split"
            if not copies:
                said = "nothing changed: no row repeats another"
            done[place] = Done(fix.do, fix.because, said, rows=copies, figures={"rows": [rows, rows - copies]})
    return done


def bound(clean: Sequence[Fixing], source: Source) -> None:
    """Refuse entries by row numbers that were made for another file, or that name rows which are not there.

    Raises RequestError TW076 for another digest, TW077 for a row beyond the end.
    """
    for place, fix in enumerate(clean):
        if not isinstance(fix, ByRows):
            continue
        if fix.of != source.digest:
            raise RequestError(
                "TW076",
                f"entry {place + 1} of `clean` ({fix.do}) names rows of another file",
                where=f"clean[{place}]; {source.path}",
                why=f"its {len(fix.rows):,} row numbers were accepted for a source whose digest begins with {fix.of[:12]}, and this one's with "
                f"{source.digest[:12]}: here they are other rows",
                fix=f"take the entry out (`trainwright check PLAN --undo {place + 1}`), check this source, and accept what is found here",
            )
        if (last := max(fix.rows)) >= source.rows:
            why = f"the source has {source.rows:,} rows, counted from 0"
            raise does_not_apply(place + 1, fix.do, f"there is no row {last}", why=why, fix="name rows of this source")


def clean_rows(clean: Sequence[Fixing], splits: Splits, target: Target) -> tuple[Splits, Target, dict[int, Done], dict[str, int]]:
    """Carry out the entries that drop or relabel rows, on open rows alone.

    Gives    splits, target, `Done` by the entry's place, and the rows dropped by reason.
    Raises   RequestError TW077 for a target that is none of the classes, or no number.
    """
    done: dict[int, Done] = {}
    dropped: dict[str, int] = {}
    for place, fix in enumerate(clean):
        if not isinstance(fix, DropRows | Relabel):
            continue
        named = np.array(fix.rows, np.int64)
        is_open = np.isin(named, splits.open)
        sealed = int(np.isin(named, splits.sealed).sum())
        stayed = _stayed(sealed, int((~is_open).sum()) - sealed)
        if isinstance(fix, DropRows):
            gone = named[is_open]
            splits = without(splits, gone)
            if len(gone):
                reason = f"dropped: {fix.because}"
                dropped[reason] = dropped.get(reason, 0) + len(gone)
            measured = "; they are not measured either, since no rows are sealed" if splits.design == "nested" else ""
            said = f"{len(gone):,} of {len(named):,} rows named were set aside{stayed}{measured}"
            if not len(gone):
                said = f"nothing changed: no row was dropped{stayed}"
            done[place] = Done(fix.do, fix.because, said, rows=len(gone), kept=int((~is_open).sum()))
        else:
            wanted = _targets(place + 1, fix, target)[is_open]
            values = target.values.copy()
            changed = values[named[is_open]] != wanted
            values[named[is_open]] = wanted
            done[place] = _relabelling(fix, target, values, int(changed.sum()), len(named), stayed, int((~is_open).sum()), splits)
            target = dataclasses.replace(target, values=values)
    return splits, target, done, dropped


def taken_out(clean: Sequence[Fixing], splits: Splits) -> Rows:
    """The rows that entries drop by number, whether or not they could be learned from, less the sealed ones, which stay."""
    named = [np.array(fix.rows, np.int64) for fix in clean if isinstance(fix, DropRows)]
    return np.setdiff1d(np.concatenate([np.empty(0, np.int64), *named]), splits.sealed)


def _relabelling(fix: Relabel, before: Target, values: Floats, changed: int, named: int, stayed: str, kept: int, splits: Splits) -> Done:
    measured = "; scores are measured on the corrected targets, since no rows are sealed" if splits.design == "nested" and changed else ""
    said = f"{changed:,} of {named:,} rows named got another target{stayed}{measured}"
    if not changed:
        said = f"nothing changed: no row got another target{stayed}"
    figures = {}
    if before.classes:
        count = len(before.classes)
        figures = {
            "classes": list(before.classes),
            "before": _counts(before.values[splits.open], count),
            "after": _counts(values[splits.open], count),
        }
    return Done(fix.do, fix.because, said, rows=changed, cells=changed, kept=kept, figures=figures)


def _counts(values: Floats, classes: int) -> list[int | None]:
    """Rows of each class; None for 1 to 9."""
    return [None if 0 < n < SMALL_GROUP else n for n in np.bincount(values.astype(np.int64), minlength=classes).tolist()]


def _stayed(sealed: int, other: int) -> str:
    """How many of the rows that an entry names it did not touch, and why, for the end of a sentence."""
    parts = ((sealed, "are sealed and stay as they are"), (other, "were set aside already"))
    return "".join(f"; {rows:,} {what}" for rows, what in parts if rows)


def _targets(number: int, fix: Relabel, target: Target) -> Floats:
    """The new targets as class numbers, or as the numbers themselves."""
    if not target.classes:
        try:
            values = np.array([float(value) for value in fix.to])
        except ValueError:
            values = np.array([np.nan])
        if not np.isfinite(values).all():
            raise does_not_apply(number, fix.do, "a new target is no number", why="the target is a number to predict", fix="give finite numbers")
        return values
    places = {name: float(place) for place, name in enumerate(target.classes)}
    words = [value if isinstance(value, str) else f"{value:g}" for value in fix.to]
    for word in words:
        if word not in places:
            near = nearest(word, places)
            listing = f"the classes are: {', '.join(target.classes[:20])}"
            mend = f"did you mean {near!r}?" if near else listing
            raise does_not_apply(number, fix.do, f"{word!r} is none of the classes", why="a class that no row has cannot be learned", fix=mend)
    return np.array([places[word] for word in words])


def without(splits: Splits, gone: Rows) -> Splits:
    """The splits less some open rows, in every fold."""
    if not len(gone):
        return splits

    def less(rows: Rows) -> Rows:
        return np.setdiff1d(rows, gone, assume_unique=True)

    def thinned(folds: tuple[Fold, ...]) -> tuple[Fold, ...]:
        return tuple(Fold(less(fold.train), less(fold.test)) for fold in folds)

    inner = tuple(thinned(folds) for folds in splits.inner)
    return dataclasses.replace(splits, open=less(splits.open), folds=thinned(splits.folds), inner=inner)
