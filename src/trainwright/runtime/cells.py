"""One cell: how one raw value becomes a typed one under a column's schema. The only definition; training and serving both stand on it.

Takes    a raw value (text from a file, a JSON value, a Python or numpy scalar, a date) and the `ColumnSchema` of its column.
Gives    a float (numbers; 1 and 0 for yes/no; seconds since 1970-01-01 UTC for date-times), NaN where missing; or a word, None where missing.
Why      `data/` reads whole files with Polars and is tested cell by cell against this page, so a served value means what it meant in training.
Source   numbers: the C locale's decimal notation plus the schema's marks; date-times: ISO 8601-1:2019 extended format, and strptime directives
         (POSIX.1-2017), whose two-digit years 69-99 are 1969-1999 and 00-68 are 2000-2068.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainwright.runtime.schema import WORDS, ColumnSchema
from trainwright.runtime.spelling import respelled

BLANKS: Final = " \t\r\n\v\f\u00a0\u2007\u2009\u202f\u3000\ufeff"  # stripped from both ends of a text cell, here and in data/
THOUSANDS: Final = ("", ",", ".", "'", "’", "_", " ")  # marks between groups of three digits; " " is any blank
ENDLESS: Final = r"[+-]?(?:inf|infinity|nan)"  # read as missing, whatever its case
WHOLE_WITH_ZEROS: Final = r"([+-]?[0-9]+)\.0+"  # "3.0" is the word "3": frames turn whole numbers with gaps into floats
MONTHS: Final[Mapping[str, int]] = {
    name: number
    for number, names in enumerate(
        (
            "jan january",
            "feb february",
            "mar march",
            "apr april",
            "may",
            "jun june",
            "jul july",
            "aug august",
            "sep sept september",
            "oct october",
            "nov november",
            "dec december",
        ),
        start=1,
    )
    for name in names.split()
}
ISO: Final = (
    r"(?P<Y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})"
    r"(?:[T ](?P<H>[0-9]{2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)? ?(?P<z>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
DIRECTIVES: Final[Mapping[str, str]] = {
    "Y": "(?P<Y>[0-9]{4})", "y": "(?P<y>[0-9]{2})", "m": "(?P<m>[0-9]{1,2})", "d": "(?P<d>[0-9]{1,2})", "H": "(?P<H>[0-9]{1,2})",
    "I": "(?P<I>[0-9]{1,2})", "M": "(?P<M>[0-9]{2})", "S": "(?P<S>[0-9]{2})", "f": "(?P<f>[0-9]{1,9})", "b": r"(?P<b>[A-Za-z]{3,9})\.?",
    "B": r"(?P<b>[A-Za-z]{3,9})\.?", "p": r"(?P<p>[AaPp])\.?[Mm]\.?", "z": "(?P<z>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)", "a": r"[A-Za-z]{3,9}\.?",
    "A": r"[A-Za-z]{3,9}\.?", "%": "%",
}  # fmt: skip
_EPOCH = date(1970, 1, 1).toordinal()
_ENDLESS = re.compile(ENDLESS, re.IGNORECASE)
_WHOLE = re.compile(WHOLE_WITH_ZEROS)


class NotTyped(ValueError):
    """The value is not what the column's kind asks for; it carries no cell value, only what was expected."""


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=64)
def number_pattern(decimal: str, thousands: str) -> str:
    """The regular expression (understood alike by `re` and Polars) of a whole text cell that is a finite number."""
    point = re.escape(decimal)
    mark = "[ \u00a0\u2009\u202f]" if thousands == " " else re.escape(thousands)
    whole = rf"(?:[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]+)" if thousands else "[0-9]+"
    return rf"[+-]?(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"


@lru_cache(maxsize=64)
def _number_regex(decimal: str, thousands: str) -> re.Pattern[str]:
    return re.compile(number_pattern(decimal, thousands))


