"""Windowed aggregates as columns of the dataset: made once, from strictly earlier rows of the same key, before folds see them.

Takes    the plan's `windows`, a prepared dataset (target decoded, splits drawn).
Gives    the dataset with a float64 column for each aggregate; and the runtime step that makes the same columns when serving, with the history
         that a bundle needs: the events of the last window before the end of the open rows.
Why      rows at the edge of a fold have a past as well, and it is the same past as when serving. Only features of earlier rows are read, of all
         rows with a key and a time, whether they have a target or not, less those that the cleaning ledger struck out. A target is read only with
         a delay, only of open rows, and only by the clock that the rows are split by.
Source   aggregates by key and time, and the delay of what is known of frauds: Le Borgne et al. (2022), Reproducible Machine Learning for
         Credit Card Fraud Detection, chapter 3.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from trainwright.data.dataset import Dataset, Described, Role
from trainwright.data.digest import digest_of
from trainwright.data.room import Room
from trainwright.data.stream import counted
from trainwright.errors import BundleError, RequestError, nearest
from trainwright.plan.transforms import Entry, Windows, derived, span
from trainwright.runtime.columns import Coded, Column, Columns, Floats, Rows, take_all
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Windows as Step
from trainwright.runtime.steps.windows import unit_of

FLAG = "--windows"


def with_windows(dataset: Dataset, transforms: Sequence[Entry], room: Room | None = None) -> Dataset:
    """The dataset with the columns that the plan's windows ask for; the dataset itself when there are none.

    Takes    `room`, where the columns stay when they are made. While those of one entry are made, they and the events are held in memory:
             170 to 250 bytes a row for one to six aggregates, as measured.
    Raises RequestError: TW043 where the split would let rows see what is later or sealed, TW044 for a column that is not there or not of the
    right kind, TW045 for an aggregate of the target that could not be known.
    """
    asked = windows_of(transforms, dataset)
    if not asked:
        return dataset
    room = room or Room()
    columns: dict[str, Column] = dict(dataset.table.columns)
    described, features = list(dataset.table.described), list(dataset.features)
    for entry in asked:
        _check(entry, dataset)
        step = step_of(entry, dataset)
        made = dict(step.apply(_events(step, dataset)))
        for name in step.names:
            if name in columns:
                raise _misfit(f"there is a column {name!r} already", "an aggregate has this name", "rename the column, or ask for these windows once")
            values = made.pop(name)
            assert not isinstance(values, Coded)
            column: Floats = room.empty(len(values), np.float64)
            column[:] = values
            schema = ColumnSchema(name=name, kind="number")
            missing, distinct = counted(column, room)
            constant = not distinct
            why = f"made from earlier rows of the same {entry.key}"
            role: Role = "set aside" if constant else "feature"
            described.append(Described(schema, role, why, "--transforms none", missing, distinct))
            features += [] if constant else [schema]
            columns[name] = column
    table = dataclasses.replace(dataset.table, columns=columns, described=tuple(described))
    made_ready = dataclasses.replace(dataset, table=table, features=tuple(features))
    return dataclasses.replace(made_ready, digest=digest_of(made_ready, room))


def windows_of(transforms: Sequence[Entry], dataset: Dataset) -> tuple[Windows, ...]:
    """The windows among the transforms, with nothing left open: the time column, and which aggregates."""
    how, _, by = dataset.splits.how.partition(":")
    done = []
    for entry in transforms:
        if isinstance(entry, Windows):
            what = entry.what or (("count", "since_last") if entry.of is None else ("count", "mean", "max", "since_last"))
            if not entry.what and entry.of == dataset.target_name:
                what = ("count", "mean")
            done.append(entry.model_copy(update={"what": what, "time": entry.time or (by if how == "time" else None)}))
    return tuple(done)


def step_of(entry: Windows, dataset: Dataset) -> Step:
    """The step without any history: what makes the columns of the whole table."""
    of, target = entry.of or "", entry.of == dataset.target_name and entry.of is not None
    values = _target(dataset) if target else dataset.table.columns[of] if of else np.empty(0)
    assert not isinstance(values, Coded)
    assert entry.time is not None
    empty = np.empty(0)
    made = Step(
        key=entry.key,
        time=entry.time,
        of=of,
        over=np.array([span(text)[0] for text in entry.over]),
        what=entry.what,
        names=derived(entry),
        delay=span(entry.delay)[0] if entry.delay else 0.0,
        unit=unit_of(values[dataset.splits.open]) if of else 1.0,
        truth=dataset.classes if target else (),
        target=target,
        values=empty,
    )
    if not target:
        return made
    known = ~np.isnan(values)  # of open rows alone: rows that have a known target become the history of all others
    return _remembering(made, dataset, np.flatnonzero(known), values)


def shipped(entry: Windows, dataset: Dataset) -> Step:
    """The step that a bundle carries: with the last events of the rows that are not sealed, or without any where the plan says so."""
    step = step_of(entry, dataset)
    if entry.history == "none":
        return step.without_history()
    values = _target(dataset) if step.target else dataset.table.columns[step.of] if step.of else None
    rows = remembered(dataset, step)
    reach = span(entry.delay)[0] if entry.delay else 0.0
    time = _time(dataset, step)
    late = rows[time[rows] >= _end(dataset, time) - reach - step.over.max()]
    assert not isinstance(values, Coded)
    return _remembering(step.without_history(), dataset, late, values)


def remembered(dataset: Dataset, step: Step) -> Rows:
    """The rows that a history may hold: open ones, and those in no split that are not later than these and share no key with a sealed row."""
    time, key, splits = _time(dataset, step), dataset.table.columns[step.key], dataset.splits
    chosen = np.zeros(dataset.table.rows, np.bool_)
    chosen[splits.open] = True
    aside = _aside(dataset)
    with np.errstate(invalid="ignore"):
        early = aside[time[aside] <= _end(dataset, time)]
    if splits.how.startswith("group"):
        codes = key.codes if isinstance(key, Coded) else key
        early = early[~np.isin(codes[early], codes[splits.sealed])]
    chosen[early] = True
    return np.flatnonzero(chosen)


def beside(dataset: Dataset, step: Step) -> Rows:
    """The rows in no split that no history holds: what a server would have seen as well, beside the sealed rows."""
    return np.setdiff1d(_aside(dataset), remembered(dataset, step), assume_unique=True)


def seen_beside(dataset: Dataset, entry: Windows, step: Step) -> Columns:
    """What a server would have seen before the sealed rows beyond the history of the entry's step; the target of open rows alone."""
    rows = beside(dataset, step)
    if entry.history == "none":
        rows = np.union1d(rows, remembered(dataset, step))
    columns = take_all({name: dataset.table.columns[name] for name in step.reads}, rows)
    return {**columns, step.of: _target(dataset)[rows]} if step.target else columns


