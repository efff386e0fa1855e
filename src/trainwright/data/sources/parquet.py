"""Parquet files as one table of which columns are read when they are asked for.

Takes    the files, in their order.
Gives    a `Scanned`: names, types and rows from the files' indexes; the cells of a column only when it is read.
Why      a column of a Parquet file can be read without the others, so no more is held than what is being typed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trainwright.data.room import Room
from trainwright.data.sources.delimited import check_names
from trainwright.data.sources.scanned import Scanned, batch_of
from trainwright.errors import SourceError

if TYPE_CHECKING:
    import polars as pl


CELLS: Final = 1_000_000  # of a chunk, where a table is read in chunks


def scan_parquet(paths: Sequence[Path], path: str, notes: list[str], room: Room) -> Scanned:
    """One table from Parquet files of one schema, in the order given.

    Raises  SourceError TW030 for a broken file (also later, when a broken part is read), TW038 when schemas differ, TW028 and TW029 for names.
    """
    import polars as pl

    scans = [_scan(file) for file in paths]
    columns = [scan.collect_schema().names() for scan in scans]
    for file, names in zip(paths, columns, strict=True):
        if names != columns[0]:
            differing = sorted(set(names) ^ set(columns[0])) or ["their order"]
            raise SourceError(
                "TW038",
                f"the files do not have the same columns: {', '.join(differing[:5])}",
                where=f"{file}, and {paths[0].name}",
                why="they are to be one table",
                fix="give them one schema",
            )
    try:
        whole = pl.concat(scans, how="vertical_relaxed") if len(scans) > 1 else scans[0]
        types = whole.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise SourceError(
            "TW038", "a column has different types in the files", where=path, why="they are to be one table", fix="give them one schema"
        ) from error
    height = sum(_height(scan, file) for scan, file in zip(scans, paths, strict=True))
    names = check_names(columns[0], path, notes)
    stored = dict(zip(names, columns[0], strict=True))

    def read(wanted: Sequence[str]) -> pl.DataFrame:
        inside = [stored[name] for name in wanted]
        try:
            frame = whole.select(inside).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _broken(_culprit(scans, paths, inside)) from error
        frame.columns = list(wanted)
        return frame

    def chunks(wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
        inside = [stored[name] for name in wanted]
        step = max(1, min(CELLS, room.chunk // 8) // len(names))
        try:
            for frame in whole.select(inside).collect_batches(chunk_size=step, maintain_order=True):
                for start in range(0, frame.height, step):
                    part = frame.slice(start, step)
                    part.columns = list(wanted)
                    yield part
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _broken(_culprit(scans, paths, inside)) from error

    long = height * len(names) * 8 > room.streamed
    return Scanned(dict(zip(names, types.dtypes(), strict=True)), height, read, batch_of(len(names), height), chunks if long else None)


def have_one_schema(paths: Sequence[Path]) -> bool:
    """Whether all files have the same columns in the same order and of the same types. Raises SourceError TW030."""
    first = _scan(paths[0]).collect_schema()
    return all(_scan(file).collect_schema() == first for file in paths[1:])


def _scan(file: Path) -> pl.LazyFrame:
    """One file, of which the index was read. Raises SourceError TW030."""
    import polars as pl

    with file.open("rb") as opened:
        head = opened.read(4)
    if head != b"PAR1":
        raise SourceError(
            "TW030",
            "this is not a Parquet file",
            where=str(file),
            why="its first bytes are not PAR1",
            fix="give the file its right ending: a CSV file may have any other name",
        )
    try:
        scan = pl.scan_parquet(file, hive_partitioning=False, glob=False)
        scan.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _broken(file) from error
    return scan


def _height(scan: pl.LazyFrame, file: Path) -> int:
    import polars as pl

    try:
        return int(scan.select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _broken(file) from error


def _culprit(scans: Sequence[pl.LazyFrame], paths: Sequence[Path], columns: list[str]) -> Path:
    """The file of which these columns cannot be read."""
    import polars as pl

    for scan, file in zip(scans, paths, strict=True):
        try:
            scan.select(columns).collect()
        except (pl.exceptions.PolarsError, OSError):
            return file
    return paths[0]


def _broken(file: Path) -> SourceError:
    return SourceError(
        "TW030", "the Parquet file is broken", where=str(file), why="its index or a part of it cannot be read", fix="copy or write it again"
    )
