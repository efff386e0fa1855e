"""Predict a file: rows in the order of the file, the answer and its probabilities beside the identifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trainwright import runtime
from trainwright.data.sources import Opened, Place, open_source, read_table
from trainwright.errors import RequestError
from trainwright.record import files
from trainwright.record.log import NAME
from trainwright.runtime.columns import Coded
from trainwright.runtime.schema import ColumnSchema


def predict_file(model: str | Path, source: str | Path | Place, output: Path, *, identifier: str | None = None) -> dict[str, Any]:
    """Predict every row of `source` with a run's bundle (or a bundle) and write `output` (.csv or .parquet).

    Gives `rows`, `columns` of the output, `notes` in words (columns that were not needed).
    Raises SourceError for a file that cannot be read, BadInput for columns that are missing or cells that are not what they
    should be, RequestError (TW009) for another ending, MachineError when the output cannot be written.
    """
    import polars as pl

    if output.suffix not in (".csv", ".parquet"):
        raise RequestError("TW009", f"cannot write {output.suffix or 'a file without ending'}", where=str(output), fix="end it with .csv or .parquet")
    folder = Path(model)
    bundle = runtime.load(folder / "bundle" if (folder / NAME).exists() else folder)
    made = ["prediction", *(f"probability_{name}" for name in bundle.classes)]
    if identifier in made:
        raise RequestError("TW009", f"the output has a column {identifier!r} of its own", where="--id", fix="rename the column of the source")
    opened = open_source(source)  # once: a database may change between two readings
    table = read_table(opened, like=bundle.features)
    names = None if identifier is None else _words(opened, identifier)
    outputs = bundle.outputs_of({feature.name: table.columns[feature.name] for feature in bundle.features})
    frame: dict[str, Any] = {} if identifier is None else {identifier: names}
    frame["prediction"] = bundle.answers(outputs)
    frame |= {f"probability_{name}": outputs[:, index] for index, name in enumerate(bundle.classes)}
    written = pl.DataFrame(
        {name: values.tolist() if isinstance(values, np.ndarray) and values.dtype == object else values for name, values in frame.items()}
    )
    _write(written, output)
    needed = {feature.name for feature in bundle.features} | ({identifier} if identifier is not None else set())
    spare = table.source.columns - len(needed)
    notes = [f"{spare} columns of the source were not needed"] if spare else []
    return {"rows": table.rows, "columns": list(frame), "output": str(output), "notes": [*table.source.notes, *notes]}


def _words(source: Opened, name: str) -> list[str | None]:
    """The cells of a column as they stand in the source, whatever the model takes them for."""
    column = read_table(source, like=[ColumnSchema(name=name, kind="identifier")]).columns[name]
    assert isinstance(column, Coded)  # identifiers are words
    return column.words()


def _write(frame: Any, output: Path) -> None:
    import io

    buffer = io.BytesIO()
    if output.suffix == ".csv":
        frame.write_csv(buffer)
    else:
        frame.write_parquet(buffer)
    files.write(output, buffer.getvalue())
