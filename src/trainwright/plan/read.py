"""Plans in and out: keyword arguments, YAML and JSON Schema, all over the one model in `model.py`."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from trainwright.errors import RequestError, SourceError, nearest
from trainwright.plan.model import Plan

PLAN_SUFFIXES = (".yaml", ".yml")


def make_plan(fields: dict[str, Any], *, where: str = "the call") -> Plan:
    """A plan from plain values; what is not given keeps its default.

    Raises RequestError: TW001 for an unknown key (with the nearest one), TW002 for a value that is not allowed.
    """
    try:
        return Plan.model_validate(fields)
    except ValidationError as error:
        raise _plan_error(error, where) from None


def read_plan(path: Path) -> Plan:
    """The plan in a YAML file. Paths in it are relative to the folder in which the command runs, as on the command line.

    Raises SourceError (TW020) when there is no such file, RequestError (TW003) when it is not YAML, else as `make_plan`.
    """
    import yaml

    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError("TW020", "there is no such plan file", where=str(path), fix="`trainwright plan SOURCE` writes one") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise RequestError(
            "TW003",
            "the plan is not valid YAML",
            where=f"{path}{line}",
            why=getattr(error, "problem", None) or "it cannot be read as text",
            fix="mend that line; `trainwright plan SOURCE` writes a valid one",
        ) from None
    if not isinstance(fields, dict):
        raise RequestError("TW003", "a plan is a list of `key: value` lines", where=str(path), fix="`trainwright plan SOURCE` writes one")
    return make_plan(fields, where=str(path))


def dump_plan(plan: Plan, *, full: bool) -> str:
    """The plan as YAML; `full` writes defaults too. `read_plan` gives an equal plan back."""
    import yaml

    text: str = yaml.safe_dump(
        plan.model_dump(mode="json", exclude_unset=not full, exclude_none=True), sort_keys=False, allow_unicode=True, width=120
    )
    return text


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of a plan file, and so of the flags and the keyword arguments."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Plan.model_json_schema()


def _plan_error(error: ValidationError, where: str) -> RequestError:
    """The complaint of pydantic that matters most, in our words."""
    problems = error.errors(include_url=False)
    # A misspelt key also makes the right one missing; the misspelling is what to mend.
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    place = ".".join(str(part) for part in problem["loc"]) or "the plan"
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][-1])
        known = _fields_at(problem["loc"][:-1])
        near = nearest(key, known)
        return RequestError(
            "TW001",
            f"a plan has no key {key!r}",
            where=f"{where}, at {place}",
            why="a key that nobody reads would be silently ignored",
            fix=f"did you mean {near!r}?" if near else f"the keys are: {', '.join(known)}",
        )
    given = problem.get("input")
    shown = f", but is {given!r}" if isinstance(given, (str, int, float, bool)) else ""
    message = problem["msg"].removeprefix("Value error, ")
    return RequestError("TW002", f"{place}: {message[:1].lower()}{message[1:]}{shown}", where=where, fix="`trainwright schema` lists what is allowed")


def _fields_at(path: tuple[int | str, ...]) -> list[str]:
    """The keys of the model part that `path` leads to."""
    models: list[type[BaseModel]] = [Plan]
    for part in path:
        if isinstance(part, str) and part in models[0].model_fields:
            models = _parts_in(models[0].model_fields[part].annotation) or models
        elif isinstance(part, str):  # which of several kinds of entries it is, by its `do`
            models = [
                model for model in models if "do" in model.model_fields and part in typing.get_args(model.model_fields["do"].annotation)
            ] or models
    return list(models[0].model_fields)


def _parts_in(annotation: Any) -> list[type[BaseModel]]:
    """The model parts that an annotation allows."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for argument in typing.get_args(annotation) for part in _parts_in(argument)]
