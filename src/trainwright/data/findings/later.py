"""Leaks by time: a number of the row that tells the target (TW185), dates later than the row's time (TW186), targets of other rows (TW187).

In       labelled open rows in the order of time: by the column that splits, else by one that looks like a clock, else as the file has them.
Out      which columns, by which rule. All warn: whether something was known in time, only who knows the data can tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainwright.data.findings.interface import LEAK_SAMPLE, SAMPLE, Check, Found, Subject, codes_of, count, drop, figure, sampled, share
from trainwright.data.findings.leaks import target_numbers
from trainwright.data.findings.measures import chi_squared_tail, contingency, cramers_v, kolmogorov, normal_tail
from trainwright.data.findings.strength import ranks
from trainwright.data.findings.structure import clocks, index_runs
from trainwright.runtime.columns import Coded, Column, Floats, Rows

TOLD = 0.2  # Kolmogorov's distance of one class, or the rank correlation, from which a row number tells the target
SURE = 1e-4  # the chance of so much by chance, for all columns together
LATER = 0.01  # the share of rows with a date after their own time
DEPENDS = 0.3  # Cramér's V between "later" and the class
MOST_PAIRS = 2_000  # of dates that are compared
STEPS = (1, 2, 3, 4, 5, 6, 7, 12, 14, 24, 28, 30, 48, 52, 365)  # rows between a row and the one whose target it holds
WIDTHS = (2, 3, 4, 5, 6, 7, 10, 12, 14, 20, 24, 28, 30, 48, 50, 52, 60, 90, 100)  # of a moving mean
AGREE = 0.98  # of the rows where it says something
MOST_ALIKE = 0.9  # of these rows, that may have one and the same target
LEAST = 50
SAME_MEAN = 0.99  # correlation of a feature with the mean target of a category


def time_order(subject: Subject) -> tuple[Rows, str]:
    """Positions in the labelled rows in the order of time (at most the first LEAK_SAMPLE), and by what: a column's name, or "" for the file."""
    told = subject.dataset.table.named("time")
    by = told[0] if told else next((name for name, _ in clocks(subject)), "")
    everything = np.arange(len(subject.labelled), dtype=np.int64)
    if by:
        column = subject.column(by, subject.labelled)
        if not isinstance(column, Coded):
            known = np.flatnonzero(np.isfinite(column))
            everything = known[np.argsort(column[known], kind="stable")].astype(np.int64)
        else:
            by = ""
    return everything[:LEAK_SAMPLE], by


# --- TW185 -----------------------------------------------------------------------------------------------------------------------


def row_number_tells(subject: Subject) -> Iterable[Found]:
    """TW185: a feature that only numbers the rows, and goes with the target."""
    rows = subject.sample(subject.labelled, LEAK_SAMPLE, "row numbers")
    found: dict[str, float] = {}
    asked = [name for name in subject.numbers if subject.kinds[name] == "number" and index_runs(subject.column(name, subject.open))]
    assert subject.dataset.target is not None
    target = subject.dataset.target[rows]
    for name in asked:
        column = subject.column(name, rows)
        assert not isinstance(column, Coded)
        size, chance = goes_with(column, target, classes=subject.is_classes)
        if size >= TOLD and chance * len(asked) < SURE:
            found[name] = size
    for name, size in found.items():
        yield Found(
            where=name,
            what=f"'{name}' numbers the rows, and goes with the target ({'distance of a class' if subject.is_classes else 'rank correlation'} "
            f"{size:.2f}): the rows seem to be sorted by it, or to have come at different times" + sampled(len(rows), len(subject.labelled)),
            fix=f"a new row has a number beyond all of these: {drop([name])}; if it is a time, --split time:{name}",
            columns=(name,),
            figures={"size": figure(size)},
        )


