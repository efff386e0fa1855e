"""`trainwright algorithms`: which learners there are, what they cost and how far they can be read."""

from __future__ import annotations

import click

from trainwright.cli import flags, show


@click.command()
@click.argument("learner", required=False)
@click.option("--task", help="Only those of this task: binary, multiclass or regression.")
@click.option("--rows", type=click.IntRange(1), default=10_000, show_default=True, help="Of the table to tell the cost for.")
@click.option("--columns", type=click.IntRange(1), default=20, show_default=True, help="Features of that table.")
@flags.as_json
def command(learner: str | None, task: str | None, rows: int, columns: int, as_json: bool) -> int:
    """List the learners, or show one in full."""
    from trainwright import api
    from trainwright.report.algorithms import catalogue_lines, learner_lines

    found = api.algorithms(learner, task=task, rows=rows, columns=columns)
    if as_json:
        show.emit({"schema_version": 1, "algorithms": found})
    else:
        show.write("\n".join(learner_lines(found[0]) if learner else catalogue_lines(found, rows=rows, columns=columns)))
    return 0
