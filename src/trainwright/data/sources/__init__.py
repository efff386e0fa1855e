"""Sources: from a file or a frame to a `Table`, whose columns are typed and described. The one door through which rows come in.

Takes    a path of a CSV-like file (gzip or not), of a Parquet file or a folder of such, or a table in memory.
Gives    `Table`: typed columns, what each was taken for and why, and how the file had to be read.
Why      whatever is odd about a user's file is either mended and said, or refused with its line; nothing passes silently.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainwright.data.cells import type_series
from trainwright.data.dataset import Described, Role, Source, Table
from trainwright.data.describe import Asked, describe, describe_one, has_no_typed_form, unfit
from trainwright.data.infer import Inferred
from trainwright.data.room import STREAMED, Room
from trainwright.data.sources.delimited import check_names, csv_records, read_delimited, scan, text_of
from trainwright.data.sources.frames import frame_from
from trainwright.data.sources.parquet import scan_parquet
from trainwright.data.sources.scanned import Scanned, in_memory
from trainwright.data.sources.sniff import Dialect
from trainwright.data.sources.stretched import read_stretched
from trainwright.data.stream import describe_streamed, type_streamed
from trainwright.errors import MachineError, SourceError, nearest
from trainwright.record.digests import canonical, digest_bytes, digest_file, digest_files
from trainwright.runtime.columns import Coded, Column
from trainwright.runtime.schema import ColumnSchema

NOT_YET: Final[Mapping[str, str]] = {
    ".xlsx": "Excel", ".xls": "Excel", ".xlsm": "Excel", ".ods": "OpenDocument", ".json": "JSON", ".jsonl": "JSON lines", ".ndjson": "JSON lines",
    ".feather": "Feather",
    ".arrow": "Arrow", ".ipc": "Arrow", ".orc": "ORC", ".avro": "Avro", ".db": "SQLite", ".sqlite": "SQLite", ".sqlite3": "SQLite", ".dta": "Stata",
    ".sav": "SPSS",
    ".sas7bdat": "SAS", ".rds": "R", ".rdata": "R", ".pkl": "pickle", ".pickle": "pickle", ".h5": "HDF5", ".hdf5": "HDF5", ".mat": "MATLAB",
    ".npy": "numpy", ".npz": "numpy",
}  # fmt: skip
PACKED: Final = 5  # times that a gzip file is smaller than its text, about


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A source whose structure is known, before its columns are read and typed."""

    scanned: Scanned
    path: str
    format: str
    digest: str | None  # None: of the typed columns
    details: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_table(
    source: str | Path | object,
    *,
    kinds: Mapping[str, Any] | None = None,
    roles: Mapping[str, Role] | None = None,
    like: Sequence[ColumnSchema] = (),
    room: Room | None = None,
) -> Table:
    """Read a source and type its columns, a few at a time.

    Takes   a path, or a table in memory (Polars, pandas, Arrow, anything with `__arrow_c_stream__`, a list of dicts, a dict of columns);
            `kinds` by column name (also "ordered:low<medium<high"); `roles` by column name (all others are features);
            `like`, the schemas of an earlier table: its columns are then read by those rules and nothing is inferred;
            other columns are not read (`Source.columns` counts them all the same);
            `room`: where columns go that are too large to be held, and from which size on a file is read in chunks.
    Raises  SourceError TW020 to TW039 for what cannot be read or is not what was asked, MachineError TW091 without permission.
    """
    room = room or Room()
    opened = open_source(source, room)
    kinds, roles = kinds or {}, roles or {}
    for name in (*kinds, *roles):
        if name not in opened.scanned.dtypes:
            raise no_column(name, opened.path, opened.scanned.names, role=roles.get(name))
    lines = _Lines(opened)
    asked = Asked({name: str(kind) for name, kind in kinds.items()}, roles, opened.path, lines.place, opened.details.get("delimiter") == ";")
    notes = list(opened.notes)
    if like:
        described, columns = _as_before(opened.scanned, like, asked, room)
        width = len(opened.scanned.dtypes)
    else:
        scanned = _without_nested(opened.scanned, roles, notes)
        described, columns = describe_streamed(scanned, asked, room) if scanned.chunks is not None else describe(scanned, asked)
        width = len(columns)
    digest = opened.digest or digest_columns(columns)
    return Table(Source(opened.path, opened.format, digest, opened.scanned.height, width, opened.details, tuple(notes)), described, columns)


def open_source(source: str | Path | object, room: Room) -> Opened:
    """A source whose structure is known. A large file comes with `Scanned.chunks`. Raises as `read_table`, for what concerns no single column."""
    return _open_path(source, room) if isinstance(source, (str, Path)) else _open_frame(source)


