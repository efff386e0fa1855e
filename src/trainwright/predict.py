"""Predict a file: rows in the order of the file, the answer and its probabilities beside the identifier."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwright import runtime
from trainwright.data.append import joined_words
from trainwright.data.room import Room
from trainwright.data.sources import Opened, Place, no_column, open_source, read_table, typed_chunks
from trainwright.data.sources.place import never_over, place_of
from trainwright.errors import RequestError
from trainwright.record import files
from trainwright.record.log import NAME
from trainwright.runtime.columns import Coded, Column, rows_of
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps.windows import no_earlier

if TYPE_CHECKING:
    import polars as pl


def predict_file(
    model: str | Path,
    source: str | Path | Place,
    output: Path,
    *,
    identifier: str | None = None,
    earlier: str | Path | Place | None = None,
    room: Room | None = None,
) -> dict[str, Any]:
    """Predict every row of `source` with a run's bundle (or a bundle) and write `output` (.csv or .parquet).

    `earlier` is a source of rows that came before, for a bundle with windows: of the columns of its keys, times and values. `room` says from which
    size on the source is read in chunks; a bundle with windows reads every source at once, which is noted where it matters.
    Gives `rows`, `columns` of the output, `notes` in words (columns that were not needed).
    Raises SourceError for a source that cannot be read, lacks a column of the model (TW039) or of `identifier` (TW021), or has cells that are not
    what they should be (TW032); BadInput TW046 for earlier rows that no window would look at; RequestError TW009 for another ending, and for an
    output that is the source; MachineError when it cannot be written.
    """
    if output.suffix not in (".csv", ".parquet"):
        raise RequestError("TW009", f"cannot write {output.suffix or 'a file without ending'}", where=str(output), fix="end it with .csv or .parquet")
    named = place_of(source)
    never_over(output, named, flag="-o")
    folder = Path(model)
    bundle = runtime.load(folder / "bundle" if (folder / NAME).exists() else folder)
    made = ["prediction", *(f"probability_{name}" for name in bundle.classes)]
    if identifier in made:
        raise RequestError("TW009", f"the output has a column {identifier!r} of its own", where="--id", fix="rename the column of the source")
    before = None if earlier is None else _earlier(bundle, place_of(earlier))
    notes: list[str] = []
    if bundle.windows:
        if _bytes_of(named) > (room or Room()).streamed:
            notes.append("the source was read at once, not in chunks: the model looks back at earlier rows (windows)")
        room = Room(streamed=1 << 60)
    opened = open_source(named, room)  # once: a database may change between two readings
    if identifier is not None and identifier not in opened.scanned.dtypes:
        raise no_column(identifier, opened, where="--id", why="its cells are to stand beside the answers")
    if opened.scanned.chunks is not None:
        return _in_chunks(bundle, opened, output, identifier)
    table = read_table(opened, like=bundle.features)
    names = None if identifier is None else _words(opened, identifier)
    columns = {feature.name: table.columns[feature.name] for feature in bundle.features}
    written = _answered(bundle, columns, identifier, names, before)
    _write(written, output)
    return _told(bundle, table.rows, table.source.columns, written.columns, output, identifier, [*table.source.notes, *notes])


def _bytes_of(place: Place) -> int:
    """Of a file, or of all files below a folder; 0 of what is neither."""
    path = Path(place.path)
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def _earlier(bundle: runtime.Bundle, place: Place) -> dict[str, Any]:
    """What the bundle's windows read of earlier rows, and their targets where the source has them."""
    if not bundle.windows:
        raise no_earlier()
    opened = open_source(place, Room(streamed=1 << 60))
    reads = {name for step in bundle.windows for name in step.reads}
    targets = {step.of: "category" if step.truth else "number" for step in bundle.windows if step.target and step.of in opened.scanned.dtypes}
    needed = [feature for feature in bundle.features if feature.name in reads]
    needed += [ColumnSchema(name=name, kind=kind) for name, kind in targets.items()]  # type: ignore[arg-type]
    columns = read_table(opened, like=needed).columns
    return {schema.name: column.words() if isinstance(column := columns[schema.name], Coded) else column for schema in needed}


