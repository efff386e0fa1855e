"""A plan as the command line that asks for it: what errors print as the corrected command, and reports as the way to repeat."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Mapping
from typing import Any

from trainwright.plan.model import Plan
from trainwright.plan.transforms import as_words

ASKED = (
    "target",
    "task",
    "metric",
    "positive",
    "split",
    "test",
    "folds",
    "weight",
    "threshold",
    "time",
    "candidates",
    "rows",
    "workers",
    "threads",
    "engine",
    "seed",
    "out",
)


PARTS = ("table", "query", "sheet")  # of a source that holds several tables


def words_of_part(part: Mapping[str, Any]) -> list[str]:
    """The flags that name the part of a source, from a plan's keys or what is told of a table; none where the source is one table."""
    return [word for name in PARTS if part.get(name) for word in (f"--{name}", str(part[name]))]


def can_say(plan: Plan) -> bool:
    """Whether a command line can ask for all of a plan; exact settings, a learner's own balance and some transforms stand in plan files alone."""
    whole = all(choice.settings is None and choice.balance == "none" for choice in plan.learners)
    return whole and None not in map(as_words, plan.transforms)


def command_of(plan: Plan, *, verb: str = "train", allow: tuple[tuple[str, str], ...] = ()) -> str:
    """`trainwright VERB …` with what was set; `allow` adds (code, reason) pairs to those of the plan.

    Whoever needs the whole command asks `can_say` first.
    """
    given = plan.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    words = ["trainwright", verb, plan.source or "SOURCE", *words_of_part(given)]
    for name in ASKED:
        if name in given:
            words += [f"--{name}", str(given[name])]
    for name in ("drop", "protected", "imbalance"):
        if given.get(name):
            words += [f"--{name}", _listed(given[name])]
    if given.get("learners"):
        words += ["--learners", ",".join(choice["name"] for choice in given["learners"])]
    if "transforms" in given:
        said = [text for entry in plan.transforms if (text := as_words(entry)) is not None]
        named = [text for text in said if " over " not in text]
        words += ["--transforms", ",".join(named) or "none"]
        words += [word for text in said if " over " in text for word in ("--windows", text)]
    for column, kind in given.get("kinds", {}).items():
        words += ["--kind", f"{column}={kind}"]
    for column, direction in given.get("monotone", {}).items():
        words += ["--monotone", f"{column}={direction}"]
    if "population" in given:
        words += ["--population", given["population"] if isinstance(given["population"], str) else _json(given["population"])]
    for fix in given.get("clean", []):
        words += ["--clean", _json(fix)]
    if "memory" in given:
        words += ["--memory", f"{given['memory']}B"]
    if given.get("keep_data") is False:
        words += ["--no-keep-data"]
    for code, because in [*((item.code, item.because) for item in plan.allow), *allow]:
        words += ["--allow", code, "--because", because]
    return shlex.join(words)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _listed(names: list[str]) -> str:
    """Names with commas between them; a name that holds a comma, a quote or a line break stands in double quotes."""
    line = io.StringIO()
    csv.writer(line).writerow(names)  # its own end of a line says which marks are quoted
    return line.getvalue().removesuffix("\r\n")
