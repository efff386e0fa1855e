"""A folder of files as one table: each file opened by itself, their columns brought together by name.

Takes    files of one format (CSV or TSV, JSON, Parquet, workbooks), directly in the folder or in subfolders named COLUMN=VALUE.
Gives    a `Scanned` over all rows, in the order of the files' names; a column that a file lacks is missing there, and said.
Why      exports come in parts, and parts drift: another order, a new column, other types. Only what cannot be brought together is refused,
         with its file. Each file is sniffed by itself, for parts may come from different programs.
Source   subfolders as columns: Apache Hive's partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from trainwright.data.sources.gather import common
from trainwright.data.sources.jsonlines import SUFFIXES as JSON
from trainwright.data.sources.opened import Opened
from trainwright.data.sources.place import WORKBOOKS
from trainwright.data.sources.scanned import Scanned, batch_of
from trainwright.errors import SourceError
from trainwright.record.digests import digest_file, digest_files

if TYPE_CHECKING:
    import polars as pl

FORMATS: Final = {**dict.fromkeys((".csv", ".tsv", ".tab"), "CSV"), **dict.fromkeys(JSON, "JSON"), **dict.fromkeys((".parquet", ".pq"), "Parquet"),
                  **dict.fromkeys(WORKBOOKS, "Excel")}  # fmt: skip
_NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"
_SHOWN: Final = 5


def files_in(path: Path, notes: list[str]) -> list[tuple[Path, dict[str, str | None]]]:
    """The tables of a folder by name, each with the columns that its subfolders stand for; what is left out is said.

    Raises SourceError TW022 when there is no table, TW063 when there are several formats.
    """
    found: list[tuple[Path, dict[str, str | None]]] = []
    left: list[str] = []
    _walk(path, path, {}, found, left)
    if not any(_format(file) for file, _ in found):  # plain text counts where there is nothing else
        texts = [(file, parts) for file, parts in found if _bare_suffix(file) == ".txt"]
    else:
        texts = [(file, parts) for file, parts in found if _format(file)]
    left += sorted(str(file.relative_to(path)) for file, _ in found if (file, _) not in texts)
    if not texts:
        raise SourceError(
            "TW022", "this is a folder without tables", where=str(path),
            why="a folder is read as one table of its CSV, JSON, Parquet or Excel files"
            + (f"; these are none: {', '.join(left[:_SHOWN])}" if left else ", and it is empty"),
            fix="name a file, or a folder that holds such files",
        )  # fmt: skip
    formats: dict[str, list[str]] = {}
    for file, _ in texts:
        formats.setdefault(_format(file) or "CSV", []).append(str(file.relative_to(path)))
    if len(formats) > 1:
        shown = "; ".join(f"{name}: {', '.join(sorted(files)[:3])}{' …' if len(files) > 3 else ''}" for name, files in formats.items())
        raise SourceError(
            "TW063", "the folder has files of several formats", where=str(path), why=f"which of them are the table cannot be known: {shown}",
            fix="put the files of one format into a folder of their own",
        )  # fmt: skip
    if left:
        notes.append(f"not read: {', '.join(sorted(left)[:_SHOWN])}" + (f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""))
    return sorted(texts, key=lambda item: item[0].relative_to(path).parts)


def _walk(folder: Path, top: Path, parts: dict[str, str | None], found: list[tuple[Path, dict[str, str | None]]], left: list[str]) -> None:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")):
            continue  # marks of the program that wrote the folder: _SUCCESS, .crc
        if entry.is_dir():
            name, equals, value = entry.name.partition("=")
            if equals and name:
                _walk(entry, top, {**parts, unquote(name): None if value == _NO_VALUE else unquote(value)}, found, left)
            else:
                left.append(f"{entry.relative_to(top)}/")
        elif entry.is_file():
            found.append((entry, parts))


def _bare_suffix(file: Path) -> str:
    name = file.name.lower()
    return Path(name.removesuffix(".gz")).suffix


def _format(file: Path) -> str | None:
    return FORMATS.get(_bare_suffix(file))


def open_folder(path: Path, files: Sequence[tuple[Path, dict[str, str | None]]], open_file: Callable[[Path], Opened], notes: list[str]) -> Opened:
    """One table of these files, each of which `open_file` opens.

    Raises SourceError TW038 when a column's types cannot be brought together (file, column, both types), and whatever opening a file raises.
    """
    opened = [open_file(file) for file, _ in files]
    partitions = [parts for _, parts in files]
    names = [str(file.relative_to(path)) for file, _ in files]
    text = opened[0].format != "parquet"
    columns, dtypes = _columns(opened, partitions, names, text=text)
    height = sum(each.scanned.height for each in opened)
    notes.append(f"{len(files):,} files were read as one table, in the order of their names")
    notes += _differing(opened, partitions, names, columns)
    for name, each in zip(names, opened, strict=True):
        for note in each.notes:
            notes.append(f"{name}: {note}") if len(notes) < 4 * _SHOWN else None
    if sum(len(each.notes) for each in opened) > 4 * _SHOWN:
        notes.append("… and the like for more files")

    def read(wanted: Sequence[str]) -> pl.DataFrame:
        import polars as pl

        return pl.concat(
            [_shaped(_some(each, wanted), each.scanned.height, part, wanted, dtypes) for each, part in zip(opened, partitions, strict=True)]
        )

    def chunks(wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
        for each, part in zip(opened, partitions, strict=True):
            inside = _inside(each, wanted)
            if each.scanned.chunks is None or not inside:
                yield _shaped(_some(each, wanted), each.scanned.height, part, wanted, dtypes)
            else:
                yield from (_shaped(frame, frame.height, part, wanted, dtypes) for frame in each.scanned.chunks(inside))

    aside = {column: f"in {name}, {why}" for name, each in reversed(list(zip(names, opened, strict=True))) for column, why in each.aside.items()}
    digests = {name: each.digest or digest_file(file) for name, each, (file, _) in zip(names, opened, files, strict=True)}
    details: dict[str, Any] = {
        "files": len(files),
        "parts": [
            {"name": name, "rows": each.scanned.height, "digest": each.digest, "details": each.details}
            for name, each in zip(names, opened, strict=True)
        ],
    }
    long = any(each.scanned.chunks is not None for each in opened)
    scanned = Scanned({name: dtypes[name] for name in columns}, height, read, batch_of(len(columns), height), chunks if long else None)
    return Opened(scanned, str(path), opened[0].format, digest_files(digests), details, tuple(notes), aside)


def _columns(
    opened: Sequence[Opened], parts: Sequence[dict[str, str | None]], names: Sequence[str], *, text: bool
) -> tuple[list[str], dict[str, Any]]:
    """All columns in the order in which they first appear, and the type that each has over all files."""
    import polars as pl

    kinds: dict[str, dict[Any, str]] = {}  # column -> type -> the first file that has it so
    for each, partition, file in zip(opened, parts, names, strict=True):
        if both := [name for name in partition if name in each.scanned.dtypes]:
            raise SourceError(
                "TW063", f"the column {both[0]!r} is in the file and in the name of its folder", where=file, why="the two could differ",
                fix="rename the folder or the column",
            )  # fmt: skip
        for name, dtype in [*each.scanned.dtypes.items(), *((name, pl.String()) for name in partition)]:
            kinds.setdefault(name, {}).setdefault(dtype, file)
    dtypes = {}
    for name, of_files in kinds.items():
        wanted = common(set(of_files))
        if wanted is None and not text:
            first, other = list(of_files.items())[:2]
            raise SourceError(
                "TW038", f"the column {name!r} is {_said(first[0])} in {first[1]} and {_said(other[0])} in {other[1]}", where=other[1],
                why="they are to be one table, and one kind cannot be read as the other without a guess", fix="write them with one schema",
            )  # fmt: skip
        dtypes[name] = pl.String() if wanted is None else wanted
    return list(kinds), dtypes


def _said(dtype: Any) -> str:
    return str(dtype).partition("(")[0]


def _differing(opened: Sequence[Opened], parts: Sequence[dict[str, str | None]], names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Which columns are not in every file, in words."""
    notes = []
    for name in columns:
        lacking = [
            file for file, each, partition in zip(names, opened, parts, strict=True) if name not in each.scanned.dtypes and name not in partition
        ]
        if lacking:
            shown = ", ".join(lacking[:3]) + (f" and {len(lacking) - 3:,} more files" if len(lacking) > 3 else "")
            notes.append(f"the column {name!r} is not in {shown}: missing there")
    return notes[:_SHOWN] + ([f"{len(notes) - _SHOWN} more columns are not in every file"] if len(notes) > _SHOWN else [])


def _inside(opened: Opened, wanted: Sequence[str]) -> list[str]:
    """Of the wanted columns, those that a file has."""
    return [name for name in wanted if name in opened.scanned.dtypes]


def _some(opened: Opened, wanted: Sequence[str]) -> pl.DataFrame:
    """These columns of a file; a frame of none where it has none of them."""
    import polars as pl

    inside = _inside(opened, wanted)
    return opened.scanned.columns(inside) if inside else pl.DataFrame()


def _shaped(frame: pl.DataFrame, rows: int, partition: dict[str, str | None], wanted: Sequence[str], dtypes: dict[str, Any]) -> pl.DataFrame:
    """Rows of one file with all wanted columns: those of its folder's name, and empty ones, are added; each has the type of all files."""
    import polars as pl

    def column(name: str) -> pl.Series:
        if name in frame.columns:
            return frame[name]
        return pl.Series(name, [partition.get(name)], dtype=pl.String).new_from_index(0, rows)

    return pl.DataFrame([column(name).cast(dtypes[name]) for name in wanted])
