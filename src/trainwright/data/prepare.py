"""From a typed table to a Dataset: the task found, the target decoded, rows without one set aside, features chosen, splits drawn.

Takes    the plan, the table, and the table of given test rows if there is one.
Gives    a Dataset without findings. All rows stay in its columns; a row that is set aside is in no split, and is counted in `dropped`.
Why      every later stage reads the same target, the same classes in the same order and the same row numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from trainwright.data.cleaning.done import Done
from trainwright.data.cleaning.population import coverage, margins_of
from trainwright.data.cleaning.rows import COPY, bound, clean_rows, deduplicated, duplicates, taken_out
from trainwright.data.cleaning.weights import no_share, population_of, weigh
from trainwright.data.dataset import Dataset, Described, Role, Splits, Table, listing
from trainwright.data.digest import digest_of
from trainwright.data.large import MANY, Rowset, draw_many, shortened
from trainwright.data.room import Room, blocks
from trainwright.data.splits import Material, check_folds, clock, draw, equal_rows, events_of, strata
from trainwright.data.target import Target, decode
from trainwright.errors import RequestError, SourceError, nearest
from trainwright.plan.model import Plan, Weigh
from trainwright.plan.transforms import reads_text
from trainwright.runtime.columns import Coded, Column, Floats, Rows
from trainwright.runtime.schema import ColumnSchema

LEARNED_FROM = ("number", "category", "ordered", "yesno", "datetime")
FEWEST_ROWS = 20
BEYOND = "beyond memory"  # open rows that training does not use, because no more fit or were allowed
TEST_WORDS = frozenset({"test", "testing", "holdout", "hold-out"})
OPEN_WORDS = frozenset({"train", "training", "learn", "learning", "valid", "validation", "val", "dev", "development"})


Fits = Callable[[Sequence[Described], Mapping[str, Column], str, int], int | None]
"""How many rows training may use at most, from the columns' descriptions and the columns, the task and the number of classes; None: any number."""


