"""What each column is: its kind, and the rules by which its cells are read, with the reason in words.

Takes    the distinct cells of one column with their counts (of a sample where rows are many), or its numbers.
Gives    a `ColumnSchema` and why. No cell value is told, except known missing marks.
Why      a wrong kind costs more than a weak learner; so the rules are few, are said, and each has its flag.

The rules, in this order (a column that is given a kind skips to how that kind reads its cells):
 1. Known missing marks (`MARKS`) are set aside. "None", "-" and the like are marks only among numbers, dates and yes/no.
 2. Numbers: every cell, or at least 95 % of them while the others are at most 10 distinct words, which become missing marks.
 3. Dates: at least 95 % of the cells, by one to three formats. Where day and month could be exchanged, the reading under which more cells
    are dates wins, then the one in which the column is closer to sorted, then day first.
 4. Yes/no: exactly two words, from one known pair. Not for a target, whose words are its classes.
 5. Words of a known scale (low, medium, high; …), at least three of them: ordered. 6. Paths of images or sounds. 7. Nearly unique: text when
    it has three words or more, else identifier. 8. Long or many-worded cells that seldom repeat: text. 9. All else: category.
Whole numbers are numbers, except: 0 and 1 (yes/no), any other two (category), codes by their name (category), all distinct and counting the
rows or named like an identifier (identifier). A target of at most ten distinct whole numbers is a category.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import compress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainwright.data.cells import FEW, parse_dates
from trainwright.data.dataset import Role
from trainwright.runtime.cells import ENDLESS, date_regex, number_pattern, parsed
from trainwright.runtime.schema import ColumnSchema, Kind

MARKS: Final = frozenset({"na", "n/a", "nan", "null", "?", "#n/a", "#na", "<na>", "nat", "\\n", "#null!", "#value!", "#div/0!", "1.#qnan", "-nan"})
LOOSE_MARKS: Final = frozenset(
    {"none", "nil", "-", "--", "---", ".", "..", "...", "*", "x", "missing", "unknown", "not available", "n.a.", "nd", "k.a.", "–", "—"}
)
PAIRS: Final = (
    ("yes", "no"), ("y", "n"), ("true", "false"), ("t", "f"), ("1", "0"), ("on", "off"), ("ja", "nein"), ("oui", "non"), ("si", "no"), ("sí", "no"),
    ("sim", "não"), ("da", "net"), ("tak", "nie"), ("j", "n"), ("wahr", "falsch"), ("vrai", "faux"),
)  # fmt: skip
SCALES: Final = tuple(
    tuple(scale.split(" < "))
    for scale in (
        "very low < low < medium low < medium < medium high < high < very high", "very low < low < moderate < high < very high", "low < mid < high",
        "low < average < high",
        "very bad < bad < neutral < good < very good", "very bad < bad < ok < good < very good", "very bad < bad < average < good < very good",
        "very poor < poor < fair < good < very good < excellent", "poor < below average < average < above average < good < excellent",
        "fair < good < very good < premium < ideal", "po < fa < ta < gd < ex", "none < mild < moderate < severe < critical",
        "none < low < medium < high",
        "never < rarely < sometimes < often < always", "never < seldom < sometimes < usually < always", "tiny < small < medium < large < huge",
        "small < medium < large < extra large",
        "xxs < xs < s < m < l < xl < xxl < xxxl", "strongly disagree < disagree < neutral < agree < strongly agree",
        "very dissatisfied < dissatisfied < neutral < satisfied < very satisfied", "very unlikely < unlikely < neutral < likely < very likely",
        "first < second < third < fourth < fifth",
        "minor < moderate < major < critical", "bronze < silver < gold < platinum", "cold < cool < warm < hot", "worst < bad < average < good < best",
    )
)  # fmt: skip
NOTATIONS: Final = ((".", ""), (",", ""), (".", ","), (",", "."), (".", "'"), (".", "’"), (",", " "), (".", " "), (",", "'"), (".", "_"))
IMAGES: Final = re.compile(r".*\.(?:png|jpe?g|gif|bmp|tiff?|webp)", re.IGNORECASE)
SOUNDS: Final = re.compile(r".*\.(?:wav|flac|ogg|mp3|m4a|aiff?)", re.IGNORECASE)
ENOUGH: Final = 0.95  # of the cells must fit a kind
ODD_WORDS: Final = 10  # at most so many distinct other words among numbers become missing marks
CLASSES: Final = 10  # a target of at most so many distinct whole numbers is read as classes
NEARLY_UNIQUE: Final = 0.95
_DAYS: Final = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y",
 "%d-%m-%y", "%m-%d-%y",
                "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%b %d, %Y", "%b %d %Y", "%d. %b %Y", "%a, %d %b %Y", "%Y-%m-%d", "%Y-%b-%d",
                "%Y%m%d")  # fmt: skip
_TIMES: Final = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S %z", ", %H:%M", ", %I:%M %p")
DATES: Final = (
    "iso",
    *(day + time for time in _TIMES for day in _DAYS),
    "%Y%m%dT%H%M%S",
    "%Y%m%d%H%M%S",
    "%d/%b/%Y:%H:%M:%S %z",
    "%a %b %d %H:%M:%S %Y",
    "%d.%m.%Y, %H:%M:%S",
)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The cells of one column as text: what inference sees."""

    name: str
    role: Role
    counts: Mapping[str, int]  # stripped cells that are not empty -> how many
    rows: int  # rows looked at
    sampled: bool = False
    in_order: Sequence[str] = ()  # some cells in row order, for "is it sorted"
    comma: bool = False  # the file elsewhere writes decimals with a comma

    @property
    def cells(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Inferred:
    schema: ColumnSchema
    why: str
    note: str = ""


def marks_in(counts: Iterable[str], *, loose: bool) -> tuple[str, ...]:
    """The known missing marks that are present, sorted; `loose` ones count only among numbers, dates and yes/no."""
    return tuple(sorted(text for text in counts if (folded := text.casefold()) in MARKS or (loose and folded in LOOSE_MARKS)))


def infer_text(look: Look) -> Inferred:
    """The kind of a column of text cells, by the rules above."""
    strict = marks_in(look.counts, loose=False)
    words = _without(look.counts, strict)
    if not words:
        return _said(ColumnSchema(name=look.name, kind="constant", missing=strict), "all cells are missing", look, strict)
    loose = marks_in(look.counts, loose=True)
    values = _without(look.counts, loose)
    if values:
        for guess in (_number, _dates, _yesno):
            if (found := guess(look, values, loose)) is not None:
                return found
    schema = ColumnSchema(name=look.name, kind="category", missing=strict)
    cells, distinct = sum(words.values()), len(words)
    if distinct == 1 and look.role != "target":
        return _said(replace(schema, kind="constant"), "one value in all rows" if cells == look.rows else "one value, or none", look, strict)
    if look.role == "target":
        return _said(schema, f"the target: {distinct:,} distinct words are its classes", look, strict)
    if look.role == "group":
        return _said(replace(schema, kind="identifier"), f"the group: {distinct:,} distinct values", look, strict)
    if order := known_order(words):
        return _said(replace(schema, kind="ordered", order=order), f"{distinct} words of a known scale", look, strict)
    for pattern, kind, what in ((IMAGES, "image", "images"), (SOUNDS, "audio", "sounds")):
        if sum(count for word, count in words.items() if pattern.fullmatch(word)) >= ENOUGH * cells:
            return _said(replace(schema, kind=kind), f"paths of {what}", look, strict)  # type: ignore[arg-type]  # both are kinds
    return _free_words(schema, words, look, strict)


def _free_words(schema: ColumnSchema, words: Mapping[str, int], look: Look, marks: tuple[str, ...]) -> Inferred:
    cells, distinct = sum(words.values()), len(words)
    spread = [len(word.split()) for word in words]
    mean_words, mean_length = sum(spread) / distinct, sum(map(len, words)) / distinct
    if distinct >= NEARLY_UNIQUE * cells and cells >= 10:
        if mean_words >= 3:
            return _said(replace(schema, kind="text"), f"nearly every cell differs, {mean_words:.0f} words each", look, marks)
        return _said(replace(schema, kind="identifier"), f"{distinct:,} distinct values in {cells:,} cells", look, marks)
    if distinct > 20 and (mean_length >= 80 or (mean_words >= 4 and distinct > 0.2 * cells)):
        return _said(replace(schema, kind="text"), f"{mean_words:.0f} words in a cell, {distinct:,} distinct", look, marks)
    if named_like_id(look.name) and distinct > 50:
        return _said(replace(schema, kind="identifier"), f"named like an identifier, {distinct:,} distinct values", look, marks)
    return _said(schema, f"{distinct:,} distinct words in {cells:,} cells", look, marks)


def _without(counts: Mapping[str, int], marks: Iterable[str]) -> dict[str, int]:
    gone = set(marks)
    return {text: count for text, count in counts.items() if text not in gone} if gone else dict(counts)


def _said(schema: ColumnSchema, why: str, look: Look, marks: tuple[str, ...]) -> Inferred:
    if marks and schema.missing:
        why += "; missing: " + ", ".join(f"{mark!r}" for mark in marks[:4]) + (" …" if len(marks) > 4 else "")
    return Inferred(schema, why + (f" (from a sample of {look.rows:,} rows)" if look.sampled else ""))


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _number(look: Look, values: Mapping[str, int], marks: tuple[str, ...]) -> Inferred | None:
    """A column of numbers written as text, or None when too few cells are numbers."""
    notation = notation_of(values, comma=look.comma)
    if notation is None:
        return None
    schema = ColumnSchema(name=look.name, kind="number", missing=marks, decimal=notation[0], thousands=notation[1])
    fits = _fitting(values, notation)
    odd = [text for text in values if text not in fits]
    if odd:
        schema = replace(schema, missing=tuple(sorted({*marks, *odd})))
    why = (
        "numbers"
        + {".": "", ",": " with a decimal comma"}[notation[0]]
        + (f" with {_mark_name(notation[1])} between thousands" if notation[1] else "")
    )
    if odd:
        why += f"; {len(odd)} other words in {sum(values[text] for text in odd):,} cells are read as missing"
    return _said(schema, why, look, marks)


def _mark_name(mark: str) -> str:
    return {",": "commas", ".": "points", " ": "blanks", "_": "underscores"}.get(mark, "apostrophes")


def _fitting(values: Iterable[str], notation: tuple[str, str]) -> set[str]:
    regex = re.compile(f"(?:{number_pattern(*notation)})|(?i:{ENDLESS})")
    return {text for text in values if regex.fullmatch(text)}


def notation_of(values: Mapping[str, int], *, comma: bool = False) -> tuple[str, str] | None:
    """Decimal mark and thousands mark under which enough of the cells are numbers, or None.

    "1,234" alone is ambiguous: a thousand, unless other columns of the file have a decimal comma; with points, the other way round.
    """
    cells = sum(values.values())
    few = list(values)[:200]
    if not any(text[-1].isdigit() or text[0].isdigit() or text.endswith((".", ",")) for text in few):
        return None
    best: tuple[str, str] | None = None
    most, others = 0, 0
    probe = dict(list(values.items())[:: max(1, len(values) // 500)])
    if max(sum(probe[text] for text in _fitting(probe, notation)) for notation in NOTATIONS) < 0.8 * sum(probe.values()):
        return None  # far from it: most columns of words end here
    for notation in NOTATIONS:
        if notation != (".", "") and best == (".", "") and most == cells and not comma:
            break
        if any(mark and not any(mark in text for text in values) for mark in notation if mark not in (".", "")) and " " not in notation:
            continue
        fitting = _fitting(values, notation)
        fits = sum(values[text] for text in fitting)
        if fits > most:
            best, most, others = notation, fits, len(values) - len(fitting)
    if best is None or most < ENOUGH * cells or others > ODD_WORDS:
        return None
    grouped = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:([.,])[0-9]{3})+")
    marked = [text for text in values if "." in text or "," in text]
    if marked and all(grouped.fullmatch(text) for text in marked):
        if best == (",", "") and not comma:
            return ".", ","
        if best == (".", "") and comma:
            return ",", "."
    return best


def infer_number(name: str, role: Role, values: NDArray[np.float64], *, distinct: int, written: ColumnSchema, why: str = "") -> Inferred:
    """The kind of a column whose cells are numbers: number, category, yes/no, identifier or constant.

    Takes   values (rows,) with NaN where missing, how many distinct ones there are, and the schema by which they are read.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return Inferred(replace(written, kind="constant"), why or "all cells are missing")
    whole = bool((known == np.floor(known)).all())
    count = f"{distinct:,} distinct {'whole numbers' if whole else 'numbers'} in {len(known):,} cells"
    prefix = f"{why}: " if why and why != "numbers" else ""
    plain = written.decimal == "." and not written.thousands
    if role == "weight":
        return Inferred(written, f"{prefix}the weight")
    if role == "group":
        return Inferred(replace(written, kind="identifier"), f"the group: {count}")
    if role == "target":
        few = distinct <= 2 or (distinct <= CLASSES and distinct <= len(known) / 3)
        if whole and few and distinct > 1:
            return Inferred(replace(written, kind="category"), f"{prefix}the target: {distinct} distinct whole numbers are read as classes")
        return Inferred(written, f"{prefix}the target: {count}")
    if role == "time":
        return Inferred(written, f"{prefix}the time, as a number")
    if distinct == 1:
        return Inferred(replace(written, kind="constant"), "one value in all rows" if len(known) == len(values) else "one value, or none")
    if whole and plain and (kind := _whole_kind(name, known, distinct, len(values))) is not None:
        schema, reason = kind
        return Inferred(replace(written, **schema), f"{prefix}{reason or count}")
    return Inferred(written, f"{prefix}{count}")


def _whole_kind(name: str, known: NDArray[np.float64], distinct: int, rows: int) -> tuple[dict[str, Any], str] | None:
    """Another kind than number for whole numbers, with the reason; None when they are numbers."""
    low, high = known.min(), known.max()
    if distinct == 2:
        if (low, high) == (0, 1):
            return {"kind": "yesno", "yes": ("1",), "no": ("0",)}, "only 0 and 1"
        return {"kind": "category"}, "only two distinct whole numbers"
    if distinct == len(known) and rows >= 10:
        counts = len(known) == rows and high - low == rows - 1
        if counts and (named_like_id(name) or named_like_row(name)):
            return {"kind": "identifier"}, "counts the rows"
        if named_like_id(name):
            return {"kind": "identifier"}, f"named like an identifier, all {distinct:,} values differ"
    if named_like_id(name) and distinct > 50:
        return {"kind": "identifier"}, f"named like an identifier, {distinct:,} distinct values"
    if named_like_code(name):
        return {"kind": "category"}, f"named like a code, {distinct:,} distinct whole numbers"
    return None


def _tokens(name: str) -> list[str]:
    return [token.lower() for token in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)]


def named_like_id(name: str) -> bool:
    tokens = _tokens(name)
    return bool(tokens) and (bool({"id", "ids", "uuid", "guid", "idcode", "pid", "uid"} & set(tokens)) or name.startswith("Unnamed: "))


def named_like_row(name: str) -> bool:
    return bool(
        {"row", "rows", "index", "idx", "rownames", "rownum", "instant", "record", "nr", "no", "number", "num", "key", "seq", "serial"}
        & set(_tokens(name))
    )


def named_like_code(name: str) -> bool:
    return bool({"code", "zip", "zipcode", "postcode", "postal", "plz"} & set(_tokens(name)[-2:]))


# ── dates ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _dates(look: Look, values: Mapping[str, int], marks: tuple[str, ...]) -> Inferred | None:
    formats, why, left = date_formats(values, look.in_order) if look.role != "group" else ((), "", [])
    if not formats:
        return None
    schema = ColumnSchema(name=look.name, kind="datetime", formats=formats, missing=tuple(sorted({*marks, *left})))
    if left:
        why += f"; {len(left)} other words in {sum(values[text] for text in left):,} cells are read as missing"
    return _said(schema, why, look, marks)


def date_formats(values: Mapping[str, int], in_order: Sequence[str] = ()) -> tuple[tuple[str, ...], str, list[str]]:
    """Up to three formats by which enough of the cells are dates, in words, and the cells that none of them reads; () when they are no dates."""
    todo = [text for text in values if 6 <= len(text) <= 40 and any(c.isdigit() for c in text)]
    cells = sum(values.values())
    if sum(values[text] for text in todo) < ENOUGH * cells:
        return (), "", []
    probe = todo[:: max(1, len(todo) // 60)]
    reading = [{form for form in _shaped(re.sub("[0-9]", "0", text)) if parsed(text, form) is not None} for text in probe]
    likely = [form for form in DATES if any(form in forms for forms in reading)] if sum(map(bool, reading)) >= 0.8 * len(probe) else []
    formats: list[str] = []
    notes: list[str] = []
    read: set[str] = set()
    while todo and likely and len(formats) < 3:
        counts, fits = np.array([values[text] for text in todo]), {form: _read_by(todo, form) for form in likely}
        reads = {form: int(counts[fitting].sum()) for form, fitting in fits.items()}
        best = max(likely, key=lambda form: reads[form])  # the first of equals: "iso", then day first
        if not reads[best]:
            break
        twin = _twin(best)
        if twin in reads and reads[twin] == reads[best]:
            best, note = _settle(best, twin, in_order, cells)
            notes.append(note)
        elif twin in reads and reads[twin] and (fits[best] & fits[twin])[:2000].any():
            notes.append(f"{'month' if best.startswith('%m') else 'day'} first, since {reads[best] - reads[twin]:,} cells allow only that")
        formats.append(best)
        read.update(compress(todo, fits[best].tolist()))
        todo = list(compress(todo, (~fits[best]).tolist()))
    left = [text for text in values if text not in read and not any(parsed(text, form) is not None for form in formats)]
    if not formats or sum(values[text] for text in left) > (1 - ENOUGH) * cells or len(left) > ODD_WORDS:
        return (), "", []
    names = " and ".join("ISO 8601" if form == "iso" else form for form in formats)
    return tuple(formats), "dates written " + "; ".join((names, *notes)), left


@lru_cache(maxsize=4096)
def _shaped(shape: str) -> tuple[str, ...]:
    """The formats whose pattern fits a text, given with all its digits as 0: no pattern tells one digit from another."""
    return tuple(form for form in DATES if date_regex(form).fullmatch(shape))


def _read_by(texts: Sequence[str], form: str) -> NDArray[np.bool_]:
    """(texts,) which of them are dates in this format."""
    if len(texts) <= FEW:
        return np.array([parsed(text, form) is not None for text in texts], np.bool_)
    import polars as pl

    return ~np.isnan(parse_dates(pl.Series(texts, dtype=pl.String), form))


def _twin(form: str) -> str:
    """The format with day and month exchanged."""
    return form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m") if "%d" in form and "%m" in form else ""


def _settle(first: str, second: str, in_order: Sequence[str], cells: int) -> tuple[str, str]:
    """Day first or month first, where every cell allows both: the one in which neighbouring rows (some of all cells) are less often out of order."""
    rows = "the rows" if len(in_order) >= cells else f"the first {len(in_order):,} rows"
    day, month = (first, second) if first.find("%d") < first.find("%m") else (second, first)
    wrong = []
    for form in (day, month):
        seconds = [value for text in in_order if (value := parsed(text, form)) is not None]
        steps = np.diff(np.array(seconds)) if len(seconds) > 2 else np.zeros(0)
        wrong.append(float(min((steps < 0).mean(), (steps > 0).mean())) if len(steps) else 0.0)
    if wrong[1] < wrong[0]:
        return month, f"day and month could be exchanged: month first, since {rows} are then in order"
    if wrong[0] < wrong[1]:
        return day, f"day and month could be exchanged: day first, since {rows} are then in order"
    return day, "day and month could be exchanged, and nothing tells which: day first"


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _yesno(look: Look, values: Mapping[str, int], marks: tuple[str, ...]) -> Inferred | None:
    words = {text.casefold() for text in values}
    if look.role in ("target", "group", "weight", "time") or len(words) != 2:
        return None
    for yes, no in PAIRS:
        if words == {yes, no}:
            schema = ColumnSchema(name=look.name, kind="yesno", missing=marks, yes=(yes,), no=(no,))
            return _said(schema, f"only {yes!r} and {no!r}", look, marks)
    return None


def known_order(words: Iterable[str]) -> tuple[str, ...]:
    """The words in the order of a known scale, if at least three of them are on one and none is off it; else ()."""
    by_fold = {" ".join(re.split(r"[\s_-]+", word.casefold())): word for word in words}
    if len(by_fold) < 3:
        return ()
    for scale in SCALES:
        if set(by_fold) <= set(scale):
            return tuple(by_fold[word] for word in scale if word in by_fold)
    return ()


def order_of(words: Sequence[str]) -> tuple[str, ...]:
    """An order for words that a user calls ordered: a known scale, or the numbers that they are or begin with; () when there is none."""
    if known := known_order(words):
        return known
    lead = [re.match(r"[<>≤≥+ ]*(-?[0-9]+(?:\.[0-9]+)?)", word) for word in words]
    if all(lead):
        return tuple(word for _, word in sorted((float(found[1]), word) for found, word in zip(lead, words, strict=True) if found))
    return ()


def as_kind(kind: Kind, look: Look, order: tuple[str, ...] = ()) -> Inferred | None:
    """How a column that a user calls `kind` is read; None when its cells are not of that kind."""
    why = "as asked"
    loose, strict = (marks_in(look.counts, loose=loose) for loose in (True, False))
    values = _without(look.counts, loose)
    if kind == "number":
        guess = _number(look, values, loose) if values else Inferred(ColumnSchema(name=look.name, kind="number", missing=loose), why)
        return None if guess is None else replace(guess, why=f"{why}: {guess.why}")
    if kind == "datetime":
        if notation_of(values) == (".", "") and (look.role == "time" or not date_formats(values)[0]):
            return Inferred(ColumnSchema(name=look.name, kind="datetime", missing=loose, formats=("seconds",)), f"{why}: seconds since 1970 UTC")
        guess = _dates(look, values, loose)
        return None if guess is None else replace(guess, why=f"{why}: {guess.why}")
    if kind == "yesno":
        guess = _yesno(replace(look, role="feature"), {re.sub(r"^([01])\.0+$", r"\1", text): count for text, count in values.items()}, loose)
        return None if guess is None else replace(guess, why=why)
    schema = ColumnSchema(name=look.name, kind=kind, missing=strict)
    if kind == "ordered":
        words = list(dict.fromkeys(re.sub(r"^([+-]?[0-9]+)\.0+$", r"\1", word) for word in _without(look.counts, strict)))
        found = order or order_of(words)
        if not found or not set(words) <= set(found):
            return None
        schema = replace(schema, order=found)
    return _said(schema, why, look, strict)
