"""A sheet of a workbook (.xlsx, .xlsm, .xls, .ods) as a table.

Takes    the file's bytes and the name of a sheet; the first sheet that is not empty when none is named.
Gives    a `Scanned`: numbers as they are stored (a formula's last result), dates as date-times, all else as text; what was skipped is said.
Why      calamine reads every format by one road and runs nothing. It rounds numbers that stand among words and drops words that stand among
         numbers, so such columns are read twice, as text and as numbers, and a cell keeps all of what either knows.
Source   ECMA-376 part 1, 18.3.1.4 for cells; https://docs.rs/calamine.
"""

from __future__ import annotations

import io
import logging
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from trainwright.data.sources.delimited import check_names
from trainwright.data.sources.opened import Opened
from trainwright.data.sources.place import Place
from trainwright.data.sources.scanned import in_memory
from trainwright.data.sources.sniff import has_header
from trainwright.errors import SourceError, nearest, need
from trainwright.record.digests import digest_bytes
from trainwright.runtime.cells import BLANKS

if TYPE_CHECKING:
    import polars as pl

_LOCKED: Final = "EncryptedPackage".encode("utf-16-le")
_ERROR_CELL: Final = re.compile(rb"<c\b[^>]*\bt=\"e\"")
_LOOK: Final = 300  # rows in which a header is looked for
_LARGEST: Final = 1 << 30  # bytes of one sheet's XML in which error cells are counted


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Where the table stands in the grid of a sheet; all numbers count from 0 over the sheet."""

    columns: list[int]
    header: int | None  # row
    rows: NDArray[np.int64]  # those of the table
    first: list[str]  # the header's cells


def open_workbook(raw: bytes, place: Place) -> Opened:
    """Read one sheet.

    Raises  SourceError TW066 for a damaged or locked workbook, TW062 for a sheet that is not there, TW024, TW028 and TW029 as for CSV.
    """
    import polars as pl

    notes: list[str] = []
    book = _book(raw, place.path)
    sheet = _sheet(book, place, notes)
    grid = _load(book, sheet, place.path, dtypes="string")
    layout = _layout(grid, place, sheet, notes)
    where = f"{place.path}, sheet {sheet!r}"
    if layout.header is None:
        names = [f"column_{at + 1}" for at in range(len(layout.columns))]
    else:
        names = check_names([layout.first[at].strip(BLANKS) for at in layout.columns], f"{where}, row {layout.header + 1}", notes)
    start = int(layout.rows[0])
    how: dict[str, Any] = {"skip_rows": start, "column_names": [str(at) for at in range(grid.width)]}
    typed = _load(book, sheet, place.path, **how)
    words = grid.slice(start)
    among = [at for at in layout.columns if typed[:, at].dtype == pl.String and _has_numbers(words[:, at])]
    numbers = _load(book, sheet, place.path, **how, dtypes="float") if among else None
    series = []
    for at in layout.columns:
        column = words[:, at] if typed[:, at].dtype == pl.String else _whole(typed[:, at])
        series.append((column if numbers is None or at not in among else _exact(column, numbers[:, at])).gather(layout.rows - start))
    frame = pl.DataFrame([column.alias(name) for column, name in zip(series, names, strict=True)])
    if errors := _error_cells(raw, sheet):
        notes.append(f"{errors:,} cells of the sheet hold an error such as #N/A: they are read as missing")
    details = {"sheet": sheet, "header": layout.header is not None, "first_line": start + 1, "straight": bool((np.diff(layout.rows) == 1).all())}
    return Opened(in_memory(frame), place.path, "excel", digest_bytes(raw), details, tuple(notes))


def sheet_rows(raw: bytes, place: Place) -> NDArray[np.int64]:
    """The row of the sheet, from 1, on which each row of the table stands. (rows,)"""
    book = _book(raw, place.path)
    sheet = _sheet(book, place, [])
    return _layout(_load(book, sheet, place.path, dtypes="string"), place, sheet, []).rows + 1


def _book(raw: bytes, path: str) -> Any:
    fastexcel = need("fastexcel", extra="excel", to=f"read {path}")
    try:
        return fastexcel.read_excel(raw)
    except Exception as error:  # a Rust library: its own errors, and panics that come as other types
        locked = _LOCKED in raw[: 1 << 20] or "password" in str(error).lower()
        raise SourceError(
            "TW066", "the workbook is locked with a password" if locked else "the workbook is damaged, or is none", where=path,
            why="its cells cannot be read", fix="save it without a password" if locked else "open and save it again, or save the sheet as CSV",
        ) from None  # fmt: skip


def _sheet(book: Any, place: Place, notes: list[str]) -> str:
    """The sheet to read. Several that are not empty: the first, said."""
    names: list[str] = list(book.sheet_names)
    if place.sheet is not None:
        if place.sheet in names:
            return place.sheet
        near = nearest(place.sheet, names)
        raise SourceError(
            "TW062", f"there is no sheet {place.sheet!r}", where=f"{place.path}, {len(names)} sheets", why="it was named with --sheet",
            fix=f"did you mean {near!r}?" if near else f"there are: {', '.join(map(repr, names[:20]))}",
        )  # fmt: skip
    full = [name for name in names if _has_cells(_load(book, name, place.path, skip_rows=None, dtypes="string", n_rows=50))]
    if not full:
        raise SourceError("TW024", "no sheet has cells", where=place.path, why="without rows there is nothing to learn", fix="give a sheet with rows")
    if len(full) > 1:
        notes.append(f"the sheet {full[0]!r} is read, the first of {len(full)} that are not empty: {', '.join(map(repr, full[:8]))} (--sheet)")
    return full[0]


def _has_cells(grid: pl.DataFrame) -> bool:
    return any(grid[:, at].null_count() < grid.height for at in range(grid.width))


def _load(book: Any, sheet: str, path: str, **how: Any) -> pl.DataFrame:
    """The used cells from the sheet's first row on (or after `skip_rows`), columns in the order of the sheet."""
    import polars as pl

    try:
        with _silent():
            loaded = book.load_sheet(sheet, **({"header_row": None, "skip_rows": 0, "schema_sample_rows": None} | how))
            return pl.DataFrame(loaded)
    except Exception as error:  # as above
        raise SourceError(
            "TW066", f"the sheet {sheet!r} cannot be read", where=path, why="the workbook is damaged there, or it is no sheet of cells",
            fix="open and save it again, or save the sheet as CSV",
        ) from error  # fmt: skip


