"""From a typed table to a Dataset: the task found, the target decoded, rows without one set aside, features chosen, splits drawn.

Takes    the plan, the table, and the table of given test rows if there is one, both as they were read.
Gives    a Dataset without findings, the ledger carried out (`cleaning/`). All rows stay in its columns; a row that is set aside is in no split,
         and is counted in `dropped`.
Why      every later stage reads the same target, the same classes in the same order and the same row numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainwright.data.append import append
from trainwright.data.cleaning.columns import clean_columns, of_sealed
from trainwright.data.cleaning.done import Done
from trainwright.data.cleaning.population import Margin, coverage, margins_of
from trainwright.data.cleaning.rows import COPY, bound, clean_rows, deduplicated, duplicates, taken_out
from trainwright.data.cleaning.weights import no_share, population_of, weighed_to
from trainwright.data.dataset import Dataset, Described, Role, Splits, Table, listing
from trainwright.data.digest import digest_of
from trainwright.data.large import MANY, Rowset, draw_many, shortened
from trainwright.data.room import Room, blocks
from trainwright.data.splits import Material, check_folds, clock, draw, equal_rows, events_of, strata
from trainwright.data.target import Target, decode
from trainwright.data.targets import likely_targets
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


def prepare(plan: Plan, table: Table, test: Table | None = None, *, fits: Fits | None = None, room: Room | None = None) -> Dataset:
    """A dataset that is ready for findings and training, the plan's ledger carried out.

    Takes    `fits`, how many rows training may use at most; `room`, for arrays of all rows.
    Raises   RequestError: TW015 (one column for two things), TW016 (the task does not fit the target), TW017 (no such positive class),
             TW031 (no target given), TW076, TW077 (an entry of `clean` that does not fit), TW079 (a stated population that cannot be read).
             SourceError: TW021 (no such column), TW018 (a target that cannot be learned, or no column to learn from), TW019 (too few rows,
             classes, groups or times), TW034 (a column that cannot be the weight, the time or the split), TW039 (the test table does not fit).
    """
    room = room or Room()
    _check_names(plan, table)
    bound(plan.clean, table.source)
    opened = table.rows
    if test is not None:
        table = append(table, test, room)
    table, done = clean_columns(table, plan.clean, target=plan.target, room=room)
    known = _known(plan, table, opened if test is not None else None, room)
    described, features = _roles(plan, table)
    table = dataclasses.replace(table, described=described)
    stated = population_of(plan)
    margins = margins_of(stated, table) if stated is not None else ()
    usable, copies = _sifted(plan, table, features, known, margins)
    _enough(plan, known.target, usable.rows, known.sealed(usable.rows))
    learned = [d for d in described if d.schema in features]
    most = plan.rows if fits is None or plan.rows is not None else fits(learned, table.columns, known.target.task, len(known.target.classes))
    splits = _splits(plan, table, features, known, usable.rows, most)
    beyond = {BEYOND: rows} if (rows := len(usable.rows) - len(splits.open) - len(splits.sealed)) else {}
    splits, target, changed, gone = clean_rows(plan.clean, splits, known.target)
    if changed:
        _enough(plan, target, np.concatenate([splits.open, splits.sealed]), splits.sealed if splits.design == "sealed" else None)
        check_folds(splits, target.values, classes=bool(target.classes))
    weight, weighed = weighed_to(plan.clean, margins, splits, known.weight, table.rows)
    entries = {**of_sealed(done, splits), **copies, **changed, **weighed}
    dataset = Dataset(
        table=table,
        features=features,
        target=target.values,
        target_name=plan.target,
        task=target.task,
        why_task=target.why,
        classes=target.classes,
        weight=weight,
        group=known.group,
        splits=splits,
        findings=(),
        dropped={**usable.dropped, **beyond, **gone},
        digest="",
        cleaned=tuple(entries[place].as_dict() for place in sorted(entries)),
        coverage=coverage(margins, splits.open, weight) if stated is not None else None,
        struck=np.union1d(np.flatnonzero(usable.struck), taken_out(plan.clean, splits)),
    )
    return dataclasses.replace(dataset, digest=digest_of(dataset, room))


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What the plan's columns say of the rows, each (rows,); None where the plan names no such column."""

    target: Target
    weight: Floats | None  # not negative; NaN where missing
    group: Coded | None
    time: Floats | None
    given: NDArray[np.integer[Any]] | None  # 1 is a test row, 0 is none, −1 is not told

    def sealed(self, rows: Rows) -> Rows | None:
        """Those of the rows that were given as test rows; None where we draw them."""
        return None if self.given is None else rows[self.given[rows] == 1]


