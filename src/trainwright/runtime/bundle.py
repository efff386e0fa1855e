"""A bundle in memory: steps that take raw rows to predictions, and everything that was written beside them.

Takes    raw rows: what the first step reads (lists of dicts, frames, arrays).
Gives    float64 (rows, outputs): a column of probabilities for each class, or one column of numbers; and the answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainwright.errors import BadInput, TrainwrightError
from trainwright.runtime.columns import Coded, Floats, rows_of
from trainwright.runtime.graph import Placed, run_steps
from trainwright.runtime.graphs import BATCH
from trainwright.runtime.limits import bad
from trainwright.runtime.notebook import glance
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps.windows import Windows, earlier_columns, no_earlier
from trainwright.runtime.typed import Typed

CELLS = 1 << 26  # that all steps together make of one batch: 256 MB, four bytes each
AT_ONCE = 20_000  # that steps which see all rows at once may make of one row, beside the typed columns
ROWS = "rows"  # the name under which steps find the raw rows


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bundle:
    """What was loaded. Frozen, and safe to use from several threads."""

    task: str
    classes: tuple[str, ...]  # in the order of the columns of `outputs`; () where a number is predicted
    features: tuple[ColumnSchema, ...]
    steps: tuple[Placed, ...]
    source: str  # the step that gives the outputs
    decider: str | None  # the step that turns outputs into answers; without one: the likeliest class, or the number
    manifest: Mapping[str, Any]
    sketches: Mapping[str, Any]
    evidence: Mapping[str, Any]  # empty until measured
    card: str
    model_digest: str
    bundle_digest: str
    path: Path
    _first: tuple[Placed, ...] = field(init=False)
    _whole: tuple[Placed, ...] = field(init=False)
    _rest: tuple[Placed, ...] = field(init=False)
    _decide: Any = field(init=False)
    _batch: int = field(init=False)

    def __post_init__(self) -> None:
        behind = [placed for placed in self.steps if placed[0] != self.decider]
        # What reads raw rows alone, and what looks from one row to another, sees all of them at once; what comes after goes through in
        # batches, so memory stays bounded.
        first = tuple(placed for placed in behind if set(placed[2]) == {ROWS})
        needed = {name for name, step, _ in behind if getattr(step, "whole", False)}
        for name, _, inputs in reversed(behind):
            needed |= set(inputs) if name in needed else set()
        whole = tuple(placed for placed in behind if placed[0] in needed and placed not in first)
        object.__setattr__(self, "_first", first)
        object.__setattr__(self, "_whole", whole)
        object.__setattr__(self, "_rest", tuple(placed for placed in behind if placed not in first and placed not in whole))
        cells = cells_of(self.steps)
        typed = max((cells[name] for name, step, _ in first if isinstance(step, Typed)), default=0)
        if sum(cells.values()) > CELLS or sum(cells[name] for name, _, _ in (*first, *whole)) - typed > AT_ONCE:
            raise bad("TW054", f"its steps would make {sum(cells.values()):,} cells of one row", why="a few rows would fill the memory")
        object.__setattr__(self, "_batch", min(BATCH, CELLS // max(1, sum(cells.values()))))
        object.__setattr__(self, "_decide", next((step for name, step, _ in self.steps if name == self.decider), None))

    @property
    def batch(self) -> int:
        """Rows that go through the steps together. The last digit of a sum may hang on how many do, so whoever feeds rows in pieces feeds so many."""
        return self._batch

    @property
    def width(self) -> int:
        """How many columns `outputs` has."""
        return len(self.classes) or 1

    @property
    def threshold(self) -> float | None:
        """Of two classes, the probability from which the second is said; None where the likeliest is."""
        return getattr(self._decide, "threshold", None)

    @property
    def windows(self) -> tuple[Windows, ...]:
        """The steps that look from one row to earlier ones, in order: what they add may be there already, see `outputs_of`."""
        return tuple(step for _, step, _ in self._whole if isinstance(step, Windows))

    def outputs(self, rows: Any, *, earlier: Any = None) -> Floats:
        """float64 (rows, outputs) for raw rows.

        Takes   `earlier`: rows that came before, for a bundle that looks back: with the columns of its keys, times and values, in any form that
                `rows` may have. Rows among `rows` that are earlier than others count for these without being named.
        Raises  BadInput when the rows do not fit the schema (TW046: this bundle looks at no earlier rows), BundleError (TW056) when the steps do not
                fit together.
        """
        return self._batches(_run((*self._first, *self._after(earlier)), {ROWS: rows}))

    def outputs_of(self, columns: Mapping[str, Any], *, earlier: Any = None) -> Floats:
        """The same for columns that are typed already, as training has them: the first step is passed over.

        So is one of `windows`, where `columns` holds what it would add.
        """
        made: dict[str, Any] = dict.fromkeys((name for name, _, _ in self._first), columns)
        there = [name for name, step, _ in self._whole if isinstance(step, Windows) and set(step.names) <= set(columns)]
        made |= dict.fromkeys(there, columns)
        return self._batches(_run([placed for placed in self._after(earlier) if placed[0] not in made], made))

    def _after(self, earlier: Any) -> tuple[Placed, ...]:
        """The steps that see all rows at once, told what came before."""
        if earlier is None:
            return self._whole
        if not self.windows:
            raise no_earlier()
        return tuple(
            (name, step.after(earlier_columns(earlier, step, self.features)) if isinstance(step, Windows) else step, inputs)
            for name, step, inputs in self._whole
        )

    def _batches(self, made: dict[str, Any]) -> Floats:
        made.pop(ROWS, None)
        count = _count(made)
        if count == 0:
            return np.empty((0, self.width))
        if count <= self._batch:
            return self._checked(_run(self._rest, made)[self.source], count)
        out = np.empty((count, self.width))
        for start in range(0, count, self._batch):
            rows = slice(start, min(start + self._batch, count))
            part = _run(self._rest, {name: _slice(value, rows) for name, value in made.items()})
            out[rows] = self._checked(part[self.source], rows.stop - start)
        return out

    def _checked(self, outputs: Any, count: int) -> Floats:
        if not isinstance(outputs, np.ndarray) or outputs.shape != (count, self.width) or outputs.dtype != np.float64:
            raise bad("TW056", "the bundle's steps give something else than its manifest says", where=f"step {self.source!r}")
        return outputs

    def answers(self, outputs: Floats) -> NDArray[Any]:
        """What to say for each row of `outputs`: the class's word, or the number."""
        if self._decide is not None:
            return np.asarray(_run((("answers", self._decide, ("outputs",)),), {"outputs": outputs})["answers"])
        return np.array(self.classes, object)[outputs.argmax(axis=1)] if self.classes else outputs[:, 0]

    def predict(self, rows: Any, *, earlier: Any = None) -> NDArray[Any]:
        """The class of each row as a word (type object), or its number (float64). `earlier` as in `outputs`."""
        return self.answers(self.outputs(rows, earlier=earlier))

    def predict_proba(self, rows: Any, *, earlier: Any = None) -> Floats:
        """float64 (rows, classes), in the order of `classes`. Raises BadInput (TW049) where a number is predicted. `earlier` as in `outputs`."""
        if not self.classes:
            raise BadInput("TW049", "this bundle predicts a number and has no probabilities", where=f"task {self.task}", fix="use predict")
        return self.outputs(rows, earlier=earlier)

    def verify(self) -> dict[str, Any]:
        """Read the bundle again from where it came and compute every digest anew.

        Gives   {"model_digest", "bundle_digest", "files": {name: sha256}}.
        Raises  BundleError naming the file that differs, or TW052 when it is sound but no longer this bundle.
        """
        from trainwright.runtime.loader import load  # late: load makes bundles

        again = load(self.path)
        if again.bundle_digest != self.bundle_digest:
            raise bad("TW052", "there is another bundle now at this path", where=str(self.path))
        files = {name: entry["sha256"] for name, entry in again.manifest["files"].items()}
        return {"model_digest": again.model_digest, "bundle_digest": again.bundle_digest, "files": files}

    def __repr__(self) -> str:
        what = f"{len(self.classes)} classes" if self.classes else "a number"
        return f"<Bundle: {self.task}, {len(self.features)} columns → {what}; {len(self.steps)} steps; model {self.model_digest[:12]}>"

    def _repr_html_(self) -> str:
        """In a notebook: what it takes and gives, and how good it was measured to be."""
        return glance(
            task=self.task,
            classes=self.classes,
            features=self.features,
            manifest=self.manifest,
            evidence=self.evidence,
            digest=self.model_digest,
        )