@contextmanager
def _silent() -> Iterator[None]:
    """Without fastexcel's remarks on standard error ("could not determine dtype"): what matters, we say."""
    loud, nowhere = logging.getLogger("fastexcel"), logging.NullHandler()
    before = loud.propagate
    loud.addHandler(nowhere)  # its loggers are this one's children: their records end here
    loud.propagate = False
    try:
        yield
    finally:
        loud.removeHandler(nowhere)
        loud.propagate = before


def _layout(grid: pl.DataFrame, place: Place, sheet: str, notes: list[str]) -> _Layout:
    """Find header, rows and columns: what is wholly empty is left out, and so are titles above the header (rows of one cell)."""
    where = f"{place.path}, sheet {sheet!r}"
    filled = (
        np.stack([(grid[:, at].str.strip_chars(BLANKS).fill_null("") != "").to_numpy() for at in range(grid.width)], axis=1) if grid.width else None
    )
    if filled is None or not filled.any():
        raise SourceError("TW024", "the sheet is empty", where=where, why="without rows there is nothing to learn", fix="name another with --sheet")
    full = np.flatnonzero(filled.any(axis=1))
    cells = filled[full].sum(axis=1)
    titles = 0
    while (
        titles < min(_LOOK, len(full) - 1)
        and cells[titles] == 1
        and cells[titles : titles + _LOOK].max() > 1
        and (cells[titles + 1 :] > 1).mean() > 0.5
    ):
        titles += 1
    if titles:
        notes.append(f"{titles} rows of one cell above the table were taken for titles and skipped")
    rows = full[titles:]
    columns = [at for at in range(grid.width) if filled[rows, at].any()]
    records = [["" if cell is None else str(cell) for cell in grid.row(int(row))] for row in rows[:_LOOK]]
    header = has_header([[record[at] for at in columns] for record in records])
    if header and len(rows) < 2:
        raise SourceError("TW024", "the sheet has a header and no rows", where=where, why="without rows there is nothing to learn", fix="give rows")
    if not header:
        notes.append("there is no header row: columns are named column_1, column_2, …")
    table = rows[1:] if header else rows
    if skipped := int(table[-1] - table[0] + 1 - len(table)):
        notes.append(f"{skipped:,} empty rows were skipped")
    return _Layout(columns, int(rows[0]) if header else None, table, records[0] if header else [])


def _has_numbers(words: pl.Series) -> bool:
    import polars as pl

    return bool(words.cast(pl.Float64, strict=False).is_not_null().any())


def _exact(words: pl.Series, numbers: pl.Series) -> pl.Series:
    """Text in which each number has all its digits: only a cell whose text is another number than the cell is written anew, so "007" stays."""
    import polars as pl

    plain = words.cast(pl.Float64, strict=False)
    rounded = (numbers.is_not_null() & plain.is_not_null() & (numbers != plain)).fill_null(False)
    return pl.select(pl.when(rounded).then(numbers.cast(pl.String)).otherwise(words)).to_series()


def _whole(numbers: pl.Series) -> pl.Series:
    """Whole numbers as such, for a workbook stores every number as a float; other columns as they are."""
    import polars as pl

    if numbers.dtype != pl.Float64:
        return numbers
    known = numbers.drop_nulls()
    if len(known) and bool(((known == known.round()) & (known.abs() <= 2**53)).all()):
        return numbers.cast(pl.Int64)
    return numbers


def _error_cells(raw: bytes, sheet: str) -> int:
    """How many cells of a sheet of an .xlsx file hold an error; 0 for the other formats, of which this is not known."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = archive.namelist()
            if "xl/workbook.xml" not in names:
                return 0
            relation = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
            book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
            wanted = next(node.get(relation) for node in book.iter() if node.tag.endswith("}sheet") and node.get("name") == sheet)
            links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
            target = next(str(node.get("Target")) for node in links if node.get("Id") == wanted)
            path = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
            if archive.getinfo(path).file_size > _LARGEST:
                return 0
            return len(_ERROR_CELL.findall(archive.read(path)))
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, StopIteration, NotImplementedError, RuntimeError, ValueError, OSError):
        return 0  # calamine could read it all the same
