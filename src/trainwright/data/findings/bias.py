"""Bias in the data: protected columns nobody named (TW160), groups with few rows (TW161), outcomes that differ between groups (TW162) and
between crossings of two attributes (TW163). All warn.

In       the columns named by --protected, whatever their role, and the labelled open rows.
Out      each group's rows and outcome with a 95 % interval, each gap against all other rows with an interval for the difference.
Source   Wilson (1927) for shares, Newcombe (1998) for differences, Welch (1947) for means; intervals of gaps are widened for the
         number of groups (Bonferroni). A gap in the data is no proof of wrong, and no gap is no proof of fairness.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from trainwright.data.findings.interface import SMALL_GROUP, Check, Found, Subject, count, figure, names, share
from trainwright.data.findings.measures import Z95, newcombe, normal_quantile, wilson
from trainwright.data.findings.vocabulary import PROTECTED, THINGS, words_of
from trainwright.runtime.columns import Coded, Codes, Floats

FEW_ROWS = 100  # a share of 100 rows is known to ten points at best
FEW_SHARE = 0.05
GAP = 0.05  # of the outcome's share, from which it is told
GAP_NUMBERS = 0.2  # of the outcome's standard deviation
MOST_GROUPS = 12  # groups of one attribute; the smaller ones beyond are taken together


def likely(name: str) -> str:
    """Which protected attribute a column's name speaks of; "" when none."""
    words = words_of(name)
    joined = {"".join(words[i : i + 2]) for i in range(len(words) - 1)}
    if {"native", "birth"} & set(words) and {"country", "place", "nation"} & set(words):
        return "nationality or origin"
    for what, known in PROTECTED:
        if known & (set(words) | joined) and not (what == "age" and THINGS & set(words)):
            return what
    return ""


def unnamed(subject: Subject) -> Iterable[Found]:
    """TW160: columns that sound like protected attributes but were not named as such."""
    found: dict[str, str] = {}
    told = set(protected(subject))
    for described in subject.dataset.table.described:
        name, kind = described.schema.name, described.schema.kind
        if name in told or described.role == "target" or kind in ("constant", "text", "identifier"):
            continue
        what = likely(name)
        if what and not (what == "age" and kind == "number" and not _human_age(subject, name)):
            found[name] = what
    if found:
        yield Found(
            where=names(list(found)),
            what="columns that may be protected attributes: " + ", ".join(f"{name} ({what})" for name, what in list(found.items())[:8]),
            fix=f"--protected {','.join(found)} compares their groups here and in the evidence; or --drop what must not be used",
            columns=tuple(found),
            figures={"columns": found},
        )


def _human_age(subject: Subject, name: str) -> bool:
    column = subject.column(name, subject.open)
    assert not isinstance(column, Coded)
    some = column[np.isfinite(column)]
    return bool(len(some) and some.min() >= 0 and some.max() <= 120 and some.max() > 12)