def no_column(name: str, path: str, names: Sequence[str], *, role: str | None = None) -> SourceError:
    """The error for a column that is not there, with the nearest name."""
    near = nearest(name, names)
    why = {"target": "it is the target: without it there is nothing to learn", None: "a kind was given for it"}.get(role, f"it was named as {role}")
    listing = f"`trainwright check {shlex.quote(path)}` lists them all" if path != "frame" else ""
    return SourceError(
        "TW021",
        f"there is no column {name!r}",
        where=f"{path}, {len(names)} columns",
        why=why,
        fix=" ".join([f"did you mean {near!r}?" if near else "", listing]).strip(),
    )


def line_of(source: Source, row: int) -> int | None:
    """The line of the file on which a row begins, counted from 1; None when the source has no lines, or is gone or changed."""
    if source.format != "csv" or not 0 <= row < source.rows:
        return None
    if source.details.get("straight"):
        return int(source.details["first_line"]) + row
    if not Path(source.path).is_file() or Path(source.path).stat().st_size > STREAMED:
        return None  # the lines would have to be counted in memory
    try:
        lines = _lines(source.path, source.digest, bool(source.details.get("irregular")))
    except (OSError, SourceError):
        return None
    return int(lines[row]) if row < len(lines) else None


@lru_cache(maxsize=2)
def _lines(path: str, digest: str, irregular: bool) -> NDArray[np.int64]:
    """The line of each row, by reading the file again: only where cells span lines, or lines are empty."""
    data, dialect, now = _content(Path(path), path)
    if now != digest:
        return np.empty(0, dtype=np.int64)
    if irregular:
        return np.array([line for _, line in csv_records(data, dialect)], dtype=np.int64)[int(dialect.header) :]
    found = scan(data, dialect)
    return found.lines[~found.blank][int(dialect.header) :] + dialect.skipped


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    opened: Opened

    def place(self, row: int) -> str:
        opened = self.opened
        line = line_of(
            Source(opened.path, opened.format, opened.digest or "", opened.scanned.height, len(opened.scanned.dtypes), opened.details), row
        )
        return f"{opened.path}, row {row}" if line is None else f"{opened.path}:{line}"


# ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _open_frame(source: object) -> Opened:
    frame = frame_from(source)
    notes: list[str] = []
    frame = frame.rename(dict(zip(frame.columns, check_names(frame.columns, "the frame", notes), strict=True)))
    if not frame.height or not frame.width:
        raise SourceError(
            "TW024",
            "the frame has no rows" if frame.width else "the frame has no columns",
            where="the frame",
            why="without rows there is nothing to learn",
            fix="give a frame with rows",
        )
    return Opened(in_memory(frame), "frame", "frame", None, {"from": type(source).__module__.partition(".")[0]}, tuple(notes))


def _open_path(source: str | Path, room: Room) -> Opened:
    name = str(source)
    path = Path(source)
    if "://" in name or path.suffix.lower() in NOT_YET:
        what = NOT_YET.get(path.suffix.lower(), "a URL")
        raise SourceError(
            "TW027",
            f"{what} is not read yet",
            where=name.rpartition("@")[2],
            why="today's sources are CSV and TSV files, Parquet, and frames in Python",
            fix="save the table as CSV or Parquet",
        )
    with _reading(path):
        if not path.exists():
            raise _no_file(path)
        if path.is_dir():
            return _open_folder(path, room)
        if not path.is_file():
            raise SourceError(
                "TW022",
                "this is not a file",
                where=name,
                why="a table is read more than once, so a pipe or device will not do",
                fix="save it as a file first",
            )
        with path.open("rb") as file:
            head = file.read(4)
        if head == b"PAR1" or path.suffix.lower() in (".parquet", ".pq"):
            return _parquet([path], name, {}, room)
        if path.stat().st_size * (PACKED if head.startswith(b"\x1f\x8b") else 1) > room.streamed:
            long, digest = read_stretched(path, name, room)
            return Opened(long.scanned, name, "csv", digest, long.details, long.notes)
        data, dialect, digest = _content(path, name)
    text = read_delimited(data, dialect, name)
    return Opened(text.scanned, name, "csv", digest, text.details, text.notes)


def _content(path: Path, name: str) -> tuple[bytes, Dialect, str]:
    """The text of a delimited file, how it is written, and the digest of its bytes: which are let go here when they are not the text."""
    raw = path.read_bytes()
    return *text_of(raw, name), digest_bytes(raw)


def _open_folder(path: Path, room: Room) -> Opened:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in (".parquet", ".pq") and file.is_file())
    if not files:
        tables = [file.name for file in sorted(path.iterdir()) if file.is_file() and not file.name.startswith(".")]
        near = next((name for name in tables if name.lower().endswith((".csv", ".csv.gz", ".tsv", ".txt"))), None)
        raise SourceError(
            "TW022", "this is a folder, and has no Parquet files", where=str(path), why="only a folder of Parquet files is read as one table",
            fix=f"did you mean {path / near}?" if near else "name a file in it",
        )  # fmt: skip
    return _parquet(files, str(path), {"files": len(files)}, room)


