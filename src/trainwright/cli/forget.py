"""`trainwright forget`: erase the rows of a run; its digests, evidence and bundle stay."""

from __future__ import annotations

import click

from trainwright.cli import flags, show


@click.command()
@click.argument("run")
@flags.as_json
def command(run: str, as_json: bool) -> int:
    """Erase a run's rows and out-of-fold predictions, and record that it was done."""
    from trainwright import stages
    from trainwright.run import Run

    done = stages.forget(Run(run))
    if as_json:
        show.emit({"schema_version": 1, **done})
    else:
        show.write(f"erased {done['files']} files ({done['bytes'] / 1e6:.1f} MB) of {run}; digests, evidence and bundle stay")
    return 0
