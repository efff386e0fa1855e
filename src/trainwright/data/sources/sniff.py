"""What a text file is: its encoding, delimiter, quote mark and header, found out from its bytes.

Takes    the bytes of a file (already unpacked).
Gives    the same text as UTF-8 with "\\n" line ends, and a `Dialect`. Refuses, with the reason, what is no text table.
Why      a user's file rarely says how it was written; what was found is printed, so that a wrong guess is seen.
Source   the byte-order marks of the Unicode Standard, section 23.8; RFC 4180 for quoting.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from trainwright.errors import SourceError
from trainwright.runtime.cells import number_of
from trainwright.runtime.schema import ColumnSchema

MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG", "a PNG image"), (b"\xff\xd8\xff", "a JPEG image"), (b"GIF8", "a GIF image"), (b"%PDF", "a PDF document"), (b"II*\0", "a TIFF image"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook"), (b"\xd0\xcf\x11\xe0", "an old Excel or Word document"),
    (b"SQLite format 3", "an SQLite database"),
    (b"RIFF", "a sound or image file"), (b"OggS", "a sound file"), (b"fLaC", "a sound file"), (b"ID3", "a sound file"), (b"ARROW1", "an Arrow file"),
    (b"\x89HDF", "an HDF5 file"), (b"BZh", "a bzip2 archive"), (b"\xfd7zXZ", "an xz archive"), (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"7z\xbc\xaf", "a 7z archive"), (b"\x7fELF", "a program"), (b"\x80\x02", "a Python pickle"), (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04\x95", "a Python pickle"), (b"\x80\x05\x95", "a Python pickle"), (b"\x93NUMPY", "a numpy array"), (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
)  # fmt: skip
MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
DELIMITERS: Final = (",", "\t", ";", "|", ":", " ")
SINGLE: Final = "\x1f"  # stands for "no delimiter": the file has one column
_SAMPLE: Final = 1 << 16
_PIECE: Final = 1 << 22
_PLAIN: Final = ColumnSchema(name="", kind="number")
_COMMA: Final = ColumnSchema(name="", kind="number", decimal=",")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text table is written."""

    encoding: str  # "utf-8", "utf-16", "cp1252" …
    bom: bool
    delimiter: str  # one character; SINGLE for one column
    quote: str
    header: bool
    skipped: int  # lines before the header ("sep=;")


def refuse_magic(data: bytes, path: str) -> None:
    """Raises SourceError TW027 when the first bytes are those of a known kind of file that is no text."""
    for magic, what in MAGIC:
        if data.startswith(magic) and (len(magic) > 3 or not data[:512].isascii() or b"\0" in data[:512] or magic == b"BZh"):
            raise SourceError(
                "TW027", f"this is {what}, not a table", where=path, why="its first bytes say so, whatever its name says",
                fix="give it the ending of what it is (.xlsx, .db), or save the table as CSV or Parquet",
            )  # fmt: skip
    if re.match(rb"\s*<(!doctype html|html|\?xml)", data[:200].lower()):
        raise SourceError(
            "TW027",
            "this is a web page or XML, not a table",
            where=path,
            why="its first bytes say so",
            fix="was a login page downloaded in the place of the file?",
        )


