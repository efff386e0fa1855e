"""A plan as the command line that asks for it: what errors print as the corrected command, and reports as the way to repeat."""

from __future__ import annotations

import csv
import io
import json
import shlex

from trainwright.plan.model import Plan
from trainwright.plan.transforms import as_words

ASKED = (
    "table",
    "query",
    "sheet",
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


def command_of(plan: Plan, *, verb: str = "train", allow: tuple[tuple[str, str], ...] = ()) -> str:
    """`trainwright VERB …` with what was set; `allow` adds (code, reason) pairs to those of the plan."""
    words = ["trainwright", verb, plan.source or "SOURCE"]
    given = plan.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    for name in ASKED:
        if name in given:
            words += [f"--{name}", str(given[name])]
    for name in ("drop", "protected", "imbalance"):
        if given.get(name):
            words += [f"--{name}", _listed(given[name])]
    if given.get("learners"):
        words += ["--learners", ",".join(choice["name"] for choice in given["learners"])]
    if "transforms" in given:
        # What words cannot say has to stand in the plan file; whoever needs the whole command asks `as_words` first.
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
    """Names with commas between them; a name that holds a comma or a quote stands in double quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()
