"""Building blocks of the charts: scales, nice ticks, text, the frame around a picture. Text in, text out; no library.

Takes    numbers in data units.
Gives    pieces of inline SVG. Colours are CSS classes (report.css), so one picture serves light, dark and print.
Why      drawn about 380 units wide, which a phone shows nearly at full size; a wide screen scales the same picture up.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape as escape_html

from trainwright.report import numbers

WIDTH = 380  # units of the viewBox


def ticks(low: float, high: float, *, most: int = 5) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten) inside [low, high], at most `most` + 1 of them.

    Source  Heckbert (1990), "Nice numbers for graph labels", Graphics Gems.
    """
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10, 20) if span / (power * factor) <= most + 1e-9)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def tick_labels(values: Sequence[float]) -> list[str]:
    """All with the same number of decimals: as many as the step needs."""
    step = min((b - a for a, b in itertools.pairwise(values)), default=0.0)
    top = max((abs(v) for v in values), default=0.0)
    if top >= 1e6 or (0 < top < 1e-4):
        return [f"{v:.3g}".replace("-", "−") for v in values]
    places = next((p for p in range(8) if all(abs(round(v, p) - v) < max(step, 1e-12) * 1e-6 for v in values)), 8)
    return [numbers.fixed(v, places) for v in values]


@dataclass(frozen=True, slots=True)
class Axis:
    """Data units to picture units, along a line. `start` may be greater than `end` (y grows downwards)."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 1)


def around(values: Sequence[float], *, margin: float = 0.06) -> tuple[float, float]:
    """A range that holds all values, with some air; never empty."""
    low, high = min(values), max(values)
    air = (high - low) * margin or abs(high) * 0.05 or 1.0
    return low - air, high + air


def escape(words: str) -> str:
    """Words as XML text: nothing in them is markup, and hidden characters are written out."""
    return escape_html(numbers.written_out(words))


def text(x: float, y: float, content: str, kind: str = "", *, anchor: str = "start") -> str:
    classes = f' class="{kind}"' if kind else ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:g}"{classes}{place}>{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{kind}"/>'


def box(x: float, y: float, width: float, height: float, kind: str, *, tip: str = "", opacity: float | None = None, radius: float = 0) -> str:
    """A rectangle; `tip` is what a pointer resting on it, or a reader, is told."""
    more = (f' fill-opacity="{opacity:.2g}"' if opacity is not None else "") + (f' rx="{radius:g}"' if radius else "")
    head = f'<rect x="{x:.4g}" y="{y:.4g}" width="{max(width, 0):.4g}" height="{max(height, 0):.4g}" class="{kind}"{more}'
    return f"{head}><title>{escape(tip)}</title></rect>" if tip else f"{head}/>"


def dot(x: float, y: float, kind: str, *, radius: float = 3.5, tip: str = "") -> str:
    head = f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="{kind}"'
    return f"{head}><title>{escape(tip)}</title></circle>" if tip else f"{head}/>"


def diamond(x: float, y: float, kind: str, *, radius: float = 5) -> str:
    return f'<path d="M{x - radius:g} {y:g}L{x:g} {y - radius:g}L{x + radius:g} {y:g}L{x:g} {y + radius:g}Z" class="{kind}"/>'


def path(points: Sequence[tuple[float, float]], kind: str, *, closed: bool = False) -> str:
    if not points:
        return ""
    steps = "".join(f"{'M' if i == 0 else 'L'}{x:g} {y:g}" for i, (x, y) in enumerate(points))
    return f'<path d="{steps}{"Z" if closed else ""}" class="{kind}"/>'


def picture(name: str, title: str, description: str, body: Sequence[str], *, height: float, width: float = WIDTH) -> str:
    """The whole SVG. `name` is unique on the page; title and description are what a screen reader reads in its place."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>{"".join(body)}</svg>'
    )


def grid_x(axis: Axis, top: float, bottom: float, *, title: str, most: int = 5) -> list[str]:
    """Vertical rules with their labels below, and the axis' title below those."""
    at = ticks(axis.low, axis.high, most=most)
    parts = [line(axis.at(v), top, axis.at(v), bottom, "rule") for v in at]
    parts += [text(axis.at(v), bottom + 15, label, "tick", anchor="middle") for v, label in zip(at, tick_labels(at), strict=True)]
    return [*parts, text((axis.start + axis.end) / 2, bottom + 33, title, "axis", anchor="middle")]


def grid_y(axis: Axis, left: float, right: float, *, title: str, most: int = 5) -> list[str]:
    """Horizontal rules with their labels at the left; the title stands above, upright, where it is read first."""
    at = ticks(axis.low, axis.high, most=most)
    parts = [line(left, axis.at(v), right, axis.at(v), "rule") for v in at]
    parts += [text(left - 6, axis.at(v) + 4, label, "tick", anchor="end") for v, label in zip(at, tick_labels(at), strict=True)]
    return [*parts, text(2, axis.end - 10, title, "axis")]
