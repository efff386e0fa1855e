"""The command line: one file a verb, each a few lines over the Python API. This file only starts it and ends it well.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 our bug, 2 request or data wrong,
3 stopped by a finding, 4 limits infeasible, 5 a check answered no, 6 the machine failed, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

from trainwright.cli import show
from trainwright.errors import Interrupted, MachineError, RequestError, TrainwrightError, need


def main(arguments: list[str] | None = None) -> int:
    """Run one command; give the exit code. Nothing escapes as a traceback."""
    if arguments is not None:  # called inside another program: its limit of time begins here
        show.called()
    try:
        code = _main(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output went away, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter would complain when it flushes
        return 0
    return code


def _main(words: list[str]) -> int:
    try:
        need("click", extra="tables", to="use the command line")
        from trainwright.cli.app import run

        return run(words)
    except TrainwrightError as error:
        return fail(error, as_json="--json" in words)
    except KeyboardInterrupt:
        return fail(Interrupted("TW098", "stopped", fix="nothing was lost: ask again"), as_json="--json" in words)
    except BrokenPipeError:  # an OSError as well, but no failure: `main` ends quietly
        raise
    except OSError as error:
        reason = (error.strerror or "the operating system refused").lower()
        return fail(
            MachineError("TW092", reason, where=str(error.filename or ""), fix="look at the disk and the permissions"), as_json="--json" in words
        )
    except MemoryError:
        return fail(MachineError("TW096", "the memory is used up", fix="give fewer rows or columns, or a larger machine"), as_json="--json" in words)
    except Exception as error:
        return bug(error, as_json="--json" in words)


def fail(error: TrainwrightError, *, as_json: bool) -> int:
    """Show an error and give its exit code."""
    if as_json:
        sys.stdout.write(json.dumps({"schema_version": 1, **error.as_dict()}, ensure_ascii=False) + "\n")
    else:
        say(show.error_text(error))
    return error.exit_code


def bug(error: Exception, *, as_json: bool) -> int:
    """Our own mistake: the frames go to a log, without messages and values, since these may hold cells of the data."""
    with tempfile.NamedTemporaryFile("w", prefix="trainwright-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write(f"{type(error).__module__}.{type(error).__qualname__}\n")
        log.writelines(traceback.format_tb(error.__traceback__))
    ours = RequestError(
        "TW099",
        f"something in Trainwright broke ({type(error).__name__}); this is our mistake, not yours",
        where=f"log: {Path(log.name)}",
        fix="report it with that log, which holds no values of your data",
    )
    fail(ours, as_json=as_json)
    return 1


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
