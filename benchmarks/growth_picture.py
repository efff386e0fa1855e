"""The picture of `growth.py`: a panel for each learner, `check` and `predict`; in each, how a figure grows with rows and with columns.

Takes    curves in data units: {panel: {"rows": [(times the smallest size, value), …], "columns": […]}}, and what stands under each panel's name.
Gives    an SVG file's text. Both axes are logarithmic and the same in all panels, so steepness is the exponent; a dotted line has the slope 1.
Why      both axes run over three decades (10³ to 10⁶ rows, 10 to 10⁴ columns), so they share the x axis as multiples of the smallest size. Colour
         never carries alone: rows are a solid line with filled dots, columns a dashed one with hollow dots.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from trainwright.report.svg import Axis, dot, line, path, picture, text

Points = Sequence[tuple[float, float]]
WIDE, HIGH, ACROSS = 230, 190, 4  # of a panel; panels in a row
STYLE = """<style>
text { font: 11px system-ui, sans-serif; fill: #333 } .name { font-weight: 600; font-size: 12px } .title { font-weight: 600; font-size: 15px }
.tick { fill: #666; font-size: 9.5px } .rule { stroke: #ddd } .one { stroke: #999; stroke-dasharray: 1 3; fill: none }
.rows { stroke: #1d5fa8; stroke-width: 1.8; fill: none } .columns { stroke: #b4521a; stroke-width: 1.8; stroke-dasharray: 5 3; fill: none }
circle.rows { fill: #1d5fa8; stroke: none } circle.columns { fill: #fff; stroke-width: 1.4; stroke-dasharray: none }
</style>"""


def draw(name: str, title: str, curves: Mapping[str, Mapping[str, Points]], said: Mapping[str, Sequence[str]], *, unit: str) -> str:
    """One picture. `said` are the lines under a panel's name; `unit` is that of the values, as the y axis tells it."""
    values = [value for panel in curves.values() for points in panel.values() for _, value in points]
    times = [at for panel in curves.values() for points in panel.values() for at, _ in points]
    if not values:
        return ""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    widest = max(1, math.ceil(math.log10(max(times)) - 1e-9))
    body = [
        text(12, 24, title, "title"),
        text(12, 42, "solid, filled: with rows (×1 is 1,000) · dashed, hollow: with columns (×1 is 10) · dotted: in proportion", "note"),
    ]
    for place, (panel, lines) in enumerate(curves.items()):
        down, right = divmod(place, ACROSS)
        body.append(f'<g transform="translate({right * WIDE + 12} {down * HIGH + 56})">')
        body += [*_panel(panel, lines, said.get(panel, ()), (low, max(high, low + 1)), widest, unit), "</g>"]
    height = 56 + HIGH * math.ceil(len(curves) / ACROSS) + 8
    drawn = picture(name, title, "A table of the exponents stands beside the picture.", body, height=height, width=WIDE * ACROSS + 20)
    opening, rest = drawn.split(">", 1)
    opening = opening.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE * ACROSS + 20}" height="{height}" ')
    return f'{opening}>{STYLE}<rect width="100%" height="100%" fill="#fff"/>{rest}\n'


def _panel(name: str, lines: Mapping[str, Points], said: Sequence[str], span: tuple[int, int], widest: int, unit: str) -> list[str]:
    """One panel: rules at powers of ten, both curves, the line of slope 1 from the first point of the first curve."""
    x, y = Axis(0, widest, 34, WIDE - 14), Axis(*span, HIGH - 32, 46)
    parts = [text(0, 12, name, "name"), *(text(0, 25 + 12 * number, words, "note") for number, words in enumerate(said))]
    for power in range(span[0], span[1] + 1, max(1, (span[1] - span[0]) // 5)):
        parts += [line(x.start, y.at(power), x.end, y.at(power), "rule"), text(30, y.at(power) + 3, _ten(power, unit), "tick", anchor="end")]
    for power in range(widest + 1):
        parts += [line(x.at(power), y.start, x.at(power), y.end, "rule"), text(x.at(power), y.start + 12, f"×{10**power:,}", "tick", anchor="middle")]
    first = next((points[0] for points in lines.values() if points), None)
    if first is not None:
        start, reach = math.log10(first[1]), min(widest, span[1] - math.log10(first[1]))
        parts.append(path([(x.at(0), y.at(start)), (x.at(reach), y.at(start + reach))], "one"))
    for kind, points in lines.items():
        at = [(x.at(math.log10(times)), y.at(math.log10(value))) for times, value in points]
        parts += [
            path(at, kind),
            *(dot(*place, kind, radius=2.6, tip=f"×{times:g}: {value:.3g} {unit}") for place, (times, value) in zip(at, points, strict=True)),
        ]
    return parts


def _ten(power: int, unit: str) -> str:
    number = f"{10.0**power:g}" if -3 <= power <= 4 else f"1e{power}"
    return f"{number} {unit}"
