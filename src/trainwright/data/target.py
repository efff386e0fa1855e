"""The target: which task it makes, its classes in order, its values as numbers.

Takes    the plan (`task`, `positive`) and the typed target column.
Gives    (rows,) class numbers or values, NaN where unknown, the task, and the reason in words.
Why      a 0/1 column may be a class or a number; what was decided is said, with the flag that changes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainwright.data.dataset import Table
from trainwright.data.digest import words_used
from trainwright.data.room import BLOCK, Room, blocks
from trainwright.errors import RequestError, SourceError, nearest
from trainwright.plan.model import Plan
from trainwright.runtime.columns import Coded, Floats
from trainwright.tasks import TASKS

MOST_WHOLE_CLASSES = 10  # whole numbers with more values than this are a number to predict
MANY_NUMBERS = 10_000  # distinct numbers that are no classes, so that nobody has to list them
ROWS_PER_WHOLE_CLASS = 10  # … and so are those whose values repeat less often than this on average
AS_NUMBERS = ", read as classes (--task regression reads them as numbers)"

# Words that mean yes or no wherever they stand, and short ones that do so only beside their opposite: "f" may be "female".
POSITIVE = {"yes", "true", "positive", "pos", "bad", "default", "defaulted", "churn", "churned", "fraud", "spam", "sick", "ill", "dead", "died"}
POSITIVE |= {"anomaly", "malignant", "failed", "failure"}
NEGATIVE = {"no", "false", "negative", "neg", "good", "ham", "healthy", "alive", "lived", "normal", "benign", "passed"}
PAIRS = {("0", "1"), ("-1", "1"), ("n", "y"), ("f", "t")}  # no, yes


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    values: Floats  # (rows,) class numbers, or the number itself; NaN where unknown
    task: str
    classes: tuple[str, ...]  # () for a number
    why: str


def decode(plan: Plan, table: Table, name: str, room: Room | None = None) -> Target:
    """The target as the task reads it. For two classes the positive one is class 1.

    Raises SourceError TW018 for a target that cannot be learned, RequestError TW016 for a task that it does not fit, TW017 for a
    `--positive` that is none of two classes.
    """
    kind, column = table.schema(name).kind, table.columns[name]
    where = f"column {name!r} of {table.source.path}"
    if plan.task != "auto" and plan.task not in TASKS:
        near = nearest(plan.task, TASKS)
        fix = f"did you mean {near!r}?" if near else f"the tasks are: {', '.join(TASKS)}"
        raise RequestError("TW016", f"there is no task {plan.task!r}", where="--task", why="nothing says what it would learn", fix=fix)
    if kind not in ("number", "yesno", "category", "ordered", "constant"):
        fix = f"name another column, or, if its values are classes: --kind {name}=category"
        raise SourceError("TW018", f"the target was read as {kind}", where=where, why="a target is a number or a class", fix=fix)
    told = next(d.distinct for d in table.described if d.schema.name == name)
    if not isinstance(column, Coded) and kind == "number" and told > MANY_NUMBERS and plan.task in ("auto", "regression"):
        return Target(column, "regression", (), ("numbers with" if plan.task == "auto" else "asked for;") + f" {told:,} distinct values")
    values, labels = _labelled(table, name, room or Room())
    distinct = len(labels)
    if distinct == 0:
        raise SourceError("TW018", "the target has no value in any row", where=where, why="there is nothing to learn from", fix="name another column")
    if distinct == 1 or kind == "constant":
        raise SourceError("TW018", "the target has one value only", where=where, why="there is nothing to tell apart", fix="name another column")
    task, why = _task(plan.task, kind, values, labels, name, where)
    if TASKS[task].output == "number":
        if isinstance(column, Coded):  # words that are numbers, read as classes by default
            column = np.array([*map(float, labels), np.nan])[np.where(np.isnan(values), len(labels), values).astype(np.int64)]
        if infinite := int(np.isinf(column).sum()):
            fix = "mend these cells, or leave them empty: such rows are set aside"
            raise SourceError("TW018", f"{infinite:,} targets are infinite", where=where, why="no error could be measured", fix=fix)
        return Target(column, task, (), why)
    if len(labels) == 2:
        swap, reason = _positive_first(plan.positive, labels, values, name)
        if swap:
            labels, values = labels[::-1], 1.0 - values
        why = f"{why}; {labels[1]!r} is the positive class: {reason}"
    elif plan.positive is not None:
        raise RequestError(
            "TW017", "a positive class needs two classes", where=f"--positive; {where}", why=f"there are {distinct}", fix="leave --positive out"
        )
    return Target(values, task, tuple(labels), why)


def _task(asked: str, kind: str, values: Floats, labels: Sequence[str], name: str, where: str) -> tuple[str, str]:
    """The task's name, and why."""
    distinct, sizes = len(labels), _sizes(labels)
    if asked == "auto":
        classes = "binary" if distinct == 2 else "multiclass"
        if kind != "number":
            return classes, f"{distinct:,} distinct values" + (AS_NUMBERS if sizes is not None and distinct > 2 else "")
        assert sizes is not None  # the labels of a column of numbers are numbers
        whole = all(size.is_integer() for size in sizes)
        repeated = int((~np.isnan(values)).sum()) >= ROWS_PER_WHOLE_CLASS * distinct
        if distinct == 2 or (whole and distinct <= MOST_WHOLE_CLASSES and repeated):
            return classes, f"{distinct} distinct numbers{AS_NUMBERS}"
        return "regression", f"numbers with {distinct:,} distinct values"
    problem = ""
    if asked == "binary" and distinct != 2:
        problem = f"a binary task needs two classes, and the target has {distinct:,}"
    elif asked == "multiclass" and distinct == 2:
        problem = "the target has two classes only"
    elif TASKS[asked].output == "number" and sizes is None:
        problem = f"a {asked} needs numbers, and the target was read as {kind}"
    if problem:
        fix = f"--task auto, or say how to read the column: --kind {name}=KIND"
        raise RequestError("TW016", problem, where=f"--task {asked}; {where}", why="the task and the target must fit", fix=fix)
    return asked, f"asked for; {distinct:,} distinct values"


