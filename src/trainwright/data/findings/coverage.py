"""Coverage of a stated target population: shares beyond sampling error (TW195), cells without rows (TW196), rows outside (TW197).

All warn, and none runs unless a population was stated (`--population`). In: open rows, with the weights that they have.
The levels that are named here are the user's own words, from the table of shares; no value of the data is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainwright.data.findings.interface import Check, Found, Subject, count, share

OUTSIDE = 0.01  # the share of rows in no cell of a margin from which it is told
SHOWN = 3  # cells that a sentence names

Json = dict[str, Any]


def _margins(subject: Subject) -> list[Json]:
    coverage = subject.dataset.coverage
    return list(coverage["margins"]) if coverage is not None else []


def _named(margin: Json, cell: Json) -> str:
    return " and ".join(f"{column} {level!r}" for column, level in zip(margin["columns"], cell["levels"], strict=True))


def gaps(subject: Subject) -> Iterable[Found]:
    """TW195: cells whose share of the rows differs from the stated one by more than chance; weights mend it."""
    for margin in _margins(subject):
        off = [cell for cell in margin["cells"] if cell["gap"] in ("few", "many")]
        if not off:
            continue
        off.sort(key=lambda cell: -abs((cell["found"] or 0.0) - cell["expected"]))
        told = [_gap(margin, cell) for cell in off[:SHOWN]] + [f"and {count(len(off) - SHOWN, 'more cell')}"] * (len(off) > SHOWN)
        yield Found(
            where=f"column {', '.join(margin['columns'])}" if len(margin["columns"]) == 1 else f"columns {', '.join(margin['columns'])}",
            what=f"{count(len(off), 'cell')} of {len(margin['cells'])} of the stated population {'has' if len(off) == 1 else 'have'} "
            f"another share of the rows than chance explains: {'; '.join(told)}",
            fix="weight the rows to the population: --accept TW195; or collect more rows where there are few",
            columns=tuple(margin["columns"]),
            figures={"cells": margin["cells"], "rows": margin["inside"]},
            proposes=({"do": "weight"},),
        )


def _gap(margin: Json, cell: Json) -> str:
    """One cell, for a sentence."""
    expected = share(cell["expected"])
    if cell["found"] is None:
        return f"{_named(margin, cell)} has fewer than 10 rows, expected {expected}"
    return f"{_named(margin, cell)} has {share(cell['found'])} (interval {share(cell['low'])} to {share(cell['high'])}), expected {expected}"


def absent(subject: Subject) -> Iterable[Found]:
    """TW196: cells of the population without any row: what is learned says nothing of them."""
    for margin in _margins(subject):
        gone = [cell for cell in margin["cells"] if cell["gap"] == "absent"]
        if not gone:
            continue
        named = "; ".join(_named(margin, cell) for cell in gone[:SHOWN]) + (f" and {len(gone) - SHOWN} more" if len(gone) > SHOWN else "")
        yield Found(
            where=f"columns {', '.join(margin['columns'])}",
            what=f"no row is of {named}: {share(sum(cell['expected'] for cell in gone))} of the stated population",
            fix="collect rows of them, or state the population without them; check also how the column writes its values",
            columns=tuple(margin["columns"]),
            figures={"cells": gone},
        )


def outside(subject: Subject) -> Iterable[Found]:
    """TW197: rows that lie in no cell of the population, which no weight touches."""
    for margin in _margins(subject):
        beyond = len(subject.open) - margin["inside"]
        if beyond < OUTSIDE * len(subject.open) or not beyond:
            continue
        yield Found(
            where=f"columns {', '.join(margin['columns'])}",
            what=f"{beyond:,} of {len(subject.open):,} rows ({share(beyond, len(subject.open))}) are in no cell of the stated population",
            fix="state a share for their levels too (0 sets them aside), fill in missing cells, or check how the column writes its values",
            columns=tuple(margin["columns"]),
            figures={"outside": beyond, "rows": len(subject.open)},
        )


CHECKS = (
    Check(
        "TW195",
        "Shares unlike the target population",
        False,
        "the model, and every figure about it, speak of the rows as sampled and not of the population that is meant",
        False,
        gaps,
    ),
    Check(
        "TW196",
        "Part of the population is absent",
        False,
        "no weight mends what no row stands for: the model was never shown such cases",
        False,
        absent,
    ),
    Check(
        "TW197", "Rows outside the stated population", False, "what is stated does not speak of them, so their share stays as sampled", False, outside
    ),
)