def check_same(dataset: Dataset, made: Columns, names: Sequence[str], rows: Rows) -> None:
    """Raises BundleError (TW055) when columns made by the bundle for `rows` are not those that training made."""
    for name in names:
        column, trained = made[name], dataset.table.columns[name]
        assert not isinstance(column, Coded)
        assert not isinstance(trained, Coded)
        apart = int((~((column == trained[rows]) | (np.isnan(column) & np.isnan(trained[rows])))).sum())
        if apart:
            raise BundleError(
                "TW055",
                f"the bundle makes something else of the past than training did: {apart:,} of {len(rows):,} rows differ",
                where=f"column {name!r}",
                why="what ships must be what was tested",
                fix="please report the windows that were asked for",
            )


def _aside(dataset: Dataset) -> Rows:
    """The rows in no split that happened all the same: not those that the cleaning ledger struck out."""
    splits = dataset.splits
    return np.setdiff1d(np.arange(dataset.table.rows), np.concatenate([splits.open, splits.sealed, dataset.struck]))


def _time(dataset: Dataset, step: Step) -> Floats:
    time = dataset.table.columns[step.time]
    assert not isinstance(time, Coded)
    return time


def _end(dataset: Dataset, time: Floats) -> float:
    """When the open rows end: the latest of their known times."""
    return float(np.nanmax(time[dataset.splits.open], initial=-np.inf))


def _remembering(step: Step, dataset: Dataset, rows: Rows, values: Floats | None) -> Step:
    """The step with these rows as its history."""
    columns: dict[str, Column] = {name: dataset.table.columns[name] for name in (step.key, step.time)}
    if values is not None and step.of:
        columns[step.of] = values
    return dataclasses.replace(step.after(take_all(columns, rows)), until=np.empty(0))


def _events(step: Step, dataset: Dataset) -> Columns:
    """The columns that the step reads, of all rows; those that were struck out have no key, so they are no events and are told nothing."""
    columns = {name: dataset.table.columns[name] for name in step.reads}
    key = columns[step.key]
    if not len(dataset.struck):
        return columns
    if isinstance(key, Coded):
        codes = key.codes.copy()
        codes[dataset.struck] = -1
        return {**columns, step.key: Coded(codes, key.vocabulary)}
    numbers = key.copy()
    numbers[dataset.struck] = np.nan
    return {**columns, step.key: numbers}