def goes_with(column: Floats, target: Floats, *, classes: bool) -> tuple[float, float]:
    """How far a number goes with the target, 0 to 1, and the chance of so much: Kolmogorov's distance of a class, or Spearman's correlation."""
    if not classes:
        r = float(ranks(column) @ ranks(target)) / float(ranks(target) @ ranks(target)) if len(target) > 2 else 0.0
        return abs(r), normal_tail(r * np.sqrt(max(1, len(target) - 1)))
    best = (0.0, 1.0)
    present = np.unique(target)
    for number in present:
        inside = target == number
        if min(inside.sum(), (~inside).sum()) >= LEAST:
            distance, chance = kolmogorov(column[inside], column[~inside])
            best = max(best, (distance, min(1.0, chance * len(present))), key=lambda pair: pair[0])
    return best


# --- TW186 -----------------------------------------------------------------------------------------------------------------------


def dates_later(subject: Subject) -> Iterable[Found]:
    """TW186: a date among the features that lies after the row's own time, or after another date in a way that depends on the class.

    Of very many dates the first ones are taken as clocks for all, MOST_PAIRS pairs at most.
    """
    dates = [name for name in subject.features if subject.kinds[name] == "datetime"]
    told = [name for name in subject.dataset.table.named("time") if subject.described[name].schema.kind == "datetime"]
    rows = subject.sample(subject.labelled, LEAK_SAMPLE, "later dates")
    assert subject.dataset.target is not None
    target = subject.dataset.target[rows]
    for clock in told or dates[: max(1, MOST_PAIRS // max(1, len(dates)))]:
        start = subject.column(clock, rows)
        for name in dates:
            column = subject.column(name, rows)
            if name == clock or isinstance(column, Coded) or isinstance(start, Coded):
                continue
            both = np.isfinite(column) & np.isfinite(start)
            after = both & (column > start)
            part = float(after.sum() / max(1, both.sum()))
            depends = _v(after[both], target[both]) if subject.is_classes and both.sum() >= LEAST else 0.0
            if both.sum() < LEAST or not ((told and part >= LATER) or (depends >= DEPENDS)):
                continue
            tail = f", and this goes with the class (Cramér's V {depends:.2f})" if depends >= DEPENDS else ""
            yield Found(
                where=name,
                what=f"'{name}' is later than '{clock}' in {share(part)} of {int(both.sum()):,} rows{tail}"
                + sampled(len(rows), len(subject.labelled)),
                fix=f"at the time of '{clock}' it was not known yet: {drop([name])}, unless the prediction is asked for later",
                columns=(name,),
                figures={"clock": clock, "share": figure(part), "depends": figure(depends)},
            )


def _v(flag: NDArray[np.bool_], target: Floats) -> float:
    """Cramér's V of a yes/no with the class; 0 where it is not clear."""
    values, size = codes_of(target)
    table = contingency(flag.astype(np.int32), values, 2, size)
    if min(table.sum(axis=1)) < 10:
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    chance = chi_squared_tail(float(((table - expected) ** 2 / expected).sum()), size - 1)
    return cramers_v(table) if chance < SURE else 0.0


# --- TW187 -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A feature that is made of other rows' targets: how, how well it agrees, and whether rows later than its own take part."""

    name: str
    how: str
    agrees: float
    future: bool


def borrowed_targets(subject: Subject) -> Iterable[Found]:
    """TW187: features made of the target of other rows (or of the row itself among others)."""
    order, by = time_order(subject)
    if len(order) < 2 * LEAST:
        return
    y = subject.target[order]
    seen = [*shifted(subject, order, y), *moving(subject, order, y), *means_of_categories(subject)]
    timely = subject.dataset.splits.how.startswith("time")
    done: set[str] = set()
    for borrowed in seen:
        if borrowed.name in done or (timely and not borrowed.future):
            continue  # with a split by time, an earlier row's target is there when it is needed
        done.add(borrowed.name)
        place = f"'{by}'" if by else "the file"
        order_said = "" if "category" in borrowed.how else f", in the order of {place}"
        yield Found(
            where=borrowed.name,
            what=f"'{borrowed.name}' is {borrowed.how}{order_said} (it agrees to {share(borrowed.agrees)})"
            + ("" if "category" in borrowed.how else sampled(len(order), len(subject.labelled))),
            fix=f"{drop([borrowed.name])}, or make it from earlier rows only"
            if borrowed.future
            else f"a random split learns the answer from it: {f'--split time:{by}' if by else 'split by time'}, or {drop([borrowed.name])}",
            columns=(borrowed.name,),
            figures={"how": borrowed.how, "agrees": figure(borrowed.agrees), "future": borrowed.future},
        )


def shifted(subject: Subject, order: Rows, y: Floats) -> list[Borrowed]:
    """Features that repeat the target of the row STEPS before or after; judged where that target differs from the row's own."""
    numbers = target_numbers(subject)
    found = []
    for name in subject.features:
        column = subject.column(name, subject.labelled)
        truth = _as_target(subject, column, numbers)
        if truth is None:
            continue
        x, t = truth[0][order], truth[1][order]
        for step in STEPS:
            for sign in (1, -1):
                a, b, own = (x[:-step], t[step:], t[:-step]) if sign > 0 else (x[step:], t[:-step], t[step:])
                judged = np.isfinite(a) & (b != own)
                if judged[:2_000].sum() >= LEAST and (a[:2_000] == b[:2_000])[judged[:2_000]].mean() < 0.5:
                    continue  # a quick look at the first rows
                if judged.sum() < LEAST or judged.sum() < 0.01 * len(a):
                    continue
                if np.unique(b[judged], return_counts=True)[1].max() > MOST_ALIKE * judged.sum():
                    continue  # at the one place where a sorted file changes class, whatever is rare agrees
                agrees = float((a == b)[judged].mean())
                if agrees >= AGREE:
                    found.append(Borrowed(name, f"the target of the row {step} {'later' if sign > 0 else 'earlier'}", agrees, sign > 0))
    return found


def _as_target(subject: Subject, column: Column, numbers: Floats | None) -> tuple[Floats, Floats] | None:
    """A feature and the target in one language: numbers, or the numbers of the classes that the words name. None when they have nothing in common."""
    if not isinstance(column, Coded):
        return None if numbers is None else (column, numbers)
    if not subject.is_classes:
        return None
    if frozenset(subject.dataset.classes).isdisjoint(column.vocabulary):
        return None
    place = {word: float(number) for number, word in enumerate(subject.dataset.classes)}
    known = np.array([place.get(word, np.nan) for word in column.vocabulary] + [np.nan])
    return (known[column.codes], subject.target) if np.isfinite(known).sum() >= 2 else None


def moving(subject: Subject, order: Rows, y: Floats) -> list[Borrowed]:
    """Features that are a moving mean of the target: of the rows after, around, or up to and with the row itself."""
    numbers = target_numbers(subject)
    if numbers is None:
        return []
    t = numbers[order]
    n = len(t)
    summed = np.concatenate([[0.0], np.cumsum(t)])
    found: list[Borrowed] = []
    candidates = {}
    for name in subject.numbers:
        column = subject.column(name, subject.labelled)
        assert not isinstance(column, Coded)
        if subject.kinds[name] == "number":
            candidates[name] = column[order]
    for width in WIDTHS:
        if n < 4 * width + LEAST or not candidates:
            continue
        means = (summed[width:] - summed[:-width]) / width  # of rows i … i + width - 1
        starts = {"with": width - 1, "around": width // 2, "after": -1, "before": width}  # the row that holds it, from the first row of the window
        for name, x in candidates.items():
            for place, start in starts.items():
                a, b = (x[start:], means) if start >= 0 else (x[: n + start], means[-start:])
                size = min(len(a), len(b))
                agrees = _steps_agree(a[:size], b[:size])
                if agrees >= AGREE:
                    said = {"with": "up to and with the row itself", "around": "around the row", "after": "after the row", "before": "before the row"}
                    found.append(Borrowed(name, f"the mean target of {width} rows {said[place]}", agrees, place != "before"))
    return found


def _steps_agree(a: Floats, b: Floats) -> float:
    """The squared correlation of the steps from row to row: a slow trend that two columns share does not count."""
    u, v = np.diff(a[:2_000]), np.diff(b[:2_000])
    if _r2(u, v) < 0.5:
        return 0.0
    return _r2(np.diff(a), np.diff(b))


def _r2(u: Floats, v: Floats) -> float:
    kept = np.isfinite(u) & np.isfinite(v)
    u, v = u[kept], v[kept]
    if len(u) < LEAST or not u.std() > 0 or not v.std() > 0:
        return 0.0
    return float(np.corrcoef(u, v)[0, 1] ** 2)


def means_of_categories(subject: Subject) -> list[Borrowed]:
    """Features that are the mean target of a category (target encoding made outside, from all rows, the row itself among them)."""
    rows = subject.sample(subject.labelled, 5 * SAMPLE, "category means")
    assert subject.dataset.target is not None
    target = subject.dataset.target[rows]
    if subject.is_classes and len(subject.dataset.classes) > 2:
        outcomes = [(target == number).astype(np.float64) for number in range(min(20, len(subject.dataset.classes)))]
    else:
        outcomes = [target]
    found = []
    keys = [d.schema.name for d in subject.dataset.table.described if d.role != "target" and d.schema.kind in ("category", "ordered", "identifier")]
    columns = {name: np.asarray(subject.column(name, rows)) for name in subject.numbers if subject.kinds[name] == "number"}
    numbers = {name: (x, 1e-9 * max(1.0, float(np.abs(x).max()))) for name, x in columns.items() if np.isfinite(x).all()}
    for key in keys[:100]:
        column = subject.column(key, rows)
        if not isinstance(column, Coded):
            continue
        values, size = codes_of(column)
        if size < 20 or size > len(rows) // 2:
            continue
        counts = np.bincount(values, minlength=size).astype(np.float64)
        order = np.argsort(values, kind="stable")
        places = np.flatnonzero(values[order[1:]] == values[order[:-1]])[:100]
        one, next_one = order[places], order[places + 1]  # of the same category
        for name, (x, rounding) in numbers.items():
            if (np.abs(x[one] - x[next_one]) > 2 * rounding).any():
                continue
            sums = np.bincount(values, weights=x, minlength=size)
            if np.abs(x - (sums / counts)[values]).max() > rounding:
                continue  # not the same in all rows of a category
            for outcome in outcomes:
                means = np.bincount(values, weights=outcome, minlength=size) / counts
                r2 = _r2_weighted(sums / counts, means, counts)
                if r2 >= SAME_MEAN:
                    found.append(Borrowed(name, f"the mean target of its category of '{key}' ({count(size, 'category/categories')})", r2, True))
                    break
    return found


def _r2_weighted(a: Floats, b: Floats, weight: Floats) -> float:
    total = weight.sum()
    u, v = a - (weight @ a) / total, b - (weight @ b) / total
    bottom = float((weight @ u**2) * (weight @ v**2))
    return float(weight @ (u * v)) ** 2 / bottom if bottom > 0 else 0.0


CHECKS = (
    Check(
        "TW185",
        "A row number tells the target",
        False,
        "the number says where a row stood in the file, which means nothing for the next row",
        True,
        row_number_tells,
    ),
    Check(
        "TW186",
        "A date that lies later than the row",
        False,
        "what happened afterwards is not known when the model is asked",
        True,
        dates_later,
    ),
    Check(
        "TW187",
        "A feature holds the target of other rows",
        False,
        "when the model is asked, these targets are not known yet, or the row's own one is among them",
        True,
        borrowed_targets,
    ),
)

__all__ = ["CHECKS", "Borrowed", "goes_with", "means_of_categories", "moving", "shifted", "time_order"]
