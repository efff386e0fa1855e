"""Where a row stands in its source: the line of a text file, the row of a sheet, the file of a folder. What errors name.

Takes    a `Source` (as it was read, or as a run has kept it) and a row number from 0.
Gives    the line or row from 1, or the place in words. A file is read again only where its rows are not simply one line each.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainwright.data.dataset import Source
from trainwright.data.room import STREAMED
from trainwright.data.sources.delimited import csv_records, scan, text_of
from trainwright.data.sources.excel import sheet_rows
from trainwright.data.sources.jsonlines import json_lines
from trainwright.data.sources.place import Place
from trainwright.errors import TrainwrightError
from trainwright.record.digests import digest_bytes


def line_of(source: Source, row: int) -> int | None:
    """The line of the file (the row of the sheet) on which a row begins, counted from 1.

    None when the source has no lines, is a folder (`place_of_row` names the file as well), or is gone or changed.
    """
    if source.format not in ("csv", "json", "excel") or "parts" in source.details or not 0 <= row < source.rows:
        return None
    if source.details.get("straight"):
        return int(source.details["first_line"]) + row
    if not Path(source.path).is_file() or Path(source.path).stat().st_size > STREAMED:
        return None  # the lines would have to be counted in memory
    try:
        lines = _lines(source.path, source.format, source.digest, bool(source.details.get("irregular")), str(source.details.get("sheet", "")))
    except (OSError, TrainwrightError):
        return None
    return int(lines[row]) if row < len(lines) else None


def place_of_row(source: Source, row: int) -> str:
    """In words: "file:line", the row of a sheet, or the row's number where there are no lines. Of a folder, the file in it."""
    if "parts" in source.details:
        start = 0
        for part in source.details["parts"]:
            if row < start + part["rows"]:
                return place_of_row(part_of(source, part), row - start)
            start += part["rows"]
    line = line_of(source, row)
    if line is None:
        return f"{source.path}, row {row}"
    return f"{source.path}, sheet {source.details['sheet']!r}, row {line}" if source.format == "excel" else f"{source.path}:{line}"


def part_of(source: Source, part: dict[str, Any]) -> Source:
    """One file of a folder, as a source of its own."""
    return Source(str(Path(source.path) / part["name"]), source.format, part["digest"], part["rows"], source.columns, part["details"])


@lru_cache(maxsize=2)
def _lines(path: str, format_: str, digest: str, irregular: bool, sheet: str) -> NDArray[np.int64]:
    """The line of each row, by reading the file again: only where cells span lines, or lines are empty."""
    raw = Path(path).read_bytes()
    if digest_bytes(raw) != digest:
        return np.empty(0, dtype=np.int64)
    if format_ == "json":
        return json_lines(raw, path)
    if format_ == "excel":
        return sheet_rows(raw, Place(path, sheet=sheet))
    data, dialect = text_of(raw, path)
    if irregular:
        return np.array([line for _, line in csv_records(data, dialect)], dtype=np.int64)[int(dialect.header) :]
    found = scan(data, dialect)
    return found.lines[~found.blank][int(dialect.header) :] + dialect.skipped
