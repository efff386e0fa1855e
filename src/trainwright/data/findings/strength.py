"""How well one column alone gives the target, judged on rows that the rule was not made from.

In       one typed column and the target of the same rows.
Out      a `Strength`: which rule, the share of rows that it gets right out of fold, what that removes of the guess without the
         column, and whether it counts as giving the target away.
How      the rows are split into two halves by the seed; a rule made on each half is judged on the other. Rules for classes: the
         commonest class of each value; intervals of a number. Rules for numbers: equal, a straight line, the same order, the median of
         each value.
Support  what keeps an identifier, a tiny group or a lucky small table from counting: a value votes only with `VOTE` rows or more (5
         where there are hardly more values than classes), intervals may be few only, and enough rows outside the largest class must be
         there. A rule that abstains falls back to the largest class (or the median), so that its share stays honest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainwright.data.findings.interface import LEAK_SAMPLE, Subject, codes_of, missing_of
from trainwright.data.room import in_threads
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Coded, Codes, Column, Floats, Rows, take

Flags = NDArray[np.bool_]

RIGHT = 0.999  # the share of rows that must be right out of fold
SKILL = 0.99  # of the errors of the guess without the column, the share that must go: matters where one class is rare
STRONG = 0.9  # the same, for a warning (classes)
STRONG_R2 = 0.95  # the same, for a warning (numbers): R2 out of fold
VOTE = 30  # rows that a value needs before it votes
LEAST_ROWS = 30
LEAST_PRESENT = 0.2  # a column that is mostly missing is judged on the rows that have it, if these are at least this share
CLOSE = 1e-3  # two numbers agree when they differ by less than this share of the target's 5-95 % range


@dataclass(frozen=True, slots=True)
class Strength:
    """How far a column alone decides the target. `right` and `skill` are out of fold; `blocks` says that it gives it away."""

    rule: str = ""  # for a sentence: "one value for each class"
    right: float = 0.0  # share of rows
    skill: float = 0.0  # classes: 1 - errors / errors of the largest class; numbers: R2
    rows: int = 0  # rows that were judged
    blocks: bool = False


NONE = Strength()


def strengths(subject: Subject) -> dict[str, Strength]:
    """The strength of each feature, by name; worked out once."""
    return subject.once("strengths", lambda: _strengths(subject))


def _strengths(subject: Subject) -> dict[str, Strength]:
    rows = subject.sample(subject.labelled, LEAK_SAMPLE, "leak rows")
    assert subject.dataset.target is not None
    target = subject.dataset.target[rows]
    if len(rows) < LEAST_ROWS or (target == target[0]).all():
        return dict.fromkeys(subject.features, NONE)
    half: Flags = rng_for(subject.seed, "findings", "halves").permutation(len(rows)) % 2 == 0
    numbers = None if subject.is_classes else Numbers.of(target, half)

    def judge(column: Column, keep: Rows) -> Strength:
        if numbers is None:
            return of_classes(column, target[keep].astype(np.int32), half[keep])
        return of_numbers(column, numbers if len(keep) == len(target) else Numbers.of(target[keep], half[keep]))

    found = in_threads(lambda name: with_gaps(subject.column(name, rows), judge), subject.features, rows=len(rows))
    return dict(zip(subject.features, found, strict=True))


def with_gaps(column: Column, judge: Callable[[Column, Rows], Strength]) -> Strength:
    """Judge with missing as a value of its own, by the gaps alone, and on the rows that have a value: the first that blocks, or the best."""
    everything: Rows = np.arange(len(column), dtype=np.int64)
    missing = missing_of(column)
    best: Strength = judge(column, everything)
    present = np.flatnonzero(~missing)
    if best.blocks or not missing.any() or len(present) < LEAST_ROWS:
        return best
    gaps: Strength = judge(missing.astype(np.float64), everything)
    if gaps.blocks:
        return replace(gaps, rule="whether it is missing tells the target")
    if len(present) < LEAST_PRESENT * len(column):
        return best
    again: Strength = judge(take(column, present), present)
    return again if again.blocks or (again.skill > best.skill and len(present) >= 0.5 * len(column)) else best


# --- classes ---------------------------------------------------------------------------------------------------------------------


def of_classes(column: Column, target: Codes, half: Flags) -> Strength:
    """The better of two rules: the commonest class of each value, and intervals of a number."""
    classes = int(target.max()) + 1
    counts = np.bincount(target, minlength=classes)
    base, outside = counts.max() / len(target), int(len(target) - counts.max())
    if outside == 0 or len(target) < LEAST_ROWS:
        return NONE
    values, size = codes_of(column)
    if size < 2:
        return NONE
    few = size <= np.count_nonzero(counts) + 1
    right = float((vote(values, size, target, classes, half, 5 if few else VOTE) == target).mean())
    skill = (right - base) / (1 - base)
    rule = "each value stands for one class" if few else "each value has nearly always the same class"
    best = Strength(rule, right, skill, len(target), right >= RIGHT and skill >= SKILL and outside >= (10 if few else 20))
    if best.blocks or isinstance(column, Coded) or size <= 2 * classes + 2 or outside < 30 or len(target) < 200:
        return best
    guess = by_intervals(column, target, classes, half)
    if guess is None:
        return best
    decided = guess >= 0
    right = float((guess[decided] == target[decided]).mean())
    skill = (right - base) / (1 - base)
    blocks = right >= RIGHT and skill >= SKILL and outside >= 50 and len(target) >= 500
    return Strength("intervals of it stand for the classes", right, skill, int(decided.sum()), blocks) if skill > best.skill else best


def vote(values: Codes, size: int, target: Codes, classes: int, half: Flags, least: int) -> Codes:
    """(rows,) for each row the commonest class of its value in the other half; values of fewer than `least` rows abstain."""
    voting = np.flatnonzero(np.bincount(values, minlength=size) >= least)
    number = np.full(size, -1, dtype=np.int64)
    number[voting] = np.arange(len(voting))
    value = number[values]
    guess = np.empty(len(target), dtype=np.int32)
    for side in (False, True):
        mine, other = half == side, half != side
        guess[mine] = np.bincount(target[other], minlength=classes).argmax()
        counted = other & (value >= 0)
        table = np.bincount(value[counted] * classes + target[counted], minlength=len(voting) * classes).reshape(len(voting), classes)
        asked = mine & (value >= 0)
        asked[asked] = table.sum(axis=1)[value[asked]] > 0
        guess[asked] = table.argmax(axis=1)[value[asked]] if len(voting) else 0
    return guess


def by_intervals(column: Floats, target: Codes, classes: int, half: Flags) -> Codes | None:
    """(rows,) the class of the interval in which a row's number lies, made on the other half; -1 in the gap between two intervals.

    None when it would take many intervals.
    """
    filled = np.where(np.isnan(column), -np.inf, column)
    guess = np.empty(len(target), dtype=np.int32)
    for side in (False, True):
        made = _intervals(filled[half != side], target[half != side], classes)
        if made is None:
            return None
        ends, starts, labels = made
        interval = np.searchsorted(starts, filled[half == side], side="right")
        between = interval < np.searchsorted(ends, filled[half == side], side="left")
        guess[half == side] = np.where(between, -1, labels[interval])
    return guess


def _intervals(column: Floats, target: Codes, classes: int) -> tuple[Floats, Floats, Codes] | None:
    """Last number of each interval but the last, first number of each but the first, the class of each.

    None when bins of about 20 rows are not nearly pure.
    """
    order = np.argsort(column, kind="stable")
    x, y = column[order], target[order]
    width = max(20, -(-len(x) // 256))
    bins = np.arange(len(x)) // width
    table = np.bincount(bins * classes + y, minlength=(bins[-1] + 1) * classes).reshape(-1, classes)
    largest = np.bincount(y).max()
    if table.max(axis=1).sum() - largest < 0.85 * (len(x) - largest):
        return None  # too mixed for any interval rule
    label = table.argmax(axis=1)
    changes = np.flatnonzero(np.diff(label)) + 1  # bins at which the class changes
    if len(changes) > 4 * classes:
        return None
    starts, ends = [], []
    for change in changes.tolist():
        low, high = (change - 1) * width, min((change + 1) * width, len(x))
        left, right = label[change - 1], label[change]
        gain = np.concatenate([[0], np.cumsum((y[low:high] == left).astype(np.int64) - (y[low:high] == right))])
        possible = np.concatenate([[True], x[low + 1 : high] > x[low : high - 1], [high == len(x)]])  # not inside equal numbers
        cut = low + int(np.where(possible, gain, gain.min() - 1).argmax())
        starts.append(x[cut] if cut < len(x) else np.inf)
        ends.append(x[cut - 1] if cut else -np.inf)
    first, last = (np.maximum.accumulate(np.array(part, dtype=np.float64)) for part in (starts, ends))
    return last, first, label[np.concatenate([[0], changes])].astype(np.int32)


# --- numbers ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A target of numbers, with what all columns are judged by. Arrays are (rows,)."""

    target: Floats
    half: Flags
    close: float  # how far a prediction may be off; 0 when nothing varies
    unusual: Flags  # rows that a guess of the commonest target gets wrong
    ranks: Floats  # from -1 to 1; equal targets in the order of the rows
    clipped: Floats  # centred, with the outermost 0.1 % of each side taken in so that they do not hide a rule

    @classmethod
    def of(cls, target: Floats, half: Flags) -> Numbers:
        least, low, high, most = np.quantile(target, [0.001, 0.05, 0.95, 0.999])
        present, counts = np.unique(target, return_counts=True)
        clipped = np.clip(target, least, most)
        close = CLOSE * float(high - low if high > low else target.max() - target.min())
        return cls(target, half, close, target != present[counts.argmax()], ranks(target), clipped - clipped.mean())


