"""A delimited text file of any length as chunks of rows of text cells: the road for files that are too large to be held.

Takes    the path of a file (gzip is unpacked as it is read), and room for what has to be rewritten.
Gives    what `delimited.read_delimited` gives: names, dialect, notes, details; and the cells, chunk after chunk.
Why      the text stays in its file, mapped, and only one chunk of it is parsed at a time. A text that is no UTF-8 with "\\n" line ends, has empty
         lines or odd quoting is first rewritten, block by block, into a file of ours, so that there is one way of reading.
         What is found and said is the same as on the road through memory, which the tests compare.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import mmap
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainwright.data.room import Room
from trainwright.data.sources.delimited import (
    MARK,
    Text,
    by_polars,
    csv_records_of,
    details_of,
    names_of,
    no_rows,
    nothing_in,
    ragged,
    refuse_open_quote,
    stretches_of,
    told_of_dialect,
)
from trainwright.data.sources.scanned import Scanned
from trainwright.data.sources.sniff import Dialect, mark_of, no_nul, refuse_magic, sniff, wide_of
from trainwright.errors import SourceError

if TYPE_CHECKING:
    import polars as pl

READ: Final = 4 << 20  # bytes that are read from the file together …
PACKED: Final = 1 << 18  # … or of a gzip file, which may become a hundred times as many
HEAD: Final = 1 << 24  # bytes by which the dialect is found out
_NO_CP1252: Final = (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")


def read_stretched(path: Path, name: str, room: Room) -> tuple[Text, str]:
    """A text table that is read in chunks, and the digest of the file's bytes.

    Raises  SourceError TW023 to TW029, TW035, TW037 as `delimited.read_delimited` and `delimited.text_of`; MachineError when there is no room.
    """
    data, encoding, bom, digest = _as_utf8(path, name, room)
    dialect = sniff(bytes(data[:HEAD]), encoding, bom)
    start = data.find(b"\n") + 1 if dialect.skipped else 0
    if not _has_text(data, start):
        raise nothing_in(name)
    found = _shape(data, start, dialect, room)
    notes: list[str] = []
    empty = found.blank
    if empty and found.closed:
        notes += [f"{found.blank_within} empty lines were skipped"] if found.blank_within else []
        data, start = _without_blank(data, start, dialect, room), 0
        found = replace(_shape(data, 0, dialect, room), straight=False)
    head = bytes(data[start : start + HEAD])
    first = next(csv_records_of(io.BytesIO(head), head[: 1 << 20], dialect))[0]
    regular = found.closed and not found.ragged
    in_place = regular and found.simple and len(first) == found.width and data.find(MARK, start) < 0
    irregular = not in_place and (not regular or (dialect.header and len(first) != found.width) or not _polars_agrees(data, dialect, found))
    if irregular:
        first, data = _rewritten(data, start, dialect, name, found, room)
        start, found = 0, _shape(data, 0, dialect, room)
        notes.append("the quoting is irregular: read cell by cell")
    width, rows = (len(first) if irregular else found.width), found.records - dialect.header
    names = names_of(first, f"{name}:{1 + dialect.skipped}", notes) if dialect.header else [f"column_{at + 1}" for at in range(width)]
    if not rows:
        raise no_rows(name)
    details = details_of(dialect, irregular=irregular, straight=not irregular and found.straight)
    return Text(_scanned(data, dialect, found, names, rows), dialect, tuple(told_of_dialect(dialect) + notes), details), digest


# ── the bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _raw(path: Path, name: str, digest: Any = None) -> Iterator[bytes]:
    """The file's bytes, block after block, unpacked. Raises SourceError TW035 for a damaged archive."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        unpacker = zlib.decompressobj(wbits=31)
        while block := file.read(PACKED if packed else READ):
            if digest is not None:
                digest.update(block)
            if not packed:
                yield block
                continue
            try:
                while block:
                    if unpacker.eof:  # a gzip file may have several members, and zeros after the last
                        if not (block := block.lstrip(b"\0")):
                            break
                        unpacker = zlib.decompressobj(wbits=31)
                    yield unpacker.decompress(block)
                    block = unpacker.unused_data
            except zlib.error as error:
                raise _damaged(name) from error
        if packed and not unpacker.eof:
            raise _damaged(name)


def _damaged(name: str) -> SourceError:
    return SourceError(
        "TW035", "the gzip file is damaged or cut off", where=name, why="only a part of the rows could be read", fix="copy or download it again"
    )


