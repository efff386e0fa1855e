"""The flags that say what is asked: made from the plan's model, so that flags, plan keys and keyword arguments are the same words."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from trainwright.errors import RequestError, need

PLAIN: dict[str, type] = {
    "target": str,
    "task": str,
    "metric": str,
    "positive": str,
    "split": str,
    "test": str,
    "folds": int,
    "weight": str,
    "time": str,
    "candidates": int,
    "memory": str,
    "workers": int,
    "threads": int,
    "engine": str,
    "seed": int,
    "out": str,
}
LISTS = ("drop", "protected", "learners")  # repeated, or with commas

Asked = Callable[..., Any]


def with_asked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb all flags of a plan; it receives them as one dictionary `asked` of plan fields, besides its own parameters."""
    need("pydantic", extra="tables", to="read what is asked")
    from trainwright.plan.model import Plan

    own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name != "asked"]
    flags = [_flag(name, kind | None, f"--{name}", Plan.model_fields[name].description) for name, kind in PLAIN.items()]
    flags += [_flag(name, list[str] | None, f"--{name}", Plan.model_fields[name].description) for name in LISTS]
    flags += [
        _flag("kind", list[str] | None, "--kind", "COL=KIND: number, category, ordered, yesno, datetime, text or identifier.", "COL=KIND"),
        _flag("allow", list[str] | None, "--allow", "Let a blocking finding through; needs --because.", "CODE"),
        _flag("because", list[str] | None, "--because", "The reason for the --allow before it; kept in the record.", "REASON"),
        _flag("keep_data", bool | None, "--keep-data/--no-keep-data", Plan.model_fields["keep_data"].description),
    ]

    def verb(**values: Any) -> Any:
        mine = {parameter.name: values.pop(parameter.name) for parameter in own}
        return function(asked=_fields(values), **mine)

    verb.__name__, verb.__doc__ = function.__name__, function.__doc__
    verb.__signature__ = inspect.Signature([p.replace(kind=p.KEYWORD_ONLY) for p in (*own, *flags)])  # type: ignore[attr-defined]
    verb.__annotations__ = {p.name: p.annotation for p in (*own, *flags)}
    return verb


def _flag(name: str, kind: Any, words: str, text: str | None, metavar: str | None = None) -> inspect.Parameter:
    option = typer.Option(None, words, help=text, metavar=metavar, show_default=False)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind)


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    """Flags → the plan's fields; what was not given is left out."""
    fields = {name: value for name, value in values.items() if name in PLAIN and value is not None}
    for name in LISTS:
        words = [word.strip() for text in values[name] or [] for word in text.split(",") if word.strip()]
        if words:
            fields[name] = [{"name": word} for word in words] if name == "learners" else words
    if values["kind"]:
        fields["kinds"] = dict(_kind(text) for text in values["kind"])
    if values["allow"] or values["because"]:
        fields["allow"] = _allowed(values["allow"] or [], values["because"] or [])
    if values["keep_data"] is not None:
        fields["keep_data"] = values["keep_data"]
    return fields


def _kind(text: str) -> tuple[str, str]:
    column, equals, kind = text.rpartition("=")
    if not equals:
        raise RequestError("TW009", f"--kind {text!r} says no kind", where="--kind", fix="write --kind COLUMN=KIND, as in --kind zip=category")
    return column, kind


def _allowed(codes: list[str], reasons: list[str]) -> list[dict[str, str]]:
    if len(codes) != len(reasons):
        raise RequestError(
            "TW009",
            f"{len(codes)} --allow but {len(reasons)} --because",
            where="--allow",
            why="a finding that is let through needs its reason in the record",
            fix='write --allow CODE --because "the reason", once for each',
        )
    return [{"code": code, "because": because} for code, because in zip(codes, reasons, strict=True)]


SOURCE = typer.Argument(None, help="A CSV, TSV or Parquet file, or a plan (.yaml).", show_default=False)
RUN = typer.Argument(None, help="A run folder; the newest one in --out when not given.", show_default=False)
JSON = typer.Option(False, "--json", help="Print one JSON object.")
OUT = typer.Option(Path("runs"), "--out", help="The folder of the runs.")
