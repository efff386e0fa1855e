"""What an entry of the ledger did: counts, and a sentence for people. No cell value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from trainwright.errors import RequestError
from trainwright.plan.model import Fixing
from trainwright.runtime.columns import Rows


@dataclass(frozen=True, slots=True)
class Done:
    """One entry, carried out."""

    do: str
    because: str
    said: str  # one sentence with the figures
    column: str | None = None
    rows: int = 0  # rows that it changed or set aside
    cells: int = 0  # cells that it changed
    kept: int = 0  # rows that it names and that stayed as they are: sealed, or set aside for another reason
    figures: dict[str, Any] = field(default_factory=dict)  # before and after, for the report; JSON
    renamed: Rows | None = field(default=None, repr=False, compare=False)  # the rows whose target a merge renamed; until the splits are drawn

    def as_dict(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "renamed"}


def told(cleaned: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What the evidence must say of a dataset that was cleaned: one note on all that was done, and one on weights, which change every figure."""
    worked = [entry for entry in cleaned if entry["rows"] or entry["cells"]]
    weights = [entry["said"] for entry in worked if entry["do"] == "weight"]
    rest = [f"{entry['said']} ({entry['because']})" for entry in worked if entry["do"] != "weight"]
    return (*([f"the data was cleaned before training: {'; '.join(rest)}"] if rest else []), *weights)


def not_done(fix: Fixing) -> Done:
    """For an entry on rows, where a table is looked at without a target: which rows are learned from, and so what it would do, is not known."""
    return Done(fix.do, fix.because, "not carried out: no target was named (--target), so it is not known which rows are learned from")


def does_not_apply(number: int, do: str, what: str, *, why: str, fix: str) -> RequestError:
    """The error for an entry that cannot be carried out on these rows. `number` counts from 1, as people see the entries."""
    return RequestError("TW077", f"entry {number} of `clean` ({do}) cannot be carried out: {what}", where=f"clean[{number - 1}]", why=why, fix=fix)