def number_of(value: Any, schema: ColumnSchema) -> float:
    """A number; NaN for a missing mark, for "nan" and for infinities.

    Raises NotTyped for what is not a number in the column's notation.
    """
    if isinstance(value, str):
        text = value.strip(BLANKS)
        if not text or text in schema.missing or _ENDLESS.fullmatch(text):
            return math.nan
        if not _number_regex(schema.decimal, schema.thousands).fullmatch(text):
            raise NotTyped("a number")
        if schema.thousands:
            text = re.sub("[ \u00a0\u2009\u202f]", "", text) if schema.thousands == " " else text.replace(schema.thousands, "")
        number = float(text.replace(schema.decimal, ".") if schema.decimal != "." else text)
    elif missing(value):
        return math.nan
    elif isinstance(value, np.timedelta64):  # numpy calls it a number
        raise NotTyped("a number")
    elif isinstance(value, (int, float, np.number, np.bool_)) or type(value).__name__ == "Decimal":
        try:
            number = float(value)
        except OverflowError:
            return math.nan
    else:
        raise NotTyped("a number")
    return within(number, schema) if math.isfinite(number) else math.nan


def within(number: float, schema: ColumnSchema) -> float:
    """The number, or the end of the column's range that it lies beyond."""
    if schema.low is not None and number < schema.low:
        return schema.low
    return schema.high if schema.high is not None and number > schema.high else number


def all_within(numbers: NDArray[np.float64], schema: ColumnSchema) -> NDArray[np.float64]:
    """`within` for a whole column, to the sign of a zero (which `np.clip` leaves open); NaN stays."""
    if schema.low is not None:
        numbers = np.where(numbers < schema.low, schema.low, numbers)
    return numbers if schema.high is None else np.where(numbers > schema.high, schema.high, numbers)


