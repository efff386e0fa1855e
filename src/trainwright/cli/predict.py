"""`trainwright predict`: a bundle's answers for the rows of a file, in the order of the file."""

from __future__ import annotations

from pathlib import Path

import click

from trainwright.cli import flags, show
from trainwright.errors import RequestError


@click.command()
@click.argument("model")
@click.argument("source")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="The file to write: .csv or .parquet.")
@click.option("--table", help="The table of a database.")
@click.option("--query", help="One SELECT in the place of a table.")
@click.option("--sheet", help="The sheet of a workbook.")
@click.option("--earlier", metavar="FILE", help="Rows that came before, for windows: FILE, URL#TABLE or WORKBOOK#SHEET.")
@click.option("--id", "identifier", metavar="COL", help="A column of the source that goes along.")
@flags.as_json
def command(
    model: str,
    source: str,
    table: str | None,
    query: str | None,
    sheet: str | None,
    output: Path,
    earlier: str | None,
    identifier: str | None,
    as_json: bool,
) -> int:
    """Predict each row of SOURCE with MODEL, a run or a bundle; probabilities go beside the answer."""
    from trainwright.data.sources.place import place_of, place_with_part
    from trainwright.predict import predict_file

    if table is not None and query is not None:
        raise RequestError("TW009", "--table and --query are both given", where="--query", why="a query names its tables itself", fix="leave one out")
    rows, before = place_of(source, table=table, query=query, sheet=sheet), None if earlier is None else place_with_part(earlier)
    done = predict_file(model, rows, output, identifier=identifier, earlier=before)
    if as_json:
        show.emit({"schema_version": 1, **done})
    else:
        show.write(f"wrote {done['rows']:,} predictions to {output} (columns: {', '.join(done['columns'])})")
        for note in done["notes"]:
            click.echo(f"  {note}", err=True)
    return 0
