"""`trainwright train`: from a table to a model, its evidence and its report."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from trainwright.cli import flags, show
from trainwright.errors import RequestError


@click.command()
@flags.with_asked
@flags.source
@click.option("--resume", metavar="RUN", help="Go on with a run that was stopped.")
@flags.accept
@flags.as_json
def command(asked: dict[str, Any], source: str | None, resume: str | None, accept: tuple[str, ...], as_json: bool) -> int:
    """Train on a table or a plan file; write the run, its report and its bundle."""
    from trainwright import api, flow
    from trainwright.cli.bars import progress
    from trainwright.plan.model import Plan

    started = show.started()
    plan = None
    if resume is not None and (source is not None or asked or accept):
        given = ", ".join(["SOURCE"] * (source is not None) + [f"--{name}" for name in asked] + ["--accept"] * bool(accept))
        why = "a run goes on as it was asked for; what is given now would be ignored"
        raise RequestError(
            "TW009", f"--resume stands alone, but there is {given} as well", where="--resume", why=why, fix="leave it out, or train anew"
        )
    if resume is None:
        plan, _ = api.asked_of(source, asked)
        if plan.target is None and plan.source is not None and sys.stdin.isatty() and not as_json:
            plan = Plan.model_validate(plan.model_dump(exclude_unset=True) | {"target": ask_target(plan)})
            started = time.monotonic()  # a person's time does not count
        if accept:
            plan = api.accepting(plan, None, accept)
    with progress() as told:
        run = flow.train(plan, started=started, progress=told) if plan else flow.resume(str(resume), started=started, progress=told)
    if as_json:
        show.emit(run.summary | {"seconds": round(time.monotonic() - started, 3)})
    else:
        from trainwright.report.terminal import summary_lines

        show.write("\n".join(summary_lines(run.folder)))
    return 0


def ask_target(plan: Any) -> str:
    """Ask which column to predict, on a terminal."""
    from trainwright.data.read import read_rows
    from trainwright.data.targets import likely_targets
    from trainwright.select.limits import means_of

    table = read_rows(plan, None, means_of(plan).room)
    likely = likely_targets(table)
    for name, reason in likely[:8]:
        click.echo(f"  {name:<28} {reason}", err=True)
    answer: str = click.prompt("Which column is to be predicted?", default=likely[0][0] if likely else None, err=True)
    return answer
