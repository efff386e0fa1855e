"""What single features look like: gaps, constants, identifiers, text, many and rare categories.

TW110 to TW115 warn. In: open rows. Out: the columns with their figures, in one finding for each question.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trainwright.data.findings.interface import PAIR_COLUMNS, SMALL_GROUP, Check, Found, Subject, count, drop, figures_by, missing_of, names, share
from trainwright.data.findings.structure import index_runs
from trainwright.data.findings.vocabulary import ROW_NUMBER, words_of
from trainwright.runtime.columns import Coded

GAPS = 0.2  # the share of missing cells of a column
GAPS_OF_ALL = 0.1  # the share of missing cells of all features
MANY = 100  # categories of a column


def gaps(subject: Subject) -> Iterable[Found]:
    """TW110: columns with many missing cells, and tables with many."""
    parts = {name: float(missing_of(subject.column(name, subject.open)).mean()) for name in subject.features} if len(subject.open) else {}
    if not parts:
        return
    many = sorted((name for name in parts if parts[name] >= GAPS), key=lambda name: (-parts[name], name))
    whole = sum(parts.values()) / len(parts)
    if not many and whole < GAPS_OF_ALL:
        return
    shown = many or sorted((name for name in parts if parts[name] > 0), key=lambda name: (-parts[name], name))
    empty = [name for name in many if parts[name] == 1.0]
    yield Found(
        where=names(shown),
        what=f"{len(many):,} of {count(len(parts), 'feature')} {'lacks' if len(many) == 1 else 'lack'} {share(GAPS)} of the cells or more"
        + (f" ({', '.join(f'{name} {share(parts[name])}' for name in shown[:5])})")
        + f"; of all cells {share(whole)} are missing",
        fix=(f"{drop(empty)} (all cells are missing); " if empty else "")
        + "gaps are filled with the median or a word of their own, and marked; find out why they are there, since a gap may mean something",
        columns=tuple(shown),
        figures={"shares": figures_by({name: parts[name] for name in shown}), "all": round(whole, 6)},
    )


def constants(subject: Subject) -> Iterable[Found]:
    """TW111: columns with one value in all open rows (missing cells aside)."""
    still = []
    for described in subject.dataset.table.described:
        name = described.schema.name
        if described.schema.kind == "constant" and described.role in ("feature", "set aside"):
            still.append(name)
        elif name in subject.kinds:
            column = subject.column(name, subject.open)
            values = column.codes[column.codes >= 0] if isinstance(column, Coded) else column[~np.isnan(column)]
            if (len(values) == 0 or (values == values[0]).all()) and not missing_of(column).any():
                still.append(name)
    if still:
        yield Found(
            where=names(still),
            what=f"{count(len(still), 'column has/columns have')} the same value in every row: {names(still)}",
            fix=f"nothing can be learned from them: {drop(still)}",
            columns=tuple(still),
            figures={"columns": len(still)},
        )


def identifiers(subject: Subject) -> Iterable[Found]:
    """TW112: columns that number or name the rows; those that were set aside, and features that look like one."""
    aside: list[str] = []
    used: list[str] = []
    for described in subject.dataset.table.described:
        name = described.schema.name
        if described.schema.kind == "identifier" and described.role in ("feature", "set aside"):
            (used if described.role == "feature" else aside).append(name)
        elif name in subject.kinds and described.schema.kind == "number" and _numbers_rows(subject, name):
            used.append(name)
    if not aside and not used:
        return
    parts = [f"set aside: {names(aside)}"] if aside else []
    parts += [f"among the features: {names(used)}"] if used else []
    yield Found(
        where=names([*used, *aside]),
        what="columns that are different in each row or count the rows; " + "; ".join(parts),
        fix=(f"{drop(used)}" if used else "nothing to do")
        + (f"; where one carries meaning, say what it is: --kind {aside[0]}=category" if aside else ""),
        columns=(*used, *aside),
        figures={"used": used, "set_aside": aside},
    )


def _numbers_rows(subject: Subject, name: str) -> bool:
    column = subject.column(name)
    if isinstance(column, Coded) or (column[subject.open[:1000]] % 1 != 0).any():
        return False  # NaN and infinities are no whole numbers either
    column = column[subject.open]
    if not index_runs(column):
        return False
    return bool((np.diff(column) > 0).all()) or bool(ROW_NUMBER & set(words_of(name)))


def texts(subject: Subject) -> Iterable[Found]:
    """TW113: columns of text that are not learned from."""
    aside = [d.schema.name for d in subject.dataset.table.described if d.schema.kind == "text" and d.role == "set aside"]
    if aside:
        yield Found(
            where=names(aside),
            what=f"{count(len(aside), 'column of text is/columns of text are')} set aside: {names(aside)}",
            fix=f"where the words repeat, --kind {aside[0]}=category makes a feature of them",
            columns=tuple(aside),
            figures={"columns": len(aside)},
        )


def many_categories(subject: Subject) -> Iterable[Found]:
    """TW114: categories of very many values."""
    counts = {}
    for name, used in _categories(subject).items():
        if len(used) > MANY:
            counts[name] = len(used)
    if counts:
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        yield Found(
            where=names(ranked),
            what=f"{count(len(ranked), 'column has/columns have')} more than {MANY} categories: "
            + ", ".join(f"{name} {counts[name]:,}" for name in ranked[:5]),
            fix=f"group the values before, or {drop(ranked)} and compare the scores",
            columns=tuple(ranked),
            figures={"categories": counts},
        )


def rare_categories(subject: Subject) -> Iterable[Found]:
    """TW115: columns of which many categories have few rows."""
    rare = {}
    for name, used in _categories(subject).items():
        few = int((used < SMALL_GROUP).sum())
        if few >= 5 and few >= 0.25 * len(used):
            rare[name] = (few, len(used), float(used[used < SMALL_GROUP].sum()) / len(subject.open))
    if rare:
        ranked = sorted(rare, key=lambda name: (-rare[name][2], name))
        yield Found(
            where=names(ranked),
            what=f"categories with fewer than {SMALL_GROUP} rows: "
            + ", ".join(f"{name} {rare[name][0]:,} of {rare[name][1]:,} ({share(rare[name][2])} of rows)" for name in ranked[:5]),
            fix="they are taken together as rare, and new ones will come; merge spellings and near meanings before",
            columns=tuple(ranked),
            figures={name: {"rare": rare[name][0], "categories": rare[name][1], "rows": round(rare[name][2], 6)} for name in ranked},
        )


def _categories(subject: Subject) -> dict[str, np.ndarray]:
    """For each category feature, the number of open rows of each category that occurs."""

    def make() -> dict[str, np.ndarray]:
        result = {}
        for name in subject.words:
            column = subject.column(name, subject.open)
            if isinstance(column, Coded) and subject.kinds[name] in ("category", "ordered"):
                counts = np.bincount(column.codes[column.codes >= 0], minlength=1)
                result[name] = counts[counts > 0]
        return result

    return subject.once("categories", make)


def limited(subject: Subject) -> Iterable[Found]:
    """TW170: what was not looked at, because the table is wide or long."""
    splits = subject.dataset.splits
    looked, of = len(subject.open) + len(subject.sealed), len(splits.open) + len(splits.sealed)
    if looked < of:
        yield Found(
            where=f"{of:,} rows",
            what=f"checks of rows looked at {looked:,} of {of:,} rows, drawn at random; rows that repeat (TW120, TW121) were looked for among these",
            fix="give more --memory if rare cases matter; kinds, missing cells and distinct values were counted on all rows",
            figures={"rows": of, "looked_at": looked},
        )
    if len(subject.features) > PAIR_COLUMNS:
        yield Found(
            where=f"{len(subject.features):,} features",
            what=f"columns that say the same (TW122) were looked for among the first {PAIR_COLUMNS:,} numbers and the first 100 categories only",
            fix="look at fewer columns with --drop if you need that answer; every other check saw all columns",
            figures={"features": len(subject.features), "compared": PAIR_COLUMNS},
        )


NOT_MADE = "TW171"  # the check of checks: made last


def not_made(subject: Subject) -> Iterable[Found]:
    """TW171: checks for which a limit of time left no room."""
    if subject.left_out:
        codes = subject.left_out
        yield Found(
            where=count(len(codes), "check"),
            what=f"there was no time for {names(codes, most=len(codes))}; no check that blocks a run was left out",
            fix="`trainwright check` makes all of them, whatever time they take; or give more --time",
            figures={"left_out": list(codes)},
        )


CHECKS = (
    Check(
        "TW110",
        "Many missing cells",
        False,
        "what is filled in is not known; and cells may be missing in use where they were there before",
        False,
        gaps,
    ),
    Check("TW111", "Constant columns", False, "they cost time and say nothing; often a filter was applied before", False, constants),
    Check(
        "TW112", "Identifiers", False, "a number given to a row means nothing for the next row, but a model may learn it by heart", False, identifiers
    ),
    Check("TW113", "Text is set aside", False, "what the words say is lost to the model", False, texts),
    Check("TW114", "Very many categories", False, "each has few rows to learn from, and in use many will be new", False, many_categories),
    Check("TW115", "Rare categories", False, "nothing reliable can be learned about a category from a few rows", False, rare_categories),
    Check("TW170", "Some checks looked at a part", False, "what was not looked at may still be there", False, limited),
    Check(NOT_MADE, "Some checks were not made", False, "what they would have found may still be there", False, not_made),
)
