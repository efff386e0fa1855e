"""A delimited text file as columns of text cells, every structural fault refused with its line.

Takes    the file's bytes (gzip is unpacked).
Gives    a `Scanned` whose columns are all text, the `Dialect`, and notes on what was done to odd input.
Why      Polars reads a million rows in a second, but fills short rows silently; one pass over the bytes counts the fields of every record first.
         Where that pass shows that each record is one line and its quotes stand as they should, the text alone is kept, and columns are
         made of it when asked for. Else all cells are read at once; where the quoting is irregular, Python's csv module, slower and more
         lenient, has the last word.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from trainwright.data.sources.scanned import Scanned, batch_of, in_memory
from trainwright.data.sources.sniff import SINGLE, Dialect, long_cells, refuse_magic, sniff, to_utf8
from trainwright.errors import SourceError
from trainwright.runtime.cells import BLANKS

if TYPE_CHECKING:
    import polars as pl

_CHUNK = 1 << 24
MARK = b"\xef\xbb\xbf"  # a byte-order mark within the text
_READINGS = 4  # batches of columns, each of which is a pass over the text; a column is read twice at most, so 8 passes


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A text table before typing."""

    scanned: Scanned  # all text; null for an empty cell
    dialect: Dialect
    notes: tuple[str, ...]
    details: dict[str, Any]


def unpack(data: bytes, path: str) -> tuple[bytes, bool]:
    """The content of a gzip file; other bytes as they are. Raises SourceError TW035 for a damaged archive."""
    if not data.startswith(b"\x1f\x8b"):
        return data, False
    parts: list[bytes] = []
    try:
        while data:  # a gzip file may have several members
            unpacker = zlib.decompressobj(wbits=31)
            parts.append(unpacker.decompress(data))
            if not unpacker.eof:
                raise zlib.error("cut off")
            data = unpacker.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise SourceError(
            "TW035", "the gzip file is damaged or cut off", where=path, why="only a part of the rows could be read", fix="copy or download it again"
        ) from error
    return b"".join(parts), True


def text_of(raw: bytes, path: str) -> tuple[bytes, Dialect]:
    """The file as UTF-8 from its header on, and how it is written. Raises SourceError (TW023, TW026, TW027, TW035)."""
    data, _ = unpack(raw, path)
    refuse_magic(data, path)
    data, encoding, bom = to_utf8(data, path)
    dialect = sniff(data, encoding, bom)
    if dialect.skipped:
        data = data.split(b"\n", 1)[1]
    if not data.strip():
        raise nothing_in(path)
    return data, dialect


def nothing_in(path: str) -> SourceError:
    """The error for a file without any text."""
    return SourceError(
        "TW023",
        "the file is empty",
        where=path,
        why="without rows there is nothing to learn",
        fix="was the export finished? give a file with a header and rows",
    )


