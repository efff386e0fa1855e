"""`trainwright predict`: a bundle's answers for the rows of a file, in the order of the file."""

from __future__ import annotations

from pathlib import Path

import typer

from trainwright.cli import show
from trainwright.cli.flags import JSON


def command(
    model: str = typer.Argument(..., help="A run folder or a bundle."),
    source: str = typer.Argument(..., help="A CSV, TSV or Parquet file."),
    output: Path = typer.Option(..., "--output", "-o", help="The file to write: .csv or .parquet."),
    identifier: str | None = typer.Option(None, "--id", metavar="COL", help="A column of the source that goes along.", show_default=False),
    as_json: bool = JSON,
) -> int:
    """Predict each row of a file; probabilities go beside the answer."""
    from trainwright.predict import predict_file

    done = predict_file(model, source, output, identifier=identifier)
    if as_json:
        show.emit({"schema_version": 1, **done})
    else:
        show.write(f"wrote {done['rows']:,} predictions to {output} (columns: {', '.join(done['columns'])})")
        for note in done["notes"]:
            typer.echo(f"  {note}", err=True)
    return 0
