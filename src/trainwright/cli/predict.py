"""`trainwright predict`: a bundle's answers for the rows of a file, in the order of the file."""

from __future__ import annotations

from pathlib import Path

import click

from trainwright.cli import flags, show


@click.command()
@click.argument("model")
@click.argument("source")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="The file to write: .csv or .parquet.")
@click.option("--id", "identifier", metavar="COL", help="A column of the source that goes along.")
@flags.as_json
def command(model: str, source: str, output: Path, identifier: str | None, as_json: bool) -> int:
    """Predict each row of SOURCE with MODEL, a run or a bundle; probabilities go beside the answer."""
    from trainwright.predict import predict_file

    done = predict_file(model, source, output, identifier=identifier)
    if as_json:
        show.emit({"schema_version": 1, **done})
    else:
        show.write(f"wrote {done['rows']:,} predictions to {output} (columns: {', '.join(done['columns'])})")
        for note in done["notes"]:
            click.echo(f"  {note}", err=True)
    return 0
