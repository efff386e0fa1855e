"""`trainwright compare`: what differs between runs, and whether one is better."""

from __future__ import annotations

import click

from trainwright.cli import flags, show


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--metric", help="The metric that comes first; by default that of the first run.")
@flags.as_json
def command(runs: tuple[str, ...], metric: str | None, as_json: bool) -> int:
    """Compare runs with the first one: settings, data, scores with the interval of the difference."""
    from trainwright import api
    from trainwright.report.comparison import lines

    compared = api.compare(*runs, metric=metric)
    if as_json:
        show.emit(compared)
    else:
        show.write("\n".join(lines(compared)))
    return 0
