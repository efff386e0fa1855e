"""`trainwright reproduce`: do a run again from its record, and compare."""

from __future__ import annotations

from pathlib import Path

import click

from trainwright.cli import flags, show


@click.command()
@flags.run
@click.option("--out", type=click.Path(path_type=Path), help="Where the new run goes; beside the old one when not given.")
@flags.as_json
def command(run: str | None, out: Path | None, as_json: bool) -> int:
    """Train again exactly as a run did, without any clock; exit 5 when the digests differ."""
    from trainwright import flow, repeat
    from trainwright.cli.bars import progress
    from trainwright.run import Run, latest_run

    found = Run(run) if run else latest_run(Path("runs"))
    assert found.summary  # raises when the run did not end
    changed = repeat.what_changed(found)
    for line in changed:
        click.echo(f"changed since: {line}", err=True)
    if changed:
        click.echo("so only the scores can be expected to agree, not the digests", err=True)
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
