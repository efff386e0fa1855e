"""The result at the end of `train`, for a terminal: the same sentences as the page, the report as a link, the next command.

Takes    the run folder's records. Gives lines of plain text, without colour: the command line decides how to show them.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from trainwright.report import sentences
from trainwright.report.numbers import visible
from trainwright.report.records import Records, read_records

WIDTH = 100


def summary_lines(run_folder: Path, *, width: int = WIDTH) -> list[str]:
    """Read the run folder, and say what came of it. Raises RequestError TW006, CheckFailed TW080 or TW083 as `read_records`."""
    return lines(read_records(run_folder), width=width)


def lines(records: Records, *, width: int = WIDTH) -> list[str]:
    answer = sentences.told(records)
    out: list[str] = []
    for paragraph in ((answer.predicts, sentences.winner(records)), answer.good, (answer.measured,)):
        out += [*_wrapped(" ".join(paragraph), width), ""]
    if answer.beware:
        out.append("Beware")
        for sentence in answer.beware:
            out += _wrapped(sentence, width, first="  - ", rest="    ")
        out.append("")
    out += [f"Report  {(records.folder / 'report.html').resolve().as_uri()}"]
    out += [f"Next    {answer.next[0].command}"]
    return out


def _wrapped(sentence: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Wrapped between words only, so that a command or a name is never cut and can be copied; no escape sequence reaches the terminal."""
    return textwrap.wrap(
        visible(sentence, limit=10_000), width=width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