def of_numbers(column: Column, truth: Numbers) -> Strength:
    """The best of four rules: equal, a straight line, the same order, the median of each value."""
    target = truth.target
    if len(target) < LEAST_ROWS or not truth.close > 0 or truth.unusual.sum() < 20:
        return NONE
    best = NONE
    if not isinstance(column, Coded) and not np.isnan(column).any() and in_step(column, truth.ranks) > 0.8:
        best = _by_number(column, truth)
    if best.blocks:
        return best
    values, size = codes_of(column)
    if size < 2 or size > len(target) // 5 or explained(values, size, truth.clipped) < max(0.9, best.skill):
        return best  # the last: too mixed for any rule by value
    guess = medians(values, size, target, truth.half)
    skill = _r2(target, guess)
    if skill <= best.skill:
        return best
    hit = np.abs(guess - target) <= truth.close
    return Strength("each value has nearly always the same target", float(hit.mean()), skill, len(target), _decides(hit, truth.unusual))


def _decides(hit: Flags, unusual: Flags) -> bool:
    """Whether the hits are enough, and not only those that guessing the commonest target would make."""
    return bool(hit.mean() >= RIGHT and hit[unusual].mean() >= SKILL)


def _by_number(x: Floats, truth: Numbers) -> Strength:
    """The best rule for a number without gaps."""
    y, half, close, unusual = truth.target, truth.half, truth.close, truth.unusual
    n = len(y)
    equal = np.abs(x - y) <= 1e-9 * np.maximum(np.abs(x), np.abs(y))
    if _decides(equal, unusual):
        return Strength("it equals the target", float(equal.mean()), 1.0, n, True)
    guess = np.empty(n)
    for side in (False, True):
        slope, start = line(x[half != side], y[half != side])
        guess[half == side] = start + slope * x[half == side]
    hit, skill = np.abs(guess - y) <= close, _r2(y, guess)
    if _decides(hit, unusual):
        return Strength("the target is a straight line of it", float(hit.mean()), max(skill, RIGHT), n, True)
    astray = out_of_order(x, y, close)
    if astray <= (1 - RIGHT) * n and astray <= (1 - SKILL) * unusual.sum():
        return Strength("it puts the rows in the order of the target, one to one", 1 - astray / n, max(skill, RIGHT), n, True)
    return Strength("a straight line of it", float(hit.mean()), skill, n, False)


