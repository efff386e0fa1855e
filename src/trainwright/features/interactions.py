"""Interactions: products of two numbers, crosses of two categories. Columns to columns: other transforms read what is made as they read the rest.

Numbers are centred at their median first, so that a product says something that neither of its columns does (Aiken & West 1991, Multiple Regression).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np

from trainwright.features.transform import known_numbers
from trainwright.runtime.columns import Columns
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Interact
from trainwright.runtime.steps.shapes import joined


def fit(
    columns: Columns, schemas: Sequence[ColumnSchema], *, most: int = 50, taken: Collection[str] = ()
) -> tuple[Interact, tuple[ColumnSchema, ...]] | None:
    """All pairs of the number columns and all pairs of the category columns, in order, at most `most` of each; and the schema of what is made.

    A pair whose name is `taken` is passed over.
    """
    numbers = [schema.name for schema in schemas if schema.kind == "number" and len(known_numbers(columns, schema.name))]
    words = [schema.name for schema in schemas if schema.kind == "category"]
    products, crosses = (tuple(pair for pair in combinations(names, 2) if joined(*pair) not in taken)[:most] for names in (numbers, words))
    if not products and not crosses:
        return None
    middle = {name: float(np.median(known_numbers(columns, name))) for name in numbers}
    centres = np.array([[middle[a], middle[b]] for a, b in products]).reshape(len(products), 2)
    made = [ColumnSchema(name=joined(*pair), kind="number") for pair in products]
    made += [ColumnSchema(name=joined(*pair), kind="category") for pair in crosses]
    return Interact(products=products, centres=centres, crosses=crosses), tuple(made)
