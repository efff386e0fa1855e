"""From typed columns to the matrix that a learner reads, and the steps that make it again when serving.

    typed columns ──► one step for each transform ──► concat ──► "features"

Everything is fitted on the rows given, and on those alone. Kinds that no recipe reads (text, identifiers, constants, images, sounds) are
left out, and `Prepared.left_out` names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from trainwright.features import categories, dates, numbers, ordered, scale, yesno
from trainwright.features.feature import Feature, Reads
from trainwright.features.transform import Fit
from trainwright.runtime.columns import Columns, Floats, Matrix
from trainwright.runtime.graph import Placed, run_steps
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Concat, Numbers

TYPED = "typed"  # the step that gives the typed columns
FEATURES = "features"  # the step that gives the matrix
FEW = 10  # words up to which `filled` keeps a category one-hot
READ = ("number", "yesno", "datetime", "ordered", "category")


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A fitted recipe. `steps` start from "typed" and end with "features"; none for a learner that reads the columns themselves."""

    steps: tuple[Placed, ...]
    features: tuple[Feature, ...]
    matrix: Matrix | None  # (rows, features) of the rows given
    left_out: dict[str, str] = field(default_factory=dict)  # column: why it is no feature


def fit_recipe(reads: Reads, schema: Sequence[ColumnSchema], columns: Columns, target: Floats | None, rng: np.random.Generator) -> Prepared:
    """Fit the transforms that `reads` asks for on these rows.

    Takes   the schema of the columns that may be learned from; `columns` holds at least these, all of the same length.
    Gives   features in the order numbers, yes/no, dates, ordered, categories. There may be none at all: learners then fall back to a constant.
    """
    if reads in ("columns", "environment"):
        return Prepared((), (), None)
    if reads == "nothing":
        nothing = Numbers(columns=())
        return Prepared(((FEATURES, nothing, (TYPED,)),), (), nothing.apply(columns) if columns else None)
    by_kind = {kind: [s for s in schema if s.kind == kind] for kind in READ}
    fits: list[tuple[str, Fit]] = []

    def add(name: str, fitted: Fit | None) -> None:
        if fitted is not None:
            fits.append((name, fitted))

    gaps = reads == "coded"
    add("numbers", numbers.fit(columns, by_kind["number"], target, rng, by="gap" if gaps else "median"))
    add("yesno", yesno.fit(columns, by_kind["yesno"], target, rng, gaps=gaps))
    add("dates", dates.fit(columns, by_kind["datetime"], target, rng, gaps=gaps))
    add("ordered", ordered.fit(columns, by_kind["ordered"], target, rng, gaps=gaps))
    if reads == "scaled":
        add("categories", categories.fit(columns, by_kind["category"], target, rng))
    elif reads == "coded":
        add("categories", categories.codes(columns, by_kind["category"], target, rng))
    else:
        few, many = categories.few_and_many(columns, by_kind["category"], FEW)
        add("categories", few)
        add("many_categories", many)
    return _joined(fits, schema, columns, target, rng, scaled=reads == "scaled")


def _joined(
    fits: list[tuple[str, Fit]], schema: Sequence[ColumnSchema], columns: Columns, target: Floats | None, rng: np.random.Generator, *, scaled: bool
) -> Prepared:
    steps: list[Placed] = []
    inputs: list[str] = []
    matrices: list[Matrix] = []
    features: list[Feature] = []
    for name, made in fits:
        steps.append((name, made.step, (TYPED,)))
        fitted = made
        if scaled and any(feature.kind == "number" for feature in made.features):
            fitted = scale.fit(made.matrix, made.features, target, rng)
            steps.append((f"{name}_scaled", fitted.step, (name,)))
        inputs.append(steps[-1][0])
        matrices.append(fitted.matrix)
        features += fitted.features
    if matrices:
        joint = Concat(widths=tuple(matrix.shape[1] for matrix in matrices))
        matrix = joint.apply(*matrices)
        steps.append((FEATURES, joint, tuple(inputs)))
    else:
        nothing = Numbers(columns=())
        matrix = nothing.apply(columns)
        steps.append((FEATURES, nothing, (TYPED,)))
    return Prepared(tuple(steps), tuple(features), matrix, _left_out(schema, features))


def _left_out(schema: Sequence[ColumnSchema], features: Sequence[Feature]) -> dict[str, str]:
    used = {feature.origin for feature in features}
    told = {s.name: "constant in these rows" if s.kind in READ else f"a column of kind {s.kind} is not read" for s in schema}
    return {name: why for name, why in told.items() if name not in used}


def apply(steps: Sequence[Placed], columns: Columns) -> Any:
    """The matrix (rows, features) float32 that the fitted steps make of other rows; the columns themselves where there are no steps."""
    return cast(Matrix, run_steps(steps, {TYPED: columns})[FEATURES]) if steps else columns