def _sizes(labels: Sequence[str]) -> list[float] | None:
    """The labels as numbers, when all of them are; words like "nan" are none."""
    try:
        sizes = [float(label) for label in labels]
    except ValueError:
        return None
    return None if any(np.isnan(sizes)) else sizes


def _labelled(table: Table, name: str, room: Room) -> tuple[Floats, list[str]]:
    """Class numbers (rows,) and the labels, in their natural order: numbers by size, an ordered category as ordered, words by alphabet."""
    column, schema = table.columns[name], table.schema(name)
    if not isinstance(column, Coded):
        known = ~np.isnan(column)
        found, inverse = np.unique(column[known], return_inverse=True)
        values = np.full(len(column), np.nan)
        values[known] = inverse
        if schema.kind == "yesno":
            words = [schema.no[0] if len(schema.no) == 1 else "no", schema.yes[0] if len(schema.yes) == 1 else "yes"]
            return values, [words[int(value)] for value in found.tolist()]
        return values, [f"{value:.0f}" if value.is_integer() and abs(value) < 2**53 else repr(value) for value in found.tolist()]
    used = np.flatnonzero(words_used(column)).tolist()
    places = {word: place for place, word in enumerate(schema.order)}
    words = [column.vocabulary[code] for code in used]
    sizes = dict(zip(words, _sizes(words) or [0.0] * len(words), strict=True))
    ordered = sorted(used, key=lambda code: (places.get(w := column.vocabulary[code], len(places)), sizes[w], w))
    rank = np.full(len(column.vocabulary) + 1, np.nan)  # the last entry is read by code -1
    rank[ordered] = np.arange(len(ordered))
    decoded = room.empty(len(column), np.float64) if len(column) > BLOCK else np.empty(len(column))
    for rows in blocks(len(column)):
        decoded[rows] = rank[column.codes[rows]]
    return decoded, [column.vocabulary[code] for code in ordered]


def _positive_first(asked: str | None, labels: Sequence[str], values: Floats, name: str) -> tuple[bool, str]:
    """Whether the first of two classes is the positive one, so that they must change places; and why."""
    plain = [label.strip().casefold() for label in labels]
    if asked is not None:
        if asked not in labels and asked.strip().casefold() not in plain:
            why = f"`trainwright check SOURCE --target {name}` shows the classes"
            raise RequestError("TW017", f"{asked!r} is none of the two classes", where="--positive", why="it says which class counts as yes", fix=why)
        first = asked == labels[0] or (asked not in labels and asked.strip().casefold() == plain[0])
        return first, "asked for"
    if (plain[0], plain[1]) in PAIRS or (plain[1], plain[0]) in PAIRS:
        return (plain[1], plain[0]) in PAIRS, "the word says so (--positive changes it)"
    yes = [label in POSITIVE for label in plain]
    no = [label in NEGATIVE for label in plain]
    if yes[0] != yes[1]:
        return yes[0], "the word says so (--positive changes it)"
    if no[0] != no[1]:
        return no[1], "the other word means no (--positive changes it)"
    counts = np.bincount(values[~np.isnan(values)].astype(np.int64), minlength=2)
    return bool(counts[0] < counts[1]), "it is the rarer one (--positive changes it)" if counts[0] != counts[
        1
    ] else "the last by alphabet (--positive changes it)"
