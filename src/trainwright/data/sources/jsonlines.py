"""JSON lines, and a JSON array of flat objects, as a table whose columns are the keys.

Takes    the file's bytes (gzip is unpacked).
Gives    a `Scanned`; what is no record is refused with its line; keys that some records lack are missing there, and said.
Why      Python's own parser: others widen types, drop the first of two equal keys and round long numbers without a word.
Source   RFC 8259 (JSON), https://jsonlines.org; NaN and Infinity, which RFC 8259 does not have but many writers use, are read as missing.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainwright.data.sources.delimited import check_names, unpack
from trainwright.data.sources.gather import BATCH, Gathering, NotWritable
from trainwright.data.sources.opened import Opened
from trainwright.data.sources.scanned import in_memory
from trainwright.data.sources.sniff import to_utf8
from trainwright.errors import SourceError
from trainwright.record.digests import digest_bytes

SUFFIXES: Final = (".jsonl", ".ndjson", ".json")
_BLANK: Final = re.compile(r"[ \t\n\r]*")


class _Wrong(ValueError):
    """What is wrong with a record, in words without its values."""


@dataclass(slots=True, eq=False)
class _Records:
    """The records of a text, one by one; counts what is not plain JSON on the way."""

    text: str | None  # an array, whole; None for lines
    data: bytes
    path: str
    line: int = 0  # of the record given last
    endless: int = 0  # NaN and Infinity

    def __iter__(self) -> Iterator[dict[str, Any]]:
        decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=self._constant)
        return self._of_lines(decoder) if self.text is None else self._of_array(decoder, self.text)

    def _constant(self, name: str) -> None:
        self.endless += 1

    def _of_lines(self, decoder: json.JSONDecoder) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(io.TextIOWrapper(io.BytesIO(self.data), encoding="utf-8", newline="\n"), start=1):
            self.line = number
            if line.isspace():
                continue
            try:
                yield self._record(decoder.decode(line))
            except (ValueError, RecursionError) as error:
                raise self._error(error) from None

    def _of_array(self, decoder: json.JSONDecoder, text: str) -> Iterator[dict[str, Any]]:
        at, counted = _after_blanks(text, text.index("[") + 1), 0
        self.line = 1
        if text[at : at + 1] == "]":
            return
        while True:
            self.line += text.count("\n", counted, at)
            counted = at
            try:
                value, end = decoder.raw_decode(text, at)
                record = self._record(value)
                end = _after_blanks(text, end)
                closed = text[end : end + 1] == "]"
                if not closed and text[end : end + 1] != ",":
                    raise _Wrong("after this record there is neither a comma nor the end of the array")
                if closed and _after_blanks(text, end + 1) < len(text):
                    raise _Wrong("after the array there is more text")
            except (ValueError, RecursionError) as error:
                raise self._error(error) from None
            yield record
            if closed:
                return
            at = _after_blanks(text, end + 1)

    def _record(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _Wrong(f"this is {_kind(value)}, not an object with a name for each value")
        return value

    def _error(self, error: Exception) -> SourceError:
        line = self.line
        if isinstance(error, json.JSONDecodeError):
            what = f"this is not JSON: {error.msg[:1].lower()}{error.msg[1:]}, at character {error.colno}"
            line = line if self.text is None else error.lineno
        elif isinstance(error, _Wrong):
            what = str(error)
        else:
            what = "this is not JSON that can be read: it is nested too deeply, or a number has thousands of digits"
        return SourceError(
            "TW061", what, where=f"{self.path}:{line}", why="each record is one object with plain values, so that its keys are the columns",
            fix="mend that record; a .json file holds an array of flat objects or one object a line",
        )  # fmt: skip


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise _Wrong(f"the key {twice!r} stands twice in one record")
    return found


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", bool: "a yes or no", type(None): "null"}.get(type(value), "a number")


def _after_blanks(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None  # it matches nothing, too
    return found.end()


def open_json(raw: bytes, path: str) -> Opened:
    """Read all records. Raises SourceError TW061 for what is no record (line), TW023 and TW024 without any, TW028 and TW029 for names, TW035."""
    records, notes = _records(raw, path)
    gathering, lines, present = Gathering(), [], Counter[str]()
    stream = iter(records)
    try:
        while batch := list(_numbered(records, islice(stream, BATCH))):
            lines += [line for line, _ in batch]
            found = [record for _, record in batch]
            names = dict.fromkeys(chain.from_iterable(found))
            whole = all(len(record) == len(names) for record in found)  # of almost all files: then nothing is to be counted
            present.update(dict.fromkeys(names, len(found)) if whole else Counter(chain.from_iterable(found)))
            gathering.add({name: [record.get(name) for record in found] for name in names}, len(found))
    except NotWritable as error:
        raise SourceError(
            "TW035", "a text holds half of a surrogate pair", where=f"{path}:{lines[error.row]}", why="it stands for no character",
            fix="write the file again from where it comes",
        ) from None  # fmt: skip
    if not lines or not present:
        raise SourceError("TW024", "there are no records", where=path, why="without rows there is nothing to learn", fix="was the export finished?")
    frame = gathering.frame()
    names_ = check_names(frame.columns, path, notes)
    lacking = {name: len(lines) - present[name] for name in frame.columns if present[name] < len(lines)}
    aside = {name: f"first on line {lines[row]}" for name, row in gathering.nested.items()}
    frame = frame.rename(dict(zip(frame.columns, names_, strict=True)))
    notes += _said(lacking, gathering, records.endless)
    straight = bool((np.diff(lines) == 1).all())
    details = {"layout": "lines" if records.text is None else "array", "first_line": lines[0], "straight": straight}
    return Opened(in_memory(frame), path, "json", digest_bytes(raw), details, tuple(notes), aside)


def _said(lacking: dict[str, int], gathering: Gathering, endless: int) -> list[str]:
    """What was odd, in words."""
    notes = []
    if lacking:
        shown = ", ".join(f"{name!r} in {count:,}" for name, count in list(lacking.items())[:5])
        notes.append(
            f"keys that some records lack are missing there: {shown}"
            + (f", and {len(lacking) - 5} more keys" if lacking.keys() and len(lacking) > 5 else "")
        )
    if endless:
        notes.append(f"{endless:,} NaN or Infinity were read as missing")
    return notes + said_of(gathering)


def said_of(gathering: Gathering) -> list[str]:
    """What became of values that have no one type, in words."""
    notes = []
    if mixed := sorted(gathering.mixed - gathering.nested.keys()):
        notes.append(f"values of several types, read by the rules of text cells: {', '.join(map(repr, mixed[:5]))}" + (" …" if mixed[5:] else ""))
    if huge := sorted(gathering.huge - gathering.nested.keys()):
        notes.append(
            f"whole numbers beyond 2^53, exact as words and rounded as numbers: {', '.join(map(repr, huge[:5]))}" + (" …" if huge[5:] else "")
        )
    return notes


def _records(raw: bytes, path: str) -> tuple[_Records, list[str]]:
    data, _ = unpack(raw, path)
    data, encoding, bom = to_utf8(data, path)
    notes = [f"the encoding is {encoding.upper()}" + (" with a byte-order mark" if bom else "")] if encoding != "utf-8" or bom else []
    first = data.lstrip()[:1]
    if not first:
        raise SourceError("TW023", "the file is empty", where=path, why="without rows there is nothing to learn", fix="was the export finished?")
    return _Records(data.decode() if first == b"[" else None, data, path), notes


def _numbered(records: _Records, stream: Iterator[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    for record in stream:
        yield records.line, record


def json_lines(raw: bytes, path: str) -> NDArray[np.int64]:
    """The line on which each record begins. (rows,)"""
    records, _ = _records(raw, path)
    return np.array([line for line, _ in _numbered(records, iter(records))], dtype=np.int64)
