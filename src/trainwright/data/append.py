"""A table of given test rows after the table that is learned from.

Takes    two typed tables, the second read by the first one's schema.
Gives    one table; and two columns of words as one, which prediction needs for its batches as well.
"""

from __future__ import annotations

import dataclasses
from typing import NoReturn

import numpy as np

from trainwright.data.dataset import Described, Table
from trainwright.data.room import Room, blocks
from trainwright.data.stream import counted
from trainwright.data.words import Gathered, pieces_of
from trainwright.errors import SourceError, nearest
from trainwright.runtime.columns import Coded, Column, Floats


def append(table: Table, test: Table, room: Room | None = None) -> Table:
    """The rows of `test` after those of `table`, column by column; columns that `table` does not have are left out (or were not read): that is noted.

    Takes    `room`, for the joined arrays and vocabularies.
    Raises SourceError TW039 when a column is missing in `test` or was typed as something else there.
    """
    room = room or Room()
    columns: dict[str, Column] = {}
    for name, column in table.columns.items():
        if name not in test.columns:
            near = nearest(name, test.columns)
            _misfit(
                test, f"the test table has no column {name!r}", f"is it {near!r}? rename it" if near else "add the column, empty if nothing is known"
            )
        other = test.columns[name]
        if isinstance(column, Coded) and isinstance(other, Coded):
            columns[name] = joined_words(column, other, room)
        elif isinstance(column, Coded) or isinstance(other, Coded):
            kinds = f"{table.schema(name).kind} in the training table, {test.schema(name).kind} in the test table"
            _misfit(test, f"column {name!r} is {kinds}", f"say how to read it: --kind {name}=KIND")
        else:
            columns[name] = _joined(column, other, room)
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
    described = tuple(_described_again(d, columns[d.schema.name], room) for d in table.described)
    return Table(joined, described, columns)


def _misfit(test: Table, what: str, fix: str) -> NoReturn:
    raise SourceError("TW039", what, where=test.source.path, why="the test rows must be read just like the training rows", fix=fix)


def joined_words(first: Coded, second: Coded, room: Room | None = None) -> Coded:
    """Two coded columns as one; new words go to the end of the vocabulary."""
    room = room or Room()
    gathered = Gathered(room)
    for words in (first.vocabulary, second.vocabulary):
        for _, piece in pieces_of(words):
            gathered.add(piece)
    vocabulary, code = gathered.unified()  # the first column's words keep their codes
    moved = np.append(code[len(first.vocabulary) :], np.int32(-1))  # code -1 reads the last entry
    codes = room.empty(len(first) + len(second), np.int32)
    codes[: len(first)] = first.codes
    for rows in blocks(len(second)):
        codes[len(first) + rows.start : len(first) + rows.stop] = moved[second.codes[rows]]
    return Coded(codes, vocabulary)


def _joined(first: Floats, second: Floats, room: Room) -> Floats:
    numbers: Floats = room.empty(len(first) + len(second), np.float64)
    numbers[: len(first)], numbers[len(first) :] = first, second
    return numbers


def _described_again(described: Described, column: Column, room: Room) -> Described:
    missing, distinct = counted(column, room)
    return dataclasses.replace(described, missing=missing, distinct=distinct)