def _answered(
    bundle: runtime.Bundle,
    columns: Mapping[str, Column],
    identifier: str | None,
    names: list[str | None] | None,
    earlier: Mapping[str, Any] | None = None,
) -> pl.DataFrame:
    """The output for some rows: the identifier where one is asked for, the answer, the probabilities."""
    import polars as pl

    outputs = bundle.outputs_of(columns, earlier=earlier)
    answers = bundle.answers(outputs)
    made = [] if identifier is None else [pl.Series(identifier, names, dtype=pl.String)]
    made.append(pl.Series("prediction", answers.tolist() if answers.dtype == object else answers))
    made += [pl.Series(f"probability_{name}", outputs[:, index]) for index, name in enumerate(bundle.classes)]
    return pl.DataFrame(made)


def _told(
    bundle: runtime.Bundle, rows: int, columns: int, made: Sequence[str], output: Path, identifier: str | None, said: Sequence[str]
) -> dict[str, Any]:
    needed = {feature.name for feature in bundle.features} | ({identifier} if identifier is not None else set())
    spare = columns - len(needed)
    notes = [f"{spare} columns of the source were not needed"] if spare else []
    return {"rows": rows, "columns": list(made), "output": str(output), "notes": [*said, *notes]}


def _in_chunks(bundle: runtime.Bundle, opened: Opened, output: Path, identifier: str | None) -> dict[str, Any]:
    """Predict a source that is too large to be held, chunk by chunk; the output appears when it is whole."""
    count, made = 0, list[str]()

    def parts() -> Iterator[pl.DataFrame]:
        nonlocal count, made
        for columns, names in _in_batches(typed_chunks(opened, bundle.features, identifier), bundle.batch):
            frame = _answered(bundle, columns, identifier, names)
            count, made = count + frame.height, frame.columns
            yield frame

    if output.suffix == ".csv":
        files.write_parts(output, _as_csv(parts()))
    else:
        _sink(parts(), output)
    return _told(bundle, count, len(opened.scanned.dtypes), made, output, identifier, opened.notes)


Typed = tuple[dict[str, Column], list[str | None] | None]


def _in_batches(chunks: Iterator[Typed], size: int) -> Iterator[Typed]:
    """The same rows in pieces of `size`, the last one smaller: each row meets the steps in the company that it has when all are given at once."""
    held: Typed | None = None
    for columns, names in chunks:
        if held is not None:
            before, words = held
            columns = {name: _together(before[name], column) for name, column in columns.items()}
            names = None if names is None or words is None else words + names
        count = rows_of(columns)
        whole = count - count % size
        for start in range(0, whole, size):
            yield _cut(columns, names, slice(start, start + size))
        held = _cut(columns, names, slice(whole, count)) if whole < count else None
    if held is not None:
        yield held


def _cut(columns: dict[str, Column], names: list[str | None] | None, rows: slice) -> Typed:
    some: dict[str, Column] = {
        name: Coded(column.codes[rows], column.vocabulary) if isinstance(column, Coded) else column[rows] for name, column in columns.items()
    }
    return some, None if names is None else names[rows]


def _together(first: Column, second: Column) -> Column:
    if isinstance(first, Coded) and isinstance(second, Coded):
        return joined_words(first, second)
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)  # both were read by one schema
    return np.concatenate([first, second])


def _as_csv(frames: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    for at, frame in enumerate(frames):
        buffer = io.BytesIO()
        frame.write_csv(buffer, include_header=at == 0)
        yield buffer.getvalue()


def _sink(frames: Iterator[pl.DataFrame], output: Path) -> None:
    """One Parquet file of many frames: each is kept in a file of its own, of which the whole is then made."""
    import polars as pl

    files.make_folder(output.parent)
    with files.machine_errors(output, doing="write a file"), tempfile.TemporaryDirectory(dir=output.parent, prefix=".predict-") as folder:
        paths = []
        for at, frame in enumerate(frames):
            paths.append(Path(folder) / f"{at:09d}.parquet")
            frame.write_parquet(paths[-1])
        beside = Path(folder) / "whole.parquet"
        pl.scan_parquet(paths, glob=False).sink_parquet(beside, maintain_order=True)
        files.place(beside, output)


def _words(source: Opened, name: str) -> list[str | None]:
    """The cells of a column as they stand in the source, whatever the model takes them for."""
    column = read_table(source, like=[ColumnSchema(name=name, kind="identifier")]).columns[name]
    assert isinstance(column, Coded)  # identifiers are words
    return column.words()


def _write(frame: Any, output: Path) -> None:
    buffer = io.BytesIO()
    if output.suffix == ".csv":
        frame.write_csv(buffer)
    else:
        frame.write_parquet(buffer)
    files.write(output, buffer.getvalue())
