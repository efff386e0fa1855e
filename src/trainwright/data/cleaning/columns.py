"""Merging spellings and capping numbers: entries that become rules of a column's schema.

Takes    a typed table and the plan's entries.
Gives    the table with these columns as they are learned from, their schemas with the rules, and what each entry changed.
Why      the runtime reads served values by the schema (runtime/cells.py), so what was merged or capped for training is so for ever.
         A typed column brought into the new form is equal, cell by cell, to the raw column typed by the new schema.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from trainwright.data.cleaning.done import Done, does_not_apply
from trainwright.data.dataset import Described, Table, listing
from trainwright.errors import SourceError, nearest
from trainwright.plan.model import Cap, Fixing, Merge
from trainwright.runtime.cells import all_within, learned_as
from trainwright.runtime.columns import Coded, Column
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.spelling import SPELLINGS, respelled

CLEANED = "cleaned, see the ledger"
MERGED = ("category", "text", "identifier", "constant")  # the words of an ordered category are named in its kind


def clean_columns(table: Table, clean: Sequence[Fixing], *, target: str | None = None) -> tuple[Table, dict[int, Done]]:
    """Carry out the entries that concern columns; `Done` by the entry's place in `clean`.

    Raises   SourceError TW021 for a column that is not there, RequestError TW077 for an entry that does not fit its column.
    """
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
        schema = _merged(place + 1, fix, schema) if isinstance(fix, Merge) else _capped(place + 1, fix, schema, target)
        after = _again(before, schema)
        table = _replaced(table, schema, after)
        done[place] = _merging(fix, before, after) if isinstance(fix, Merge) else _capping(fix, before, after)
    return table, done


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


def _again(column: Column, schema: ColumnSchema) -> Column:
    """The typed column as the new schema reads it."""
    if not isinstance(column, Coded):
        return all_within(column, schema)
    vocabulary: dict[str, int] = {}
    moved = np.full(len(column.vocabulary) + 1, -1, np.int32)  # the last entry is read by code -1
    for code in np.flatnonzero(np.bincount(column.codes[column.codes >= 0], minlength=1)).tolist():
        word = learned_as(column.vocabulary[code], schema)
        if word is not None:
            moved[code] = vocabulary.setdefault(word, len(vocabulary))
    return Coded(moved[column.codes], list(vocabulary))


def _replaced(table: Table, schema: ColumnSchema, column: Column) -> Table:
    described = tuple(_described(d, schema, column) if d.schema.name == schema.name else d for d in table.described)
    return dataclasses.replace(table, described=described, columns={**table.columns, schema.name: column})


def _described(described: Described, schema: ColumnSchema, column: Column) -> Described:
    missing, distinct = counted(column)
    note = described.note if CLEANED in described.note else "; ".join(part for part in (described.note, CLEANED) if part)
    return dataclasses.replace(described, schema=schema, missing=missing, distinct=distinct, note=note)


def counted(column: Column) -> tuple[int, int]:
    """Cells without a value, and how many distinct values there are."""
    if isinstance(column, Coded):
        return int((column.codes < 0).sum()), int(np.count_nonzero(np.bincount(column.codes[column.codes >= 0], minlength=1)))
    known = column[~np.isnan(column)]
    return len(column) - len(known), len(np.unique(known))


def _merging(fix: Merge, before: Column, after: Column) -> Done:
    assert isinstance(before, Coded)
    assert isinstance(after, Coded)
    place = {word: code for code, word in enumerate(after.vocabulary)}
    same = np.array([place.get(word, -2) for word in before.vocabulary] + [-1])  # the last entry is read by code -1
    cells = int((same[before.codes] != after.codes).sum())
    (gaps, words), (more_gaps, fewer) = counted(before), counted(after)
    lost = f", and {more_gaps - gaps:,} cells became missing" if more_gaps > gaps else ""
    said = f"{words:,} words of column {fix.column!r} became {fewer:,} ({cells:,} cells changed{lost}); served rows are read in the same way"
    if not cells:
        said = f"nothing changed: no two words of column {fix.column!r} are spellings of one"
    return Done("merge", fix.because, said, fix.column, cells, cells, figures={"words": [words, fewer]})


def _capping(fix: Cap, before: Column, after: Column) -> Done:
    assert not isinstance(before, Coded)
    assert not isinstance(after, Coded)
    low, high = int((before < after).sum()), int((before > after).sum())
    cells = low + high
    said = f"{cells:,} cells of column {fix.column!r} lay beyond its ends ({low:,} below, {high:,} above); served rows are capped in the same way"
    if not cells:
        said = f"nothing changed: no cell of column {fix.column!r} lies beyond its ends; served rows will be capped"
    return Done("cap", fix.because, said, fix.column, cells, cells, figures={"below": low, "above": high})
