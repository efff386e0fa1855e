"""`trainwright plan`: the resolved plan, as a file that `train` runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trainwright.cli import flags, show


@click.command()
@flags.with_asked
@flags.source
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write the plan to this file.")
@flags.as_json
def command(asked: dict[str, Any], source: str | None, output: Path | None, as_json: bool) -> int:
    """Decide everything that is left open, and write it down: `trainwright train plan.yaml` then runs it."""
    from trainwright import api
    from trainwright.plan.read import dump_plan

    plan = api.resolve(source, write=output, **asked)
    if as_json:
        show.emit({"schema_version": 1, "plan": plan.model_dump(mode="json"), "file": str(output) if output else None})
    elif output is not None:
        show.write(f"wrote {output}; run it with: trainwright train {output}")
    else:
        show.write(dump_plan(plan, full=True).rstrip())
    return 0
