"""A bundle at a glance, for a notebook: what it takes, what it gives, how good it was measured to be.

Takes    the manifest and the evidence, which came with the bundle.
Gives    HTML without script, style sheet or link. Every word is escaped: a stranger's bundle must not run anything in a notebook.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trainwright.runtime.schema import ColumnSchema

MOST = 12  # columns that are named
CELL = "text-align:left;vertical-align:top;padding:.15em 1.2em .15em 0;font-weight:inherit"
FRAME = "max-width:56em;border:1px solid color-mix(in srgb,currentColor 30%,transparent);border-radius:6px;padding:.8em 1.1em;line-height:1.45"


def glance(
    *, task: str, classes: Sequence[str], features: Sequence[ColumnSchema], manifest: Mapping[str, Any], evidence: Mapping[str, Any], digest: str
) -> str:
    """The bundle as one HTML element."""
    what = ", ".join(classes[:MOST]) + (f" and {len(classes) - MOST} more" if len(classes) > MOST else "") if classes else "a number"
    named = ", ".join(f"{feature.name} ({feature.kind})" for feature in features[:MOST])
    more = f" and {len(features) - MOST} more" if len(features) > MOST else ""
    facts = [
        ("predicts", f"{task}: {what}"),
        ("from", f"{len(features)} columns: {named}{more}"),
        ("steps", " → ".join(str(step.get("kind")) for step in manifest.get("steps", ()))),
        ("marks", ", ".join(name.replace("_", " ") for name, said in manifest.get("marks", {}).items() if said) or "none"),
        ("measured", _measured(evidence)),
        ("model digest", digest),
    ]
    rows = "".join(f'<tr><th scope="row" style="{CELL}">{_text(name)}</th><td style="{CELL}">{_text(said)}</td></tr>' for name, said in facts)
    metrics = _metrics(evidence.get("metrics") or {}, str(evidence.get("metric") or ""))
    title = '<p style="margin:0 0 .4em;font-weight:600">Bundle</p>'
    return f'<div style="{FRAME}">{title}<table style="border-collapse:collapse">{rows}</table>{metrics}</div>'


def _measured(evidence: Mapping[str, Any]) -> str:
    if not evidence:
        return "not measured"
    how = "sealed rows" if evidence.get("design") == "sealed" else "rows, by nested cross-validation of the procedure"
    return f"on {evidence.get('rows')} {how}"


def _metrics(metrics: Mapping[str, Any], primary: str) -> str:
    """The metrics with their intervals, the primary one in bold; nothing where nothing was measured."""
    first = sorted(metrics, key=lambda name: name != primary)
    lines = [_row(name, metrics[name], name == primary) for name in first if isinstance(metrics[name], Mapping)]
    if not lines:
        return ""
    heads = "".join(f'<th scope="col" style="{CELL}">{head}</th>' for head in ("metric", "value", "95 % interval", "better"))
    return f'<table style="border-collapse:collapse;margin-top:.6em"><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def _row(name: str, entry: Mapping[str, Any], primary: bool) -> str:
    interval = f"{_number(entry.get('low'))} to {_number(entry.get('high'))}" if entry.get("low") is not None else "no interval"
    cells = "".join(f'<td style="{CELL}">{_text(cell)}</td>' for cell in _cells(name, entry, interval))
    return f'<tr style="font-weight:{600 if primary else 400}">{cells}</tr>'


def _cells(name: str, entry: Mapping[str, Any], interval: str) -> Iterable[str]:
    return name.replace("_", " "), _number(entry.get("value")), interval, str(entry.get("better", ""))


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) and not isinstance(value, bool) else "not measured"


def _text(value: str) -> str:
    """Escaped, and without characters that move or hide others."""
    return html.escape("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in value))
