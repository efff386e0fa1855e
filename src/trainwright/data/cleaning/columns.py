"""Merging spellings and capping numbers: entries that become rules of a column's schema.

Takes    a typed table and the plan's entries.
Gives    the table with these columns as they are learned from, their schemas with the rules, and what each entry changed.
Why      the runtime reads served values by the schema (runtime/cells.py), so what was merged or capped for training is so for ever.
         A typed column brought into the new form is equal, cell by cell, to the raw column typed by the new schema.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainwright.data.cleaning.done import Done, does_not_apply
from trainwright.data.dataset import Described, Splits, Table, listing
from trainwright.data.digest import words_used
from trainwright.data.room import Room, blocks
from trainwright.data.stream import counted
from trainwright.data.words import Gathered, pieces_of
from trainwright.errors import SourceError, nearest
from trainwright.plan.model import Cap, Fixing, Merge
from trainwright.runtime.cells import all_within, learned_as
from trainwright.runtime.columns import Coded, Column, Floats
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.spelling import SPELLINGS, respelled

CLEANED = "cleaned, see the ledger"
MERGED = ("category", "text", "identifier", "constant")  # the words of an ordered category are named in its kind


def clean_columns(table: Table, clean: Sequence[Fixing], *, target: str | None = None, room: Room | None = None) -> tuple[Table, dict[int, Done]]:
    """Carry out the entries that concern columns; `Done` by the entry's place in `clean`.

    Takes    `target`, which is merged in all rows, since a merge says what the classes are, and never capped; `room`, for the columns made.
    Raises   SourceError TW021 for a column that is not there, RequestError TW077 for an entry that does not fit its column.
    """
    room = room or Room()
    done: dict[int, Done] = {}
    for place, fix in enumerate(clean):
        if not isinstance(fix, Merge | Cap):
            continue
        if fix.column not in table.columns:
            near = nearest(fix.column, table.columns)
            raise SourceError(
                "TW021",
                f"there is no column {fix.column!r}",
                where=f"clean[{place}]; {table.source.path}, {len(table.columns):,} columns",
                why="the entry would have no effect",
                fix=f"did you mean {near!r}?" if near else listing(table.source.path, table.source.details),
            )
        schema, before = table.schema(fix.column), table.columns[fix.column]
        if isinstance(fix, Merge):
            schema = _merged(place + 1, fix, schema)
            assert isinstance(before, Coded)  # _merged refuses what holds no words
            words, renamed = _respelled(before, schema, room)
            done[place] = _merging(fix, before, words, renamed, target, room)
            table = _replaced(table, schema, words, room)
        else:
            schema = _capped(place + 1, fix, schema, target)
            assert not isinstance(before, Coded)
            numbers: Floats = room.empty(len(before), np.float64)
            for rows in blocks(len(before)):
                numbers[rows] = all_within(before[rows], schema)
            done[place] = _capping(fix, before, numbers)
            table = _replaced(table, schema, numbers, room)
    return table, done


def of_sealed(done: Mapping[int, Done], splits: Splits) -> dict[int, Done]:
    """What entries on columns did, told to the end: how many sealed rows have their target renamed by a merge."""
    told = {}
    for place, entry in done.items():
        if entry.renamed is not None and entry.cells:
            sealed = int(np.isin(entry.renamed, splits.sealed).sum())
            among = f", {sealed:,} sealed ones among them" if splits.design == "sealed" else ""
            said = f"{entry.said}; these are the words for the classes in all rows{among}"
            entry = dataclasses.replace(entry, said=said, figures={**entry.figures, "sealed": sealed})
        told[place] = dataclasses.replace(entry, renamed=None)
    return told


def _merged(number: int, fix: Merge, schema: ColumnSchema) -> ColumnSchema:
    """The schema with the entry's rules and words. Words that were merged by name before are brought into the new form, too."""
    if schema.kind not in MERGED:
        mend = "name its words in --kind COL=ordered:low<high" if schema.kind == "ordered" else f"--kind {schema.name}=category, if it holds words"
        raise does_not_apply(number, "merge", f"column {schema.name!r} was read as {schema.kind}", why="only words have spellings", fix=mend)
    rules = tuple(rule for rule in SPELLINGS if rule in (*schema.spelling, *fix.rule))
    aliases: dict[str, str] = {}
    for variant, kept in (*schema.aliases, *fix.words.items()):
        short, long = respelled(variant, rules, ()), respelled(kept, rules, ())
        if short == long:
            continue
        if aliases.get(short, long) != long:
            why = "one word can be read as one word only"
            raise does_not_apply(number, "merge", "two spellings of one word are merged into different words", why=why, fix="keep one of them")
        aliases[short] = long
    for variant in aliases:
        word, seen = aliases[variant], {variant}
        while word in aliases and word not in seen:
            seen.add(word)
            word = aliases[word]
        if word in seen:
            why = "an earlier entry merges these words the other way round"
            raise does_not_apply(number, "merge", "a word is merged into itself", why=why, fix="keep one of the two entries")
        aliases[variant] = word
    return dataclasses.replace(schema, spelling=rules, aliases=tuple(aliases.items()))