def _parquet(files: Sequence[Path], path: str, details: dict[str, Any], room: Room) -> Opened:
    notes = [f"{len(files)} files were read as one table, in the order of their names"] if len(files) > 1 else []
    scanned = scan_parquet(files, path, notes, room)
    if not scanned.height or not scanned.dtypes:
        raise SourceError("TW024", "the file has no rows", where=path, why="without rows there is nothing to learn", fix="was the export finished?")
    digest = digest_files({file.name: digest_file(file) for file in files}) if "files" in details else digest_file(files[0])
    return Opened(scanned, path, "parquet", digest, details, tuple(notes))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """The operating system's refusals in our words."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "it cannot be read"
        if error.errno in (errno.EACCES, errno.EPERM):
            raise MachineError(
                "TW091",
                f"no permission to read {path}",
                where=str(path),
                why="the table is the source of everything",
                fix=f"chmod +r {shlex.quote(str(path))}, or run as its owner",
            ) from error
        if error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP):
            raise _no_file(path) from None
        raise MachineError(
            "TW092",
            f"could not read {path}: {reason}",
            where=str(path),
            why="the table is the source of everything",
            fix="look at the disk or the network drive, then try again",
        ) from error


def _no_file(path: Path) -> SourceError:
    folder = path.parent
    try:
        near = nearest(path.name, [file.name for file in folder.iterdir()]) if folder.is_dir() else None
    except OSError:
        near = None
    why = "the folder is there, the file is not" if folder.is_dir() else f"the folder {str(folder)!r} is not there either"
    return SourceError(
        "TW020",
        f"there is no file {path.name!r}",
        where=str(path),
        why=why,
        fix=f"did you mean {str(folder / near)!r}?" if near else "check the path; a relative one starts in the current folder",
    )


# ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _without_nested(scanned: Scanned, roles: Mapping[str, Role], notes: list[str]) -> Scanned:
    """Columns of lists, structures or bytes that were set aside are left out at once: they have no typed form."""
    nested = [name for name, dtype in scanned.dtypes.items() if roles.get(name) == "set aside" and has_no_typed_form(dtype)]
    if nested:
        notes.append(f"left out, since they hold no plain values: {', '.join(map(repr, nested))}")
    return scanned.without(nested) if nested else scanned


def _as_before(scanned: Scanned, like: Sequence[ColumnSchema], asked: Asked, room: Room) -> tuple[tuple[Described, ...], dict[str, Column]]:
    """The columns of an earlier table, read by its rules; no others.

    Raises  SourceError TW039 for one that is missing, TW032 for cells that do not fit.
    """
    described: list[Described] = []
    columns: dict[str, Column] = {}
    all_there(scanned, like, asked.path)
    if scanned.chunks is not None:
        return type_streamed(scanned, like, asked, room)
    wanted = {schema.name: schema for schema in like}
    for batch in scanned.batches(list(wanted)):
        for series in batch:
            schema = wanted[series.name]
            cells = type_series(series, schema)
            if len(cells.bad):
                raise unfit(schema, len(cells.bad), int(cells.bad[0]), asked)
            columns[schema.name] = cells.column
            described.append(describe_one(Inferred(schema, "as in the earlier table"), asked.role(schema.name), cells))
        del batch, series  # before the next one is read
    return tuple(described), columns


def all_there(scanned: Scanned, like: Sequence[ColumnSchema], path: str) -> None:
    """Raises SourceError TW039 when a column of an earlier table is missing."""
    lacking = [schema.name for schema in like if schema.name not in scanned.dtypes]
    wanted = {schema.name: schema for schema in like}
    if lacking:
        near = nearest(lacking[0], [name for name in scanned.names if name not in wanted])
        raise SourceError(
            "TW039", f"there is no column {lacking[0]!r}" + (f", nor {len(lacking) - 1} others" if len(lacking) > 1 else ""),
            where=f"{path}, {len(scanned.dtypes)} columns",
            why="the earlier table has it, and the two must have the same columns",
            fix=f"did you mean {near!r}? rename it" if near else "add it; leave its cells empty where the value is not known",
        )  # fmt: skip


def digest_columns(columns: Mapping[str, Column]) -> str:
    """SHA-256 over the typed columns: names, kinds of storage, numbers bit by bit, words."""
    digest = hashlib.sha256()
    for name, column in columns.items():
        coded = isinstance(column, Coded)
        digest.update(canonical([name, "words" if coded else "numbers", len(column)]))
        if isinstance(column, Coded):
            digest.update(canonical(list(column.vocabulary)))
            digest.update(np.ascontiguousarray(column.codes).tobytes())
        else:
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


__all__ = ["Opened", "all_there", "digest_columns", "line_of", "no_column", "open_source", "read_table"]
