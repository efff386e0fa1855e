"""`trainwright plan`: the resolved plan, as a file that `train` runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from trainwright.cli import show
from trainwright.cli.flags import JSON, SOURCE, with_asked


@with_asked
def command(
    asked: dict[str, Any],
    source: str | None = SOURCE,
    output: Path | None = typer.Option(None, "--output", "-o", help="Write the plan to this file.", show_default=False),
    as_json: bool = JSON,
) -> int:
    """Decide everything that is left open, and write it down: `trainwright train plan.yaml` then runs it."""
    from trainwright import api
    from trainwright.plan.read import dump_plan
    from trainwright.record import files

    plan = api.plan(source, **asked)
    if output is not None:
        files.write_text(output, dump_plan(plan, full=True))
    if as_json:
        show.emit({"schema_version": 1, "plan": plan.model_dump(mode="json"), "file": str(output) if output else None})
    elif output is not None:
        show.write(f"wrote {output}; run it with: trainwright train {output}")
    else:
        show.write(dump_plan(plan, full=True).rstrip())
    return 0
