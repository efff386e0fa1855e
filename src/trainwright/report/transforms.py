"""The report's section on transforms: what each one was worth to each recipe, with its interval, and what was done about it.

Takes    Records, of which `transforms` is transforms.json. Gives the template's values; None where nothing was tried.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from trainwright.report import charts, glossary
from trainwright.report.charts import Estimate
from trainwright.report.numbers import NOTHING, finite, fixed, quoted, signed, things
from trainwright.report.records import Json, Records

RECIPES = {"scaled": "linear models", "coded": "boosting", "filled": "forests and trees"}
NAMES = {
    "target_encoding": "Target encoding",
    "text": "Text",
    "clip": "Clipping",
    "bin": "Binning",
    "interact": "Interactions",
    "windows": "Windows",
}


def section(records: Records) -> Json | None:
    """The headline, a table and a picture."""
    judged: Json = records.transforms.get("judged") or {}
    tried: list[Json] = records.transforms.get("tried") or []
    rows = [_row(recipe, judged[recipe], entry, tried) for recipe in judged for entry in judged[recipe]["transforms"]]
    if not rows:
        return None
    kept = sum(1 for row in rows if row["kept"])
    unmeasured = sum(1 for row in rows if row["gain"] is None)
    words = f"{things(len(tried), 'transform')} tried on {things(len(judged), 'kind')} of learners: "
    words += f"of {things(len(rows), 'use')} {kept} kept, {len(rows) - kept} taken out."
    late = f" {unmeasured} could not be measured, and the reason stands beside." if unmeasured else ""
    return {"headline": words + late, "rows": rows, "figure": _figure(rows)}


def _row(recipe: str, judged: Json, entry: Json, tried: list[Json]) -> Json:
    """One use of one transform: gains as shares of the loss without it."""
    gain, low, high, loss = (finite(entry.get(key)) for key in ("gain", "low", "high", "loss"))
    without = loss + gain if loss is not None and gain is not None else None
    share: float | None = None
    ends: tuple[float | None, float | None] = (None, None)
    if without and gain is not None and low is not None and high is not None:
        share, ends = 100 * gain / without, (100 * low / without, 100 * high / without)
    return {
        "title": title(tried[int(entry["transform"])]),
        "columns": columns(tried[int(entry["transform"])]),
        "recipe": RECIPES.get(recipe, recipe),
        "probe": glossary.learner_title(str(judged.get("probe") or "")),
        "loss": str(judged.get("loss") or ""),
        "kept": bool(entry.get("kept")),
        "gain": share,
        "low": ends[0],
        "high": ends[1],
        "gain_said": f"{signed(share, 1)} %" if share is not None else NOTHING,
        "interval": f"{fixed(ends[0], 1)} to {fixed(ends[1], 1)} %" if ends[0] is not None else "",
        "why": str(entry.get("why") or ""),
    }


def title(entry: Json) -> str:
    """A transform in a few words."""
    if entry.get("do") == "windows":
        of = quoted(entry["of"]) if entry.get("of") else "rows"
        return f"Windows: {of} by {quoted(entry.get('key'))}"
    return NAMES.get(str(entry.get("do")), str(entry.get("do")))


def columns(entry: Json) -> str:
    """What it reads, or over which lengths it looks back."""
    if entry.get("do") == "windows":
        late = f", known after {entry['delay']}" if entry.get("delay") else ""
        return f"{', '.join(str(what).replace('_', ' ') for what in entry.get('what', ()))} over {', '.join(entry.get('over', ()))}{late}"
    named: list[Any] = list(entry.get("columns") or ())
    more = f" and {len(named) - 6} more" if len(named) > 6 else ""
    return ", ".join(str(name) for name in named[:6]) + more


def _figure(rows: list[Json]) -> Json | None:
    shown = [row for row in rows if row["gain"] is not None]
    if not shown:
        return None
    estimates = [
        Estimate(f"{row['title']}, {row['recipe']}", row["gain"], row["low"], row["high"], row["gain_said"], main=row["kept"]) for row in shown
    ]
    best = max(shown, key=lambda row: row["gain"])
    words = f"{best['title']} saves most: {best['gain_said']} of the loss, for {best['recipe']}"
    svg = charts.forest("transforms", words, estimates, axis_title="Loss saved, per cent", reference=0.0, reference_label="no gain")
    caption = "How much of the loss out of fold is saved by each transform, with its 95 % interval. Filled: kept."
    return {"title": words, "svg": Markup(svg), "caption": caption, "wide": False}


def not_read(records: Records) -> str:
    """The columns that the model does not read although it might, and why; empty when there is none."""
    reasons: dict[str, list[str]] = {}
    for name, why in (records.chosen.get("left_out") or {}).items():
        reasons.setdefault(str(why), []).append(quoted(name))
    return "; ".join(f"{', '.join(names[:8])}{f' and {len(names) - 8} more' if len(names) > 8 else ''} ({why})" for why, names in reasons.items())