def cells_of(steps: Sequence[Placed]) -> dict[str, int]:
    """By name, the cells of four bytes that each step makes of one row: a stranger's step may be wider than all that reads it."""
    made: dict[str, int] = {}
    for name, step, inputs in steps:
        made[name] = step.cells or sum(made.get(source, 0) for source in inputs)
    return made


def _run(steps: Sequence[Placed], given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return run_steps(steps, given)
    except TrainwrightError:
        raise
    except Exception as error:  # whatever a strange graph does: one error type, and no cell value in it
        raise bad("TW056", "the bundle's steps cannot be applied to these rows", why=type(error).__name__) from error


def _count(made: Mapping[str, Any]) -> int:
    """How many rows the values of the first steps have; they must agree."""
    counts = {rows_of(value) if isinstance(value, Mapping) else len(value) for value in made.values()}
    if len(counts) != 1:
        raise bad("TW056", "the bundle's first steps give different numbers of rows, or nothing")
    return counts.pop()


def _slice(value: Any, rows: slice) -> Any:
    """Some rows of columns or of an array, as views."""
    if isinstance(value, Mapping):
        return {name: _slice(column, rows) for name, column in value.items()}
    return Coded(value.codes[rows], value.vocabulary) if isinstance(value, Coded) else value[rows]
