"""Short text: how often each term occurs, weighted by its rarity; for trees summed up along the directions in which texts differ most.

Takes    one column of texts.
Gives    for linear models a feature for each of the most frequent terms; for trees some tens of directions.
Why      a tree parts by one term at a time, and most texts lack it; a linear model adds up all of them. Terms of fewer than RARE rows are
         left out: too few to learn from, and nobody's words ship.
Source   see runtime/steps/text.py; directions by the randomised method of Halko, Martinsson & Tropp (2011), SIAM Review 53(2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainwright.features.feature import Feature, Kind
from trainwright.features.transform import RARE, Fit, words
from trainwright.runtime.columns import Coded, Columns, Floats, Matrix
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Text
from trainwright.runtime.steps.text import hashed, tokens

CELLS = 40_000_000  # of a matrix of terms: with more rows, fewer terms
MOST_TERMS = 20_000  # behind directions
SPREAD = (
    3.0  # a text's length, so that one penalty on weights fits terms and standardised numbers: chosen on one fold each of rt_polarity and sms_spam
)


def fit(
    columns: Columns,
    schemas: Sequence[ColumnSchema],
    y: Floats | None,
    rng: np.random.Generator,
    *,
    directions: int = 0,
    terms: int = 2000,
    unit: str = "words",
    longest: int = 1,
    buckets: int = 0,
) -> Fit | None:
    """`directions` is 0 for a feature a term, at most `terms` of them; `buckets` hashes terms in the place of a vocabulary. One schema."""
    (schema,) = schemas
    column = words(columns, schema.name)
    rows = len(column)
    often = _rows_with(column, unit, longest)
    most = max(1, min(MOST_TERMS if directions else terms, CELLS // max(1, rows) if not directions else MOST_TERMS))
    vocabulary: tuple[str, ...] = ()
    if buckets:
        folded: Counter[int] = Counter()
        for term, seen in often.items():
            folded[hashed(term, buckets)] += seen  # rows with two terms of one bucket count twice: an estimate, as hashing is
        seen_rows = np.array([min(folded[number], rows) for number in range(buckets)], np.float64)
    else:
        kept = sorted((-seen, term) for term, seen in often.items() if seen >= RARE)[:most]
        seen_rows, vocabulary = np.array([-seen for seen, _ in kept], np.float64), tuple(term for _, term in kept)
    if not buckets and not vocabulary:
        return None
    idf = (np.log((1 + rows) / (1 + seen_rows)) + 1).astype(np.float32)
    settings: dict[str, Any] = {"column": schema.name, "unit": unit, "longest": longest, "terms": vocabulary, "buckets": buckets, "idf": idf}
    settings |= {"flagged": bool((column.codes < 0).any()), "scale": 1.0 if directions else SPREAD}
    step = Text(**settings, directions=np.empty((0, 0), np.float32))
    if directions:
        step = Text(**settings, directions=_directions(step, column, directions, rng))
    told = [f"direction {number + 1}" for number in range(step.width - step.flagged)] if directions else vocabulary
    named = [f"{schema.name}: {what}" for what in told or [f"bucket {number}" for number in range(buckets)]]
    kind: Kind = "number" if directions else "weight"  # terms keep their weights: scaled one by one, the rarest would weigh most
    features = [*(Feature(name, schema.name, kind) for name in named)]
    features += [Feature(f"{schema.name} is missing", schema.name, "indicator")] * step.flagged
    return Fit(step, step.apply(columns), tuple(features))


def _rows_with(column: Coded, unit: str, longest: int) -> Counter[str]:
    """How many rows each term occurs in; each distinct text is read once."""
    found: Counter[str] = Counter()
    rows = np.bincount(column.codes[column.codes >= 0], minlength=len(column.vocabulary))
    for code in np.flatnonzero(rows).tolist():
        for term in set(tokens(column.vocabulary[code], unit, longest)):
            found[term] += int(rows[code])
    return found


def _directions(step: Text, column: Coded, many: int, rng: np.random.Generator) -> Matrix:
    """float32 (terms, directions): the right singular vectors of the largest singular values, signed so that the largest entry is positive."""
    from scipy import sparse
    from sklearn.utils.extmath import randomized_svd

    texts = np.flatnonzero(np.bincount(column.codes[column.codes >= 0], minlength=len(column.vocabulary))).tolist()
    row, term, weight = step.weights(column.vocabulary[code] for code in texts)
    shape = (len(texts), len(step.idf))
    matrix = sparse.csr_matrix((weight.astype(np.float64), (row, term)), shape=shape)
    many = min(many, *shape)
    _, _, found = randomized_svd(matrix, many, n_iter=5, random_state=int(rng.integers(2**31)))
    signs = np.sign(found[np.arange(len(found)), np.abs(found).argmax(axis=1)])
    return np.ascontiguousarray((found * np.where(signs == 0, 1, signs)[:, None]).T, np.float32)