def ranks(values: Floats) -> Floats:
    """(rows,) ranks from -1 to 1; equal values keep the order of the rows, so that equal columns have equal ranks."""
    result = np.empty(len(values))
    result[np.argsort(values, kind="stable")] = np.linspace(-1.0, 1.0, len(values))
    return result


def in_step(x: Floats, target_ranks: Floats) -> float:
    """The rank correlation with a rising or a falling target, whichever is larger: a quick look before the rules for numbers."""
    square = float(target_ranks @ target_ranks)
    return max(float(ranks(x) @ target_ranks), float(ranks(-x) @ target_ranks)) / square


def line(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and start of least squares on the four fifths of the rows that fit best (three rounds): few odd rows do not bend it."""
    keep = slice(None)
    slope, start = 0.0, float(np.median(y))
    for _ in range(4):
        a, b = x[keep], y[keep]
        middle = a.mean()
        spread = float(((a - middle) ** 2).sum())
        if not spread > 0:
            return slope, start
        slope = float(((a - middle) * (b - b.mean())).sum()) / spread
        start = float(b.mean() - slope * middle)
        miss = np.abs(y - start - slope * x)
        keep = miss <= np.quantile(miss, 0.8)
    return slope, start


def out_of_order(x: Floats, y: Floats, close: float) -> int:
    """How many rows break a rising (or falling) relation: they turn the order round, or differ from others with the same number.

    The order of the other rows is the rule, and it has no parameter: a row that lies between its neighbours is predicted by them.
    With fewer than 20 distinct numbers there is no order to speak of, and all rows count.
    """
    order = np.lexsort((y, x))
    a, b = x[order], y[order]
    starts = np.flatnonzero(np.concatenate([[True], a[1:] > a[:-1]]))
    if len(starts) < 20:
        return len(x)
    sizes = np.diff(np.append(starts, len(a)))
    middles = b[starts + sizes // 2]
    apart = int((np.abs(b - np.repeat(middles, sizes)) > close).sum())
    steps = np.diff(middles)
    return apart + min(int((steps < 0).sum()), int((steps > 0).sum()))


def explained(values: Codes, size: int, centred: Floats) -> float:
    """The share of a centred target's variance that lies between values, in sample."""
    counts = np.maximum(np.bincount(values, minlength=size), 1)
    total = float(centred @ centred)
    return float((np.bincount(values, weights=centred, minlength=size) ** 2 / counts).sum()) / total if total > 0 else 0.0


def medians(values: Codes, size: int, target: Floats, half: Flags) -> Floats:
    """(rows,) the median target of the row's value in the other half; values of fewer than VOTE rows take the median of all."""
    enough = np.bincount(values, minlength=size) >= VOTE
    guess = np.empty(len(target))
    for side in (False, True):
        other = half != side
        order = np.lexsort((target[other], values[other]))
        sorted_target = target[other][order]
        counts = np.bincount(values[other], minlength=size)
        ends = np.cumsum(counts)
        middle = np.minimum(ends - counts + counts // 2, len(sorted_target) - 1)
        table = np.where(enough & (counts > 0), sorted_target[middle], np.median(sorted_target))
        guess[half == side] = table[values[half == side]]
    return guess


def _r2(target: Floats, guess: Floats) -> float:
    spread = float(((target - target.mean()) ** 2).sum())
    return 1.0 - float(((target - guess) ** 2).sum()) / spread if spread > 0 else 0.0