def prepare(
    plan: Plan, table: Table, test: Table | None = None, done: Mapping[int, Done] | None = None, *, fits: Fits | None = None, room: Room | None = None
) -> Dataset:
    """A dataset that is ready for findings and training.

    Takes    `done`, what the entries of `plan.clean` that concern columns did, when `table` has been through them (`cleaning.clean_columns`);
             `fits`, how many rows training may use at most; `room`, for arrays of all rows.

    Raises   RequestError: TW015 (one column for two things), TW016 (the task does not fit the target), TW017 (no such positive class),
             TW031 (no target given).
             TW076, TW077 (an entry of `clean` that does not fit), TW079 (a stated population that cannot be read).
             SourceError: TW021 (no such column), TW018 (a target that cannot be learned, or no column to learn from), TW019 (too few rows,
             classes, groups or times), TW034 (a column that cannot be the weight, the time or the split), TW039 (the test table does not fit).
    """
    _check_names(plan, table)
    bound(plan.clean, table.source)
    assert plan.target is not None  # _check_names refused a plan without one
    opened = table.rows
    if test is not None:
        table = append(table, test)
    how, _, by = plan.split.partition(":")
    room = room or Room()
    target = decode(plan, table, plan.target, room)
    weight = _weights(table, plan.weight)
    group = _groups(table.columns[by]) if how == "group" else None
    time = clock(table, by) if how == "time" else None
    given = _given(table, by) if how == "given" and by else None

    dropped: dict[str, int] = {}
    usable = np.ones(table.rows, np.bool_)

    def set_aside(bad: NDArray[np.bool_] | None, reason: str) -> None:
        if bad is not None and (count := int((usable & bad).sum())):
            dropped[reason] = count
            usable[bad] = False

    set_aside(np.isnan(target.values), "target missing")
    set_aside(None if weight is None else ~(np.nan_to_num(weight) > 0), "weight missing or zero")
    set_aside(None if group is None else group.codes < 0, "group missing")
    set_aside(None if time is None else np.isnan(time), "time missing")
    set_aside(None if given is None else given < 0, "train or test not told")
    described, features = _roles(plan, table, {by: how} if group is not None or time is not None or given is not None else {})
    table = dataclasses.replace(table, described=described)
    stated = population_of(plan)
    margins = margins_of(stated, table) if stated is not None else ()
    weighs = next(((place, fix) for place, fix in enumerate(plan.clean) if isinstance(fix, Weigh)), None)
    struck = np.zeros(table.rows, np.bool_)  # by the ledger: what it takes out is not there, for windows of earlier rows either
    if weighs is not None:
        struck |= no_share(margins)
        set_aside(struck, "of a cell with share 0 in the stated population")

    def sealed_of(rows: Rows) -> Rows | None:
        return rows[given[rows] == 1] if given is not None else rows[rows >= opened] if test is not None else None

    rows = np.flatnonzero(usable).astype(np.int64)
    again = duplicates(plan.clean, [table.columns[feature.name] for feature in features], target.values, rows, sealed_of(rows))
    entries = {**(done or {}), **deduplicated(plan.clean, again, len(rows))}
    set_aside(again, COPY)
    struck |= False if again is None else again
    rows = np.flatnonzero(usable).astype(np.int64)
    sealed = sealed_of(rows)
    _enough(plan.target, target, rows if sealed is None else np.setdiff1d(rows, sealed, assume_unique=True), rows, sealed)
    learned = [d for d in described if d.schema in features]
    most = plan.rows if fits is None or plan.rows is not None else fits(learned, table.columns, target.task, len(target.classes))
    splits = _splits(plan, table, features, target, rows, group, time, sealed, most)
    if beyond := len(rows) - len(splits.open) - len(splits.sealed):
        dropped[BEYOND] = beyond
    splits, target, changed, gone = clean_rows(plan.clean, splits, target)
    struck[taken_out(plan.clean, splits)] = True
    entries |= changed
    dropped |= gone
    if changed:
        _enough(plan.target, target, splits.open, np.concatenate([splits.open, splits.sealed]), sealed)
        check_folds(splits, target.values, classes=bool(target.classes))
    if weighs is not None:
        weight, entries[weighs[0]] = weigh(weighs[1], margins, splits, weight, table.rows)
    dataset = Dataset(
        table=table,
        features=features,
        target=target.values,
        target_name=plan.target,
        task=target.task,
        why_task=target.why,
        classes=target.classes,
        weight=weight,
        group=group,
        splits=splits,
        findings=(),
        dropped=dropped,
        digest="",
        cleaned=tuple(entries[place].as_dict() for place in sorted(entries)),
        coverage=coverage(margins, splits.open, weight) if stated is not None else None,
        struck=np.flatnonzero(struck),
    )
    return dataclasses.replace(dataset, digest=digest_of(dataset, room))


