"""Opening: which reader a source needs, found out from its name, its first bytes and what else is named; and the machine's refusals in our words.

Takes    a `Place`, or a table in memory.
Gives    an `Opened`, whatever the source is.
"""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from trainwright.credentials import is_connection_string
from trainwright.data.room import Room
from trainwright.data.sources.delimited import check_names, read_delimited, text_of
from trainwright.data.sources.excel import open_workbook
from trainwright.data.sources.folder import files_in, open_folder
from trainwright.data.sources.frames import frame_from
from trainwright.data.sources.jsonlines import SUFFIXES as JSON
from trainwright.data.sources.jsonlines import open_json
from trainwright.data.sources.opened import Opened
from trainwright.data.sources.parquet import have_one_schema, scan_parquet
from trainwright.data.sources.place import WORKBOOKS, Place
from trainwright.data.sources.postgres import open_postgres
from trainwright.data.sources.scanned import in_memory
from trainwright.data.sources.sniff import Dialect
from trainwright.data.sources.sqlite import MAGIC as SQLITE
from trainwright.data.sources.sqlite import open_sqlite, path_in
from trainwright.data.sources.stretched import read_stretched
from trainwright.errors import MachineError, SourceError, nearest
from trainwright.record.digests import digest_bytes, digest_file, digest_files

NOT_YET: Final[Mapping[str, str]] = {
    ".feather": "Feather", ".arrow": "Arrow", ".ipc": "Arrow", ".orc": "ORC", ".avro": "Avro", ".dta": "Stata", ".sav": "SPSS", ".sas7bdat": "SAS",
    ".rds": "R", ".rdata": "R", ".pkl": "pickle", ".pickle": "pickle", ".h5": "HDF5", ".hdf5": "HDF5", ".mat": "MATLAB", ".npy": "numpy",
    ".npz": "numpy", ".xlsb": "a binary workbook",
}  # fmt: skip
PARQUET: Final = (".parquet", ".pq")
PACKED: Final = 5  # times that a gzip file is smaller than its text, about
DATABASES: Final = (".db", ".sqlite", ".sqlite3")


def open_frame(source: object) -> Opened:
    """A table in memory."""
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


def open_place(place: Place, room: Room) -> Opened:
    """A file, a folder or a database.

    Raises SourceError for what is none, RequestError (TW009) for a table, query or sheet where there can be none, MachineError TW091 and TW092.
    """
    if place.is_url:
        return _open_url(place)
    path, name = Path(place.path), place.path
    if (what := NOT_YET.get(path.suffix.lower())) is not None:
        raise _not_read(what, name)
    with _reading(path):
        if not path.exists():
            raise _no_file(path)
        if path.is_dir():
            place.only("sheet")
            return _open_folder(path, place, room)
        if not path.is_file():
            raise SourceError(
                "TW022",
                "this is not a file",
                where=name,
                why="a table is read more than once, so a pipe or device will not do",
                fix="save it as a file first",
            )
        with path.open("rb") as file:
            head = file.read(len(SQLITE))
        suffix = Path(path.name.lower().removesuffix(".gz")).suffix
        if head == SQLITE or suffix in DATABASES:
            place.only("table", "query")
            return open_sqlite(path, place)
        if suffix in WORKBOOKS:
            place.only("sheet")
            return open_workbook(path.read_bytes(), place)
        place.only()
        if head[:4] == b"PAR1" or suffix in PARQUET:
            return _parquet([path], name, {}, room)
        if suffix in JSON:
            return open_json(path.read_bytes(), name)
        if path.stat().st_size * (PACKED if head.startswith(b"\x1f\x8b") else 1) > room.streamed:
            long, digest = read_stretched(path, name, room)
            return Opened(long.scanned, name, "csv", digest, long.details, long.notes)
        data, dialect, digest = _content(path, name)
    text = read_delimited(data, dialect, name)
    return Opened(text.scanned, name, "csv", digest, text.details, text.notes)


def _open_url(place: Place) -> Opened:
    scheme = place.path.partition("://")[0].lower()
    if scheme == "sqlite":
        place.only("table", "query")
        path = path_in(place.path)
        with _reading(path):
            if not path.is_file():
                raise _no_file(path)
            return open_sqlite(path, place)
    if scheme in ("postgresql", "postgres"):
        place.only("table", "query")
        return open_postgres(place)
    raise _not_read(f"a URL that begins with {scheme}://", place.path)


def _not_read(what: str, name: str) -> SourceError:
    return SourceError(
        "TW027",
        f"{what} is not read yet",
        where=name,
        why="today's sources are CSV, TSV, JSON, Excel, Parquet and SQLite files, folders of these, PostgreSQL, and frames in Python",
        fix="save the table as CSV or Parquet",
    )


def _content(path: Path, name: str) -> tuple[bytes, Dialect, str]:
    """The text of a delimited file, how it is written, and the digest of its bytes: which are let go here when they are not the text."""
    raw = path.read_bytes()
    return *text_of(raw, name), digest_bytes(raw)


def _open_folder(path: Path, place: Place, room: Room) -> Opened:
    """All tables of a folder as one; Parquet files of one schema by their indexes alone."""
    notes: list[str] = []
    files = files_in(path, notes)
    paths = [file for file, _ in files]
    if paths[0].suffix.lower() in PARQUET and not any(parts for _, parts in files) and have_one_schema(paths):
        return _parquet(paths, str(path), {"files": len(files)}, room, notes)
    if sum(file.stat().st_size for file in paths) > room.streamed:
        room = replace(room, streamed=0)  # together they are too much to be held, whatever each is

    def open_file(file: Path) -> Opened:
        return open_place(Place(str(file), sheet=place.sheet), room)

    opened = open_folder(path, files, open_file, notes)
    return opened if place.sheet is None else replace(opened, details={**opened.details, "sheet": place.sheet})


def _parquet(files: Sequence[Path], path: str, details: dict[str, Any], room: Room, more: Sequence[str] = ()) -> Opened:
    notes = [f"{len(files)} files were read as one table, in the order of their names"] if len(files) > 1 else []
    notes += more
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
    if is_connection_string(str(path)):
        return SourceError(
            "TW064",
            "a connection string in this form is not read",
            where=str(path),
            why="a source is a file, a folder or a URL",
            fix="write it as postgresql://user@host:5432/database; a password belongs into PGPASSWORD or ~/.pgpass",
        )
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