def _as_utf8(path: Path, name: str, room: Room) -> tuple[Any, str, bool, str]:
    """The whole text as UTF-8 with "\\n" line ends and no mark, mapped; its encoding, whether it had a mark, and the digest of the file.

    Raises  SourceError TW023, TW026, TW027, TW035 as `sniff.to_utf8`.
    """
    head = next(_raw(path, name), b"")
    refuse_magic(head, name)
    encoding, bom = mark_of(head) or (wide_of(head[:4096]), False)
    digest = hashlib.sha256()
    decoder, text = codecs.getincrementaldecoder("utf-8")(), True  # whether it is UTF-8 so far
    returns = newlines = odd = False
    length = lines = 0
    for block in _raw(path, name, digest):
        if not encoding:
            no_nul(block, name, lines)
            if not block.isascii() or decoder.getstate()[0]:
                text = text and _decodes(decoder, block)
                odd = odd or any(byte in block for byte in _NO_CP1252)
        lines += block.count(b"\n")
        length += len(block)
        returns, newlines = returns or b"\r" in block, newlines or b"\n" in block
    if encoding:
        returns = newlines = True  # what its bytes are says nothing: looked at when it is decoded
    else:
        encoding = "utf-8" if text and _decodes(decoder, b"", final=True) else "latin-1" if odd else "cp1252"
    if not length:
        raise nothing_in(name)
    plain = encoding == "utf-8" and not bom and not returns
    if plain and path.stat().st_size == length:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ), encoding, bom, digest.hexdigest()
    written = room.spill()
    if bom or encoding.startswith("utf-16") or encoding.startswith("utf-32"):
        newlines = any(b"\n" in part for part in _decoded(path, name, encoding, bom))
    for part in _line_ends(_decoded(path, name, encoding, bom), lone=not newlines):
        written.add(part)
    return written.mapped(), encoding, bom, digest.hexdigest()


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(block, final=final)
    except UnicodeDecodeError:
        return False
    return True


def _decoded(path: Path, name: str, encoding: str, bom: bool) -> Iterator[bytes]:
    """The text as UTF-8, block after block. Raises SourceError TW035, TW026."""
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" and bom else encoding)()
    before = lines = 0
    for block in _with_end(_raw(path, name)):
        pending = len(decoder.getstate()[0])
        try:
            part = decoder.decode(block or b"", final=block is None).encode()
        except UnicodeDecodeError as error:
            raise SourceError(
                "TW035",
                f"the text is damaged: not {encoding} from byte {before - pending + error.start} on",
                where=name,
                why="the file begins as such text",
                fix="write or copy the file again",
            ) from None
        no_nul(part, name, lines)
        lines += part.count(b"\n")
        before += len(block or b"")
        yield part


def _with_end(blocks: Iterator[bytes]) -> Iterator[bytes | None]:
    yield from blocks
    yield None


def _line_ends(parts: Iterator[bytes], *, lone: bool) -> Iterator[bytes]:
    """ "\\r\\n" as "\\n", also where a block ends between the two; with `lone`, "\\r" as "\\n"."""
    held = b""
    for part in parts:
        whole = held + part
        held = b"\r" if whole.endswith(b"\r") else b""
        whole = whole[: len(whole) - len(held)].replace(b"\r\n", b"\n")
        yield whole.replace(b"\r", b"\n") if lone else whole
    yield b"\n" if held and lone else held


def _has_text(data: Any, start: int) -> bool:
    return any(bytes(data[at : at + READ]).strip() for at in range(start, len(data), READ))


# ── the records ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Shape:
    """What one pass over the bytes says of a text, without the place of each record."""

    records: int  # that are not empty, the header among them
    width: int  # fields of the first
    ragged: bool  # whether another has more or fewer
    blank: int  # empty lines
    blank_within: int  # … before the last record
    closed: bool
    simple: bool
    straight: bool  # whether each record begins on the line after the one before
    pieces: tuple[tuple[int, int, int], ...]  # (from, to, records) of about a chunk each; the header is in none


