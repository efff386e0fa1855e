"""From typed columns to the matrix that a learner reads, and the steps that make it again when serving.

    typed columns ──► one step for each transform ──► concat ──► "features"
                 ╰──► clipped or paired columns ──╯

Everything is fitted on the rows given, and on those alone. Kinds that no recipe reads (identifiers, constants, images, sounds; texts without their
transform) are left out, and `Prepared.left_out` names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from trainwright.features import binning, categories, clipping, dates, interactions, numbers, ordered, scale, target_encoding, text, yesno
from trainwright.features.feature import Feature, Reads
from trainwright.features.transform import Fit
from trainwright.plan.transforms import Binning, Clipping, Entry, Interactions, ShortText, TargetEncoding
from trainwright.runtime.columns import Columns, Floats, Matrix, Rows
from trainwright.runtime.graph import Placed, run_steps
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Clip, Concat, Interact, Numbers

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


APPLIES: dict[str, tuple[Reads, ...]] = {
    "target_encoding": ("scaled", "filled", "coded"),
    "text": ("scaled", "filled", "coded"),
    "interact": ("scaled", "filled", "coded"),
    "windows": ("scaled", "filled", "coded"),
    "clip": ("scaled",),  # trees split by order alone: they would see the same rows on the same sides
    "bin": ("scaled",),
}
"""Which recipes a transform of the plan changes."""


def fit_recipe(
    reads: Reads,
    schema: Sequence[ColumnSchema],
    columns: Columns,
    target: Floats | None,
    rng: np.random.Generator,
    *,
    classes: int = 0,
    unit: Rows | None = None,
    weight: Floats | None = None,
    transforms: Sequence[Entry] = (),
) -> Prepared:
    """Fit the transforms that `reads` asks for on these rows, and of `transforms` those that change this recipe.

    Takes   the schema of the columns that may be learned from; `columns` holds at least these, all of the same length. `classes` of the target, 0
            for a number; `unit` (rows,): rows that an out-of-fold encoder keeps together; `weight` (rows,): how much each row counts
            for what averages the target.
    Gives   features in the order numbers, yes/no, dates, ordered, categories, then those of `transforms`. There may be none at all: learners then
            fall back to a constant.
    """
    if reads in ("columns", "environment"):
        return Prepared((), (), None)
    if reads == "nothing":
        nothing = Numbers(columns=())
        return Prepared(((FEATURES, nothing, (TYPED,)),), (), nothing.apply(columns) if columns else None)
    asked = [entry for entry in transforms if reads in APPLIES[entry.do]]
    before, schema, columns = _widened(asked, schema, columns)
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
    for number, entry in enumerate(asked):
        for place, (name, fitted) in enumerate(_asked(entry, reads, schema, columns, target, rng, classes, unit, weight)):
            add(f"{name}{number}_{place}", fitted)
    return _joined(fits, schema, columns, target, rng, scaled=reads == "scaled", before=before)


def _widened(asked: Sequence[Entry], schema: Sequence[ColumnSchema], columns: Columns) -> tuple[list[Placed], Sequence[ColumnSchema], Columns]:
    """The steps from columns to columns, the schema with what they made, and the columns themselves."""
    before: list[Placed] = []
    for number, entry in enumerate(asked):
        step: Clip | Interact | None = None
        if isinstance(entry, Clipping):
            step = clipping.fit(columns, _of(schema, entry.columns, "number"), low=entry.low, high=entry.high)
        elif isinstance(entry, Interactions):
            made = interactions.fit(columns, _of(schema, entry.columns, "number", "category"), most=entry.most, taken=[s.name for s in schema])
            step, schema = (made[0], (*schema, *made[1])) if made else (None, schema)
        if step is not None:
            before.append((f"columns{number}", step, (before[-1][0] if before else TYPED,)))
            columns = step.apply(columns)
    return before, schema, columns


def _asked(
    entry: Entry,
    reads: Reads,
    schema: Sequence[ColumnSchema],
    columns: Columns,
    target: Floats | None,
    rng: np.random.Generator,
    classes: int,
    unit: Rows | None,
    weight: Floats | None,
) -> Iterator[tuple[str, Fit | None]]:
    """What one transform of the plan adds to the matrix."""
    if isinstance(entry, TargetEncoding):
        yield "target", target_encoding.fit(columns, _of(schema, entry.columns, "category"), target, rng, classes=classes, unit=unit, weight=weight)
    elif isinstance(entry, Binning):
        yield "bins", binning.fit(columns, _of(schema, entry.columns, "number"), target, rng, bins=entry.bins, indicators=entry.indicators)
    elif isinstance(entry, ShortText):
        directions = 0 if reads == "scaled" else entry.directions
        for one in _of(schema, entry.columns, "text"):
            yield (
                "text",
                text.fit(
                    columns, [one], target, rng,
                    directions=directions, terms=entry.terms, unit=entry.unit, longest=entry.longest, buckets=entry.buckets,
                ),
            )  # fmt: skip


def _of(schema: Sequence[ColumnSchema], names: Sequence[str], *kinds: str) -> list[ColumnSchema]:
    """The columns of these kinds; those named alone, where any is named."""
    return [s for s in schema if s.kind in kinds and s.name in (names or (s.name,))]


def _joined(
    fits: list[tuple[str, Fit]],
    schema: Sequence[ColumnSchema],
    columns: Columns,
    target: Floats | None,
    rng: np.random.Generator,
    *,
    scaled: bool,
    before: list[Placed],
) -> Prepared:
    steps: list[Placed] = [*before]
    source = before[-1][0] if before else TYPED
    inputs: list[str] = []
    matrices: list[Matrix] = []
    features: list[Feature] = []
    for name, made in fits:
        steps.append((name, made.step, (source,)))
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
        steps.append((FEATURES, nothing, (source,)))
    return Prepared(tuple(steps), tuple(features), matrix, _left_out(schema, features))


def _left_out(schema: Sequence[ColumnSchema], features: Sequence[Feature]) -> dict[str, str]:
    used = {feature.origin for feature in features}
    told = {s.name: "constant in these rows" if s.kind in READ else f"a column of kind {s.kind} is not read" for s in schema}
    return {name: why for name, why in told.items() if name not in used}


def apply(steps: Sequence[Placed], columns: Columns) -> Any:
    """The matrix (rows, features) float32 that the fitted steps make of other rows; the columns themselves where there are no steps."""
    return cast(Matrix, run_steps(steps, {TYPED: columns})[FEATURES]) if steps else columns