def protected(subject: Subject) -> tuple[str, ...]:
    """The protected columns: as asked, and those with that role."""
    there = [name for name in subject.protected if name in subject.described]
    return tuple(dict.fromkeys([*there, *subject.dataset.table.named("protected")]))


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one attribute over the labelled open rows. Those of fewer than SMALL_GROUP rows have no name and number -1."""

    attribute: str
    names: tuple[str, ...]
    codes: Codes  # (labelled,)
    small: int  # groups without a name
    small_rows: int

    def rows(self) -> list[int]:
        return [int(n) for n in np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))]


def groups_of(subject: Subject, name: str) -> Groups:
    """A category's values; a number's quarters, named by rounded bounds (yes/no by yes and no). Missing is a group too."""
    rows, kind = subject.labelled, subject.described[name].schema.kind
    column = subject.column(name, rows)
    if isinstance(column, Coded):
        labels, codes = list(column.vocabulary), column.codes.astype(np.int64)
    else:
        labels, codes = _bands(column, kind)
    codes = np.where(codes < 0, len(labels), codes)
    labels = [*labels, "missing"]
    counts = np.bincount(codes, minlength=len(labels))
    order = np.argsort(-counts, kind="stable")
    kept = [int(place) for place in order if counts[place] >= SMALL_GROUP][:MOST_GROUPS]
    number = np.full(len(labels), -1, dtype=np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    left = (counts > 0) & (number < 0)
    return Groups(name, tuple(labels[place] for place in kept), number[codes], int(left.sum()), int(counts[left].sum()))


def _bands(column: Floats, kind: str) -> tuple[list[str], np.ndarray]:
    there = np.isfinite(column)
    if kind == "yesno":
        return ["no", "yes"], np.where(there, np.nan_to_num(column), -1).astype(np.int64)
    if not there.any():
        return [], np.full(len(column), -1)
    values = np.unique(column[there])
    if len(values) <= 6 and (values == np.floor(values)).all():  # codes such as 1 and 2
        return [f"{value:g}" for value in values], np.where(there, np.searchsorted(values, np.nan_to_num(column)), -1)
    quarters = np.quantile(column[there], [0.25, 0.5, 0.75])
    digits = max(0, 1 - math.floor(math.log10(max(float(np.ptp(quarters)), 1e-12))))
    edges = np.unique(np.round(quarters, min(digits, 12) if float(np.ptp(quarters)) < 10 else 0))
    labels = [f"below {edges[0]:g}", *(f"{a:g} to below {b:g}" for a, b in pairwise(edges)), f"{edges[-1]:g} and above"]
    return labels, np.where(there, np.searchsorted(edges, np.nan_to_num(column), side="right"), -1)


def small_groups(subject: Subject) -> Iterable[Found]:
    """TW161: groups of a protected attribute with so few rows that they are hardly learned and cannot be judged."""
    for name in protected(subject):
        groups = groups_of(subject, name)
        total = len(subject.labelled)
        few = [(g, n) for g, n in zip(groups.names, groups.rows(), strict=True) if n < FEW_ROWS or n < FEW_SHARE * total]
        if not few and not groups.small:
            continue
        parts = [f"{group} {n:,} rows ({share(n, total)})" for group, n in few[:6]]
        parts += [
            f"{groups.small:,} more groups, {groups.small_rows:,} rows together, too small to judge or beyond the {MOST_GROUPS} largest"
        ] * bool(groups.small)
        yield Found(
            where=name,
            what=f"groups of '{name}' with less than {share(FEW_SHARE)} of the rows or fewer than {FEW_ROWS}: " + "; ".join(parts),
            fix="collect more rows of them, or merge groups where that is right; their figures in the evidence will be wide or missing",
            columns=(name,),
            figures={"groups": dict(zip(groups.names, groups.rows(), strict=True)), "unnamed": groups.small, "unnamed_rows": groups.small_rows},
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """One group's outcome against that of all other rows. Shares for classes; for numbers means, and the gap in standard deviations."""

    group: str
    rows: int
    outcome: float
    low: float
    high: float
    gap: float
    gap_low: float
    gap_high: float

    def as_dict(self) -> dict[str, object]:
        return {"group": self.group, "rows": self.rows} | {
            key: figure(getattr(self, key)) for key in ("outcome", "low", "high", "gap", "gap_low", "gap_high")
        }


def outcomes(subject: Subject) -> list[tuple[str, Floats]]:
    """What is compared: the share of the positive class; of each class where there are several; the target's mean."""
    if not subject.is_classes:
        return [("the target", subject.target)]
    counts = np.bincount(subject.class_numbers, minlength=len(subject.dataset.classes))
    numbers = [1] if len(counts) == 2 else [n for n, count in enumerate(counts.tolist()) if count >= 3 * SMALL_GROUP]
    return [(subject.class_name(n, int(counts[n])), (subject.class_numbers == n).astype(np.float64)) for n in numbers]


def gaps_of(labels: tuple[str, ...], codes: Codes, outcome: Floats, classes: bool, comparisons: int) -> list[Gap]:
    """Each group against all other rows, for one outcome; the gap's interval covers all `comparisons` at once with 95 %."""
    z = normal_quantile(0.05 / max(1, comparisons))
    spread = float(outcome.std()) or 1.0
    result = []
    for number, label in enumerate(labels):
        inside = codes == number
        mine, rest = outcome[inside], outcome[~inside]
        if len(mine) < SMALL_GROUP or len(rest) < SMALL_GROUP:
            continue
        if classes:
            low, high = wilson(float(mine.sum()), len(mine))
            gap, gap_low, gap_high = newcombe(float(mine.sum()), len(mine), float(rest.sum()), len(rest), z)
        else:
            error = float(mine.std(ddof=1)) / math.sqrt(len(mine))
            low, high = float(mine.mean()) - Z95 * error, float(mine.mean()) + Z95 * error
            both = math.hypot(error, float(rest.std(ddof=1)) / math.sqrt(len(rest)))  # Welch
            gap = (float(mine.mean()) - float(rest.mean())) / spread
            gap_low, gap_high = gap - z * both / spread, gap + z * both / spread
        result.append(Gap(label, len(mine), float(mine.mean()), low, high, gap, gap_low, gap_high))
    return result


