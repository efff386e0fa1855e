"""`trainwright schema`: the JSON Schema of a plan."""

from __future__ import annotations

import json

import click

from trainwright.cli import flags, show
from trainwright.errors import need


@click.command()
@flags.as_json
def command(as_json: bool) -> int:
    """Print the JSON Schema of a plan: its keys are the flags and the keyword arguments."""
    need("pydantic", extra="tables", to="describe a plan")
    from trainwright.plan.read import plan_schema

    if as_json:
        show.emit(plan_schema())
    else:
        show.write(json.dumps(plan_schema(), indent=2, ensure_ascii=False))
    return 0