def no_rows(path: str) -> SourceError:
    """The error for a file that ends after its header."""
    return SourceError(
        "TW024",
        "the file has a header and no rows",
        where=path,
        why="without rows there is nothing to learn",
        fix="was the export finished? give a file with rows",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Where the records of a text lie, by one pass over the bytes that knows nothing of cells."""

    ends: NDArray[np.int64]  # (records,) position of the line end that closes each record
    widths: NDArray[np.int64]  # (records,) fields
    lines: NDArray[np.int64]  # (records,) the line on which each record begins, from 1
    blank: NDArray[np.bool_]  # (records,) empty lines
    closed: bool  # whether quotes are balanced
    simple: bool  # whether each record is one line, and quotes stand only at both ends of a cell or doubled within


def scan(data: bytes, dialect: Dialect) -> Scan:
    """Find the records: line ends and delimiters that stand outside quotes, by the parity of the quotes before them."""
    stretches = list(stretches_of(data, dialect, _CHUNK))
    last = stretches[-1]
    end, delimiters, line = (np.concatenate([getattr(stretch, name) for stretch in stretches]) for name in ("ends", "delimiters", "newlines"))
    if not len(end) or end[-1] != len(data) - 1:  # the last record has no line end
        end, delimiters, line = np.append(end, len(data)), np.append(delimiters, last.seen), np.append(line, last.lines + 1)
    starts = np.append(-1, end[:-1]) + 1
    simple = last.simple and last.parity == 0 and last.lines + (data[-1:] != b"\n") == len(end)
    return Scan(end, np.diff(delimiters, prepend=0) + 1, np.append(0, line[:-1]) + 1, starts == end, last.parity == 0, simple)


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The records that end in one stretch of a text, and what was seen from the text's beginning to the stretch's end."""

    ends: NDArray[np.int64]  # (records,) position of the line end
    delimiters: NDArray[np.int64]  # (records,) delimiters outside quotes before it
    newlines: NDArray[np.int64]  # (records,) line ends up to it, those within quotes and itself included
    seen: int  # delimiters
    lines: int  # line ends
    parity: int  # of the quotes: 1 within a cell
    simple: bool  # whether all quotes stood in their place


def stretches_of(data: Any, dialect: Dialect, size: int, start: int = 0) -> Iterator[Stretch]:
    """The stretches of a text (any buffer) from `start` on, `size` bytes each; one at least."""
    bytes_ = np.frombuffer(data, dtype=np.uint8)
    quote, delimiter = ord(dialect.quote), ord(dialect.delimiter)
    quoted = data.find(dialect.quote.encode(), start) >= 0
    parity, seen, lines, simple = 0, 0, 0, True
    for at in range(start, max(len(bytes_), start + 1), size):
        chunk = bytes_[at : at + size]
        line_ends, marks = chunk == 10, chunk == delimiter
        at_all = np.flatnonzero(line_ends)
        if quoted and len(chunk):
            simple = simple and _in_place(bytes_, np.flatnonzero(chunk == quote) + at, parity, delimiter)
            inside = (np.cumsum(chunk == quote, dtype=np.uint8) + np.uint8(parity)) & 1  # wraps at 256, which keeps the parity
            parity = int(inside[-1])
            outside = inside == 0
            line_ends, marks = line_ends & outside, marks & outside
        ends, fields = np.flatnonzero(line_ends), np.flatnonzero(marks)
        before = np.searchsorted(fields, ends) + seen
        newlines = np.searchsorted(at_all, ends, side="right") + lines
        seen, lines = seen + len(fields), lines + len(at_all)
        yield Stretch(ends + at, before, newlines, seen, lines, parity, simple)


def _in_place(bytes_: NDArray[np.uint8], at: NDArray[np.int64], parity: int, delimiter: int) -> bool:
    """Whether quotes (at these places) that open stand after a delimiter, a line end or a quote, and those that close before one."""
    opens = (np.arange(len(at)) + parity) % 2 == 0
    beside = np.where(opens, at - 1, at + 1)
    ends = (beside < 0) | (beside >= len(bytes_))
    byte = bytes_[np.where(ends, at, beside)]
    return bool((ends | (byte == delimiter) | (byte == 10) | (byte == bytes_[at])).all())


def read_delimited(data: bytes, dialect: Dialect, path: str) -> Text:
    """Find the records of a delimited text, and how to read its columns. Raises SourceError TW024, TW025, TW028, TW029, TW037."""
    found = scan(data, dialect)
    notes: list[str] = []
    tidy = data
    if (empty := int(found.blank.sum())) and found.closed:
        kept = np.ones(len(data), dtype=np.bool_)
        kept[found.ends[found.blank & (found.ends < len(data))]] = False
        inner = int((found.blank & (found.ends < found.ends[~found.blank][-1])).sum())
        tidy = np.frombuffer(data, dtype=np.uint8)[kept].tobytes()
        notes += [f"{inner} empty lines were skipped"] if inner else []
    widths = found.widths[~found.blank]
    regular = found.closed and bool((widths == widths[0]).all())
    width, rows = int(widths[0]), len(widths) - dialect.header
    first = next(csv_records(tidy, dialect))[0]
    whole = None  # all cells, where they have to be read at once
    lazy = regular and found.simple and len(first) == width and MARK not in tidy  # Polars takes a mark away and may see an empty line
    if regular and not lazy:
        body = tidy[_header_end(tidy, dialect) :] if dialect.header else tidy
        whole = by_polars(body, dialect, [str(at) for at in range(width)], width, rows)
    irregular = not lazy and (whole is None or (dialect.header and len(first) != width))
    if irregular:
        first, whole = _by_csv(data, dialect, path, found)
        width, rows = whole.width, whole.height
        notes.append("the quoting is irregular: read cell by cell")
    names = names_of(first, f"{path}:{1 + dialect.skipped}", notes) if dialect.header else [f"column_{at + 1}" for at in range(width)]
    if not rows:
        raise no_rows(path)
    straight = not empty and not irregular and bool((np.diff(found.lines) == 1).all())
    details = details_of(dialect, irregular=irregular, straight=straight)
    if whole is None:
        scanned = _scanned(tidy, dialect, names, rows)
    else:
        whole.columns = names
        scanned = in_memory(whole)
    return Text(scanned, dialect, tuple(told_of_dialect(dialect) + notes), details)


def details_of(dialect: Dialect, *, irregular: bool, straight: bool) -> dict[str, Any]:
    """`Source.details` of a text: how it is written, and what helps to find a row's line again."""
    return {
        "delimiter": "none" if dialect.delimiter == SINGLE else dialect.delimiter, "encoding": dialect.encoding, "quote": dialect.quote,
        "header": dialect.header,
        "first_line": 1 + dialect.skipped + dialect.header, "irregular": irregular,
        "straight": straight,
    }  # fmt: skip


def told_of_dialect(dialect: Dialect) -> list[str]:
    """What was unusual about the file, in words."""
    name = {"\t": "tab", ";": "semicolon", "|": "pipe", ":": "colon", " ": "space"}.get(dialect.delimiter)
    notes = [f"the delimiter is a {name}"] if name else []
    if dialect.encoding != "utf-8" or dialect.bom:
        notes.append(f"the encoding is {dialect.encoding.upper()}" + (" with a byte-order mark" if dialect.bom else ""))
    if dialect.quote != '"':
        notes.append("cells are quoted with '")
    if not dialect.header:
        notes.append("there is no header line: columns are named column_1, column_2, …")
    return notes


def _scanned(data: bytes, dialect: Dialect, names: list[str], rows: int) -> Scanned:
    """The columns of a text that `scan` calls simple: each reading is a pass over it in which only the cells of some columns are made."""
    import polars as pl

    places = {name: str(at) for at, name in enumerate(names)}

    def read(wanted: Sequence[str]) -> pl.DataFrame:
        frame = by_polars(data, dialect, [places[name] for name in wanted], len(names), rows, skip=int(dialect.header))
        assert frame is not None  # a line is a record for both, and all have the same number of fields
        frame.columns = list(wanted)
        return frame

    return Scanned(dict.fromkeys(names, pl.String()), rows, read, batch_of(len(names), rows, readings=_READINGS))


def _header_end(data: bytes, dialect: Dialect) -> int:
    """Where the second record begins."""
    start = int(scan(data[: 1 << 20], dialect).ends[0]) + 1
    return start if start <= 1 << 20 else int(scan(data, dialect).ends[0]) + 1  # a header of more than 1 MiB


def by_polars(data: bytes, dialect: Dialect, wanted: list[str], width: int, rows: int, *, skip: int = 0) -> pl.DataFrame | None:
    """Some columns (by number, as text) of a text without empty lines, after `skip` lines.

    Gives None when Polars sees another structure than the scan did.
    """
    import polars as pl

    schema = {f"{at}": pl.String for at in range(width)}
    if not rows:
        return pl.DataFrame(schema=schema).select(wanted)
    try:
        text = pl.scan_csv(
            data, has_header=False, skip_lines=skip, schema=schema, separator=dialect.delimiter, quote_char=dialect.quote, encoding="utf8",
            truncate_ragged_lines=False,
        )  # fmt: skip
        frame = text.select(wanted).collect()
    except pl.exceptions.PolarsError:
        return None
    return frame if frame.height == rows else None


def csv_records(data: bytes, dialect: Dialect) -> Iterator[tuple[list[str], int]]:
    """Each record that is not empty and the line on which it begins, by the csv module; decodes no more than is read."""
    return csv_records_of(io.BytesIO(data), data[: 1 << 20], dialect)


def csv_records_of(file: BinaryIO, head: bytes, dialect: Dialect) -> Iterator[tuple[list[str], int]]:
    """The same for a file, of which `head` are the first bytes."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    loose = f"{dialect.delimiter} {dialect.quote}".encode() in head  # "a, "b"": a blank before the quote
    line = 1
    with long_cells():
        reader = csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote, skipinitialspace=loose)
        for record in reader:
            if record:
                yield record, line + dialect.skipped
            line = reader.line_num + 1


def _by_csv(data: bytes, dialect: Dialect, path: str, found: Scan) -> tuple[list[str], pl.DataFrame]:
    """The lenient road, and the one that names the ragged lines: the first record, and the rows. Raises SourceError TW025 or TW037."""
    import polars as pl

    pairs = list(csv_records(data, dialect))
    records, lines = [record for record, _ in pairs], [line for _, line in pairs]
    width = len(records[0])
    wrong = [(line, len(record)) for line, record in zip(lines, records, strict=True) if len(record) != width]
    if not found.closed:
        refuse_open_quote(records[-1], lines[-1], len(records), dialect, path)
    if wrong:
        raise ragged(width, wrong[:3], len(wrong), path)
    columns = list(zip(*records[dialect.header :], strict=True)) or [()] * width
    return records[0], pl.DataFrame([pl.Series(f"{at}", column, dtype=pl.String) for at, column in enumerate(columns)])


def refuse_open_quote(last: list[str], line: int, records: int, dialect: Dialect, path: str) -> None:
    """Raises SourceError TW037 when the last record of a text whose quotes are not balanced swallowed lines."""
    lost = last[-1].count("\n") if last else 0
    if lost > 1 and records > 1:
        raise SourceError(
            "TW037", f"a quotation mark that opens a cell on line {line} is never closed", where=f"{path}:{line}",
            why=f"{lost:,} lines would become one cell",
            fix=f"close the quote, or double it ({dialect.quote * 2}) where it is part of the text",
        )  # fmt: skip


def ragged(width: int, first: Sequence[tuple[int, int]], count: int, path: str) -> SourceError:
    """The error for `count` records of another width than the first; of the first few, the line and the number of fields."""
    shown = "; ".join(f"line {line} has {fields}" for line, fields in first) + (f"; and {count - 3:,} more lines" if count > 3 else "")
    return SourceError(
        "TW025", f"the rows are ragged: the first line has {width} fields, {shown}", where=f"{path}:{first[0][0]}",
        why="cells would slip into the wrong column", fix="quote cells that contain the delimiter, or fill the short rows",
    )  # fmt: skip


def names_of(first: list[str], where: str, notes: list[str]) -> list[str]:
    """The column names of a header. Raises SourceError TW028 for repeated names, TW029 for empty ones."""
    names = [name.strip(BLANKS) for name in first]
    if blanks := sum(name != bare for name, bare in zip(first, names, strict=True)):
        notes.append(f"blanks around {blanks} column names were removed")
    return check_names(names, where, notes)


def check_names(names: list[str], where: str, notes: list[str]) -> list[str]:
    """The names of columns, of which a first empty one (pandas' index) becomes "Unnamed: 0". Raises SourceError TW028, TW029."""
    if names and not names[0] and "Unnamed: 0" not in names and len(names) > 1:
        names = ["Unnamed: 0", *names[1:]]
        notes.append("the first column has no name: taken as row numbers, called 'Unnamed: 0'")
    if empty := [at for at, name in enumerate(names, start=1) if not name]:
        places = ", ".join(map(str, empty[:5])) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
        raise SourceError(
            "TW029",
            f"columns without a name: number {places}",
            where=where,
            why="a column is known by its name, here and when the model serves",
            fix="name them in the first line",
        )
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        places = ", ".join(str(at) for at, name in enumerate(names, start=1) if name == repeated[0])
        raise SourceError(
            "TW028",
            f"the column name {repeated[0]!r} stands {names.count(repeated[0])} times"
            + (f"; {len(repeated) - 1} more repeat" if repeated[1:] else ""),
            where=f"{where}, columns {places}", why="which of them is meant cannot be known",
            fix="rename or remove all but one",
        )  # fmt: skip
    return names
