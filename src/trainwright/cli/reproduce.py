"""`trainwright reproduce`: do a run again from its record, and compare."""

from __future__ import annotations

from pathlib import Path

import typer

from trainwright.cli import show
from trainwright.cli.flags import JSON, RUN


def command(
    run: str | None = RUN,
    out: Path | None = typer.Option(None, "--out", help="Where the new run goes; beside the old one when not given.", show_default=False),
    as_json: bool = JSON,
) -> int:
    """Train again exactly as a run did, without any clock; exit 5 when the digests differ."""
    from trainwright import flow, stages
    from trainwright.cli.bars import progress
    from trainwright.run import Run, latest_run

    found = Run(run) if run else latest_run(Path("runs"))
    changed = stages.what_changed(found)
    for line in changed:
        typer.echo(f"changed since: {line}", err=True)
    if changed:
        typer.echo("so only the scores can be expected to agree, not the digests", err=True)
    with progress() as told:
        result = flow.reproduce(found.folder, out=out or found.folder.parent / "reproduced", progress=told)
    if as_json:
        show.emit({"schema_version": 1, **result})
    else:
        for name in ("model_digest", "bundle_digest"):
            same = "the same" if result[name] == result["recorded"][name] else f"DIFFERENT, recorded {result['recorded'][name]}"
            show.write(f"{name:<14} {result[name]}  {same}")
        show.write(f"run again in {result['run']}")
    return 0 if result["same"] else 5
