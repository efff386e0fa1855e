"""`trainwright verify`: is a bundle, or a whole run, what it says it is?"""

from __future__ import annotations

from pathlib import Path

import click

from trainwright.cli import flags, show
from trainwright.errors import BundleError, CheckFailed


@click.command()
@click.argument("bundle")
@flags.as_json
def command(bundle: str, as_json: bool) -> int:
    """Check every digest of a bundle; of a run, its event log as well."""
    from trainwright.bundle.audit import verify
    from trainwright.record.log import NAME
    from trainwright.run import Run

    path = Path(bundle)
    run, events = None, None
    if (path / NAME).exists():
        run, path = Run(path), path / "bundle"
        events = len(run.events)
    try:
        checked = verify(path)
    except BundleError as error:
        if not path.exists():
            raise
        raise CheckFailed(**error.as_dict()) from error  # asked whether it is sound, the answer is no
    if run is not None:
        run.check(checked["model_digest"])
    if as_json:
        show.emit({"schema_version": 1, "ok": True, "events": events, **checked})
    else:
        log = f"; the log's {events} events follow from one another" if events is not None else ""
        show.write(f"{path}: sound. model {checked['model_digest'][:16]}…, bundle {checked['bundle_digest'][:16]}…{log}")
    return 0