def to_utf8(data: bytes, path: str) -> tuple[bytes, str, bool]:
    """The text as UTF-8 without a byte-order mark and with "\\n" line ends, its encoding, and whether it had a mark.

    Raises SourceError TW026 for NUL bytes (in what is not UTF-16 or UTF-32), TW035 for damaged text.
    """
    if marked := mark_of(data):
        unmarked = _decoded(data, "utf-8-sig" if marked[0] == "utf-8" else marked[0], path).encode()
        return _lines(no_nul(unmarked, path)), *marked
    if encoding := wide_of(data[:4096]):
        return _lines(no_nul(_decoded(data, encoding, path).encode(), path)), encoding, False
    no_nul(data, path)
    if data.isascii():
        return _lines(data), "utf-8", False
    if _is_utf8(data):
        return _lines(data), "utf-8", False
    for encoding in ("cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return _lines(text.encode()), encoding, False
    raise AssertionError("latin-1 decodes anything")


def mark_of(head: bytes) -> tuple[str, bool] | None:
    """The encoding that a byte-order mark at the beginning names, and True; None without one."""
    return next(((encoding, True) for mark, encoding in MARKS if head.startswith(mark)), None)


def wide_of(head: bytes) -> str:
    """UTF-16 without a mark, by its first bytes: every second byte of Latin letters is 0. Empty for another encoding."""
    if b"\0" in head:
        odd, even = head[1::2].count(0), head[::2].count(0)
        for encoding, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
            if zeros > 0.4 * len(head) / 2 and others < 0.05 * len(head) / 2:
                return encoding
    return ""


def _is_utf8(data: bytes) -> bool:
    """Whether all of it is UTF-8; found out piece by piece, since the whole text as `str` would be up to four times as large."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _PIECE):
            decoder.decode(data[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _decoded(data: bytes, encoding: str, path: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SourceError(
            "TW035",
            f"the text is damaged: not {encoding} from byte {error.start} on",
            where=path,
            why="the file begins as such text",
            fix="write or copy the file again",
        ) from None


def no_nul(data: bytes, path: str, lines: int = 0) -> bytes:
    """The same bytes, which come after so many lines. Raises SourceError TW026 when one of them is 0."""
    at = data.find(b"\0")
    if at >= 0:
        raise SourceError(
            "TW026", "the file has NUL bytes", where=f"{path}:{lines + data[:at].count(10) + 1}",
            why="text has none: the file is damaged, or is no text",
            fix="export it again, or remove them: tr -d '\\000' < FILE > NEW",
        )  # fmt: skip
    return data


def _lines(data: bytes) -> bytes:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
        if b"\n" not in data:
            data = data.replace(b"\r", b"\n")  # line ends of before 2001
    return data


@contextmanager
def long_cells() -> Iterator[None]:
    """Let the csv module read cells longer than 128 KiB."""
    before = csv.field_size_limit(1 << 30)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def sniff(data: bytes, encoding: str, bom: bool) -> Dialect:
    """Find delimiter, quote mark and header of UTF-8 text from its first records."""
    skipped = 0
    if found := re.match(rb"sep=([,;\t|: ])\n", data):
        skipped, data = 1, data[found.end() :]
        delimiters: tuple[str, ...] = (found[1].decode("latin-1"),)
    else:
        delimiters = DELIMITERS
    size, best = _SAMPLE, None
    while True:
        sample = data[:size].decode("utf-8", errors="ignore")
        whole = size >= len(data)
        best = _best(sample, whole, delimiters)
        if best is not None or whole:
            break
        size *= 16  # one cell was longer than the sample
    delimiter, quote, records = best or (SINGLE, '"', _records(sample, SINGLE, '"', whole=True))
    return Dialect(encoding, bom, delimiter, quote, has_header(records), skipped)


def _best(sample: str, whole: bool, delimiters: tuple[str, ...]) -> tuple[str, str, list[list[str]]] | None:
    """The delimiter under which the records have most nearly the same number of fields as the first; None when there is no whole record yet."""
    choices: list[tuple[float, int, int, str, str, list[list[str]]]] = []
    enough = False
    for rank, delimiter in enumerate(delimiters):
        quote = _quote(sample, delimiter)
        records = _records(sample, delimiter, quote, whole)
        enough |= len(records) >= 2 or (whole and bool(records))
        if not records or len(records[0]) < 2:
            continue
        widths = Counter(len(record) for record in records)
        same = widths[len(records[0])] / len(records)
        if delimiter in ": " and len(delimiters) > 1 and (same < 1 or len(records) < 3):
            continue
        choices.append((round(same, 2), -(rank >= 4), len(records[0]), delimiter, quote, records))
    if choices:
        _, _, _, delimiter, quote, records = max(choices, key=lambda choice: choice[:3])
        return delimiter, quote, records
    return (SINGLE, '"', _records(sample, SINGLE, '"', whole)) if enough else None


def _quote(sample: str, delimiter: str) -> str:
    """The single quote when cells stand in it and none in double quotes."""
    if '"' in sample:
        return '"'
    mark = re.escape(delimiter)
    lines = sample.count("\n") or 1
    return "'" if len(re.findall(rf"(?:^|{mark})'[^'\n]*'(?={mark}|$)", sample, re.MULTILINE)) >= lines / 2 else '"'


def _records(sample: str, delimiter: str, quote: str, whole: bool) -> list[list[str]]:
    with long_cells():
        try:
            records = [record for record in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, quotechar=quote) if record]
        except csv.Error:
            return []
    return (records if whole else records[:-1])[:300]


def _is_number(cell: str) -> bool:
    for schema in (_PLAIN, _COMMA):
        try:
            number = number_of(cell, schema)
        except ValueError:
            continue
        return number == number
    return False


def has_header(records: list[list[str]]) -> bool:
    """No header when the first record has numbers in every column that is one of numbers below, unless they are years (a header of a wide table)."""
    if len(records) < 2:
        return True
    first, rest = records[0], records[1:]
    numeric = []
    for at, cell in enumerate(first):
        below = [record[at] for record in rest if at < len(record) and record[at].strip()]
        if below and sum(map(_is_number, below)) >= 0.95 * len(below):
            numeric.append(cell)
    if not numeric or not all(_is_number(cell) for cell in numeric):
        return True
    return len(numeric) > 1 and len(set(numeric)) == len(numeric) and all(re.fullmatch(r"(1[89]|20)[0-9]{2}", cell.strip()) for cell in numeric)
