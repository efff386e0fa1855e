"""Short texts into a matrix: how often a text uses each known term, weighted by how rare the term is, and made less by fixed directions.

Source  tf-idf: Spärck Jones (1972), Journal of Documentation 28(1); sublinear tf, smooth idf and unit length as scikit-learn's TfidfVectorizer
        (the tests' truth); directions: Deerwester et al. (1990), JASIS 41(6); hashing: Weinberger et al. (2009), ICML.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from trainwright.runtime.columns import Coded, Columns, Matrix
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks

TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]")  # words, with an apostrophe inside; other marks one by one
LONGEST = 20_000  # characters of one text that are read: a text of a megabyte must not hold a server up
UNITS = ("words", "characters")
PIECES = (3, 4)  # characters in a piece of a word, its edges marked by blanks
MOST_DIRECTIONS = 256  # every term of a text is multiplied with each
BLOCK = 1 << 21  # products that are held at once

Weights = tuple[NDArray[np.intp], NDArray[np.intp], Matrix]  # text, term, weight


def tokens(text: str, unit: str, longest: int) -> list[str]:
    """The terms of a text in order: words and runs of up to `longest` words, or pieces of 3 and 4 characters of each word.

    Compatibility forms are folded (NFKC) and letters are compared without case.
    """
    words = TOKEN.findall(unicodedata.normalize("NFKC", text[:LONGEST]).casefold())
    if unit == "characters":
        return [padded[at : at + size] for word in words for padded in (f" {word} ",) for size in PIECES for at in range(len(padded) - size + 1)]
    return words + [" ".join(words[at : at + size]) for size in range(2, longest + 1) for at in range(len(words) - size + 1)]


def hashed(term: str, buckets: int) -> int:
    return zlib.crc32(term.encode("utf-8", "surrogatepass")) % buckets


@dataclass(frozen=True, eq=False, kw_only=True)
class Text(FromParts):
    """Columns → float32 (rows, terms), or (rows, directions) where there are directions; then a 1 where the text is missing, if flagged.

    Each term of a text weighs (1 + ln times) · idf, and a text has length 1 over its known terms, or 0 without any.
    """

    kind: ClassVar[str] = "text"
    column: str
    unit: str  # "words" or "characters"
    longest: int  # words in a term
    terms: tuple[str, ...]  # () when terms are hashed
    buckets: int  # 0 when they are not
    idf: Matrix  # (terms or buckets,)
    directions: Matrix  # (terms or buckets, directions); (0, 0) for none
    scale: float = 1.0  # of every weight: so that a penalty on weights fits texts and standardised numbers alike
    flagged: bool = False
    _index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.names(self.kind, "column", (self.column,))
        checks.choice(self.kind, "unit", self.unit, UNITS)
        checks.whole(self.kind, "longest", self.longest, low=1, high=5)
        checks.whole(self.kind, "buckets", self.buckets, low=0, high=checks.MOST_FIELDS)
        checks.words(self.kind, "terms", self.terms)
        if bool(self.buckets) == bool(self.terms) or not isinstance(self.flagged, bool):
            raise checks.refuse(self.kind, "there must be terms, or buckets for them")
        if not isinstance(self.scale, float) or not 0 < self.scale < 1e6:
            raise checks.refuse(self.kind, "scale is not a positive number")
        width = self.buckets or len(self.terms)
        checks.array(self.kind, "idf", self.idf, dtype=np.float32, shape=(width,))
        if self.directions.shape != (0, 0):
            checks.array(self.kind, "directions", self.directions, dtype=np.float32, shape=(width, None))
            if self.directions.shape[1] > MOST_DIRECTIONS:
                raise checks.refuse(self.kind, f"{self.directions.shape[1]:,} directions")
        object.__setattr__(self, "_index", {term: number for number, term in enumerate(self.terms)})

    @property
    def width(self) -> int:
        return (self.directions.shape[1] if self.directions.size else self.buckets or len(self.terms)) + self.flagged

    @property
    def cells(self) -> int:
        return 2 * self.width  # of each text, then of each row

    def apply(self, columns: Columns) -> Matrix:
        column = cast(Coded, columns[self.column])
        used, inverse = np.unique(column.codes, return_inverse=True)
        made = self.weights(column.vocabulary[code] if code >= 0 else "" for code in used.tolist())
        out = np.zeros((len(used), self.width), np.float32)
        if self.directions.size:
            self._project(made, out)
        else:
            row, term, weight = made
            out[row, term] = weight
        if self.flagged:
            out[:, -1] = used < 0
        return out[inverse]

    def weights(self, texts: Iterable[str]) -> Weights:
        """The weights of all terms as (text, term, weight), ascending by text."""
        rows: list[int] = []
        terms: list[int] = []
        counts: list[int] = []
        for row, text in enumerate(texts):
            found = Counter(self._numbers(text))
            rows += [row] * len(found)
            terms += found.keys()
            counts += found.values()
        where, term = np.array(rows, np.intp), np.array(terms, np.intp)
        weight = (1.0 + np.log(np.array(counts, np.float64))) * self.idf[term]
        length = np.sqrt(np.bincount(where, weights=weight**2))
        return where, term, (self.scale * weight / length[where]).astype(np.float32)

    def _numbers(self, text: str) -> list[int]:
        found = tokens(text, self.unit, self.longest)
        if self.buckets:
            return [hashed(term, self.buckets) for term in found]
        return [number for term in found if (number := self._index.get(term)) is not None]

    def _project(self, made: Weights, out: Matrix) -> None:
        """Sum the directions of each text's terms, in float64 and term by term: the same digits whatever other texts are beside it."""
        row, term, weight = made
        starts = np.flatnonzero(np.diff(row, prepend=-1))  # where the terms of a text begin
        step, first, width = max(1, BLOCK // self.directions.shape[1]), 0, self.directions.shape[1]
        while first < len(starts):
            low = int(starts[first])
            last = max(first + 1, int(np.searchsorted(starts, low + step)))
            high = int(starts[last]) if last < len(starts) else len(row)
            products = weight[low:high, None].astype(np.float64) * self.directions[term[low:high]]
            out[row[starts[first:last]], :width] = np.add.reduceat(products, starts[first:last] - low, axis=0)
            first = last
