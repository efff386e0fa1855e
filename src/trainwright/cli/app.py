"""The verbs, put together. A verb's module is imported when it is called, so that `--help` stays quick."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from trainwright._version import __version__
from trainwright.errors import RequestError, nearest

VERBS = {
    "demo": "Train on real data that comes along, to see what a run looks like.",
    "check": "Show what a table holds and what would make a model of it wrong.",
    "plan": "Decide everything that is left open, and write it down.",
    "train": "Train on a table or a plan file; write the run, its report and its bundle.",
    "report": "Show a run's result and where its report is.",
    "compare": "Show what differs between runs, and whether one is better.",
    "predict": "Predict each row of a file with a bundle.",
    "verify": "Check that a bundle or a run is what it says it is.",
    "reproduce": "Train again exactly as a run did, and compare.",
    "algorithms": "List the learners: tasks, cost, limits, how far they can be read.",
    "schema": "Print the JSON Schema of a plan.",
    "doctor": "Show what this machine offers and what is missing.",
    "forget": "Erase the rows of a run; its digests stay.",
}
"""In the order in which people meet them."""


class Verbs(click.Group):
    """A group whose commands are imported one by one, when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            near = nearest(cmd_name, VERBS)
            fix = f"did you mean {near!r}?" if near else f"there are: {', '.join(VERBS)}"
            raise RequestError("TW008", f"there is no verb {cmd_name!r}", where="trainwright", fix=fix)
        command: click.Command = import_module(f"trainwright.cli.{cmd_name}").command
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, help="From a table to a model that may go into production and can still be defended in two years.", no_args_is_help=True)
@click.version_option(__version__, message="%(version)s")
def top() -> None:
    pass


def run(words: list[str]) -> int:
    """Parse and run. Raises RequestError (TW007) for flags and arguments that do not exist."""
    try:
        # Not top.main: it would end the process itself when the reader of a pipe goes away, with an exit code of its own.
        with top.make_context("trainwright", list(words)) as context:
            result: Any = top.invoke(context)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.exceptions.UsageError as error:
        raise _usage_error(error) from None
    return result if isinstance(result, int) else 0


def _usage_error(error: click.exceptions.UsageError) -> RequestError:
    where = error.ctx.command_path if error.ctx else "trainwright"
    fix = f"`{where} --help` lists what there is"
    if isinstance(error, click.exceptions.NoSuchOption):
        known = [name for parameter in error.ctx.command.params for name in parameter.opts] if error.ctx else []
        near = nearest(error.option_name, known)
        fix = f"did you mean {near}?" if near else fix
    message = error.format_message()
    return RequestError("TW007", f"{message[:1].lower()}{message[1:]}".rstrip("."), where=where, fix=fix)
