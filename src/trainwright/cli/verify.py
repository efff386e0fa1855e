"""`trainwright verify`: is a bundle, or a whole run, what it says it is?"""

from __future__ import annotations

from pathlib import Path

import typer

from trainwright.cli import show
from trainwright.cli.flags import JSON


def command(bundle: str = typer.Argument(..., help="A bundle or a run folder."), as_json: bool = JSON) -> int:
    """Check every digest of a bundle; of a run, its event log as well."""
    from trainwright.bundle.audit import verify
    from trainwright.record.log import NAME, read_events

    path = Path(bundle)
    events = None
    if (path / NAME).exists():
        events = len(read_events(path / NAME)[0])
        path = path / "bundle"
    checked = verify(path)
    if as_json:
        show.emit({"schema_version": 1, "ok": True, "events": events, **checked})
    else:
        log = f"; the log's {events} events follow from one another" if events is not None else ""
        show.write(f"{path}: sound. model {checked['model_digest'][:16]}…, bundle {checked['bundle_digest'][:16]}…{log}")
    return 0
