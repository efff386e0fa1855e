"""What findings propose, numbered; taken into a plan's ledger, and out of it again.

Takes    a dataset with its findings, a plan, and what a person named: a code, a number, or "all".
Gives    `Proposal`s; the plan with further entries, or with fewer.
Why      nothing is cleaned unless somebody said so, and what was said stands in the plan, where it can be read and taken back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from trainwright.data.cleaning.columns import clean_columns
from trainwright.data.dataset import Dataset
from trainwright.errors import RequestError
from trainwright.plan.model import ByRows, Cap, DropDuplicates, DropRows, Fix, Fixing, Merge, Plan, Relabel
from trainwright.plan.read import make_plan

ALL = "all"
CODE = re.compile(r"TW\d{3}")
FIX: TypeAdapter[Fixing] = TypeAdapter(Fix)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One entry that could be made."""

    number: int  # from 1, in the order of the findings
    code: str  # of the finding
    fix: Fixing
    said: str  # what it would do, with counts

    def as_dict(self) -> dict[str, Any]:
        return {"number": self.number, "code": self.code, "fix": self.fix.model_dump(mode="json", exclude_unset=True), "said": self.said}


def proposals(dataset: Dataset) -> tuple[Proposal, ...]:
    """Every entry that the findings of a dataset propose; what two of them propose alike stands once."""
    made: list[Proposal] = []
    seen: list[dict[str, Any]] = []
    for finding in dataset.findings:
        for entry in finding.proposes:
            if entry in seen:
                continue
            seen.append(entry)
            fix = FIX.validate_python({**entry, "because": f"{finding.code} {finding.title}"})
            made.append(Proposal(len(made) + 1, finding.code, fix, in_words(fix, dataset)))
    return tuple(made)


def in_words(fix: Fixing, dataset: Dataset | None = None) -> str:
    """What an entry does, in one line; with the number of cells where a dataset is there to count them in."""
    if isinstance(fix, DropDuplicates):
        return "set aside rows that repeat another, before the split"
    if isinstance(fix, DropRows):
        return f"set aside {_rows(fix)} (training rows alone)"
    if isinstance(fix, Relabel):
        return f"give {_rows(fix)} another target (training rows alone)"
    if isinstance(fix, Merge):
        how = [f"by {', '.join(fix.rule)}"] if fix.rule else []
        how += [f"{len(fix.words):,} by name"] if fix.words else []
        classes = " (the target: sealed rows too)" if dataset is not None and fix.column == dataset.target_name else ""
        return f"merge spellings of column {fix.column!r} {' and '.join(how)}{classes}{_cells(fix, dataset)}"
    if isinstance(fix, Cap):
        ends = [f"{word} {end:g}" for word, end in (("below", fix.low), ("above", fix.high)) if end is not None]
        return f"cap column {fix.column!r} {' and '.join(ends)}{_cells(fix, dataset)}"
    return "weight rows so that their shares are those of the stated population"


def _rows(fix: ByRows) -> str:
    return "1 row" if len(fix.rows) == 1 else f"{len(fix.rows):,} rows"


def _cells(fix: Merge | Cap, dataset: Dataset | None) -> str:
    if dataset is None:
        return ""
    _, done = clean_columns(dataset.table, (fix,))
    return f": {done[0].cells:,} cells"


def accepted(plan: Plan, offered: Sequence[Proposal], wanted: Sequence[str]) -> Plan:
    """The plan with the proposals that were named, at the end of its ledger, in their own order.

    Raises RequestError TW078 for a name that no proposal has.
    """
    chosen = set()
    for word in wanted:
        found = [p.number for p in offered if word.strip() in (ALL, p.code, str(p.number))]
        if not found and word.strip() != ALL:
            listed = ", ".join(f"{p.number} ({p.code})" for p in offered)
            raise RequestError(
                "TW078",
                f"no finding proposes {word.strip()!r}",
                where="--accept",
                why="there is nothing that could be entered into the plan",
                fix=f"there are: {listed}" if offered else "no finding of this table proposes a fix: leave --accept out",
            )
        chosen |= set(found)
    return with_clean(plan, [*plan.clean, *(p.fix for p in offered if p.number in chosen)])


def undone(plan: Plan, wanted: Sequence[str]) -> Plan:
    """The plan less the entries that were named: by number, by the code that proposed them, or all.

    Raises RequestError TW078 for a name that no entry has.
    """
    gone = set()
    for word in wanted:
        found = [n for n, fix in enumerate(plan.clean, start=1) if word.strip() in (ALL, str(n), _code(fix))]
        if not found and word.strip() != ALL:
            listed = ", ".join(f"{n} ({fix.do}: {fix.because})" for n, fix in enumerate(plan.clean, start=1))
            raise RequestError(
                "TW078",
                f"the plan has no entry {word.strip()!r}",
                where="--undo",
                why="there is nothing to take back",
                fix=f"there are: {listed}" if plan.clean else "its ledger is empty: leave --undo out",
            )
        gone |= set(found)
    return with_clean(plan, [fix for n, fix in enumerate(plan.clean, start=1) if n not in gone])


def _code(fix: Fixing) -> str | None:
    """The code of the finding that proposed an entry, with which its reason then begins; a reason in a person's own words has none."""
    first = fix.because.partition(" ")[0]
    return first if CODE.fullmatch(first) else None


def with_clean(plan: Plan, clean: Sequence[Fixing]) -> Plan:
    """The same plan with another ledger; without any entry, the key is left out."""
    fields = {name: value for name, value in plan.model_dump(mode="json", exclude_unset=True).items() if name != "clean"}
    entries = [fix.model_dump(mode="json", exclude_unset=True) for fix in clean]
    return make_plan(fields | ({"clean": entries} if entries else {}))
