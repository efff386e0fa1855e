"""`trainwright report`: make a run's report again, and say where it is."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import typer

from trainwright.cli import show
from trainwright.cli.flags import JSON, OUT, RUN


def command(
    run: str | None = RUN, out: Path = OUT, open_it: bool = typer.Option(False, "--open", help="Open it in the browser."), as_json: bool = JSON
) -> int:
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
