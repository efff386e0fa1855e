"""`trainwright check`: look at a table without training."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click

from trainwright.cli import flags, show


@click.command()
@flags.with_asked
@flags.source
@flags.accept
@click.option("--undo", multiple=True, metavar="CODE", help="Take an entry out of the ledger: its number, the code that proposed it, or all.")
@click.option("--write", type=click.Path(path_type=Path), help="Write the plan, its ledger as it now is, to this file; `train` runs it.")
@flags.as_json
def command(asked: dict[str, Any], source: str | None, accept: tuple[str, ...], undo: tuple[str, ...], write: Path | None, as_json: bool) -> int:
    """Show what a table holds, what would make a model of it wrong, and what would mend that."""
    from trainwright import api
    from trainwright.data.dataset import told_of
    from trainwright.report.columns import column_lines

    seen = api.check(source, accept=accept, undo=undo, write=write, **asked)
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
        if ledger := ledger_text(seen, changed=bool(accept or undo)):
            show.write(ledger)
    return 3 if blocking else 0


def ledger_text(seen: dict[str, Any], *, changed: bool) -> str:
    """What was cleaned, and what could be, each numbered as --undo and --accept take it; "" where there is neither."""
    lines: list[str] = []
    if seen["clean"]:
        lines += ["", "Ledger (--undo N takes an entry out)"]
        lines += [f"  {entry['number']}  {entry['said']}: {entry['because']}" for entry in seen["clean"]]
        lines += ["What it did", *(f"  {entry['do']:<16} {entry['said']}" for entry in seen["cleaned"])]
        opened, sealed, dropped = seen["splits"]["open"], seen["splits"]["sealed"], sum(seen["dropped"].values())
        lines += [f"  {seen['source']['rows']:,} rows in = {opened + sealed:,} used ({opened:,} open, {sealed:,} sealed) + {dropped:,} set aside"]
    if seen["proposals"]:
        lines += ["", "Proposed (--accept N, CODE or all enters it into the ledger)"]
        lines += [f"  {p['number']}  {p['code']}  {p['said']}" for p in seen["proposals"]]
    if seen["written"]:
        lines += ["", f"wrote {seen['written']}; run it with: trainwright train {seen['written']}"]
    elif changed:
        lines += ["", "Nothing was written: --write plan.yaml keeps this ledger in a plan that `train` runs."]
    return "\n".join(lines)
