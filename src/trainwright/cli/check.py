"""`trainwright check`: look at a table without training."""

from __future__ import annotations

import shutil
from typing import Any

import click

from trainwright.cli import flags, show


@click.command()
@flags.with_asked
@flags.source
@flags.as_json
def command(asked: dict[str, Any], source: str | None, as_json: bool) -> int:
    """Show what a table holds and what would make a model of it wrong."""
    from trainwright import api
    from trainwright.data.dataset import told_of
    from trainwright.report.columns import column_lines

    seen = api.check(source, **asked)
    allowed = {item["code"] for item in asked.get("allow", [])}
    blocking = [finding for finding in seen["findings"] if finding["blocking"] and finding["code"] not in allowed]
    if as_json:
        show.emit({"schema_version": 1, "rows": seen["source"]["rows"], "columns": len(seen["described"]), **seen})
    else:
        source_read = seen["source"]
        read = ", ".join(f"{name} {value!r}" for name, value in told_of(source_read["details"]).items())
        show.write(f"{source_read['path']}: {source_read['rows']:,} rows, {source_read['columns']:,} columns ({source_read['format']}; {read})")
        for note in source_read["notes"]:
            show.write(f"  {note}")
        show.write("")
        show.write("\n".join(column_lines(seen["described"], width=shutil.get_terminal_size((140, 24)).columns)))
        show.write("")
        if seen["task"]:
            show.write(f"target {seen['target']}: {seen['task']} ({seen['why_task']})")
            show.write(f"split: {seen['splits']['why']}")
            for reason, rows in seen["dropped"].items():
                show.write(f"{rows:,} rows set aside: {reason}")
            show.write("")
        show.write(show.findings_text(seen["findings"]))
    return 3 if blocking else 0