def clear(gap: Gap, least: float) -> bool:
    """Whether a gap is of some size and not a matter of chance."""
    return abs(gap.gap) >= least and (gap.gap_low > 0 or gap.gap_high < 0)


def outcome_gaps(subject: Subject) -> Iterable[Found]:
    """TW162: outcomes that differ between the groups of a protected attribute."""
    compared = outcomes(subject)
    least = GAP if subject.is_classes else GAP_NUMBERS
    for name in protected(subject):
        groups = groups_of(subject, name)
        comparisons = len(groups.names) * len(compared)
        table = {what: gaps_of(groups.names, groups.codes, y, subject.is_classes, comparisons) for what, y in compared}
        told = [(what, gap) for what, gaps in table.items() for gap in gaps if clear(gap, least)]
        if not told:
            continue
        what, widest = max(told, key=lambda item: abs(item[1].gap))
        yield Found(
            where=name,
            what=f"the outcome differs between groups of '{name}': {_said(subject, what, widest)}; "
            f"{len(told)} of {count(comparisons, 'comparison')} are clear",
            fix="find out why before a model repeats it: how labels came about, who is in the data; "
            f"--drop {name} alone does not remove it, since other columns may stand for it",
            columns=(name,),
            figures={what: [gap.as_dict() for gap in gaps] for what, gaps in table.items()},
        )


def _said(subject: Subject, what: str, gap: Gap) -> str:
    if subject.is_classes:
        return (
            f"{what} is {share(gap.outcome)} in {gap.group} ({share(gap.low)} to {share(gap.high)}, {gap.rows:,} rows), "
            f"{100 * gap.gap:+.1f} points against the others ({100 * gap.gap_low:+.1f} to {100 * gap.gap_high:+.1f})"
        )
    return (
        f"its mean is {gap.outcome:.4g} in {gap.group} ({gap.rows:,} rows), {gap.gap:+.2f} standard deviations against the others "
        f"({gap.gap_low:+.2f} to {gap.gap_high:+.2f})"
    )


def crossed_gaps(subject: Subject) -> Iterable[Found]:
    """TW163: crossings of two protected attributes whose outcome stands out further than that of either attribute alone."""
    compared = outcomes(subject)
    least = GAP if subject.is_classes else GAP_NUMBERS
    for first, second in combinations(protected(subject), 2):
        a, b = groups_of(subject, first), groups_of(subject, second)
        labels = tuple(f"{x} and {y}" for x in a.names for y in b.names)
        codes = np.where((a.codes >= 0) & (b.codes >= 0), a.codes * len(b.names) + b.codes, -1).astype(np.int32)
        counts = np.bincount(codes[codes >= 0], minlength=len(labels))
        small = int(((counts > 0) & (counts < SMALL_GROUP)).sum())
        comparisons = int((counts >= SMALL_GROUP).sum()) * len(compared)
        told, table = [], {}
        for what, y in compared:
            alone = [gaps_of(g.names, g.codes, y, subject.is_classes, 1) for g in (a, b)]
            widest = max((abs(gap.gap) for gaps in alone for gap in gaps), default=0.0)
            table[what] = gaps_of(labels, codes, y, subject.is_classes, comparisons)
            told += [(what, gap) for gap in table[what] if clear(gap, least) and abs(gap.gap) >= widest + least]
        if not told:
            continue
        what, furthest = max(told, key=lambda item: abs(item[1].gap))
        tail = f"; {small} crossings have fewer than {SMALL_GROUP} rows and are too small to judge" if small else ""
        yield Found(
            where=f"{first}, {second}",
            what=f"crossing '{first}' with '{second}' shows more than either alone: {_said(subject, what, furthest)}{tail}",
            fix="look at these groups in the evidence, not only at each attribute by itself",
            columns=(first, second),
            figures={what: [gap.as_dict() for gap in gaps] for what, gaps in table.items()} | {"too_small": small},
        )


CHECKS = (
    Check(
        "TW160",
        "Columns may be protected attributes",
        False,
        "the law in many places forbids to treat people differently by them; unnamed, nobody looks",
        False,
        unnamed,
    ),
    Check(
        "TW161",
        "A protected group has few rows",
        False,
        "the model learns little about these people, and errors among them do not show in the score",
        False,
        small_groups,
    ),
    Check(
        "TW162",
        "Outcomes differ between protected groups",
        False,
        "a model learns the difference as it is in the data, just or not",
        True,
        outcome_gaps,
    ),
    Check(
        "TW163",
        "Crossings of protected groups differ",
        False,
        "a group can be treated badly though each of its attributes alone is not",
        True,
        crossed_gaps,
    ),
)
