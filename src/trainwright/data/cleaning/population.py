"""The stated target population: a small table of expected shares, and in which of its cells each row lies.

Takes    a file with one column for each feature it speaks of and the column `share`; or the same as a list of cells; or {column: {level: share}}.
         Lines that name the same columns are one margin, and its shares sum to 1: {sex} and {age} are two one-way margins, {sex, age} is a joint one.
         A level is a word, a yes or no, a number, or a range: "<30", ">=65", "30..65" (30 and more, below 65).
Gives    margins: for each, the cell of every row, or −1 where the row is of none of them.
Why      shares are the user's words, so they may be told; what the data holds beside them is counted, never named.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainwright.data.dataset import Table
from trainwright.data.findings.interface import SMALL_GROUP, figure
from trainwright.data.findings.measures import normal_quantile, wilson
from trainwright.data.sources import read_table
from trainwright.errors import RequestError, nearest
from trainwright.runtime.cells import NotTyped, reader_of
from trainwright.runtime.columns import Coded, Floats, Rows
from trainwright.runtime.schema import WORDS, ColumnSchema

SHARE = "share"
ROUNDING = 0.01  # how far the shares of a margin may be from 1 in all: tables are rounded
MOST_CELLS = 2000
LEVEL = 0.05  # the chance that any cell of a margin whose shares are right is told as a gap
RANGE = re.compile(r"\s*(?P<low>[^<>=.]+(?:\.\d+)?)\s*\.\.\s*(?P<high>[^<>=]+?)\s*")
BEYOND = re.compile(r"\s*(?P<sign><=?|>=?)\s*(?P<end>[^<>=]+?)\s*")


@dataclass(frozen=True, slots=True, eq=False)
class Margin:
    """Shares that sum to 1, over the cells of one or several columns; and where the rows lie."""

    columns: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]  # of each cell, one level a column, as the user wrote them
    shares: Floats  # (cells,)
    cell: Rows  # (rows of the table,) the row's cell; −1 for none


def margins_of(population: Any, table: Table) -> tuple[Margin, ...]:
    """The margins of a stated population, with the cell of each row.

    Raises RequestError TW079 for what is no table of shares: a column that is not there, a level that the column cannot have, shares that do
    not sum to 1 or are negative, cells that overlap; SourceError for a file that cannot be read.
    """
    where = population if isinstance(population, str) else "population"
    by_columns: dict[tuple[str, ...], dict[tuple[str, ...], float]] = {}
    for cell, share in _cells(population, where):
        if not cell:
            raise _wrong("a line names no column", where, "a share is the share of something", "name a level in at least one column")
        for name in cell:
            if name not in table.columns:
                near = nearest(name, table.columns)
                raise _wrong(f"there is no column {name!r}", where, "rows could not be told apart by it", f"did you mean {near!r}?" if near else "")
        columns = tuple(name for name in table.columns if name in cell)
        levels = tuple(cell[name] for name in columns)
        cells = by_columns.setdefault(columns, {})
        if levels in cells:
            raise _wrong(f"{_said(columns, levels)} has two shares", where, "only one can hold", "leave one of them out")
        if not 0 <= share <= 1 + ROUNDING:
            raise _wrong(f"the share of {_said(columns, levels)} is {share:g}", where, "a share is between 0 and 1", "write 25 % as 0.25")
        cells[levels] = share
    if not by_columns or sum(map(len, by_columns.values())) > MOST_CELLS:
        raise _wrong("it has no cells, or too many", where, f"from 1 to {MOST_CELLS:,} are compared", "give a table of expected shares")
    return tuple(_margin(columns, cells, table, where) for columns, cells in by_columns.items())


def written_out(population: Any) -> Any:
    """The same population without a file: its lines as cells, so that a plan which carries it means the same tomorrow."""
    if not isinstance(population, str):
        return population
    return tuple({**cell, SHARE: share} for cell, share in _lines(Path(population), population))


def _cells(population: Any, where: str) -> list[tuple[dict[str, str], float]]:
    """(level by column, share) for each line."""
    if isinstance(population, str):
        return _lines(Path(population), where)
    if isinstance(population, Mapping):
        return [({column: str(level)}, float(share)) for column, shares in population.items() for level, share in shares.items()]
    return [({name: str(level) for name, level in line.items() if name != SHARE}, float(line[SHARE])) for line in population]


def _lines(path: Path, where: str) -> list[tuple[dict[str, str], float]]:
    names = [d.schema.name for d in read_table(path).described]
    if SHARE not in names or len(names) < 2:
        raise _wrong("it has no column 'share' beside others", where, "nothing says what is to be expected", "name the column of the shares: share")
    kinds = {name: "number" if name == SHARE else "category" for name in names}
    columns = read_table(path, kinds=kinds).columns
    shares = columns[SHARE]
    assert not isinstance(shares, Coded)
    words = {name: column.words() for name, column in columns.items() if isinstance(column, Coded)}
    if np.isnan(shares).any():
        raise _wrong(f"line {int(np.isnan(shares).argmax()) + 1} has no share", where, "nothing says what is to be expected", "fill it in")
    return [({name: word for name in words if (word := words[name][row]) is not None}, float(share)) for row, share in enumerate(shares.tolist())]


def _margin(columns: tuple[str, ...], cells: dict[tuple[str, ...], float], table: Table, where: str) -> Margin:
    shares = np.array(list(cells.values()))
    total = float(shares.sum())
    if abs(total - 1) > ROUNDING:
        mend = "write 25 % as 0.25" if abs(total - 100) < 1 else "name every cell of the population, the others together if need be"
        raise _wrong(f"the shares by {' × '.join(columns)} sum to {total:.4g}, not to 1", where, "they are the shares of all", mend)
    told = [_told_apart(table, name, tuple(dict.fromkeys(levels[at] for levels in cells)), where) for at, name in enumerate(columns)]
    numbers = [{level: number for number, level in enumerate(dict.fromkeys(levels[at] for levels in cells))} for at in range(len(columns))]
    cell = _placed([tuple(known[level] for known, level in zip(numbers, levels, strict=True)) for levels in cells], told)
    return Margin(columns, tuple(cells), shares / total, cell)


def _placed(cells: Sequence[tuple[int, ...]], told: Sequence[Rows]) -> Rows:
    """(rows,) which of the cells each row lies in, −1 for none.

    Takes    each cell's level numbers, one a column, no two alike; for each column (rows,) the row's level number, −1 for none of them.
    Why      column after column, and only beginnings that a cell has are numbered: of four columns of 200 levels there may be 1.6 billion
             combinations, and a population has at most MOST_CELLS.
    """
    at = np.zeros(len(told[0]), np.int64)
    numbered: dict[tuple[int, ...], int] = {(): 0}  # what the cells begin with, as far as the columns were looked at
    for width, codes in enumerate(told, start=1):
        size = 1 + max(cell[width - 1] for cell in cells)
        keys = {cell[:width]: numbered[cell[: width - 1]] * size + cell[width - 1] for cell in cells}
        ordered = np.array(sorted(set(keys.values())))
        key = np.where((at >= 0) & (codes >= 0), at * size + codes, -1)
        place = np.minimum(np.searchsorted(ordered, key), len(ordered) - 1)
        at = np.where(ordered[place] == key, place, -1)
        numbered = {beginning: int(np.searchsorted(ordered, key)) for beginning, key in keys.items()}
    number = np.full(len(cells) + 1, -1, np.int64)  # the last entry is read by −1
    number[[numbered[cell] for cell in cells]] = np.arange(len(cells))
    return np.asarray(number[at])


def _told_apart(table: Table, name: str, levels: Sequence[str], where: str) -> Rows:
    """(rows,) the number of the level that each row's value is, −1 where it is none of them."""
    schema, column = table.schema(name), table.columns[name]
    found = np.full(table.rows, -1, np.int64)
    if isinstance(column, Coded):
        words: dict[str | None, int] = {}
        for number, level in enumerate(levels):
            word = reader_of(schema)(level, schema)
            if word in words:
                raise _wrong(f"two levels of {name!r} are one word as the column is read", where, "a row would lie in both", "add their shares up")
            words[word] = number
        return np.array([words.get(word, -1) for word in column.vocabulary] + [-1], np.int64)[column.codes]
    for number, level in enumerate(levels):
        inside = _inside(column, level, schema, where)
        if (inside & (found >= 0)).any():
            what = f"the level {level!r} of {name!r} overlaps another one"
            raise _wrong(what, where, "a row would lie in both", "make ranges meet without overlap: 30..65 is 30 and more, below 65")
        found[inside] = number
    return found


