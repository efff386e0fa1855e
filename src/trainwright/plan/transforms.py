"""The plan's `transforms`: what is made of the columns before a learner reads them, beyond what every recipe does. One model each.

`auto` proposes by what the columns are, an empty list (`none`) tries nothing. Each transform that is tried is judged by what is lost without
it (select/ablation.py); those without a gain are taken out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

LENGTHS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
AGGREGATES = ("count", "sum", "mean", "min", "max", "since_last")
SENTENCE = re.compile(
    r"(?:(?P<of>.+?)\s+)?by\s+(?P<key>.+?)(?:\s+at\s+(?P<time>.+?))?\s+over\s+(?P<over>\S+)(?:\s+after\s+(?P<delay>\S+))?"
    r"(?P<history>\s+without history)?"
)


def listed(value: Any) -> Any:
    """One word stands for a list of one."""
    return (value,) if isinstance(value, str | int | float) else value


def length(value: Any) -> str:
    """A length of time as it is written: 7d, 12h, 30m, 45s, 2w; a plain number is in the unit of a time column of numbers."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value:.12g}"
    if not isinstance(value, str) or not re.fullmatch(r"\d+(\.\d+)?[smhdw]?", value) or span(value)[0] <= 0:
        raise ValueError("write a length of time like 7d, 12h or 30m, or a number in the unit of the time column")
    return value


def span(text: str) -> tuple[float, bool]:
    """A length as a number, and whether that is seconds."""
    return (float(text[:-1]) * LENGTHS[text[-1]], True) if text[-1] in LENGTHS else (float(text), False)


def known_aggregate(value: str) -> str:
    if value not in AGGREGATES:
        raise ValueError(f"an aggregate is one of {', '.join(AGGREGATES)}")
    return value


Listed = Annotated[tuple[str, ...], BeforeValidator(listed, json_schema_input_type=str | tuple[str, ...])]
Length = Annotated[str, BeforeValidator(length, json_schema_input_type=str | float)]
Lengths = Annotated[tuple[Length, ...], BeforeValidator(listed, json_schema_input_type=str | float | tuple[str | float, ...]), Field(min_length=1)]
Aggregate = Annotated[str, AfterValidator(known_aggregate)]


class Entry(BaseModel):
    """Frozen, and a key that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    do: str  # which transform; each model below has its own word


class Auto(Entry):
    """Those that fit the columns: target encoding where a category has many words, text where a column holds texts."""

    do: Literal["auto"] = "auto"


class TargetEncoding(Entry):
    """Categories as the average of the target among their rows, out of fold."""

    do: Literal["target_encoding"] = "target_encoding"
    columns: Listed = Field((), description="Category columns; all that have many words when not given.")


class ShortText(Entry):
    """Texts as weights of their terms (linear models) or as directions of these (trees)."""

    do: Literal["text"] = "text"
    columns: Listed = Field((), description="Text columns; all of them when not given.")
    terms: int = Field(2000, ge=10, le=2000, description="Terms at most, for linear models: the most frequent ones of ten rows or more.")
    directions: int = Field(32, ge=1, le=64, description="Directions at most, for trees.")
    unit: Literal["words", "characters"] = Field("words", description="What a term is made of: words, or pieces of 3 and 4 characters.")
    longest: int = Field(1, ge=1, le=3, description="Words in a term at most.")
    buckets: int = Field(0, ge=0, le=20_000, description="Hash terms into so many buckets in the place of a vocabulary; 0 does not.")


class Clipping(Entry):
    """Numbers beyond two quantiles become these; for linear models (a tree does not see the difference)."""

    do: Literal["clip"] = "clip"
    columns: Listed = Field((), description="Number columns; all of them when not given.")
    low: float = Field(0.01, ge=0, lt=0.5, description="The share of rows below the lower limit.")
    high: float = Field(0.99, gt=0.5, le=1, description="The share of rows below the upper limit.")


class Binning(Entry):
    """Numbers as ranges of about equally many rows; for linear models."""

    do: Literal["bin"] = "bin"
    columns: Listed = Field((), description="Number columns; all of them when not given.")
    bins: int = Field(10, ge=2, le=100, description="Ranges at most.")
    indicators: bool = Field(True, description="A feature for each range; otherwise one feature, the range's number.")


class Interactions(Entry):
    """Products of two numbers and crosses of two categories."""

    do: Literal["interact"] = "interact"
    columns: Listed = Field((), description="Number and category columns; all of them when not given.")
    most: int = Field(50, ge=1, le=500, description="Products at most, and crosses at most.")


class Windows(Entry):
    """What happened under the same key in the time before each row; columns of the data set, made from strictly earlier rows.

    As words: `TX_AMOUNT by CUSTOMER_ID over 1d,7d,30d`; `by CUSTOMER_ID over 1d` counts rows; `at TIME` names the time column, `after 7d` the delay,
    `without history` at the end keeps the training rows out of the bundle.
    """

    do: Literal["windows"] = "windows"
    key: str = Field(description="Rows of one key belong together: a customer, a terminal, a machine.")
    time: str | None = Field(None, description="The time column, of date-times or numbers; that of the split when not given.")
    of: str | None = Field(None, description="The column of numbers that is aggregated; the target with a delay; none for aggregates of rows alone.")
    over: Lengths = Field(max_length=100, description="Lengths of the windows: 7d, 12h, or numbers in the unit of the time column.")
    what: Annotated[tuple[Aggregate, ...], BeforeValidator(listed, json_schema_input_type=str | tuple[str, ...])] = Field(
        (), description="Aggregates: count, sum, mean, min, max, since_last; a choice by `of` when not given."
    )
    delay: Length | None = Field(None, description="How old an event is before it is known; needed where `of` is the target.")
    history: Literal["keep", "none"] = Field("keep", description="Whether the bundle keeps the last training rows' keys, times and values.")


Transform = Annotated[
    Auto | TargetEncoding | ShortText | Clipping | Binning | Interactions | Windows, Field(discriminator="do", description="One transform.")
]


def from_words(value: Any) -> Any:
    """ "auto", "none", a transform's name, or a sentence on windows; alone or in a list."""
    if value == "none":
        return ()
    if not isinstance(value, str | list | tuple):
        return value
    return tuple(_one(item) if isinstance(item, str) else item for item in listed(value))


