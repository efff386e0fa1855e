"""How numbers and names are written for people: digits that an interval supports, units, thousands marks, names that cannot disguise text.

Takes    numbers and names from the run folder's JSON.
Gives    short text; "not measured" in the place of a number that is not there. One place, so that page, card and terminal say the same.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence

NOTHING = "not measured"
NBSP = "\N{NO-BREAK SPACE}"  # between a number and its unit, so that no line ends between them

HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))  # Unicode categories that show nothing, or move what others show


def visible(name: object, *, limit: int = 120) -> str:
    """A name from the data as text that stays where it stands: control and direction characters are written out, long names are cut.

    Source  Boucher & Anderson (2021), "Trojan Source": bidirectional overrides make text read as other than it is.
    """
    text = str(name)
    return written_out(text if len(text) <= limit else text[: limit - 1] + "…")


def written_out(text: str, *, keep: str = "") -> str:
    """Text in which control, direction and surrogate characters are written as \\uXXXX, except those in `keep`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or unicodedata.category(c) not in HIDDEN else f"\\u{ord(c):04x}" for c in text)


def quoted(name: object) -> str:
    """A column or class name inside a sentence."""
    return f"“{visible(name)}”"


def listed(names: Sequence[object], *, limit: int = 5) -> str:
    """ "“a”, “b” and “c”"; beyond `limit`, how many more there are."""
    shown = [quoted(name) for name in names[:limit]]
    if len(names) > limit:
        return f"{', '.join(shown)} and {count(len(names) - limit)} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else "none"


def finite(value: object) -> float | None:
    """The number, or None for null, text, NaN and infinities."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def decimals(low: float | None, high: float | None, value: float | None = None) -> int:
    """Digits after the point that the width of an interval supports (one to two significant ones); three for a value without interval."""
    width = abs(high - low) if low is not None and high is not None else 0.0
    if width > 1e-6 * max(abs(low or 0), abs(high or 0)):  # narrower is rounding noise
        return min(8, max(0, math.ceil(0.7 - math.log10(width))))
    if value is None or value == 0:
        return 3
    return min(8, max(0, 3 - math.ceil(math.log10(abs(value))))) if abs(value) >= 1 else 3


def fixed(value: object, places: int) -> str:
    """A number with that many decimals, thousands marks and a true minus sign."""
    number = finite(value)
    if number is None:
        return NOTHING
    text = f"{number:,.{places}f}"
    return text.replace("-", "−") if float(text.replace(",", "")) != 0 else text.replace("-", "")


def signed(value: object, places: int) -> str:
    """As `fixed`, with a plus sign for gains."""
    number = finite(value)
    return f"+{fixed(number, places)}" if number is not None and round(number, places) > 0 else fixed(value, places)


def score(entry: dict[str, object], key: str = "value") -> str:
    """The value of an entry with `value`, `low`, `high`, in the digits that its interval supports."""
    return fixed(entry.get(key), entry_decimals(entry, key))


def entry_decimals(entry: dict[str, object], key: str = "value") -> int:
    return decimals(finite(entry.get("low")), finite(entry.get("high")), finite(entry.get(key)))


def interval(entry: dict[str, object], key: str = "value") -> str:
    """ "0.924 to 0.932", or a gap that says so."""
    low, high = finite(entry.get("low")), finite(entry.get("high"))
    if low is None or high is None:
        return "no interval"
    places = entry_decimals(entry, key)
    return f"{fixed(low, places)} to {fixed(high, places)}"


def count(value: object) -> str:
    return fixed(value, 0)


def things(value: object, one: str, many: str = "") -> str:
    """ "1 row", "12 rows"."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def percent(share: object, places: int | None = None) -> str:
    """A share of one as per cent; a small one keeps a digit, so that it is not read as none."""
    number = finite(share)
    if number is None:
        return NOTHING
    if places is None:
        places = 0 if number == 0 or number == 1 or 0.1 <= number <= 0.9 else 1
    return f"{fixed(100 * number, places)}{NBSP}%"


def significant(value: object, digits: int = 3) -> str:
    """A number in at most `digits` significant digits, never in powers of ten unless it must be."""
    number = finite(value)
    if number is None:
        return NOTHING
    if number == 0:
        return "0"
    size = math.floor(math.log10(abs(number)))
    if size < -6 or size > 11:
        return f"{number:.{digits - 1}e}".replace("-", "−")
    text = fixed(round(number, digits - 1 - size), max(0, digits - 1 - size))
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: object) -> str:
    """Seconds in the unit that a person would use."""
    number = finite(seconds)
    if number is None:
        return NOTHING
    if number < 0.001:
        return f"{significant(number * 1e6, 2)}{NBSP}µs"
    if number < 1:
        return f"{significant(number * 1e3, 2)}{NBSP}ms"
    if number < 120:
        return f"{fixed(number, 1 if number < 10 else 0)}{NBSP}s"
    return f"{fixed(number / 60, 1)}{NBSP}min" if number < 7200 else f"{fixed(number / 3600, 1)}{NBSP}h"


def size(amount: object) -> str:
    """Bytes in powers of ten."""
    number = finite(amount)
    if number is None:
        return NOTHING
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if number >= scale:
            return f"{significant(number / scale, 3 if number / scale < 100 else 4)}{NBSP}{unit}"
    return f"{count(number)}{NBSP}B"


def settings(values: dict[str, object]) -> str:
    """ "depth 6, rate 0.1": the settings of a learner on one line."""
    return ", ".join(f"{visible(key)} {_setting(value)}" for key, value in values.items()) or "defaults"


def _setting(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else visible(value, limit=40)


def total(values: Iterable[object]) -> float:
    """The sum of what is a number."""
    return sum(number for value in values if (number := finite(value)) is not None)