def _shape(data: Any, start: int, dialect: Dialect, room: Room) -> Shape:
    """The shape of the text from `start` on."""
    width, wrong, records, blank, blank_within, straight = 0, False, 0, 0, 0, True
    step = 1  # lines of the last record so far
    before = line = 0  # delimiters and line ends up to the last record's end
    end = start - 1
    pieces: list[tuple[int, int, int]] = []
    stretch = None

    def take(ends: Any, delimiters: Any, newlines: Any) -> None:
        nonlocal width, wrong, records, blank, blank_within, straight, step, before, line, end
        if not len(ends):
            return
        empty = np.append(end, ends[:-1]) + 1 == ends
        widths = np.diff(delimiters, prepend=before)[~empty] + 1
        if len(widths):
            width = width or int(widths[0])
            wrong = wrong or bool((widths != width).any())
            blank_within = blank + int(empty[: len(empty) - int(empty[::-1].argmin())].sum())
        steps = np.diff(newlines, prepend=line)
        straight, step = straight and step == 1 and bool((steps[:-1] == 1).all()), int(steps[-1])  # the last record of all may end anywhere
        low = end + 1
        if records == 0 and dialect.header and len(widths):
            low = int(ends[int(empty.argmin())]) + 1
            pieces.append((low, int(ends[-1]) + 1, len(widths) - 1))
        else:
            pieces.append((low, int(ends[-1]) + 1, len(widths)))
        records, blank = records + len(widths), blank + int(empty.sum())
        before, line, end = int(delimiters[-1]), int(newlines[-1]), int(ends[-1])

    for stretch in stretches_of(data, dialect, room.chunk, start):
        take(stretch.ends, stretch.delimiters, stretch.newlines)
    assert stretch is not None  # there is always one
    last = end != len(data) - 1  # the last record has no line end
    if last:
        take(np.array([len(data)]), np.array([stretch.seen]), np.array([stretch.lines + 1]))
    simple = stretch.simple and stretch.parity == 0 and stretch.lines + last == records + blank
    kept = tuple((low, min(high, len(data)), count) for low, high, count in pieces if count)
    return Shape(records, width, wrong, blank, blank_within, stretch.parity == 0, simple, straight and not blank, kept)


def _without_blank(data: Any, start: int, dialect: Dialect, room: Room) -> Any:
    """The text without its empty lines."""
    written, low = room.spill(), start
    bytes_ = np.frombuffer(data, dtype=np.uint8)
    for stretch in stretches_of(data, dialect, room.chunk, start):
        if not len(stretch.ends):
            continue
        high = int(stretch.ends[-1]) + 1
        kept = np.ones(high - low, np.bool_)
        kept[stretch.ends[np.append(low - 1, stretch.ends[:-1]) + 1 == stretch.ends] - low] = False
        written.add(bytes_[low:high][kept].tobytes())
        low = high
    written.add(bytes(data[low:]))
    return written.mapped()


def _polars_agrees(data: Any, dialect: Dialect, found: Shape) -> bool:
    """Whether Polars sees the records that the scan did, where quotes stand that it may read otherwise."""
    return all(by_polars(bytes(data[low:high]), dialect, ["0"], found.width, count) is not None for low, high, count in found.pieces)


def _rewritten(data: Any, start: int, dialect: Dialect, name: str, found: Shape, room: Room) -> tuple[list[str], Any]:
    """The first record, and the same text with each cell quoted, by the csv module's reading. Raises SourceError TW025 or TW037."""
    written, buffer = room.spill(), io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=dialect.delimiter, quotechar=dialect.quote, lineterminator="\n", quoting=csv.QUOTE_ALL)
    first: list[str] = []
    last, last_line, count, wrong, wrong_count = first, 0, 0, [], 0
    head = bytes(data[start : start + (1 << 20)])
    for record, line in csv_records_of(_file_of(data, start), head, dialect):
        first = first or record
        last, last_line, count = record, line, count + 1
        if len(record) != len(first):
            wrong_count += 1
            wrong += [(line, len(record))] if wrong_count <= 3 else []
            continue
        writer.writerow(record)
        if buffer.tell() > READ:
            written.add(buffer.getvalue().encode())
            buffer.seek(0)
            buffer.truncate()
    if not found.closed:
        refuse_open_quote(last, last_line, count, dialect, name)
    if wrong:
        raise ragged(len(first), wrong, wrong_count, name)
    written.add(buffer.getvalue().encode())
    return first, written.mapped()


class _Mapped(io.RawIOBase):
    """A mapped text as a file."""

    def __init__(self, data: Any, at: int) -> None:
        self._data, self._at = data, at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._data[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def _file_of(data: Any, start: int) -> Any:
    return io.BufferedReader(_Mapped(data, start), 1 << 16)


def _scanned(data: Any, dialect: Dialect, found: Shape, names: list[str], rows: int) -> Scanned:
    import polars as pl

    places = {name: str(at) for at, name in enumerate(names)}

    def chunks(wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
        for low, high, count in found.pieces:
            frame = by_polars(bytes(data[low:high]), dialect, [places[name] for name in wanted], len(names), count)
            assert frame is not None  # as `_polars_agrees`, or a record is a line for both
            frame.columns = list(wanted)
            yield frame

    def read(wanted: Sequence[str]) -> pl.DataFrame:
        return pl.concat(list(chunks(wanted)))

    return Scanned(dict.fromkeys(names, pl.String()), rows, read, 1, chunks)