def _one(words: str) -> dict[str, Any]:
    match = SENTENCE.fullmatch(words.strip())
    if match is None:
        return {"do": words.strip()}
    found = {name: match[name] for name in ("of", "key", "time", "delay") if match[name]} | {"over": match["over"].split(",")}
    return {"do": "windows", **found, **({"history": "none"} if match["history"] else {})}


def as_words(entry: Entry) -> str | None:
    """The transform as `from_words` reads it; None where words cannot say all of it."""
    given = entry.model_dump(exclude_unset=True, exclude_none=True) | {"do": entry.do}
    if isinstance(entry, Windows):
        if entry.what:
            return None
        of = [entry.of] if entry.of else []
        parts = [*of, "by", entry.key, *(["at", entry.time] if entry.time else []), "over", ",".join(entry.over)]
        parts += ["after", entry.delay] if entry.delay else []
        text = " ".join(parts + ["without history"] * (entry.history == "none"))
        again = _one(text)
        return text if again.get("key") == entry.key and again.get("of") == entry.of and again.get("time") == entry.time else None
    return str(given["do"]) if set(given) == {"do"} else None


def reads_text(entries: Sequence[Entry], column: str) -> bool:
    """Whether one of the transforms reads this column of texts."""
    return any(isinstance(entry, Auto) or (isinstance(entry, ShortText) and column in (entry.columns or (column,))) for entry in entries)


def derived(entry: Windows) -> tuple[str, ...]:
    """The names of the columns that windows make, once nothing of them is open: for each aggregate and each length, `since_last` for the longest."""
    of, late = (f"{entry.of} " if entry.of else ""), (f" after {entry.delay}" if entry.delay else "")
    longest = max(entry.over, key=lambda text: span(text)[0])
    lengths = {what: (longest,) if what == "since_last" else entry.over for what in entry.what}
    return tuple(f"{of}{what.replace('_', ' ')} over {text}{late} by {entry.key}" for what in entry.what for text in lengths[what])


def from_json(entries: Sequence[Any]) -> tuple[Transform, ...]:
    """Transforms that were written as plain values, as a worker gets them."""
    return tuple(TypeAdapter(Transform).validate_python(entry) for entry in entries)


Transforms = Annotated[tuple[Transform, ...], BeforeValidator(from_words, json_schema_input_type=str | tuple[Transform | str, ...])]