def _inside(values: Floats, level: str, schema: ColumnSchema, where: str) -> NDArray[np.bool_]:
    """Which values a level of a column of numbers means; missing ones never."""

    def read(text: str) -> float:
        number: float = reader_of(schema)(text, schema)
        if math.isnan(number):
            raise NotTyped("a value")
        return number

    ranged = schema.kind not in (*WORDS, "yesno")
    try:
        if ranged and (beyond := BEYOND.fullmatch(level)):
            end = read(beyond["end"])
            return {"<": values < end, "<=": values <= end, ">": values > end, ">=": values >= end}[beyond["sign"]]
        if ranged and (between := RANGE.fullmatch(level)):
            low, high = read(between["low"]), read(between["high"])
            if low >= high:
                raise NotTyped("a range")
            return np.asarray((values >= low) & (values < high))
        return np.asarray(values == read(level))
    except NotTyped:
        what = f"the level {level!r} is nothing that column {schema.name!r} can have"
        mend = "write a number or a range: <30, 30..65, >=65" if ranged else "write yes or no as the column does"
        raise _wrong(what, where, f"the column was read as {schema.kind}", mend) from None


def _said(columns: Sequence[str], levels: Sequence[str]) -> str:
    return " and ".join(f"{name} {level!r}" for name, level in zip(columns, levels, strict=True))