def _capped(number: int, fix: Cap, schema: ColumnSchema, target: str | None) -> ColumnSchema:
    if schema.kind != "number":
        mend = f"--kind {schema.name}=number, if it holds numbers"
        raise does_not_apply(number, "cap", f"column {schema.name!r} was read as {schema.kind}", why="only numbers have ends", fix=mend)
    if schema.name == target:
        why = "the rows by which the model is measured would be capped as well, and the error would look smaller than it is"
        raise does_not_apply(number, "cap", f"column {schema.name!r} is the target", why=why, fix="drop or relabel rows instead")
    lows = [end for end in (schema.low, fix.low) if end is not None]
    highs = [end for end in (schema.high, fix.high) if end is not None]
    low, high = max(lows, default=None), min(highs, default=None)
    if low is not None and high is not None and low >= high:
        why = "an earlier entry caps this column"
        raise does_not_apply(number, "cap", "the two caps leave no room between them", why=why, fix="keep one of the two entries")
    return dataclasses.replace(schema, low=None if low is None else float(low), high=None if high is None else float(high))


def _respelled(column: Coded, schema: ColumnSchema, room: Room) -> tuple[Coded, NDArray[np.bool_]]:
    """The column as the new schema reads it, and (words + 1,) which of its words are read as another, for code −1 False."""
    used = words_used(column)
    moved = np.full(len(used) + 1, -1, np.int32)  # the last entry is read by code -1
    renamed = np.zeros(len(used) + 1, np.bool_)
    gathered = Gathered(room)
    for part, words in pieces_of(column.vocabulary):
        read: list[str] = []
        at: list[int] = []
        for code in (np.flatnonzero(used[part]) + part.start).tolist():
            old = words[code - part.start]
            new = learned_as(old, schema)
            renamed[code] = new != old
            if new is not None:
                read.append(new)
                at.append(code)
        first = gathered.add(read)
        moved[at] = np.arange(first, first + len(read), dtype=np.int32)
    vocabulary, code_of = gathered.unified()
    moved = np.append(code_of, np.int32(-1))[moved]
    codes = room.empty(len(column), np.int32)
    for rows in blocks(len(column)):
        codes[rows] = moved[column.codes[rows]]
    return Coded(codes, vocabulary), renamed


def _replaced(table: Table, schema: ColumnSchema, column: Column, room: Room) -> Table:
    described = tuple(_described(d, schema, column, room) if d.schema.name == schema.name else d for d in table.described)
    return dataclasses.replace(table, described=described, columns={**table.columns, schema.name: column})


def _described(described: Described, schema: ColumnSchema, column: Column, room: Room) -> Described:
    missing, distinct = counted(column, room)
    note = described.note if CLEANED in described.note else "; ".join(part for part in (described.note, CLEANED) if part)
    return dataclasses.replace(described, schema=schema, missing=missing, distinct=distinct, note=note)


def _merging(fix: Merge, before: Coded, after: Coded, renamed: NDArray[np.bool_], target: str | None, room: Room) -> Done:
    cells = sum(int(renamed[before.codes[rows]].sum()) for rows in blocks(len(before)))
    (gaps, words), (more_gaps, fewer) = counted(before, room), counted(after, room)
    lost = f", and {more_gaps - gaps:,} cells became missing" if more_gaps > gaps else ""
    serving = "" if fix.column == target else "; served rows are read in the same way"
    said = f"{words:,} words of column {fix.column!r} became {fewer:,} ({cells:,} cells changed{lost}){serving}"
    if not cells:
        said = f"nothing changed: no two words of column {fix.column!r} are spellings of one"
    rows = np.flatnonzero(renamed[before.codes]) if fix.column == target else None
    return Done("merge", fix.because, said, fix.column, cells, cells, figures={"words": [words, fewer]}, renamed=rows)


def _capping(fix: Cap, before: Floats, after: Floats) -> Done:
    low = sum(int((before[rows] < after[rows]).sum()) for rows in blocks(len(before)))
    high = sum(int((before[rows] > after[rows]).sum()) for rows in blocks(len(before)))
    cells = low + high
    said = f"{cells:,} cells of column {fix.column!r} lay beyond its ends ({low:,} below, {high:,} above); served rows are capped in the same way"
    if not cells:
        said = f"nothing changed: no cell of column {fix.column!r} lies beyond its ends; served rows will be capped"
    return Done("cap", fix.because, said, fix.column, cells, cells, figures={"below": low, "above": high})