def missing(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA, without importing pandas."""
    if value is None:
        return True
    if isinstance(value, (float, np.floating)):
        return bool(value != value)
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    return type(value).__name__ in ("NAType", "NaTType")


# ── date-times ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=256)
def date_pattern(form: str) -> str:
    """The regular expression of a whole text cell written in `form` ("iso" or a strptime format), with one named group for each part.

    Raises ValueError for a directive that is not known.
    """
    if form == "iso":
        return ISO
    pattern, at = "", 0
    while at < len(form):
        if form[at] != "%":
            pattern += " +" if form[at] == " " else re.escape(form[at])
            at += 1
            continue
        part = DIRECTIVES.get(form[at + 1 : at + 2])
        if part is None:
            raise ValueError(f"unknown directive in the date format {form!r}")
        packed = form[at + 2 : at + 3] == "%" or (at >= 2 and form[at - 2] == "%")  # "%Y%m%d": nothing stands between, so widths are fixed
        pattern += part.replace("{1,2}", "{2}") if packed else part
        at += 2
    return pattern


@lru_cache(maxsize=256)
def date_regex(form: str) -> re.Pattern[str]:
    """`date_pattern`, compiled. Raises ValueError for an unknown directive, re.error for one that stands twice."""
    return re.compile(date_pattern(form))


def _seconds(parts: Mapping[str, str | None]) -> float:
    """Seconds since 1970 UTC from the named groups of a date pattern. Raises ValueError for the 31st of June and the like."""
    if (year := parts.get("Y")) is not None:
        years = int(year)
    else:
        short = int(parts["y"] or 0)
        years = short + (2000 if short < 69 else 1900)
    month = MONTHS.get((parts["b"] or "").lower(), 0) if parts.get("b") else int(parts.get("m") or 1)
    days = date(years, month, int(parts.get("d") or 1)).toordinal() - _EPOCH
    hours, minutes, seconds = int(parts.get("H") or 0), int(parts.get("M") or 0), int(parts.get("S") or 0)
    if (twelve := parts.get("I")) is not None:
        if not 1 <= int(twelve) <= 12:
            raise ValueError("hour")
        hours = int(twelve) % 12 + (12 if (parts.get("p") or "a").lower() == "p" else 0)
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError("time")
    total = float(days * 86400 + hours * 3600 + minutes * 60 + seconds)
    if zone := parts.get("z"):
        total -= zone_seconds(zone)
    return total + float(f"0.{parts['f']}") if parts.get("f") else total


def zone_seconds(zone: str) -> int:
    """ "+05:30" as seconds east of Greenwich; "Z" is 0."""
    if zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "")
    return (1 if zone[0] == "+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60)


def parsed(text: str, form: str) -> float | None:
    """Seconds since 1970 UTC of `text` written in `form`, or None when it is not written so. A date-time without a zone is taken as UTC."""
    found = date_regex(form).fullmatch(text)
    if found is None:
        return None
    try:
        return _seconds(found.groupdict())
    except ValueError:
        return None


def seconds_of(value: Any, schema: ColumnSchema) -> float:
    """A date-time as seconds since 1970 UTC, NaN where missing; a raw number is such seconds already.

    Raises NotTyped for text that none of the column's formats reads.
    """
    if isinstance(value, str):
        text = value.strip(BLANKS)
        if not text or text in schema.missing:
            return math.nan
        for form in schema.formats or ("iso",):
            if form == "seconds":
                if _number_regex(".", "").fullmatch(text) and math.isfinite(number := float(text)):
                    return number
            elif (seconds := parsed(text, form)) is not None:
                return seconds
        raise NotTyped("a date-time in the column's formats")
    if missing(value):
        return math.nan
    if isinstance(value, datetime):
        offset = value.utcoffset() or timedelta(0)
        naive = value.replace(tzinfo=None) - offset
        whole = (naive.toordinal() - _EPOCH) * 86400 + naive.hour * 3600 + naive.minute * 60 + naive.second
        return whole + naive.microsecond / 1e6
    if isinstance(value, date):
        return float((value.toordinal() - _EPOCH) * 86400)
    if isinstance(value, np.datetime64):
        return float(value.astype("datetime64[us]").astype(np.int64)) / 1e6
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else math.nan
    raise NotTyped("a date-time")


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def word_of(value: Any, schema: ColumnSchema) -> str | None:
    """A word, stripped, in the spelling that the column learned; None where missing.

    Whole numbers are written without a point ("3.0" and 3.0 are "3"), except in running text.
    Raises NotTyped for a list, a dict or another thing that is no single value.
    """
    word = _plain_word(value, schema)
    return word if word is None or not (schema.spelling or schema.aliases) else learned_as(word, schema)


def learned_as(word: str, schema: ColumnSchema) -> str | None:
    """A word of the column in the spelling that was learned; None when that is a mark for missing."""
    kept = respelled(word, schema.spelling, schema.aliases)
    return None if kept in schema.missing else kept


def _plain_word(value: Any, schema: ColumnSchema) -> str | None:
    """A word as it is written. Raises NotTyped."""
    if isinstance(value, str):
        text = value.strip(BLANKS)
        if not text or text in schema.missing:
            return None
        if schema.kind != "text" and text[-1] == "0" and (whole := _WHOLE.fullmatch(text)):
            text = whole[1]
            return None if text in schema.missing else text
        return text
    if missing(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        text = "true" if value else "false"
    elif isinstance(value, (int, np.integer)):
        text = str(int(value))
    elif isinstance(value, (float, np.floating)) or type(value).__name__ == "Decimal":
        number = float(value)
        if not math.isfinite(number):
            return None
        text = str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(float(str(value)))
    elif isinstance(value, bytes):
        try:
            return _plain_word(value.decode(), schema)
        except UnicodeDecodeError:
            raise NotTyped("text") from None
    elif isinstance(value, np.datetime64):
        text = str(value)
    elif isinstance(value, (datetime, date)):
        text = value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    else:
        raise NotTyped("a single value")
    return None if text in schema.missing else text


def yesno_of(value: Any, schema: ColumnSchema) -> float:
    """1 for yes, 0 for no, NaN where missing. True, False, 1 and 0 that are no text always count.

    Raises NotTyped for any other word.
    """
    word = word_of(value, schema)
    if word is None:
        return math.nan
    folded = word.casefold()
    if folded in schema.yes:
        return 1.0
    if folded in schema.no:
        return 0.0
    if not isinstance(value, str) and folded in ("true", "false", "1", "0"):
        return float(folded in ("true", "1"))
    raise NotTyped("yes or no")


Reader = Callable[[Any, ColumnSchema], Any]


def reader_of(schema: ColumnSchema) -> Reader:
    """The function above that reads the cells of this column."""
    if schema.kind in WORDS:
        return word_of
    return {"number": number_of, "yesno": yesno_of, "datetime": seconds_of}[schema.kind]