def likely_targets(table: Table) -> list[tuple[str, str]]:
    """The columns that could be the target, the likeliest first, each with its reason; at most ten.

    Judged by name ("target", "label", …), by place (the last column) and by kind; no value is looked for.
    """
    names = {"target", "label", "class", "y", "outcome", "response", "result", "status", "churn", "default", "fraud", "survived", "risk"}
    names |= {"income", "price", "salary", "cost", "charges", "sales", "demand", "quality", "type", "species"}
    scored = []
    for place, d in enumerate(table.described):
        kind, name = d.schema.kind, d.schema.name
        classes = kind in ("yesno", "category", "ordered")
        if not (classes or kind == "number") or d.distinct < 2 or (classes and d.distinct > max(20, table.rows // 20)):
            continue
        words = name.casefold().replace("-", "_").replace(" ", "_").split("_")
        reasons = []
        if name.casefold() in names:
            reasons.append((4, "its name"))
        elif set(words) & names or words[0] in ("is", "has", "will", "next"):
            reasons.append((2, "a word in its name"))
        if place == len(table.described) - 1:
            reasons.append((3, "the last column"))
        reasons.append((1 if classes else 0, "numbers" if kind == "number" and d.distinct > 10 else f"{d.distinct} distinct values"))
        scored.append((-sum(points for points, _ in reasons), place, name, ", ".join(word for _, word in reasons)))
    return [(name, reason) for _, _, name, reason in sorted(scored)[:10]]


def append(table: Table, test: Table) -> Table:
    """The rows of `test` after those of `table`, column by column; columns that `table` does not have are left out (or were not read): that is noted.

    Raises SourceError TW039 when a column is missing in `test` or was typed as something else there.
    """
    columns: dict[str, Column] = {}
    for name, column in table.columns.items():
        if name not in test.columns:
            near = nearest(name, test.columns)
            _misfit(
                test, f"the test table has no column {name!r}", f"is it {near!r}? rename it" if near else "add the column, empty if nothing is known"
            )
        other = test.columns[name]
        if isinstance(column, Coded) and isinstance(other, Coded):
            columns[name] = joined_words(column, other)
        elif isinstance(column, Coded) or isinstance(other, Coded):
            kinds = f"{table.schema(name).kind} in the training table, {test.schema(name).kind} in the test table"
            _misfit(test, f"column {name!r} is {kinds}", f"say how to read it: --kind {name}=KIND")
        else:
            columns[name] = np.concatenate([column, other])
    extra = [name for name in test.columns if name not in table.columns]
    notes = [f"{test.rows:,} test rows were appended as rows {table.rows} to {table.rows + test.rows - 1}"]
    if extra:
        notes.append(f"left out of the test table, because the training table has no such columns: {', '.join(extra)}")
    if unread := test.source.columns - len(test.columns):
        notes.append(f"{unread:,} columns of the test table were not read, because the training table does not have them")
    source = table.source
    joined = dataclasses.replace(
        source,
        rows=table.rows + test.rows,
        notes=(*source.notes, *test.source.notes, *notes),
        details={**source.details, "test": {"path": test.source.path, "digest": test.source.digest, "rows": test.rows}},
    )
    described = tuple(_described_again(d, columns[d.schema.name]) for d in table.described)
    return Table(joined, described, columns)


def _misfit(test: Table, what: str, fix: str) -> NoReturn:
    raise SourceError("TW039", what, where=test.source.path, why="the test rows must be read just like the training rows", fix=fix)


def joined_words(first: Coded, second: Coded) -> Coded:
    """Two coded columns as one; new words go to the end of the vocabulary."""
    vocabulary = list(first.vocabulary)
    place = {word: code for code, word in enumerate(vocabulary)}
    for word in second.vocabulary:
        if word not in place:
            place[word] = len(vocabulary)
            vocabulary.append(word)
    moved = np.array([place[word] for word in second.vocabulary] + [-1], np.int32)  # code -1 reads the last entry
    return Coded(np.concatenate([first.codes, moved[second.codes]]), vocabulary)


def _described_again(described: Described, column: Column) -> Described:
    if isinstance(column, Coded):
        missing, distinct = int((column.codes < 0).sum()), int(np.count_nonzero(np.bincount(column.codes[column.codes >= 0])))
    else:
        known = column[~np.isnan(column)]
        missing, distinct = len(column) - len(known), len(np.unique(known))
    return dataclasses.replace(described, missing=missing, distinct=distinct)


def _check_names(plan: Plan, table: Table) -> None:
    """Every column that the plan names must be there, and be one thing only."""
    if plan.target is None:
        likely = likely_targets(table)
        raise RequestError(
            "TW031",
            "no target was given",
            where=table.source.path,
            why="without the column to predict there is nothing to learn",
            fix="name it with --target; it could be: " + "; ".join(f"{name} ({why})" for name, why in likely) if likely else "name it with --target",
        )
    how, _, by = plan.split.partition(":")
    uses = [("--target", plan.target), *[("--drop", name) for name in plan.drop], *[("--kind", name) for name in plan.kinds]]
    uses += [("--weight", plan.weight)] if plan.weight else []
    uses += [(f"--split {how}:COL", by)] if by else []
    uses += [("--protected", name) for name in plan.protected]
    for flag, name in uses:
        if name not in table.columns:
            near = nearest(name, table.columns)
            listed = listing(table.source.path, table.source.details)
            raise SourceError(
                "TW021",
                f"there is no column {name!r}",
                where=f"{flag}; {table.source.path}, {len(table.columns):,} columns",
                why="it is the target: without it there is nothing to learn" if flag == "--target" else "the flag would have no effect",
                fix=" ".join([f"did you mean {near!r}?" if near else "", listed]).strip(),
            )
    single = {"the target": plan.target, "the weight": plan.weight, f"the {how} of the split": by or None}
    taken: dict[str, str] = {}
    for use, column in single.items():
        if column is None:
            continue
        if column in taken or (column == plan.target and column in plan.drop):
            other = taken.get(column, "a dropped column")
            raise RequestError(
                "TW015", f"column {column!r} is both {use} and {other}", where="the plan", why="it can be one of them", fix="name another column"
            )
        taken[column] = use
    if how == "given" and not by and not plan.test:
        raise RequestError(
            "TW015",
            "the test rows are said to be given, but nothing gives them",
            where="--split given",
            why="there would be nothing to measure on",
            fix="add --test FILE, or --split given:COL",
        )
    if how == "given" and by and plan.test:
        raise RequestError("TW015", "the test rows are given twice", where="--split and --test", why="only one can hold", fix="leave one of them out")


def _weights(table: Table, name: str | None) -> Floats | None:
    """The weights (rows,), not negative; NaN where missing."""
    if name is None:
        return None
    column = table.columns[name]
    where = f"{table.source.path}, column {name!r}"
    if isinstance(column, Coded):
        raise SourceError(
            "TW034", "the weights are not numbers", where=where, why=f"they were read as {table.schema(name).kind}", fix=f"--kind {name}=number"
        )
    bad = np.flatnonzero((column < 0) | np.isinf(column))
    if len(bad):
        rows = ", ".join(str(row) for row in bad[:3])
        what = f"{len(bad):,} weights are negative or infinite"
        raise SourceError(
            "TW034", what, where=f"{where}, rows {rows}", why="a row cannot count less than nothing", fix="mend them, or leave --weight out"
        )
    return column


def _groups(column: Column) -> Coded:
    """The groups as words; numbers keep their shortest form."""
    if isinstance(column, Coded):
        return column
    known = ~np.isnan(column)
    values, inverse = np.unique(column[known], return_inverse=True)
    codes = np.full(len(column), -1, np.int32)
    codes[known] = inverse
    return Coded(codes, [f"{value:.17g}" for value in values.tolist()])


def _given(table: Table, name: str) -> Rows:
    """For each row 1 (test), 0 (train) or −1 (not told). Numbers and yes/no count as "is it test?", unless the name says train."""
    column = table.columns[name]
    if isinstance(column, Coded):
        sides = [1 if word.strip().casefold() in TEST_WORDS else 0 if word.strip().casefold() in OPEN_WORDS else 2 for word in column.vocabulary]
        given = np.array([*sides, -1], np.int64)[column.codes]
    else:
        flags = np.array([1, 0]) if "train" in name.casefold() else np.array([0, 1])
        given = np.where(np.isnan(column), -1, np.where(np.isin(column, (0, 1)), flags[(column == 1).astype(int)], 2)).astype(np.int64)
    wrong = np.flatnonzero(given == 2)
    if len(wrong) or not (given == 1).any() or not (given == 0).any():
        what = f"{len(wrong):,} rows say neither train nor test" if len(wrong) else "it does not name both train and test rows"
        at = f", row {wrong[0]}" if len(wrong) else ""
        raise SourceError(
            "TW034",
            f"column {name!r} cannot split: {what}",
            where=f"{table.source.path}{at}",
            why="each row must be open or sealed",
            fix="use the words train and test (or 0 and 1 for test)",
        )
    return given


def _enough(name: str, target: Target, open_rows: Rows, rows: Rows, sealed: Rows | None) -> None:
    """Refuse what cannot be split and measured: too few rows, a class with one row, a target that does not vary."""
    short = f"{len(open_rows):,} usable rows" if len(open_rows) < FEWEST_ROWS else ""
    if sealed is not None and len(sealed) == 0:
        short = "no usable test row"
    if short:
        why = "with fewer neither learning nor measuring means anything"
        raise SourceError("TW019", f"there are {short}; at least {FEWEST_ROWS} are needed", where="rows with a target", why=why, fix="give more rows")
    if target.classes:
        counts, within = (_class_rows(target, some) for some in (rows, open_rows))
        if (within > 0).sum() < 2:
            what = "there is one class only" if sealed is None else "the training rows are of one class only"
            raise SourceError(
                "TW018", what, where=f"column {name!r}, among the usable rows", why="nothing can be told apart", fix="give rows of a second class"
            )
        if scarce := int((counts < 2).sum()):
            what = f"{scarce} of {len(counts)} classes have fewer than 2 usable rows"
            fix = "give more rows of them, merge rare classes, or leave their targets empty"
            raise SourceError("TW019", what, where=f"column {name!r}", why="a class must be both learned and tested", fix=fix)
    elif target.values[open_rows].min() == target.values[open_rows].max():
        raise SourceError(
            "TW018", "the target is constant", where=f"column {name!r}, among the usable rows", why="there is nothing to predict", fix="name another"
        )


def _class_rows(target: Target, rows: Rows) -> Rows:
    """(classes,) how many of these rows each class has."""
    counts = np.zeros(len(target.classes), np.int64)
    for part in blocks(len(rows)):
        counts += np.bincount(target.values[rows[part]].astype(np.int64), minlength=len(counts))
    return counts


def _roles(plan: Plan, table: Table, split: dict[str, str]) -> tuple[tuple[Described, ...], tuple[ColumnSchema, ...]]:
    """The columns with their roles, and those that are learned from.

    The columns that split are set apart: a group is not there for an unseen group, a time not for a later one. Protected columns
    are learned from unless they are dropped as well: leaving them out is a decision of the user, not a side effect.
    """
    described: list[Described] = []
    features: list[ColumnSchema] = []
    roles: dict[str, tuple[Role, str]] = {name: ("set aside", "says which rows are test rows") for name, how in split.items() if how == "given"}
    roles |= {name: (how, f"splits by {how}, and is not learned from") for name, how in split.items() if how in ("group", "time")}  # type: ignore[misc]  # the two words are roles
    if plan.weight:
        roles[plan.weight] = ("weight", "says how much a row counts")
    if plan.target:
        roles[plan.target] = ("target", "is predicted")
    for d in table.described:
        name, kind = d.schema.name, d.schema.kind
        if name in roles:
            role, why = roles[name]
        elif name in plan.drop:
            role, why = "set aside", "dropped"
            if name in plan.protected:
                role, why = "protected", "looked at for bias, and not learned from (dropped)"
        elif kind not in LEARNED_FROM and not (kind == "text" and reads_text(plan.transforms, name)):
            role, why = "set aside", "no learner reads this kind" if kind != "constant" else "it never varies"
        elif d.missing == table.rows:
            role, why = "set aside", "no cell has a value"
        else:
            role, why = ("protected", "looked at for bias, and learned from") if name in plan.protected else ("feature", "")
            features.append(d.schema)
        described.append(dataclasses.replace(d, role=role, why=f"{d.why}; {why}" if why and d.why else d.why or why))
    if not features:
        raise SourceError(
            "TW018",
            "no column is left to learn from",
            where=f"{table.source.path}, {len(described):,} columns",
            why=f"columns of the kinds {', '.join(LEARNED_FROM)} can be learned from, and none is",
            fix="drop fewer columns, or say how to read one: --kind COL=category",
        )
    return tuple(described), tuple(features)


def _splits(
    plan: Plan,
    table: Table,
    features: Sequence[ColumnSchema],
    target: Target,
    rows: Rows,
    group: Coded | None,
    time: Floats | None,
    sealed: Rows | None,
    most: int | None,
) -> Splits:
    classes = bool(target.classes)
    how = plan.split if group is not None or time is not None or plan.split.startswith("given:") else "given" if sealed is not None else "random"
    rowset = Rowset(
        rows=rows,
        target=target.values,
        classes=len(target.classes),
        columns=[table.columns[feature.name] for feature in features],
        group=None if group is None else group.codes,
        time=time,
        folds=plan.folds,
        seed=plan.seed,
        most=most,
    )
    if len(rows) >= MANY:
        return draw_many(rowset, how, given=sealed)
    stratum = strata(target.values, classes=classes)
    unit, note = np.arange(table.rows, dtype=np.int64), ""
    if group is not None:
        unit = group.codes.astype(np.int64)
    elif time is None:
        same, note = equal_rows({feature.name: table.columns[feature.name] for feature in features}, target.values, rows)
        unit[rows] = same
    material = Material(
        rows=rows,
        stratum=stratum,
        event=events_of(stratum, rows, classes=classes),
        unit=unit,
        folds=plan.folds,
        seed=plan.seed,
        classes=classes,
        grouped=group is not None,
        time=time,
        note=note,
    )
    return shortened(draw(material, how, given=sealed), rowset)