def _target(dataset: Dataset) -> Floats:
    """The target of open rows; NaN for all others."""
    assert dataset.target is not None
    values = np.full(len(dataset.target), np.nan)
    values[dataset.splits.open] = dataset.target[dataset.splits.open]
    return values


def _check(entry: Windows, dataset: Dataset) -> None:
    """Everything that can be wrong with an entry, before anything is computed."""
    table = dataset.table
    if entry.time is None:
        raise _misfit("no time column is known", "what is earlier cannot be told", f"write {FLAG} '… by {entry.key} at TIME over …'")
    for name in (entry.key, entry.time, *([entry.of] if entry.of else [])):
        if name not in table.columns:
            near = nearest(name, table.columns)
            raise _misfit(f"there is no column {name!r}", "the windows are made of it", f"did you mean {near!r}?" if near else "name another column")
    if entry.key == entry.time or entry.key == dataset.target_name:
        raise _misfit(f"{entry.key!r} cannot be the key", "it is the time or the target", "name the column of what belongs together")
    time = table.schema(entry.time).kind
    if time not in ("datetime", "number"):
        fix = f"--kind {entry.time}=datetime, or name another column"
        raise _misfit(f"the time column {entry.time!r} was read as {time}", "times must be date-times or numbers", fix)
    for text in (*entry.over, *([entry.delay] if entry.delay else [])):
        if span(text)[1] != (time == "datetime"):
            unit = "7d, 12h, 30m or 45s" if time == "datetime" else "a plain number in its unit"
            raise _misfit(f"{text!r} is no length for the time column {entry.time!r}", f"it was read as {time}", f"write {unit}")
    needs = {"sum", "mean", "min", "max"} & set(entry.what)
    if entry.of is None and needs:
        raise _misfit(f"{sorted(needs)[0]} of nothing", "an aggregate of values needs a column", "name it with `of`")
    if entry.of is not None and entry.of != dataset.target_name and table.schema(entry.of).kind not in ("number", "yesno", "datetime"):
        raise _misfit(f"{entry.of!r} was read as {table.schema(entry.of).kind}", "only numbers can be aggregated", "count the rows: leave it out")
    _check_split(entry, dataset)
    if entry.of is not None and entry.of == dataset.target_name:
        _check_target(entry, dataset)


def _check_split(entry: Windows, dataset: Dataset) -> None:
    """Refuse splits under which a sealed row's past would lie among the open rows and the other way round.

    Rows that are split by another clock than the windows' are in no order here; and where the sealed rows were given, the split's word for the
    others (a time, a group) says nothing about them: then what counts is that all of them are later.
    """
    splits = dataset.splits
    how, _, by = splits.how.partition(":")
    if not splits.given and ((how == "time" and by == entry.time) or (how == "group" and by == entry.key)):
        return
    time = dataset.table.columns[entry.time] if entry.time else np.empty(0)
    if splits.given and not isinstance(time, Coded) and np.fmin.reduce(time[splits.sealed]) > np.fmax.reduce(time[splits.open]):
        return
    raise RequestError(
        "TW043",
        f"windows of {entry.key!r} at {entry.time!r} do not fit {'test rows that were given' if splits.given else f'a split by {splits.how}'}",
        where=f"{FLAG}: {entry.key}, {entry.time}",
        why="a row sees the rows before it: open rows would see sealed ones, and sealed rows open ones that no server could have at hand",
        fix=f"--split time:{entry.time}, or --split group:{entry.key}, or give test rows that are all later",
    )


def _check_target(entry: Windows, dataset: Dataset) -> None:
    """Refuse aggregates of the target that are not known when serving, or that folds would read from what comes after them."""
    how, _, by = dataset.splits.how.partition(":")
    what = ""
    if entry.delay is None:
        what = "the target of an earlier row is not known at once"
        fix = "say how old it must be: `… over 7d after 7d`"
    elif len(dataset.classes) > 2:
        what, fix = "a target of more than two classes has no average", "leave these windows out"
    elif how != "time" or by != entry.time:
        what, fix = "targets of earlier rows are in order only under a split by the very time of the windows", f"--split time:{entry.time}"
    elif "since_last" in entry.what:
        what, fix = "how long ago the last row was is no aggregate of the target", "ask for it in windows of their own, without `of`"
    if what:
        why = "it would not be there when serving"
        raise RequestError("TW045", f"the target cannot be aggregated like this: {what}", where=FLAG, why=why, fix=fix)


def _misfit(what: str, why: str, fix: str) -> RequestError:
    return RequestError("TW044", f"these windows cannot be made: {what}", where=FLAG, why=why, fix=fix)
