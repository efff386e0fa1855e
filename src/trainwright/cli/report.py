"""`trainwright report`: make a run's report again, and say where it is."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from trainwright.cli import flags, show


@click.command()
@flags.run
@flags.out
@click.option("--open", "open_it", is_flag=True, help="Open it in the browser.")
@flags.as_json
def command(run: str | None, out: Path, open_it: bool, as_json: bool) -> int:
    """Show a run's result and where its report is."""
    from trainwright.report.terminal import summary_lines
    from trainwright.report.write import write_report
    from trainwright.run import Run, latest_run

    found = Run(run) if run else latest_run(out)
    summary = found.summary  # raises when the run did not end
    page = write_report(found.folder)
    if open_it:
        webbrowser.open(page.resolve().as_uri())
    if as_json:
        show.emit(summary | {"report": str(page)})
    else:
        show.write("\n".join(summary_lines(found.folder)))
    return 0
