"""What a column of the feature matrix is, and the ways in which learners want their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reads = Literal["scaled", "filled", "coded", "columns", "environment", "nothing"]
"""How a learner wants its rows, which chooses the recipe of transforms in `features/`:

`scaled`       numbers filled and standardised, missing indicators, categories one-hot: for linear models and networks
`filled`       numbers filled, missing indicators, few categories one-hot and many as frequency ranks: for trees of scikit-learn
`coded`        numbers with NaN, categories as whole-number codes in one column each: for boosting that knows both
`columns`      the typed columns themselves: text, images and sounds
`environment`  no rows at all: `Training.environment`
`nothing`      no features: the dummy baseline
"""


Kind = Literal["number", "indicator", "code", "weight"]
"""What a feature holds: a `number`, which may be scaled; an `indicator`, 1 or 0; a `code`, a category number, to be split by equality; a `weight`,
mostly 0 and else how much of something there is: a number that keeps its scale."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix: its name, the table column that it comes from, and what it holds."""

    name: str
    origin: str
    kind: Kind
