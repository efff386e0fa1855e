"""The flags that say what is asked: made from the plan's model, so that flags, plan keys and keyword arguments are the same words."""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from trainwright.errors import RequestError, need

PLAIN: dict[str, type] = {
    "table": str,
    "query": str,
    "sheet": str,
    "target": str,
    "task": str,
    "metric": str,
    "positive": str,
    "split": str,
    "test": str,
    "folds": int,
    "weight": str,
    "population": str,
    "threshold": str,
    "time": str,
    "candidates": int,
    "memory": str,
    "rows": int,
    "workers": int,
    "threads": int,
    "engine": str,
    "seed": int,
    "out": str,
}
LISTS = ("drop", "protected", "learners", "imbalance")  # repeated, or with commas; a name that holds one stands in double quotes


def with_asked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb all flags of a plan; it receives them as one dictionary `asked` of plan fields, besides its own parameters."""
    need("pydantic", extra="tables", to="read what is asked")
    from trainwright.plan.model import Plan

    def text(name: str) -> str | None:
        return Plan.model_fields[name].description

    flags = [
        *(click.option(f"--{name}", type=kind, help=text(name)) for name, kind in PLAIN.items()),
        *(click.option(f"--{name}", multiple=True, help=text(name)) for name in LISTS),
        click.option("--transforms", multiple=True, metavar="NAMES", help=text("transforms")),
        click.option("--windows", multiple=True, metavar="WORDS", help="Windowed aggregates, as in 'AMOUNT by CUSTOMER over 1d,7d'; repeated."),
        click.option("--kind", multiple=True, metavar="COL=KIND", help="number, category, ordered, yesno, datetime, text or identifier."),
        click.option("--monotone", multiple=True, metavar="COL=increasing", help=text("monotone")),
        click.option("--allow", multiple=True, metavar="CODE", help="Let a blocking finding through; needs --because."),
        click.option("--because", multiple=True, metavar="REASON", help="The reason for the --allow before it; kept in the record."),
        click.option("--clean", multiple=True, metavar="FIX", help="An entry of the cleaning ledger, as JSON: " + (text("clean") or "")),
        click.option("--keep-data/--no-keep-data", default=None, help=text("keep_data")),
    ]
    names = {*PLAIN, *LISTS, "transforms", "windows", "kind", "monotone", "allow", "because", "clean", "keep_data"}

    @functools.wraps(function)
    def verb(**values: Any) -> Any:
        return function(asked=_fields({name: values.pop(name) for name in names}), **values)

    for flag in reversed(flags):
        verb = flag(verb)
    return verb


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    """Flags → the plan's fields; what was not given is left out."""
    fields = {name: values[name] for name in PLAIN if values[name] is not None}
    for name in LISTS:
        words = [word for text in values[name] for word in _listed(f"--{name}", text)]
        if words:
            fields[name] = [{"name": word} for word in words] if name == "learners" else words
    if values["transforms"] or values["windows"]:
        fields["transforms"] = _transforms(values["transforms"], values["windows"])
    if values["kind"]:
        fields["kinds"] = dict(_pair("--kind", text, "zip=category") for text in values["kind"])
    if values["monotone"]:
        fields["monotone"] = dict(_pair("--monotone", text, "age=increasing") for text in values["monotone"])
    if values["allow"] or values["because"]:
        fields["allow"] = _allowed(values["allow"], values["because"])
    if values["clean"]:
        fields["clean"] = [_fix(text) for text in values["clean"]]
    if fields.get("population", "").lstrip().startswith(("{", "[")):
        fields["population"] = _read("--population", fields["population"])
    if values["keep_data"] is not None:
        fields["keep_data"] = values["keep_data"]
    return fields


def _listed(flag: str, text: str) -> list[str]:
    """Names with commas between them, some in double quotes."""
    try:
        return [word.strip() for word in next(csv.reader([text], skipinitialspace=True)) if word.strip()]
    except csv.Error:
        why, fix = "a name that holds a line break or a comma stands in double quotes", f"""write {flag} '"NAME"', or write it into a plan file"""
        raise RequestError("TW009", f"{flag} cannot be read as names", where=flag, why=why, fix=fix) from None


def _transforms(named: tuple[str, ...], windows: tuple[str, ...]) -> list[str]:
    """Names and sentences on windows; windows alone are added to what is proposed, unless nothing else is to be tried (none)."""
    words = [word.strip() for text in named for word in text.split(",") if word.strip()] or ["auto"]
    if "none" in words and len(words) > 1:
        raise RequestError("TW009", "transforms are none and some at once", where="--transforms", fix="leave `none` out, or all the others")
    for sentence in windows:
        if " over " not in sentence or "by " not in sentence:
            raise RequestError(
                "TW009",
                f"--windows {sentence!r} says no windows",
                where="--windows",
                fix="write as in --windows 'AMOUNT by CUSTOMER over 1d,7d', or 'by CUSTOMER over 1d' to count rows",
            )
    return [*(word for word in words if word != "none"), *windows]


def _pair(flag: str, text: str, example: str) -> tuple[str, str]:
    """COLUMN=WORD in two."""
    column, equals, word = text.rpartition("=")
    if not equals:
        name = flag.strip("-")
        raise RequestError("TW009", f"{flag} {text!r} says no {name}", where=flag, fix=f"write {flag} COLUMN={name.upper()}, as in {flag} {example}")
    return column, word


def _fix(text: str) -> dict[str, Any]:
    fix = _read("--clean", text)
    if not isinstance(fix, dict):
        raise RequestError(
            "TW009", "--clean is no entry of a ledger", where="--clean", fix="""write --clean '{"do": "drop duplicates", "because": "…"}'"""
        )
    return fix


def _read(flag: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        fix = "quote it for the shell, or write it into a plan file"
        raise RequestError("TW009", f"{flag} is not valid JSON", where=flag, why="it has parts that one word cannot say", fix=fix) from None


def _allowed(codes: tuple[str, ...], reasons: tuple[str, ...]) -> list[dict[str, str]]:
    if len(codes) != len(reasons):
        raise RequestError(
            "TW009",
            f"{len(codes)} --allow but {len(reasons)} --because",
            where="--allow",
            why="a finding that is let through needs its reason in the record",
            fix='write --allow CODE --because "the reason", once for each',
        )
    return [{"code": code, "because": because} for code, because in zip(codes, reasons, strict=True)]


accept = click.option("--accept", multiple=True, metavar="CODE", help="Enter what a finding proposes into the ledger: its code, its number, or all.")
source = click.argument("source", required=False)  # a table or a plan
run = click.argument("run", required=False)  # a run folder; the newest one when not given
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
out = click.option("--out", type=click.Path(path_type=Path), default="runs", show_default=True, help="The folder of the runs.")