def _wrong(what: str, where: str, why: str, fix: str) -> RequestError:
    return RequestError("TW079", f"the stated population cannot be read: {what}", where=f"population; {where}", why=why, fix=fix)


def coverage(margins: Sequence[Margin], rows: Rows, weight: Floats | None) -> dict[str, Any]:
    """How the rows compare with the population: for each cell the share expected and found, with its interval.

    Takes    `rows`, those that are looked at; `weight` (all rows,) by which they count, or None.
    Gives    JSON: {"rows", "effective" number of rows after Kish, "margins": [{"columns", "inside" rows, "cells": [{"levels", "expected", "found",
             "low", "high", "rows", "gap"}]}]}; `gap` is "few", "many", "absent" or "": beyond the interval, corrected for the number of cells.
             Where 1 to 9 rows lie in a cell, found and rows are None, and so are its ends.
    Source   Wilson's interval at the effective number of rows; Kish (1965), Survey Sampling, section 11.7; Bonferroni over the margin's cells.
    """
    weights = np.ones(len(rows)) if weight is None else weight[rows]
    told = []
    for margin in margins:
        cell = margin.cell[rows]
        inside = cell >= 0
        cells = len(margin.shares)
        counts = np.bincount(cell[inside], minlength=cells)
        sums = np.bincount(cell[inside], weights=weights[inside], minlength=cells)
        n, z = effective(weights[inside]), normal_quantile(LEVEL / max(1, cells))
        entries = []
        for number, levels in enumerate(margin.levels):
            entry: dict[str, Any] = {"levels": list(levels), "expected": figure(float(margin.shares[number])), "gap": ""}
            count = int(counts[number])
            if inside.any():
                part = float(sums[number] / sums.sum())
                low, high = wilson(part * n, n, z)
                expected = float(margin.shares[number])
                if count == 0:
                    entry["gap"] = "absent" if expected > 0 else ""
                elif not low <= expected <= high:
                    entry["gap"] = "few" if part < expected else "many"
                small = 0 < count < SMALL_GROUP
                entry |= {"found": None, "low": None, "high": None} if small else {"found": figure(part), "low": figure(low), "high": figure(high)}
            else:
                entry |= {"found": 0.0, "low": None, "high": None, "gap": "absent" if margin.shares[number] > 0 else ""}
            entries.append(entry | {"rows": None if 0 < count < SMALL_GROUP else count})
        told.append({"columns": list(margin.columns), "inside": int(inside.sum()), "cells": entries})
    return {"rows": len(rows), "effective": figure(effective(weights)), "margins": told}


def effective(weights: Floats) -> float:
    """How many equally weighted rows would carry as much: (Σw)² / Σw². Source: Kish (1965)."""
    squares = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0
