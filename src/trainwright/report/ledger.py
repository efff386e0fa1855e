"""The cleaning ledger and the stated population, as the page shows them: each entry with what it did, each share beside the expected one.

Takes    the dataset's record. Gives the template's values; None where nothing was entered and nothing stated.
"""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from trainwright.report import charts
from trainwright.report.charts import Estimate
from trainwright.report.numbers import count, finite, percent, quoted, things
from trainwright.report.records import Json, Records

CELLS = 40  # of a margin, in the picture and in the table
CODE = re.compile(r"TW1\d\d")


def cleaning(records: Records) -> Json | None:
    """Entries, and margins with their picture."""
    dataset = records.dataset
    entries, coverage = list(dataset.get("cleaned") or ()), dataset.get("coverage") or {}
    if not entries and not coverage:
        return None
    standing = {str(finding.get("code")) for finding in dataset.get("findings", [])}
    shown = [_entry(number, entry, standing) for number, entry in enumerate(entries, 1)]
    idle = sum(1 for entry in entries if not entry["rows"] and not entry["cells"])
    equal = count(round(finite(coverage.get("effective")) or 0))
    words = f"{things(len(entries), 'entry', 'entries')} accepted and carried out" if entries else "Nothing was cleaned"
    words += f"; {things(idle, 'entry', 'entries')} changed nothing" if idle else ""
    nested = (dataset.get("splits") or {}).get("design") == "nested"
    renamed = sum(int((entry.get("figures") or {}).get("sealed") or 0) for entry in entries)  # cells; two merges may rename one after the other
    rows = "Sealed rows kept their targets"
    if nested:
        rows = "No rows are sealed, so what was done to rows was done to those that are measured, too"
    elif renamed:
        rows += f", read by the merged words for the classes ({things(renamed, 'sealed cell')} renamed)"
    return {
        "headline": f"{words}. {rows}; what was done to columns is done to served rows as well.",
        "entries": shown,
        "margins": [_margin(number, margin) for number, margin in enumerate(coverage.get("margins") or (), 1)],
        "rows": f"{things(coverage.get('rows'), 'open row')}, which count like {equal} equally weighted ones" if coverage else "",
    }


def _entry(number: int, entry: Json, standing: set[str]) -> Json:
    code = CODE.match(str(entry.get("because", "")))
    worked = bool(entry.get("rows") or entry.get("cells"))
    after = "" if code is None else "still found" if code[0] in standing else "gone" if worked else "not found"
    return {
        "number": number,
        "do": str(entry.get("do", "")),
        "column": entry.get("column"),
        "because": str(entry.get("because", "")),
        "rows": finite(entry.get("rows")),
        "cells": finite(entry.get("cells")),
        "kept": finite(entry.get("kept")),
        "said": str(entry.get("said", "")),
        "after": after,
        "figures": _before_and_after(entry),
    }


def _before_and_after(entry: Json) -> str:
    """What the entry changed, before → after."""
    figures: dict[str, Any] = entry.get("figures") or {}
    if "words" in figures:
        sealed = f"; {things(figures['sealed'], 'sealed cell')} renamed" if figures.get("sealed") else ""
        return f"distinct words: {_arrow(figures['words'])}{sealed}"
    if "rows" in figures:
        return f"usable rows: {_arrow(figures['rows'])}"
    if "effective" in figures:
        return f"rows after Kish: {_arrow([round(value) for value in figures['effective']])}"
    if "classes" in figures:
        pairs = zip(figures["classes"], figures["before"], figures["after"], strict=True)
        moved = [f"{quoted(name)}: {_few(before)} → {_few(after)}" for name, before, after in pairs if before != after]
        return "open rows of " + "; ".join(moved[:6]) if moved else ""
    return ""


def _arrow(pair: list[float]) -> str:
    return f"{count(pair[0])} → {count(pair[1])}"


def _few(rows: int | None) -> str:
    return "fewer than 10" if rows is None else count(rows)


def _margin(number: int, margin: Json) -> Json:
    """The cells of one margin as a table, and as differences to what is expected."""
    cells = [
        {
            "label": " · ".join(str(level) for level in cell["levels"]),
            "expected": finite(cell["expected"]),
            "expected_said": percent(cell["expected"]),
            "found": finite(cell["found"]),
            "found_said": percent(cell["found"]) if finite(cell["found"]) is not None else "fewer than 10 rows",
            "interval": f"{percent(cell['low'])} to {percent(cell['high'])}" if finite(cell["low"]) is not None else "",
            "gap": {"few": "too few", "many": "too many", "absent": "no row", "": ""}[str(cell["gap"])],
        }
        for cell in margin["cells"][:CELLS]
    ]
    off = sum(1 for cell in margin["cells"] if cell["gap"])
    words = f"{' × '.join(margin['columns'])}: " + (
        f"{count(off)} of {things(len(margin['cells']), 'cell')} differ from the stated population" if off else "as the stated population"
    )
    rows = [
        Estimate(
            " · ".join(str(level) for level in cell["levels"]),
            100 * (cell["found"] - cell["expected"]),
            100 * (cell["low"] - cell["expected"]),
            100 * (cell["high"] - cell["expected"]),
            f"{100 * (cell['found'] - cell['expected']):+.1f}".replace("-", "−"),
            main=bool(cell["gap"]),
        )
        for cell in margin["cells"][:CELLS]
        if finite(cell["found"]) is not None and finite(cell["low"]) is not None
    ]
    svg = charts.forest(
        f"margin-{number}", words, rows, axis_title="Share of the rows less the expected one, in points", reference=0.0, reference_label="as stated"
    )
    return {"columns": " × ".join(margin["columns"]), "words": words, "cells": cells, "svg": Markup(svg) if rows else ""}