def _known(plan: Plan, table: Table, opened: int | None, room: Room) -> _Known:
    """The columns that the plan names; rows from number `opened` on are those of a test table, if there is one."""
    assert plan.target is not None  # _check_names refused a plan without one
    how, _, by = plan.split.partition(":")
    given: NDArray[np.integer[Any]] | None = None
    if opened is not None:
        given = np.zeros(table.rows, np.int8)
        given[opened:] = 1
    elif how == "given":
        given = _given(table, by)
    return _Known(
        target=decode(plan, table, plan.target, room),
        weight=_weights(table, plan.weight),
        group=_groups(table.columns[by]) if how == "group" else None,
        time=clock(table, by) if how == "time" else None,
        given=given,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Usable:
    """Which rows can be used, and how many others there are by reason: the first one that holds."""

    mask: NDArray[np.bool_]  # (all rows,)
    struck: NDArray[np.bool_]  # (all rows,) what the ledger took out: not there, for windows of earlier rows either
    dropped: dict[str, int]

    @property
    def rows(self) -> Rows:
        return np.flatnonzero(self.mask).astype(np.int64)

    def less(self, bad: NDArray[np.bool_] | None, reason: str, *, struck: bool = False) -> _Usable:
        """The same without the bad rows; None: there are none."""
        if bad is None:
            return self
        count = int((self.mask & bad).sum())
        dropped = {**self.dropped, **({reason: count} if count else {})}
        return _Usable(self.mask & ~bad, self.struck | bad if struck else self.struck, dropped)


def _sifted(plan: Plan, table: Table, features: Sequence[ColumnSchema], known: _Known, margins: Sequence[Margin]) -> tuple[_Usable, dict[int, Done]]:
    """The rows that can be used; and what the entries that drop duplicates did, by their place in the ledger."""
    usable = _Usable(np.ones(table.rows, np.bool_), np.zeros(table.rows, np.bool_), {})
    usable = usable.less(np.isnan(known.target.values), "target missing")
    usable = usable.less(None if known.weight is None else ~(np.nan_to_num(known.weight) > 0), "weight missing or zero")
    usable = usable.less(None if known.group is None else known.group.codes < 0, "group missing")
    usable = usable.less(None if known.time is None else np.isnan(known.time), "time missing")
    usable = usable.less(None if known.given is None else known.given < 0, "train or test not told")
    if any(isinstance(fix, Weigh) for fix in plan.clean):
        usable = usable.less(no_share(margins), "of a cell with share 0 in the stated population", struck=True)
    rows = usable.rows
    again = duplicates(plan.clean, [table.columns[feature.name] for feature in features], known.target.values, rows, known.sealed(rows))
    return usable.less(again, COPY, struck=True), deduplicated(plan.clean, again, len(rows))


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


def _enough(plan: Plan, target: Target, rows: Rows, sealed: Rows | None) -> None:
    """Refuse what cannot be split and measured: too few rows, a class with one row, a target that does not vary.

    Takes    `rows`, all that are used; `sealed`, those of them that are test rows, where that is known.
    """
    name, open_rows = plan.target, rows if sealed is None else np.setdiff1d(rows, sealed, assume_unique=True)
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


def _roles(plan: Plan, table: Table) -> tuple[tuple[Described, ...], tuple[ColumnSchema, ...]]:
    """The columns with their roles, and those that are learned from.

    The columns that split are set apart: a group is not there for an unseen group, a time not for a later one. Protected columns
    are learned from unless they are dropped as well: leaving them out is a decision of the user, not a side effect.
    """
    described: list[Described] = []
    features: list[ColumnSchema] = []
    how, _, by = plan.split.partition(":")
    roles: dict[str, tuple[Role, str]] = {by: ("set aside", "says which rows are test rows")} if how == "given" else {}
    if how in ("group", "time"):
        roles[by] = ("group" if how == "group" else "time", f"splits by {how}, and is not learned from")
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
    known: _Known,
    rows: Rows,
    most: int | None,
) -> Splits:
    """The splits over these rows, with no more open ones than `most`."""
    target, group, time, sealed = known.target, known.group, known.time, known.sealed(rows)
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
