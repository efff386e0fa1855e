"""Which transforms a run tries, and which of them each recipe keeps: proposed by what the columns are, decided by `ablation.py`.

Takes    the plan's `transforms` and the dataset.
Gives    the resolved list, with nothing left on "auto"; and `Chosen`, which says for each recipe what a fit uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainwright.data.dataset import Dataset
from trainwright.data.windows import windows_of
from trainwright.errors import RequestError, nearest
from trainwright.features.feature import Reads
from trainwright.features.recipe import APPLIES
from trainwright.features.transform import count
from trainwright.plan.model import Plan
from trainwright.plan.transforms import (
    Auto,
    Binning,
    Clipping,
    Entry,
    Interactions,
    ShortText,
    TargetEncoding,
    Windows,
    derived,
    from_json,
)
from trainwright.runtime.columns import Coded, take

MANY = 20  # words of RARE rows or more, from which a category is proposed for target encoding: an indicator for each is many, a split by sets guesses
MOST_CLASSES = 20  # beyond, each encoded column would become so many features
ALONE = (ShortText, Windows)  # transforms without which nothing reads their columns
KINDS: dict[type[Entry], tuple[str, ...]] = {
    TargetEncoding: ("category",),
    ShortText: ("text",),
    Clipping: ("number",),
    Binning: ("number",),
    Interactions: ("number", "category"),
}


@dataclass(frozen=True, slots=True)
class Use:
    """What one fit makes of the columns, beyond what every recipe does."""

    transforms: tuple[Entry, ...] = ()
    hidden: frozenset[str] = frozenset()  # columns of windows that were taken out

    @property
    def windows(self) -> tuple[Windows, ...]:
        return tuple(entry for entry in self.transforms if isinstance(entry, Windows))


NOTHING = Use()


@dataclass(frozen=True, slots=True)
class Chosen:
    """The transforms that were tried and, for each recipe, which of them are kept (places in `tried`).

    `inside`, in the nested design: for each recipe and each outer fold those that its inner folds chose, so that the choice stays in the fold.
    """

    tried: tuple[Entry, ...] = ()
    kept: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    inside: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)

    def use(self, reads: Reads, fold: int | None = None) -> Use:
        """What a learner of this recipe uses: on all rows, or in an outer fold of the nested design."""
        folds = self.inside.get(reads, ())
        kept = folds[fold] if fold is not None and folds else self.kept.get(reads, ())
        return self.using(kept)

    def using(self, kept: Sequence[int]) -> Use:
        hidden = [name for place, entry in enumerate(self.tried) if isinstance(entry, Windows) and place not in kept for name in derived(entry)]
        return Use(tuple(self.tried[place] for place in kept), frozenset(hidden))

    def as_json(self) -> dict[str, Any]:
        return {
            "tried": [entry.model_dump(mode="json", exclude_none=True) for entry in self.tried],
            "kept": {reads: list(places) for reads, places in self.kept.items()},
            "inside": {reads: [list(places) for places in folds] for reads, folds in self.inside.items()},
        }

    @staticmethod
    def from_json(value: Mapping[str, Any] | None) -> Chosen:
        """Nothing at all for None."""
        if value is None:
            return Chosen()
        kept = {reads: tuple(places) for reads, places in value["kept"].items()}
        inside = {reads: tuple(tuple(places) for places in folds) for reads, folds in value["inside"].items()}
        return Chosen(from_json(value["tried"]), kept, inside)


def stands_unmeasured(transforms: Sequence[Entry]) -> Chosen:
    """What every recipe uses where nothing was measured: those whose columns nothing else reads (text, windows). So baselines need not wait."""
    alone = [place for place, entry in enumerate(transforms) if isinstance(entry, ALONE)]
    kept: dict[str, tuple[int, ...]] = {
        reads: tuple(place for place in alone if reads in APPLIES[transforms[place].do]) for reads in dict.fromkeys(sum(APPLIES.values(), ()))
    }
    return Chosen(tuple(transforms), kept)


def plain_of(plan: Plan) -> Chosen | None:
    """What baselines use, who run before anything is chosen; None where the plan has no transforms."""
    return stands_unmeasured(plan.transforms) if plan.transforms else None


def resolve_transforms(asked: Plan, dataset: Dataset, baselines: Sequence[Reads], beyond: Sequence[Reads]) -> tuple[Entry, ...]:
    """What is tried, in order: `auto` gives way to what it proposes, columns are named, windows lack nothing.

    Takes   the recipes that the baselines read, who use only what need not be chosen, and those of the candidates beyond them.

    Raises RequestError TW044 for a column that is not there or of another kind, and for a transform that no learner of the plan would read.
    """
    windows = iter(windows_of(asked.transforms, dataset))
    done: list[Entry] = []
    for entry in asked.transforms:
        if isinstance(entry, Auto):
            done += [made for made in _proposed(dataset) if not any(isinstance(other, type(made)) for other in asked.transforms)]
        elif isinstance(entry, Windows):
            done.append(next(windows))
        else:
            done.append(_with_columns(entry, dataset))
        recipes = _recipes_of(entry, baselines, beyond)
        if not isinstance(entry, Auto) and not set(recipes) & set(APPLIES[entry.do]):
            why = "trees see the same rows on the same sides of any limit" if recipes else "the learners of this plan read no features"
            fix = "leave it out, or add a linear learner" if recipes else "leave it out, or add learners that read features"
            raise _misfit(entry, "no learner of this plan would see a difference", why, fix)
    reading = [entry for entry in done if set(_recipes_of(entry, baselines, beyond)) & set(APPLIES[entry.do])]
    return tuple(entry for place, entry in enumerate(reading) if entry not in reading[:place])


def _recipes_of(entry: Entry | Auto, baselines: Sequence[Reads], beyond: Sequence[Reads]) -> list[Reads]:
    """The recipes that could use this transform."""
    return [*baselines, *beyond] if isinstance(entry, ALONE) else [*beyond]


def _proposed(dataset: Dataset) -> list[Entry]:
    rows = dataset.splits.open
    many = [
        feature.name
        for feature in dataset.features
        if feature.kind == "category"
        and isinstance(column := dataset.table.columns[feature.name], Coded)
        and len(column.vocabulary) > MANY
        and len(count(_coded(take(column, rows))).words) > MANY
    ]
    texts = [feature.name for feature in dataset.features if feature.kind == "text"]
    made: list[Entry] = [TargetEncoding(columns=tuple(many))] if many and len(dataset.classes) <= MOST_CLASSES else []
    return [*made, *([ShortText.model_validate({"columns": texts})] if texts else [])]


def _coded(column: Any) -> Coded:
    assert isinstance(column, Coded)
    return column


def _with_columns(entry: Entry, dataset: Dataset) -> Entry:
    """The entry with its columns named: those that were given, or all features of the right kind."""
    kinds = next(kinds for kind, kinds in KINDS.items() if isinstance(entry, kind))
    fitting = [feature.name for feature in dataset.features if feature.kind in kinds]
    if isinstance(entry, TargetEncoding) and len(dataset.classes) > MOST_CLASSES:
        raise _misfit(entry, f"the target has {len(dataset.classes)} classes", "each column would become as many features", "leave it out")
    given: tuple[str, ...] = entry.columns  # type: ignore[attr-defined]  # all kinds in KINDS have columns
    for name in given:
        if name not in fitting:
            known = any(feature.name == name for feature in dataset.features)
            what = f"column {name!r} is no {' or '.join(kinds)}" if known else f"there is no feature {name!r}"
            near = nearest(name, fitting)
            fix = f"did you mean {near!r}?" if near else "name another column"
            raise _misfit(entry, what, f"it reads columns of the kind {' or '.join(kinds)}", fix)
    if not fitting:
        fix = "leave it out, or mend the kinds: --kind COL=KIND"
        raise _misfit(entry, f"there is no column of the kind {' or '.join(kinds)}", "it would do nothing", fix)
    return entry.model_copy(update={"columns": given or tuple(fitting)})


def _misfit(entry: Entry, what: str, why: str, fix: str) -> RequestError:
    name = entry.do
    return RequestError("TW044", f"the transform {name!r} cannot be used: {what}", where=f"transforms: {name}", why=why, fix=fix)
